"""anon_vma_lazy: where a page leads before a fork and after it, and what splits and merges keep."""

from __future__ import annotations

from collections.abc import Iterator
from errno import ENOMEM
from typing import Any

import pytest
from memory import BASE, PAGE, RW, RWX, Memory, R, errno_of

from tests.width import ffi, lib
from vmemu.errors import KernelBug
from vmemu.mm import Mm, do_madvise, do_mprotect, do_mremap, do_munmap, dup_mmap

MOVE = 3  # MREMAP_MAYMOVE | MREMAP_FIXED


@pytest.fixture(params=["anon_vma_lazy", "anon_vma_lazy:walk=tree"])
def memory(request: pytest.FixtureRequest) -> Iterator[Memory]:
    memory = Memory(request.param, ram=2048)
    memory.m.watch.bits |= lib.WATCH_LOCKS
    memory.vm.swap.swapon_size(1024 * PAGE)
    yield memory
    memory.check()
    for mm in list(memory.vm.mms.values()):
        mm.put()
    assert objects(memory) == (0, 0)
    memory.check()
    memory.close()


def objects(memory: Memory) -> tuple[int, int]:
    """anon_vmas and links."""
    caches = memory.m.k.caches
    return (
        caches[lib.CACHE_avc_anon_vma].nr_active,
        caches[lib.CACHE_anon_vma_chain].nr_active,
    )


def area(mm: Mm, page: int = 0) -> Any:
    """The area that holds a page."""
    return next(v for v in mm.vmas() if v.vm_start <= BASE + page * PAGE < v.vm_end)


def tail(memory: Memory, mm: Mm, page: int = 0) -> Any:
    """What the scheme has in an area."""
    rmap: Any = memory.vm.rmap
    return rmap.tail(area(mm, page))


def own(memory: Memory, mm: Mm, page: int = 0) -> int:
    return memory.vm.rmap.object_of(area(mm, page))


def chain(memory: Memory, mm: Mm, page: int = 0) -> list[int]:
    """The anon_vmas of an area, in the order of its links."""
    found = []
    head = tail(memory, mm, page).chain
    offset, at = ffi.offsetof("struct anon_vma_chain", "same_vma"), head.next
    while at and at != memory.core.kaddr(ffi.addressof(head)):
        link = ffi.cast("struct anon_vma_chain *", memory.core.base + at - offset)
        found.append(link.anon_vma)
        at = link.same_vma.next
    return found


def frame(memory: Memory, mm: Mm, page: int = 0) -> Any:
    """The struct page that a pte leads to."""
    pte = memory.core.lib.pte_value(memory.m, mm.ptr, BASE + page * PAGE)
    assert pte & lib._PAGE_PRESENT
    return memory.core.page(pte >> 12)


def leads_to(memory: Memory, mm: Mm, page: int = 0) -> int | str:
    """An anon_vma, or the mm that a page is alone in."""
    mapping: int = frame(memory, mm, page).mapping
    if mapping == memory.core.kaddr(mm.ptr) | lib.LAZY:
        return "mm"
    assert not mapping & lib.LAZY
    return mapping


def evict(memory: Memory, mm: Mm, page: int = 0) -> tuple[int, int]:
    """Probes and comparisons that it takes to unmap one page from everybody."""
    before = memory.core.counters()
    at = BASE + page * PAGE
    assert memory.vm.reclaim_range(mm, at, at + PAGE) == 1
    after = memory.core.counters()
    probes, compared = (after[name] - before[name] for name in ("unmap_probes", "unmap_cmp"))
    return probes, compared


def repointed(memory: Memory) -> int:
    return memory.core.counters()["rmap_repointed"]


def written(memory: Memory, pages: int = 1) -> Mm:
    mm = memory.process()
    memory.map(mm, 0, pages)
    memory.fill(mm, 0, pages)
    return mm


def protect(mm: Mm, page: int, pages: int, prot: int) -> None:
    do_mprotect(mm, BASE + page * PAGE, pages * PAGE, prot)


def move(mm: Mm, page: int, pages: int, to: int) -> None:
    do_mremap(mm, BASE + page * PAGE, pages * PAGE, pages * PAGE, MOVE, BASE + to * PAGE)


# ---- before a fork ---------------------------------------------------------------------


def test_a_page_leads_to_its_mm(memory: Memory) -> None:
    mm = written(memory, 4)
    protect(mm, 1, 1, R)
    assert objects(memory) == (0, 0)
    assert [leads_to(memory, mm, page) for page in range(4)] == ["mm"] * 4
    assert [evict(memory, mm, page) for page in range(4)] == [(1, 0)] * 4
    memory.verify(mm, 0, 4)  # and back
    assert objects(memory) == (0, 0)
    assert leads_to(memory, mm) == "mm"


