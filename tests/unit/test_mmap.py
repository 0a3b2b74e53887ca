"""mmap, munmap, brk and mincore: their errors at every boundary, and what they promise."""

from __future__ import annotations

from errno import EAGAIN, EBADF, EFAULT, EINVAL, ENOMEM

import pytest
from memory import (
    ANON,
    BASE,
    FIXED,
    GROWSDOWN,
    LOCKED,
    PAGE,
    PRIVATE,
    RW,
    RWX,
    SCHEMES,
    Memory,
    errno_of,
    memory_under,
)

from tests.width import LIMIT, TASK_SIZE, UNMAPPED_BASE, lib
from vmemu.mm import Mm, do_mincore, do_mmap, do_mremap, do_munmap, proc_maps, sys_brk
from vmemu.mm.mmap import do_brk

TOP = TASK_SIZE
HEAP = 0x08000000
PF = PRIVATE | ANON | FIXED
PA = PRIVATE | ANON


memory = memory_under(*SCHEMES)


@pytest.fixture
def mm(memory: Memory) -> Mm:
    return memory.process()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((BASE, 0, RW, PA), EINVAL),
        ((BASE, PAGE, RW, ANON), EINVAL),  # neither shared nor private
        ((BASE, PAGE, RW, ANON | 3), EINVAL),
        ((BASE, PAGE, RW, ANON | 1), 0),
        ((BASE, PAGE, RW, PRIVATE), EBADF),  # a file without one
        ((BASE, LIMIT - PAGE + 1, RW, PA), ENOMEM),  # rounds up to 0
        ((BASE, TOP + 1, RW, PA), ENOMEM),
        ((BASE + 1, PAGE, RW, PF), EINVAL),
        ((TOP, PAGE, RW, PF), ENOMEM),
        ((TOP - PAGE, 2 * PAGE, RW, PF), ENOMEM),
        ((TOP - PAGE, PAGE, RW, PF), 0),
        ((0, PAGE, RW, PF), 0),
    ],
)
def test_errors_of_mmap(
    memory: Memory, mm: Mm, arguments: tuple[int, int, int, int], error: int
) -> None:
    assert errno_of(do_mmap, mm, *arguments) == error
    assert len(list(mm.vmas())) == (error == 0)
    assert mm.ptr.total_vm == (error == 0)


