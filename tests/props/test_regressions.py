"""Short lists of operations that once went wrong."""

from __future__ import annotations

import pytest

from .driver import perform
from .frame import Config, Operation
from .model import PAGE

LOW = 0x40000000
STACK = 0xBFFC0000
ANON, FIXED, GROWSDOWN = 0x22, 0x10, 0x100
SCHEMES = ("anonmm", "anon_vma39", "anon_vma")


def mmap(pid: int, address: int, pages: int, prot: int = 3, flags: int = 0) -> Operation:
    return ("mmap", pid, address, pages * PAGE, prot, ANON | FIXED | flags)


def write(pid: int, address: int, pages: int) -> Operation:
    return ("write", pid, address, pages * PAGE, address // PAGE)


def demand(config: Config, operations: list[Operation]) -> None:
    """All of it goes right, with everything checked after every operation."""
    error = perform(config, operations)
    if error is not None:
        raise error


@pytest.mark.parametrize("scheme", SCHEMES)
def test_growth_of_a_read_only_area_is_not_accounted(scheme: str) -> None:
    demand(
        Config(scheme),
        [
            mmap(1, STACK, 4, prot=1, flags=GROWSDOWN),
            ("user_read", 1, STACK - 3 * PAGE, 64),
            ("mprotect", 1, STACK - 3 * PAGE, 7 * PAGE, 3),
        ],
    )


@pytest.mark.parametrize("scheme", SCHEMES)
def test_swapoff_while_reclaim_sends_shared_pages_back(scheme: str) -> None:
    """Pages brought back for one process go out again, to the slots the other still holds."""
    demand(
        Config(scheme, ram=1 << 20, swap=(600, 600), budget=600),
        [
            ("swapoff", 1),
            mmap(1, LOW, 60),
            write(1, LOW, 60),
            ("fork", 1),
            mmap(2, LOW + 64 * PAGE, 300),
            write(2, LOW + 64 * PAGE, 300),
            ("reclaim_range", 1, LOW, 60 * PAGE),
            ("reclaim_range", 2, LOW, 364 * PAGE),
            ("swapon", 1),
            ("swapoff", 0),
        ],
    )
