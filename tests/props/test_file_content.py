"""Reads, writes, mappings, cuts and forks of one file under memory pressure, against a plain model.

The model has the file's bytes, and for each process which page of the file is where, and the
private copies; it knows of no page cache, no dirty bits and no swap.
"""

from __future__ import annotations

import copy
import os
import random
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from vmemu.check import check_machine
from vmemu.core import I_MMAPS, PAGE_SIZE, Core
from vmemu.errors import Errno
from vmemu.mm import (
    MemoryManager,
    Mm,
    do_madvise,
    do_mmap,
    do_mprotect,
    do_mremap,
    do_msync,
    do_munmap,
    dup_mmap,
)
from vmemu.rmap import builtin, scheme_class

PAGE = PAGE_SIZE
BASE, PAGES = 0x10000000, 48
R, RW, SHARED, PRIVATE, FIXED = 1, 3, 1, 2, 0x10
MAYMOVE_FIXED = 3
FILE_PAGES = 40
OPERATIONS = 20_000
SCHEMES = [name for name, scheme in builtin().items() if scheme.swaps()]


@dataclass
class Place:
    """A page of a process."""

    index: int
    shared: bool
    writable: bool


@dataclass
class Process:
    """What the model knows of one."""

    places: dict[int, Place] = field(default_factory=dict)
    copies: dict[int, bytearray] = field(default_factory=dict)


def tried(function: Callable[..., object], *args: object, **options: object) -> int:
    """The errno of a call, 0 when it succeeds."""
    try:
        function(*args, **options)
    except Errno as error:
        return error.errno
    return 0


