"""cow_context: what its walks cost, what a move leaves behind, which contexts stay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENOMEM
from typing import Any

import pytest
from memory import BASE, FIXED, PAGE, RW, Memory, R, errno_of

from tests.width import LIMIT, lib
from vmemu.core import core_of
from vmemu.mm import Mm, do_mprotect, do_mremap, do_munmap, dup_mmap

FAMILIES = [1, 2, 7, 32]
FIRST = BASE // PAGE


class Family(Memory):
    """A first process, and what is asked of its pages and descendants."""

    def __init__(self, options: str = "", **settings: Any) -> None:
        super().__init__(f"cow_context{options}", **settings)
        self.vm.swap.swapon_size(512 * PAGE)
        self.first = self.process()

    def page(self, mm: Mm, n: int) -> Any:
        pte = int(self.core.lib.pte_value(self.m, mm.ptr, BASE + n * PAGE))
        assert pte & lib._PAGE_PRESENT
        return self.core.page(pte >> 12)

    def walk(self, mm: Mm, n: int = 0) -> tuple[int, int]:
        """Probes and rejections of one walk for a page."""
        names = ("referenced_probes", "referenced_cmp")
        before = [self.core.counters()[name] for name in names]
        self.core.lib.page_referenced(self.m, self.page(mm, n))
        after = [self.core.counters()[name] for name in names]
        return after[0] - before[0], after[1] - before[1]

    def context(self, mm: Mm) -> int:
        return int(self.vm.rmap.context(mm.ptr))

    def entries(self, mm: Mm) -> list[tuple[int, int, int]]:
        """The remap map, in pages behind BASE: start, end, offset."""
        return [
            (start - FIRST, end - FIRST, offset)
            for start, end, offset in self.vm.rmap.remaps(self.context(mm))
        ]

    def move(self, mm: Mm, page: int, pages: int, to: int, new_pages: int = 0) -> None:
        new = (new_pages or pages) * PAGE
        do_mremap(mm, BASE + page * PAGE, pages * PAGE, new, 3, BASE + to * PAGE)

    def count(self, cache: int) -> int:
        return int(self.m.k.caches[cache].nr_active)

    @property
    def contexts(self) -> int:
        return self.count(lib.CACHE_cow_context)

    @property
    def nodes(self) -> int:
        return self.count(lib.CACHE_cow_remap)


@contextmanager
def family(options: str = "", **settings: Any) -> Iterator[Family]:
    """Nothing may be left when all have gone."""
    memory = Family(options, **settings)
    yield memory
    memory.check()
    for mm in list(memory.vm.mms.values()):
        mm.put()
    memory.check()
    assert (memory.contexts, memory.nodes) == (0, 0)
    memory.close()


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("struct cow_context", (44, 80)),
        ("struct cow_context_tail", (4, 8)),
        ("struct cow_remap_entry", (12, 24)),
        ("struct cow_remap", (248, 256)),
    ],
)
def test_sizes(name: str, sizes: tuple[int, int]) -> None:
    assert tuple(core_of(bits)[0].sizeof(name) for bits in (32, 64)) == sizes


def test_a_node_of_the_map_takes_what_a_maple_node_takes() -> None:
    with family() as memory:
        assert memory.m.k.caches[lib.CACHE_cow_remap].objsize == 256


@pytest.mark.parametrize(("bits", "mm"), [(32, 528), (64, 1008)])
def test_an_mm_gets_a_pointer_and_a_vma_nothing(bits: int, mm: int) -> None:
    with family(bits=bits) as memory:
        caches = memory.m.k.caches
        assert caches[lib.CACHE_mm_struct].objsize == mm
        assert caches[lib.CACHE_vm_area_struct].objsize == {32: 72, 64: 144}[bits]


# ---- closed forms: a page of a parent with n children ------------------------------------


@pytest.mark.parametrize("n", FAMILIES)
@pytest.mark.parametrize("stop", ["mapcount", "exclusive"])
def test_a_childs_own_copy(n: int, stop: str) -> None:
    with family(f":stop={stop}") as memory:
        memory.map(memory.first, 0, 1)
        memory.fill(memory.first, 0, 1)
        children = [dup_mmap(memory.first) for _ in range(n)]
        for child in children:
            memory.fill(child, 0, 1, seed=1)
        assert [memory.walk(child) for child in children] == [(1, 0)] * n


@pytest.mark.parametrize("n", FAMILIES)
@pytest.mark.parametrize("stop", ["mapcount", "exclusive"])
def test_a_parents_page_after_all_children_have_copies(n: int, stop: str) -> None:
    """The bit alone does not tell before the parent writes: only then is it set again."""
    with family(f":stop={stop}") as memory:
        memory.map(memory.first, 0, 1)
        memory.fill(memory.first, 0, 1)
        for _ in range(n):
            memory.fill(dup_mmap(memory.first), 0, 1, seed=1)
        assert memory.walk(memory.first) == (1 if stop == "mapcount" else n + 1, 0)
        memory.fill(memory.first, 0, 1, seed=2)
        assert memory.page(memory.first, 0).flags & lib.PG_exclusive
        assert memory.walk(memory.first) == (1, 0)


@pytest.mark.parametrize("n", FAMILIES)
def test_a_page_that_all_share(n: int) -> None:
    with family() as memory:
        memory.map(memory.first, 0, 1)
        memory.fill(memory.first, 0, 1)
        assert memory.page(memory.first, 0).flags & lib.PG_exclusive
        for _ in range(n):
            dup_mmap(memory.first)
        assert not memory.page(memory.first, 0).flags & lib.PG_exclusive
        assert memory.walk(memory.first) == (n + 1, 0)


@pytest.mark.parametrize("n", FAMILIES)
def test_a_late_subfamily(n: int) -> None:
    """Child 1 writes after all forks, and shares with its one child: nobody else is asked."""
    with family() as memory:
        children = [dup_mmap(memory.first) for _ in range(n)]
        memory.map(children[0], 0, 1)
        memory.fill(children[0], 0, 1)
        dup_mmap(children[0])
        assert memory.walk(children[0]) == (2, 0)


# ---- moves -------------------------------------------------------------------------------


def test_a_move_copies_nothing_and_needs_one_entry() -> None:
    with family() as memory:
        mm = memory.first
        memory.map(mm, 0, 8)
        memory.fill(mm, 0, 8)
        child = dup_mmap(mm)
        memory.move(mm, 0, 8, 64)
        assert memory.entries(mm) == [(64, 72, 64)]
        assert memory.entries(child) == []
        assert memory.nodes == 1
        assert memory.core.counters()["rmap_copies"] == 0
        assert memory.walk(mm, 64) == (2, 1)  # not where it was; here; in the child


def test_moved_back_there_is_no_entry() -> None:
    with family() as memory:
        mm = memory.first
        memory.map(mm, 0, 8)
        memory.fill(mm, 0, 8)
        memory.move(mm, 0, 8, 64)
        memory.move(mm, 64, 8, 0)
        assert memory.entries(mm) == []
        assert memory.nodes == 0
        assert memory.walk(mm) == (1, 0)


@pytest.mark.parametrize(("second", "which"), [(32, "below"), (128, "above")])
def test_an_area_moved_from_where_one_was_moved_before(second: int, which: str) -> None:
    """A to B, A written again and moved to C below B: the same indexes have two offsets."""
    with family() as memory:
        mm = memory.first
        memory.map(mm, 0, 4)
        memory.fill(mm, 0, 4)
        memory.move(mm, 0, 4, 64)
        memory.map(mm, 0, 4)
        memory.fill(mm, 0, 4, seed=1)
        memory.move(mm, 0, 4, second)
        assert memory.entries(mm) == sorted([(64, 68, 64), (second, second + 4, second)])
        child = dup_mmap(mm)
        assert memory.entries(child) == memory.entries(mm)
        memory.check()
        for page in (64, second):
            start = BASE + page * PAGE
            # The other area has the same index: it is probed in both, in order of address.
            assert memory.vm.reclaim_range(mm, start, start + 4 * PAGE) == 4
            assert memory.present(child, page, 4) == []
        for each in (mm, child):
            assert each.read(BASE + 64 * PAGE, PAGE) == memory.contents(0)
            assert each.read(BASE + second * PAGE, PAGE) == memory.contents(0, 1)


def test_what_grows_with_a_move_goes_on_as_one_piece() -> None:
    with family() as memory:
        mm = memory.first
        memory.map(mm, 0, 2)
        memory.fill(mm, 0, 2)
        memory.move(mm, 0, 2, 64, 4)
        mm.write(BASE + 67 * PAGE, b"grown")
        memory.move(mm, 64, 4, 128, 8)
        assert memory.entries(mm) == [(128, 136, 128)]
        assert memory.walk(mm, 131) == (1, 1)


def test_areas_of_different_offsets_are_one_and_move_as_one() -> None:
    """Each part of the area keeps the index it began with."""
    with family() as memory:
        mm = memory.first
        memory.map(mm, 0, 2)
        memory.fill(mm, 0, 2)
        memory.map(mm, 64, 2)
        memory.fill(mm, 64, 2)
        memory.move(mm, 0, 2, 66)
        assert memory.areas(mm) == [(64, 4, RW)]
        memory.move(mm, 64, 4, 128)
        assert memory.entries(mm) == [(128, 130, 64), (130, 132, 130)]
        memory.check()
        assert memory.vm.reclaim_range(mm, BASE + 128 * PAGE, BASE + 132 * PAGE) == 4
        memory.check()
        assert mm.read(BASE + 130 * PAGE, PAGE) == memory.contents(0)


def test_entries_go_with_what_they_are_for() -> None:
    with family() as memory:
        mm = memory.first
        memory.map(mm, 0, 8)
        memory.fill(mm, 0, 8)
        memory.move(mm, 0, 8, 64)
        do_munmap(mm, BASE + 66 * PAGE, 2 * PAGE)
        assert memory.entries(mm) == [(64, 66, 64), (68, 72, 64)]
        do_mprotect(mm, BASE + 70 * PAGE, PAGE, R)
        assert memory.entries(mm) == [(64, 66, 64), (68, 72, 64)]
        memory.map(mm, 64, 3)  # anew, where they were
        assert memory.entries(mm) == [(68, 72, 64)]
        memory.check()
        do_munmap(mm, BASE + 64 * PAGE, 8 * PAGE)
        assert memory.entries(mm) == []
        assert memory.nodes == 0


def test_many_entries_take_several_nodes() -> None:
    with family() as memory:
        mm = memory.first
        room = 640 // (32 if LIMIT == 1 << 32 else 64)
        memory.map(mm, 0, 64)
        memory.fill(mm, 0, 64)
        for n in range(room + 1):  # turned round: no two are neighbours with one offset
            memory.move(mm, 2 * n, 1, 1000 - 2 * n)
        assert len(memory.entries(mm)) == room + 1
        assert memory.nodes == 2
        dup_mmap(mm)
        assert memory.nodes == 4
        memory.check()
        do_munmap(mm, BASE + 1000 * PAGE, PAGE)
        assert memory.nodes == 3


def test_a_move_without_memory_for_the_map() -> None:
    """ENOMEM, and everything is where it was."""
    with family() as memory:
        mm = memory.first
        memory.map(mm, 0, 4)
        memory.fill(mm, 0, 4)
        memory.move(mm, 0, 4, 16)
        memory.map(mm, 2048, 1)  # the page table is there
        memory.fill(mm, 2048, 1)
        with memory.starved(lib.CACHE_cow_remap):
            to = BASE + 2052 * PAGE
            assert errno_of(do_mremap, mm, BASE + 16 * PAGE, 4 * PAGE, 4 * PAGE, 3, to) == ENOMEM
        assert memory.entries(mm) == [(16, 20, 16)]
        assert memory.areas(mm) == [(16, 4, RW), (2048, 1, RW)]
        assert mm.read(BASE + 17 * PAGE, PAGE) == memory.contents(1)


def test_a_hole_without_memory_for_the_map() -> None:
    """munmap goes on; the entry is too wide, which is right for what is mapped there next."""
    with family() as memory:
        mm = memory.first
        memory.map(mm, 0, 8)
        memory.fill(mm, 0, 2)
        memory.fill(mm, 4, 4)
        memory.move(mm, 0, 8, 64)
        do_mprotect(mm, BASE + 66 * PAGE, 2 * PAGE, R)  # no pages: none becomes free
        with memory.starved(lib.CACHE_cow_remap):
            do_munmap(mm, BASE + 66 * PAGE, 2 * PAGE)
        assert memory.entries(mm) == [(64, 72, 64)]
        memory.map(mm, 66, 2)
        memory.fill(mm, 66, 2)
        assert memory.page(mm, 66).index == FIRST + 2
        memory.check()
        assert memory.vm.reclaim_range(mm, BASE + 64 * PAGE, BASE + 72 * PAGE) == 8
        memory.verify(mm, 66, 2)


# ---- whose a page is ---------------------------------------------------------------------


def test_who_writes_alone_gets_the_page() -> None:
    with family() as memory:
        memory.map(memory.first, 0, 1)
        memory.fill(memory.first, 0, 1)
        child = dup_mmap(memory.first)
        page = memory.page(child, 0)
        memory.fill(memory.first, 0, 1, seed=1)  # the parent takes a copy
        assert page.mapping == memory.context(memory.first)
        assert memory.walk(child) == (2, 0)
        memory.fill(child, 0, 1, seed=2)
        assert page.mapping == memory.context(child)
        assert memory.walk(child) == (1, 0)


@pytest.mark.parametrize("shared", [False, True])
def test_whose_page_comes_back_from_swap(shared: bool) -> None:
    """Read back by a grandchild: its own if nobody else has the entry, else the root's."""
    with family() as memory:
        child = dup_mmap(memory.first)
        grandchild = dup_mmap(child)
        memory.map(grandchild, 0, 1)
        memory.fill(grandchild, 0, 1)
        if shared:
            dup_mmap(grandchild)
        assert memory.vm.reclaim_range(grandchild, BASE, BASE + PAGE) == 1
        memory.verify(grandchild, 0, 1)
        page = memory.page(grandchild, 0)
        owner = memory.first if shared else grandchild
        assert page.mapping == memory.context(owner)
        assert bool(page.flags & lib.PG_exclusive) is not shared


