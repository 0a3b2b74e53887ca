"""read() and write() by way of the page cache: readahead, limits of dirt, advice, cutting."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from memory import BASE, FIXED, PAGE, PRIVATE, RW, Memory, R, errno_of
from test_shared_files import SHARED, Shared, open_rw

from tests.width import BITS, LIMIT, lib
from vmemu.file.inode import Inode
from vmemu.mm import do_madvise, do_mincore, do_mmap, do_mremap, do_munmap

RANDOM, SEQUENTIAL, WILLNEED, DONTNEED = 1, 2, 3, 4
EFAULT, EINVAL, EOVERFLOW = 14, 22, 75
PAGES = 100


class Numbered:
    """A file of a hundred pages, the n-th full of n."""

    def __init__(self, path: Path, ram: int = 1024) -> None:
        self.path = path
        path.write_bytes(b"".join(bytes([n]) * PAGE for n in range(PAGES)))
        self.memory = Memory(ram=ram)
        self.m, self.core, self.vm = self.memory.m, self.memory.core, self.memory.vm
        self.inode: Inode = self.vm.inodes.share(
            (1, 1, -1, -1), str(path), lambda: open_rw(path), writable=True
        )
        self.inode.users += 1
        self.state = self.inode.readahead()

    def read(self, offset: int, count: int) -> bytes:
        return self.inode.pread(offset, count, self.state)

    def cached(self) -> list[int]:
        """Which pages are in the cache."""
        found = []
        for index in range(PAGES):
            page = self.core.lib.find_get_page(self.m, self.inode.mapping, index)
            if page:
                self.core.lib.put_page(self.m, page)
                found.append(index)
        return found

    def counter(self, name: str) -> int:
        return self.core.counters()[name]


@pytest.fixture
def numbered(tmp_path: Path) -> Iterator[Numbered]:
    numbered = Numbered(tmp_path / "file")
    yield numbered
    numbered.memory.check()
    numbered.memory.close()


# ---- reading -----------------------------------------------------------------------------


def test_windows_double_while_a_file_is_read_in_order(numbered: Numbered) -> None:
    windows, known = [], 0
    for index in range(PAGES):
        assert numbered.read(index * PAGE, PAGE) == bytes([index]) * PAGE
        if len(numbered.cached()) > known:
            windows.append(len(numbered.cached()) - known)
            known = len(numbered.cached())
    assert windows == [4, 8, 16, 32, 32, PAGES - 92]
    assert numbered.counter("pgpgin") == numbered.counter("file_ra") == PAGES


def test_pages_here_and_there_are_read_alone(numbered: Numbered) -> None:
    for index in (50, 10, 80, 30):
        numbered.read(index * PAGE + 5, 10)
    assert numbered.cached() == [10, 30, 50, 80]
    assert numbered.counter("file_ra") == 0
    numbered.read(31 * PAGE, 1)  # behind the last one: in order again
    assert numbered.cached() == [10, 30, 31, 32, 33, 34, 50, 80]


def test_a_file_opened_at_the_start_is_read_in_order(numbered: Numbered) -> None:
    """A new file's last page is the one before the first."""
    numbered.read(0, 1)
    assert numbered.cached() == [0, 1, 2, 3]


def test_what_is_cached_is_not_read_again(numbered: Numbered) -> None:
    numbered.read(2 * PAGE, 1)
    numbered.read(0, 8 * PAGE)
    assert numbered.counter("pgpgin") == len(numbered.cached())


def test_the_end(numbered: Numbered) -> None:
    assert numbered.read(PAGES * PAGE - 3, 100) == bytes([PAGES - 1]) * 3
    assert numbered.read(PAGES * PAGE, 100) == b""
    assert numbered.read(1 << 60, 1) == b""


def test_readahead_takes_no_more_than_half_of_what_is_free(tmp_path: Path) -> None:
    numbered = Numbered(tmp_path / "file", ram=256)
    zone = numbered.m.k.zone
    kept = [
        numbered.core.lib.alloc_page(numbered.m, lib.GFP_KERNEL)
        for _ in range(zone.free_pages - 100)
    ]
    free = int(zone.free_pages)
    numbered.inode.advise(0, 0, WILLNEED, numbered.state)
    assert numbered.counter("file_ra") == free // 2 < PAGES
    for page in kept:
        numbered.core.lib.put_page(numbered.m, page)
    numbered.memory.check()
    numbered.memory.close()