class World:
    """A machine's memory and a file beside the model of both."""

    def __init__(self, path: Path, scheme: str, i_mmap: str, seed: int, bits: int) -> None:
        self.rng = random.Random(seed)
        self.path = path
        path.write_bytes(b"")
        cls = scheme_class(scheme)
        self.core = Core(180 * PAGE, cls, i_mmap=i_mmap, bits=bits)
        self.vm = MemoryManager(self.core, cls(self.core))
        self.vm.swap.swapon_size(1024 * PAGE)
        self.inode = self.vm.inodes.share(
            (1, 1, -1, -1), "file", lambda: os.open(path, os.O_RDWR), writable=True
        )
        self.inode.users += 1
        self.ahead = self.inode.readahead()
        self.data = bytearray()
        first = Mm.create(self.vm)
        self.mms: list[tuple[Mm, Process]] = [(first, Process())]
        self.done: Counter[str] = Counter()

    # ---- the model

    def page(self, index: int) -> bytearray:
        """The file's page, zeros behind its end."""
        return bytearray(self.data[index * PAGE : (index + 1) * PAGE].ljust(PAGE, b"\0"))

    def exists(self, index: int) -> bool:
        return index * PAGE < len(self.data)

    def content(self, process: Process, page: int) -> bytearray | None:
        """What is there; None for what may not be touched."""
        place = process.places.get(page)
        if place is None:
            return None
        if page in process.copies:
            return process.copies[page]
        return self.page(place.index) if self.exists(place.index) else None

    # ---- what both do

    def pick(self) -> tuple[Mm, Process, int, int]:
        """A process, and a range of its pages."""
        mm, process = self.rng.choice(self.mms)
        start = self.rng.randrange(PAGES)
        return mm, process, start, self.rng.randrange(1, min(12, PAGES - start) + 1)

    def piece(self) -> tuple[int, int]:
        """Where in a page, and how many bytes."""
        at = self.rng.choice([0, 0, 5, 2048, 4090])
        return at, min(self.rng.choice([1, 8, 200, PAGE]), PAGE - at)

    def forget(self, process: Process, start: int, count: int) -> None:
        for page in range(start, start + count):
            process.places.pop(page, None)
            process.copies.pop(page, None)

    def do_map(self) -> None:
        mm, process, start, count = self.pick()
        shared, writable = self.rng.random() < 0.6, self.rng.random() < 0.8
        index = self.rng.randrange(FILE_PAGES)
        do_mmap(
            mm, BASE + start * PAGE, count * PAGE, RW if writable else R,
            (SHARED if shared else PRIVATE) | FIXED, file=self.inode, pgoff=index,
        )  # fmt: skip
        self.forget(process, start, count)
        for n in range(count):
            process.places[start + n] = Place(index + n, shared, writable)

    def do_unmap(self) -> None:
        mm, process, start, count = self.pick()
        do_munmap(mm, BASE + start * PAGE, count * PAGE)
        self.forget(process, start, count)

    def do_protect(self) -> None:
        mm, process, start, count = self.pick()
        writable = self.rng.random() < 0.5
        prot = RW if writable else R
        assert tried(do_mprotect, mm, BASE + start * PAGE, count * PAGE, prot) in (0, 12)
        for page in range(start, start + count):  # up to the first hole
            if page not in process.places:
                break
            process.places[page].writable = writable

    def do_move(self) -> None:
        mm, process, start, count = self.pick()
        to = self.rng.randrange(PAGES - count + 1)
        own = [process.places.get(page) for page in range(start, start + count)]
        error = tried(
            do_mremap, mm, BASE + start * PAGE, count * PAGE, count * PAGE, MAYMOVE_FIXED,
            BASE + to * PAGE,
        )  # fmt: skip
        if error:
            assert error in (14, 22)
            if error == 14:  # a hole or another area: what was at the new place has gone
                self.forget(process, to, count)
            return
        copies = [process.copies.get(page) for page in range(start, start + count)]
        self.forget(process, start, count)
        self.forget(process, to, count)
        for n, (place, data) in enumerate(zip(own, copies, strict=True)):
            assert place is not None
            process.places[to + n] = place
            if data is not None:
                process.copies[to + n] = data
        self.done["moved"] += 1

    def do_load(self) -> None:
        mm, process, page, _ = self.pick()
        at, count = self.piece()
        expected = self.content(process, page)
        try:
            found = mm.read(BASE + page * PAGE + at, count)
        except Errno:
            assert expected is None, "what is mapped cannot be read"
            self.done["refused"] += 1
            return
        assert expected is not None, "what is not there was read"
        assert found == expected[at : at + count], f"page {page} has other bytes"

    def do_store(self) -> None:
        mm, process, page, _ = self.pick()
        at, count = self.piece()
        place, now = process.places.get(page), self.content(process, page)
        allowed = place is not None and place.writable and now is not None
        if allowed and place is not None and place.shared:  # not behind the end of the file
            count = min(count, len(self.data) - place.index * PAGE - at)
            if count <= 0:
                return
        data = self.rng.randbytes(count)
        try:
            mm.write(BASE + page * PAGE + at, data)
        except Errno:
            assert not allowed, "what is writable cannot be written"
            self.done["refused"] += 1
            return
        assert allowed, "what may not be written was"
        assert place is not None and now is not None
        if place.shared:
            where = place.index * PAGE + at
            self.data[where : where + count] = data
        else:
            process.copies[page] = now
            now[at : at + count] = data

    def do_read(self) -> None:
        offset = self.rng.randrange(FILE_PAGES * PAGE)
        count = self.rng.choice([1, 100, PAGE, 5 * PAGE])
        assert self.inode.pread(offset, count, self.ahead) == self.data[offset : offset + count]

    def do_write(self) -> None:
        offset = self.rng.randrange(FILE_PAGES) * PAGE + self.rng.choice([0, 0, 1, 4000])
        data = self.rng.randbytes(self.rng.choice([1, 100, PAGE, 3 * PAGE + 7]))
        assert self.inode.write(offset, data) == len(data)
        self.data.extend(bytes(max(0, offset - len(self.data))))
        self.data[offset : offset + len(data)] = data

    def do_cut(self) -> None:
        size = self.rng.randrange(FILE_PAGES) * PAGE + self.rng.choice([0, 1, 77, 4095])
        old = len(self.data)
        os.truncate(self.path, size)
        self.inode.truncated(old, size)
        del self.data[size:]
        self.data.extend(bytes(size - len(self.data)))
        for _, process in self.mms:
            for page in list(process.copies):
                if not self.exists(process.places[page].index):
                    del process.copies[page]

    def do_fork(self) -> None:
        if len(self.mms) < 4:
            mm, process = self.rng.choice(self.mms)
            self.mms.append((dup_mmap(mm), copy.deepcopy(process)))

    def do_exit(self) -> None:
        if len(self.mms) > 1 and self.rng.random() < 0.5:
            self.mms.pop(self.rng.randrange(len(self.mms)))[0].put()

    def do_msync(self) -> None:
        mm, _, start, count = self.pick()
        where = BASE + start * PAGE
        wait = self.rng.random() < 0.5
        error = tried(do_msync, mm, where, where + count * PAGE, wait=wait, invalidate=False)
        assert error in (0, 12)

    def do_forget_copies(self) -> None:
        mm, process, start, count = self.pick()
        assert tried(do_madvise, mm, BASE + start * PAGE, count * PAGE, 4) in (0, 12)
        for page in range(start, start + count):
            process.copies.pop(page, None)

    def do_fsync(self) -> None:
        self.inode.writeback()

    def do_fadvise(self) -> None:
        offset = self.rng.randrange(FILE_PAGES * PAGE)
        length = self.rng.choice([0, 5000, 8 * PAGE])
        self.inode.advise(offset, length, self.rng.randrange(5), self.ahead)

    def do_pressure(self) -> None:
        free = self.core.m.k.zone.free_pages
        self.vm.reclaim.reclaim_pages(free + self.rng.randrange(1, 60))

    def do_page_out(self) -> None:
        mm, _, start, count = self.pick()
        self.vm.reclaim_range(mm, BASE + start * PAGE, BASE + (start + count) * PAGE)

    def run(self, operations: int, every: int = 400) -> None:
        kinds = [name for name in dir(self) if name.startswith("do_")]
        often = {"do_load": 8, "do_store": 8, "do_map": 4, "do_read": 3, "do_write": 3}
        weights = [often.get(kind, 1) for kind in kinds]
        for n in range(1, operations + 1):
            kind = self.rng.choices(kinds, weights)[0]
            try:
                getattr(self, kind)()
            except Exception as error:
                error.add_note(f"operation {n}, {kind}")
                raise
            self.done[kind] += 1
            if n % every == 0:
                check_machine(self.vm)

    def finish(self) -> None:
        """The host has it all."""
        self.vm.inodes.sync(mapped=True)
        assert self.path.read_bytes() == self.data
        for mm, _ in self.mms:
            mm.put()
        check_machine(self.vm)
        self.inode.users -= 1
        self.vm.inodes.close(self.inode)
        assert self.core.m.pages.nr_pagecache == self.core.m.pages.nr_dirty == 0


