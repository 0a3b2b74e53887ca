"""pte_chain: lists of ptes, slot by slot, beside a model made of Python lists."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from errno import ENOMEM
from typing import Any

import pytest
from memory import BASE, PAGE, Memory, errno_of

from tests.width import LEVELS, TABLE, WORD, ffi, lib
from vmemu.core import core_of
from vmemu.errors import KernelBug
from vmemu.mm import Mm, do_mremap, do_munmap, dup_mmap

LINES = ("128", "64", "32")


@pytest.fixture(params=LINES)
def memory(request: pytest.FixtureRequest) -> Iterator[Memory]:
    memory = Memory(f"pte_chain:line={request.param}", overcommit=1)
    yield memory
    memory.core.check_bug()
    memory.close()


def slots(memory: Memory) -> int:
    """NRPTE, from the option: the line less the first word, in words."""
    return int(memory.scheme.option_values()["LINE"]) // WORD - 1


def page_at(memory: Memory, mm: Mm, page: int = 0) -> Any:
    return memory.core.page(lib.pte_value(memory.m, mm.ptr, BASE + page * PAGE) >> 12)


def pte_at(memory: Memory, mm: Mm, page: int = 0) -> int:
    return int(memory.core.kaddr(lib.pte_offset(memory.m, mm.ptr, BASE + page * PAGE)))


def objects(memory: Memory) -> int:
    return int(memory.m.k.caches[lib.CACHE_pte_chain].nr_active)


def looked_at(memory: Memory) -> int:
    return int(memory.core.counters()["rmap_chain_slots"])


def written(memory: Memory, pages: int = 1) -> Mm:
    mm = memory.process()
    memory.map(mm, 0, pages)
    memory.fill(mm, 0, pages)
    return mm


# ---- sizes ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bits", "line", "nrpte", "per_slab"),
    [
        (32, 128, 31, 30),
        (32, 64, 15, 59),
        (32, 32, 7, 113),
        (64, 128, 15, 30),
        (64, 64, 7, 59),
        (64, 32, 3, 112),
    ],
)
def test_sizes(bits: int, line: int, nrpte: int, per_slab: int) -> None:
    """NRPTE of 2.6.6 for each line, and how a slab holds them, aligned."""
    memory = Memory(f"pte_chain:line={line}", bits=bits)
    cache = memory.m.k.caches[lib.CACHE_pte_chain]
    assert (cache.objsize, cache.align, cache.num) == (line, line, per_slab)
    assert core_of(bits)[1].pte_chain_slots(memory.m) == nrpte
    memory.close()


# ---- lists ---------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 6, 7, 14, 15, 30, 31, 32, 62])
def test_what_fork_takes(memory: Memory, n: int) -> None:
    """R pages that n + 1 processes map: a list of n + 1 entries each, the newest first."""
    parent = written(memory, 3)
    assert objects(memory) == 0
    page = page_at(memory, parent)
    assert (page.flags & lib.PG_direct, page.mapping) == (lib.PG_direct, pte_at(memory, parent))
    family = [parent, *(dup_mmap(parent) for _ in range(n))]
    assert objects(memory) == 3 * -(-(n + 1) // slots(memory))
    assert looked_at(memory) == 0
    assert not page.flags & lib.PG_direct
    assert memory.vm.rmap.entries(page) == [pte_at(memory, mm) for mm in reversed(family)]
    memory.check()
    for mm in family:
        mm.put()
    assert objects(memory) == 0
    memory.check()


def test_the_last_of_a_list_exits_first_or_last(memory: Memory) -> None:
    """The newest stands first: one slot. The oldest child is looked for behind all others."""
    n = 9
    parent = written(memory)
    children = [dup_mmap(parent) for _ in range(n)]
    for child in reversed(children):
        before = looked_at(memory)
        child.put()
        assert looked_at(memory) - before == 1
    children = [dup_mmap(parent) for _ in range(n)]
    children[0].put()
    assert looked_at(memory) == n + n
    memory.check()


@pytest.mark.parametrize("seed", range(4))
def test_beside_a_model(memory: Memory, seed: int) -> None:
    """Add at the front; the first entry goes into the hole; slots are looked at from the front."""
    rng = random.Random(seed)
    parent = written(memory)
    page = page_at(memory, parent)
    family, model, looked = [parent], [pte_at(memory, parent)], 0
    for _ in range(150):
        if len(family) < 2 or rng.random() < 0.55:
            child = dup_mmap(rng.choice(family))
            family.append(child)
            model.insert(0, pte_at(memory, child))
        else:
            mm = family.pop(rng.randrange(len(family)))
            at = model.index(pte_at(memory, mm))
            looked += at + 1
            model[at] = model[0]
            del model[0]
            if rng.random() < 0.5:
                mm.put()
            else:  # a copy of its own
                memory.fill(mm, 0, 1, seed=1)
        assert memory.vm.rmap.entries(page) == model
        assert (looked_at(memory), objects(memory)) == (looked, -(-len(model) // slots(memory)))
    memory.check()


def test_one_entry_is_direct_again_when_somebody_asks(memory: Memory) -> None:
    """Not at once: page_referenced frees the list, when it has one entry."""
    parent = written(memory)
    one, two = dup_mmap(parent), dup_mmap(parent)
    page = page_at(memory, parent)
    one.put()
    assert lib.page_referenced(memory.m, page) == 1
    assert objects(memory) == 1
    two.put()
    assert (objects(memory), page.flags & lib.PG_direct) == (1, 0)
    memory.check()
    lib.page_referenced(memory.m, page)
    assert (objects(memory), page.flags & lib.PG_direct) == (0, lib.PG_direct)
    assert page.mapping == pte_at(memory, parent)
    memory.check()


# ---- walks ---------------------------------------------------------------------


def probes(memory: Memory, mm: Mm, page: int = 0, walk: str = "unmap") -> int:
    """Page tables walked for one page, by the walk that is named, of pageout_range()."""
    name = f"{walk}_probes"
    before = memory.core.counters()[name]
    assert lib.pageout_range(memory.m, mm.ptr, BASE + page * PAGE, BASE + (page + 1) * PAGE) == 1
    return int(memory.core.counters()[name] - before)


@pytest.mark.parametrize("n", [1, 2, 7, 32])
def test_only_ptes_of_the_page_are_looked_at(memory: Memory, n: int) -> None:
    """In a family of n + 1: a private copy, a shared page, a late sub-family's, the parent's."""
    memory.vm.swap.swapon_size(64 * PAGE)
    parent = written(memory, 3)
    children = [dup_mmap(parent) for _ in range(n)]
    for child in children:
        memory.fill(child, 0, 1, seed=1)
    assert probes(memory, children[n // 2]) == 1
    assert probes(memory, parent) == 1
    assert probes(memory, parent, 1) == n + 1
    assert probes(memory, children[-1], 2) == n + 1
    memory.map(children[0], 8, 1)
    memory.fill(children[0], 8, 1)
    grandchild = dup_mmap(children[0])
    assert probes(memory, children[0], 8) == 2
    memory.verify(grandchild, 8, 1)
    assert memory.core.counters()["unmap_cmp"] == memory.core.counters()["referenced_cmp"] == 0
    memory.check()


def test_a_walk_takes_a_list_apart(memory: Memory) -> None:
    """It looks at each slot once, and each entry then goes from the front."""
    memory.vm.swap.swapon_size(64 * PAGE)
    parent = written(memory)
    n = 2 * slots(memory) + 1
    for _ in range(n):
        dup_mmap(parent)
    before = looked_at(memory)
    assert probes(memory, parent) == n + 1
    assert looked_at(memory) - before == 3 * (n + 1)  # page_referenced, try_to_unmap, remove_pte
    assert objects(memory) == 0
    memory.check()


def test_a_walk_leaves_what_it_may_not_unmap(memory: Memory) -> None:
    """A locked area ends it in the middle of a list: the other entries stay."""
    memory.vm.swap.swapon_size(64 * PAGE)
    parent = written(memory)
    page = page_at(memory, parent)
    family = [parent, *(dup_mmap(parent) for _ in range(slots(memory) + 2))]
    locked = family[slots(memory) // 2]
    next(iter(locked.vmas())).vm_flags |= lib.VM_LOCKED
    lib.pageout_range(memory.m, parent.ptr, BASE, BASE + PAGE)
    next(iter(locked.vmas())).vm_flags &= ~lib.VM_LOCKED
    left = {pte_at(memory, mm) for mm in family if memory.present(mm, 0, 1)}
    assert pte_at(memory, locked) in left
    assert len(left) == family.index(locked) + 1  # the newest go first
    assert set(memory.vm.rmap.entries(page)) == left
    memory.check()


# ---- mremap, swap ----------------------------------------------------------------


@pytest.mark.parametrize("children", [0, 1, 9])
def test_mremap_rewrites_the_entry(memory: Memory, children: int) -> None:
    """Where it stands; nothing is copied, allocated or freed."""
    parent = written(memory, 2)
    family = [*(dup_mmap(parent) for _ in range(children)), parent]
    page = page_at(memory, parent)
    before, taken = memory.vm.rmap.entries(page), objects(memory)
    at, old = before.index(pte_at(memory, parent)), pte_at(memory, parent)
    do_mremap(parent, BASE, 2 * PAGE, 2 * PAGE, 3, BASE + 2048 * PAGE)
    after = memory.vm.rmap.entries(page)
    assert (before[at], after[at]) == (old, pte_at(memory, parent, 2048))
    assert before[:at] + before[at + 1 :] == after[:at] + after[at + 1 :]
    assert objects(memory) == taken
    assert memory.core.counters()["rmap_copies"] == 0
    memory.check()
    for mm in family:
        mm.put()
    memory.check()
    assert objects(memory) == 0


@pytest.mark.parametrize("how", ["fault", "swapoff"])
def test_pages_come_back_from_swap_into_lists(memory: Memory, how: str) -> None:
    memory.vm.swap.swapon_size(64 * PAGE)
    parent = written(memory, 3)
    family = [parent, *(dup_mmap(parent) for _ in range(8))]
    assert lib.pageout_range(memory.m, parent.ptr, BASE, BASE + 3 * PAGE) == 3
    assert objects(memory) == 0
    if how == "swapoff":
        (area,) = memory.vm.swap.areas
        memory.vm.swap.swapoff(area.path)
    for mm in family:
        memory.verify(mm, 0, 3)
    assert objects(memory) == 3 * -(-9 // slots(memory))
    memory.check()


# ---- memory runs out ---------------------------------------------------------------


def test_fork_without_memory_for_lists(memory: Memory) -> None:
    """It ends in the middle of an area; what it had got hold of comes back."""
    pages = 2 * memory.m.k.caches[lib.CACHE_pte_chain].num
    parent = written(memory, pages)
    caches = (lib.CACHE_vm_area_struct, lib.CACHE_mm_struct, lib.CACHE_pte_chain)
    with memory.starved(*caches) as taken:
        needed = 2 + LEVELS + 1  # a slab of mms, one of vmas, tables; one of lists, where two go
        for _ in range(needed):
            lib.put_page(memory.m, taken.pop())
        assert errno_of(dup_mmap, parent) == ENOMEM
        assert memory.core.counters()["fork_ptes"] == pages // 2
        assert objects(memory) == pages // 2  # until somebody asks
        for n in range(pages // 2):
            lib.page_referenced(memory.m, page_at(memory, parent, n))
        assert memory.free == needed
    memory.check()
    memory.verify(parent, 0, pages)
    child = dup_mmap(parent)
    parent.put()
    memory.verify(child, 0, pages)
    child.put()
    memory.check()
    assert objects(memory) == 0


def test_fork_that_must_wait_for_memory() -> None:
    """No frame without reclaim: the locks are given back, and it goes on where it was."""
    memory = Memory("pte_chain", ram=512)
    memory.vm.swap.swapon_size(2048 * PAGE)
    parent = memory.process()
    pages = 300
    memory.map(parent, 0, pages)
    memory.fill(parent, 0, pages)
    memory.map(parent, 1024, 512)
    extra = 0
    while memory.free > memory.m.k.zone.pages_min + 5:
        memory.fill(parent, 1024 + extra, 1)
        extra += 1
    before = memory.core.counters()["pswpout"]
    children = [dup_mmap(parent), dup_mmap(parent)]
    assert memory.core.counters()["pswpout"] > before
    memory.check()
    for mm in (parent, *children):
        memory.verify(mm, 0, pages)
        memory.verify(mm, 1024, extra)
    memory.check()
    memory.close()


def test_one_list_is_enough_for_a_fault_with_two_ptes(memory: Memory) -> None:
    """A write brings a page back beside its first mapper, and is then given a copy.

    The first needs a list, for the page's second pte; the copy has one pte, PG_direct.
    """
    memory.vm.swap.swapon_size(64 * PAGE)
    parent = written(memory)
    child = dup_mmap(parent)
    assert lib.pageout_range(memory.m, parent.ptr, BASE, BASE + PAGE) == 1
    memory.verify(child, 0, 1)  # the page is back, with one pte
    assert objects(memory) == 0
    again = memory.core.counters()["swapin"]
    with memory.starved(lib.CACHE_pte_chain) as taken:
        assert memory.vm.fault(parent, BASE, lib.ACCESS_WRITE) == lib.FAULT_OOM
        assert objects(memory) == memory.m.k.caches[lib.CACHE_pte_chain].nr_slabs == 0
        for _ in range(2):  # a slab with the list, the copy
            lib.put_page(memory.m, taken.pop())
        assert memory.vm.fault(parent, BASE, lib.ACCESS_WRITE) == lib.FAULT_MINOR
        assert memory.free == 0
    assert memory.core.counters()["swapin"] == again + 1
    assert objects(memory) == 1  # of the child's page, which has one pte again
    assert memory.vm.rmap.entries(page_at(memory, child)) == [pte_at(memory, child)]
    assert memory.vm.rmap.entries(page_at(memory, parent)) == [pte_at(memory, parent)]
    assert memory.m.locks.held.reserve == 0
    memory.verify(parent, 0, 1)
    memory.check()


def test_a_fault_gives_back_what_it_did_not_need(memory: Memory) -> None:
    mm = written(memory, 4)
    mm.read(BASE, 1)
    do_munmap(mm, BASE, PAGE)
    assert (objects(memory), memory.m.locks.held.reserve) == (0, 0)
    mm.put()
    memory.check()


# ---- check() ---------------------------------------------------------------------


def broken(memory: Memory, message: str) -> None:
    with pytest.raises(KernelBug, match=message):
        memory.check()


def test_check_sees_a_wrong_entry(memory: Memory) -> None:
    parent = written(memory, 2)
    child = dup_mmap(parent)
    (chain,) = memory.vm.rmap.chains(page_at(memory, parent))
    last = slots(memory) - 1
    chain.ptes[last] = pte_at(memory, child)
    pfn = lib.page_to_pfn(memory.m, page_at(memory, parent))
    broken(memory, re.escape(f"page {pfn} lists pte {pte_at(memory, child):#x} 2 times, mapped 1"))
    chain.ptes[last] = pte_at(memory, parent)
    memory.check()
    chain.ptes[0] = pte_at(memory, parent)
    if slots(memory) > 2:
        broken(memory, f"pte_chain 0 of page {pfn} has a pte in a free slot")


def test_check_sees_a_free_slot_behind_the_first_object(memory: Memory) -> None:
    parent = written(memory)
    for _ in range(slots(memory)):
        dup_mmap(parent)
    _, second = memory.vm.rmap.chains(page_at(memory, parent))
    second.next_and_idx += 1
    broken(memory, r"pte_chain 1 of page \d+ is in use from slot 1")


def test_check_sees_a_lost_object(memory: Memory) -> None:
    written(memory)
    lib.kmem_cache_alloc(memory.m, lib.CACHE_pte_chain, lib.GFP_KERNEL)
    broken(memory, "pte_chains is 1, recomputed 0")


def test_check_sees_whose_a_table_is(memory: Memory) -> None:
    parent = written(memory)
    table = memory.core.page((pte_at(memory, parent) - memory.core.page_offset) >> 12)
    assert (table.mapping, table.index) == (parent.kaddr, BASE)
    table.index += PAGE
    broken(memory, rf"the page table of mm {parent.kaddr:#x} at {BASE:#x} says mm")


def test_check_sees_a_flag_left_behind(memory: Memory) -> None:
    written(memory)
    free = ffi.cast("struct page *", memory.core.base + memory.m.k.zone.free_list.next)
    free = memory.core.ffi.cast(
        "struct page *",
        memory.core.base + memory.m.k.zone.free_list.next - ffi.offsetof("struct page", "lru"),
    )
    free.flags |= lib.PG_direct
    broken(memory, "1 pages are PG_direct and have no ptes to list")


def test_lists_are_as_large_as_the_page_tables() -> None:
    """A page table's worth of pages, each list full: a line for what NRPTE ptes take in tables."""
    memory = Memory("pte_chain", ram=4096)
    parent = written(memory, TABLE)
    family = [parent, *(dup_mmap(parent) for _ in range(slots(memory) - 1))]
    cache = memory.m.k.caches[lib.CACHE_pte_chain]
    assert cache.nr_active == TABLE
    assert cache.nr_active * cache.objsize == TABLE * WORD * (len(family) + 1)
    assert cache.nr_slabs == -(-TABLE // 30)
    assert memory.m.pages.nr_pagetable == len(family) * LEVELS
    dup_mmap(parent)  # one more process, and a second object for each page
    assert cache.nr_slabs == -(-2 * TABLE // 30)
    memory.check()
    memory.close()
