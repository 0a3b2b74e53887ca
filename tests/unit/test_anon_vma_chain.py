"""anon_vma_chain and anon_vma_degree: who is on which list, in which order, and for how long.

Lists are those of 2.6.34; with ``walk=tree`` an anon_vma has the interval tree of 3.7.
"""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Iterator
from errno import EAGAIN, ENOMEM
from typing import Any

import pytest
from memory import BASE, FIXED, GROWSDOWN, PAGE, RW, Memory, R, errno_of

from tests.width import core_of, ffi, lib
from vmemu.errors import KernelBug
from vmemu.mm import Mm, do_madvise, do_mprotect, do_mremap, do_munmap, dup_mmap

MOVE = 3  # MREMAP_MAYMOVE | MREMAP_FIXED
CHAIN = ["anon_vma_chain", "anon_vma_chain:walk=tree"]
DEGREE = ["anon_vma_degree", "anon_vma_degree:walk=list"]


@pytest.fixture(params=CHAIN + DEGREE)
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


only_lists = pytest.mark.parametrize("memory", [CHAIN[0], DEGREE[1]], indirect=True)
only_degree = pytest.mark.parametrize("memory", DEGREE, indirect=True)


def objects(memory: Memory) -> tuple[int, int]:
    """anon_vmas and links."""
    caches = memory.m.k.caches
    return (
        caches[lib.CACHE_avc_anon_vma].nr_active,
        caches[lib.CACHE_anon_vma_chain].nr_active,
    )


def area(mm: Mm, page: int) -> Any:
    """The area that holds a page."""
    return next(v for v in mm.vmas() if v.vm_start <= BASE + page * PAGE < v.vm_end)


def own(memory: Memory, mm: Mm, page: int = 0) -> int:
    return memory.vm.rmap.object_of(area(mm, page))


def chain(memory: Memory, mm: Mm, page: int = 0) -> list[int]:
    """The anon_vmas of an area, in the order of its links."""
    found = []
    head = memory.vm.rmap.tail(area(mm, page)).chain
    offset, at = ffi.offsetof("struct anon_vma_chain", "same_vma"), head.next
    while at != memory.core.kaddr(ffi.addressof(head)):
        link = ffi.cast("struct anon_vma_chain *", memory.core.base + at - offset)
        found.append(link.anon_vma)
        at = link.same_vma.next
    return found


