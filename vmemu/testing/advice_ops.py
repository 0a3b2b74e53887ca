"""Operations that leave areas where they are: madvise, mincore, mlock and its relatives."""

from __future__ import annotations

from errno import EAGAIN, EFAULT, EINVAL, ENOMEM

from vmemu.mm import (
    do_madvise,
    do_mincore,
    do_mlock,
    do_mlockall,
    do_munlock,
    do_munlockall,
)
from vmemu.mm.consts import MADV_DONTNEED, MADV_NORMAL, MCL_CURRENT, MCL_FUTURE
from vmemu.testing.frame import Difference, Process, page_up
from vmemu.testing.mapping_ops import MappingOps
from vmemu.testing.model import LOCKED, PAGE, PROT, WRITE


class AdviceOps(MappingOps):
    """madvise, mincore, mlock, munlock, mlockall, munlockall."""

    # ---- madvise, mincore

    def op_madvise(self, pid: int, address: int, length: int, advice: int) -> None:
        """Advice; only MADV_DONTNEED can be seen."""
        if not (process := self.process(pid)):
            return
        space = process.space
        error, _ = self.call(do_madvise, process.mm, address, length, advice)
        start, end = address // PAGE, address // PAGE + page_up(length)
        if address % PAGE or not MADV_NORMAL <= advice <= MADV_DONTNEED:
            self.verdict(error, EINVAL)
            return
        if error == EAGAIN and self.short_of_memory():
            return  # no memory to split an area, for what cannot be seen
        wanted = 0
        for page in range(start, end):
            attr = space.attr.get(page)
            if attr is None:
                wanted = ENOMEM
            elif advice == MADV_DONTNEED:
                if attr & LOCKED:
                    wanted = EINVAL
                    break
                space.clear(page)
        self.verdict(error, wanted)

    def op_mincore(self, pid: int, address: int, length: int, vector: int) -> None:
        """Which pages are in memory; the answer is written to user memory."""
        if not (process := self.process(pid)):
            return
        space = process.space
        pages = range(address // PAGE, address // PAGE + page_up(length))
        must = {page for page in pages if page in space.pinned}
        may = {page for page in pages if page in space.touched}
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

    def op_munlock(self, pid: int, address: int, length: int) -> None:
        """Unlock a range up to the first hole."""
        self._lock(pid, address, length, on=False)

    def _lock(self, pid: int, address: int, length: int, *, on: bool) -> None:
        if not (process := self.process(pid)):
            return
        space = process.space
        error, _ = self.call(do_mlock if on else do_munlock, process.mm, address, length)
        start = address // PAGE
        end = page_up(address + length) if length else start
        hole = space.hole(start, min(end, self.task_pages))
        # Where a locked area has grown, Linux brings in nothing, and will not later.
        fresh = [page for page in range(start, hole) if not space.attr[page] & LOCKED]
        pages = range(start, hole)
        if error == EAGAIN and self.short_of_memory():  # for the parts of an area
            change = (lambda attr: attr | LOCKED) if on else (lambda attr: attr & ~LOCKED)
            self._partly(process, pages, change)
            self._learn_present(process, pages)
            return
        if not on:
            if self.verdict(error, 0 if hole == end else ENOMEM) or hole < end:
                for page in pages:
                    space.unlock(page)
            else:
                self._partly(process, pages, lambda attr: attr & ~LOCKED)
            return
        dark = any(not space.attr[page] & PROT or not space.backed(page) for page in fresh)
        if hole < end or dark:
            last = 0 if hole == end else ENOMEM
            self.verdict(error, last, *([EFAULT] if dark else []))
        elif self.verdict(error, 0):
            for page in pages:
                space.attr[page] |= LOCKED
            self._populated(process, fresh)
            return
        if not error:
            for page in pages:
                space.attr[page] |= LOCKED
        else:
            self._partly(process, pages, lambda attr: attr | LOCKED)
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
        if not flags or flags & ~(MCL_CURRENT | MCL_FUTURE):
            self.verdict(error, EINVAL)
            return
        if not self.verdict(error, 0):
            return
        space = process.space
        space.lock_future = bool(flags & MCL_FUTURE)
        if flags & MCL_CURRENT:
            fresh = [page for page, attr in space.attr.items() if not attr & LOCKED]
            for page in fresh:
                space.attr[page] |= LOCKED
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
            process.space.lock_future = False
            for page in process.space.attr:
                process.space.unlock(page)
