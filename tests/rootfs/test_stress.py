"""stress-ng's stressors of memory, all at once, under each reverse map.

With --verify each looks at what it has written.  How many rounds it makes is what it was asked for.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.rootfs.guest import run
from vmemu.rmap import schemes

pytestmark = pytest.mark.rootfs

STRESSORS = {
    "vm": (20, "--vm-bytes 2M"),
    "mmap": (2, "--mmap-bytes 1M"),
    "fork": (10, ""),
    "vfork": (10, ""),
    "mremap": (3, "--mremap-bytes 1M"),
    "mlock": (1, ""),
    "mmapfork": (2, ""),
    "brk": (100, ""),
    "stack": (1, ""),
    "shm": (2, "--shm-bytes 1M --shm-objs 1"),
    "msync": (5, "--msync-bytes 1M"),
    "remap": (1, ""),
    "mincore": (10, ""),
}
"""How many rounds each makes, and what else it is told."""
ALL = STRESSORS | {"madvise": (1, "")}
"""With the one that reads smaps after each call, which takes longer than the others together."""
LITTLE = {32: "12M", 64: "14M"}
"""Less than they need; what is locked, and page tables, must fit."""


def rounds(
    root: Path, bits: int, rmap: str, ram: str, stressors: dict[str, tuple[int, str]]
) -> tuple[dict[str, int], str, int]:
    """How many rounds each has made; what it complains of; how many pages went to swap."""
    asked = [f"--{name} 1 --{name}-ops {ops} {more}" for name, (ops, more) in stressors.items()]
    # without a limit of what may be locked mlock would reserve gigabytes for its own list
    stress = f"stress-ng --timeout 1000 --verify --metrics-brief {' '.join(asked)}"
    argv = ["/bin/sh", "-c", f"cd /tmp; ulimit -l 8192; exec {stress}"]
    machine = {"bits": bits, "rmap": rmap, "ram": ram, "swap": "256M"}
    ran = run(root, argv, {"PATH": "/usr/bin:/bin"}, **machine)
    text = (ran.output + ran.errors).decode()
    assert ran.status == 0, text
    rows = re.findall(r"metrc: \[\d+\] (\w+) +(\d+) +\d", text)
    bad = "".join(re.findall(r".*(?:fail|warn):.*\n", text))
    return {name: int(ops) for name, ops in rows}, bad, ran.swapped


def told(stressors: dict[str, tuple[int, str]]) -> dict[str, int]:
    return {name: ops for name, (ops, _) in stressors.items()}


@pytest.mark.slow
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("rmap", schemes())
def test_with_little_memory(roots: dict[int, Path], rmap: str, bits: int) -> None:
    done, bad, swapped = rounds(roots[bits], bits, rmap, LITTLE[bits], STRESSORS)
    assert not bad
    assert done == told(STRESSORS)
    assert swapped >= 1000  # under none, which cannot unmap, of shared memory alone


@pytest.mark.slow
@pytest.mark.parametrize(("bits", "rmap"), [(32, "anon_vma"), (64, "anonmm")])
def test_with_much_memory(roots: dict[int, Path], rmap: str, bits: int) -> None:
    done, bad, _ = rounds(roots[bits], bits, rmap, "64M", ALL)
    assert not bad
    assert done == told(ALL)
