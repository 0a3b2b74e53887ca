"""What the memory manager's events say, argument by argument."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from memory import BASE, PAGE, SCHEMES, WALKING, Memory, R

from tests.width import lib
from vmemu.mm import Mm, do_mprotect, do_mremap, do_munmap, dup_mmap


class Told:
    """A machine whose events are kept, and what happened since the last look."""

    def __init__(self, scheme: str) -> None:
        self.memory = Memory(scheme, events=4096)
        self.memory.vm.swap.swapon_size(256 * PAGE)
        self.mm: Mm = self.memory.process()

    def of(self, kind: str, action: Callable[[], Any]) -> list[tuple[int, int, int]]:
        """The events of a kind that an action causes."""
        since = self.memory.m.trace.head
        action()
        return [(e.a, e.b, e.c) for e in self.memory.core.events(since) if e.name == kind]

    def pte(self, page: int, mm: Mm | None = None) -> int:
        return int(lib.pte_value(self.memory.m, (mm or self.mm).ptr, BASE + page * PAGE))

    def pfn(self, page: int, mm: Mm | None = None) -> int:
        return self.pte(page, mm) >> 12


@pytest.fixture(params=SCHEMES)
def told(request: pytest.FixtureRequest) -> Iterator[Told]:
    told = Told(request.param)
    told.memory.map(told.mm, 0, 8)
    told.memory.fill(told.mm, 0, 8)
    yield told
    told.memory.check()
    told.memory.close()


def test_areas(told: Told) -> None:
    mm, memory = told.mm, told.memory
    at = BASE + 16 * PAGE
    ((start, end, flags),) = told.of("mmap", lambda: memory.map(mm, 16, 4))
    assert (start, end) == (at, at + 4 * PAGE)
    assert flags & (lib.VM_READ | lib.VM_WRITE | lib.VM_EXEC) == lib.VM_READ | lib.VM_WRITE
    assert told.of("mprotect", lambda: do_mprotect(mm, at, 2 * PAGE, R)) == [
        (at, at + 2 * PAGE, lib.VM_READ)
    ]
    to = BASE + 64 * PAGE
    assert told.of("mremap", lambda: do_mremap(mm, at, 2 * PAGE, 3 * PAGE, 3, to)) == [
        (at, to, 3 * PAGE)
    ]
    (gone, *_) = told.of("munmap", lambda: do_munmap(mm, to, 3 * PAGE))
    assert gone[:2] == (to, to + 3 * PAGE)


def test_a_copy_on_write_names_both_frames(told: Told) -> None:
    child = dup_mmap(told.mm)
    old = told.pfn(3)
    at = BASE + 3 * PAGE
    assert told.of("cow", lambda: child.write(at, b"x")) == [(at, old, told.pfn(3, child))]
    assert told.pfn(3) == old != told.pfn(3, child)
    child.put()


def test_a_fault_names_its_result(told: Told) -> None:
    vm, mm = told.memory.vm, told.mm
    told.memory.map(mm, 20, 1)
    at = BASE + 20 * PAGE
    for access, result in ((lib.ACCESS_READ, lib.FAULT_MINOR), (lib.ACCESS_WRITE, lib.FAULT_MINOR)):
        found = told.of("fault", lambda access=access: vm.fault(mm, at, access))  # type: ignore[misc]
        assert [event[:3] for event in found] == [(at, access, result)]


def test_out_and_in_again(told: Told) -> None:
    memory, mm = told.memory, told.mm
    memory.m.page_cluster = 0
    pfn = told.pfn(2)
    at = BASE + 2 * PAGE
    assert told.of("swapout", lambda: lib.pageout_range(memory.m, mm.ptr, at, at + PAGE)) == [
        (pfn, 1 << 8, 0)
    ]
    ((address, entry, new),) = told.of("swapin", lambda: mm.read(at, 1))
    assert (address, entry, new) == (at, 1 << 8, told.pfn(2))


@pytest.mark.parametrize("told", WALKING, indirect=True)
@pytest.mark.parametrize("sharers", [1, 3])
def test_an_unmapped_page_names_what_it_cost(told: Told, sharers: int) -> None:
    """One probe for each pte; the last walk's result."""
    memory, mm = told.memory, told.mm
    children = [dup_mmap(mm) for _ in range(sharers - 1)]
    pfn = told.pfn(2)
    before = memory.core.counters()["unmap_probes"]
    at = BASE + 2 * PAGE
    events = told.of("unmap", lambda: lib.pageout_range(memory.m, mm.ptr, at, at + PAGE))
    probes = memory.core.counters()["unmap_probes"] - before
    assert probes >= sharers
    assert events == [(pfn, probes, lib.SWAP_SUCCESS)]
    for child in children:
        child.put()


def test_reclaim_says_how_hard_and_how_much(told: Told) -> None:
    memory = told.memory
    for n in range(8):
        lib.page_referenced(memory.m, memory.core.page(told.pfn(n)))
    lib.refill_inactive_zone(memory.m, 8, 1)
    scanned = memory.m.k.zone.pages_scanned
    events = told.of("reclaim", lambda: memory.vm.reclaim.try_to_free_pages(4))
    priorities = [event[0] for event in events]
    assert priorities == list(range(12, priorities[-1] - 1, -1))
    assert sum(event[1] for event in events) == memory.m.k.zone.pages_scanned - scanned
    assert sum(event[2] for event in events) == 8 - len(memory.present(told.mm, 0, 8)) >= 4
    assert memory.m.k.zone.prev_priority == priorities[-1]


def test_nothing_is_kept_without_a_ring() -> None:
    memory = Memory()
    mm = memory.process()
    memory.map(mm, 0, 1)
    assert list(memory.core.events()) == []
    memory.close()