def order(memory: Memory, anon_vma: int) -> list[tuple[int, int]]:
    """The mms, and first pages, of the areas on an anon_vma's list."""
    found = []
    head = ffi.cast("struct avc_anon_vma *", memory.core.base + anon_vma).head
    offset, at = ffi.offsetof("struct anon_vma_chain", "same_anon_vma"), head.next
    while at != memory.core.kaddr(ffi.addressof(head)):
        link = ffi.cast("struct anon_vma_chain *", memory.core.base + at - offset)
        vma = memory.core.vma(link.vma)
        found.append((vma.vm_mm, (vma.vm_start - BASE) // PAGE))
        at = link.same_anon_vma.next
    return found


def mapping(memory: Memory, mm: Mm, page: int = 0) -> int:
    """The anon_vma that a present page points at."""
    pte = memory.core.lib.pte_value(memory.m, mm.ptr, BASE + page * PAGE)
    assert pte & lib._PAGE_PRESENT
    found: int = memory.core.page(pte >> 12).mapping
    return found


def evict(memory: Memory, mm: Mm, page: int = 0) -> tuple[int, int]:
    """Probes and comparisons that it takes to unmap one page from everybody."""
    before = memory.core.counters()
    at = BASE + page * PAGE
    assert memory.vm.reclaim_range(mm, at, at + PAGE) == 1
    after = memory.core.counters()
    return tuple(after[name] - before[name] for name in ("unmap_probes", "unmap_cmp"))  # type: ignore[return-value]


def written(memory: Memory, pages: int = 1) -> Mm:
    mm = memory.process()
    memory.map(mm, 0, pages)
    memory.fill(mm, 0, pages)
    return mm


# ---- lists ---------------------------------------------------------------------------


def test_fork_copies_the_chain_and_adds_one(memory: Memory) -> None:
    parent = written(memory)
    child = dup_mmap(parent)
    grandchild = dup_mmap(child)
    a, b, c = (own(memory, mm) for mm in (parent, child, grandchild))
    assert [chain(memory, mm) for mm in (parent, child, grandchild)] == [[a], [b, a], [c, b, a]]
    assert objects(memory) == (3, 6)
    parent.put()
    assert objects(memory) == (3, 5)  # the dead one's anon_vma stays as long as the others
    grandchild.put()
    assert objects(memory) == (2, 2)


@only_lists
def test_parents_come_before_children_and_pieces_last(memory: Memory) -> None:
    parent = written(memory, 4)
    root = own(memory, parent)
    first, second = dup_mmap(parent), dup_mmap(parent)
    grandchild = dup_mmap(first)
    family = [(mm.kaddr, 0) for mm in (parent, first, second, grandchild)]
    assert order(memory, root) == family
    assert order(memory, own(memory, first)) == [(first.kaddr, 0), (grandchild.kaddr, 0)]
    do_mprotect(parent, BASE + 2 * PAGE, 2 * PAGE, R)
    assert order(memory, root) == [(parent.kaddr, 2), *family[1:], (parent.kaddr, 0)]
    do_mremap(second, BASE, 4 * PAGE, 4 * PAGE, MOVE, BASE + 64 * PAGE)
    assert order(memory, root)[-1] == (second.kaddr, 64)


@only_lists
def test_a_first_write_beside_comes_to_the_front(memory: Memory) -> None:
    mm = memory.process()
    memory.map(mm, 0, 6)
    do_mprotect(mm, BASE + 2 * PAGE, 2 * PAGE, R)
    memory.fill(mm, 0, 2)
    do_mprotect(mm, BASE + 2 * PAGE, 2 * PAGE, 7)
    memory.fill(mm, 2, 2)
    assert own(memory, mm, 2) == own(memory, mm)
    assert order(memory, own(memory, mm)) == [(mm.kaddr, 2), (mm.kaddr, 0)]


def test_a_chain_with_ancestors_is_not_adopted(memory: Memory) -> None:
    """find_mergeable takes an anon_vma that is no child's: its neighbour knows no ancestors."""
    parent = written(memory, 2)
    memory.map(parent, 2, 2, 7)
    child = dup_mmap(parent)
    for mm in (child, parent):
        memory.fill(mm, 2, 2)
    assert own(memory, child, 2) not in chain(memory, child)
    assert own(memory, parent, 2) == own(memory, parent)
    for mm in (child, parent):
        do_mprotect(mm, BASE + 2 * PAGE, 2 * PAGE, RW)
    assert len(memory.areas(child)) == 2
    assert len(memory.areas(parent)) == 1
    memory.check()
    assert evict(memory, child, 0) == (2, 0)  # still its parent's


def test_a_forked_area_does_not_grow_by_a_merge(memory: Memory) -> None:
    """3.0's rule, in both directions; a chain of one link merges with what is not written."""
    parent = written(memory, 2)
    child = dup_mmap(parent)
    for mm, areas in ((child, 2), (parent, 1)):
        memory.map(mm, 2, 2)
        assert len(memory.areas(mm)) == areas
        do_munmap(mm, BASE + 2 * PAGE, 2 * PAGE)
        do_mprotect(mm, BASE, 2 * PAGE, R)
        memory.map(mm, 2, 2)
        do_mprotect(mm, BASE, 2 * PAGE, RW)
        assert len(memory.areas(mm)) == areas


# ---- pages ---------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 7, 32])
def test_closed_forms(memory: Memory, n: int) -> None:
    """Page-table walks for one page of a family of n + 1 (RMAP: fork server, readers)."""
    parent = written(memory, 3)
    children = [dup_mmap(parent) for _ in range(n)]
    for child in children:
        memory.fill(child, 0, 2, seed=1)
    assert [evict(memory, child) for child in children] == [(1, 0)] * n
    assert evict(memory, parent, 1) == (1, 0)  # every child has copied it
    assert evict(memory, parent, 2) == (n + 1, 0)
    memory.map(children[0], 64, 1)  # a late sub-family
    memory.fill(children[0], 64, 1)
    assert evict(memory, children[0], 64) == (1, 0)
    memory.fill(children[0], 64, 1)
    dup_mmap(children[0])
    assert evict(memory, children[0], 64) == (2, 0)


def test_a_page_left_behind_by_its_parent(memory: Memory) -> None:
    """The parent has copied it, and so have all but one child: all are asked still."""
    parent = written(memory)
    children = [dup_mmap(parent) for _ in range(5)]
    for mm in (parent, *children[:-1]):
        memory.fill(mm, 0, 1, seed=1)
    assert evict(memory, children[-1]) == (6, 0)


def test_a_page_from_swap_is_the_familys_until_it_is_written(memory: Memory) -> None:
    """The child reads it first, and goes; its parent has the entry too [LWN 383162]."""
    parent = written(memory)
    child = dup_mmap(parent)
    assert evict(memory, child) == (2, 0)
    assert child.read(BASE, 4) == memory.contents(0)[:4]
    assert mapping(memory, child) == own(memory, parent)
    parent.read(BASE, 4)
    child.put()
    memory.check()
    assert evict(memory, parent) == (1, 0)


def test_a_write_that_finds_nobody_else_takes_the_page(memory: Memory) -> None:
    parent = written(memory)
    child = dup_mmap(parent)
    parent.put()
    assert mapping(memory, child) != own(memory, child)
    memory.fill(child, 0, 1)
    assert mapping(memory, child) == own(memory, child)
    assert evict(memory, child) == (1, 0)
    child.read(BASE, 4)
    assert mapping(memory, child) == chain(memory, child)[-1]
    evict(memory, child)
    memory.fill(child, 0, 1)
    assert mapping(memory, child) == own(memory, child)


# ---- trees ---------------------------------------------------------------------------


@pytest.mark.parametrize("memory", [CHAIN[1], DEGREE[0]], indirect=True)
def test_a_tree_looks_at_few_nodes(memory: Memory) -> None:
    """64 pieces: 7 levels at most, and the last is met for what the list compares 63 times."""
    mm = written(memory, 64)
    for page in range(1, 64, 2):
        do_mprotect(mm, BASE + page * PAGE, PAGE, R)
    for page in (0, 31, 63):
        before = memory.core.counters()["rmap_tree_nodes"]
        assert evict(memory, mm, page) == (1, 0)
        # two walks: page_referenced is asked too
        assert memory.core.counters()["rmap_tree_nodes"] - before <= 2 * 2 * 7


def test_offsets_that_wrap_around(memory: Memory) -> None:
    """A stack that was moved up, and then grew down below offset 0."""
    mm = memory.process()
    low = 16 - BASE // PAGE
    memory.map(mm, low, 4, flags=GROWSDOWN)
    memory.fill(mm, low, 4)
    do_mremap(mm, 16 * PAGE, 4 * PAGE, 4 * PAGE, MOVE, BASE + 64 * PAGE)
    for grown in range(1, 40):
        mm.write(BASE + (64 - grown) * PAGE, b"x")
    moved = area(mm, 64)
    assert moved.vm_pgoff == (16 - 39) & memory.core.mask
    memory.check()
    child = dup_mmap(mm)
    do_mprotect(mm, BASE + 60 * PAGE, 2 * PAGE, R)
    memory.check()
    for page in (25, 48, 49, 64, 67):
        assert evict(memory, child, page)[0] == 2
    memory.check()


@pytest.mark.parametrize("seed", range(3))
def test_cuts_and_merges_at_random(memory: Memory, seed: int) -> None:
    """check() holds the tree against what it must be, and every page against its walk."""
    rng = random.Random(seed)
    mms = [written(memory, 24)]
    for step in range(150):
        mm = rng.choice(mms)
        at, length = rng.randrange(24), rng.randrange(1, 8)
        start, end = BASE + at * PAGE, BASE + min(at + length, 24) * PAGE
        match rng.randrange(7):
            case 0:
                do_munmap(mm, start, end - start)
            case 1:
                memory.map(mm, at, (end - start) // PAGE, RW, FIXED)
            case 2 if len(mms) < 6:
                mms.append(dup_mmap(mm))
            case 3 if len(mms) > 1:
                mms.remove(mm)
                mm.put()
            case 4:
                memory.vm.reclaim_range(mm, start, end)
            case _:
                errno_of(do_mprotect, mm, start, end - start, rng.choice([R, RW, RW]))
                for vma in mm.vmas():
                    if vma.vm_flags & lib.VM_WRITE:
                        memory.fill(mm, (vma.vm_start - BASE) // PAGE, 1)
        if step % 5 == 0:
            memory.check()


# ---- reuse ---------------------------------------------------------------------------


@only_degree
def test_a_chain_of_forks_reuses_what_the_dead_have_left(memory: Memory) -> None:
    mm = written(memory)
    for generation in range(1, 40):
        child = dup_mmap(mm)
        mm.put()
        mm = child
        memory.fill(mm, 0, 1, seed=generation)
        memory.check()
        assert objects(memory)[0] <= 3


@pytest.mark.parametrize("memory", CHAIN, indirect=True)
def test_without_reuse_it_grows_for_ever(memory: Memory) -> None:
    mm = written(memory)
    for generation in range(1, 40):
        child = dup_mmap(mm)
        mm.put()
        mm = child
        assert objects(memory) == (generation + 1, generation + 1)


@only_degree
def test_nobody_adopts_what_another_has_adopted(memory: Memory) -> None:
    """2022: a count of users and children together let two processes have one anon_vma."""
    p0 = written(memory)
    p1 = dup_mmap(p0)
    p2 = dup_mmap(p1)
    b, c = own(memory, p1), own(memory, p2)
    p1.put()
    p3 = dup_mmap(p2)
    assert own(memory, p3) == b  # its owner is gone, and it has one child
    p4 = dup_mmap(p3)
    assert own(memory, p4) not in (b, c, own(memory, p0))  # c is p2's still
    memory.check()


@only_degree
def test_neither_a_root_nor_one_with_two_children_is_adopted(memory: Memory) -> None:
    p0 = written(memory)
    p1 = dup_mmap(p0)
    p2, p3 = dup_mmap(p1), dup_mmap(p1)
    p0.put()
    p1.put()  # has two children
    p4 = dup_mmap(p2)
    assert len({own(memory, mm) for mm in (p2, p3, p4)} | set(chain(memory, p4))) == 5
    assert own(memory, p4) == chain(memory, p4)[0]
    for mm in (p3, p2):
        mm.put()
        memory.check()


@only_degree
def test_many_that_die_at_once_leave_more_than_two_anon_vmas_for_each_area(
    memory: Memory,
) -> None:
    """The bound of 3.19 is one of growth: nothing is reused before somebody forks again."""
    line = [written(memory)]
    for _ in range(9):
        line.append(dup_mmap(line[-1]))
    for mm in line[:-1]:
        mm.put()
    assert objects(memory) == (10, 10)
    for _ in range(20):
        child = dup_mmap(line[-1])
        line.pop().put()
        line.append(child)
    assert objects(memory) == (10, 10)


# ---- no memory -----------------------------------------------------------------------


def test_a_split_fails_when_there_is_no_link(memory: Memory) -> None:
    """S36: the vma is there, its anon_vma_chain is not; anon_vma could not fail here."""
    mm = written(memory, 9)
    before = objects(memory)
    with memory.starved(lib.CACHE_anon_vma_chain):
        assert errno_of(do_munmap, mm, BASE + 3 * PAGE, PAGE) == ENOMEM
        assert errno_of(do_mprotect, mm, BASE + 3 * PAGE, PAGE, R) == ENOMEM
        assert errno_of(do_mremap, mm, BASE + 3 * PAGE, PAGE, PAGE, 3, BASE + 32 * PAGE) == ENOMEM
        assert errno_of(do_madvise, mm, BASE + 3 * PAGE, PAGE, 1) == EAGAIN
        assert memory.areas(mm) == [(0, 9, RW)]
        memory.verify(mm, 0, 9)
        do_munmap(mm, BASE, 9 * PAGE)
    assert before == (1, 1)
    memory.check()


def test_a_merge_that_needs_a_link_and_gets_none(memory: Memory) -> None:
    """The areas stay apart, and the call succeeds."""
    mm = memory.process()
    memory.map(mm, 0, 4)
    do_mprotect(mm, BASE + 2 * PAGE, 2 * PAGE, R)
    memory.map(mm, 16, 1)
    do_mprotect(mm, BASE, 2 * PAGE, R)
    do_mprotect(mm, BASE + 2 * PAGE, 2 * PAGE, RW)
    memory.fill(mm, 2, 2)
    with memory.starved(lib.CACHE_anon_vma_chain):
        do_mprotect(mm, BASE, 2 * PAGE, RW)
        assert memory.areas(mm)[:2] == [(0, 2, RW), (2, 2, RW)]
    memory.check()
    do_mprotect(mm, BASE, 2 * PAGE, R)
    do_mprotect(mm, BASE, 2 * PAGE, RW)
    assert memory.areas(mm)[0] == (0, 4, RW)


@pytest.mark.parametrize("scheme", CHAIN + DEGREE)
def test_fork_that_runs_out_anywhere(scheme: str) -> None:
    """Three areas, no swap: links or anon_vmas run out at each place, and all come back."""
    memory = Memory(scheme, min_free_pages=1)
    mm = memory.process()
    for n in range(3):
        memory.map(mm, n * 8, 2)
        memory.fill(mm, n * 8, 2)
    for _ in range(2):
        dup_mmap(mm).put()  # there are slabs for everything else
    before, reached = objects(memory), set()
    for frames, links in itertools.product(range(12), range(8)):
        with only_so_many(memory, frames, links):
            held = objects(memory)
            error = errno_of(dup_mmap, mm)
            reached.add(error)
            if not error:
                [*memory.vm.mms.values()][-1].put()
            assert objects(memory) == held
        assert objects(memory) == before
        memory.check()
    assert reached == {0, ENOMEM}
    memory.close()


@contextlib.contextmanager
def only_so_many(memory: Memory, frames: int, links: int) -> Iterator[None]:
    """So many free frames, links in slabs, and half as many anon_vmas."""
    caches = {lib.CACHE_anon_vma_chain: links, lib.CACHE_avc_anon_vma: links // 2}
    with memory.starved() as taken:
        held = [(cache, each) for cache in caches for each in memory._objects(cache)]
        for cache, left in caches.items():
            for each in [each for each in held if each[0] == cache][:left]:
                held.remove(each)
                memory.core.lib.kmem_cache_free(memory.m, *each)
        for _ in range(frames):
            memory.core.lib.put_page(memory.m, taken.pop())
        yield
        for each in held:
            memory.core.lib.kmem_cache_free(memory.m, *each)


# ---- check() -------------------------------------------------------------------------


def broken(memory: Memory, what: str) -> None:
    with pytest.raises(KernelBug, match=what):
        memory.check()


def test_check_finds_a_page_of_nobodys(memory: Memory) -> None:
    parent = written(memory)
    child = dup_mmap(parent)
    memory.fill(child, 0, 1)
    pte = memory.core.lib.pte_value(memory.m, parent.ptr, BASE)
    page = memory.core.page(pte >> 12)
    page.mapping = own(memory, child)
    broken(memory, "is of no anon_vma of its vma")
    page.mapping = own(memory, parent)


def test_check_finds_a_link_of_another_vma(memory: Memory) -> None:
    parent = written(memory)
    child = dup_mmap(parent)
    mine, others = (next(iter(mm.vmas())) for mm in (parent, child))
    first = memory.vm.rmap.tail(mine).chain.next - ffi.offsetof("struct anon_vma_chain", "same_vma")
    link = ffi.cast("struct anon_vma_chain *", memory.core.base + first)
    link.vma = memory.core.kaddr(others)
    try:
        broken(memory, f"vma {BASE:#x} has a link of another vma")
    finally:
        link.vma = memory.core.kaddr(mine)


@only_degree
@pytest.mark.parametrize("count", ["num_children", "num_active_vmas"])
def test_check_recounts(memory: Memory, count: str) -> None:
    parent = written(memory)
    dup_mmap(parent)
    degree = memory.vm.rmap._degree(own(memory, parent))
    setattr(degree, count, getattr(degree, count) + 1)
    broken(memory, f"{count} of 0x[0-9a-f]+ is 2, recomputed 1")
    setattr(degree, count, getattr(degree, count) - 1)


@pytest.mark.parametrize("memory", [CHAIN[1], DEGREE[0]], indirect=True)
def test_check_knows_where_intervals_end(memory: Memory) -> None:
    mm = written(memory, 4)
    do_mprotect(mm, BASE + PAGE, PAGE, R)
    head = memory.vm.rmap._at(own(memory, mm)).head
    top = ffi.cast("struct avc_interval *", memory.core.base + head.next)
    top.rb_subtree_last += 1
    broken(memory, "interval tree 0x[0-9a-f]+ is wrong")
    top.rb_subtree_last -= 1


@pytest.mark.parametrize("memory", [CHAIN[1], DEGREE[0]], indirect=True)
def test_check_counts_black_nodes(memory: Memory) -> None:
    """Of two children below the top both are red, or both black: else one way is longer."""
    mm = written(memory, 3)
    do_mprotect(mm, BASE + PAGE, PAGE, R)
    head = memory.vm.rmap._at(own(memory, mm)).head
    at = memory.core.base
    top = ffi.cast("struct avc_interval *", at + head.next)
    left = ffi.cast("struct avc_interval *", at + top.rb_left)
    assert top.rb_left
    assert top.rb_right
    left.rb_parent ^= 1
    try:
        broken(memory, "interval tree 0x[0-9a-f]+ is wrong")
    finally:
        left.rb_parent ^= 1


# ---- sizes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "anon_vma", "link"),
    [
        ("anon_vma_chain", (16, 32), (24, 48)),
        ("anon_vma_chain:walk=tree", (16, 32), (32, 64)),
        ("anon_vma_degree", (28, 56), (32, 64)),
        ("anon_vma_degree:walk=list", (28, 56), (24, 48)),
    ],
)
def test_sizes(scheme: str, anon_vma: tuple[int, int], link: tuple[int, int]) -> None:
    for place, bits in enumerate((32, 64)):
        memory = Memory(scheme, bits=bits)
        caches = memory.m.k.caches
        assert caches[lib.CACHE_avc_anon_vma].objsize == anon_vma[place]
        assert caches[lib.CACHE_anon_vma_chain].objsize == link[place]
        assert core_of(bits)[0].sizeof("struct avc_tail") == (12, 24)[place]
        assert caches[lib.CACHE_vm_area_struct].objsize == (84, 168)[place]
        memory.close()
