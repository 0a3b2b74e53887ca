"""Areas by address: the first one above, the gaps between, and how long each can be."""

from __future__ import annotations

import random
from errno import ENOMEM
from itertools import pairwise

import pytest
from memory import PAGE, RW, SCHEMES, Memory, R, errno_of, memory_under

from tests.width import TASK_SIZE, UNMAPPED_BASE, ffi, lib
from vmemu.mm import Mm, do_mmap, do_mprotect, do_munmap

LOW = UNMAPPED_BASE
SPAN = 96  # pages
FIXED_ANON = 0x32


memory = memory_under(*SCHEMES)


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
    for address in sorted(edges | {0, LOW, TASK_SIZE - 1}):
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


# ---- splitting and merging ----------------------------------------------------------------

PAGES = 24


def runs(attr: dict[int, tuple[int, bool]]) -> list[tuple[int, int, int, bool]]:
    """Neighbouring pages of the same attributes: (first, end, rights, charged)."""
    found: list[tuple[int, int, int, bool]] = []
    for page in sorted(attr):
        if found and found[-1][1] == page and found[-1][2:] == attr[page]:
            found[-1] = (found[-1][0], page + 1, *attr[page])
        else:
            found.append((page, page + 1, *attr[page]))
    return found


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_areas_are_as_long_as_they_can_be(memory: Memory, seed: int, written: bool) -> None:
    """Whatever mmap, munmap and mprotect did: one area for all neighbours that are alike.

    Under anon_vma this is promised for what has not been written.
    """
    if written and memory.scheme.anon_pgoff_matters:
        written = False
    mm, rng = memory.process(), random.Random(seed)
    attr: dict[int, tuple[int, bool]] = {}
    for _ in range(200):
        page = rng.randrange(PAGES)
        pages = rng.randrange(1, PAGES - page + 1)
        address, length, prot = LOW + page * PAGE, pages * PAGE, rng.choice((0, 1, 3, 3, 5, 7))
        inside = range(page, page + pages)
        what = rng.random()
        if what < 0.35:
            do_mmap(mm, address, length, prot, FIXED_ANON)
            attr.update(dict.fromkeys(inside, (prot, bool(prot & 2))))
        elif what < 0.5:
            do_munmap(mm, address, length)
            for gone in inside:
                attr.pop(gone, None)
        else:
            hole = next((n for n in inside if n not in attr), None)
            error = errno_of(do_mprotect, mm, address, length, prot)
            assert error == (0 if hole is None else ENOMEM)
            for n in range(page, page + pages if hole is None else hole):
                attr[n] = (prot, attr[n][1] or bool(prot & 2))
        if written and rng.random() < 0.3:
            for n in rng.sample(sorted(attr), min(3, len(attr))):
                if attr[n][0] & 2:
                    mm.write(LOW + n * PAGE, b"x")
        found = [
            (
                (vma.vm_start - LOW) // PAGE,
                (vma.vm_end - LOW) // PAGE,
                vma.vm_flags & 7,
                bool(vma.vm_flags & lib.VM_ACCOUNT),
            )
            for vma in mm.vmas()
        ]
        assert found == runs(attr)
        assert all(vma.vm_pgoff == vma.vm_start // PAGE for vma in mm.vmas())
        assert mm.ptr.map_count == len(found)
        assert memory.vm.commit.pages == sum(charged for _, charged in attr.values())
    memory.check()
