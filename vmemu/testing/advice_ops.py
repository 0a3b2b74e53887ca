"""Operations that leave areas where they are: madvise, mincore, mlock and its relatives."""

from __future__ import annotations

import functools
from errno import EAGAIN, EFAULT, EINVAL, ENOMEM

from vmemu.mm import (
    do_madvise,
    do_mincore,
    do_mlock,
    do_mlockall,
    do_munlock,
    do_munlockall,
)
from vmemu.mm.consts import (
    MADV_COLD,
    MADV_DODUMP,
    MADV_DOFORK,
    MADV_DONTDUMP,
    MADV_DONTFORK,
    MADV_DONTNEED,
    MADV_FREE,
    MADV_KEEPONFORK,
    MADV_NORMAL,
    MADV_PAGEOUT,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MADV_RANDOM,
    MADV_SEQUENTIAL,
    MADV_WILLNEED,
    MADV_WIPEONFORK,
    MCL_CURRENT,
    MCL_FUTURE,
    MCL_ONFAULT,
)
from vmemu.testing.frame import Difference, Process, page_up
from vmemu.testing.mapping_ops import MappingOps
from vmemu.testing.model import (
    DONTDUMP,
    DONTFORK,
    LOCKED,
    ONFAULT,
    PAGE,
    PROT,
    READ,
    WIPEONFORK,
    WRITE,
    Space,
)

_CHANGES = {
    MADV_DONTFORK: (0, DONTFORK), MADV_DOFORK: (DONTFORK, 0),
    MADV_WIPEONFORK: (0, WIPEONFORK), MADV_KEEPONFORK: (WIPEONFORK, 0),
    MADV_DONTDUMP: (0, DONTDUMP), MADV_DODUMP: (DONTDUMP, 0),
}  # fmt: skip
_TAKES = (MADV_DONTNEED, MADV_FREE, MADV_COLD, MADV_PAGEOUT)
_POPULATES = (MADV_POPULATE_READ, MADV_POPULATE_WRITE)
ADVICE = (
    *_CHANGES, *_TAKES, *_POPULATES, MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED
)  # fmt: skip
"""Every advice that is known."""


