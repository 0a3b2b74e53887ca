"""The cache of file pages: its tree of indices, the LRU, and what reclaim does to them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from memory import BASE, PAGE, Memory, errno_of

from tests.width import ffi, lib
from vmemu.mm import Mm, do_munmap, dup_mmap
from vmemu.mm.vma import new_vma

TERABYTE = 1 << 40
EDGES = [0, 1, 63, 64, 65, 4095, 4096, 262143, 262144, 16777215, 16777216, (1 << 28) - 1]
FLAGS = lib.VM_READ | lib.VM_MAYREAD | lib.VM_MAYWRITE | lib.VM_MAYEXEC


class File:
    """A sparse file of a terabyte whose page n begins with n, in one process's sight."""

    def __init__(self, path: Path, scheme: str = "anon_vma") -> None:
        with path.open("wb") as file:
            file.truncate(TERABYTE)
        self.path = path
        self.memory = Memory(scheme)
        self.inode = self.memory.vm.inodes.open(str(path))
        self.mapping = ffi.cast("struct address_space *", self.memory.core.base + self.inode.kaddr)
        self.mm: Mm = self.memory.process()

    def read(self, index: int, *, keep: bool = False, mm: Mm | None = None) -> Any:
        """Map page ``index``, read it, and unmap it again; its frame."""
        mm = mm or self.mm
        new_vma(mm, BASE, BASE + PAGE, FLAGS, self.inode.kaddr, index)
        mm.ptr.total_vm += 1
        with self.path.open("r+b") as file:
            file.seek(index * PAGE)
            file.write(index.to_bytes(8, "little"))
        assert mm.read(BASE, 8) == index.to_bytes(8, "little")
        pte = lib.pte_value(self.memory.m, mm.ptr, BASE)
        if not keep:
            do_munmap(mm, BASE, PAGE)
        return self.memory.core.page(pte >> 12)

    def find(self, index: int) -> Any:
        """The cached page, or None."""
        page = lib.find_get_page(self.memory.m, self.mapping, index)
        if not page:
            return None
        lib.put_page(self.memory.m, page)
        return page

    def remove(self, index: int) -> None:
        lib.remove_from_page_cache(self.memory.m, self.find(index))

    @property
    def nodes(self) -> int:
        return int(self.memory.m.k.caches[lib.CACHE_radix_tree_node].nr_active)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[File]:
    file = File(tmp_path / "sparse")
    yield file
    file.memory.check()
    file.memory.close()


# ---- the tree ----------------------------------------------------------------------------


def height_for(index: int) -> int:
    """A tree of height h holds indices below 64 ** h."""
    height = 1
    while index >= 64**height:
        height += 1
    return height


def nodes_for(indices: set[int], height: int) -> int:
    """One node for each prefix of an index: none is empty."""
    return sum(len({index >> 6 * level for index in indices}) for level in range(1, height + 1))


@pytest.mark.parametrize("seed", range(4))
def test_any_indices(file: File, seed: int) -> None:
    rng, there, height = random.Random(seed), dict[int, Any](), 0
    near = [max(0, edge + rng.randrange(-2, 3)) for edge in EDGES[:-1]]
    pool = sorted({*EDGES, *near, *(rng.randrange(1 << rng.randrange(1, 29)) for _ in range(20))})
    for _ in range(120):
        index = rng.choice(pool)
        if index in there and rng.random() < 0.7:
            file.remove(index)
            del there[index]
            if not there:
                height = 0
        elif index not in there and len(there) < 30:
            there[index] = file.read(index)
            height = max(height, height_for(index))
        assert file.mapping.nrpages == len(there)
        assert file.mapping.page_tree.height == height
        assert file.nodes == nodes_for(set(there), height)
        for other in pool:
            assert file.find(other) == there.get(other)
    file.memory.check()


