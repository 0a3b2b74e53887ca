"""What reclaim does to each page of the two LRU lists, by 2.6.6's mm/vmscan.c.

Schemes that sweep instead of walking are in test_sweep.py.  Lists are written from their cold
end, which is scanned first, as page numbers behind BASE.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from memory import BASE, PAGE, WALKING, Memory, R

from tests.width import ffi, lib
from vmemu.mm import Mm, do_mlock, do_mprotect, do_munlock, do_munmap, dup_mmap

PAGES = 40
BATCH = lib.SWAP_CLUSTER_MAX


class Lru:
    """A process with written pages, all on the active list, page 0 the coldest."""

    def __init__(self, scheme: str, swap: int = 256) -> None:
        self.memory = Memory(scheme)
        self.m = self.memory.m
        self.zone = self.m.k.zone
        if swap:
            self.memory.vm.swap.swapon_size(swap * PAGE)
        self.mm: Mm = self.memory.process()
        self.memory.map(self.mm, 0, PAGES)
        self.memory.fill(self.mm, 0, PAGES)
        self.frames = [self.page(n) for n in range(PAGES)]

    def pte(self, n: int, mm: Mm | None = None) -> int:
        return int(lib.pte_value(self.m, (mm or self.mm).ptr, BASE + n * PAGE))

    def page(self, n: int) -> Any:
        """``struct page *`` of page ``n``, which is mapped."""
        assert self.pte(n) & lib._PAGE_PRESENT
        return self.memory.core.page(self.pte(n) >> 12)

    def young(self, n: int, mm: Mm | None = None) -> bool:
        return bool(self.pte(n, mm) & lib._PAGE_ACCESSED)

    def age(self, *pages: int) -> None:
        """Clear accessed bits, of all pages if none are given."""
        for n in pages or range(PAGES):
            lib.page_referenced(self.m, self.frames[n])

    def touch(self, n: int, mm: Mm | None = None) -> None:
        (mm or self.mm).read(BASE + n * PAGE, 1)

    def listed(self, active: bool) -> list[int]:
        """Page numbers from the cold end."""
        head = self.zone.active_list if active else self.zone.inactive_list
        core, found = self.memory.core, []
        at = head.prev
        while at != core.kaddr(ffi.addressof(head)):
            node = ffi.cast("struct list_head *", core.base + at)
            offset = ffi.offsetof("struct page", "lru")
            found.append(ffi.cast("struct page *", core.base + at - offset))
            at = node.prev
        numbers = {int(ffi.cast("uintptr_t", page)): n for n, page in enumerate(self.frames)}
        return [numbers[int(ffi.cast("uintptr_t", page))] for page in found]

    @property
    def active(self) -> list[int]:
        return self.listed(True)

    @property
    def inactive(self) -> list[int]:
        return self.listed(False)

    def deactivate(self, *, mapped: bool = True) -> None:
        """Age everything and move it to the inactive list."""
        self.age()
        lib.refill_inactive_zone(self.m, self.zone.nr_active, mapped)

    def counted(self) -> dict[str, int]:
        return dict(self.memory.core.counters())

    def scan(self, pages: int) -> dict[str, int]:
        """`shrink_cache`: what it freed, and the counters that moved."""
        before = self.counted()
        freed = lib.shrink_cache(self.m, pages)
        self.memory.core.check_bug()
        after = self.counted()
        assert after["pgsteal"] - before["pgsteal"] == freed
        moved = {name: after[name] - before[name] for name in after if after[name] != before[name]}
        return {**moved, "freed": freed}


@pytest.fixture(params=WALKING)
def lru(request: pytest.FixtureRequest) -> Iterator[Lru]:
    lru = Lru(request.param)
    yield lru
    lru.memory.check()
    lru.memory.close()


# ---- the active list ----------------------------------------------------------------


def test_new_pages_are_active_in_the_order_of_their_faults(lru: Lru) -> None:
    assert lru.active == list(range(PAGES))
    assert lru.inactive == []


def test_mapped_pages_are_spared_at_first(lru: Lru) -> None:
    """reclaim_mapped 0: what is scanned goes to the warm end, accessed bits untouched."""
    lib.refill_inactive_zone(lru.m, 10, 0)
    assert lru.active == [*range(10, PAGES), *range(10)]
    assert lru.inactive == []
    assert all(lru.young(n) for n in range(PAGES))
    assert lru.counted()["pgrefill"] == 10
    assert lru.counted()["pgdeactivate"] == 0
    assert lru.zone.pages_scanned == 10


def test_a_referenced_page_stays_active_once(lru: Lru) -> None:
    lib.refill_inactive_zone(lru.m, 10, 1)
    assert lru.active == [*range(10, PAGES), *range(10)]
    assert [n for n in range(PAGES) if not lru.young(n)] == list(range(10))
    lru.touch(3)
    lib.refill_inactive_zone(lru.m, PAGES, 1)  # the others had not been asked yet
    assert lru.inactive == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert lru.active == [*range(10, PAGES), 3]
    assert not any(lru.young(n) for n in range(PAGES))
    assert lru.counted()["pgrefill"] == 10 + PAGES
    assert lru.counted()["pgdeactivate"] == 9


def test_no_more_than_there_are_is_scanned(lru: Lru) -> None:
    lru.age()
    lib.refill_inactive_zone(lru.m, 10 * PAGES, 0)
    assert lru.active == list(range(PAGES))
    assert lru.counted()["pgrefill"] == PAGES


def test_a_reference_under_any_mm_counts(lru: Lru) -> None:
    child = dup_mmap(lru.mm)
    lru.age()
    lru.touch(5, child)
    lru.touch(6)
    lib.refill_inactive_zone(lru.m, PAGES, 1)
    assert lru.active == [5, 6]
    assert not lru.young(5, child)
    child.put()


@pytest.mark.parametrize("scheme", WALKING)
def test_anonymous_pages_stay_active_without_swap(scheme: str) -> None:
    lru = Lru(scheme, swap=0)
    lru.deactivate()
    assert lru.active == list(range(PAGES))
    assert lru.counted()["pgdeactivate"] == 0
    lru.memory.check()
    lru.memory.close()


# ---- the inactive list ---------------------------------------------------------------


def test_cold_pages_go_in_order(lru: Lru) -> None:
    lru.deactivate()
    assert lru.inactive == list(range(PAGES))
    lru.zone.pages_scanned = 0
    done = lru.scan(5)
    assert (done["freed"], done["pgscan"], done["pswpout"]) == (5, 5, 5)
    assert lru.zone.pages_scanned == 5
    assert lru.inactive == list(range(5, PAGES))
    entries = [lru.pte(n) for n in range(5)]
    assert [lru.memory.kind(lru.mm, n) for n in range(6)] == [lib.PTE_SWAP] * 5 + [lib.PTE_PRESENT]
    # Slots are handed out in the order of eviction: neighbours lie together.
    assert [entry - entries[0] for entry in entries] == [n << 8 for n in range(5)]
    lru.memory.verify(lru.mm, 0, PAGES)


def test_more_than_a_batch(lru: Lru) -> None:
    lru.deactivate()
    done = lru.scan(BATCH + 3)
    assert (done["freed"], done["pgscan"]) == (BATCH + 3, BATCH + 3)
    assert lru.inactive == list(range(BATCH + 3, PAGES))
    done = lru.scan(1000)  # ends with the list
    assert (done["freed"], done["pgscan"]) == (PAGES - BATCH - 3,) * 2
    lru.memory.verify(lru.mm, 0, PAGES)


def test_referenced_pages_are_activated(lru: Lru) -> None:
    lru.deactivate()
    lru.touch(1)
    lru.touch(3)
    done = lru.scan(5)
    assert (done["freed"], done["pgactivate"], done["pswpout"]) == (3, 2, 3)
    assert lru.active == [1, 3]
    assert lru.inactive == list(range(5, PAGES))
    assert not lru.young(1)
    assert not lru.young(3)
    assert lru.memory.present(lru.mm, 0, 5) == [1, 3]


def test_one_reference_of_several_mms_is_enough(lru: Lru) -> None:
    child = dup_mmap(lru.mm)
    lru.deactivate()
    lru.touch(2, child)
    done = lru.scan(3)
    assert (done["freed"], done["pgactivate"]) == (2, 1)
    assert lru.active == [2]
    assert lru.memory.present(lru.mm, 0, 3) == [2]
    assert lru.memory.present(child, 0, 3) == [2]
    child.put()


def test_locked_pages_are_activated(lru: Lru) -> None:
    """try_to_unmap finds VM_LOCKED only behind a reference walk: SWAP_FAIL, then active."""
    lru.deactivate()
    do_mlock(lru.mm, BASE + PAGE, 2 * PAGE)
    lru.deactivate()
    done = lru.scan(4)
    assert (done["freed"], done["pgactivate"]) == (2, 2)
    assert lru.active == [1, 2]
    assert lru.memory.present(lru.mm, 0, 4) == [1, 2]
    do_munlock(lru.mm, BASE, PAGES * PAGE)
    lru.deactivate()
    lru.scan(PAGES)
    assert lru.memory.present(lru.mm, 0, PAGES) == []


def test_a_page_locked_by_one_of_two_stays_with_that_one(lru: Lru) -> None:
    """The other's pte may go, if its walk comes first: the page is found in the swap cache."""
    do_mprotect(lru.mm, BASE, PAGES * PAGE, R)  # else mlock would copy what is shared
    child = dup_mmap(lru.mm)
    do_mlock(child, BASE, PAGE)
    assert child.read(BASE, PAGE) == lru.memory.contents(0)
    lru.deactivate()
    done = lru.scan(2)
    assert (done["freed"], done["pgactivate"]) == (1, 1)
    assert lru.active == [0]
    assert lru.memory.present(child, 0, 2) == [0]
    lru.memory.verify(lru.mm, 0, 2)
    lru.memory.verify(child, 0, 2)
    child.put()


