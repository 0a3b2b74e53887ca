"""Where mmap puts an area: free_area_cache of 2.6.7, and the limit on how many there may be.

The cache remembers where the last search ended.  An area that goes takes it down to its own
start, if that is lower; a child and a new program begin again at TASK_UNMAPPED_BASE.
"""

from __future__ import annotations

from errno import EAGAIN, ENOMEM

import pytest
from memory import ANON, FIXED, PAGE, PRIVATE, RW, RWX, SCHEMES, Memory, R, errno_of, memory_under

from tests.width import LIMIT, TASK_SIZE, UNMAPPED_BASE, lib
from vmemu.mm import (
    Mm,
    do_brk,
    do_madvise,
    do_mlock,
    do_mmap,
    do_mprotect,
    do_mremap,
    do_munmap,
    dup_mmap,
)

LOWEST = UNMAPPED_BASE
MAYMOVE, MOVE = 1, 3


memory = memory_under("none", *SCHEMES)


def place(mm: Mm, pages: int, prot: int = RW) -> int:
    """Let mmap choose; in pages above TASK_UNMAPPED_BASE."""
    return (do_mmap(mm, 0, pages * PAGE, prot, PRIVATE | ANON) - LOWEST) // PAGE


def unmap(mm: Mm, page: int, pages: int) -> None:
    do_munmap(mm, LOWEST + page * PAGE, pages * PAGE)


def test_a_search_goes_on_where_the_last_one_ended(memory: Memory) -> None:
    mm = memory.process()
    assert [place(mm, 8), place(mm, 8, R), place(mm, 8)] == [0, 8, 16]
    unmap(mm, 8, 4)
    assert place(mm, 6) == 24  # the hole is too small
    assert place(mm, 2) == 30  # now it would do, and is not looked at


def test_unmapping_begins_the_search_at_the_lowest_area_that_went(memory: Memory) -> None:
    mm = memory.process()
    place(mm, 16)
    unmap(mm, 0, 8)
    assert place(mm, 32, R) == 16
    # the range begins in the hole; the lowest area in it begins at 8
    unmap(mm, 2, 14)
    assert place(mm, 4) == 8
    assert place(mm, 4) == 12


def test_unmapping_nothing_leaves_the_cache(memory: Memory) -> None:
    mm = memory.process()
    place(mm, 16)
    unmap(mm, 4, 4)
    assert place(mm, 16, R) == 16
    unmap(mm, 4, 4)
    assert place(mm, 2) == 32


def test_areas_above_the_cache_and_below_the_base_do_not_count(memory: Memory) -> None:
    mm = memory.process()
    for page in (64, -64):
        do_mmap(mm, LOWEST + page * PAGE, PAGE, RW, PRIVATE | ANON | FIXED)
    assert place(mm, 8) == 0
    unmap(mm, 64, 1)
    unmap(mm, -64, 1)
    assert place(mm, 8, R) == 8


def test_a_fixed_mapping_over_an_area_takes_it_away_first(memory: Memory) -> None:
    mm = memory.process()
    place(mm, 16)
    do_mmap(mm, LOWEST + 4 * PAGE, 2 * PAGE, R, PRIVATE | ANON | FIXED)
    assert place(mm, 1, RWX) == 16  # searched from page 4 on, where nothing is free
    unmap(mm, 8, 1)
    assert place(mm, 1, RWX) == 8


def test_mremap_gives_its_old_place_back(memory: Memory) -> None:
    mm = memory.process()
    place(mm, 4)
    do_mremap(mm, LOWEST, 4 * PAGE, 4 * PAGE, MOVE, LOWEST + 100 * PAGE)
    assert place(mm, 2) == 0
    assert do_mremap(mm, LOWEST, 2 * PAGE, 200 * PAGE, MAYMOVE) == LOWEST + 104 * PAGE
    assert place(mm, 2) == 0


