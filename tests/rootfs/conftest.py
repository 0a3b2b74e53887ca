"""Roots of Debian's programs, which .ci/run lays out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOTS = Path(os.environ.get("VMEMU_ROOTS") or Path(__file__).parents[2] / "build" / "roots")
ARCHITECTURE = {32: "i386", 64: "amd64"}


@pytest.fixture(scope="session")
def roots() -> dict[int, Path]:
    """The root of each width; it skips where there is none."""
    found = {bits: ROOTS / name for bits, name in ARCHITECTURE.items()}
    for root in found.values():
        if not (root / "var/lib/vmemu/rootfs.json").exists():
            pytest.skip(f"there is no {root}: tests/rootfs/lay-out needs apt and a network")
        (root / "data").mkdir(exist_ok=True)
        if os.getuid() == 0:
            null = root / "dev/null"  # for programs that run in it natively
            if not null.exists():
                null.touch(mode=0o666)
    return found
