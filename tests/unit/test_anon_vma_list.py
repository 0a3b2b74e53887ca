"""An anon_vma's list: which areas are on it, and in which order, after every way on and off.

Walks go from the front, so the order is what a probe costs.  What enters goes to the front
(``list_add``): forked copies, parts cut off, moved areas, neighbours that adopt.  Only an
area that takes over all of a neighbour takes its place.  Areas are named by who has them and
the first page behind BASE: "p0" is the parent's at page 0, "c1.4" child 1's at page 4.
"""

from __future__ import annotations

from errno import ENOMEM

import pytest
from memory import BASE, FIXED, PAGE, RW, RWX, Memory, R, errno_of, memory_under

from tests.width import ffi, lib
from vmemu.mm import Mm, do_mprotect, do_mremap, do_munmap, dup_mmap

MOVE = 3  # MREMAP_MAYMOVE | MREMAP_FIXED


memory = memory_under("anon_vma39", "anon_vma", swap=512)


@pytest.fixture
def family(memory: Memory) -> Family:
    return Family(memory)


class Family:
    """A parent and its children, and what stands on the list of one of their areas."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.parent = memory.process()
        self.names = {self.parent.kaddr: "p"}

    def fork(self) -> Mm:
        """One more child of the parent."""
        child = dup_mmap(self.parent)
        self.names[child.kaddr] = f"c{len(self.names)}."
        return child

    def area(self, mm: Mm, page: int) -> object:
        """The area that holds a page."""
        return next(v for v in mm.vmas() if v.vm_start <= BASE + page * PAGE < v.vm_end)

    def order(self, mm: Mm, page: int) -> str:
        """Who is on the list of that area's anon_vma, from the front."""
        core, size = self.memory.core, ffi.sizeof("struct vm_area_struct")
        own = self.memory.vm.rmap.object_of(self.area(mm, page))
        head = ffi.cast("struct anon_vma *", core.base + own).head
        names, at = [], head.next
        while at != core.kaddr(ffi.addressof(head)):
            vma = core.vma(at - size)
            names.append(f"{self.names[vma.vm_mm]}{(vma.vm_start - BASE) // PAGE}")
            at = ffi.cast("struct list_head *", core.base + at).next
        return " ".join(names)

    def written(self, pages: int) -> Mm:
        """The parent, with so many written pages in one area."""
        self.memory.map(self.parent, 0, pages)
        self.memory.fill(self.parent, 0, pages)
        return self.parent

    def half_written(self, unwritten: int, written: int) -> Mm:
        """The parent with an unwritten read-only area and a written one behind it."""
        self.memory.map(self.parent, 0, unwritten + written)
        do_mprotect(self.parent, BASE, unwritten * PAGE, R)
        self.memory.fill(self.parent, unwritten, written)
        return self.parent


def test_the_newest_child_is_first(family: Family) -> None:
    parent = family.written(2)
    children = [family.fork() for _ in range(3)]
    assert family.order(parent, 0) == "c3.0 c2.0 c1.0 p0"
    children[1].put()
    assert family.order(parent, 0) == "c3.0 c1.0 p0"
    do_munmap(parent, BASE, 2 * PAGE)
    assert family.order(children[0], 0) == "c3.0 c1.0"


def test_a_hole_makes_the_upper_part_the_new_one(family: Family) -> None:
    parent = family.written(8)
    do_munmap(parent, BASE + 3 * PAGE, 2 * PAGE)
    assert family.order(parent, 0) == "p5 p0"


def test_what_munmap_cuts_off_an_end_changes_no_place(family: Family) -> None:
    """The struct of the area stays, whichever end goes, and with it its place."""
    parent = family.written(8)
    family.fork()
    before = family.memory.core.kaddr(family.area(parent, 4))
    do_munmap(parent, BASE, 2 * PAGE)
    # the first two pages were the lower part of a split before the end: the part cut off
    assert family.order(parent, 4) == "c1.0 p2"
    assert family.memory.core.kaddr(family.area(parent, 4)) == before
    do_munmap(parent, BASE + 6 * PAGE, 2 * PAGE)
    assert family.order(parent, 4) == "c1.0 p2"
    assert family.memory.core.kaddr(family.area(parent, 4)) == before