@pytest.mark.parametrize("scheme", WALKING)
def test_full_swap_activates(scheme: str) -> None:
    lru = Lru(scheme, swap=10)  # the first slot is the header's
    lru.deactivate()
    done = lru.scan(12)
    assert (done["freed"], done["pgactivate"], done["pswpout"]) == (9, 3, 9)
    assert lru.active == [9, 10, 11]
    assert lru.memory.present(lru.mm, 0, 12) == [9, 10, 11]
    assert lib.swap_used(lru.m) == lib.swap_total(lru.m) == 9
    lru.memory.check()
    lru.memory.close()


def test_a_locked_frame_is_kept_where_it_is(lru: Lru) -> None:
    """Somebody has PG_locked: the page goes round, and is neither freed nor activated."""
    lru.deactivate()
    lru.frames[0].flags |= lib.PG_locked
    done = lru.scan(2)
    assert (done["freed"], done.get("pgactivate", 0)) == (1, 0)
    assert lru.inactive == [*range(2, PAGES), 0]
    lru.frames[0].flags &= ~lib.PG_locked


def test_somebody_elses_reference_keeps_the_frame(lru: Lru) -> None:
    """An extra _count: the pte stays too, since a write would copy the page away."""
    lru.deactivate()
    lib.get_page(lru.m, lru.frames[0])
    done = lru.scan(2)
    assert done["freed"] == 1
    assert lru.memory.present(lru.mm, 0, 2) == [0]
    lib.put_page(lru.m, lru.frames[0])


