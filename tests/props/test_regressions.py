"""Short lists of operations that once went wrong."""

from __future__ import annotations

import pytest

from vmemu.rmap import builtin
from vmemu.testing.driver import perform
from vmemu.testing.frame import Config, Operation
from vmemu.testing.model import PAGE

LOW = 0x40000000
STACK = 0xBFFC0000
ANON, FIXED, GROWSDOWN = 0x22, 0x10, 0x100
SCHEMES = tuple(name for name, scheme in builtin().items() if scheme.swaps())


def mmap(pid: int, address: int, pages: int, prot: int = 3, flags: int = 0) -> Operation:
    return ("mmap", pid, address, pages * PAGE, prot, ANON | FIXED | flags)


def write(pid: int, address: int, pages: int) -> Operation:
    return ("write", pid, address, pages * PAGE, address // PAGE)


def demand(config: Config, operations: list[Operation], *, check_at_end: bool = False) -> None:
    """All of it goes right; everything is checked at the end, or after every operation.

    A check reads everything, which brings it in.
    """
    error = perform(config, operations, len(operations) if check_at_end else 1)
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
            mmap(1, LOW + 320 * PAGE, 60),
            write(1, LOW + 320 * PAGE, 60),
            ("fork", 1),
            mmap(2, LOW, 300),
            write(2, LOW, 300),
            ("reclaim_range", 1, LOW, 380 * PAGE),
            ("reclaim_range", 2, LOW, 380 * PAGE),
            ("swapon", 1),
            ("swapoff", 0),
        ],
    )


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_swapped_page_moved_by_one_of_two_processes(scheme: str) -> None:
    """It is read at the old address first, then at the new one; and the other way round."""
    for order in ([1, 2], [2, 1]):
        new = {1: LOW, 2: LOW + 64 * PAGE}
        demand(
            Config(scheme),
            [
                mmap(1, LOW, 8),
                write(1, LOW, 8),
                ("fork", 1),
                ("reclaim_range", 1, LOW, 8 * PAGE),
                ("reclaim_range", 2, LOW, 8 * PAGE),
                ("mremap", 2, LOW, 8 * PAGE, 8 * PAGE, 3, LOW + 64 * PAGE),
                *[("read", pid, new[pid], 8 * PAGE) for pid in order],
                *[write(pid, new[pid] + PAGE, 2) for pid in order],
            ],
            check_at_end=True,
        )


def test_a_vma_of_another_process_is_not_found() -> None:
    """The vma that was found last is gone, and its memory is another process's vma."""
    demand(
        Config("anon_vma"),
        [
            ("spawn",),
            mmap(1, LOW + 32 * PAGE, 8),  # its vma keeps the slab where it is
            mmap(1, LOW, 8),
            write(1, LOW, 8),
            ("munmap", 1, LOW, 8 * PAGE),
            mmap(2, LOW, 8),
            ("read", 1, LOW, PAGE),
            ("user_write", 1, LOW, 64, 1),
        ],
        check_at_end=True,
    )
