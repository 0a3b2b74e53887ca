"""rmap 40's rule: which neighbour's anon_vma a first write adopts, and which it does not.

``find_mergeable_anon_vma`` of 2.6.7: a neighbour that touches, and that mprotect alone could
make part of the same area; the one behind is asked first.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from memory import BASE, GROWSDOWN, NORESERVE, PAGE, RW, RWX, Memory

from tests.width import lib
from vmemu.mm import Mm, do_madvise, do_mlock, do_mremap
from vmemu.mm.vma import new_vma


@pytest.fixture
def memory() -> Iterator[Memory]:
    memory = Memory("anon_vma")
    yield memory
    memory.check()
    memory.close()


@pytest.fixture
def mm(memory: Memory) -> Mm:
    return memory.process()


def at(mm: Mm, page: int) -> Any:
    """The area of a page."""
    vma = lib.find_vma(mm.core.m, mm.ptr, BASE + page * PAGE)
    assert vma.vm_start <= BASE + page * PAGE
    return vma


def own_of(mm: Mm, page: int) -> int:
    """kptr of the anon_vma that its area has, or 0."""
    return mm.vm.rmap.object_of(at(mm, page))


def write(mm: Mm, page: int) -> int:
    """Write a page; the anon_vma of its area."""
    mm.write(BASE + page * PAGE, b"x")
    return own_of(mm, page)


@pytest.mark.parametrize(("first", "then"), [(0, 2), (2, 0)])
def test_a_neighbour_of_other_rights_gives_its_own(
    memory: Memory, mm: Mm, first: int, then: int
) -> None:
    memory.map(mm, 0, 2)
    memory.map(mm, 2, 2, RWX)
    own = write(mm, first)
    assert own != 0
    assert own_of(mm, then) == 0
    assert write(mm, then) == own


def test_the_one_behind_is_asked_first(memory: Memory, mm: Mm) -> None:
    memory.map(mm, 0, 2, RWX)
    memory.map(mm, 4, 2, RWX)
    before, behind = write(mm, 0), write(mm, 4)
    assert before != behind
    memory.map(mm, 2, 2)
    assert write(mm, 2) == behind


def test_the_one_before_when_the_one_behind_has_none(memory: Memory, mm: Mm) -> None:
    memory.map(mm, 0, 2, RWX)
    memory.map(mm, 4, 2, RWX)
    before = write(mm, 0)
    memory.map(mm, 2, 2)
    assert write(mm, 2) == before


@pytest.mark.parametrize(("first", "then"), [(0, 3), (3, 0)])
def test_one_page_between_is_too_far(memory: Memory, mm: Mm, first: int, then: int) -> None:
    memory.map(mm, 0, 2)
    memory.map(mm, 3, 2, RWX)
    own = write(mm, first)
    assert write(mm, then) not in (0, own)


@pytest.mark.parametrize("other", ["growsdown", "noreserve", "locked", "sequential"])
@pytest.mark.parametrize(("first", "then"), [(0, 2), (2, 0)])
def test_what_mprotect_does_not_change_must_be_the_same(
    memory: Memory, mm: Mm, other: str, first: int, then: int
) -> None:
    flags = {"growsdown": GROWSDOWN, "noreserve": NORESERVE}.get(other, 0)
    memory.map(mm, 0, 2)
    memory.map(mm, 2, 2, RWX, flags)
    own = write(mm, first)
    if other == "locked":
        do_mlock(mm, BASE + first * PAGE, 2 * PAGE)
    elif other == "sequential":
        do_madvise(mm, BASE + first * PAGE, 2 * PAGE, 2)
    assert write(mm, then) not in (0, own)


@pytest.mark.parametrize(("first", "then"), [(0, 2), (2, 0)])
def test_the_offsets_must_continue(memory: Memory, mm: Mm, first: int, then: int) -> None:
    """The written one came from elsewhere, and keeps its offset."""
    memory.map(mm, then, 2, RWX)
    memory.map(mm, 16, 2, RW)
    own = write(mm, 16)
    do_mremap(mm, BASE + 16 * PAGE, 2 * PAGE, 2 * PAGE, 3, BASE + first * PAGE)
    assert own_of(mm, first) == own
    assert write(mm, then) not in (0, own)


def test_an_area_that_grows_up_to_a_neighbour_takes_nothing_from_it(memory: Memory, mm: Mm) -> None:
    """Only a first write adopts; the mapping in between merges with the area before it."""
    memory.map(mm, 0, 2)
    memory.map(mm, 4, 2, RWX)
    assert write(mm, 4) != 0
    memory.map(mm, 2, 2)
    assert memory.areas(mm) == [(0, 4, RW), (4, 2, RWX)]
    assert own_of(mm, 0) == 0


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize(("first", "then"), [(0, 2), (2, 0)])
def test_so_must_the_file(
    memory: Memory, mm: Mm, tmp_path: Path, same: bool, first: int, then: int
) -> None:
    flags = lib.VM_READ | lib.VM_WRITE | lib.VM_MAYREAD | lib.VM_MAYWRITE | lib.VM_MAYEXEC
    names = ("one", "one" if same else "other")
    inodes = {}
    for name in set(names):
        (tmp_path / name).write_bytes(b"x" * 4 * PAGE)
        inodes[name] = memory.vm.inodes.open(str(tmp_path / name)).kaddr
    for page, name, more in ((0, names[0], 0), (2, names[1], lib.VM_EXEC)):
        start = BASE + page * PAGE
        new_vma(mm, start, start + 2 * PAGE, flags | more, inodes[name], page)
        mm.ptr.total_vm += 2
    own = write(mm, first)
    found = write(mm, then)
    assert (found == own) == same
    assert found != 0