def test_a_page_that_swap_still_has_is_not_written_again(lru: Lru) -> None:
    lru.deactivate()
    lru.scan(1)
    lru.touch(0)  # read back, clean, and in the swap cache still
    lru.frames[0] = lru.page(0)
    assert lru.frames[0].flags & lib.PG_swapcache
    assert lru.active == [0]
    lru.deactivate()
    assert lru.inactive == [*range(1, PAGES), 0]
    assert lru.scan(PAGES)["pswpout"] == PAGES - 1
    assert lru.memory.present(lru.mm, 0, PAGES) == []
    lru.memory.verify(lru.mm, 0, PAGES)


def test_a_page_written_again_is_written_out_again(lru: Lru) -> None:
    lru.deactivate()
    lru.scan(1)
    lru.touch(0)
    lru.mm.write(BASE, b"new")
    lru.frames[0] = lru.page(0)
    lru.deactivate()
    assert lru.scan(PAGES)["pswpout"] == PAGES
    assert lru.mm.read(BASE, 3) == b"new"


# ---- one page, on demand ----------------------------------------------------------------


def test_reclaim_page_takes_a_referenced_one(lru: Lru) -> None:
    assert lru.young(7)
    assert lib.reclaim_page(lru.m, lru.frames[7]) == 1
    assert lru.memory.kind(lru.mm, 7) == lib.PTE_SWAP
    lru.memory.verify(lru.mm, 7, 1)


def test_reclaim_page_puts_back_what_it_cannot_take(lru: Lru) -> None:
    do_mlock(lru.mm, BASE, PAGE)
    lru.age()
    assert lib.reclaim_page(lru.m, lru.frames[0]) == 0
    assert lru.active == [*range(1, PAGES), 0]
    assert lru.memory.kind(lru.mm, 0) == lib.PTE_PRESENT


