"""Sweeps in place of walks, by 2.4: what is looked at, what is detached, and what comes back.

The areas here are all that a process has, so the ptes a sweep looks at can be told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from memory import BASE, FIXED, PAGE, PRIVATE, Memory, R

from tests.width import BITS, lib
from vmemu.errors import KernelBug
from vmemu.mm import Mm, do_mlock, do_mmap, do_munlock, do_munmap, dup_mmap

PAGES = 40
BATCH = lib.SWAP_CLUSTER_MAX


class Swept(Memory):
    """Memory with swap, a process of PAGES written pages, and what counters say."""

    def __init__(self, swap: int = 256) -> None:
        super().__init__("scan")
        if swap:
            self.vm.swap.swapon_size(swap * PAGE)
        self.mm = self.process()
        self.map(self.mm, 0, PAGES)
        self.fill(self.mm, 0, PAGES)

    def counted(self, do: Callable[[], object]) -> dict[str, int]:
        """The counters that move meanwhile, those of sweeps by their short names."""
        before = self.core.counters()
        do()
        self.core.check_bug()
        after = self.core.counters()
        return {
            name.removeprefix("sweep_"): after[name] - before[name]
            for name in after
            if after[name] != before[name]
        }

    def evict(self, mm: Mm, page: int, pages: int = 1) -> dict[str, int]:
        at = BASE + page * PAGE
        return self.counted(lambda: self.vm.reclaim_range(mm, at, at + pages * PAGE))

    def shrink(self, pages: int) -> dict[str, int]:
        return self.counted(lambda: lib.shrink_cache(self.m, pages))

    def deactivate(self) -> None:
        lib.refill_inactive_zone(self.m, self.m.k.zone.nr_active, 0)

    def page(self, n: int, mm: Mm | None = None) -> object:
        pte = int(lib.pte_value(self.m, (mm or self.mm).ptr, BASE + n * PAGE))
        assert pte & lib._PAGE_PRESENT
        return self.core.page(pte >> 12)

    @property
    def cursor(self) -> int:
        """swap_mm."""
        return int(self.m.k.rmap.cursor)

    def cursor_of(self, mm: Mm) -> int:
        """swap_address, in pages behind BASE."""
        return (int(self.vm.rmap.tail(mm.ptr).swap_address) - BASE) // PAGE


@pytest.fixture
def memory() -> Iterator[Swept]:
    memory = Swept()
    yield memory
    memory.check()
    memory.close()


# ---- one page is wanted ---------------------------------------------------------------


def test_the_first_page_costs_a_round_the_next_ones_a_pte(memory: Swept) -> None:
    done = memory.evict(memory.mm, 0)
    assert (done["ptes"], done["mms"], done["unmapped"]) == (PAGES + 1, 2, 1)
    done = memory.evict(memory.mm, 1, PAGES - 1)
    assert (done["ptes"], done["mms"], done["unmapped"]) == (PAGES - 1, PAGES - 1, PAGES - 1)
    assert "collateral" not in done
    assert memory.present(memory.mm, 0, PAGES) == []
    memory.verify(memory.mm, 0, PAGES)


def test_the_sweep_goes_on_where_it_ended(memory: Swept) -> None:
    """Backwards, each page is the last that is met: a round for each."""
    memory.evict(memory.mm, PAGES - 1)
    for n in range(PAGES - 2, PAGES - 8, -1):
        assert memory.cursor_of(memory.mm) == n + 2
        done = memory.evict(memory.mm, n)
        assert done["ptes"] == PAGES - 1  # from n + 2 to the end, and from 0 to n
        assert (done["mms"], done["unmapped"]) == (2, 1)


def test_a_page_of_many_takes_a_round_of_all(memory: Swept) -> None:
    """Ptes of a child are old, so one round is enough for them; the parent's takes two."""
    children = [dup_mmap(memory.mm) for _ in range(3)]
    done = memory.evict(memory.mm, 5)
    assert (done["unmapped"], done["mms"]) == (4, 5)
    assert done["ptes"] == 4 * PAGES + 6
    done = memory.evict(memory.mm, 6)
    assert (done["unmapped"], done["mms"]) == (4, 4)
    assert done["ptes"] == (PAGES - 6) + 2 * PAGES + 7
    for mm in (memory.mm, *children):
        memory.verify(mm, 0, PAGES)
    for child in children:
        child.put()


def test_empty_slots_are_looked_at_as_well(memory: Swept) -> None:
    """The work goes with what is mapped, not with what is there."""
    memory.map(memory.mm, PAGES, 200)
    done = memory.evict(memory.mm, 0)
    assert done["ptes"] == PAGES + 200 + 1


