"""Shared mappings of files: one page for all who map it, and its way back to the file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from memory import BASE, FIXED, LOCKED, PAGE, PRIVATE, RW, SCHEMES, Memory, R, errno_of

from tests.width import lib
from vmemu.errors import Errno
from vmemu.file.inode import Inode
from vmemu.mm import Mm, do_mmap, do_mprotect, do_msync, do_munmap, dup_mmap

SHARED = 0x01
EACCES, EBUSY, EIO, ENOMEM, ENOSPC = 13, 16, 5, 12, 28


class Shared:
    """A file of six pages and a bit, the n-th full of n, and who maps it."""

    def __init__(self, path: Path, scheme: str = "anon_vma", **options: int) -> None:
        self.path = path
        path.write_bytes(b"".join(bytes([n]) * PAGE for n in range(6)) + b"end")
        self.memory = Memory(scheme, **options)
        self.vm, self.m = self.memory.vm, self.memory.m
        self.inode = self.open()

    def open(self, name: str | None = None) -> Inode:
        path = self.path if name is None else self.path.with_name(name)
        return self.vm.inodes.share(
            (1, hash(name), 0, 0), str(path), lambda: open_rw(path), writable=True
        )

    def map(self, mm: Mm, page: int = 0, prot: int = RW, flags: int = SHARED, at: int = 0) -> int:
        """All seven pages from `page` on behind BASE."""
        return do_mmap(
            mm, BASE + page * PAGE, 7 * PAGE, prot, flags | FIXED, file=self.inode, pgoff=at
        )

    def on_host(self, page: int) -> bytes:
        return self.path.read_bytes()[page * PAGE : (page + 1) * PAGE]


def open_rw(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)


@pytest.fixture(params=SCHEMES)
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shared]:
    shared = Shared(tmp_path / "file", request.param)
    yield shared
    shared.memory.check()
    shared.memory.close()


def test_what_one_writes_all_see(shared: Shared) -> None:
    one, other = shared.memory.process(), shared.memory.process()
    shared.map(one)
    shared.map(other, page=8)
    assert other.read(BASE + 8 * PAGE, 2) == b"\0\0"
    one.write(BASE + 5, b"written")
    assert other.read(BASE + 8 * PAGE + 5, 7) == b"written"
    child = dup_mmap(one)
    child.write(BASE + 3 * PAGE, b"child")
    assert one.read(BASE + 3 * PAGE, 5) == other.read(BASE + 11 * PAGE, 5) == b"child"
    assert shared.m.pages.nr_pagecache == 2
    assert shared.memory.core.counters()["pgcow"] == 0
    shared.memory.check()


def test_a_private_area_beside_it_keeps_its_copy(shared: Shared) -> None:
    one = shared.memory.process()
    shared.map(one)
    shared.map(one, page=8, flags=PRIVATE)
    assert one.read(BASE + 8 * PAGE, 1) == b"\0"
    one.write(BASE, b"first")
    assert one.read(BASE + 8 * PAGE, 5) == b"first"
    one.write(BASE + 8 * PAGE, b"mine!")
    one.write(BASE, b"later")
    assert one.read(BASE + 8 * PAGE, 5) == b"mine!"
    shared.vm.inodes.sync(mapped=True)
    assert shared.on_host(0).startswith(b"later")


def test_only_a_dirty_page_is_written(shared: Shared) -> None:
    one = shared.memory.process()
    shared.map(one)
    for page in range(7):
        one.read(BASE + page * PAGE, 1)
    one.write(BASE + 2 * PAGE, b"two")
    assert shared.m.pages.nr_dirty == 0  # only the pte knows
    do_msync(one, BASE, BASE + 2 * PAGE, wait=True, invalidate=False)
    assert shared.on_host(2) == b"\2" * PAGE
    do_msync(one, BASE, BASE + 7 * PAGE, wait=False, invalidate=False)
    assert shared.m.pages.nr_dirty == 1
    assert shared.on_host(2) == b"\2" * PAGE
    shared.memory.check()
    do_msync(one, BASE, BASE + PAGE, wait=True, invalidate=False)  # all of the file
    assert shared.on_host(2) == b"two" + b"\2" * (PAGE - 3)
    assert shared.memory.core.counters()["pgpgout"] == 1
    assert shared.m.pages.nr_dirty == 0
    one.write(BASE + 2 * PAGE, b"TWO")  # the CPU sets the bit again
    do_munmap(one, BASE, 7 * PAGE)
    assert shared.m.pages.nr_dirty == 1
    shared.inode.writeback()
    assert shared.on_host(2) == b"TWO" + b"\2" * (PAGE - 3)


def test_nothing_is_written_behind_the_end(shared: Shared) -> None:
    one = shared.memory.process()
    shared.map(one)
    one.write(BASE + 6 * PAGE, b"the end, and more")
    assert one.read(BASE + 6 * PAGE + 8, 9) == b" and more"
    shared.vm.inodes.sync(mapped=True)
    assert shared.path.stat().st_size == 6 * PAGE + 3
    assert shared.on_host(6) == b"the"


def test_reclaim_writes_and_reads_back(shared: Shared) -> None:
    one, other = shared.memory.process(), shared.memory.process()
    shared.map(one)
    shared.map(other, page=4)
    one.write(BASE + PAGE, b"dirty")
    other.read(BASE + 5 * PAGE, 1)
    page = shared.memory.core.page(lib.pte_value(shared.m, one.ptr, BASE + PAGE) >> 12)
    shared.memory.make_old(one, 1)
    shared.memory.make_old(other, 5)
    assert shared.memory.core.lib.reclaim_page(shared.m, page) == 1
    assert shared.on_host(1).startswith(b"dirty")
    assert (page._count, shared.m.pages.nr_dirty, shared.m.pages.nr_pagecache) == (0, 0, 0)
    shared.memory.check()
    assert other.read(BASE + 5 * PAGE, 5) == b"dirty"
    assert shared.memory.core.counters()["pgpgin"] == 2


def test_protection_takes_writing_away_and_gives_it_back(shared: Shared) -> None:
    one = shared.memory.process()
    shared.map(one)
    one.write(BASE, b"a")
    do_mprotect(one, BASE, 7 * PAGE, R)
    assert errno_of(one.write, BASE, b"b") == 14
    do_mprotect(one, BASE, 7 * PAGE, RW)
    one.write(BASE + 1, b"c")
    assert shared.memory.core.counters()["pgcow"] == 0
    shared.vm.inodes.sync(mapped=True)
    assert shared.on_host(0)[:2] == b"ac"


def test_a_file_opened_for_reading_is_shared_to_be_read(shared: Shared) -> None:
    one = shared.memory.process()
    do_mmap(one, BASE, PAGE, R, SHARED | FIXED, file=shared.inode, may_write=False)
    (vma,) = one.vmas()
    assert vma.vm_flags & (lib.VM_SHARED | lib.VM_MAYSHARE | lib.VM_MAYWRITE) == lib.VM_MAYSHARE
    with pytest.raises(Errno) as caught:
        do_mprotect(one, BASE, PAGE, RW)
    assert caught.value.errno == EACCES
    assert shared.inode.mapping.i_mmap_writable == 0


def test_areas_that_may_write_are_counted(shared: Shared) -> None:
    one = shared.memory.process()
    shared.map(one)
    do_munmap(one, BASE + PAGE, PAGE)  # two parts
    other = dup_mmap(one)
    shared.map(other, page=8, flags=PRIVATE)
    assert shared.inode.mapping.i_mmap_writable == 4
    other.put()
    assert shared.inode.mapping.i_mmap_writable == 2
    shared.memory.check()


def test_nothing_is_promised_for_it(shared: Shared) -> None:
    one = shared.memory.process()
    shared.map(one)
    assert shared.m.vm_committed == 0
    do_mprotect(one, BASE, PAGE, R)
    do_mprotect(one, BASE, PAGE, RW)
    assert shared.m.vm_committed == 0


def test_msync_of_holes_and_of_what_is_locked(shared: Shared) -> None:
    one = shared.memory.process()
    shared.map(one)
    do_munmap(one, BASE + PAGE, PAGE)
    one.write(BASE + 2 * PAGE, b"behind")
    end = BASE + 7 * PAGE
    assert errno_of(lambda: do_msync(one, BASE, end, wait=True, invalidate=False)) == ENOMEM
    assert shared.on_host(2).startswith(b"behind")
    shared.map(one, flags=SHARED | LOCKED)
    assert errno_of(lambda: do_msync(one, BASE, end, wait=True, invalidate=True)) == EBUSY


def test_an_error_is_told_once(tmp_path: Path) -> None:
    """A descriptor that cannot be written to stands for a disk that is broken."""
    shared = Shared(tmp_path / "file")
    one = shared.memory.process()
    shared.inode = shared.vm.inodes.share(
        (2, 2, 2, 2), "broken", lambda: os.open(shared.path, os.O_RDONLY), writable=True
    )
    shared.map(one)
    one.write(BASE, b"lost")
    assert errno_of(lambda: do_msync(one, BASE, BASE + PAGE, wait=True, invalidate=False)) == EIO
    do_msync(one, BASE, BASE + PAGE, wait=True, invalidate=False)
    assert shared.on_host(0) == bytes(PAGE)
    shared.memory.check()
    shared.memory.close()


def test_the_end_of_a_process_writes_nothing_and_loses_nothing(shared: Shared) -> None:
    one = shared.memory.process()
    shared.map(one)
    one.write(BASE, b"left behind")
    one.put()
    assert shared.on_host(0) == bytes(PAGE)
    assert shared.m.pages.nr_dirty == 1
    shared.vm.inodes.close(shared.inode)
    assert shared.on_host(0).startswith(b"left behind")
    assert shared.m.pages.nr_dirty == 0


def test_little_memory(tmp_path: Path) -> None:
    """A file four times as large as RAM is written through a mapping, and read through another."""
    pages = 600
    shared = Shared(tmp_path / "file", ram=160)
    shared.path.write_bytes(bytes(pages * PAGE))
    one, other = shared.memory.process(), shared.memory.process()
    do_mmap(one, BASE, pages * PAGE, RW, SHARED | FIXED, file=shared.inode)
    do_mmap(other, BASE, pages * PAGE, R, PRIVATE | FIXED, file=shared.inode)
    shared.memory.fill(one, 0, pages)
    shared.memory.verify(other, 0, pages)
    shared.memory.check()
    assert shared.memory.core.counters()["pgpgout"] > pages - 160
    shared.vm.inodes.sync(mapped=True)
    assert shared.path.read_bytes() == b"".join(shared.memory.contents(n) for n in range(pages))
    shared.memory.close()