# ---- which contexts stay -----------------------------------------------------------------


def chain(memory: Family, generations: int, *, first: bool) -> Mm:
    """Each writes one new page, forks, ends; the child writes before or after that."""
    mm = memory.first
    memory.map(mm, 0, generations)
    for n in range(generations):
        if not n or not first:
            memory.fill(mm, n, 1)
        child = dup_mmap(mm)
        if first and n + 1 < generations:
            memory.fill(child, n + 1, 1)
        mm.put()
        mm = child
    return mm


@pytest.mark.parametrize("generations", [1, 2, 7, 32])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("prune", ["no", "yes"])
def test_an_endless_chain(generations: int, first: bool, prune: str) -> None:
    """Unpruned, all dead ones stay; pruned, none, but for those with a page of their own."""
    with family(f":prune={prune}") as memory:
        last = chain(memory, generations, first=first)
        memory.check()
        pinned = generations if prune == "no" else generations - 1 if first else 0
        assert memory.contexts == 1 + pinned
        if prune == "no":
            assert memory.walk(last) == (1, generations)
        else:
            for n in range(generations):
                assert memory.walk(last, n) == (1, 0)
            assert memory.contexts == (2 if pinned else 1)  # the walks have drained them
        memory.check()


def test_a_dead_one_without_pages_is_spliced_out() -> None:
    with family(":prune=yes") as memory:
        child = dup_mmap(memory.first)
        memory.map(child, 0, 1)
        memory.fill(child, 0, 1)
        grandchild = dup_mmap(child)
        memory.map(grandchild, 8, 1)
        memory.fill(grandchild, 8, 1)
        child.put()
        assert memory.contexts == 3  # a page of child's, one of grandchild's
        do_munmap(grandchild, BASE, PAGE)
        assert memory.contexts == 2
        memory.check()