@pytest.mark.parametrize("i_mmap", I_MMAPS)
@pytest.mark.parametrize("bits", [32, 64])
def test_a_file_in_every_way(i_mmap: str, bits: int, tmp_path: Path) -> None:
    scheme = SCHEMES[(I_MMAPS.index(i_mmap) * 2 + bits // 64) % len(SCHEMES)]
    world = World(tmp_path / "file", scheme, i_mmap, 1926, bits)
    world.run(OPERATIONS)
    counters = world.core.counters()
    world.finish()
    for name in ("pgpgin", "pgpgout", "file_ra", "pgcow"):
        assert counters[name] > 100, name
    assert counters["pswpin"] > 15
    assert world.done["moved"] > 20 and world.done["refused"] > 500
    world.core.close()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_file_under_every_scheme(scheme: str, tmp_path: Path) -> None:
    world = World(tmp_path / "file", scheme, I_MMAPS[SCHEMES.index(scheme) % len(I_MMAPS)], 7, 32)
    world.run(OPERATIONS // 10)
    world.finish()
    world.core.close()


if __name__ == "__main__":  # python -m tests.props.test_files SEED COUNT
    import tempfile

    for seed in range(int(sys.argv[1]), int(sys.argv[1]) + int(sys.argv[2])):
        with tempfile.TemporaryDirectory() as directory:
            world = World(
                Path(directory) / "file", SCHEMES[seed % len(SCHEMES)],
                I_MMAPS[seed % len(I_MMAPS)], seed, 32,
            )  # fmt: skip
            world.run(3000)
            world.finish()
            world.core.close()
        print(seed, dict(world.done.most_common(5)))