def test_a_search_that_finds_nothing_above_begins_again(memory: Memory) -> None:
    mm = memory.process()
    top = TASK_SIZE - LOWEST
    assert place(mm, top // PAGE - 4, 0) == 0
    assert place(mm, 4, R) == top // PAGE - 4
    assert errno_of(place, mm, 1) == ENOMEM
    mm.ptr.free_area_cache = TASK_SIZE
    do_munmap(mm, LOWEST + 16 * PAGE, PAGE)
    mm.ptr.free_area_cache = LOWEST + 17 * PAGE
    assert place(mm, 1) == 16


def test_a_child_begins_anew(memory: Memory) -> None:
    mm = memory.process()
    place(mm, 16)
    unmap(mm, 0, 2)
    assert place(mm, 4, R) == 16
    child = dup_mmap(mm)
    assert child.ptr.free_area_cache == LOWEST
    assert place(child, 1) == 0
    assert place(mm, 1) == 20
    child.put()


@pytest.mark.parametrize(
    ("stack", "gap"),
    [(8 << 20, 128 << 20), (0x10000000, 0x10000000), (LIMIT - 1, TASK_SIZE // 6 * 5)],
)
def test_below_the_stack_room_is_left_for_it(stack: int, gap: int) -> None:
    """mmap_base: the stack's limit, at least 128 MB, at most five sixths of user space."""
    memory = Memory("none", topdown=True)
    mm = memory.process(stack=stack)
    at = do_mmap(mm, 0, 2 * PAGE, RW, PRIVATE | ANON)
    assert at == TASK_SIZE - gap - 2 * PAGE
    memory.close()


def test_a_fresh_mm_begins_at_the_base(memory: Memory) -> None:
    assert place(memory.process(), 1) == 0


# ---- how many areas -----------------------------------------------------------------


@pytest.fixture
def limit(memory: Memory) -> int:
    """A small max_map_count in place of 65536."""
    memory.vm.max_map_count = 8
    return 8


def crowded(memory: Memory, areas: int) -> Mm:
    """So many areas, alternately writable and not."""
    mm = memory.process()
    for n in range(areas):
        place(mm, 2, R if n % 2 else RW)
    assert mm.ptr.map_count == areas
    return mm


def test_a_mapping_may_exceed_the_limit_by_one(memory: Memory, limit: int) -> None:
    mm = crowded(memory, limit + 1)
    assert errno_of(place, mm, 1, RW) == ENOMEM
    unmap(mm, 0, 2)
    assert errno_of(place, mm, 2, RW) == 0


def test_so_may_the_heap(memory: Memory, limit: int) -> None:
    mm = crowded(memory, limit)
    assert errno_of(do_brk, mm, 0x10000000, PAGE) == 0
    assert errno_of(do_brk, mm, 0x20000000, PAGE) == ENOMEM


def test_a_split_may_not(memory: Memory, limit: int) -> None:
    """mprotect and munmap say ENOMEM, mlock and madvise EAGAIN; nothing has changed."""
    mm = crowded(memory, limit)
    areas = [(v.vm_start, v.vm_end, v.vm_flags) for v in mm.vmas()]
    assert errno_of(do_mprotect, mm, LOWEST, PAGE, RWX) == ENOMEM
    assert errno_of(do_munmap, mm, LOWEST, PAGE) == ENOMEM
    assert errno_of(do_munmap, mm, LOWEST + PAGE, PAGE) == ENOMEM
    assert errno_of(do_mlock, mm, LOWEST, PAGE) == EAGAIN
    assert errno_of(do_madvise, mm, LOWEST, PAGE, 1) == EAGAIN
    assert [(v.vm_start, v.vm_end, v.vm_flags) for v in mm.vmas()] == areas
    unmap(mm, 0, 2)
    assert errno_of(do_mlock, mm, LOWEST + 2 * PAGE, PAGE) == 0


@pytest.mark.parametrize(("areas", "error"), [(4, 0), (5, ENOMEM)])
def test_a_move_wants_room_for_three(memory: Memory, limit: int, areas: int, error: int) -> None:
    """The copy, and the two splits that munmap may make."""
    mm = crowded(memory, areas)
    there = LOWEST + 64 * PAGE
    assert errno_of(do_mremap, mm, LOWEST, 2 * PAGE, 2 * PAGE, MOVE, there) == error
    # growing in place makes no area
    last = LOWEST + 2 * (areas - 1) * PAGE
    assert errno_of(do_mremap, mm, last, 2 * PAGE, 4 * PAGE, MAYMOVE) == 0


def test_a_failed_split_for_want_of_memory(memory: Memory) -> None:
    mm = memory.process()
    place(mm, 4)
    with memory.starved(lib.CACHE_vm_area_struct):
        assert errno_of(do_mlock, mm, LOWEST, PAGE) == EAGAIN
        assert errno_of(do_madvise, mm, LOWEST, PAGE, 1) == EAGAIN
        assert errno_of(do_mprotect, mm, LOWEST, PAGE, R) == ENOMEM
        assert errno_of(do_munmap, mm, LOWEST, PAGE) == ENOMEM
