"""Shared memory and files of tmpfs: pages in the page cache or in swap, counted once."""

from __future__ import annotations

import errno
import functools
import random
from collections.abc import Iterator

import pytest
from memory import ANON, BASE, FIXED, NORESERVE, PAGE, PRIVATE, RW, SCHEMES, Memory, R, errno_of

from tests.width import LIMIT, lib
from vmemu.errors import Errno
from vmemu.file.shmem import Shmem
from vmemu.mm import Mm, do_madvise, do_mmap, do_mremap, do_munmap, dup_mmap

SHARED = 0x01
MADV_DONTNEED, MADV_REMOVE = 4, 9
MAYMOVE = 1


@pytest.fixture(params=SCHEMES)
def memory(request: pytest.FixtureRequest) -> Iterator[Memory]:
    memory = Memory(request.param, ram=512)
    memory.vm.swap.swapon_size(4096 * PAGE)
    yield memory
    memory.check()
    memory.close()


def anonymous(mm: Mm, pages: int, page: int = 0, flags: int = 0, prot: int = RW) -> Shmem:
    """Shared memory without a name behind BASE."""
    do_mmap(mm, BASE + page * PAGE, pages * PAGE, prot, SHARED | ANON | FIXED | flags)
    vma = mm.core.lib.find_vma(mm.core.m, mm.ptr, BASE + page * PAGE)
    found = mm.vm.inodes.find(vma.vm_file)
    assert isinstance(found, Shmem)
    return found


def pressure(memory: Memory, free: int = 440) -> None:
    """Reclaim until so many frames are free, which is nearly all."""
    for _ in range(4):  # at first all pages are young
        memory.vm.reclaim.reclaim_pages(free)


def test_a_page_goes_to_swap_and_comes_back(memory: Memory) -> None:
    one = memory.process()
    shmem = anonymous(one, 200)
    memory.fill(one, 0, 200)
    other = dup_mmap(one)
    pressure(memory)
    memory.check()
    assert shmem.swapped > 30
    assert shmem.allocated == 200
    assert [other.read(BASE + n * PAGE, 16) for n in range(200)] == [
        memory.contents(n, 0)[:16] for n in range(200)
    ]
    other.write(BASE + 7 * PAGE, b"by another")
    assert one.read(BASE + 7 * PAGE, 10) == b"by another"
    memory.check()
    one.put()
    assert len(list(memory.vm.inodes.shmems())) == 1
    other.put()
    assert not list(memory.vm.inodes.shmems())
    assert memory.core.lib.swap_used(memory.m) == 0
    assert memory.m.pages.nr_shmem == 0


def test_swapoff_brings_it_back(memory: Memory) -> None:
    one = memory.process()
    shmem = anonymous(one, 150)
    memory.fill(one, 0, 150)
    pressure(memory)
    assert shmem.swapped > 20
    memory.vm.swap.swapoff(memory.vm.swap.areas[0].path)
    assert shmem.swapped == 0
    assert all(one.read(BASE + n * PAGE, 16) == memory.contents(n, 0)[:16] for n in range(150))
    memory.check()
    one.put()


def test_swapoff_does_not_find_room(memory: Memory) -> None:
    one = memory.process()
    shmem = anonymous(one, 800)
    memory.fill(one, 0, 800)
    path = memory.vm.swap.areas[0].path
    assert errno_of(memory.vm.swap.swapoff, path) == errno.ENOMEM
    memory.check()
    assert shmem.allocated == 800
    assert one.read(BASE + 799 * PAGE, 16) == memory.contents(799, 0)[:16]
    one.put()


def test_a_hole_that_was_only_read_is_one_again(memory: Memory) -> None:
    """Reclaim drops a page that nobody wrote to, and the file is charged for it no longer."""
    one = memory.process()
    shmem = anonymous(one, 50, flags=NORESERVE)
    assert one.read(BASE + 3 * PAGE, 4) == bytes(4)
    assert (shmem.allocated, memory.vm.commit.pages) == (1, 1)
    memory.vm.reclaim_range(one, BASE, BASE + 50 * PAGE)
    memory.check()
    assert (shmem.allocated, shmem.swapped, memory.vm.commit.pages) == (0, 0, 0)
    one.put()


def test_what_is_promised(memory: Memory) -> None:
    """An object as a whole when it is made; a file, and what needs no promise, page by page."""
    commit, one = memory.vm.commit, memory.process()
    anonymous(one, 30)
    assert commit.pages == 30
    anonymous(one, 20, page=100, prot=R)
    assert commit.pages == 50
    lazy = anonymous(one, 10, page=200, flags=NORESERVE)
    one.write(BASE + 203 * PAGE, b"x")
    assert (commit.pages, lazy.promised) == (51, 1)
    other = dup_mmap(one)
    assert commit.pages == 51
    one.put()
    do_munmap(other, BASE, 30 * PAGE)
    assert commit.pages == 21
    other.put()
    assert commit.pages == 0


