"""pte_chain:files=chains: pages of files list their ptes as well, and nothing else is looked at."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from errno import ENOMEM
from typing import Any

import pytest
from memory import BASE, FIXED, PAGE, PRIVATE, RW, Memory, errno_of

from tests.width import LEVELS, TABLE, WORD, lib
from vmemu.core import core_of
from vmemu.errors import KernelBug
from vmemu.mm import Mm, do_mlock, do_mmap, do_mremap, do_munmap, do_remap_file_pages, dup_mmap

SHARED = 1
PAGES = 40
LINES = ("128", "32")


class Filed(Memory):
    """A file of tmpfs, of which each page begins with its number."""

    def __init__(self, line: str = "128", **options: Any) -> None:
        super().__init__(f"pte_chain:line={line}:files=chains", overcommit=1, **options)
        self.slots = int(line) // WORD - 1
        self.inode = self.vm.inodes.shmem("file", PAGES * PAGE)
        for n in range(PAGES):
            self.inode.write(n * PAGE, bytes([n]) * 4)

    def mapping(self, pages: int = PAGES, first: int = 0, kind: int = SHARED) -> Mm:
        """A process that has read so many pages at BASE."""
        mm = self.process()
        do_mmap(mm, BASE, pages * PAGE, RW, kind | FIXED, self.inode, first)
        self.read(mm, pages, first)
        return mm

    def read(self, mm: Mm, pages: int, first: int = 0, at: int = 0) -> None:
        for n in range(pages):
            assert mm.read(BASE + (at + n) * PAGE, 1) == bytes([first + n])

    def pte(self, mm: Mm, at: int = 0) -> int:
        return int(self.core.kaddr(lib.pte_offset(self.m, mm.ptr, BASE + at * PAGE)))

    def page(self, mm: Mm, at: int = 0) -> Any:
        return self.core.page(lib.pte_value(self.m, mm.ptr, BASE + at * PAGE) >> 12)

    def entries(self, mm: Mm, at: int = 0) -> list[int]:
        return list(self.vm.rmap.entries(self.page(mm, at)))

    @property
    def objects(self) -> int:
        return int(self.m.k.caches[lib.CACHE_pte_chain].nr_active)

    def age(self, mm: Mm, pages: int = PAGES) -> None:
        for at in range(pages):
            lib.pte_offset(self.m, mm.ptr, BASE + at * PAGE)[0] &= ~lib._PAGE_ACCESSED
            self.page(mm, at).flags &= ~lib.PG_referenced

    def counted(self, *names: str) -> list[int]:
        counters = self.core.counters()
        return [counters[name] for name in names]


@pytest.fixture(params=LINES)
def memory(request: pytest.FixtureRequest) -> Iterator[Filed]:
    memory = Filed(request.param)
    yield memory
    memory.check()
    memory.close()


@pytest.mark.parametrize("files", ["areas", "chains"])
@pytest.mark.parametrize("bits", [32, 64])
def test_struct_page_does_not_grow(bits: int, files: str) -> None:
    """The pte or list of a file's page is where an anonymous page has its swap entry."""
    memory = Memory(f"pte_chain:files={files}", bits=bits)
    assert core_of(bits)[0].sizeof("struct page") == (32 if bits == 32 else 56)
    assert memory.m.rmap_files == (files == "chains")
    memory.close()