def test_mprotect_cuts_both_neighbours_off(family: Family) -> None:
    """The changed area keeps its struct: the lower part is cut off first, then the upper."""
    parent = family.written(9)
    do_mprotect(parent, BASE + 3 * PAGE, 3 * PAGE, R)
    assert family.order(parent, 4) == "p6 p0 p3"


def test_a_moved_area_is_in_front_of_what_it_left(family: Family) -> None:
    """As f3 of a hole that is filled again: the moved pages are found first."""
    parent = family.written(12)
    there = BASE + 64 * PAGE
    do_mremap(parent, BASE + 4 * PAGE, 4 * PAGE, 4 * PAGE, MOVE, there)
    # the copy entered first, then what munmap cut off: the part above, and the one in between
    assert family.order(parent, 0) == "p8 p64 p0"
    family.memory.map(parent, 4, 4, RW, FIXED)
    assert family.order(parent, 0) == "p64 p0"
    family.memory.fill(parent, 4, 4)
    counter = family.memory.m.counter
    before = counter[lib.CNT_unmap_probes]
    assert family.memory.vm.reclaim_range(parent, there, there + 4 * PAGE) == 4
    assert counter[lib.CNT_unmap_probes] - before == 4
    before = counter[lib.CNT_unmap_probes]
    assert family.memory.vm.reclaim_range(parent, BASE + 4 * PAGE, BASE + 8 * PAGE) == 4
    assert counter[lib.CNT_unmap_probes] - before == 8


def test_a_move_that_finds_no_memory_leaves_the_order(family: Family) -> None:
    """The page tables there cannot be made: the copy goes again."""
    parent = family.written(4)
    family.fork()
    there = BASE + 0x1000000
    family.memory.map(parent, 0x2000, 1)  # vmas are at hand, whatever the slab has left
    with family.memory.starved():
        assert errno_of(do_mremap, parent, BASE, 4 * PAGE, 4 * PAGE, MOVE, there) == ENOMEM
    assert family.order(parent, 0) == "c1.0 p0"
    family.memory.verify(parent, 0, 4)


def test_a_fork_that_fails_leaves_the_order(family: Family) -> None:
    """Copies that had entered at the front are gone, whichever area it stopped at."""
    parent = family.written(4)
    do_mprotect(parent, BASE + 2 * PAGE, PAGE, R)
    family.fork()
    before = family.order(parent, 0)
    assert before == "c1.3 c1.2 c1.0 p3 p0 p2"
    memory = family.memory
    memory.map(parent, 1024, 1)  # one more page table to copy
    memory.fill(parent, 1024, 1)
    copied = []
    with memory.starved(lib.CACHE_vm_area_struct, lib.CACHE_mm_struct) as taken:
        while set(copied) < {0, 4}:  # no pte, those of the first three areas
            ptes = memory.core.counters()["fork_ptes"]
            assert errno_of(dup_mmap, parent) == ENOMEM
            copied.append(memory.core.counters()["fork_ptes"] - ptes)
            assert family.order(parent, 0) == before
            lib.put_page(memory.m, taken.pop())
    family.fork()
    assert family.order(parent, 0) == "c2.3 c2.2 c2.0 " + before


def test_a_hole_whose_second_cut_fails_leaves_the_first(family: Family) -> None:
    """The area is in two then, the upper part in front; nothing is unmapped."""
    parent = family.written(8)
    family.fork()
    memory = family.memory
    memory.map(parent, 64, 1)
    with memory.starved(lib.CACHE_vm_area_struct):
        do_munmap(parent, BASE + 64 * PAGE, PAGE)  # room for one vma
        assert errno_of(do_munmap, parent, BASE + 3 * PAGE, 2 * PAGE) == ENOMEM
    assert family.order(parent, 0) == "p3 c1.0 p0"
    memory.verify(parent, 0, 8)
    do_munmap(parent, BASE + 3 * PAGE, 2 * PAGE)
    # what lay below the end of the hole is cut off the upper part, and goes
    assert family.order(parent, 0) == "p5 c1.0 p0"


def test_an_area_merged_into_an_unwritten_one_leaves_it_its_place(family: Family) -> None:
    """Case 8, in the first child: its page 0 area is extended over the written one."""
    parent = family.half_written(1, 4)
    children = [family.fork() for _ in range(4)]
    assert family.order(parent, 1) == "c4.1 c3.1 c2.1 c1.1 p1"
    do_mprotect(children[0], BASE, PAGE, RW)
    assert family.order(parent, 1) == "c4.1 c3.1 c2.1 c1.0 p1"
    do_mprotect(parent, BASE, PAGE, RW)
    assert family.order(parent, 1) == "c4.1 c3.1 c2.1 c1.0 p0"
    for mm in (children[0], parent):
        assert family.memory.areas(mm) == [(0, 5, RW)]