def test_a_place_is_taken_over_with_its_map_and_children() -> None:
    with family(":prune=yes") as memory:
        mm = memory.first
        memory.map(mm, 0, 4)
        memory.fill(mm, 0, 4)
        memory.move(mm, 0, 4, 16)
        child = dup_mmap(mm)
        others = [dup_mmap(child) for _ in range(2)]
        owner = memory.context(mm)
        mm.put()
        assert memory.context(child) == owner
        assert memory.contexts == 3
        assert memory.entries(child) == [(16, 20, 16)]
        memory.check()
        assert memory.walk(others[0], 16) == (3, 3)


def test_the_family_ends_from_the_top() -> None:
    """Unpruned, the last one pins all above; its end frees them, upward."""
    with family() as memory:
        mms = [memory.first]
        for _ in range(4):
            mms.append(dup_mmap(mms[-1]))
        for mm in mms[:-1]:
            mm.put()
            assert memory.contexts == 5
        mms[-1].put()
        assert memory.contexts == 0


def test_a_fixed_map_over_what_was_moved() -> None:
    with family() as memory:
        mm = memory.first
        memory.map(mm, 0, 4)
        memory.fill(mm, 0, 4)
        memory.move(mm, 0, 4, 16)
        memory.map(mm, 16, 4, flags=FIXED)
        assert memory.entries(mm) == []
        memory.fill(mm, 16, 4)
        assert memory.walk(mm, 16) == (1, 0)