@pytest.mark.parametrize("index", EDGES)
def test_a_single_page_needs_one_node_a_level(file: File, index: int) -> None:
    page = file.read(index)
    assert page.index == index
    assert file.nodes == file.mapping.page_tree.height == height_for(index)
    for other in {index ^ 1, index ^ 64, index + 64**file.nodes, 0, 0xFFFFFFFF} - {index}:
        assert file.find(other) is None
    file.remove(index)
    assert (file.nodes, file.mapping.page_tree.height, file.mapping.page_tree.rnode) == (0, 0, 0)


def test_a_tree_grows_over_what_it_has(file: File) -> None:
    small = file.read(5)
    large = file.read(64**3)
    assert file.nodes == 4 + 3  # the path of each; the root is theirs in common
    assert (file.find(5), file.find(64**3)) == (small, large)
    file.remove(64**3)
    assert file.nodes == 4  # it does not shrink
    assert file.find(5) == small


# ---- pages ---------------------------------------------------------------------------------


def test_a_page_is_read_once(file: File) -> None:
    m, before = file.memory.m, file.memory.core.counters()["pgpgin"]
    page = file.read(3)
    assert file.read(3) == page
    assert file.memory.core.counters()["pgpgin"] == before + 1
    assert (m.pages.nr_pagecache, file.mapping.nrpages, page._count) == (1, 1, 1)
    assert page.flags & lib.PG_uptodate


def test_uses_make_it_active(file: File) -> None:
    """2.6's mark_page_accessed, by faults that find the page and by munmap of a young pte."""
    zone = file.memory.m.k.zone

    def state() -> tuple[int, int, bool]:
        return zone.nr_inactive, zone.nr_active, bool(page.flags & lib.PG_referenced)

    page = file.read(3, keep=True)
    assert state() == (1, 0, False)
    do_munmap(file.mm, BASE, PAGE)
    assert state() == (1, 0, True)
    assert file.read(3, keep=True) == page
    assert state() == (0, 1, False)
    do_munmap(file.mm, BASE, PAGE)
    assert state() == (0, 1, True)
    file.read(3)
    assert state() == (0, 1, True)


def test_munmap_of_an_old_pte_is_no_use(file: File) -> None:
    page = file.read(3, keep=True)
    assert lib.page_referenced(file.memory.m, page) == 1
    do_munmap(file.mm, BASE, PAGE)
    assert not page.flags & lib.PG_referenced


def test_behind_the_end_there_is_nothing(file: File) -> None:
    with file.path.open("r+b") as data:
        data.truncate(2 * PAGE + 1)
    mm = file.mm
    new_vma(mm, BASE, BASE + 4 * PAGE, FLAGS, file.inode.kaddr, 0)
    mm.ptr.total_vm += 4
    vm = file.memory.vm
    assert vm.fault(mm, BASE + 2 * PAGE, lib.ACCESS_READ) == lib.FAULT_MAJOR
    free = file.memory.free
    assert vm.fault(mm, BASE + 3 * PAGE, lib.ACCESS_READ) == lib.FAULT_SIGBUS
    assert file.memory.free == free
    assert errno_of(mm.read, BASE + 3 * PAGE, 1) == 14
    assert mm.read(BASE + 2 * PAGE, PAGE) == bytes(PAGE)
    assert file.mapping.nrpages == 1


def test_an_unmapped_clean_page_is_dropped(file: File) -> None:
    page = file.read(7)
    assert lib.shrink_cache(file.memory.m, 1) == 1
    assert file.find(7) is None
    assert (page._count, page.mapping) == (0, 0)
    assert (file.mapping.nrpages, file.memory.m.pages.nr_pagecache) == (0, 0)


