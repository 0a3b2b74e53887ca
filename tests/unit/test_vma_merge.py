"""rmap 36's eight cases of vma_merge, and which schemes let anonymous areas merge.

P is the area before, N the one behind, X the one behind that.  A letter is a page: w
writable, r read-only, x executable and writable, . unmapped.
"""

from __future__ import annotations

import pytest
from memory import BASE, FIXED, PAGE, RW, RWX, SCHEMES, Memory, R, errno_of, memory_under

from vmemu.mm import Mm, do_mprotect, do_mremap, do_munmap, dup_mmap

PROTS = {"w": RW, "r": R, "x": RWX}


memory = memory_under(*SCHEMES)


def lay_out(memory: Memory, picture: str, *, written: bool = False) -> Mm:
    """One mapping, cut and coloured by munmap and mprotect; optionally written first."""
    mm = memory.process()
    memory.map(mm, 0, len(picture))
    if written:
        memory.fill(mm, 0, len(picture))
    for n, letter in enumerate(picture):
        if letter == ".":
            do_munmap(mm, BASE + n * PAGE, PAGE)
        elif letter != "w":
            do_mprotect(mm, BASE + n * PAGE, PAGE, PROTS[letter])
    return mm


def protect(mm: Mm, page: int, pages: int, letter: str) -> None:
    do_mprotect(mm, BASE + page * PAGE, pages * PAGE, PROTS[letter])


def test_case_1_a_mapping_fills_the_gap(memory: Memory) -> None:
    mm = lay_out(memory, "ww..ww")
    memory.map(mm, 2, 2)
    assert memory.areas(mm) == [(0, 6, RW)]


def test_case_2_a_mapping_follows(memory: Memory) -> None:
    mm = lay_out(memory, "ww...w")
    memory.map(mm, 2, 2)
    assert memory.areas(mm) == [(0, 4, RW), (5, 1, RW)]


def test_case_3_a_mapping_precedes(memory: Memory) -> None:
    mm = lay_out(memory, "w...ww")
    memory.map(mm, 2, 2)
    assert memory.areas(mm) == [(0, 1, RW), (2, 4, RW)]


@pytest.mark.parametrize("written", [False, True])
def test_case_4_the_boundary_moves_down(memory: Memory, written: bool) -> None:
    mm = lay_out(memory, "rrrrww", written=written)
    vmas = {memory.core.kaddr(vma) for vma in mm.vmas()}
    protect(mm, 2, 2, "w")
    assert memory.areas(mm) == [(0, 2, R), (2, 4, RW)]
    assert {memory.core.kaddr(vma) for vma in mm.vmas()} == vmas
    if written:
        memory.verify(mm, 0, 6)


@pytest.mark.parametrize("written", [False, True])
def test_case_5_the_boundary_moves_up(memory: Memory, written: bool) -> None:
    mm = lay_out(memory, "wwrrrr", written=written)
    vmas = {memory.core.kaddr(vma) for vma in mm.vmas()}
    protect(mm, 2, 2, "w")
    assert memory.areas(mm) == [(0, 4, RW), (4, 2, R)]
    assert {memory.core.kaddr(vma) for vma in mm.vmas()} == vmas
    if written:
        memory.verify(mm, 0, 6)


@pytest.mark.parametrize("written", [False, True])
def test_case_6_three_become_one(memory: Memory, written: bool) -> None:
    mm = lay_out(memory, "wwrrww", written=written)
    protect(mm, 2, 2, "w")
    assert memory.areas(mm) == [(0, 6, RW)]
    if written:
        memory.verify(mm, 0, 6)


@pytest.mark.parametrize("written", [False, True])
def test_case_7_the_one_before_swallows_it(memory: Memory, written: bool) -> None:
    mm = lay_out(memory, "wwrrxx", written=written)
    protect(mm, 2, 2, "w")
    assert memory.areas(mm) == [(0, 4, RW), (4, 2, RWX)]
    if written:
        memory.verify(mm, 0, 6)


@pytest.mark.parametrize("written", [False, True])
def test_case_8_it_is_extended_over_the_next(memory: Memory, written: bool) -> None:
    """The struct of the changed area stays; its flags and protection become the next's."""
    mm = lay_out(memory, "xxrrww", written=written)
    changed = memory.core.kaddr(list(mm.vmas())[1])
    protect(mm, 2, 2, "w")
    assert memory.areas(mm) == [(0, 2, RWX), (2, 4, RW)]
    area = list(mm.vmas())[1]
    assert memory.core.kaddr(area) == changed
    mm.write(BASE + 2 * PAGE, b"flags and protection agree" * 200)
    if written:
        memory.verify(mm, 4, 2)


@pytest.mark.parametrize("written", [0, 4])
def test_the_gap_between_a_written_and_an_unwritten_area(memory: Memory, written: int) -> None:
    """One area takes over the other's pages, and what finds them."""
    mm = memory.process()
    memory.map(mm, 0, 2)
    memory.map(mm, 4, 2)
    memory.fill(mm, written, 2)
    memory.map(mm, 2, 2)
    assert memory.areas(mm) == [(0, 6, RW)]
    memory.check()
    memory.fill(mm, 2, 2)
    memory.verify(mm, written, 2)


