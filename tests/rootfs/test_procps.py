"""ps, top, free, vmstat and pmap of Debian's procps find in /proc what the machine has."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from vmemu.machine import Machine

pytestmark = pytest.mark.rootfs
TERMINFO = Path("/lib/terminfo")


def run(root: Path, bits: int, *words: str) -> str:
    """What a program of a root prints."""
    output = io.BytesIO()
    binds = [str(TERMINFO)] if TERMINFO.exists() else []
    with Machine(
        bits=bits,
        ram="64M",
        swap="32M",
        root=str(root),
        binds=binds,
    ) as machine:
        machine.spawn(words[0], list(words), {"TERM": "xterm"}, stdout=output, inside=True)
        assert machine.run().exit_status == 0
        machine.check()
    return output.getvalue().decode()


@pytest.fixture(params=[32, 64])
def bits(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def test_free_adds_up(roots: dict[int, Path], bits: int) -> None:
    text = run(roots[bits], bits, "/usr/bin/free", "-k")
    total, used, _, _, _, available = map(int, text.splitlines()[1].split()[1:])
    assert 60000 < total < 65536
    assert 0 < available < total
    assert used == total - available
    assert text.splitlines()[2].split() == ["Swap:", "32764", "0", "32764"]


def test_ps_and_top_see_themselves(roots: dict[int, Path], bits: int) -> None:
    text = run(roots[bits], bits, "/usr/bin/ps", "-e", "-o", "pid,ppid,stat,nlwp,args")
    assert text.splitlines()[1].split(None, 4)[:2] == ["100", "1"]
    assert text.splitlines()[1].endswith("1 /usr/bin/ps -e -o pid,ppid,stat,nlwp,args")
    if TERMINFO.exists():
        text = run(roots[bits], bits, "/usr/bin/top", "-b", "-n1")
        assert re.search(r"^Tasks: +1 total, +1 running", text, re.M)
        assert re.search(r"^ +100 root .* top", text, re.M)


def test_pmap_adds_up(roots: dict[int, Path], bits: int) -> None:
    text = run(roots[bits], bits, "/usr/bin/pmap", "-x", "100")
    rows = [line.split() for line in text.splitlines()[2:] if re.match("[0-9a-f]{8}", line)]
    total = next(line for line in text.splitlines() if line.startswith("total")).split()
    assert sum(int(row[1]) for row in rows) == int(total[2])
    assert sum(int(row[2]) for row in rows) == int(total[3])


def test_vmstat(roots: dict[int, Path], bits: int) -> None:
    text = run(roots[bits], bits, "/usr/bin/vmstat")
    names, values = text.splitlines()[1].split(), text.splitlines()[2].split()
    found = dict(zip(names, map(int, values), strict=True))
    assert found["r"] == 1
    assert 0 < found["free"] < 65536
    assert found["cache"] > 0