# ---- advice ------------------------------------------------------------------------------


def test_advice(numbered: Numbered) -> None:
    numbered.inode.advise(0, 0, RANDOM, numbered.state)
    numbered.read(0, PAGE)
    numbered.read(PAGE, PAGE)
    assert numbered.cached() == [0, 1]
    numbered.inode.advise(0, 0, SEQUENTIAL, numbered.state)
    numbered.read(2 * PAGE, PAGE)
    assert numbered.cached() == [0, 1, 2, 3, 4, 5]
    numbered.inode.advise(50 * PAGE + 1, PAGE, WILLNEED, numbered.state)
    assert numbered.cached()[6:] == [50, 51]
    numbered.inode.advise(PAGE + 1, 3 * PAGE, DONTNEED, numbered.state)
    assert numbered.cached() == [0, 1, 4, 5, 50, 51]  # whole pages of the range
    numbered.inode.write(5 * PAGE, b"dirty")
    numbered.inode.advise(0, 0, DONTNEED, numbered.state)
    assert numbered.cached() == []
    assert numbered.path.read_bytes()[5 * PAGE :].startswith(b"dirty")


def test_what_is_mapped_is_not_dropped(numbered: Numbered) -> None:
    one = numbered.memory.process()
    do_mmap(one, BASE, 4 * PAGE, R, PRIVATE | FIXED, file=numbered.inode)
    one.read(BASE + PAGE, 1)
    numbered.read(0, 1)
    numbered.inode.advise(0, 0, DONTNEED, numbered.state)
    assert numbered.cached() == [1]


def test_madvise_of_a_file(numbered: Numbered) -> None:
    one = numbered.memory.process()
    do_mmap(one, BASE, 8 * PAGE, R, PRIVATE | FIXED, file=numbered.inode, pgoff=10)
    do_madvise(one, BASE + PAGE, 2 * PAGE, WILLNEED)
    assert numbered.cached() == [11, 12]
    do_madvise(one, BASE, 8 * PAGE, SEQUENTIAL)
    one.read(BASE + 5 * PAGE, 1)
    assert numbered.cached() == [11, 12, *range(15, 48)]


def test_mincore_tells_of_the_cache(numbered: Numbered) -> None:
    one = numbered.memory.process()
    do_mmap(one, BASE, 6 * PAGE, R, PRIVATE | FIXED, file=numbered.inode, pgoff=1)
    numbered.memory.map(one, 8, 1)
    numbered.inode.advise(2 * PAGE, 2 * PAGE, WILLNEED, numbered.state)  # nothing is mapped
    do_mincore(one, BASE, 6 * PAGE, BASE + 8 * PAGE)
    assert one.read(BASE + 8 * PAGE, 6) == bytes([0, 1, 1, 0, 0, 0])


# ---- writing -----------------------------------------------------------------------------


def test_a_page_written_as_a_whole_is_not_read(numbered: Numbered) -> None:
    numbered.inode.write(3 * PAGE, b"a" * PAGE)
    assert numbered.counter("pgpgin") == 0
    numbered.inode.write(PAGES * PAGE + 7, b"new")
    assert numbered.counter("pgpgin") == 0
    numbered.inode.write(4 * PAGE + 1, b"part")
    assert numbered.counter("pgpgin") == 1
    assert numbered.m.pages.nr_dirty == 3
    assert numbered.path.stat().st_size == PAGES * PAGE + 10  # the length is there at once
    assert numbered.path.read_bytes()[3 * PAGE] == 3
    numbered.inode.writeback()
    content = numbered.path.read_bytes()
    assert content[3 * PAGE : 4 * PAGE] == b"a" * PAGE
    assert content[4 * PAGE : 4 * PAGE + 6] == b"\4part\4"
    assert content[PAGES * PAGE :] == bytes(7) + b"new"
    assert numbered.counter("pgpgout") == 3


