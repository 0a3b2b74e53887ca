"""Frames: who may take the last ones, and in which order they come back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from memory import BASE, NORESERVE, PAGE, RW, Memory

from tests.width import ffi, lib

MIN = 8


@pytest.fixture
def memory() -> Iterator[Memory]:
    memory = Memory(ram=256, min_free_pages=MIN)
    yield memory
    memory.close()


def drain(memory: Memory, gfp: int) -> list[Any]:
    """Every frame that may be had this way."""
    frames = []
    while (frame := lib.alloc_page(memory.m, gfp)) != ffi.NULL:
        frames.append(frame)
    return frames


def test_watermarks(memory: Memory) -> None:
    """pages_min, twice and three times that, as here documented in docs/model.md."""
    zone = memory.m.k.zone
    assert (zone.pages_min, zone.pages_low, zone.pages_high) == (MIN, 2 * MIN, 3 * MIN)
    assert zone.free_pages <= zone.present_pages <= 256


def test_who_may_go_how_low(memory: Memory) -> None:
    """An ordinary allocation leaves pages_min, an atomic one half of it, reclaim nothing."""
    m = memory.m
    taken = []
    while memory.free > 2 * MIN:
        assert not m.pages.want_kswapd
        taken.append(lib.alloc_page(m, lib.GFP_ATOMIC))
    assert not m.pages.want_kswapd
    taken.append(lib.alloc_page(m, lib.GFP_ATOMIC))
    assert m.pages.want_kswapd
    assert memory.free == 2 * MIN - 1
    taken += drain(memory, lib.GFP_KERNEL)
    assert memory.free == MIN
    taken += drain(memory, lib.GFP_ATOMIC)
    assert memory.free == MIN // 2
    m.pages.memalloc += 1
    taken += drain(memory, lib.GFP_KERNEL)
    m.pages.memalloc -= 1
    assert memory.free == 0
    assert len({int(ffi.cast("uintptr_t", frame)) for frame in taken}) == len(taken)
    for frame in taken:
        assert (frame._count, frame.mapcount, frame.flags) == (1, 0, 0)
        lib.put_page(m, frame)
    memory.check()


def test_inside_the_hook_nobody_waits(memory: Memory) -> None:
    """Below pages_low the fault is asked again outside, where reclaim may run."""
    taken = []
    while memory.free > 2 * MIN:
        taken.append(lib.alloc_page(memory.m, lib.GFP_KERNEL))
    memory.m.fault.in_hook = 1
    assert not lib.alloc_page(memory.m, lib.GFP_KERNEL)
    memory.m.fault.in_hook = 0
    assert memory.m.pages.want_kswapd
    assert lib.alloc_page(memory.m, lib.GFP_KERNEL)


def test_the_frame_freed_last_comes_first(memory: Memory) -> None:
    a, b = (lib.alloc_page(memory.m, lib.GFP_KERNEL) for _ in range(2))
    lib.put_page(memory.m, a)
    lib.put_page(memory.m, b)
    assert lib.alloc_page(memory.m, lib.GFP_KERNEL) == b
    assert lib.alloc_page(memory.m, lib.GFP_KERNEL) == a


def test_a_batch_comes_back_in_its_order(memory: Memory) -> None:
    batch = [lib.alloc_page(memory.m, lib.GFP_KERNEL) for _ in range(10)]
    other = lib.alloc_page(memory.m, lib.GFP_KERNEL)
    for page in batch[:6]:  # some are on a list of reclaim, in the other order
        lib.lru_cache_add_active(memory.m, page)
    lib.get_page(memory.m, batch[3])  # and one has another user
    before = memory.free
    lib.release_pages(memory.m, batch, 10)
    assert memory.free == before + 9
    assert batch[3]._count == 1
    assert batch[3].flags & lib.PG_lru
    lib.put_page(memory.m, other)
    again = [lib.alloc_page(memory.m, lib.GFP_KERNEL) for _ in range(10)]
    assert again == [other, *batch[:3], *batch[4:]]
    lib.put_page(memory.m, batch[3])
    assert memory.free == before + 1
    assert memory.m.k.zone.nr_active == 0


def test_a_zeroed_frame_is_zero(memory: Memory) -> None:
    frame = lib.alloc_page(memory.m, lib.GFP_KERNEL)
    at = memory.m.ram + (lib.page_to_pfn(memory.m, frame) << 12)
    ffi.buffer(at, PAGE)[:] = b"\xaa" * PAGE
    lib.put_page(memory.m, frame)
    again = lib.alloc_page(memory.m, lib.GFP_KERNEL | lib.GFP_ZERO)
    assert again == frame
    assert ffi.buffer(at, PAGE)[:] == bytes(PAGE)


def test_counts(memory: Memory) -> None:
    before = memory.core.counters()
    pages = [lib.alloc_page(memory.m, lib.GFP_KERNEL) for _ in range(7)]
    lib.release_pages(memory.m, pages[:4], 4)
    for page in pages[4:]:
        lib.put_page(memory.m, page)
    after = memory.core.counters()
    assert (after["pgalloc"] - before["pgalloc"], after["pgfree"] - before["pgfree"]) == (7, 7)


def test_the_zero_page_is_never_freed(memory: Memory) -> None:
    page = memory.core.page(lib.ZERO_PAGE_PFN)
    count = page._count
    for _ in range(3):
        lib.put_page(memory.m, page)
    assert page._count == count
    assert page.flags & lib.PG_reserved


@pytest.mark.parametrize("what", ["mapped", "listed", "no reference"])
def test_a_frame_in_use_is_not_freed(memory: Memory, what: str) -> None:
    page = lib.alloc_page(memory.m, lib.GFP_KERNEL)
    before = memory.free
    if what == "mapped":
        page.mapcount = 1
    elif what == "listed":
        page.flags |= lib.PG_swapcache
    else:
        page._count = 0
    lib.put_page(memory.m, page)
    assert b"page/frame.c" in ffi.string(memory.m.bug)
    assert memory.free == before


def test_an_executed_frame_waits(memory: Memory) -> None:
    """Until its blocks have been dropped; then it is as free as any, and comes next."""
    page = lib.alloc_page(memory.m, lib.GFP_KERNEL)
    page.flags |= lib.PG_arch_1
    before = memory.free
    counted = memory.core.counters()["pgfree"]
    lib.put_page(memory.m, page)
    assert (memory.free, memory.m.pages.nr_quarantine) == (before, 1)
    assert memory.core.counters()["pgfree"] == counted + 1
    memory.check()
    lib.drop_code(memory.m)
    assert (memory.free, memory.m.pages.nr_quarantine) == (before + 1, 0)
    memory.check()
    assert lib.alloc_page(memory.m, lib.GFP_KERNEL) == page


def test_out_of_memory_is_told_to_the_fault(memory: Memory) -> None:
    """Nothing can be reclaimed without swap: pages_min frames stay for others."""
    mm = memory.process()
    memory.map(mm, 0, 400, RW, NORESERVE)
    fault, written = memory.vm.fault, 0
    while fault(mm, BASE + written * PAGE, lib.ACCESS_WRITE) == lib.FAULT_MINOR:
        written += 1
    assert fault(mm, BASE + written * PAGE, lib.ACCESS_WRITE) == lib.FAULT_OOM
    assert memory.free == MIN
    assert memory.present(mm, 0, 400) == list(range(written))
    mm.put()
    memory.check()