def written_behind(family: Family, picture: str) -> tuple[Mm, Mm]:
    """Parent and child with areas by picture: u unwritten, w written; both writable, x between.

    Letters in capitals are RWX instead, so that they stay areas of their own.
    """
    parent, memory = family.parent, family.memory
    memory.map(parent, 0, len(picture))
    for n, letter in enumerate(picture):
        if letter.isupper():
            do_mprotect(parent, BASE + n * PAGE, PAGE, RWX)
    for n, letter in enumerate(picture):
        if letter in "wW":
            memory.fill(parent, n, 1)
    return parent, family.fork()


def test_case_7_the_area_before_takes_the_place(family: Family) -> None:
    """P, unwritten, swallows all of N."""
    parent, child = written_behind(family, "uuWW")
    assert family.order(parent, 2) == "c1.2 p2"
    do_mprotect(parent, BASE + 2 * PAGE, 2 * PAGE, RW)
    assert family.memory.areas(parent) == [(0, 4, RW)]
    assert family.order(parent, 2) == "c1.2 p0"
    assert family.memory.areas(child) == [(0, 2, RW), (2, 2, RWX)]


def test_case_6_three_become_one(family: Family) -> None:
    """P and N, unwritten, and X: the anon_vma comes with X, and so does the place."""
    parent, _ = written_behind(family, "uUUw")
    assert family.order(parent, 3) == "c1.3 p3"
    do_mprotect(parent, BASE + PAGE, 2 * PAGE, RW)
    assert family.memory.areas(parent) == [(0, 4, RW)]
    assert family.order(parent, 3) == "c1.3 p0"


def test_case_5_the_area_before_takes_a_head(family: Family) -> None:
    """N keeps its place; P, which imports some of its pages, enters at the front."""
    parent, _ = written_behind(family, "uuWWWW")
    do_mprotect(parent, BASE + 2 * PAGE, 2 * PAGE, RW)
    assert family.memory.areas(parent) == [(0, 4, RW), (4, 2, RWX)]
    assert family.order(parent, 4) == "p0 c1.2 p4"


def test_case_4_the_area_behind_takes_a_tail(family: Family) -> None:
    """The same, with N importing from P."""
    parent, _ = written_behind(family, "wwwwUU")
    do_mprotect(parent, BASE + 2 * PAGE, 2 * PAGE, RWX)
    assert family.memory.areas(parent) == [(0, 2, RW), (2, 4, RWX)]
    assert family.order(parent, 0) == "p2 c1.0 p0"


def test_case_1_the_gap_between_an_unwritten_and_a_written_area(family: Family) -> None:
    """A mapping fills it: the lower area is extended, and takes the upper one's place."""
    parent, memory = family.parent, family.memory
    memory.map(parent, 0, 1)
    memory.map(parent, 2, 1)
    memory.fill(parent, 2, 1)
    family.fork()
    memory.map(parent, 1, 1)
    assert memory.areas(parent) == [(0, 3, RW)]
    assert family.order(parent, 2) == "c1.2 p0"


def test_a_neighbour_that_adopts_enters_at_the_front(family: Family) -> None:
    """rmap 40; before it a new anon_vma was made."""
    parent, memory = family.parent, family.memory
    parent, _ = written_behind(family, "wwUU")
    memory.fill(parent, 2, 2)
    adopted = memory.scheme.name == "anon_vma"
    assert family.order(parent, 2) == ("p2 c1.0 p0" if adopted else "p2")
    assert family.order(parent, 0) == ("p2 c1.0 p0" if adopted else "c1.0 p0")


def test_what_a_child_writes_first_is_its_own(family: Family) -> None:
    """An area without anon_vma at fork is on no list, and gets one for each process."""
    parent, memory = family.parent, family.memory
    memory.map(parent, 0, 2)
    child = family.fork()
    memory.fill(child, 0, 1)
    memory.fill(parent, 0, 1)
    assert family.order(parent, 0) == "p0"
    assert family.order(child, 0) == "c1.0"