def test_areas_with_other_rights_do_not_merge(memory: Memory) -> None:
    mm = lay_out(memory, "ww..ww")
    memory.map(mm, 2, 2, R)
    assert memory.areas(mm) == [(0, 2, RW), (2, 2, R), (4, 2, RW)]


def test_a_mapping_between_separately_written_ones(memory: Memory) -> None:
    """An unwritten area joins one side; the written sides need not be one anon_vma's."""
    mm = memory.process()
    memory.map(mm, 0, 2)
    memory.map(mm, 6, 2)
    memory.fill(mm, 0, 2)
    memory.fill(mm, 6, 2)
    low, high = (memory.vm.rmap.object_of(vma) for vma in mm.vmas())
    memory.map(mm, 2, 4)
    expected = [(0, 8, RW)] if low == high else [(0, 6, RW), (6, 2, RW)]
    assert memory.areas(mm) == expected
    memory.fill(mm, 2, 4)
    memory.verify(mm, 0, 8)


def test_who_merges_across_offsets(memory: Memory) -> None:
    """A written area that mremap put next to another, with offsets that do not fit."""
    mm = memory.process()
    memory.map(mm, 0, 2)
    memory.map(mm, 16, 2)
    memory.fill(mm, 0, 2)
    memory.fill(mm, 16, 2)
    do_mremap(mm, BASE + 16 * PAGE, 2 * PAGE, 2 * PAGE, 3, BASE + 2 * PAGE)
    whole = not memory.scheme.anon_pgoff_matters
    assert memory.areas(mm) == ([(0, 4, RW)] if whole else [(0, 2, RW), (2, 2, RW)])
    memory.verify(mm, 0, 2)
    assert mm.read(BASE + 2 * PAGE, PAGE) == memory.contents(16)
    error = errno_of(do_mremap, mm, BASE, 4 * PAGE, 4 * PAGE, 3, BASE + 64 * PAGE)
    assert error == (0 if whole else 14)


def test_an_unwritten_area_moves_its_offset_along(memory: Memory) -> None:
    """Nothing depends on it yet, so it merges at the new place under every scheme."""
    mm = memory.process()
    memory.map(mm, 0, 2)
    memory.map(mm, 16, 2)
    memory.fill(mm, 0, 2)
    do_mremap(mm, BASE + 16 * PAGE, 2 * PAGE, 2 * PAGE, 3, BASE + 2 * PAGE)
    assert memory.areas(mm) == [(0, 4, RW)]


def test_halves_written_under_different_rights(memory: Memory) -> None:
    """rmap 40's minimal test: the second half adopts its neighbour's anon_vma, in 39 not."""
    mm = lay_out(memory, "wwxx")
    memory.fill(mm, 0, 4)
    protect(mm, 2, 2, "w")
    name = memory.scheme.name
    assert memory.areas(mm) == ([(0, 2, RW), (2, 2, RW)] if name == "anon_vma39" else [(0, 4, RW)])
    memory.verify(mm, 0, 4)


def test_forked_areas_merge_if_they_have_one_object(memory: Memory) -> None:
    """As their parents do, unless fork gave each of them an object of its own."""
    mm = lay_out(memory, "wwrrww", written=True)
    child = dup_mmap(mm)
    for process in (child, mm):
        objects = {memory.vm.rmap.object_of(vma) for vma in process.vmas()}
        protect(process, 2, 2, "w")
        parts = [(0, 2, RW), (2, 2, RW), (4, 2, RW)]
        assert memory.areas(process) == ([(0, 6, RW)] if len(objects) == 1 else parts)
        memory.verify(process, 0, 6)
    assert memory.areas(mm) == [(0, 6, RW)]
    child.put()


@pytest.mark.parametrize("picture", ["w.", ".w", "ww"])
def test_written_memory_moves_back_beside_unwritten(memory: Memory, picture: str) -> None:
    """Its offsets continue those of an area without pages, which takes it: with its object."""
    mm = memory.process()
    memory.map(mm, 2, 2)
    memory.fill(mm, 2, 2)
    do_mremap(mm, BASE + 2 * PAGE, 2 * PAGE, 2 * PAGE, 3, BASE + 100 * PAGE)
    for at in (n for n, letter in enumerate(picture) if letter == "w"):
        memory.map(mm, 4 * at, 2)
    do_mremap(mm, BASE + 100 * PAGE, 2 * PAGE, 2 * PAGE, 3, BASE + 2 * PAGE)
    assert len(memory.areas(mm)) == 1
    memory.verify(mm, 2, 2)
    memory.check()
    memory.vm.swap.swapon_size(16 * PAGE)
    assert memory.vm.reclaim_range(mm, BASE + 2 * PAGE, BASE + 4 * PAGE) == 2
    memory.verify(mm, 2, 2)


def test_mprotect_over_many_areas(memory: Memory) -> None:
    mm = lay_out(memory, "wrwxrwrx", written=True)
    protect(mm, 0, 8, "r")
    assert memory.areas(mm) == [(0, 8, R)]
    memory.verify(mm, 0, 8)
    memory.map(mm, 3, 1, R, FIXED)
    memory.verify(mm, 4, 4)
    assert mm.read(BASE + 3 * PAGE, PAGE) == bytes(PAGE)
