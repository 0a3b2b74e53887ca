"""madvise and mincore."""

from __future__ import annotations

from errno import EFAULT, EINVAL, ENOMEM

import pytest
from memory import BASE, NONE, PAGE, RW, SCHEMES, Memory, R, errno_of, memory_under

from tests.width import LIMIT, TASK_SIZE, lib
from vmemu.mm import Mm, do_madvise, do_mincore, do_mlock, do_mmap, do_munmap, dup_mmap

NORMAL, RANDOM, SEQUENTIAL, WILLNEED, DONTNEED = range(5)
VECTOR = BASE + 256 * PAGE


memory = memory_under(*SCHEMES, swap=512)


@pytest.fixture
def mm(memory: Memory) -> Mm:
    """A process with 16 written pages, and one page for mincore's answers."""
    mm = memory.process()
    memory.map(mm, 0, 16)
    memory.fill(mm, 0, 16)
    memory.map(mm, 256, 1)
    return mm


def advise(mm: Mm, page: int, pages: int, advice: int) -> int:
    return errno_of(do_madvise, mm, BASE + page * PAGE, pages * PAGE, advice)


def mincore(mm: Mm, page: int, pages: int) -> list[int]:
    """Pages that are in memory."""
    do_mincore(mm, BASE + page * PAGE, pages * PAGE, VECTOR)
    return [page + n for n, there in enumerate(mm.read(VECTOR, pages)) if there]


# ---- MADV_DONTNEED


def test_dontneed_gives_zeroes(memory: Memory, mm: Mm) -> None:
    free = memory.free
    assert advise(mm, 4, 8, DONTNEED) == 0
    assert memory.free == free + 8
    assert memory.areas(mm)[0] == (0, 16, RW)
    assert mm.read(BASE + 4 * PAGE, 8 * PAGE) == bytes(8 * PAGE)
    memory.verify(mm, 0, 4)
    memory.verify(mm, 12, 4)


def test_dontneed_of_swapped_pages_frees_their_slots(memory: Memory, mm: Mm) -> None:
    memory.vm.reclaim_range(mm, BASE, BASE + 16 * PAGE)
    assert lib.swap_used(memory.m) == 16
    assert advise(mm, 0, 16, DONTNEED) == 0
    assert lib.swap_used(memory.m) == 0
    assert mm.read(BASE, 16 * PAGE) == bytes(16 * PAGE)


def test_dontneed_is_one_process_s_own(memory: Memory, mm: Mm) -> None:
    child = dup_mmap(mm)
    assert advise(child, 0, 16, DONTNEED) == 0
    assert child.read(BASE, PAGE) == bytes(PAGE)
    memory.verify(mm, 0, 16)


def test_dontneed_stops_at_locked_pages(memory: Memory, mm: Mm) -> None:
    do_mlock(mm, BASE + 8 * PAGE, PAGE)
    assert advise(mm, 0, 16, DONTNEED) == EINVAL
    assert mm.read(BASE, 8 * PAGE) == bytes(8 * PAGE)
    memory.verify(mm, 8, 8)


def test_holes_are_told_after_the_rest_is_done(memory: Memory, mm: Mm) -> None:
    do_munmap(mm, BASE + 4 * PAGE, PAGE)
    assert advise(mm, 0, 16, DONTNEED) == ENOMEM
    for n in (0, 3, 5, 15):
        assert mm.read(BASE + n * PAGE, PAGE) == bytes(PAGE)
    assert advise(mm, 32, 4, DONTNEED) == ENOMEM


# ---- the others


@pytest.mark.parametrize("advice", [0, 1, 2])
def test_advice_that_an_area_has_already_does_not_cut_it(
    memory: Memory, mm: Mm, advice: int
) -> None:
    assert advise(mm, 0, 16, advice) == 0
    writes = memory.core.counters()["vm_flags_writes"]
    assert advise(mm, 4, 4, advice) == 0
    assert memory.areas(mm)[0] == (0, 16, 3)
    assert memory.core.counters()["vm_flags_writes"] == writes


def test_bad_advice(memory: Memory, mm: Mm) -> None:
    assert advise(mm, 0, 1, 5) == EINVAL
    assert advise(mm, 0, 1, 0xFFFFFFFF) == EINVAL
    assert errno_of(do_madvise, mm, BASE + 1, PAGE, DONTNEED) == EINVAL
    assert errno_of(do_madvise, mm, BASE, LIMIT - PAGE, DONTNEED) == EINVAL
    assert errno_of(do_madvise, mm, BASE, 0, DONTNEED) == 0
    memory.verify(mm, 0, 16)


def test_behaviour_is_the_area_s(memory: Memory, mm: Mm) -> None:
    assert advise(mm, 4, 4, RANDOM) == 0
    flags = [vma.vm_flags & (lib.VM_RAND_READ | lib.VM_SEQ_READ) for vma in mm.vmas()]
    assert flags[:3] == [0, lib.VM_RAND_READ, 0]
    assert advise(mm, 4, 4, SEQUENTIAL) == 0
    assert list(mm.vmas())[1].vm_flags & lib.VM_SEQ_READ
    assert advise(mm, 0, 16, NORMAL) == 0
    assert not any(vma.vm_flags & (lib.VM_RAND_READ | lib.VM_SEQ_READ) for vma in mm.vmas())
    memory.verify(mm, 0, 16)


