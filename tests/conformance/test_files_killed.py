"""vmemu is killed while a program writes to a shared mapping: what was synced is on the host."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest
from filing import O_CREAT, O_RDWR, Filing

PAGE, PAGES = 4096, 96
MAP = 0x62000000
MS_SYNC = 4
GENERATIONS = 40


@pytest.mark.parametrize("ram", ["640K", "8M"])
@pytest.mark.parametrize("how", ["msync", "fsync"])
@pytest.mark.parametrize("acknowledged", [1, 7, 20])
def test_what_was_synced_survives_kill(
    ram: str, how: str, acknowledged: int, tmp_path: Path
) -> None:
    """Each page is one generation's as a whole, and none is older than the last that was synced.

    Little RAM, of which reclaim writes pages between the calls, and ample.
    """
    filing, last = Filing(64), {}
    root = tmp_path / "root"
    root.mkdir()
    (root / "source").write_bytes(b"".join(bytes([g]) * PAGE for g in range(1, GENERATIONS + 1)))
    (root / "file").write_bytes(bytes(PAGES * PAGE))
    filing.call("open", "file", O_CREAT | O_RDWR, 0o644)
    filing.call("open", "source", O_RDWR, 0)
    filing.call("mmap", MAP, PAGES * PAGE, 3, 0x11, 3, 0)
    for generation in range(1, GENERATIONS + 1):
        where = (generation - 1) * PAGE
        for page in range(PAGES):
            if how == "msync":
                filing.call("pread64", 4, MAP + page * PAGE, PAGE, where)
            else:
                filing.call("pwrite64", 3, bytes([generation]) * PAGE, PAGE, page * PAGE)
        if how == "msync":
            last[generation] = filing.call("msync", MAP, PAGES * PAGE, MS_SYNC)
        else:
            last[generation] = filing.call("fsync", 3)
    listed = tmp_path / "calls"
    listed.write_bytes(filing.listed())
    command = [
        sys.executable, "-m", "vmemu", "run", "--root", root, "--root-rw", "--ram", ram,
        "--swap", "none", "./" + filing.program(tmp_path).name,
    ]  # fmt: skip
    with listed.open("rb") as calls:
        vmemu = subprocess.Popen(command, stdin=calls, stdout=subprocess.PIPE, cwd=tmp_path)
    assert vmemu.stdout is not None
    told = vmemu.stdout.read(8 * (last[acknowledged] + 1))
    vmemu.kill()
    vmemu.stdout.read()
    vmemu.wait()
    vmemu.stdout.close()
    results = struct.unpack(f"<{len(told) // 8}q", told)
    assert results[last[acknowledged]] == 0 and min(results) >= 0
    content = (root / "file").read_bytes()
    assert len(content) == PAGES * PAGE
    for page in range(PAGES):
        kinds = set(content[page * PAGE : (page + 1) * PAGE])
        assert len(kinds) == 1, f"page {page} is a mixture"
        assert kinds.pop() >= acknowledged
