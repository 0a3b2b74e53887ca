"""What remains of calls that run out of memory half-way."""

from __future__ import annotations

from collections.abc import Iterator
from errno import ENOMEM

import pytest
from memory import BASE, PAGE, RW, SCHEMES, Memory, R, errno_of

from tests.width import lib
from vmemu.mm import Mm, do_mprotect, do_mremap, do_munmap, dup_mmap


@pytest.fixture(params=SCHEMES)
def memory(request: pytest.FixtureRequest) -> Iterator[Memory]:
    memory = Memory(request.param)
    yield memory
    memory.close()


def test_mremap_that_cannot_split_the_old_area() -> None:
    """The pages have moved when the old area cannot be cut: it stays, empty, as in Linux."""
    memory = Memory("anonmm")
    mm = memory.process()
    memory.map(mm, 0, 9)
    memory.fill(mm, 4, 1, seed=1)
    memory.map(mm, 15, 1)  # the new area merges with this one, so needs no vma of its own
    with memory.starved(lib.CACHE_vm_area_struct):
        new = do_mremap(mm, BASE + 4 * PAGE, PAGE, PAGE, 3, BASE + 16 * PAGE)
        assert new == BASE + 16 * PAGE
        assert mm.read(new, PAGE) == memory.contents(4, 1)
        assert memory.areas(mm) == [(0, 9, RW), (15, 2, RW)]
    memory.check()
    assert mm.read(BASE + 4 * PAGE, PAGE) == bytes(PAGE)
    mm.put()
    memory.check()
    memory.close()


def test_calls_that_must_split(memory: Memory) -> None:
    mm = memory.process()
    memory.map(mm, 0, 9)
    memory.fill(mm, 0, 9)
    with memory.starved(lib.CACHE_vm_area_struct):
        assert errno_of(do_munmap, mm, BASE + 3 * PAGE, PAGE) == ENOMEM
        assert errno_of(do_mprotect, mm, BASE + 3 * PAGE, PAGE, R) == ENOMEM
        assert errno_of(do_mremap, mm, BASE + 3 * PAGE, PAGE, PAGE, 3, BASE + 32 * PAGE) == ENOMEM
        assert memory.areas(mm) == [(0, 9, RW)]
        memory.verify(mm, 0, 9)
        do_munmap(mm, BASE, 9 * PAGE)
    memory.check()


def test_fork_that_stops_anywhere(memory: Memory) -> None:
    """With one frame more each time, it stops one place later; what it had got comes back.

    A leaked object would keep its slab, and so a frame: all slabs are full before.  What a scheme
    gave the parent's areas at this fork they keep, and check() counts it.
    """
    mm = memory.process()
    for n in range(4):
        memory.map(mm, n * 1024, 2)
        memory.fill(mm, n * 1024, 2)
    copied = []
    with memory.starved(*range(len(memory.m.k.caches))) as taken:
        while True:
            before = memory.core.counters()["fork_ptes"]
            left = memory.free + slabs(memory)
            error = errno_of(dup_mmap, mm)
            copied.append(memory.core.counters()["fork_ptes"] - before)
            if not error:
                break
            ask_for_pages(memory, mm)
            assert (error, len(memory.vm.mms)) == (ENOMEM, 1)
            assert memory.free + slabs(memory) == left
            lib.put_page(memory.m, taken.pop())
        child = memory.vm.mms[max(memory.vm.mms)]
    # Every area has a page table of its own: each was the first that could not be copied.
    assert set(copied) == {0, 2, 4, 6, 8}
    assert copied == sorted(copied)
    memory.check()
    for n in range(4):
        memory.verify(mm, n * 1024, 2)
        memory.verify(child, n * 1024, 2)
    child.put()
    mm.put()
    memory.check()


def slabs(memory: Memory) -> int:
    """Frames that hold objects of the scheme."""
    return sum(cache.nr_slabs for cache in memory.m.k.caches[lib.CACHE_rmap : lib.NR_CACHES])


def ask_for_pages(memory: Memory, mm: Mm) -> None:
    """pte_chain gives back a list of one pte only when somebody asks who uses the page."""
    if memory.vm.rmap.finds_anon:
        for n in (0, 1, 1024, 1025, 2048, 2049, 3072, 3073):
            pte = lib.pte_value(memory.m, mm.ptr, BASE + n * PAGE)
            lib.page_referenced(memory.m, memory.core.page(pte >> 12))


def test_no_process_without_memory() -> None:
    memory = Memory()
    mm = memory.process()
    memory.map(mm, 0, 2)
    memory.fill(mm, 0, 2)
    mms, committed = len(memory.vm.mms), memory.vm.commit.pages
    with memory.starved(lib.CACHE_mm_struct):
        assert errno_of(memory.process) == ENOMEM
        assert errno_of(dup_mmap, mm) == ENOMEM
    with memory.starved(lib.CACHE_vm_area_struct):
        assert errno_of(dup_mmap, mm) == ENOMEM
    assert len(memory.vm.mms) == mms
    assert memory.vm.commit.pages == committed
    memory.verify(mm, 0, 2)
    memory.check()
    memory.close()