def test_a_moved_area_is_looked_for(memory: Memory) -> None:
    """Each area below it is a cmp; one that was never written, too."""
    mm = written(memory, 1)
    memory.map(mm, 10, 1)
    memory.map(mm, 20, 1)
    memory.fill(mm, 20, 1)
    move(mm, 0, 1, 30)
    assert evict(memory, mm, 20) == (1, 0)
    assert evict(memory, mm, 30) == (1, 2)


def test_two_areas_with_one_offset(memory: Memory) -> None:
    """A moved away and its place written anew: both are tried, in place first."""
    mm = written(memory, 2)
    move(mm, 0, 2, 10)
    memory.map(mm, 0, 2)
    memory.fill(mm, 0, 2, seed=1)
    assert area(mm, 0).vm_pgoff == area(mm, 10).vm_pgoff
    assert frame(memory, mm, 0).index == frame(memory, mm, 10).index
    memory.check()
    assert evict(memory, mm, 0) == (1, 0)
    # the wrong one in place; then over the areas, where it is not tried again
    assert evict(memory, mm, 10) == (2, 0)
    move(mm, 0, 2, 20)
    memory.map(mm, 0, 2)
    memory.fill(mm, 0, 2, seed=2)  # three
    assert evict(memory, mm, 21) == (3, 0)
    child = dup_mmap(mm)
    memory.verify(child, 0, 2, 2)
    memory.check()
    assert len({own(memory, mm, page) for page in (0, 10, 20)}) == 3


def test_halves_that_would_not_merge(memory: Memory) -> None:
    """S14c: written pages between unwritten ones; without objects nothing is in the way."""
    mm = memory.process()
    memory.map(mm, 0, 9)
    for page in range(1, 9, 2):
        protect(mm, page, 1, R)
    for page in range(0, 9, 2):
        memory.fill(mm, page, 1)
    for page in range(1, 9, 2):
        protect(mm, page, 1, RW)
    assert memory.areas(mm) == [(0, 9, RW)]
    assert evict(memory, mm, 8) == (1, 0)


def test_offsets_keep_areas_apart(memory: Memory) -> None:
    mm = written(memory, 2)
    memory.map(mm, 10, 2)
    memory.fill(mm, 10, 2)
    move(mm, 0, 2, 8)
    assert memory.areas(mm) == [(8, 2, RW), (10, 2, RW)]


def test_swapoff(memory: Memory) -> None:
    mm = written(memory, 3)
    for page in range(3):
        evict(memory, mm, page)
    child = dup_mmap(mm)
    assert repointed(memory) == 0  # nothing was present
    memory.vm.swap.swapoff(memory.vm.swap.areas[0].path)
    root = own(memory, mm)
    for page in range(3):
        # the first to bring it back could not know who else has the entry
        assert leads_to(memory, mm, page) == leads_to(memory, child, page) == root
    memory.check()


# ---- fork ------------------------------------------------------------------------------


def test_fork_makes_what_it_needs(memory: Memory) -> None:
    parent = written(memory, 3)
    memory.map(parent, 10, 1)  # never written
    child = dup_mmap(parent)
    a = own(memory, parent)
    assert a
    assert (chain(memory, parent), chain(memory, child)) == ([a], [a])
    assert own(memory, child) == 0
    assert chain(memory, parent, 10) == chain(memory, child, 10) == []
    assert objects(memory) == (1, 2)
    assert repointed(memory) == 3
    assert {leads_to(memory, parent, page) for page in range(3)} == {a}
    second = dup_mmap(parent)
    assert (objects(memory), repointed(memory)) == ((1, 3), 3)
    assert chain(memory, second) == [a]


def test_what_a_child_writes_is_its_own(memory: Memory) -> None:
    parent = written(memory, 2)
    child = dup_mmap(parent)
    memory.fill(child, 0, 1, seed=1)
    assert leads_to(memory, child, 0) == "mm"
    assert leads_to(memory, parent, 0) == leads_to(memory, parent, 1) == own(memory, parent)
    assert objects(memory) == (1, 2)
    assert evict(memory, child) == (1, 0)
    assert evict(memory, parent) == (1, 0)
    assert evict(memory, parent, 1) == (2, 0)
    memory.verify(child, 0, 1, seed=1)
    memory.verify(parent, 0, 2)


def test_a_child_that_wrote_nothing_forks_for_nothing(memory: Memory) -> None:
    parent = written(memory)
    child = dup_mmap(parent)
    grandchild = dup_mmap(child)
    a = own(memory, parent)
    assert chain(memory, grandchild) == chain(memory, child) == [a]
    assert objects(memory) == (1, 3)
    memory.fill(grandchild, 0, 1, seed=1)
    last = dup_mmap(grandchild)
    b = own(memory, grandchild)
    assert b not in (0, a)
    assert chain(memory, grandchild) == chain(memory, last) == [b, a]
    assert leads_to(memory, last) == b