# ---- lists ---------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 7, 8, 31, 32])
def test_who_maps_a_page_is_listed(memory: Filed, n: int) -> None:
    """By faults of strangers, and by fork; the newest first. The file stays the page's mapping."""
    first = memory.mapping(3)
    page = memory.page(first)
    assert page.flags & lib.PG_direct
    assert (page.mapping, page.private) == (memory.inode.kaddr, memory.pte(first))
    family = [first, *(memory.mapping(3) if i % 2 else dup_mmap(first) for i in range(n))]
    assert memory.entries(first) == [memory.pte(mm) for mm in reversed(family)]
    assert memory.objects == 3 * -(-(n + 1) // memory.slots)
    assert page.mapping == memory.inode.kaddr
    memory.check()
    for mm in family:
        mm.put()
    assert (memory.objects, page.private, page.flags & lib.PG_direct) == (0, 0, 0)


def test_without_the_option_there_are_none() -> None:
    memory = Memory("pte_chain:files=areas", overcommit=1)
    inode = memory.vm.inodes.shmem("file", PAGE)
    mm = memory.process()
    do_mmap(mm, BASE, PAGE, RW, SHARED | FIXED, inode)
    mm.write(BASE, b"x")
    child = dup_mmap(mm)
    assert memory.m.k.caches[lib.CACHE_pte_chain].nr_active == 0
    page = memory.core.page(lib.pte_value(memory.m, child.ptr, BASE) >> 12)
    assert (page.mapcount, page.private, page.flags & lib.PG_direct) == (2, 0, 0)
    memory.check()
    memory.close()


@pytest.mark.parametrize("seed", range(3))
def test_beside_a_model(memory: Filed, seed: int) -> None:
    """Fork, exit, munmap, mremap, remap_file_pages: who has page 0, in order."""
    rng = random.Random(seed)
    first = memory.mapping(2, kind=PRIVATE)
    page = memory.page(first)
    family, model = [(first, 0)], [memory.pte(first)]

    def gone(mm: Mm, at: int) -> None:
        place = model.index(memory.pte(mm, at))
        model[place] = model[0]
        del model[0]

    for _ in range(200):
        mm, at = family[rng.randrange(len(family))]
        act = rng.randrange(6)
        if act < 2 or len(family) < 2:
            child = dup_mmap(mm)
            family.append((child, at))
            model.insert(0, memory.pte(child, at))
        elif act == 2:
            other = memory.process()
            do_mmap(other, BASE, 2 * PAGE, RW, SHARED | FIXED, memory.inode, rng.randrange(2))
            do_remap_file_pages(other, BASE, PAGE, 0, 0, nonblock=False)
            family.append((other, 0))
            model.insert(0, memory.pte(other))
        elif act == 3:
            to = at + 4 * rng.randrange(1, 400)
            place = model.index(memory.pte(mm, at))
            do_mremap(mm, BASE + at * PAGE, PAGE, PAGE, 3, BASE + to * PAGE)
            model[place] = memory.pte(mm, to)
            family[family.index((mm, at))] = (mm, to)
        else:
            family.remove((mm, at))
            gone(mm, at)
            if act == 4:
                mm.put()
            else:
                do_munmap(mm, BASE + at * PAGE, PAGE)
        assert memory.vm.rmap.entries(page) == model
        assert page.mapcount == len(model)
    memory.check()


def test_a_private_write_leaves_the_list(memory: Filed) -> None:
    """The copy lists its pte as anonymous pages do; the file's page loses that one."""
    one, two = memory.mapping(1, kind=PRIVATE), memory.mapping(1, kind=PRIVATE)
    page = memory.page(one)
    two.write(BASE, b"own")
    assert memory.vm.rmap.entries(page) == [memory.pte(one)]
    assert memory.entries(two) == [memory.pte(two)]
    assert memory.page(two).mapping == memory.pte(two)


def test_mremap_of_a_whole_table(memory: Filed) -> None:
    """Each entry is rewritten where it stands."""
    parent = memory.mapping(PAGES)
    child = dup_mmap(parent)
    before, taken = memory.entries(child, 3), memory.objects
    do_mremap(parent, BASE, PAGES * PAGE, PAGES * PAGE, 3, BASE + 2 * TABLE * PAGE)
    at = memory.pte(parent, 2 * TABLE + 3)
    assert memory.entries(child, 3) == [before[0], at]
    assert memory.objects == taken
    memory.read(parent, PAGES, at=2 * TABLE)


# ---- walks ---------------------------------------------------------------------

WALK = ("file_unmap_probes", "file_unmap_cmp", "i_mmap_nodes", "nonlinear_ptes")


@pytest.mark.parametrize("tasks", [1, 2, 9, 33])
def test_a_walk_goes_to_its_ptes_alone(memory: Filed, tasks: int) -> None:
    """Of many windows on one file: so many probes as tasks map the page."""
    for n in range(tasks):
        mm = memory.process()
        for window in range(10):
            at = BASE + 2 * window * PAGE
            do_mmap(mm, at, PAGE, RW, SHARED | FIXED, memory.inode, (window + n) % 10)
            mm.read(at, 1)
            lib.pte_offset(memory.m, mm.ptr, at)[0] &= ~lib._PAGE_ACCESSED
    page = memory.page(mm)
    page.flags &= ~lib.PG_referenced
    assert lib.page_referenced(memory.m, page) == 0
    assert memory.counted("file_referenced_probes", "file_referenced_cmp") == [tasks, 0]
    assert lib.try_to_unmap(memory.m, page) == lib.SWAP_SUCCESS
    assert memory.counted(*WALK) == [tasks, 0, 0, 0]
    memory.check()


def test_nonlinear_pages_are_found_one_by_one(memory: Filed) -> None:
    """page_referenced sees them, try_to_unmap takes the one it wants, and the pte says which."""
    mm = memory.mapping()
    for at in range(PAGES):
        do_remap_file_pages(mm, BASE + at * PAGE, PAGE, 0, PAGES - 1 - at, nonblock=False)
    memory.page(mm, 5).flags &= ~lib.PG_referenced
    assert lib.page_referenced(memory.m, memory.page(mm, 5)) == 1
    memory.age(mm)
    assert lib.page_referenced(memory.m, memory.page(mm, 5)) == 0
    assert lib.try_to_unmap(memory.m, memory.page(mm, 5)) == lib.SWAP_SUCCESS
    kinds = [lib.pte_kind_at(memory.m, mm.ptr, BASE + at * PAGE) for at in (4, 5, 6)]
    assert kinds == [lib.PTE_PRESENT, lib.PTE_FILE, lib.PTE_PRESENT]
    assert memory.counted(*WALK, "nonlinear_collateral") == [1, 0, 0, 0, 0]
    assert mm.read(BASE + 5 * PAGE, 1) == bytes([PAGES - 6])
    memory.check()


def test_a_locked_area_ends_the_walk(memory: Filed) -> None:
    """page_referenced of 2.6.6 did not ask; try_to_unmap refuses, and the entries behind stay."""
    family = [memory.mapping(1) for _ in range(5)]
    do_mlock(family[2], BASE, PAGE)
    for mm in family:
        memory.age(mm, 1)
    page = memory.page(family[0])
    assert lib.page_referenced(memory.m, page) == 0
    assert lib.try_to_unmap(memory.m, page) == lib.SWAP_FAIL
    assert sorted(memory.vm.rmap.entries(page)) == sorted(memory.pte(mm) for mm in family[:3])


def test_one_entry_is_direct_again_when_somebody_asks(memory: Filed) -> None:
    one, two = memory.mapping(1), memory.mapping(1)
    page = memory.page(one)
    two.put()
    assert (memory.objects, page.flags & lib.PG_direct) == (1, 0)
    lib.page_referenced(memory.m, page)
    assert (memory.objects, page.private) == (0, memory.pte(one))
    assert page.flags & lib.PG_direct


# ---- swap, truncation, memory runs out ------------------------------------------------


def test_shared_memory_goes_to_swap_and_back(memory: Filed) -> None:
    """private is the swap entry while the page is away, and the list when it is mapped again."""
    memory.vm.swap.swapon_size(64 * PAGE)
    family = [memory.mapping() for _ in range(3)]
    for mm in family:
        for at in range(PAGES):
            mm.write(BASE + at * PAGE, bytes([at]))
        memory.age(mm)
    # a page's last walk finds three old ptes
    assert sum(lib.reclaim_page(memory.m, memory.page(family[0], at)) for at in range(PAGES)) > 0
    (out,) = memory.counted("shmem_swapout")
    assert out == PAGES
    assert memory.objects == 0
    memory.check()
    for mm in family:
        memory.read(mm, PAGES)
    assert memory.counted("shmem_swapin") == [out]
    assert memory.objects == PAGES * -(-3 // memory.slots)


def test_truncation_empties_the_lists(memory: Filed) -> None:
    """It comes by the file's areas, as before."""
    family = [memory.mapping() for _ in range(4)]
    page = memory.page(family[0], 39)
    memory.inode.truncate(20 * PAGE)
    assert (page.private, page.mapcount) == (0, 0)
    assert memory.objects == 20 * -(-4 // memory.slots)
    memory.check()


def test_fork_without_memory_for_lists(memory: Filed) -> None:
    """It fails as for anonymous pages, and leaves the parent as it was."""
    parent = memory.mapping()
    caches = (lib.CACHE_vm_area_struct, lib.CACHE_mm_struct, lib.CACHE_pte_chain)
    slab = int(memory.m.k.caches[lib.CACHE_pte_chain].num)
    with memory.starved(*caches) as taken:
        for _ in range(
            2 + LEVELS + PAGES // slab
        ):  # an mm, an area, tables; a slab of two, or of one
            lib.put_page(memory.m, taken.pop())
        assert errno_of(dup_mmap, parent) == ENOMEM
        assert memory.counted("fork_ptes") == [PAGES // slab * slab]
    memory.check()
    memory.read(parent, PAGES)


def test_remap_file_pages_without_memory_for_lists(memory: Filed) -> None:
    mm, _other = memory.mapping(2), memory.mapping(2)
    free = memory.m.k.caches[lib.CACHE_pte_chain].nr_active

    def remap() -> None:
        do_remap_file_pages(mm, BASE, PAGE, 0, 1, nonblock=False)

    with memory.starved(lib.CACHE_pte_chain):
        assert errno_of(remap) == ENOMEM
    assert memory.m.k.caches[lib.CACHE_pte_chain].nr_active == free
    memory.check()
    remap()
    memory.read(mm, 1, 1)
    assert memory.page(mm).mapcount == 3
    assert memory.m.locks.held.reserve == 0


# ---- check() ---------------------------------------------------------------------


def broken(memory: Filed, message: str) -> None:
    with pytest.raises(KernelBug, match=message):
        memory.check()


@pytest.mark.parametrize("tasks", [1, 3])
def test_check_sees_a_dropped_entry(memory: Filed, tasks: int) -> None:
    """One pte less in the list of a file's page: it is missing."""
    family = [memory.mapping(2) for _ in range(tasks)]
    page = memory.page(family[0])
    at = memory.pte(family[0])
    if tasks == 1:
        page.private, page.flags = 0, page.flags & ~lib.PG_direct
    else:
        (chain,) = memory.vm.rmap.chains(page)
        chain.ptes[memory.slots - 1] = memory.pte(family[1])
    pfn = lib.page_to_pfn(memory.m, page)
    broken(memory, re.escape(f"page {pfn} lists pte {at:#x} 0 times, mapped 1 times"))
    if tasks == 1:
        page.private, page.flags = at, page.flags | lib.PG_direct
    else:
        chain.ptes[memory.slots - 1] = at


def test_check_sees_an_entry_too_many(memory: Filed) -> None:
    """A pte of another page of the file."""
    one, _two = memory.mapping(2), memory.mapping(1)
    page = memory.page(one)
    (chain,) = memory.vm.rmap.chains(page)
    first = int(chain.next_and_idx) & 127
    chain.next_and_idx -= 1
    chain.ptes[first % (memory.slots + 1) - 1] = memory.pte(one, 1)
    broken(memory, rf"lists pte {memory.pte(one, 1):#x} 1 times, mapped 0")
    chain.ptes[first % (memory.slots + 1) - 1] = 0
    chain.next_and_idx += 1
