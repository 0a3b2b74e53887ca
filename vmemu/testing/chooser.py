"""Which random operation comes next."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

from vmemu.mm.consts import (
    MADV_DONTNEED,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_GROWSDOWN,
    MAP_LOCKED,
    MAP_NORESERVE,
    MAP_POPULATE,
    MAP_PRIVATE,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
)
from vmemu.testing.advice_ops import ADVICE
from vmemu.testing.frame import Operation
from vmemu.testing.model import FILE_PAGES, LOCKED, PAGE, WRITE, Space
from vmemu.testing.world import HEAP, World

WIDE = 0x50000  # whole page tables, which mremap may move as they are
PROTS = (0, 1, 1, 2, 3, 3, 3, 3, 3, 5, 7)


class Chooser:
    """Chooses operations that are likely to do something, from what the model holds."""

    def __init__(self, rng: random.Random, world: World) -> None:
        self.rng = rng
        self.world = world
        core = world.core
        self.low = core.unmapped_base // PAGE  # where mappings go by themselves
        # where two page tables meet; in x86-64 two directories as well
        self.seam = (0x40400 if core.bits == 32 else 0x40000) - 16
        self.top = world.task_pages - 160  # just below the stack's end
        self.table = core.lib.PTRS_PER_TABLE  # pages
        self.serial = 0
        self.pid = 0  # one process is busy for a while, lest the TLB be always empty
        self.downgrades = (self.munmap, self.mprotect, self.mremap, self.fork, self.reclaim)
        self.accesses = 0  # still to come, through a TLB that should have been flushed
        self.changed = range(0)  # pages that the last operation was about
        self.queue: deque[Operation] = deque()
        weights: dict[Callable[[int, Space], Operation], int] = {
            self.mmap: 60,
            self.munmap: 22,
            self.mprotect: 50,
            self.mremap: 60,
            self.brk: 25,
            self.madvise: 20,
            self.mincore: 12,
            self.lock: 20,
            self.unlock: 20,
            self.read: 120,
            self.write: 180,
            self.user_read: 130,
            self.user_write: 180,
            self.fetch: 15,
            self.fault: 30,
            self.fork: 20,
            self.exit: 9,
            self.reclaim: 40,
            self.swap: 8,
            self.wide: 5,
            self.patchwork: 20,
            self.wrapped: 6,
        }
        self.kinds = list(weights)
        self.weights = list(weights.values())

    def next(self) -> Operation:
        """One more operation."""
        world, rng = self.world, self.rng
        self.serial += 1
        if not world.processes:
            return ("spawn",)
        pid = self.pid
        if pid not in world.processes or rng.random() < 0.08:
            pid = self.pid = rng.choice(tuple(world.processes))
        relief = self._relief(pid)
        if relief is not None:
            return relief
        if self.queue:
            return self.queue.popleft()
        space = world.processes[pid].space
        if self.accesses and world.tlb.entries:
            self.accesses -= 1
            return rng.choice((self.user_read, self.user_write, self.user_write))(pid, space)
        kind = rng.choices(self.kinds, self.weights)[0]
        operation = kind(pid, space)
        self.accesses = rng.choice((0, 3)) if kind in self.downgrades else 0
        self.changed = range(0)
        if len(operation) > 3 and operation[1] == pid:
            start = operation[2] // PAGE
            self.changed = range(start, start + min(operation[3] // PAGE, 64))
        return operation

    def _relief(self, pid: int) -> Operation | None:
        """What must happen now, lest memory or patience run out."""
        world, rng = self.world, self.rng
        spaces = {other: process.space for other, process in world.processes.items()}
        budget = world.config.budget
        used = sum(len(space.touched) for space in spaces.values())
        room = sum(pages for pages, on in zip(world.config.swap, world.swap_on, strict=True) if on)
        if budget is not None:
            if used > budget:
                largest = max(spaces, key=lambda other: len(spaces[other].touched))
                if rng.random() < 0.5:
                    return ("exit", largest)
                touched = sorted(spaces[largest].touched)
                page = rng.choice(touched)
                return ("munmap", largest, page * PAGE, 64 * PAGE)
            if room < min(budget, sum(world.config.swap)) and used > 100 + room // 2:
                return ("swapon", world.swap_on.index(False))
        if sum(space.locked() for space in spaces.values()) > world.config.locked:
            return ("munlockall", max(spaces, key=lambda other: spaces[other].locked()))
        if len(spaces[pid].attr) > 4000:
            return ("exec", pid)
        return None

    # ---- places

    def page(self, space: Space) -> int:
        """A page, most often one that is mapped."""
        rng, where = self.rng, self.rng.random()
        known = self.world.tlb.entries
        if known and where < 0.25 and self.world.tlb.mm is self.world.processes[self.pid].mm:
            return rng.choice(tuple(known))
        if space.touched and where < 0.6:
            return rng.choice(tuple(space.touched))
        if space.attr and where < 0.87:
            return rng.choice(tuple(space.attr))
        return self.anywhere()

    def anywhere(self) -> int:
        """A page in one of the places where things happen."""
        rng = self.rng
        start, size = rng.choice(
            ((self.low, 160), (self.low, 160), (self.seam, 32), (self.top, 160))
        )
        return start + rng.randrange(size)

    def length(self) -> int:
        """Bytes, mostly a few pages, seldom not whole ones."""
        rng = self.rng
        pages = min(int(rng.expovariate(0.12)) + 1, 72)
        ragged = rng.randrange(PAGE) if rng.random() < 0.1 else 0
        return pages * PAGE - ragged

    def run(self, space: Space) -> tuple[int, int]:
        """Pages [start, end) that look alike: a vma, or a piece of one."""
        rng = self.rng
        page = self.page(space)
        attr = space.attr.get(page)
        start, end = page, page + 1
        if attr is not None:
            while end < page + 64 and space.attr.get(end) == attr:
                end += 1
            while start > page - 64 and space.attr.get(start - 1) == attr:
                start -= 1
            if rng.random() < 0.5:
                start = rng.randrange(start, end)
            if rng.random() < 0.5:
                end = rng.randrange(start, end) + 1
        return start, end

    def stretch(self, space: Space) -> tuple[int, int]:
        """Mapped pages, whatever they look like: areas that may become one."""
        start = self.page(space)
        end = start + 1
        while start - 1 in space.attr and end - start < 24:
            start -= 1
        while end in space.attr and end - start < 48:
            end += 1
        return start, end

    def address(self, space: Space) -> int:
        """A byte."""
        return self.page(space) * PAGE + self.rng.randrange(PAGE)

    def cached(self, space: Space) -> int:
        """A page, often one that the TLB believes to know."""
        known = self.world.tlb.entries
        if self.accesses and (changed := [page for page in self.changed if page in known]):
            return self.rng.choice(changed)
        if known and self.rng.random() < 0.5:
            return self.rng.choice(tuple(known))
        return self.page(space)

    def may_lock(self, space: Space, pages: int) -> bool:
        """Whether so many more pages may be locked."""
        locked = sum(process.space.locked() for process in self.world.processes.values())
        return locked + pages <= self.world.config.locked

    # ---- operations

    def mmap(self, pid: int, space: Space) -> Operation:
        """New memory, mostly near what there is."""
        rng = self.rng
        flags = MAP_PRIVATE | MAP_ANONYMOUS
        address, length, prot = 0, self.length(), rng.choice(PROTS)
        place = rng.random()
        if place < 0.45:
            flags |= MAP_FIXED
            address = self.anywhere() * PAGE
        elif place < 0.7:
            address = self.page(space) * PAGE + rng.choice((0, 0, 0, PAGE, length, 17))
        if flags & MAP_FIXED and rng.random() < 0.15:
            flags = flags & ~MAP_FIXED | MAP_FIXED_NOREPLACE
        if rng.random() < 0.08:
            flags |= MAP_POPULATE
        if rng.random() < 0.04 and self.may_lock(space, length // PAGE):
            flags |= MAP_LOCKED
        if rng.random() < 0.1:
            flags |= MAP_NORESERVE
        if rng.random() < 0.06:
            flags |= MAP_GROWSDOWN | MAP_FIXED
            address = (self.top + 60 + rng.randrange(80)) * PAGE
            length = min(length, 16 * PAGE)
        if rng.random() < 0.02:
            address += rng.choice((1, PAGE // 2, self.world.task_pages * PAGE - 3 * PAGE))
        elif rng.random() < 0.01:
            length = rng.choice((0, 1500 * PAGE, self.world.task_pages * PAGE + 1))
            flags &= ~(MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_LOCKED | MAP_POPULATE | MAP_GROWSDOWN)
        if space.lock_future and not self.may_lock(space, length // PAGE):
            return ("munlockall", pid)
        if rng.random() < 0.25 and not flags & MAP_GROWSDOWN:
            file = rng.randrange(FILE_PAGES)
            return (
                "mmap",
                pid,
                address & self.world.core.mask,
                length,
                prot,
                flags & ~MAP_ANONYMOUS,
                file,
            )
        return ("mmap", pid, address & self.world.core.mask, length, prot, flags)

    def munmap(self, pid: int, space: Space) -> Operation:
        """A hole, a part or a whole area."""
        start, end = self.run(space)
        length = self.length() if self.rng.random() < 0.5 else (end - start) * PAGE
        ragged = self.rng.choice((0,) * 30 + (1, 4095))
        return ("munmap", pid, start * PAGE + ragged, length)

    def mprotect(self, pid: int, space: Space) -> Operation:
        """Other rights for some of an area."""
        start, end = self.run(space)
        length = self.length() if self.rng.random() < 0.2 else (end - start) * PAGE
        prot = self.rng.choice(PROTS)
        if self.rng.random() < 0.35:
            start, end = self.stretch(space)
            length, prot = (end - start) * PAGE, self.rng.choice((3, 3, 3, 7))
        return ("mprotect", pid, start * PAGE + self.rng.choice((0,) * 50 + (1,)), length, prot)

    def mremap(self, pid: int, space: Space) -> Operation:
        """Grow, shrink or move, also onto others."""
        rng = self.rng
        start, end = self.run(space)
        count = end - start
        pages = count
        if rng.random() < 0.5:
            pages = max(1, count + rng.randrange(-8, 12))
        flags = rng.choice((0, MREMAP_MAYMOVE, MREMAP_MAYMOVE, MREMAP_MAYMOVE | MREMAP_FIXED))
        if rng.random() < 0.5:
            flags = MREMAP_MAYMOVE | MREMAP_FIXED
        new = self.anywhere() if rng.random() < 0.6 else self.page(space)
        if rng.random() < 0.02:
            flags = rng.choice((MREMAP_FIXED, 8, 3, MREMAP_DONTUNMAP))
        elif rng.random() < 0.15 and flags & MREMAP_MAYMOVE:
            flags |= MREMAP_DONTUNMAP
            pages = count if rng.random() < 0.9 else pages
            if space.attr.get(start, 0) & LOCKED and not self.may_lock(space, count):
                flags &= ~MREMAP_DONTUNMAP
        if space.attr.get(start, 0) & LOCKED and not self.may_lock(space, pages - count):
            pages = count
        ragged = rng.choice((0,) * 60 + (1,))
        return (
            "mremap",
            pid,
            start * PAGE + ragged,
            count * PAGE,
            pages * PAGE - (rng.randrange(PAGE) if rng.random() < 0.1 else 0),
            flags,
            new * PAGE if flags & MREMAP_FIXED else 0,
        )

    def brk(self, pid: int, space: Space) -> Operation:
        """A larger or smaller heap."""
        rng = self.rng
        brk = space.brk + rng.choice((-1, 1, 1)) * rng.randrange(12 * PAGE)
        brk = min(brk, HEAP + 100 * PAGE)
        if rng.random() < 0.3:
            brk &= ~(PAGE - 1)
        if space.lock_future and not self.may_lock(space, 12):
            return ("munlockall", pid)
        return ("brk", pid, max(brk, HEAP - (PAGE if rng.random() < 0.02 else 0)))

    def madvise(self, pid: int, space: Space) -> Operation:
        """Of all kinds, often MADV_DONTNEED."""
        start, end = self.run(space)
        length = self.length() if self.rng.random() < 0.3 else (end - start) * PAGE
        advice = self.rng.choice(ADVICE + (MADV_DONTNEED,) * 8)
        if self.rng.random() < 0.02:
            advice = 77
        return ("madvise", pid, start * PAGE, length, advice)

    def mincore(self, pid: int, space: Space) -> Operation:
        """What is in memory, written to memory."""
        start, end = self.run(space)
        length = self.length() if self.rng.random() < 0.3 else (end - start) * PAGE
        return ("mincore", pid, start * PAGE, length, self.address(space))

    def lock(self, pid: int, space: Space) -> Operation:
        """A few pages, so that some can still be taken."""
        start, end = self.run(space)
        end = min(end, start + 12)
        if not self.may_lock(space, end - start):
            return self.unlock(pid, space)
        if self.rng.random() < 0.1 and self.may_lock(space, len(space.attr)):
            return ("mlockall", pid, self.rng.choice((1, 2, 3, 5, 6, 7)))
        if self.rng.random() < 0.02:
            return ("mlockall", pid, self.rng.choice((0, 4, 8)))
        call = self.rng.choice(("mlock", "mlock", "mlock2"))
        return (call, pid, start * PAGE + self.rng.choice((0, 1, 4095)), (end - start) * PAGE)

    def unlock(self, pid: int, space: Space) -> Operation:
        """Some of what is locked, or all."""
        start, end = self.run(space)
        if self.rng.random() < 0.1:
            return ("munlockall", pid)
        return ("munlock", pid, start * PAGE, (end - start) * PAGE)

    def read(self, pid: int, space: Space) -> Operation:
        """By a system call."""
        return ("read", pid, self.address(space), self.rng.choice((1, 4, 100, PAGE, 3 * PAGE)))

    def write(self, pid: int, space: Space) -> Operation:
        """By a system call."""
        n = self.rng.choice((1, 4, 64, PAGE, 3 * PAGE, 8 * PAGE, 30 * PAGE))
        return ("write", pid, self.address(space), n, self.serial)

    def user_read(self, pid: int, space: Space) -> Operation:
        """By the program."""
        return ("user_read", pid, self.cached(space) * PAGE + self.rng.randrange(PAGE), 64)

    def user_write(self, pid: int, space: Space) -> Operation:
        """By the program, mostly where it may."""
        page = self.cached(space)
        if not space.attr.get(page, WRITE) & WRITE:
            page = self.page(space)
        n = self.rng.choice((4, PAGE))
        return ("user_write", pid, page * PAGE + self.rng.randrange(PAGE), n, self.serial)

    def fetch(self, pid: int, space: Space) -> Operation:
        """Run code."""
        return ("fetch", pid, self.address(space))

    def fault(self, pid: int, space: Space) -> Operation:
        """A fault without an access."""
        return ("fault", pid, self.address(space), self.rng.randrange(2))

    def fork(self, pid: int, space: Space) -> Operation:
        """A child, or a process without a parent."""
        if self.rng.random() < 0.15:
            return ("spawn",)
        return ("fork", pid)

    def exit(self, pid: int, space: Space) -> Operation:
        """An end, or a new beginning."""
        return ("exec" if self.rng.random() < 0.3 else "exit", pid)

    def reclaim(self, pid: int, space: Space) -> Operation:
        """Evict something."""
        rng = self.rng
        what = rng.random()
        if what < 0.5:
            start, end = self.run(space)
            return ("reclaim_range", pid, start * PAGE, (end - start) * PAGE)
        if what < 0.7:
            return ("reclaim", rng.randrange(400))
        if what < 0.9:
            return ("direct_reclaim", rng.choice((1, 32, 200)))
        return ("kswapd",)

    def wide(self, pid: int, space: Space) -> Operation:
        """Map, move or unmap as much as page tables hold."""
        rng = self.rng
        tables = [WIDE + n * self.table for n in range(4)]
        there = [table for table in tables if table in space.attr]
        table = rng.choice(there or tables)
        length = rng.choice((1, 1, 2)) * self.table * PAGE
        if space.lock_future:
            return ("munlockall", pid)
        if not there:
            fixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE
            return ("mmap", pid, table * PAGE, length, 3, fixed)
        if rng.random() < 0.3:
            return ("munmap", pid, table * PAGE, length)
        flags = MREMAP_MAYMOVE | MREMAP_FIXED
        return ("mremap", pid, table * PAGE, length, length, flags, rng.choice(tables) * PAGE)

    def patchwork(self, pid: int, space: Space) -> Operation:
        """One area, cut, patched and written in places, then made whole again."""
        rng = self.rng
        start, pages = self.anywhere() * PAGE, rng.randrange(4, 16)
        fixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
        for _ in range(rng.randrange(2, 6)):
            first = rng.randrange(pages)
            at, length = start + first * PAGE, rng.randrange(1, pages - first + 1) * PAGE
            self.queue.append(
                rng.choice(
                    (
                        ("mprotect", pid, at, length, rng.choice((0, 1, 7))),
                        ("mprotect", pid, at, length, 3),
                        ("munmap", pid, at, length),
                        ("mmap", pid, at, length, 3, fixed),
                        ("write", pid, at, min(length, 2 * PAGE), self.serial),
                        ("user_write", pid, at, 8, self.serial),
                        ("reclaim_range", pid, start, pages * PAGE),
                    )
                )
            )
        self.queue.append(("mprotect", pid, start, pages * PAGE, 3))
        if space.lock_future:
            self.queue.clear()
            return ("munlockall", pid)
        return ("mmap", pid, start, pages * PAGE, 3, fixed)

    def wrapped(self, pid: int, space: Space) -> Operation:
        """An area moved up that then grows down beyond offset 0: its offsets wrap (mod 2^32)."""
        rng = self.rng
        if space.lock_future:
            return ("munlockall", pid)
        pages, first = rng.randrange(1, 5), rng.randrange(16, 20)
        low, high = first * PAGE, (self.top + 60 + rng.randrange(80)) * PAGE
        flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN
        below = high - rng.choice((1, first - 1, first, first + 1, 2 * first)) * PAGE
        move = MREMAP_MAYMOVE | MREMAP_FIXED
        self.queue += [
            ("write", pid, low, PAGE, self.serial),
            ("mremap", pid, low, pages * PAGE, pages * PAGE, move, high),
            ("user_write", pid, below, 8, self.serial),
            ("write", pid, below, rng.randrange(1, 2 * first) * PAGE, self.serial),
        ]
        middle = below + rng.randrange(2 * first) * PAGE
        self.queue += rng.sample(
            (
                ("fork", pid),
                ("mprotect", pid, middle, PAGE, rng.choice((1, 3))),
                ("munmap", pid, middle, PAGE),
                ("mprotect", pid, below, 2 * first * PAGE, 3),
                ("madvise", pid, middle, PAGE, MADV_DONTNEED),
                ("user_write", pid, middle, 8, self.serial),
            ),
            k=rng.randrange(4),
        )
        self.queue += [
            ("reclaim_range", pid, below, 2 * first * PAGE),
            ("read", pid, below, 3 * PAGE),
        ]
        return ("mmap", pid, low, pages * PAGE, 3, flags)

    def swap(self, pid: int, space: Space) -> Operation:
        """Use a swap area, or give it up."""
        areas = self.world.swap_on
        if not areas:
            return ("kswapd",)
        area = self.rng.randrange(len(areas))
        if not areas[area]:
            return ("swapon", area)
        return ("swapoff", area)
