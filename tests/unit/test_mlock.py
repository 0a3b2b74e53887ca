"""mlock and its relatives: what is locked stays in memory, whatever reclaim does."""

from __future__ import annotations

from errno import EINVAL, ENOMEM

import pytest
from memory import (
    BASE,
    LOCKED,
    NONE,
    PAGE,
    POPULATE,
    RW,
    SCHEMES,
    Memory,
    R,
    errno_of,
    memory_under,
)

from tests.width import lib
from vmemu.mm import (
    Mm,
    do_mlock,
    do_mlockall,
    do_mprotect,
    do_mremap,
    do_munlock,
    do_munlockall,
    do_munmap,
    dup_mmap,
    sys_brk,
)

MCL_CURRENT, MCL_FUTURE = 1, 2
ALL = list(range(16))


memory = memory_under(*SCHEMES, swap=512)


@pytest.fixture
def mm(memory: Memory) -> Mm:
    """A process with 16 written pages."""
    mm = memory.process()
    memory.map(mm, 0, 16)
    memory.fill(mm, 0, 16)
    return mm


def squeeze(memory: Memory) -> None:
    """Take everything that can be taken, by scanning and page by page."""
    memory.vm.reclaim.reclaim_pages(1 << 20)
    for mm in memory.vm.mms.values():
        memory.vm.reclaim_range(mm, BASE, BASE + 64 * PAGE)


def test_locked_pages_stay_and_others_go(memory: Memory, mm: Mm) -> None:
    do_mlock(mm, BASE + 4 * PAGE, 4 * PAGE)
    squeeze(memory)
    assert memory.present(mm, 0, 16) == [4, 5, 6, 7]
    assert mm.ptr.locked_vm == 4
    do_munlock(mm, BASE + 5 * PAGE, PAGE)
    squeeze(memory)
    assert memory.present(mm, 0, 16) == [4, 6, 7]
    memory.verify(mm, 0, 16)


def test_mlock_brings_pages_back(memory: Memory, mm: Mm) -> None:
    squeeze(memory)
    assert memory.present(mm, 0, 16) == []
    do_mlock(mm, BASE, 16 * PAGE)
    assert memory.present(mm, 0, 16) == ALL
    memory.verify(mm, 0, 16)


def test_mlock_populates(memory: Memory, mm: Mm) -> None:
    """Writable areas get pages of their own, read-only ones the zero page."""
    memory.map(mm, 16, 4)
    memory.map(mm, 20, 4, R)
    rss = mm.ptr.rss
    do_mlock(mm, BASE + 16 * PAGE, 8 * PAGE)
    assert memory.present(mm, 16, 8) == list(range(16, 24))
    assert mm.ptr.rss == rss + 4


def test_ranges_are_rounded_outwards(memory: Memory, mm: Mm) -> None:
    do_mlock(mm, BASE + 2 * PAGE + 4095, 2)
    assert mm.ptr.locked_vm == 2
    do_munlock(mm, BASE + 2 * PAGE, 1)
    assert mm.ptr.locked_vm == 1
    do_mlock(mm, BASE, 0)
    assert mm.ptr.locked_vm == 1


def test_holes(memory: Memory, mm: Mm) -> None:
    """What precedes a hole is locked nevertheless."""
    do_munmap(mm, BASE + 8 * PAGE, PAGE)
    assert errno_of(do_mlock, mm, BASE, 16 * PAGE) == ENOMEM
    assert mm.ptr.locked_vm == 8
    assert errno_of(do_mlock, mm, BASE + 8 * PAGE, PAGE) == ENOMEM
    assert errno_of(do_munlock, mm, BASE, 16 * PAGE) == ENOMEM
    assert mm.ptr.locked_vm == 0


def test_inaccessible_pages_are_locked_empty(memory: Memory) -> None:
    mm = memory.process()
    memory.map(mm, 0, 4, NONE)
    assert errno_of(do_mlock, mm, BASE, 4 * PAGE) == ENOMEM
    assert mm.ptr.locked_vm == 4
    assert memory.present(mm, 0, 4) == []
    do_mprotect(mm, BASE, 4 * PAGE, RW)
    memory.fill(mm, 0, 4)
    squeeze(memory)
    assert memory.present(mm, 0, 4) == [0, 1, 2, 3]


def test_flags_of_mmap(memory: Memory) -> None:
    mm = memory.process()
    memory.map(mm, 0, 4, RW, LOCKED)
    memory.map(mm, 4, 4, RW, POPULATE)
    memory.map(mm, 8, 4)
    assert memory.present(mm, 0, 12) == list(range(8))
    assert mm.ptr.locked_vm == 4
    squeeze(memory)
    assert memory.present(mm, 0, 12) == [0, 1, 2, 3]


def test_mlockall(memory: Memory, mm: Mm) -> None:
    mm.ptr.start_brk = mm.ptr.brk = BASE + 40 * PAGE
    do_mlockall(mm, MCL_CURRENT)
    memory.map(mm, 16, 4)
    assert mm.ptr.locked_vm == 16
    do_mlockall(mm, MCL_CURRENT | MCL_FUTURE)
    assert mm.ptr.locked_vm == 20
    do_munlock(mm, BASE + 16 * PAGE, 4 * PAGE)
    memory.map(mm, 24, 4)
    sys_brk(mm, BASE + 44 * PAGE)
    assert mm.ptr.locked_vm == 24
    assert memory.present(mm, 16, 28) == [16, 17, 18, 19, 24, 25, 26, 27, 40, 41, 42, 43]
    squeeze(memory)
    assert memory.present(mm, 0, 44) == [*ALL, 24, 25, 26, 27, 40, 41, 42, 43]
    do_munlockall(mm)
    memory.map(mm, 32, 4)
    assert mm.ptr.locked_vm == 0
    squeeze(memory)
    assert memory.present(mm, 0, 44) == []
    memory.verify(mm, 0, 16)
    for flags in (0, 4, MCL_CURRENT | 8):
        assert errno_of(do_mlockall, mm, flags) == EINVAL