def test_a_promise_that_cannot_be_made() -> None:
    memory = Memory(ram=512, overcommit=lib.OVERCOMMIT_NEVER, overcommit_ratio=50)
    one = memory.process()
    limit = int(memory.m.k.zone.present_pages) // 2
    anonymous(one, limit - 1)
    with pytest.raises(Errno) as caught:
        anonymous(one, 2, page=1000)
    assert caught.value.errno == errno.ENOMEM
    assert len(list(memory.vm.inodes.shmems())) == 1
    memory.check()
    memory.close()


def test_grown_by_mremap_it_ends_where_the_object_does(memory: Memory) -> None:
    one = memory.process()
    anonymous(one, 4)
    memory.fill(one, 0, 4)
    at = do_mremap(one, BASE, 4 * PAGE, 9 * PAGE, MAYMOVE)
    assert one.read(at + 3 * PAGE, 16) == memory.contents(3, 0)[:16]
    fault = memory.vm.fault(one, at + 4 * PAGE, lib.ACCESS_READ)
    assert fault == lib.FAULT_SIGBUS
    twin = do_mremap(one, at, 0, 2 * PAGE, MAYMOVE)
    one.write(twin, b"twin")
    assert one.read(at, 4) == b"twin"
    memory.check()
    one.put()


def test_advice(memory: Memory) -> None:
    one = memory.process()
    shmem = anonymous(one, 10)
    memory.fill(one, 0, 10)
    do_madvise(one, BASE, 10 * PAGE, MADV_DONTNEED)
    assert one.read(BASE + 5 * PAGE, 16) == memory.contents(5, 0)[:16]
    do_madvise(one, BASE + 2 * PAGE, 3 * PAGE, MADV_REMOVE)
    assert shmem.allocated == 7
    assert one.read(BASE + 2 * PAGE, 3 * PAGE) == bytes(3 * PAGE)
    memory.map(one, 50, 2)
    assert errno_of(do_madvise, one, BASE + 50 * PAGE, PAGE, MADV_REMOVE) == errno.EINVAL
    one.put()