@pytest.mark.parametrize("scheme", ["anonmm", "anon_vma"])
def test_a_mapped_page_is_unmapped_everywhere_first(tmp_path: Path, scheme: str) -> None:
    """As 2.6.6: over the file's list of areas, those of both processes."""
    file = File(tmp_path / "sparse", scheme)
    m = file.memory.m
    page = file.read(7, keep=True)
    other = dup_mmap(file.mm)
    assert lib.page_referenced(m, page) == 1
    assert other.read(BASE, 1) == b"\7"
    assert page.mapcount == 2
    assert lib.page_referenced(m, page) == 1
    assert lib.page_referenced(m, page) == 0
    other.read(BASE, 1)
    assert lib.shrink_cache(m, 1) == 0  # young under one of them: active
    assert page.flags & lib.PG_active
    lib.refill_inactive_zone(m, 1, 1)
    assert lib.shrink_cache(m, 1) == 1
    assert file.find(7) is None
    for mm in (file.mm, other):
        assert lib.pte_kind_at(m, mm.ptr, BASE) == lib.PTE_NONE
        assert mm.read(BASE, 1) == b"\7"
    other.put()
    file.memory.check()
    file.memory.close()


def test_a_page_in_two_places_of_one_process(file: File) -> None:
    """The second area begins earlier in the file: the page's address there is another."""
    page = file.read(7, keep=True)
    mm = file.mm
    at = BASE + 16 * PAGE
    new_vma(mm, at, at + 4 * PAGE, FLAGS, file.inode.kaddr, 4)
    mm.ptr.total_vm += 4
    assert mm.read(at + 3 * PAGE, 1) == b"\7"
    assert page.mapcount == 2
    assert lib.reclaim_page(file.memory.m, page) == 1
    assert file.find(7) is None


def test_closing_the_file_frees_its_pages(tmp_path: Path) -> None:
    file = File(tmp_path / "sparse")
    memory = file.memory
    free = memory.free
    inode = memory.vm.inodes.open(str(file.path))
    mapping = ffi.cast("struct address_space *", memory.core.base + inode.kaddr)
    fd = memory.m.inodes[mapping.host - 1].fd
    file.mapping, file.inode = mapping, inode
    for index in (0, 1, 64, 700):
        file.read(index)
    assert memory.free < free
    memory.vm.inodes.close(inode)
    assert memory.m.pages.nr_pagecache == 0
    assert not Path(f"/proc/self/fd/{fd}").exists()
    memory.check()
    memory.close()


def test_a_file_with_holes_is_closed_by_what_is_cached_of_it(file: File) -> None:
    """Not by its places, of which a terabyte has too many to ask for each."""
    before = file.nodes
    for index in EDGES:
        file.read(index)
    other = file.path.with_name("other")
    other.write_bytes(b"x" * PAGE)
    beside = file.memory.vm.inodes.open(str(other))
    new_vma(file.mm, BASE, BASE + PAGE, FLAGS, beside.kaddr, 0)
    file.mm.ptr.total_vm += 1
    assert file.mm.read(BASE, 1) == b"x"
    assert file.mapping.nrpages == len(EDGES)
    file.memory.vm.inodes.close(file.inode)
    assert file.nodes <= before + 1  # the other file's
    file.memory.check()
    assert file.mm.read(BASE, 1) == b"x"


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, 0), (0, 1), (5, PAGE), (PAGE - 1, PAGE + 1), (1, 64 * PAGE + 3), (0, TERABYTE)],
)
def test_what_is_cached_of_zeros_is_zeros(file: File, start: int, end: int) -> None:
    places = [0, 1, 64, (1 << 28) - 1]
    frames = {index: file.read(index) for index in places}
    core = file.memory.core
    for frame in frames.values():
        ffi.memmove(core.m.ram + (lib.page_to_pfn(core.m, frame) << 12), b"\xff" * PAGE, PAGE)
    file.inode.zeroed(start, end)
    for index, frame in frames.items():
        found = ffi.buffer(core.m.ram + (lib.page_to_pfn(core.m, frame) << 12), PAGE)[:]
        expected = bytearray(b"\xff" * PAGE)
        low, high = max(start, index * PAGE), min(end, (index + 1) * PAGE)
        if low < high:
            expected[low - index * PAGE : high - index * PAGE] = bytes(high - low)
        assert found == expected