def test_a_page_left_to_a_child_alone_becomes_its_own(memory: Memory) -> None:
    parent = written(memory)
    child = dup_mmap(parent)
    parent.put()
    assert leads_to(memory, child) != "mm"
    memory.fill(child, 0, 1, seed=1)  # nobody else has it: no copy
    assert leads_to(memory, child) == "mm"


def test_a_page_from_swap_belongs_to_the_family(memory: Memory) -> None:
    parent = written(memory)
    evict(memory, parent)
    child = dup_mmap(parent)
    memory.verify(child, 0, 1)
    assert leads_to(memory, child) == own(memory, parent)
    memory.verify(parent, 0, 1)
    assert frame(memory, parent).mapcount == 2
    memory.check()


def test_pieces_take_one_anon_vma_at_fork(memory: Memory) -> None:
    """Each could merge with the next, and can afterwards."""
    parent = written(memory, 3)
    protect(parent, 1, 1, RWX)
    child = dup_mmap(parent)
    assert len({own(memory, parent, page) for page in range(3)}) == 1
    assert objects(memory) == (1, 6)
    for mm in (parent, child):
        protect(mm, 1, 1, RW)
        assert memory.areas(mm) == [(0, 3, RW)]
    assert objects(memory) == (1, 2)


def test_a_lazy_area_merges_with_a_root(memory: Memory) -> None:
    """Its pages stay lazy, whatever the area they are in has; the next fork finds them."""
    mm = written(memory, 1)
    memory.map(mm, 1, 1, RWX)
    child = dup_mmap(mm)
    a = own(memory, mm)
    memory.fill(mm, 1, 1)
    protect(mm, 1, 1, RW)
    assert memory.areas(mm) == [(0, 2, RW)]
    assert (own(memory, mm, 1), leads_to(memory, mm, 1)) == (a, "mm")
    memory.check()
    before = repointed(memory)
    again = dup_mmap(mm)
    assert repointed(memory) == before + 1
    assert leads_to(memory, mm, 1) == leads_to(memory, again, 1) == a
    assert evict(memory, mm, 1)[0] == 2
    memory.verify(child, 0, 1)


@pytest.mark.parametrize("lazy", [True, False])
def test_a_lower_area_takes_over_a_root(memory: Memory, lazy: bool) -> None:
    """It is linked to what the other was."""
    mm = memory.process()
    memory.map(mm, 0, 1, RWX)
    memory.map(mm, 1, 1)
    memory.fill(mm, 1, 1)
    child = dup_mmap(mm)
    a = own(memory, mm, 1)
    if lazy:
        memory.fill(mm, 0, 1)
    protect(mm, 0, 1, RW)
    assert memory.areas(mm) == [(0, 2, RW)]
    assert (chain(memory, mm), own(memory, mm), leads_to(memory, mm, 1)) == ([a], a, a)
    memory.check()
    assert evict(memory, child, 1)[0] == 2


def test_areas_of_two_roots_do_not_merge(memory: Memory) -> None:
    """In a child neither has an anon_vma of its own, and their links differ."""
    parent = written(memory, 1)
    memory.map(parent, 1, 1, RWX)
    do_madvise(parent, BASE + PAGE, PAGE, 1)  # MADV_RANDOM: no neighbours at fork
    memory.fill(parent, 1, 1)
    child = dup_mmap(parent)
    do_madvise(child, BASE + PAGE, PAGE, 0)
    protect(child, 1, 1, RW)
    assert own(memory, child) == own(memory, child, 1) == 0
    assert chain(memory, child) != chain(memory, child, 1)
    assert memory.areas(child) == [(0, 1, RW), (1, 1, RW)]


def test_a_forked_area_does_not_merge_with_one_that_was_not(memory: Memory) -> None:
    parent = written(memory, 1)
    child = dup_mmap(parent)
    memory.map(child, 1, 1)
    memory.map(parent, 1, 1)
    assert memory.areas(parent) == [(0, 2, RW)]
    assert memory.areas(child) == [(0, 1, RW), (1, 1, RW)]


def test_parts_of_a_forked_area_merge_again(memory: Memory) -> None:
    """One written since, one not."""
    child = dup_mmap(written(memory, 4))
    protect(child, 2, 2, R)
    memory.fill(child, 0, 1, seed=1)
    protect(child, 2, 2, RW)
    assert memory.areas(child) == [(0, 4, RW)]
    assert leads_to(memory, child) == "mm"


