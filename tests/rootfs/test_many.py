"""Many dynamic processes: what they leave behind, and whether they finish rightly."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rootfs.guest import run
from vmemu.machine import Machine

pytestmark = pytest.mark.rootfs

ENVIRONMENT = {"PATH": "/usr/bin"}
STARTED = 1000
"""How many processes start and exit one after the other."""
AT_ONCE = 100
"""How many run at the same time."""


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def frames(machine: Machine) -> dict[str, int]:
    """Frames by kind, slab objects by cache; the page cache stays, as it should."""
    stats = machine.stats()
    kinds = {f"{kind} frames": count for kind, count in stats["frames"].items()}
    caches = {name: cache["objects"] for name, cache in stats["slabs"].items()}
    return kinds | caches


@pytest.mark.slow
@pytest.mark.parametrize("rmap", ["anon_vma", "anonmm"])
@pytest.mark.parametrize("bits", [32, 64])
def test_what_a_process_leaves_behind(
    roots: dict[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bits: int, rmap: str
) -> None:
    """Nothing: no frame, no slab object, no descriptor, no temporary file.

    The shell stops itself by a read after the first processes and after the last.
    """
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = descriptors()
    script = f"""
        run() {{ i=0; while [ $i -lt $1 ]; do /bin/true; i=$((i+1)); done; }}
        run 3; kill -0 $$; run {STARTED}; kill -0 $$"""
    seen: list[tuple[dict[str, int], int]] = []
    with Machine(bits=bits, rmap=rmap, ram="32M", root=str(roots[bits]), lock_checks=False) as m:
        files = sorted(tmp_path.rglob("*"))
        m.spawn("/bin/sh", ["sh", "-c", script], ENVIRONMENT, stdin=None, inside=True)
        for _ in range(2):
            m.run_to("call:kill", lambda moment: seen.append((frames(m), descriptors())))
        assert len(seen) == 2
        assert m.run().exit_status == 0
        m.check()
        assert sorted(tmp_path.rglob("*")) == files
    assert seen[0] == seen[1]
    assert descriptors() == before


@pytest.mark.slow
@pytest.mark.parametrize(("bits", "rmap"), [(32, "anon_vma"), (64, "anonmm")])
def test_many_at_once(roots: dict[int, Path], bits: int, rmap: str) -> None:
    """Each sums what it has kept, while all of them together do not fit into memory."""
    script = f"""
        i=0; while [ $i -lt {AT_ONCE} ]; do
            mawk -v n=$i 'BEGIN {{ for (k = 0; k < 2000; k++) a[k] = k * n;
                for (k = 0; k < 2000; k++) s += a[k]; print n, s }}' &
            i=$((i+1)); done; wait"""
    machine = {"bits": bits, "rmap": rmap, "ram": "5M", "swap": "128M"}
    ran = run(roots[bits], ["/bin/sh", "-c", script], ENVIRONMENT, **machine)
    assert ran.status == 0
    total = sum(range(2000))
    lines = sorted(ran.output.decode().splitlines(), key=lambda line: int(line.split()[0]))
    assert lines == [f"{n} {n * total}" for n in range(AT_ONCE)]
    assert ran.swapped > 1000