def test_pageout_range_counts_the_ptes_that_went(lru: Lru) -> None:
    do_mlock(lru.mm, BASE + 2 * PAGE, PAGE)
    gone = lib.pageout_range(lru.m, lru.mm.ptr, BASE, BASE + 5 * PAGE)
    assert gone == 4
    assert lru.memory.present(lru.mm, 0, 6) == [2, 5]
    assert lib.pageout_range(lru.m, lru.mm.ptr, BASE, BASE + 5 * PAGE) == 0


# ---- the walks, and what happens between them --------------------------------------------


def test_page_referenced_says_how_often_and_ages(lru: Lru) -> None:
    child = dup_mmap(lru.mm)
    page, before = lru.frames[0], lru.counted()["referenced_pages"]
    assert lib.page_referenced(lru.m, page) == 1  # fork makes the child's pte old
    assert lru.counted()["referenced_pages"] == before + 1
    assert lib.page_referenced(lru.m, page) == 0
    lru.touch(0)
    lru.touch(0, child)
    assert lib.page_referenced(lru.m, page) == 2
    lru.touch(0, child)
    assert lib.page_referenced(lru.m, page) == 1
    page.flags |= lib.PG_referenced
    lru.touch(0)
    assert lib.page_referenced(lru.m, page) == 2
    assert not page.flags & lib.PG_referenced
    child.put()


def test_an_access_after_the_reference_walk_saves_the_page(lru: Lru) -> None:
    """try_to_unmap looks again: a young pte stays, is old then, and goes the next time."""
    page = lru.frames[0]
    lru.age()
    lib.page_referenced(lru.m, page)
    lru.touch(0)
    lru.m.tlb.stale = 0
    lock = lru.memory.core.kaddr(ffi.addressof(page, "flags"))
    lib.take_lock(lru.m, lib.LOCK_page, lock)
    lib.get_page(lru.m, page)
    assert lib.try_to_unmap(lru.m, page) == lib.SWAP_FAIL
    assert lru.memory.kind(lru.mm, 0) == lib.PTE_PRESENT
    assert not lru.young(0)
    assert lru.m.tlb.stale
    lib.put_page(lru.m, page)
    lib.drop_lock(lru.m, lib.LOCK_page, lock)
    assert lib.reclaim_page(lru.m, page) == 1


def test_marks_of_access_make_a_page_active(lru: Lru) -> None:
    """inactive,unreferenced -> inactive,referenced -> active,unreferenced -> referenced."""
    lru.deactivate()
    page, before = lru.frames[4], lru.counted()["pgactivate"]
    lib.mark_page_accessed(lru.m, page)
    assert page.flags & lib.PG_referenced
    assert 4 in lru.inactive
    assert lru.counted()["pgactivate"] == before
    lib.mark_page_accessed(lru.m, page)
    assert lru.active == [4]
    assert not page.flags & lib.PG_referenced
    assert lru.counted()["pgactivate"] == before + 1
    lib.mark_page_accessed(lru.m, page)
    assert page.flags & lib.PG_referenced
    lib.mark_page_accessed(lru.m, page)
    assert lru.active == [4]
    assert lru.counted()["pgactivate"] == before + 1


def test_a_page_on_no_list_is_only_marked(lru: Lru) -> None:
    page = lib.alloc_page(lru.m, lib.GFP_KERNEL)
    active = lru.zone.nr_active
    for _ in range(3):
        lib.mark_page_accessed(lru.m, page)
        assert page.flags == lib.PG_referenced
    assert lru.zone.nr_active == active
    lib.put_page(lru.m, page)


@pytest.mark.parametrize("who", ["both", "the child"])
def test_a_page_of_a_living_mm_stays_its(who: str) -> None:
    """anonmm gives a page to another mm only when the one it points at is gone."""
    memory = Memory("anonmm")
    parent = memory.process()
    memory.map(parent, 0, 1)
    memory.fill(parent, 0, 1)
    child = dup_mmap(parent)
    page = memory.core.page(int(lib.pte_value(memory.m, child.ptr, BASE)) >> 12)
    owner = page.mapping
    if who == "the child":
        do_munmap(parent, BASE, PAGE)
    lib.page_referenced(memory.m, page)
    assert page.mapping == owner == memory.vm.rmap.anonmm(parent.ptr)
    assert memory.core.counters()["rmap_migrated"] == 0
    parent.put()
    lib.page_referenced(memory.m, page)
    assert page.mapping == memory.vm.rmap.anonmm(child.ptr)
    assert memory.core.counters()["rmap_migrated"] == 1
    memory.check()
    memory.close()
