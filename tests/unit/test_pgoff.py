"""Page offsets at their boundaries: they are numbers modulo LIMIT, like everything else there.

A stack-like area that was mapped low, moved up, and grows down again past offset 0 has a
vm_pgoff just below LIMIT and pages on both sides of 0.  Walks must find all of them.
"""

from __future__ import annotations

import pytest
from memory import (
    ANON,
    FIXED,
    GROWSDOWN,
    PAGE,
    PRIVATE,
    RW,
    SCHEMES,
    WALKING,
    Memory,
    R,
    memory_under,
)

from tests.width import LIMIT, lib
from vmemu.mm import Mm, do_mmap, do_mprotect, do_mremap, do_munmap, dup_mmap

HIGH = 0x60000000
MOVE = 3


memory = memory_under(*SCHEMES, swap=512)


def moved_up(memory: Memory, offset: int, pages: int = 4) -> Mm:
    """A written area of vm_pgoff `offset`, which moved from that page up to HIGH."""
    mm = memory.process()
    do_mmap(mm, offset * PAGE, pages * PAGE, RW, PRIVATE | ANON | FIXED | GROWSDOWN)
    for n in range(pages):
        mm.write(offset * PAGE + n * PAGE, word(n))
    do_mremap(mm, offset * PAGE, pages * PAGE, pages * PAGE, MOVE, HIGH)
    return mm


def word(n: int) -> bytes:
    return (n & 0xFFFFFFFF).to_bytes(4, "little")


def grow(mm: Mm, pages: int) -> None:
    """Write the pages below HIGH, from the top down, as a stack does."""
    for n in range(1, pages + 1):
        mm.write(HIGH - n * PAGE, word(-n))


def evict(memory: Memory, mm: Mm, low: int, high: int) -> int:
    """Page out so many pages below and above HIGH: how many ptes went."""
    return memory.vm.reclaim_range(mm, HIGH - low * PAGE, HIGH + high * PAGE)


@pytest.mark.parametrize("below", [15, 16, 17, 32])
def test_an_area_that_grows_past_offset_0(memory: Memory, below: int) -> None:
    """From page 16: 15 more end above offset 0, 16 at it, 17 and 32 beyond it."""
    mm = moved_up(memory, 16)
    grow(mm, below)
    vma = next(v for v in mm.vmas() if v.vm_end == HIGH + 4 * PAGE)
    assert vma.vm_start == HIGH - below * PAGE
    if memory.scheme.walker == "anon_vma":  # others may reset it with the move
        assert vma.vm_pgoff == (16 - below) % LIMIT
    memory.check()
    assert evict(memory, mm, below, 4) == below + 4
    for n in range(-below, 4):
        assert mm.read(HIGH + n * PAGE, 4) == word(n)


def test_wrapped_pages_shared_with_a_child(memory: Memory) -> None:
    mm = moved_up(memory, 2)
    grow(mm, 6)
    child = dup_mmap(mm)
    memory.check()
    assert evict(memory, child, 6, 4) == 10
    assert mm.ptr.rss == child.ptr.rss == 0
    child.put()


@pytest.mark.parametrize("memory", WALKING, indirect=True)
def test_each_page_is_found_once_whichever_side_of_0(memory: Memory) -> None:
    """One area, one process: a probe a page; to reject there is only where they came from."""
    mm = moved_up(memory, 2)
    grow(mm, 6)
    counter = memory.m.counter
    before = counter[lib.CNT_unmap_probes], counter[lib.CNT_unmap_cmp]
    assert evict(memory, mm, 6, 4) == 10
    assert counter[lib.CNT_unmap_probes] - before[0] == 10
    assert counter[lib.CNT_unmap_cmp] - before[1] == (4 if memory.scheme.looks_back else 0)


@pytest.mark.parametrize("cut", [-3, -2, -1, 0, 1])
def test_split_and_merge_at_the_boundary(memory: Memory, cut: int) -> None:
    """Offsets of both parts follow, so that they find their pages and become one again."""
    mm = moved_up(memory, 2)
    grow(mm, 6)
    at = HIGH + cut * PAGE
    do_mprotect(mm, at, PAGE, R)
    memory.check()
    parts = [(v.vm_start, v.vm_end) for v in mm.vmas()]
    assert parts == [(HIGH - 6 * PAGE, at), (at, at + PAGE), (at + PAGE, HIGH + 4 * PAGE)]
    assert evict(memory, mm, 6, 4) == 10
    do_mprotect(mm, at, PAGE, RW)
    assert [(v.vm_start, v.vm_end) for v in mm.vmas()] == [(HIGH - 6 * PAGE, HIGH + 4 * PAGE)]
    for n in range(-6, 4):
        assert mm.read(HIGH + n * PAGE, 4) == word(n)
    assert evict(memory, mm, 6, 4) == 10


def test_a_hole_at_the_boundary_is_filled(memory: Memory) -> None:
    mm = moved_up(memory, 2)
    grow(mm, 6)
    do_munmap(mm, HIGH - 3 * PAGE, 2 * PAGE)
    memory.check()
    assert evict(memory, mm, 6, 4) == 8
    assert mm.read(HIGH - 4 * PAGE, 4) == word(-4)
    assert mm.read(HIGH - PAGE, 4) == word(-1)


def test_a_wrapped_area_moves_on(memory: Memory) -> None:
    mm = moved_up(memory, 2)
    grow(mm, 6)
    there = 0x70000000
    do_mremap(mm, HIGH - 6 * PAGE, 10 * PAGE, 10 * PAGE, MOVE, there)
    memory.check()
    assert memory.vm.reclaim_range(mm, there, there + 10 * PAGE) == 10
    for n in range(10):
        assert mm.read(there + n * PAGE, 4) == word(n - 6)


def test_offsets_more_than_an_address_space_apart(memory: Memory) -> None:
    """One anon_vma, two areas whose offsets differ by about 2**20 pages and the other way round.

    The address decides: neither is taken for the other, in a process or its child.
    """
    mm = moved_up(memory, 1)
    grow(mm, 8)
    child = dup_mmap(mm)
    do_munmap(child, HIGH - 4 * PAGE, 4 * PAGE)
    do_munmap(mm, HIGH, 4 * PAGE)
    memory.check()
    assert evict(memory, mm, 8, 4) == 8
    assert (mm.ptr.rss, child.ptr.rss) == (0, 4)  # of four pages both lost their ptes
    for n in (-8, -5):
        assert mm.read(HIGH + n * PAGE, 4) == child.read(HIGH + n * PAGE, 4) == word(n)
    child.put()
