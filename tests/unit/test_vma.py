"""Areas by address: the first one above, the cache of the last one found, and the gaps between."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

import pytest
from memory import PAGE, RW, SCHEMES, Memory, R

from vmemu.core import ffi, lib
from vmemu.mm import Mm, do_mmap, do_munmap

LOW = 0x40000000
SPAN = 96  # pages
FIXED_ANON = 0x32


@pytest.fixture(params=SCHEMES)
def memory(request: pytest.FixtureRequest) -> Iterator[Memory]:
    memory = Memory(request.param)
    yield memory
    memory.check()
    memory.close()


def scattered(mm: Mm, seed: int) -> list[tuple[int, int]]:
    """Some areas from LOW on, neighbours with other rights; (start, end) of each."""
    rng, at, made = random.Random(seed), LOW, list[tuple[int, int]]()
    prot = RW
    while at < LOW + SPAN * PAGE:
        if rng.random() < 0.5:
            at += rng.randrange(1, 5) * PAGE
        pages = rng.randrange(1, 5)
        prot = R if prot == RW else RW
        do_mmap(mm, at, pages * PAGE, prot, FIXED_ANON)
        made.append((at, at + pages * PAGE))
        at += pages * PAGE
    return made


@pytest.mark.parametrize("seed", range(5))
def test_the_first_area_that_ends_above(memory: Memory, seed: int) -> None:
    mm, out = memory.process(), ffi.new("struct vm_area_struct **")
    areas = scattered(mm, seed)
    assert [(vma.vm_start, vma.vm_end) for vma in mm.vmas()] == areas
    edges = {edge + off for area in areas for edge in area for off in (-PAGE, -1, 0, 1, PAGE)}
    for address in sorted(edges | {0, LOW, 0xBFFFFFFF}):
        wanted = next((area for area in areas if area[1] > address), None)
        before = [area for area in areas if area[1] <= address]
        found = lib.find_vma_prev(memory.m, mm.ptr, address, out)
        assert ((found.vm_start, found.vm_end) if found else None) == wanted
        prev = out[0]
        assert ((prev.vm_start, prev.vm_end) if prev else None) == (before or [None])[-1]
        found = lib.find_vma(memory.m, mm.ptr, address)
        assert ((found.vm_start, found.vm_end) if found else None) == wanted
        if found:
            assert mm.ptr.mmap_cache == memory.core.kaddr(found)
            again = lib.find_vma(memory.m, mm.ptr, address)
            assert again == found


def test_an_area_that_is_gone_is_not_found_in_the_cache(memory: Memory) -> None:
    mm = memory.process()
    do_mmap(mm, LOW, 2 * PAGE, RW, FIXED_ANON)
    do_mmap(mm, LOW + 4 * PAGE, PAGE, RW, FIXED_ANON)
    assert lib.find_vma(memory.m, mm.ptr, LOW).vm_start == LOW
    do_munmap(mm, LOW, 2 * PAGE)
    assert mm.ptr.mmap_cache == 0
    assert lib.find_vma(memory.m, mm.ptr, LOW).vm_start == LOW + 4 * PAGE
    do_munmap(mm, LOW + 4 * PAGE, PAGE)
    assert not lib.find_vma(memory.m, mm.ptr, LOW)


# ---- gaps --------------------------------------------------------------------------------


def gaps(areas: list[tuple[int, int]], low: int, high: int) -> list[tuple[int, int]]:
    """What is free within [low, high)."""
    edges = [(0, low), *((max(a, low), min(b, high)) for a, b in areas if b > low and a < high)]
    edges.append((high, high))
    return [(before[1], after[0]) for before, after in pairwise(edges) if after[0] > before[1]]


@pytest.mark.parametrize("topdown", [0, 1])
@pytest.mark.parametrize("seed", range(5))
def test_the_lowest_or_highest_gap_that_is_long_enough(
    memory: Memory, seed: int, topdown: int
) -> None:
    mm = memory.process()
    areas = scattered(mm, seed)
    rng = random.Random(seed)
    end = LOW + (SPAN + 8) * PAGE
    for _ in range(300):
        low = LOW + rng.randrange(-3, SPAN) * PAGE
        high = rng.choice((end, low + rng.randrange(1, 60) * PAGE))
        length = rng.choice((1, 2, 3, 4, 5, 9, 40, 200)) * PAGE
        fit = [gap for gap in gaps(areas, low, high) if gap[1] - gap[0] >= length]
        wanted = (fit[-1][1] - length if topdown else fit[0][0]) if fit else 0
        found = lib.get_unmapped_area(memory.m, mm.ptr, low, high, length, topdown)
        assert found == wanted, (hex(low), hex(high), length // PAGE)
    assert lib.get_unmapped_area(memory.m, mm.ptr, end, LOW, PAGE, topdown) == 0


def test_an_empty_space_is_one_gap(memory: Memory) -> None:
    mm = memory.process()
    found = lib.get_unmapped_area
    assert found(memory.m, mm.ptr, LOW, LOW + 4 * PAGE, 4 * PAGE, 0) == LOW
    assert found(memory.m, mm.ptr, LOW, LOW + 4 * PAGE, 4 * PAGE, 1) == LOW
    assert found(memory.m, mm.ptr, LOW, LOW + 4 * PAGE, 5 * PAGE, 0) == 0
    assert found(memory.m, mm.ptr, LOW, LOW + 4 * PAGE, 5 * PAGE, 1) == 0