def test_a_hole_is_zeros_and_stays_a_hole(numbered: Numbered) -> None:
    numbered.inode.write(400 * PAGE, b"far")
    numbered.inode.writeback()
    assert numbered.read(399 * PAGE, PAGE) == bytes(PAGE)
    assert numbered.path.stat().st_blocks * 512 < 150 * PAGE


def test_who_makes_too_much_dirty_writes_some(tmp_path: Path) -> None:
    """2.6's limit is 40 % of memory; one page more, and 48 are written."""
    numbered = Numbered(tmp_path / "file", ram=512)
    present = numbered.m.k.zone.present_pages
    limit = 40 * present // 100
    for index in range(limit):
        numbered.inode.write(index * PAGE, b"x" * PAGE)
    assert (numbered.m.pages.nr_dirty, numbered.counter("pgpgout")) == (limit, 0)
    numbered.inode.write(limit * PAGE, b"x" * PAGE)
    assert (numbered.m.pages.nr_dirty, numbered.counter("pgpgout")) == (limit + 1 - 48, 48)
    numbered.memory.check()
    numbered.memory.close()


def test_a_file_larger_than_memory(tmp_path: Path) -> None:
    numbered = Numbered(tmp_path / "file", ram=128)
    for index in range(1000):
        numbered.inode.write(index * PAGE, numbered.memory.contents(index))
    for index in range(0, 1000, 7):
        assert numbered.read(index * PAGE, PAGE) == numbered.memory.contents(index)
    numbered.memory.check()
    numbered.inode.writeback()
    assert numbered.path.read_bytes() == b"".join(map(numbered.memory.contents, range(1000)))
    numbered.memory.close()


def test_writes_and_mappings_are_the_same_bytes(numbered: Numbered) -> None:
    one = numbered.memory.process()
    do_mmap(one, BASE, 4 * PAGE, RW, SHARED | FIXED, file=numbered.inode)
    numbered.inode.write(PAGE - 2, b"four")
    assert one.read(BASE + PAGE - 2, 4) == b"four"
    one.write(BASE + PAGE - 1, b"IV")
    assert numbered.read(PAGE - 2, 4) == b"fIVr"
    assert numbered.cached() == [0, 1]


# ---- cutting -----------------------------------------------------------------------------


def cut(numbered: Any, size: int) -> None:
    old = numbered.path.stat().st_size
    with numbered.path.open("r+b") as file:
        file.truncate(size)
    numbered.inode.truncated(old, size)


def test_what_is_cut_off_is_gone_everywhere(tmp_path: Path) -> None:
    """Ptes of shared and private areas, private copies in memory and in swap, pages."""
    shared = Shared(tmp_path / "file", ram=1024)
    memory, m = shared.memory, shared.m
    shared.vm.swap.swapon_size(64 * PAGE)
    one = memory.process()
    shared.map(one)
    shared.map(one, page=8, flags=PRIVATE)
    for page in range(7):
        one.write(BASE + page * PAGE, b"shared")
        one.write(BASE + (8 + page) * PAGE, b"mine")
    shared.vm.reclaim_range(one, BASE + 12 * PAGE, BASE + 13 * PAGE)
    for _ in range(3):
        shared.vm.reclaim_range(one, BASE + 12 * PAGE, BASE + 13 * PAGE)
    assert memory.kind(one, 12) == lib.PTE_SWAP
    sequence = shared.inode.mapping.truncate_count
    cut(shared, 2 * PAGE + 10)
    assert shared.inode.mapping.truncate_count == sequence + 1
    memory.check()
    assert [memory.kind(one, page) for page in (*range(7), *range(8, 15))] == (
        [lib.PTE_PRESENT] * 3 + [lib.PTE_NONE] * 4
    ) * 2
    assert lib.swap_used(m) == 0
    assert m.pages.nr_pagecache == 3
    assert one.read(BASE + 2 * PAGE, 12) == b"shared\2\2\2\2\0\0"
    assert one.read(BASE + 10 * PAGE, 12) == b"mineed\2\2\2\2\2\2"  # a copy stays as it is
    for page in (3, 11):
        assert shared.vm.fault(one, BASE + page * PAGE, lib.ACCESS_READ) == lib.FAULT_SIGBUS
        assert errno_of(one.read, BASE + page * PAGE, 1) == EFAULT
    cut(shared, 4 * PAGE)
    assert one.read(BASE + 3 * PAGE, 6) == bytes(6)
    assert one.read(BASE + 2 * PAGE, 12) == b"shared\2\2\2\2\0\0"
    memory.check()
    memory.close()


