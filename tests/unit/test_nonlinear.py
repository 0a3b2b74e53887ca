"""Nonlinear areas: which page is where only the ptes know, and they go by clusters."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from memory import ANON, BASE, FIXED, PAGE, PRIVATE, RW, SCHEMES, Memory

from tests.width import ffi, lib
from vmemu.core import I_MMAPS
from vmemu.errors import Errno
from vmemu.mm import (
    Mm,
    do_mlock,
    do_mmap,
    do_mprotect,
    do_mremap,
    do_munmap,
    do_remap_file_pages,
    dup_mmap,
)

SHARED = 1
PAGES = 100


class File:
    """A file of which each page begins with its number, and a process that maps it."""

    def __init__(self, path: Path, scheme: str = "anon_vma", i_mmap: str = "prio_tree") -> None:
        self.memory = Memory(scheme, ram=2048, i_mmap=i_mmap)
        self.path = path
        path.write_bytes(b"".join(bytes([n]) * PAGE for n in range(PAGES)))
        self.inode = self.memory.vm.inodes.share(
            (1, 1, 1, 1), "file", lambda: os.open(path, os.O_RDWR), writable=True
        )
        self.mm = self.memory.process()
        do_mmap(self.mm, BASE, PAGES * PAGE, RW, SHARED | FIXED, self.inode)

    @property
    def mapping(self) -> Any:
        return ffi.cast("struct address_space *", self.memory.core.base + self.inode.kaddr)

    def remap(self, at: int, first: int, pages: int = 1, *, nonblock: bool = False) -> None:
        do_remap_file_pages(self.mm, BASE + at * PAGE, pages * PAGE, 0, first, nonblock=nonblock)

    def kind(self, at: int, mm: Mm | None = None) -> int:
        return int(lib.pte_kind_at(self.memory.m, (mm or self.mm).ptr, BASE + at * PAGE))

    def page(self, at: int) -> Any:
        pte = lib.pte_value(self.memory.m, self.mm.ptr, BASE + at * PAGE)
        return self.memory.core.page(pte >> 12)

    def age(self) -> None:
        """No pte is young any more."""
        for at in range(PAGES):
            slot = lib.pte_offset(self.memory.m, self.mm.ptr, BASE + at * PAGE)
            if slot and slot[0] & lib._PAGE_PRESENT:
                slot[0] &= ~lib._PAGE_ACCESSED

    def evict(self, at: int) -> bool:
        return bool(lib.reclaim_page(self.memory.m, self.page(at)))

    def cut(self, old: int, pages: int) -> None:
        os.truncate(self.path, pages * PAGE)
        self.inode.truncated(old * PAGE, pages * PAGE)

    def counted(self, name: str) -> int:
        return self.memory.core.counters()[name]


@pytest.fixture(params=I_MMAPS)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[File]:
    file = File(tmp_path / "file", i_mmap=request.param)
    yield file
    file.memory.check()
    file.memory.close()


def test_other_pages_are_there(file: File) -> None:
    file.remap(0, 70, 3)
    file.remap(10, 5)
    assert [file.mm.read(BASE + at * PAGE, 1)[0] for at in (0, 1, 2, 3, 10)] == [70, 71, 72, 3, 5]
    assert file.mapping.i_mmap_writable == 1
    file.mm.write(BASE + PAGE, b"\xff")
    other = file.memory.process()
    do_mmap(other, BASE, PAGE, RW, SHARED | FIXED, file.inode, 71)
    assert other.read(BASE, 1) == b"\xff"
    other.put()


def test_what_maps_its_own_pages_stays_linear(file: File) -> None:
    file.remap(4, 4, 8)
    assert file.kind(4) == lib.PTE_PRESENT
    assert file.kind(3) == lib.PTE_NONE
    (vma,) = file.mm.vmas()
    assert not vma.vm_flags & lib.VM_NONLINEAR
    file.remap(4, 5)
    assert vma.vm_flags & lib.VM_NONLINEAR


@pytest.mark.parametrize(
    ("start", "size", "prot", "pgoff"),
    [
        (BASE, PAGE, 1, 0),  # protection must not be told
        (BASE, 0, 0, 0),
        (BASE - PAGE, PAGE, 0, 0),
        (BASE + 99 * PAGE, 2 * PAGE, 0, 0),
        (BASE, PAGE, 0, 100),  # behind the file's end
        (BASE, PAGE, 0, 1 << 31),
        (BASE + 200 * PAGE, PAGE, 0, 0),  # private
        (BASE + 300 * PAGE, PAGE, 0, 0),  # of no file
    ],
)
def test_what_cannot_be(file: File, start: int, size: int, prot: int, pgoff: int) -> None:
    do_mmap(file.mm, BASE + 200 * PAGE, PAGE, RW, PRIVATE | FIXED, file.inode)
    do_mmap(file.mm, BASE + 300 * PAGE, PAGE, RW, PRIVATE | FIXED | ANON)
    with pytest.raises(Errno) as told:
        do_remap_file_pages(file.mm, start, size, prot, pgoff, nonblock=False)
    assert told.value.errno == errno.EINVAL
    assert not next(iter(file.mm.vmas())).vm_flags & lib.VM_NONLINEAR


def test_a_page_comes_back_where_it_was(file: File) -> None:
    """Its pte says which page of the file it was; of a linear place it is empty."""
    file.remap(0, 70)
    file.mm.read(BASE + 5 * PAGE, 1)
    file.mm.write(BASE, b"new")
    file.age()
    assert file.evict(0)
    assert file.kind(0) == lib.PTE_FILE
    assert file.kind(5) == lib.PTE_NONE  # swept as well
    file.memory.check()
    assert file.mm.read(BASE, 3) == b"new"
    assert file.mm.read(BASE + 5 * PAGE, 1) == b"\5"
    assert file.mapping.nrpages >= 2


def test_what_is_not_in_memory_comes_when_it_is_used(file: File) -> None:
    file.remap(0, 70, nonblock=True)
    assert file.kind(0) == lib.PTE_FILE
    assert file.mm.read(BASE, 1) == bytes([70])
    file.remap(1, 70, nonblock=True)
    assert file.kind(1) == lib.PTE_PRESENT


def test_a_linear_area_needs_no_file_entries(file: File) -> None:
    file.remap(3, 3, nonblock=True)
    assert file.kind(3) == lib.PTE_NONE


def test_clusters_are_swept_in_turn(file: File) -> None:
    """32 ptes at a time, and whatever was not used lately goes."""
    for at in range(PAGES):
        file.remap(at, PAGES - 1 - at)
    file.age()
    assert lib.page_referenced(file.memory.m, file.page(0)) == 0  # nobody looks there
    assert file.evict(0)
    assert file.counted("nonlinear_clusters") == 1
    assert file.counted("nonlinear_ptes") == 32
    assert file.counted("nonlinear_unmapped") == 32
    assert file.counted("nonlinear_collateral") == 31
    (vma,) = file.mm.vmas()
    assert vma.vm_private_data == 32 * PAGE
    assert file.evict(40)  # in the next one
    assert [file.kind(at) for at in (31, 32, 63, 64)] == [
        *[lib.PTE_FILE] * 3,
        lib.PTE_PRESENT,
    ]
    file.memory.check()
    for at in range(PAGES):
        assert file.mm.read(BASE + at * PAGE, 1)[0] == PAGES - 1 - at


def test_what_was_used_stays(file: File) -> None:
    file.remap(0, 70)
    file.remap(1, 71)
    file.age()
    slot = lib.pte_offset(file.memory.m, file.mm.ptr, BASE)
    slot[0] |= lib._PAGE_ACCESSED
    assert not file.evict(0)
    assert file.kind(0) == lib.PTE_PRESENT
    assert file.kind(1) == lib.PTE_FILE


def test_locked_areas_are_not_swept(file: File) -> None:
    file.remap(0, 70)
    do_mlock(file.mm, BASE, PAGES * PAGE)
    file.age()
    assert not file.evict(0)
    assert file.kind(0) == lib.PTE_PRESENT
    assert file.counted("nonlinear_clusters") == 0


def test_fork_split_move_and_protect(file: File) -> None:
    """The parts of a nonlinear area are nonlinear, and file entries go along."""
    for at in range(8):
        file.remap(at, 60 + at)
    file.age()
    file.evict(0)
    assert file.kind(3) == lib.PTE_FILE
    child = dup_mmap(file.mm)
    assert file.kind(3, child) == lib.PTE_FILE
    file.memory.check()
    do_munmap(child, BASE + 2 * PAGE, PAGE)
    do_mprotect(child, BASE + 4 * PAGE, PAGE, 1)
    assert all(vma.vm_flags & lib.VM_NONLINEAR for vma in child.vmas())
    assert child.ptr.map_count == 4
    do_mremap(child, BASE + 3 * PAGE, PAGE, PAGE, 3, BASE + 500 * PAGE)
    file.memory.check()
    assert child.read(BASE + 500 * PAGE, 1) == bytes([63])
    assert child.read(BASE + 4 * PAGE, 1) == bytes([64])
    assert child.read(BASE + 7 * PAGE, 1) == bytes([67])
    child.put()
    file.memory.check()
    assert file.mapping.i_mmap_writable == 1


@pytest.mark.parametrize("scheme", SCHEMES)
def test_random_pages(scheme: str, tmp_path: Path) -> None:
    """Held against a list of which page must be where, while pages go all the time."""
    rng = random.Random(scheme)
    file = File(tmp_path / "file", scheme, rng.choice(I_MMAPS))
    expected = list(range(PAGES))
    written = {n: bytes([n]) for n in range(PAGES)}
    for step in range(300):
        at, pages = rng.randrange(PAGES - 8), rng.randrange(1, 8)
        match rng.randrange(4):
            case 0 | 1:
                first = rng.randrange(PAGES - 8)
                file.remap(at, first, pages, nonblock=rng.random() < 0.5)
                expected[at : at + pages] = range(first, first + pages)
            case 2:
                written[expected[at]] = bytes([rng.randrange(256)])
                file.mm.write(BASE + at * PAGE, written[expected[at]])
            case 3:
                file.age()
                if file.kind(at) == lib.PTE_PRESENT:
                    file.evict(at)
        look = rng.randrange(PAGES)
        assert file.mm.read(BASE + look * PAGE, 1) == written[expected[look]]
        if step % 10 == 0:
            file.memory.check()
    file.mm.put()
    file.memory.check()
    file.memory.close()


def test_a_file_is_cut(file: File) -> None:
    """Whatever is behind the new end goes, wherever it was mapped; the rest stays."""
    file.remap(0, 70)
    file.remap(1, 20)
    file.mm.read(BASE + 5 * PAGE, 1)
    file.cut(100, 50)
    assert file.kind(0) == lib.PTE_FILE
    assert file.kind(1) == lib.PTE_PRESENT
    assert file.kind(5) == lib.PTE_PRESENT
    file.memory.check()
    assert file.memory.vm.fault(file.mm, BASE, lib.ACCESS_READ) == lib.FAULT_SIGBUS
    assert file.mm.read(BASE + PAGE, 1) == bytes([20])
    file.cut(50, 100)
    assert file.mm.read(BASE, 1) == b"\0"