def test_random_reads_nothing_ahead(memory: Memory, mm: Mm) -> None:
    assert advise(mm, 0, 16, RANDOM) == 0
    memory.vm.reclaim_range(mm, BASE, BASE + 16 * PAGE)
    memory.verify(mm, 4, 1)
    assert memory.core.counters()["pswpin"] == 1


def test_willneed_reads_into_the_swap_cache(memory: Memory, mm: Mm) -> None:
    memory.vm.reclaim_range(mm, BASE, BASE + 16 * PAGE)
    assert advise(mm, 0, 16, WILLNEED) == 0
    assert memory.core.counters()["pswpin"] == 16
    assert memory.present(mm, 0, 16) == []
    memory.verify(mm, 0, 16)
    counters = memory.core.counters()
    assert counters["pswpin"] == 16
    assert counters["pgmajfault"] == 0


# ---- mincore


def test_mincore_of_an_area_with_few_page_tables(memory: Memory, mm: Mm) -> None:
    """What has no table is passed over; answers come a page of them at a time."""
    far, pages = 0x10000, 20_000
    written = [0, 1, 1023, 1024, 4095, 4096, 4097, 12_345, 19_999]
    memory.map(mm, 257, 7)
    memory.map(mm, far, pages, flags=0x4000)  # MAP_NORESERVE
    for page in written:
        memory.fill(mm, far + page, 1)
    memory.vm.reclaim_range(mm, BASE + far * PAGE, BASE + (far + 2) * PAGE)
    do_madvise(mm, BASE + far * PAGE, pages * PAGE, WILLNEED)
    assert mincore(mm, far, pages) == [far + page for page in written]
    assert memory.vm.reclaim_range(mm, BASE + far * PAGE, BASE + (far + pages) * PAGE) == 7
    for page in written:
        memory.verify(mm, far + page, 1)


def test_mincore(memory: Memory, mm: Mm) -> None:
    memory.map(mm, 16, 4)
    memory.map(mm, 20, 4, NONE)
    assert mincore(mm, 0, 24) == list(range(16))
    memory.vm.reclaim_range(mm, BASE + 4 * PAGE, BASE + 8 * PAGE)
    assert mincore(mm, 0, 16) == [0, 1, 2, 3, *range(8, 16)]
    assert mm.read(BASE + 5 * PAGE, PAGE) == memory.contents(5)
    assert 5 in mincore(mm, 0, 16)
    mm.read(BASE + 17 * PAGE, 1)  # the zero page
    assert mincore(mm, 16, 8) == [17]


def test_mincore_sees_the_swap_cache(memory: Memory, mm: Mm) -> None:
    """As in kernels since 2.6.21: what needs no I/O is in memory."""
    memory.vm.reclaim_range(mm, BASE, BASE + 16 * PAGE)
    assert mincore(mm, 0, 16) == []
    assert advise(mm, 4, 4, WILLNEED) == 0
    assert mincore(mm, 0, 16) == [4, 5, 6, 7]
    memory.verify(mm, 0, 16)


def test_mincore_s_errors(memory: Memory, mm: Mm) -> None:
    assert errno_of(do_mincore, mm, BASE + 1, PAGE, VECTOR) == EINVAL
    assert errno_of(do_mincore, mm, BASE, 17 * PAGE, VECTOR) == ENOMEM
    assert errno_of(do_mincore, mm, BASE + 64 * PAGE, PAGE, VECTOR) == ENOMEM
    assert errno_of(do_mincore, mm, BASE, LIMIT - 1, VECTOR) == ENOMEM
    assert errno_of(do_mincore, mm, BASE, PAGE, BASE + 64 * PAGE) == EFAULT
    assert errno_of(do_mincore, mm, BASE, PAGE, TASK_SIZE) == EFAULT
    memory.map(mm, 257, 1, R)
    assert errno_of(do_mincore, mm, BASE, PAGE, VECTOR + PAGE) == EFAULT
    assert errno_of(do_mincore, mm, BASE, 8 * PAGE, VECTOR + PAGE - 4) == EFAULT
    assert errno_of(do_mincore, mm, BASE, 0, VECTOR) == 0
    assert errno_of(do_mincore, mm, BASE, 3 * PAGE + 1, VECTOR + 64) == 0
    assert mm.read(VECTOR + 64, 5) == b"\1\1\1\1\0"


def test_mincore_answers_nothing_of_a_range_that_leaves_user_space(memory: Memory, mm: Mm) -> None:
    """Not even for the pages that are there."""
    top = TASK_SIZE - PAGE
    do_mmap(mm, top, PAGE, 3, 0x32)
    mm.write(top, b"x")
    mm.write(VECTOR, b"\x7f\x7f")
    assert errno_of(do_mincore, mm, top, 2 * PAGE, VECTOR) == ENOMEM
    assert mm.read(VECTOR, 2) == b"\x7f\x7f"
    do_mincore(mm, top, PAGE, VECTOR)
    assert mm.read(VECTOR, 2) == b"\x01\x7f"