def test_who_is_old_and_inactive_goes_as_well(memory: Swept) -> None:
    memory.deactivate()
    memory.evict(memory.mm, 0)  # makes all old
    done = memory.evict(memory.mm, 3)
    assert (done["ptes"], done["unmapped"], done["collateral"]) == (3, 3, 2)
    assert memory.present(memory.mm, 0, 5) == [4]
    assert done["pswpout"] == 1
    back = memory.counted(lambda: memory.mm.read(BASE + PAGE, 1))
    assert (back["pgfault"], back["swap_cache_hit"]) == (1, 1)
    assert "pswpin" not in back
    assert "pgmajfault" not in back


def test_a_page_read_back_for_one_is_found_by_the_other(memory: Swept) -> None:
    child = dup_mmap(memory.mm)
    memory.evict(memory.mm, 0)
    read = memory.counted(lambda: memory.mm.read(BASE, 1))
    assert read["pgmajfault"] == 1
    assert "swap_cache_hit" not in read
    found = memory.counted(lambda: child.read(BASE, 1))
    assert found["swap_cache_hit"] == 1
    child.put()


# ---- what stays ---------------------------------------------------------------------------


def test_locked_areas_are_not_looked_at(memory: Swept) -> None:
    do_mlock(memory.mm, BASE + PAGE, 2 * PAGE)
    done = memory.evict(memory.mm, 1)
    assert "unmapped" not in done
    assert (done["ptes"], done["mms"]) == (3 * (PAGES - 2), 3)
    assert memory.present(memory.mm, 0, 3) == [0, 1, 2]
    do_munlock(memory.mm, BASE, PAGES * PAGE)
    assert memory.evict(memory.mm, 1)["unmapped"] == 1


def test_somebody_elses_reference_keeps_the_pte(memory: Swept) -> None:
    frame = memory.page(2)
    lib.get_page(memory.m, frame)
    assert "unmapped" not in memory.evict(memory.mm, 2)
    lib.put_page(memory.m, frame)
    assert memory.evict(memory.mm, 2)["unmapped"] == 1


def test_a_locked_page_is_passed_by(memory: Swept) -> None:
    memory.deactivate()
    memory.evict(memory.mm, 0)
    frame = memory.page(1)
    lock = memory.core.kaddr(memory.core.ffi.addressof(frame, "flags"))
    lib.take_lock(memory.m, lib.LOCK_page, lock)
    assert memory.evict(memory.mm, 2)["unmapped"] == 1
    lib.drop_lock(memory.m, lib.LOCK_page, lock)
    assert memory.present(memory.mm, 0, 4) == [1, 3]


def test_nothing_goes_without_swap() -> None:
    memory = Swept(swap=0)
    assert "unmapped" not in memory.evict(memory.mm, 0)
    assert memory.present(memory.mm, 0, PAGES) == list(range(PAGES))
    memory.check()
    memory.close()


def test_as_much_goes_as_swap_holds() -> None:
    memory = Swept(swap=10)  # the first slot is the header's
    memory.deactivate()
    for _ in range(3):
        memory.shrink(PAGES)
    assert len(memory.present(memory.mm, 0, PAGES)) == PAGES - 9
    assert lib.swap_used(memory.m) == lib.swap_total(memory.m) == 9
    memory.check()
    memory.close()


# ---- any page will do -----------------------------------------------------------------------


def test_active_pages_age_by_their_flag_alone(memory: Swept) -> None:
    """Not by their ptes, mapped or not; who was marked as used stays once."""
    memory.page(3).flags |= lib.PG_referenced  # type: ignore[attr-defined]
    memory.deactivate()
    assert memory.m.k.zone.nr_active == 1
    memory.deactivate()
    assert memory.m.k.zone.nr_active == 0
    pte = int(lib.pte_value(memory.m, memory.mm.ptr, BASE))
    assert pte & lib._PAGE_ACCESSED


def test_mapped_pages_bring_a_sweep(memory: Swept) -> None:
    """One round makes ptes old, the next detaches a cluster; a later scan frees the pages."""
    memory.deactivate()
    done = memory.shrink(BATCH)
    assert (done["ptes"], done["mms"]) == (PAGES + BATCH, 2)
    assert done["unmapped"] == done["collateral"] == BATCH
    assert "pgsteal" not in done
    assert memory.present(memory.mm, 0, PAGES) == list(range(BATCH, PAGES))
    # 8 that are mapped, and 24 that went; then the 8 that went besides
    done = memory.shrink(PAGES)
    assert done["pgsteal"] == BATCH
    assert done["unmapped"] == PAGES - BATCH
    assert "collateral" not in done
    memory.verify(memory.mm, 0, PAGES)


