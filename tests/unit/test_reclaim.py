"""When and how hard memory is scanned: the priority loop of vmemu/reclaim/vmscan.py.

Each pass adds to two debts, and a list is scanned when its debt is a batch of 32:
active    32 A / (2 I + 1), at most 128, and A >> priority, and 1
inactive  I >> priority, and 1
for A active and I inactive pages.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from memory import BASE, PAGE, Memory
from script import ARENA, Script

from tests.width import TABLE, lib
from vmemu.errors import ConfigError
from vmemu.mm import Mm
from vmemu.reclaim.vmscan import DEF_PRIORITY

BATCH = lib.SWAP_CLUSTER_MAX


class Pages:
    """A process with ``active`` written pages, of which some are made inactive."""

    def __init__(self, active: int, inactive: int = 0, swappiness: int = 60) -> None:
        self.memory = Memory(ram=1024, swappiness=swappiness)
        self.m, self.zone = self.memory.m, self.memory.m.k.zone
        self.memory.vm.swap.swapon_size(2048 * PAGE)
        self.mm: Mm = self.memory.process()
        pages = active + inactive
        self.memory.map(self.mm, 0, pages)
        self.memory.fill(self.mm, 0, pages)
        for n in range(pages):
            lib.page_referenced(self.m, self.page(n))
        lib.refill_inactive_zone(self.m, inactive, 1)
        assert (self.zone.nr_active, self.zone.nr_inactive) == (active, inactive)
        self.zone.pages_scanned = 0

    def page(self, n: int) -> object:
        pte = lib.pte_value(self.m, self.mm.ptr, BASE + n * PAGE)
        return self.memory.core.page(pte >> 12)

    def pass_(self, priority: int) -> tuple[int, int, int]:
        """One pass: pages looked at on the active and the inactive list, and freed."""
        before = self.memory.core.counters()
        freed = self.memory.vm.reclaim._shrink_zone(priority)
        after = self.memory.core.counters()
        return (
            after["pgrefill"] - before["pgrefill"],
            after["pgscan"] - before["pgscan"],
            freed,
        )


@pytest.fixture
def pages() -> Iterator[Pages]:
    pages = Pages(100, 100)
    yield pages
    pages.memory.check()
    pages.memory.close()


def debts(active: int, inactive: int, priority: int) -> tuple[int, int]:
    ratio = min(BATCH * active // (2 * inactive + 1), 4 * BATCH)
    return ratio + (active >> priority) + 1, (inactive >> priority) + 1


@pytest.mark.parametrize("priority", [12, 7, 6, 5])
def test_debts_grow_until_they_are_a_batch(pages: Pages, priority: int) -> None:
    zone = pages.zone
    owed_active = owed_inactive = 0
    for _ in range(6):
        more = debts(zone.nr_active, zone.nr_inactive, priority)
        owed_active += more[0]
        scans = owed_active if owed_active >= BATCH else 0
        before = zone.nr_inactive
        refilled, scanned, freed = pages.pass_(priority)
        assert refilled == min(scans, 100)
        owed_active = 0 if scans else owed_active
        assert zone.nr_scan_active == owed_active
        grown = zone.nr_inactive + freed - before
        owed_inactive += (before + grown >> priority) + 1
        scans = owed_inactive if owed_inactive >= BATCH else 0
        assert scanned == scans
        assert freed <= scanned
        owed_inactive = 0 if scans else owed_inactive
        assert zone.nr_scan_inactive == owed_inactive


def test_the_last_priority_scans_whatever_is_owed() -> None:
    pages = Pages(0, 10)
    assert pages.pass_(1)[1:] == (0, 0)  # owes 6
    assert pages.pass_(0)[1:] == (10, 10)  # owes 6 and 11, and there are 10
    pages.memory.close()


def test_many_active_pages_are_looked_at_four_batches_at_a_time() -> None:
    pages = Pages(500)
    pages.zone.prev_priority = 0  # in distress: mapped pages count
    refilled, _, _ = pages.pass_(12)
    assert refilled == 4 * BATCH + 1
    assert pages.zone.nr_inactive == 4 * BATCH + 1
    pages.memory.check()
    pages.memory.close()


@pytest.mark.parametrize(
    ("swappiness", "prev", "moves"),
    [
        (100, 12, True),
        (99, 12, True),  # the mapped share makes up for it
        (0, 12, False),
        (0, 1, False),
        (0, 0, True),  # 100 of distress
        (60, 12, False),
        (60, 2, True),  # 25 of distress, half of 40 % mapped
        (60, 3, False),
        (40, 1, True),
        (25, 1, False),
    ],
)
def test_mapped_pages_are_taken_when_it_is_time(swappiness: int, prev: int, moves: bool) -> None:
    """mapped / 2 + distress + swappiness >= 100, where distress is 100 >> prev_priority."""
    pages = Pages(400, swappiness=swappiness)
    share = pages.m.pages.nr_mapped * 100 // pages.zone.present_pages
    assert share in (39, 40)
    assert moves == (share // 2 + (100 >> prev) + swappiness >= 100)
    pages.zone.prev_priority = prev
    pages.pass_(12)
    assert bool(pages.zone.nr_inactive) == moves
    pages.memory.close()


@pytest.mark.parametrize("swappiness", [-1, 101])
def test_swappiness_has_its_bounds(swappiness: int) -> None:
    memory = Memory()
    with pytest.raises(ConfigError, match="swappiness must be 0 to 100"):
        Memory(swappiness=swappiness)
    memory.close()


def test_direct_reclaim_stops_when_it_has_enough(pages: Pages) -> None:
    stalls = pages.memory.core.counters()["allocstall"]
    freed = pages.memory.vm.reclaim.try_to_free_pages(1)
    assert 1 <= freed < 100
    priority = pages.zone.prev_priority
    assert 0 < priority <= DEF_PRIORITY
    assert pages.memory.core.counters()["allocstall"] == stalls + 1
    freed = pages.memory.vm.reclaim.try_to_free_pages(10**6)  # all there is
    assert pages.zone.prev_priority == 0
    assert pages.memory.core.counters()["allocstall"] == stalls + 2


def test_kswapd_stops_above_pages_high() -> None:
    pages = Pages(0, 300)
    memory, zone = pages.memory, pages.zone
    frames = []
    while zone.free_pages > zone.pages_high:
        frames.append(lib.alloc_page(pages.m, lib.GFP_ATOMIC))
    runs = memory.core.counters()["kswapd_run"]
    pages.m.pages.want_kswapd = 1
    freed = memory.vm.reclaim.balance_pgdat()
    assert freed > 0
    assert zone.free_pages == zone.pages_high + freed
    assert memory.core.counters()["kswapd_run"] == runs + 1
    assert not pages.m.pages.want_kswapd
    assert memory.vm.reclaim.balance_pgdat() == 0  # nothing to do
    assert memory.core.counters()["kswapd_run"] == runs + 1
    for frame in frames:
        lib.put_page(pages.m, frame)
    memory.check()
    memory.close()


def test_kswapd_gives_up_when_nothing_goes() -> None:
    memory = Memory(ram=256)  # no swap
    mm = memory.process()
    memory.map(mm, 0, 100)
    memory.fill(mm, 0, 100)
    zone = memory.m.k.zone
    frames = []
    while zone.free_pages > zone.pages_low:
        frames.append(lib.alloc_page(memory.m, lib.GFP_ATOMIC))
    assert memory.vm.reclaim.balance_pgdat() == 0
    assert memory.core.counters()["kswapd_run"] == 1
    assert memory.vm.reclaim.reclaim_pages(200) == 0
    for frame in frames:
        lib.put_page(memory.m, frame)
    memory.check()
    memory.close()


def test_reclaim_until_so_many_are_free(pages: Pages) -> None:
    before = pages.zone.free_pages
    freed = pages.memory.vm.reclaim.reclaim_pages(before + 50)
    assert freed >= 50
    assert pages.zone.free_pages >= before + 50
    assert pages.memory.vm.reclaim.reclaim_pages(before) == 0


@pytest.mark.parametrize("ram", range(520, 640, 8))
def test_an_instruction_gets_the_pages_it_needs(tmp_path: Path, ram: int) -> None:
    """Page tables leave about as much as kswapd wants free: it must not take all, always."""
    script = Script()
    for n in range(95):
        at = ARENA + n * TABLE * PAGE
        script.mmap(at, PAGE)
        script.run_code("fill", 1, at)
    script.end()
    assert script.run(tmp_path, ram=f"{ram}K", swap="4M", max_time=20).status is not None


def test_frames_that_are_on_no_list_are_not_taken() -> None:
    """A page table, a slab, the zero page: reclaim_page() has nothing to do with them."""
    memory = Memory()
    mm = memory.process()
    memory.map(mm, 0, 1)
    memory.fill(mm, 0, 1)
    before = memory.core.counters()["pgfree"]
    frames = [n for n in range(memory.m.nr_frames) if not memory.core.page(n).flags & lib.PG_lru]
    assert [lib.reclaim_page(memory.m, memory.core.page(n)) for n in frames] == [0] * len(frames)
    assert memory.core.counters()["pgfree"] == before
    memory.check()
    memory.close()
