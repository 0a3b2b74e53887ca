"""System calls of 64-bit programs: `syscalls` in the other width."""

from __future__ import annotations

from . import syscalls

UNITS = syscalls.UNITS
SEEDS: tuple[int, ...] = ()
"""Cases that once found something."""


def case(seed: int) -> int:
    """Run one machine full of calls; how many it made."""
    return syscalls.case(seed, 64)