def test_nothing_that_is_cut_off_is_written(numbered: Numbered) -> None:
    numbered.inode.write(90 * PAGE, b"x" * PAGE)
    cut(numbered, 90 * PAGE)
    assert numbered.m.pages.nr_dirty == 0
    numbered.inode.writeback()
    assert numbered.path.stat().st_size == 90 * PAGE
    assert numbered.counter("pgpgout") == 0


def test_what_stood_behind_the_end_does_not_come_back(tmp_path: Path) -> None:
    """Written through a mapping into the last page; then the file grows."""
    shared = Shared(tmp_path / "file")
    one = shared.memory.process()
    shared.map(one)
    one.write(BASE + 6 * PAGE, b"end, and more")
    cut(shared, 7 * PAGE)
    assert one.read(BASE + 6 * PAGE, 14) == b"end" + bytes(11)
    do_munmap(one, BASE, PAGE)
    shared.memory.close()


FAR = 1 << 32 + 12
"""Whose index is 0 in 32 bits."""


def far_file() -> tuple[Memory, Inode]:
    """A file that reaches farther than indices of 32 bits, and begins with a page of ones."""
    memory = Memory()
    inode = memory.vm.inodes.share(
        (1, 1, -1, -1), "far", lambda: os.memfd_create("far"), writable=True
    )
    inode.write(0, b"\1" * PAGE)
    os.truncate(inode.fd, FAR + 5)
    return memory, inode


def test_what_lies_too_far_is_not_the_beginning() -> None:
    """Read, cut, advised about: the pages at its beginning are none of that's business."""
    memory, inode = far_file()
    assert inode.pread(FAR, 5, inode.readahead()) == (b"" if BITS == 32 else bytes(5))
    os.truncate(inode.fd, FAR + 9)
    inode.truncated(FAR + 5, FAR + 9)
    os.truncate(inode.fd, FAR + 7)
    inode.truncated(FAR + 9, FAR + 7)
    assert inode.pread(0, PAGE, inode.readahead()) == b"\1" * PAGE
    memory.check()
    memory.close()


def test_advice_about_more_than_there_can_be() -> None:
    memory, inode = far_file()
    inode.advise(0, 2 * FAR, DONTNEED, inode.readahead())
    assert memory.m.pages.nr_pagecache == 0
    inode.advise(FAR, FAR, WILLNEED, inode.readahead())
    memory.check()
    memory.close()


def test_no_area_reaches_farther_than_an_index(tmp_path: Path) -> None:
    """Its offsets would begin again at 0."""
    shared = Shared(tmp_path / "file")
    one, most = shared.memory.process(), LIMIT - 1
    place = (BASE, 2 * PAGE, R, SHARED | FIXED)
    assert errno_of(do_mmap, one, *place, shared.inode, most - 1) == EOVERFLOW
    do_mmap(one, *place, shared.inode, most - 2)
    assert errno_of(do_mremap, one, BASE, 2 * PAGE, 3 * PAGE, 1) == EINVAL
    shared.memory.check()
    shared.memory.close()


def test_a_descriptor_that_nobody_may_read(numbered: Numbered) -> None:
    """readahead() and read() of what the host refuses: the error, and no page stays."""
    fd = numbered.core.lib.inode_of(numbered.m, numbered.inode.mapping).fd
    write_only = os.open(numbered.path, os.O_WRONLY)
    os.dup2(write_only, fd)
    os.close(write_only)
    assert errno_of(numbered.read, 0, 10) == 5
    assert numbered.cached() == []
