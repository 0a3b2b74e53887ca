"""Random operations on areas of one file, linear and not, against a plain list of its pages.

20,000 operations in all: every i_mmap, host files and shared memory, under reverse maps that walk
and one that sweeps.  After each operation a page is looked at; machine.check() is asked often.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.width import ffi, lib
from vmemu.check import check_machine
from vmemu.core import I_MMAPS, PAGE_SIZE, Core
from vmemu.errors import Errno
from vmemu.mm import (
    MemoryManager,
    Mm,
    do_mmap,
    do_mprotect,
    do_mremap,
    do_msync,
    do_munmap,
    do_remap_file_pages,
    dup_mmap,
)
from vmemu.rmap import scheme_class

PAGE = PAGE_SIZE
BASE = 0x10000000
PAGES = 24  # of the file
ROOM = 120  # of addresses
SHARED, PRIVATE, FIXED = 1, 2, 0x10
R, RW = 1, 3
OPERATIONS = 1700


class World:
    """The machine, and what must be where: of each process by address a page of the file, or
    the byte of a copy of its own.
    """

    def __init__(self, path: Path, scheme: str, i_mmap: str, kind: str, seed: str) -> None:
        self.rng = random.Random(seed)
        rmap = scheme_class(scheme)
        self.core = Core(320 * PAGE, rmap, i_mmap=i_mmap)
        self.m = self.core.m
        self.vm = MemoryManager(self.core, rmap(self.core))
        self.vm.swap.swapon_size(512 * PAGE)
        self.path, self.kind = path, kind
        path.write_bytes(b"".join(bytes([n]) * PAGE for n in range(PAGES)))
        if kind == "host":
            self.inode: Any = self.vm.inodes.share(
                (1, 1, 1, 1), "file", lambda: os.open(path, os.O_RDWR), writable=True
            )
        else:
            self.inode = self.vm.inodes.shmem("file", PAGES * PAGE)
            for n in range(PAGES):
                self.inode.write(n * PAGE, bytes([n]) * PAGE)
        self.file = list(range(PAGES))
        self.spaces: list[tuple[Mm, dict[int, tuple[str, int]]]] = []
        self.done: Counter[str] = Counter()
        self.spawn()

    @property
    def mapping(self) -> Any:
        return ffi.cast("struct address_space *", self.core.base + self.inode.kaddr)

    def spawn(self) -> None:
        self.spaces.append((Mm.create(self.vm), {}))

    def step(self) -> None:
        mm, pages = self.rng.choice(self.spaces)
        operations = (
            *[self.map] * 3,
            *(self.unmap, self.move, self.protect, self.fork, self.exit, self.cut),
            *[self.remap] * 3,
            *[self.write] * 6,
            *[self.reclaim] * 2,
            *(self.sync, self.write_file),
        )
        operation = self.rng.choice(operations)
        with contextlib.suppress(Errno):
            operation(mm, pages)
            self.done[operation.__name__] += 1
        for each, there in self.spaces:
            for at in self.rng.sample(sorted(there), min(2, len(there))):
                self.look(each, there, at)

    def at(self, pages: int = 1) -> int:
        return self.rng.randrange(ROOM - pages)

    def map(self, mm: Mm, there: dict[int, tuple[str, int]]) -> None:
        pages = self.rng.randrange(1, 9)
        at, first = self.at(pages), self.rng.randrange(PAGES)
        kind = self.rng.choice((SHARED, SHARED, PRIVATE))
        do_mmap(mm, BASE + at * PAGE, pages * PAGE, RW, kind | FIXED, self.inode, first)
        name = "shared" if kind == SHARED else "private"
        there |= {at + i: (name, first + i) for i in range(pages)}

    def unmap(self, mm: Mm, there: dict[int, tuple[str, int]]) -> None:
        pages = self.rng.randrange(1, 9)
        at = self.at(pages)
        do_munmap(mm, BASE + at * PAGE, pages * PAGE)
        for page in range(at, at + pages):
            there.pop(page, None)

    def move(self, mm: Mm, there: dict[int, tuple[str, int]]) -> None:
        pages = self.rng.randrange(1, 5)
        at, to = self.at(pages), self.at(pages)
        try:
            do_mremap(mm, BASE + at * PAGE, pages * PAGE, pages * PAGE, 3, BASE + to * PAGE)
        except Errno:  # what was there may have made room already
            for page in range(to, to + pages):
                if all(not v.vm_start <= BASE + page * PAGE < v.vm_end for v in mm.vmas()):
                    there.pop(page, None)
            raise
        moved = {to + i: there.pop(at + i) for i in range(pages)}
        for page in range(to, to + pages):
            there.pop(page, None)
        there |= moved

    def protect(self, mm: Mm, there: dict[int, tuple[str, int]]) -> None:
        """For a moment, so that areas are cut; they may merge again."""
        pages = self.rng.randrange(1, 5)
        at = self.at(pages)
        for prot in (R, RW):
            do_mprotect(mm, BASE + at * PAGE, pages * PAGE, prot)

    def fork(self, mm: Mm, there: dict[int, tuple[str, int]]) -> None:
        if len(self.spaces) < 4:
            self.spaces.append((dup_mmap(mm), dict(there)))

    def exit(self, mm: Mm, there: dict[int, tuple[str, int]]) -> None:
        if len(self.spaces) > 1:
            self.spaces.remove((mm, there))
            mm.put()

    def remap(self, mm: Mm, there: dict[int, tuple[str, int]]) -> None:
        pages = self.rng.randrange(1, 5)
        at, first = self.at(pages), self.rng.randrange(PAGES)
        nonblock = self.rng.random() < 0.5
        do_remap_file_pages(mm, BASE + at * PAGE, pages * PAGE, 0, first, nonblock=nonblock)
        there |= {at + i: ("shared", first + i) for i in range(pages)}

    def write(self, mm: Mm, there: dict[int, tuple[str, int]]) -> None:
        if not there:
            return
        at, byte = self.rng.choice(sorted(there)), self.rng.randrange(256)
        kind, n = there[at]
        mm.write(BASE + at * PAGE, bytes([byte]))
        assert kind == "own" or n < len(self.file), "written behind the end of the file"
        if kind == "shared":
            self.file[n] = byte
        else:
            there[at] = ("own", byte)

    def write_file(self, mm: Mm, there: dict[int, tuple[str, int]]) -> None:
        if self.file:
            n, byte = self.rng.randrange(len(self.file)), self.rng.randrange(256)
            self.inode.write(n * PAGE, bytes([byte]))
            self.file[n] = byte

    def cut(self, mm: Mm, there: dict[int, tuple[str, int]]) -> None:
        """To another size; copies of pages behind the end go as well."""
        old, new = len(self.file), self.rng.choice((PAGES, PAGES, self.rng.randrange(PAGES)))
        if self.kind == "host":
            os.truncate(self.path, new * PAGE)
            self.inode.truncated(old * PAGE, new * PAGE)
        else:
            self.inode.truncate(new * PAGE)
        self.file = (self.file + [0] * PAGES)[:new]
        if new < old:
            for each, pages in self.spaces:
                for at, (kind, _) in list(pages.items()):
                    vma = self.core.lib.find_vma_prev(
                        self.m, each.ptr, BASE + at * PAGE, self.vm.vma_out
                    )
                    linear = vma.vm_pgoff + (BASE + at * PAGE - vma.vm_start) // PAGE
                    if kind == "own" and linear >= new:
                        pages[at] = ("private", linear)

    def reclaim(self, mm: Mm, there: dict[int, tuple[str, int]]) -> None:
        self.core.lib.refill_inactive_zone(self.m, 64, 1)
        self.core.lib.shrink_cache(self.m, self.rng.randrange(1, 32))
        self.core.check_bug()

    def sync(self, mm: Mm, there: dict[int, tuple[str, int]]) -> None:
        with contextlib.suppress(Errno):  # for the holes, after the rest is done
            do_msync(mm, BASE, BASE + ROOM * PAGE, wait=True, invalidate=False)

    def look(self, mm: Mm, there: dict[int, tuple[str, int]], at: int) -> None:
        kind, n = there[at]
        if kind != "own" and n >= len(self.file):
            fault = self.vm.fault(mm, BASE + at * PAGE, lib.ACCESS_READ)
            assert fault == lib.FAULT_SIGBUS
            return
        expected = n if kind == "own" else self.file[n]
        assert mm.read(BASE + at * PAGE, 1) == bytes([expected]), f"page {at}, {kind} {n}"


WORLDS = [
    *itertools.product(I_MMAPS, ("anon_vma_degree", "scan")),
    ("prio_tree", "pte_chain:files=chains"),  # whose walks look at no area
]


@pytest.mark.parametrize("kind", ["host", "shmem"])
@pytest.mark.parametrize(("i_mmap", "scheme"), WORLDS)
def test_a_file_s_pages_are_where_they_belong(
    i_mmap: str, scheme: str, kind: str, tmp_path: Path
) -> None:
    world = World(tmp_path / "file", scheme, i_mmap, kind, f"{i_mmap} {scheme} {kind}")
    for n in range(OPERATIONS):
        world.step()
        if n % 50 == 0:
            check_machine(world.vm)
    check_machine(world.vm)
    assert min(world.done.values()) > 5
    assert len(world.done) == 12
    counters = world.core.counters()
    assert (counters["nonlinear_unmapped"] > 10) == (scheme == "anon_vma_degree")
    if scheme != "scan":
        assert counters["file_unmap_probes"] > 100
    for mm, _ in world.spaces:
        mm.put()
    check_machine(world.vm)
    assert not world.inode.mapped
    world.core.close()