def test_mlockall_for_the_future_alone_unlocks_the_present(memory: Memory, mm: Mm) -> None:
    do_mlock(mm, BASE, 4 * PAGE)
    do_mlockall(mm, MCL_FUTURE)
    assert mm.ptr.locked_vm == 0
    memory.map(mm, 16, 4)
    assert mm.ptr.locked_vm == 4
    squeeze(memory)
    assert memory.present(mm, 0, 20) == [16, 17, 18, 19]


def test_mlockall_passes_over_what_cannot_be_filled(memory: Memory, mm: Mm) -> None:
    memory.map(mm, 16, 4, NONE)
    memory.map(mm, 20, 4)
    do_mlockall(mm, MCL_CURRENT)
    assert mm.ptr.locked_vm == 24
    assert memory.present(mm, 0, 24) == [*ALL, 20, 21, 22, 23]


def test_an_inaccessible_area_ends_mlock_after_what_precedes_it(memory: Memory) -> None:
    mm = memory.process()
    memory.map(mm, 0, 12)
    do_mprotect(mm, BASE + 4 * PAGE, 4 * PAGE, NONE)
    assert errno_of(do_mlock, mm, BASE, 12 * PAGE) == ENOMEM
    assert memory.present(mm, 0, 12) == [0, 1, 2, 3]
    assert mm.ptr.locked_vm == 8
    assert errno_of(do_munlock, mm, BASE, 12 * PAGE) == 0
    assert mm.ptr.locked_vm == 0


def test_what_memory_cannot_hold_is_not_locked_with_success(memory: Memory) -> None:
    memory.m.overcommit_memory = lib.OVERCOMMIT_ALWAYS
    mm = memory.process()
    memory.map(mm, 0, 2048)
    assert errno_of(do_mlock, mm, BASE, 2048 * PAGE) == ENOMEM
    assert 0 < len(memory.present(mm, 0, 2048)) < 1024


def test_fork_inherits_no_lock(memory: Memory, mm: Mm) -> None:
    """Shared pages stay for the parent's sake; the child may lose its ptes, not the parent."""
    do_mlockall(mm, MCL_CURRENT | MCL_FUTURE)
    child = dup_mmap(mm)
    assert child.ptr.locked_vm == 0
    memory.map(child, 16, 2)
    assert child.ptr.locked_vm == 0
    squeeze(memory)
    assert memory.present(mm, 0, 16) == ALL
    memory.fill(child, 0, 8, seed=1)
    squeeze(memory)
    assert memory.present(mm, 0, 16) == ALL
    assert set(memory.present(child, 0, 8)) == set()
    memory.verify(mm, 0, 16)
    memory.verify(child, 0, 8, seed=1)
    memory.verify(child, 8, 8)


def test_locks_travel_with_mremap(memory: Memory, mm: Mm) -> None:
    do_mlock(mm, BASE, 8 * PAGE)
    do_mremap(mm, BASE, 8 * PAGE, 12 * PAGE, 3, BASE + 32 * PAGE)
    assert mm.ptr.locked_vm == 12
    squeeze(memory)
    assert memory.present(mm, 0, 64) == list(range(32, 44))
    do_munmap(mm, BASE + 32 * PAGE, 4 * PAGE)
    assert mm.ptr.locked_vm == 8


def test_a_locked_page_swapped_by_another_process(memory: Memory, mm: Mm) -> None:
    """Locking a page that only a fork sibling has in memory finds it in the swap cache."""
    child = dup_mmap(mm)
    squeeze(memory)
    memory.verify(child, 0, 16)
    do_mlock(mm, BASE, 16 * PAGE)
    assert memory.present(mm, 0, 16) == ALL
    squeeze(memory)
    assert memory.present(mm, 0, 16) == ALL
    memory.verify(mm, 0, 16)
    child.put()
    assert memory.m.k.zone.nr_active + memory.m.k.zone.nr_inactive >= 16
    assert lib.swap_used(memory.m) <= 16


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_may_be_written_is_locked_as_a_copy(scheme: str) -> None:
    """make_pages_present asks for write access: a shared page is copied now, not later."""
    memory = Memory(scheme)
    mm = memory.process()
    memory.map(mm, 0, 2)
    memory.fill(mm, 0, 2)
    child = dup_mmap(mm)
    do_mlock(child, BASE, PAGE)
    ptes = [[int(lib.pte_value(memory.m, one.ptr, BASE + n * PAGE)) for n in (0, 1)]
            for one in (mm, child)]  # fmt: skip
    assert ptes[1][0] & lib._PAGE_RW
    assert ptes[0][0] >> 12 != ptes[1][0] >> 12
    assert ptes[0][1] >> 12 == ptes[1][1] >> 12
    child.put()
    memory.check()
    memory.close()