def test_a_moved_area_forks(memory: Memory) -> None:
    mm = written(memory, 2)
    move(mm, 0, 2, 10)
    child = dup_mmap(mm)
    assert leads_to(memory, child, 10) == own(memory, mm, 10)
    assert evict(memory, mm, 10) == (2, 0)
    do_munmap(mm, BASE + 10 * PAGE, 2 * PAGE)
    assert evict(memory, child, 11) == (1, 0)


# ---- no memory ---------------------------------------------------------------------------


@pytest.mark.parametrize("left", range(9))
def test_fork_that_gets_so_many_objects(memory: Memory, left: int) -> None:
    """With three areas, first forked now: what the parent has got stays, and is right."""
    mm = memory.process()
    dup_mmap(mm).put()
    for n in range(3):
        memory.map(mm, n * 8, 2)
        memory.fill(mm, n * 8, 2)
    caches = (lib.CACHE_anon_vma_chain, lib.CACHE_avc_anon_vma)
    other = written(memory)
    dup_mmap(other).put()  # there is a slab of each
    before = objects(memory)
    with memory.starved():
        taken = {cache: [*memory._objects(cache)] for cache in caches}
        for cache, many in zip(caches, (left, left // 2 + 1), strict=True):
            for _ in range(many):
                lib.kmem_cache_free(memory.m, cache, taken[cache].pop())
        assert errno_of(dup_mmap, mm) == ENOMEM
        for cache, objects_ in taken.items():
            for each in objects_:
                lib.kmem_cache_free(memory.m, cache, each)
    memory.check()
    owns = [own(memory, mm, n * 8) for n in range(3)]
    assert [bool(each) for each in owns] == sorted(map(bool, owns), reverse=True)
    assert objects(memory) == (before[0] + sum(map(bool, owns)), before[1] + sum(map(bool, owns)))
    child = dup_mmap(mm)
    for n in range(3):
        assert leads_to(memory, child, n * 8) == own(memory, mm, n * 8)


def test_a_split_needs_no_memory_before_a_fork(memory: Memory) -> None:
    """S36: only the vma; after a fork it can fail for a link."""
    mm = written(memory, 9)
    dup_mmap(mm).put()
    do_munmap(mm, BASE, 9 * PAGE)
    memory.map(mm, 0, 9)
    memory.fill(mm, 0, 9)
    with memory.starved(lib.CACHE_anon_vma_chain, lib.CACHE_avc_anon_vma):
        protect(mm, 3, 1, R)
        assert memory.areas(mm) == [(0, 3, RW), (3, 1, R), (4, 5, RW)]
        protect(mm, 3, 1, RW)
    dup_mmap(mm).put()
    with memory.starved(lib.CACHE_anon_vma_chain, lib.CACHE_avc_anon_vma):
        assert errno_of(do_mprotect, mm, BASE + 3 * PAGE, PAGE, R) == ENOMEM
    assert memory.areas(mm) == [(0, 9, RW)]


# ---- what check() sees -------------------------------------------------------------------


def broken(memory: Memory, what: str) -> None:
    with pytest.raises(KernelBug, match=what):
        memory.check()


def test_check_sees_a_lazy_page_of_two(memory: Memory) -> None:
    parent = written(memory)
    child = dup_mmap(parent)
    page = frame(memory, child)
    good = page.mapping
    page.mapping = memory.core.kaddr(parent.ptr) | lib.LAZY
    broken(memory, "has 2 ptes and no anon_vma")
    page.mapping = good


def test_check_sees_another_mm(memory: Memory) -> None:
    mm, other = written(memory), written(memory)
    page = frame(memory, mm)
    page.mapping = memory.core.kaddr(other.ptr) | lib.LAZY
    broken(memory, "is of mm")
    page.mapping = memory.core.kaddr(mm.ptr) | lib.LAZY


def test_check_sees_an_area_that_was_not_written_to(memory: Memory) -> None:
    mm = written(memory)
    tail(memory, mm).anon_vma = 0
    broken(memory, "not written to")
    tail(memory, mm).anon_vma = lib.LAZY


# ---- sizes -------------------------------------------------------------------------------


@pytest.mark.parametrize("walk", ["list", "tree"])
@pytest.mark.parametrize("bits", [32, 64])
def test_sizes(walk: str, bits: int) -> None:
    memory = Memory(f"anon_vma_lazy:walk={walk}", bits=bits)
    caches, wide = memory.m.k.caches, bits // 32
    assert caches[lib.CACHE_avc_anon_vma].objsize == 16 * wide
    assert caches[lib.CACHE_anon_vma_chain].objsize == (24 if walk == "list" else 32) * wide
    assert caches[lib.CACHE_vm_area_struct].objsize == (72 + 12) * wide
    memory.close()
