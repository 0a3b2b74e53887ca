"""munmap: what else has to go with the ptes, whether locks are watched or not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from memory import BASE, PAGE, SCHEMES, Memory

from tests.width import lib
from vmemu.mm import do_munmap, dup_mmap

PAGES = 100
"""More than are gathered at once."""


@pytest.fixture(params=[(scheme, watch) for scheme in SCHEMES for watch in (0, lib.WATCH_LOCKS)])
def memory(request: pytest.FixtureRequest) -> Iterator[Memory]:
    scheme, watch = request.param
    memory = Memory(scheme)
    memory.m.watch.bits |= watch
    memory.vm.swap.swapon_size(512 * PAGE)
    yield memory
    memory.check()
    memory.close()


def test_pages_in_the_swap_cache_go_with_their_slots(memory: Memory) -> None:
    mm = memory.process()
    memory.map(mm, 0, PAGES)
    memory.fill(mm, 0, PAGES)
    memory.vm.reclaim_range(mm, BASE, BASE + PAGES * PAGE)
    for page in range(PAGES):
        mm.read(BASE + page * PAGE, 1)  # mapped again, and in the cache still
    assert lib.swap_used(memory.m) == PAGES
    free = memory.m.k.zone.free_pages
    do_munmap(mm, BASE, PAGES * PAGE)
    assert lib.swap_used(memory.m) == 0
    assert memory.m.k.zone.free_pages >= free + PAGES


def test_pages_of_different_processes_side_by_side(memory: Memory) -> None:
    """Every other page is the dead parent's: each goes back to whom it came from."""
    parent = memory.process()
    memory.map(parent, 0, PAGES)
    memory.fill(parent, 0, PAGES)
    child = dup_mmap(parent)
    for page in range(0, PAGES, 2):
        memory.fill(child, page, 1, seed=1)
    parent.put()
    memory.check()
    do_munmap(child, BASE, (PAGES - 1) * PAGE)
    memory.check()
    memory.verify(child, PAGES - 1, 1)
    do_munmap(child, BASE + (PAGES - 1) * PAGE, PAGE)
    child.put()
    assert [cache.nr_active for cache in memory.m.k.caches[lib.CACHE_rmap : lib.NR_CACHES]] == [
        0
    ] * 3


def test_shared_pages_stay_until_the_last_pte(memory: Memory) -> None:
    first = memory.process()
    memory.map(first, 0, PAGES)
    memory.fill(first, 0, PAGES)
    mapped = memory.m.pages.nr_mapped
    second = dup_mmap(first)
    do_munmap(first, BASE, PAGES * PAGE)
    assert memory.m.pages.nr_mapped == mapped
    memory.verify(second, 0, PAGES)
    do_munmap(second, BASE, PAGES * PAGE)
    assert memory.m.pages.nr_mapped == mapped - PAGES


@pytest.mark.parametrize("first", [0, 1, 5])
def test_a_single_page_wherever_it_is(memory: Memory, first: int) -> None:
    """Empty ptes are passed by eight at a time: none that holds a page may be among them."""
    mm = memory.process()
    before = memory.m.k.zone.free_pages
    tables = memory.m.pages.nr_pagetable
    for page in range(first, first + 24):
        memory.map(mm, first, 24)
        memory.fill(mm, page, 1)
        assert mm.ptr.rss == 1
        do_munmap(mm, BASE + first * 4096, 24 * 4096)
        assert mm.ptr.rss == 0
        assert memory.m.pages.nr_pagetable == tables
    memory.check()
    mm.put()
    assert memory.m.k.zone.free_pages >= before