@pytest.mark.parametrize(
    ("address", "length", "error"),
    [
        (BASE + 1, PAGE, EINVAL),
        (BASE, 0, EINVAL),
        (TOP + PAGE, PAGE, EINVAL),
        (TOP, PAGE, EINVAL),
        (TOP - PAGE, PAGE + 1, EINVAL),
        (TOP - PAGE, PAGE, 0),
        (BASE, TOP - BASE, 0),
        (BASE, 1, 0),
        (BASE - 3 * PAGE, 3 * PAGE, 0),  # nothing there
    ],
)
def test_errors_of_munmap(memory: Memory, mm: Mm, address: int, length: int, error: int) -> None:
    memory.map(mm, 0, 4)
    assert errno_of(do_munmap, mm, address, length) == error
    here = address == BASE and not error
    assert mm.ptr.total_vm == (4 - min(4, -(-length // PAGE)) if here else 4)


def test_munmap_leaves_both_ends(memory: Memory, mm: Mm) -> None:
    memory.map(mm, 0, 8)
    memory.fill(mm, 0, 8)
    before = memory.vm.commit.pages
    do_munmap(mm, BASE + 3 * PAGE, PAGE + 1)
    assert memory.areas(mm) == [(0, 3, RW), (5, 3, RW)]
    assert memory.vm.commit.pages == before - 2
    assert mm.ptr.total_vm == mm.ptr.rss == 6
    assert mm.ptr.map_count == 2
    memory.verify(mm, 0, 3)
    memory.verify(mm, 5, 3)
    assert errno_of(mm.read, BASE + 3 * PAGE, 1) == EFAULT


@pytest.mark.parametrize("beyond", [1, PAGE // 2, PAGE - 1, PAGE])
def test_a_hint_is_rounded_up(memory: Memory, mm: Mm, beyond: int) -> None:
    at = BASE + 512 * PAGE
    assert do_mmap(mm, at + beyond, PAGE, RW, PRIVATE | ANON) == at + PAGE


def test_a_hint_is_taken_if_it_is_free(memory: Memory, mm: Mm) -> None:
    memory.map(mm, 0, 4)
    assert do_mmap(mm, BASE + 4 * PAGE, PAGE, RW, PA) == BASE + 4 * PAGE
    assert do_mmap(mm, BASE + 5 * PAGE + 1, PAGE, RW, PA) == BASE + 6 * PAGE  # rounded up
    assert do_mmap(mm, BASE - PAGE, PAGE, RW, PA) == BASE - PAGE
    assert do_mmap(mm, BASE - 2 * PAGE, 2 * PAGE, RW, PA) >= UNMAPPED_BASE
    assert do_mmap(mm, TOP - PAGE, PAGE, RW, PA) == TOP - PAGE
    assert do_mmap(mm, TOP - PAGE, 2 * PAGE, RW, PA) < TOP - PAGE


def test_locked_memory_has_its_limit(memory: Memory) -> None:
    mm = memory.process(memlock=4 * PAGE)
    assert errno_of(do_mmap, mm, BASE, 5 * PAGE, RW, PF | LOCKED) == EAGAIN
    assert do_mmap(mm, BASE, 3 * PAGE, RW, PF | LOCKED) == BASE
    assert memory.present(mm, 0, 3) == [0, 1, 2]
    assert errno_of(do_mmap, mm, BASE + 8 * PAGE, 2 * PAGE, RW, PF | LOCKED) == EAGAIN
    assert do_mmap(mm, BASE + 8 * PAGE, PAGE, RW, PF | LOCKED) == BASE + 8 * PAGE
    assert mm.ptr.locked_vm == 4


def test_address_space_has_its_limit(memory: Memory) -> None:
    mm = memory.process(as_=4 * PAGE)
    assert errno_of(do_mmap, mm, BASE, 5 * PAGE, RW, PF) == ENOMEM
    assert do_mmap(mm, BASE, 4 * PAGE, RW, PF) == BASE
    assert errno_of(do_mmap, mm, BASE + 8 * PAGE, PAGE, RW, PF) == ENOMEM
    assert errno_of(do_mremap, mm, BASE, 4 * PAGE, 5 * PAGE, 1) == ENOMEM
    do_munmap(mm, BASE, PAGE)
    assert do_mmap(mm, BASE + 8 * PAGE, PAGE, RW, PF) == BASE + 8 * PAGE


def test_an_area_without_memory_gives_its_promise_back(memory: Memory, mm: Mm) -> None:
    before = memory.vm.commit.pages
    with memory.starved(lib.CACHE_vm_area_struct):
        assert errno_of(do_mmap, mm, BASE, PAGE, RW, PF) == ENOMEM
    assert memory.vm.commit.pages == before
    assert mm.ptr.total_vm == 0


# ---- brk --------------------------------------------------------------------------------


@pytest.fixture
def heap(mm: Mm) -> Mm:
    mm.ptr.end_code = HEAP - PAGE
    mm.ptr.start_data = mm.ptr.start_brk = mm.ptr.brk = HEAP
    return mm


def test_brk_grows_and_shrinks(memory: Memory, heap: Mm) -> None:
    assert sys_brk(heap, 0) == HEAP
    assert sys_brk(heap, HEAP - 1) == HEAP  # below its start
    assert sys_brk(heap, HEAP + 10) == HEAP + 10
    assert heap.ptr.total_vm == 1
    assert sys_brk(heap, HEAP + PAGE) == HEAP + PAGE
    assert heap.ptr.total_vm == 1
    assert sys_brk(heap, HEAP + PAGE + 1) == HEAP + PAGE + 1
    assert heap.ptr.total_vm == 2
    heap.write(HEAP, b"kept")
    assert sys_brk(heap, HEAP + 1) == HEAP + 1
    assert heap.ptr.total_vm == 1
    assert heap.read(HEAP, 4) == b"kept"
    assert sys_brk(heap, HEAP) == HEAP
    assert heap.ptr.total_vm == 0


def test_brk_stops_a_page_before_an_area(memory: Memory, heap: Mm) -> None:
    """2.6.7 asks find_vma_intersection() for a page more than it needs."""
    do_mmap(heap, HEAP + 4 * PAGE, PAGE, RW, PF)
    assert sys_brk(heap, HEAP + 3 * PAGE + 1) == HEAP
    assert sys_brk(heap, HEAP + 3 * PAGE) == HEAP + 3 * PAGE
    assert sys_brk(heap, HEAP + 4 * PAGE) == HEAP + 3 * PAGE
    assert sys_brk(heap, TOP + 1) == HEAP + 3 * PAGE


def test_data_has_its_limit(memory: Memory) -> None:
    mm = memory.process(data=3 * PAGE)
    mm.ptr.end_code = HEAP - PAGE
    mm.ptr.start_data = mm.ptr.start_brk = mm.ptr.brk = HEAP
    assert sys_brk(mm, HEAP + 3 * PAGE + 1) == HEAP
    assert sys_brk(mm, HEAP + 3 * PAGE) == HEAP + 3 * PAGE


def test_brk_at_a_fixed_place(memory: Memory, mm: Mm) -> None:
    do_brk(mm, BASE, 0)
    assert memory.areas(mm) == []
    do_brk(mm, BASE, PAGE + 1)
    assert memory.areas(mm) == [(0, 2, RWX)]  # VM_DATA_DEFAULT_FLAGS of i386
    assert errno_of(do_brk, mm, TOP - PAGE, 2 * PAGE) == EINVAL
    do_brk(mm, TOP - PAGE, PAGE)
    assert mm.ptr.total_vm == 3


def test_a_locked_heap_is_there_at_once(memory: Memory) -> None:
    mm = memory.process(memlock=2 * PAGE)
    mm.ptr.def_flags = lib.VM_LOCKED
    assert errno_of(do_brk, mm, BASE, 3 * PAGE) == EAGAIN
    do_brk(mm, BASE, 2 * PAGE)
    assert memory.present(mm, 0, 2) == [0, 1]
    assert mm.ptr.locked_vm == 2
    mm.ptr.def_flags = 0


# ---- stacks -------------------------------------------------------------------------------


@pytest.mark.parametrize(("pages", "grows"), [(3, True), (4, True), (5, False)])
def test_a_stack_grows_to_its_limit(memory: Memory, pages: int, grows: bool) -> None:
    mm = memory.process(stack=5 * PAGE)
    memory.map(mm, 10, 1, RW, GROWSDOWN)
    before = memory.vm.commit.pages
    result = memory.vm.fault(mm, BASE + (10 - pages) * PAGE + 5, lib.ACCESS_WRITE)
    assert result == (lib.FAULT_MINOR if grows else lib.FAULT_MAPERR)
    assert memory.areas(mm) == ([(10 - pages, pages + 1, RW)] if grows else [(10, 1, RW)])
    assert memory.vm.commit.pages == before + (pages if grows else 0)
    assert mm.ptr.total_vm == 1 + (pages if grows else 0)


@pytest.mark.parametrize("limit", ["as_", "memlock"])
def test_a_stack_grows_within_other_limits(memory: Memory, limit: str) -> None:
    mm = memory.process(**{limit: 3 * PAGE})
    memory.map(mm, 10, 1, RW, GROWSDOWN | (LOCKED if limit == "memlock" else 0))
    assert memory.vm.fault(mm, BASE + 7 * PAGE, lib.ACCESS_WRITE) == lib.FAULT_MAPERR
    assert memory.vm.fault(mm, BASE + 8 * PAGE, lib.ACCESS_WRITE) == lib.FAULT_MINOR
    assert memory.areas(mm) == [(8, 3, RW)]
    assert mm.ptr.locked_vm == (3 if limit == "memlock" else 0)


def test_only_a_growing_area_grows(memory: Memory, mm: Mm) -> None:
    memory.map(mm, 10, 1)
    assert memory.vm.fault(mm, BASE + 9 * PAGE, lib.ACCESS_WRITE) == lib.FAULT_MAPERR
    assert memory.vm.fault(mm, BASE + 11 * PAGE, lib.ACCESS_WRITE) == lib.FAULT_MAPERR


# ---- mincore --------------------------------------------------------------------------------


def test_mincore(memory: Memory, mm: Mm) -> None:
    memory.vm.swap.swapon_size(64 * PAGE)
    memory.map(mm, 0, 8)
    memory.fill(mm, 0, 6)
    vector = BASE + 7 * PAGE
    memory.vm.reclaim_range(mm, BASE + 2 * PAGE, BASE + 4 * PAGE)
    do_mincore(mm, BASE, 6 * PAGE, vector)
    assert mm.read(vector, 7) == bytes((1, 1, 0, 0, 1, 1, 0))
    do_mincore(mm, BASE + PAGE, PAGE + 1, vector)  # rounded up
    assert mm.read(vector, 3) == bytes((1, 0, 0))
    do_mincore(mm, BASE, 0, 0)


@pytest.mark.parametrize(
    ("address", "length", "error"),
    [
        (BASE + 1, PAGE, EINVAL),
        (TOP + PAGE, 0, ENOMEM),
        (TOP, 1, ENOMEM),
        (TOP - PAGE, PAGE + 1, ENOMEM),
        (BASE, TOP, ENOMEM),
        (BASE + 2 * PAGE, PAGE, ENOMEM),  # a hole
        (BASE - PAGE, PAGE, ENOMEM),
        (BASE + PAGE, 2 * PAGE, ENOMEM),  # runs into one
        (TOP, 0, 0),
    ],
)
def test_errors_of_mincore(memory: Memory, mm: Mm, address: int, length: int, error: int) -> None:
    memory.map(mm, 0, 2)
    assert errno_of(do_mincore, mm, address, length, BASE) == error
    assert errno_of(do_mincore, mm, BASE, PAGE, TOP) == EFAULT


def test_what_may_not_expand(memory: Memory, mm: Mm) -> None:
    memory.map(mm, 0, 4)
    lib.vma_set_flags(memory.m, next(mm.vmas()), next(mm.vmas()).vm_flags | lib.VM_DONTEXPAND)
    assert errno_of(do_mremap, mm, BASE, 4 * PAGE, 5 * PAGE, 1) == EFAULT
    assert do_mremap(mm, BASE, 4 * PAGE, 2 * PAGE, 1) == BASE
    assert do_mremap(mm, BASE, 2 * PAGE, 2 * PAGE, 3, BASE + 16 * PAGE) == BASE + 16 * PAGE


def test_proc_maps_tells_the_rights(memory: Memory) -> None:
    mm = memory.process()
    for page, prot in enumerate((0, 1, 2, 3, 4, 5, 7)):
        memory.map(mm, 2 * page, 1, prot)
    rights = [line.split()[1] for line in proc_maps(mm).splitlines()]
    assert rights == ["---p", "r--p", "-w-p", "rw-p", "--xp", "r-xp", "rwxp"]