@pytest.mark.parametrize("mapped", [3, 4])
def test_a_tenth_may_be_mapped_before_a_sweep(memory: Swept, mapped: int) -> None:
    memory.deactivate()
    memory.shrink(BATCH)
    do_munmap(memory.mm, BASE + (BATCH + mapped) * PAGE, PAGES * PAGE)
    done = memory.shrink(BATCH + mapped)  # 3 is a tenth of either, rounded down
    assert ("mms" in done) == (mapped > 3)
    assert done["pgsteal"] == BATCH


def test_a_page_used_between_rounds_stays(memory: Swept) -> None:
    memory.deactivate()
    memory.shrink(BATCH)
    memory.mm.read(BASE + (PAGES - 1) * PAGE, 1)
    memory.shrink(PAGES)  # sweeps the last 8 again
    assert memory.present(memory.mm, 0, PAGES) == [PAGES - 1]
    assert memory.m.k.zone.nr_active == 1  # it was marked by both


def test_a_sweep_detaches_ptes_of_files(memory: Swept, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(3 * PAGE))
    inode = memory.vm.inodes.open(str(path))
    mm = memory.process()
    for page in (100, 108):
        do_mmap(mm, BASE + page * PAGE, 3 * PAGE, R, PRIVATE | FIXED, inode)
        mm.read(BASE + page * PAGE, 3 * PAGE)
    frame = memory.page(101, mm)
    assert frame.mapcount == 2  # type: ignore[attr-defined]
    free = memory.free
    assert lib.reclaim_page(memory.m, frame) == 1
    assert memory.free == free + 1
    assert memory.kind(mm, 101) == memory.kind(mm, 109) == lib.PTE_NONE
    assert mm.read(BASE + 101 * PAGE, PAGE) == bytes(PAGE)
    mm.put()


# ---- the cursors ---------------------------------------------------------------------------


def test_an_mm_that_ends_passes_its_turn_on(memory: Swept) -> None:
    first = memory.process()
    memory.map(first, 0, 4)
    memory.fill(first, 0, 4)
    memory.evict(memory.mm, 0)
    assert memory.cursor == memory.mm.kaddr
    memory.evict(first, 0)
    assert memory.cursor == first.kaddr
    first.put()
    assert memory.cursor == memory.mm.kaddr
    memory.check()
    do_munmap(memory.mm, BASE, PAGES * PAGE)
    memory.mm.put()
    assert memory.cursor == 0
    memory.mm = memory.process()
    memory.map(memory.mm, 0, 1)
    memory.fill(memory.mm, 0, 1)
    assert memory.evict(memory.mm, 0)["unmapped"] == 1


def test_a_cursor_in_what_was_unmapped(memory: Swept) -> None:
    memory.evict(memory.mm, 20)
    do_munmap(memory.mm, BASE + 10 * PAGE, 20 * PAGE)
    memory.check()
    done = memory.evict(memory.mm, 30)
    assert (done["ptes"], done["unmapped"]) == (1, 1)


@pytest.mark.parametrize(
    ("address", "message"),
    [(BASE + 1, "goes on at"), ((1 << BITS) - PAGE, "goes on at")],
)
def test_check_knows_a_cursor_from_nonsense(address: int, message: str) -> None:
    memory = Swept()
    memory.vm.rmap.tail(memory.mm.ptr).swap_address = address
    with pytest.raises(KernelBug, match=message):
        memory.check()
    memory.close()


def test_check_knows_an_mm_that_is_gone() -> None:
    memory = Swept()
    memory.m.k.rmap.cursor = memory.core.kaddr(memory.m.k)
    with pytest.raises(KernelBug, match=r"swap_mm 0x[0-9a-f]+ is no mm"):
        memory.check()
    memory.close()


def test_it_costs_a_cursor_for_each_mm(memory: Swept) -> None:
    sizes = [memory.core.m.k.caches[i].objsize for i in range(lib.CACHE_rmap)]
    other = Memory("none")
    without = [other.m.k.caches[i].objsize for i in range(lib.CACHE_rmap)]
    other.close()
    assert [size - plain for size, plain in zip(sizes, without, strict=True)] == [
        0,
        BITS // 8,
        0,
        0,
    ]