class AdviceOps(MappingOps):
    """madvise, mincore, mlock, munlock, mlockall, munlockall."""

    # ---- madvise, mincore

    def op_madvise(self, pid: int, address: int, length: int, advice: int) -> None:
        """Advice, of which some can be seen."""
        if not (process := self.process(pid)):
            return
        space = process.space
        error, _ = self.call(do_madvise, process.mm, address, length, advice)
        start, end = address // PAGE, address // PAGE + page_up(length)
        if address % PAGE or advice not in ADVICE:
            self.verdict(error, EINVAL)
            return
        mapped = [page for page in range(start, end) if page in space.attr]
        if advice in _POPULATES:
            self._populate(process, range(start, end), error, write=advice == MADV_POPULATE_WRITE)
            return
        if error == EAGAIN and self.short_of_memory():  # to split an area
            less, more = _CHANGES.get(advice, (0, 0))
            self._partly(process, mapped, lambda attr: attr & ~less | more)
            return
        wanted = ENOMEM if len(mapped) < end - start else 0
        for page in mapped:
            if not self._advised(space, page, advice):
                wanted = EINVAL
                break
        self.verdict(error, wanted)

    def _advised(self, space: Space, page: int, advice: int) -> bool:
        """What becomes of a page; False: the call ends with EINVAL."""
        attr = space.attr[page]
        if advice in _TAKES and attr & LOCKED:
            return False
        if advice in (MADV_FREE, MADV_WIPEONFORK) and page in space.file:
            return False
        if advice in (MADV_DONTNEED, MADV_FREE):
            space.clear(page)
        less, more = _CHANGES.get(advice, (0, 0))
        space.attr[page] = attr & ~less | more
        return True

    def _populate(self, process: Process, pages: range, error: int, *, write: bool) -> None:
        """Pages are brought in up to the first that cannot be."""
        space = process.space
        wanted, last = 0, pages.stop
        for page in pages:
            attr = space.attr.get(page)
            if attr is None:
                wanted = ENOMEM
            elif not attr & (WRITE if write else READ):
                wanted = EINVAL
            elif not space.backed(page):
                wanted = EFAULT
            if wanted:
                last = page
                break
        self.verdict(error, wanted, *([ENOMEM] if self.short_of_memory() else []))
        for page in range(pages.start, last):
            if self._present(process, page):
                space.touch(page)
            elif self._kept(process, page):
                space.touched.add(page)
            elif not error and not self.short_of_memory():
                raise Difference(f"{self.now}: page {page:#x} has not been brought in")

    def _kept(self, process: Process, page: int) -> bool:
        """It was there, and has been swapped since."""
        m = self.core.m
        return bool(self.core.lib.pte_kind_at(m, process.mm.ptr, page * PAGE))

    def op_mincore(self, pid: int, address: int, length: int, vector: int) -> None:
        """Which pages are in memory; the answer is written to user memory."""
        if not (process := self.process(pid)):
            return
        space = process.space
        pages = range(address // PAGE, address // PAGE + page_up(length))
        must = {page for page in pages if page in space.pinned}
        may = {page for page in pages if page in space.touched or page in space.file}
        error, _ = self.call(do_mincore, process.mm, address, length, vector)
        if address % PAGE:
            self.verdict(error, EINVAL)
            return
        if not pages:
            self.verdict(error, 0)
            return
        answer = range(vector // PAGE, (vector + len(pages) - 1) // PAGE + 1)
        wanted = 0
        if space.hole(pages.start, pages.stop) != pages.stop:
            wanted = ENOMEM
        if wanted:
            self.verdict(error, ENOMEM, EFAULT)
        elif self.permitted(process, answer, write=True) != len(answer):
            self.verdict(error, EFAULT)
        elif not (error == EFAULT and self.short_of_memory()) and self.verdict(error, 0):
            # The answer is written in pieces: its own page may be in by the time.
            self._check_vector(process, pages, vector, must, may.union(answer))
            return
        self._relearn(pid, process, vector, len(pages))

    def _check_vector(
        self, process: Process, pages: range, vector: int, must: set[int], may: set[int]
    ) -> None:
        error, found = self.call(process.mm.read, vector, len(pages))
        if error:
            if not self.short_of_memory():
                raise Difference("mincore: its answer cannot be read")
            self.apply(("exit", next(p for p, q in self.processes.items() if q is process)))
            return
        resident = {page for page, there in zip(pages, found, strict=True) if there & 1}
        self.expect("pages neither in memory nor out", set(found) - {0, 1}, set())
        self.expect("locked pages not in memory", must - resident, set())
        self.expect("untouched pages in memory", resident - may, set())
        process.space.write(vector, found)

    def _relearn(self, pid: int, process: Process, vector: int, n: int) -> None:
        """A failed mincore may have written a part of its answer: zeroes and ones."""
        pages = range(vector // PAGE, (vector + n - 1) // PAGE + 1)
        actual = self.actual(process.mm)
        for page in pages:
            if page in actual and page not in process.space.attr:
                process.space.grow(page)
        for address in range(vector, vector + n):
            page = address // PAGE
            if process.space.attr.get(page, 0) & WRITE and process.space.backed(page):
                error, found = self.call(process.mm.read, address, 1)
                if error:
                    self.expect("errno", bool(error), self.short_of_memory())
                    self.apply(("exit", pid))
                    return
                process.space.touch(address // PAGE)
                if found[0] > 1:
                    self._compare(pid, process, address, found)
                process.space.write(address, found)

    # ---- mlock

    def op_mlock(self, pid: int, address: int, length: int) -> None:
        """Lock a range up to the first hole."""
        self._lock(pid, address, length, on=True)

    def op_mlock2(self, pid: int, address: int, length: int) -> None:
        """Lock a range, each page from its first use on."""
        self._lock(pid, address, length, on=True, onfault=True)

    def op_munlock(self, pid: int, address: int, length: int) -> None:
        """Unlock a range up to the first hole."""
        self._lock(pid, address, length, on=False)

    def _lock(
        self, pid: int, address: int, length: int, *, on: bool, onfault: bool = False
    ) -> None:
        if not (process := self.process(pid)):
            return
        space = process.space
        lock_range = functools.partial(do_mlock, onfault=True) if onfault else do_mlock
        error, _ = self.call(lock_range if on else do_munlock, process.mm, address, length)
        locked = LOCKED | ONFAULT if onfault else LOCKED
        start = address // PAGE
        end = page_up(address + length) if length else start
        hole = space.hole(start, min(end, self.task_pages))
        # Where a locked area has grown, Linux brings in nothing, and will not later.
        fresh = [
            page
            for page in range(start, hole)
            if not onfault and space.attr[page] & (LOCKED | ONFAULT) != LOCKED
        ]

        def lock(attr: int) -> int:
            return attr & ~ONFAULT | locked

        def unlock(attr: int) -> int:
            return attr & ~(LOCKED | ONFAULT)

        pages = range(start, hole)
        if error == EAGAIN and self.short_of_memory():  # for the parts of an area
            self._partly(process, pages, lock if on else unlock)
            self._learn_present(process, pages)
            return
        if not on:
            if self.verdict(error, 0 if hole == end else ENOMEM) or hole < end:
                for page in pages:
                    space.unlock(page)
            else:
                self._partly(process, pages, unlock)
            return
        dark = any(not space.attr[page] & PROT or not space.backed(page) for page in fresh)
        if hole < end or dark:
            last = 0 if hole == end else ENOMEM
            self.verdict(error, ENOMEM if dark else last)
        elif self.verdict(error, 0):
            for page in pages:
                space.attr[page] = lock(space.attr[page])
            self._populated(process, fresh)
            return
        if not error:
            for page in pages:
                space.attr[page] = lock(space.attr[page])
        else:
            self._partly(process, pages, lock)
        self._learn_present(process, pages)

    def _learn_present(self, process: Process, pages: range) -> None:
        """What a call brought in before it failed."""
        for page in pages:
            if self._present(process, page):
                process.space.touched.add(page)

    def op_mlockall(self, pid: int, flags: int) -> None:
        """Lock what is mapped, what will be, or both."""
        if not (process := self.process(pid)):
            return
        error, _ = self.call(do_mlockall, process.mm, flags)
        if not flags & (MCL_CURRENT | MCL_FUTURE) or flags > 7:
            self.verdict(error, EINVAL)
            return
        if not self.verdict(error, 0):
            return
        space = process.space
        locked = LOCKED | (ONFAULT if flags & MCL_ONFAULT else 0)
        space.lock_future = locked if flags & MCL_FUTURE else 0
        if flags & MCL_CURRENT:
            bits = LOCKED | ONFAULT
            fresh = [page for page, attr in space.attr.items() if attr & bits != locked]
            for page in fresh:
                space.attr[page] = space.attr[page] & ~bits | locked
            if locked == LOCKED:
                self._populated(process, fresh)
        else:
            for page in space.attr:
                space.unlock(page)

    def op_munlockall(self, pid: int) -> None:
        """Unlock everything, now and later."""
        if not (process := self.process(pid)):
            return
        error, _ = self.call(do_munlockall, process.mm)
        if self.verdict(error, 0):
            process.space.lock_future = 0
            for page in process.space.attr:
                process.space.unlock(page)