def test_a_hole_leaves_private_copies(memory: Memory) -> None:
    """What is cut off is gone for all, and so are copies of it."""
    shmem, one = memory.vm.inodes.shmem("/file"), memory.process()
    shmem.write(0, b"file" * (PAGE * 8 // 4))
    do_mmap(one, BASE, 8 * PAGE, RW, PRIVATE | FIXED, file=shmem)
    one.write(BASE + 2 * PAGE, b"mine")
    assert one.read(BASE + 3 * PAGE, 4) == b"file"
    shmem.punch(PAGE, 4 * PAGE)
    assert one.read(BASE + 2 * PAGE, 8) == b"minefile"
    assert one.read(BASE + 3 * PAGE, 4) == bytes(4)
    shmem.truncate(2 * PAGE)
    assert memory.vm.fault(one, BASE + 2 * PAGE, lib.ACCESS_READ) == lib.FAULT_SIGBUS
    memory.check()
    one.put()
    shmem.put()


class Plain:
    """The same content, as plain bytes: what everybody sees."""

    PAGES = 60

    def __init__(self) -> None:
        self.data = bytearray()

    def resize(self, size: int) -> None:
        del self.data[size:]
        self.data.extend(bytes(size - len(self.data)))

    def write(self, offset: int, data: bytes) -> None:
        self.data.extend(bytes(max(0, offset + len(data) - len(self.data))))
        self.data[offset : offset + len(data)] = data

    def punch(self, offset: int, count: int) -> None:
        end = min(len(self.data), offset + count)
        self.data[offset:end] = bytes(max(0, end - offset))


class Run:
    """Random operations on a file of tmpfs that processes map and others read and write."""

    def __init__(self, memory: Memory, seed: int) -> None:
        self.memory, self.rng = memory, random.Random(seed)
        self.shmem = memory.vm.inodes.shmem("/file", sb=memory.vm.inodes.new_sb(200))
        self.plain = Plain()
        self.mms = [memory.process()]
        self.map(self.mms[0])

    def map(self, mm: Mm) -> None:
        do_mmap(mm, BASE, Plain.PAGES * PAGE, RW, SHARED | FIXED, file=self.shmem)

    def place(self) -> tuple[int, int]:
        offset = self.rng.randrange(Plain.PAGES * PAGE)
        return offset, min(self.rng.choice([1, 100, 5000, 20000]), Plain.PAGES * PAGE - offset)

    def step(self) -> None:
        rng, plain, shmem = self.rng, self.plain, self.shmem
        offset, count = self.place()
        mm, data = rng.choice(self.mms), rng.randbytes(count)
        end = -(-len(plain.data) // PAGE) * PAGE
        kind = rng.randrange(11)
        if kind == 0:
            assert shmem.write(offset, data) == count
            plain.write(offset, data)
        elif kind == 1:
            assert shmem.read(offset, count) == plain.data[offset : offset + count]
        elif kind == 2:
            shmem.truncate(offset)
            plain.resize(offset)
        elif kind == 3:
            shmem.punch(offset, count)
            plain.punch(offset, count)
        elif kind == 4:
            inside = max(0, min(count, end - offset))
            assert mm.write_some(BASE + offset, data) == inside
            shown = data[: max(0, min(inside, len(plain.data) - offset))]
            plain.data[offset : offset + len(shown)] = shown
            # what lies behind the end in its page is nobody's: it is zeros when the file grows
            if inside > len(shown):
                shmem.truncate(len(plain.data))
                mm.write_some(BASE + len(plain.data), bytes(end - len(plain.data)))
        elif kind == 5:
            inside = max(0, min(count, len(plain.data) - offset))
            assert mm.read(BASE + offset, inside) == plain.data[offset : offset + inside]
        elif kind == 6 and len(self.mms) < 5:
            self.mms.append(dup_mmap(mm))
        elif kind == 7 and len(self.mms) > 1:
            self.mms.remove(mm)
            mm.put()
        elif kind == 8:
            do_madvise(mm, BASE, Plain.PAGES * PAGE, MADV_DONTNEED)
        elif kind == 9:
            self.memory.vm.reclaim_range(mm, BASE + offset, BASE + offset + count)
        elif kind == 10:
            pressure(self.memory, 470)
        assert shmem.size == len(plain.data)


@pytest.mark.parametrize("seed", range(4))
def test_random_operations_against_plain_bytes(memory: Memory, seed: int) -> None:
    run = Run(memory, seed)
    for n in range(150):
        run.step()
        if n % 25 == 0:
            memory.check()
    assert run.shmem.read(0, 1 << 20) == run.plain.data
    for mm in run.mms:
        mm.put()
    run.shmem.put()
    memory.check()
    assert memory.m.pages.nr_shmem == memory.core.lib.swap_used(memory.m) == 0
    assert memory.core.counters()["shmem_swapin"] > 0


def test_data_and_holes(memory: Memory) -> None:
    shmem = memory.vm.inodes.shmem("/file")
    shmem.write(5 * PAGE, b"x" * (2 * PAGE))
    shmem.truncate(20 * PAGE)
    pressure(memory)
    assert (shmem.find(0, data=True), shmem.find(0, data=False)) == (5 * PAGE, 0)
    assert shmem.find(5 * PAGE + 3, data=False) == 7 * PAGE
    with pytest.raises(Errno):
        shmem.find(7 * PAGE, data=True)
    shmem.fill(10 * PAGE, 3 * PAGE)
    assert shmem.allocated == 5
    shmem.put()


def test_a_page_too_far_to_have(memory: Memory) -> None:
    """fallocate where no index of a page reaches."""
    shmem = memory.vm.inodes.shmem("too far")
    far = LIMIT * PAGE
    assert errno_of(shmem.fill, far - PAGE, 2 * PAGE) == errno.EFBIG
    shmem.truncate(min(far, 1 << 63) - 1)
    assert shmem.allocated == 0
    shmem.put()


def test_behind_the_last_page_there_can_be_comes_none(memory: Memory) -> None:
    """In 32 bits its index is the last: where data and holes are is looked for up to there."""
    shmem = memory.vm.inodes.shmem("as long as can be")
    end = min(LIMIT * PAGE, 1 << 63)
    shmem.truncate(end - 1)
    shmem.fill(end - PAGE, PAGE - 1)
    assert errno_of(functools.partial(shmem.find, data=True), 0) == errno.ENXIO
    shmem.write(end - PAGE, b"x")
    assert shmem.find(0, data=True) == end - PAGE
    assert shmem.find(end - PAGE, data=False) == end - 1
    shmem.put()


def test_a_file_system_is_full(memory: Memory) -> None:
    shmem = memory.vm.inodes.shmem("/file", sb=memory.vm.inodes.new_sb(8))
    assert shmem.write(0, bytes(20 * PAGE)) == 8 * PAGE
    with pytest.raises(Errno) as caught:
        shmem.write(8 * PAGE, b"x")
    assert caught.value.errno == errno.ENOSPC
    shmem.punch(0, 2 * PAGE)
    with pytest.raises(Errno):
        shmem.fill(20 * PAGE, 3 * PAGE)
    assert shmem.allocated == 6
    one = memory.process()
    shmem.truncate(30 * PAGE)
    do_mmap(one, BASE, 30 * PAGE, RW, SHARED | FIXED, file=shmem)
    assert one.write_some(BASE + 20 * PAGE, bytes(5 * PAGE)) == 2 * PAGE
    assert memory.vm.fault(one, BASE + 25 * PAGE, lib.ACCESS_WRITE) == lib.FAULT_SIGBUS
    one.put()
    shmem.put()


def test_locked_segments_stay(memory: Memory) -> None:
    one = memory.process()
    shmem = anonymous(one, 200)
    memory.fill(one, 0, 200)
    shmem.locked = True
    pressure(memory)
    assert shmem.swapped == 0
    shmem.locked = False
    pressure(memory)
    assert shmem.swapped > 0
    one.put()
