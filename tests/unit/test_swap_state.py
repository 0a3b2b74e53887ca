"""The swap cache: readahead, who may write a page in place, and what goes with the last pte."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from memory import BASE, PAGE, SCHEMES, Memory

from tests.width import lib
from vmemu.mm import Mm, do_munmap, dup_mmap

PAGES = 40


class Swapped:
    """A process whose pages 0 to 39 are in slots 1 to 40."""

    def __init__(self, scheme: str, swap: int = 1024) -> None:
        self.memory = Memory(scheme)
        self.m = self.memory.m
        self.memory.vm.swap.swapon_size(swap * PAGE)
        self.before = self.memory.free
        self.mm: Mm = self.memory.process()
        self.memory.map(self.mm, 0, PAGES)
        self.memory.fill(self.mm, 0, PAGES)
        gone = lib.pageout_range(self.m, self.mm.ptr, BASE, BASE + PAGES * PAGE)
        assert gone == PAGES
        assert [self.entry(n) >> 8 for n in range(PAGES)] == list(range(1, PAGES + 1))

    def entry(self, n: int, mm: Mm | None = None) -> int:
        return int(lib.pte_value(self.m, (mm or self.mm).ptr, BASE + n * PAGE))

    def page(self, n: int, mm: Mm | None = None) -> Any:
        assert self.entry(n, mm) & lib._PAGE_PRESENT
        return self.memory.core.page(self.entry(n, mm) >> 12)

    def touch(self, n: int, mm: Mm | None = None) -> None:
        (mm or self.mm).read(BASE + n * PAGE, 1)

    def write(self, n: int, mm: Mm | None = None) -> None:
        (mm or self.mm).write(BASE + n * PAGE, b"new")

    def cached(self) -> list[int]:
        """Slots whose page is in the cache."""
        found = []
        for slot in range(1, PAGES + 1):
            page = lib.lookup_swap_cache(self.m, slot << 8)
            if page:
                found.append(slot)
                lib.put_page(self.m, page)
        assert self.m.k.swapper_space.nrpages == len(found)
        return found

    def counted(self, *names: str) -> list[int]:
        counters = self.memory.core.counters()
        return [counters[name] for name in names]


@pytest.fixture(params=SCHEMES)
def swapped(request: pytest.FixtureRequest) -> Iterator[Swapped]:
    swapped = Swapped(request.param)
    yield swapped
    swapped.memory.check()
    swapped.memory.close()


# ---- readahead -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cluster", "slot", "block"),
    [
        (3, 12, range(8, 16)),
        (3, 8, range(8, 16)),
        (3, 15, range(8, 16)),
        (3, 3, range(1, 8)),  # slot 0 is the header's
        (2, 12, range(12, 16)),
        (1, 13, range(12, 14)),
        (0, 12, range(12, 13)),
        (5, 40, range(32, 41)),  # slot 41 is free
    ],
)
def test_an_aligned_block_is_read(swapped: Swapped, cluster: int, slot: int, block: range) -> None:
    swapped.m.page_cluster = cluster
    swapped.touch(slot - 1)
    assert swapped.cached() == list(block)
    assert swapped.counted("pswpin", "swap_ra", "pgmajfault") == [len(block), len(block) - 1, 1]
    swapped.memory.verify(swapped.mm, 0, PAGES)


def test_readahead_ends_at_a_free_slot(swapped: Swapped) -> None:
    do_munmap(swapped.mm, BASE + 12 * PAGE, PAGE)  # slot 13
    swapped.touch(9)  # slot 10
    assert swapped.cached() == [8, 9, 10, 11, 12]
    swapped.touch(15)  # slot 16: the next block is whole
    assert swapped.cached() == [8, 9, 10, 11, 12, *range(16, 24)]


def test_no_frame_is_taken_for_a_free_slot(swapped: Swapped) -> None:
    """Slots 1 to 7 are the block; 5 is free: four pages are read, into four frames.

    A slab of the scheme's is there already, if it takes an object for the fault.
    """
    do_munmap(swapped.mm, BASE + 4 * PAGE, PAGE)
    swapped.touch(30)  # the cache's tree has its nodes from here on
    if swapped.memory.scheme.caches:
        kept = lib.kmem_cache_alloc(swapped.m, lib.CACHE_rmap, lib.GFP_KERNEL)
    before = swapped.counted("pgalloc", "pswpin")
    swapped.touch(1)
    after = swapped.counted("pgalloc", "pswpin")
    assert [a - b for a, b in zip(after, before, strict=True)] == [4, 4]
    if swapped.memory.scheme.caches:
        lib.kmem_cache_free(swapped.m, lib.CACHE_rmap, kept)


def test_a_page_that_was_read_ahead_is_a_minor_fault_and_a_hit(swapped: Swapped) -> None:
    vm, mm = swapped.memory.vm, swapped.mm
    assert vm.fault(mm, BASE + 8 * PAGE, lib.ACCESS_READ) == lib.FAULT_MAJOR
    assert swapped.counted("swap_ra_hit", "pswpin") == [0, 8]
    assert vm.fault(mm, BASE + 9 * PAGE, lib.ACCESS_READ) == lib.FAULT_MINOR
    assert swapped.counted("swap_ra_hit", "pswpin") == [1, 8]
    assert not swapped.page(9).flags & lib.PG_reclaim


def test_what_was_read_ahead_goes_at_exit(swapped: Swapped) -> None:
    """Pages in the cache whose only user was a pte: frames and slots are free again."""
    swapped.touch(10)
    assert len(swapped.cached()) == 8
    swapped.mm.put()
    assert swapped.cached() == []
    assert lib.swap_used(swapped.m) == 0
    assert swapped.memory.free == swapped.before


def test_what_was_read_ahead_goes_with_munmap(swapped: Swapped) -> None:
    swapped.touch(10)
    do_munmap(swapped.mm, BASE + 8 * PAGE, 4 * PAGE)  # slots 9 to 12, one of them mapped
    assert swapped.cached() == [8, 13, 14, 15]
    assert lib.swap_used(swapped.m) == PAGES - 4


def test_what_a_child_needs_stays_at_exit(swapped: Swapped) -> None:
    child = dup_mmap(swapped.mm)
    swapped.touch(10)
    swapped.mm.put()
    assert len(swapped.cached()) == 8
    assert lib.swap_used(swapped.m) == PAGES
    swapped.memory.verify(child, 0, PAGES)
    child.put()
    assert lib.swap_used(swapped.m) == 0
    assert swapped.memory.free == swapped.before


# ---- in place, or a copy ---------------------------------------------------------------------


def test_the_only_user_of_slot_and_page_writes_in_place(swapped: Swapped) -> None:
    swapped.touch(0)
    page = swapped.page(0)
    assert not swapped.entry(0) & lib._PAGE_RW
    swapped.write(0)
    assert swapped.page(0) == page
    assert swapped.entry(0) & lib._PAGE_RW
    assert swapped.counted("pgcow") == [0]


def test_a_write_that_swaps_in_needs_no_second_fault(swapped: Swapped) -> None:
    vm, mm = swapped.memory.vm, swapped.mm
    faults = swapped.counted("pgfault")[0]
    assert vm.fault(mm, BASE, lib.ACCESS_WRITE) == lib.FAULT_MAJOR
    assert swapped.entry(0) & lib._PAGE_RW
    assert swapped.entry(0) & lib._PAGE_DIRTY
    assert swapped.counted("pgfault") == [faults + 1]


def test_a_write_that_reads_and_copies_is_a_major_fault(swapped: Swapped) -> None:
    child = dup_mmap(swapped.mm)
    assert swapped.memory.vm.fault(swapped.mm, BASE, lib.ACCESS_WRITE) == lib.FAULT_MAJOR
    assert swapped.counted("pgmajfault", "pgcow") == [1, 1]
    assert swapped.memory.vm.fault(child, BASE, lib.ACCESS_WRITE) == lib.FAULT_MINOR
    assert swapped.counted("pgmajfault", "pgcow") == [1, 1]  # alone with it by now
    child.put()


def test_a_slot_that_a_child_has_as_well_means_a_copy(swapped: Swapped) -> None:
    child = dup_mmap(swapped.mm)
    swapped.touch(0)
    page = swapped.page(0)
    swapped.write(0)
    assert swapped.page(0) != page
    assert swapped.counted("pgcow") == [1]
    assert child.read(BASE, PAGE) == swapped.memory.contents(0)
    child.put()


def test_a_page_that_a_child_maps_as_well_means_a_copy(swapped: Swapped) -> None:
    child = dup_mmap(swapped.mm)
    swapped.touch(0)
    swapped.touch(0, child)
    assert swapped.page(0) == swapped.page(0, child)
    swapped.write(0, child)
    assert swapped.page(0) != swapped.page(0, child)
    swapped.write(0)  # alone with the old page, and with the slot
    assert swapped.counted("pgcow") == [1]
    child.put()


# ---- swap more than half full -------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("swap", "kept"), [(81, True), (80, False)])
def test_slots_are_given_up_when_swap_is_half_full(scheme: str, swap: int, kept: bool) -> None:
    """40 of 80 slots is half; of 79 it is more, and a page read back leaves the cache."""
    swapped = Swapped(scheme, swap)
    swapped.m.page_cluster = 0
    swapped.touch(0)
    assert swapped.cached() == ([1] if kept else [])
    assert lib.swap_used(swapped.m) == (PAGES if kept else PAGES - 1)
    assert bool(swapped.page(0).flags & lib.PG_swapcache) == kept
    lib.pageout_range(swapped.m, swapped.mm.ptr, BASE, BASE + PAGE)
    swapped.memory.verify(swapped.mm, 0, PAGES)
    assert swapped.counted("pswpout") == [PAGES + (not kept)]
    swapped.memory.check()
    swapped.memory.close()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_slot_two_have_is_kept_however_full(scheme: str) -> None:
    swapped = Swapped(scheme, 80)
    child = dup_mmap(swapped.mm)
    swapped.m.page_cluster = 0
    for mm in (swapped.mm, child):
        swapped.touch(0, mm)
        assert swapped.cached() == [1]
    child.put()
    swapped.memory.check()
    swapped.memory.close()
