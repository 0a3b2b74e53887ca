"""Operations that change areas: mmap, munmap, mprotect, mremap, brk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from errno import EEXIST, EFAULT, EINVAL, ENODEV, ENOMEM

from vmemu.mm import (
    do_mmap,
    do_mprotect,
    do_mremap,
    do_munmap,
    sys_brk,
)
from vmemu.mm.consts import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_GROWSDOWN,
    MAP_LOCKED,
    MAP_POPULATE,
    MAP_PRIVATE,
    MAP_TYPE,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
)
from vmemu.testing.access_ops import AccessOps
from vmemu.testing.frame import Difference, Process, page_up
from vmemu.testing.model import EXEC, GROWSDOWN, LOCKED, ONFAULT, PAGE, PROT, READ, WRITE

HEAP_PROT = READ | WRITE | EXEC  # VM_DATA_DEFAULT_FLAGS


class MappingOps(AccessOps):
    """mmap, munmap, mprotect, mremap, brk."""

    # ---- mmap, munmap

    def op_mmap(
        self,
        pid: int,
        address: int,
        length: int,
        prot: int,
        flags: int,
        file: int | None = None,
    ) -> None:
        """Map memory, or the file from page ``file`` on: at a hint, at a fixed place, anywhere."""
        if not (process := self.process(pid)):
            return
        space = process.space
        backing = (None, 0) if file is None else (self.inode, file)
        error, found = self.call(do_mmap, process.mm, address, length, prot, flags, *backing)
        pages = page_up(length)
        fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)
        asked = range(address // PAGE, address // PAGE + min(pages, self.task_pages))
        wanted = 0
        if pages > self.task_pages:
            self.verdict(error, EINVAL, ENOMEM)
            return
        if not pages:
            wanted = EINVAL
        elif flags & MAP_TYPE != MAP_PRIVATE or (file is None and not flags & MAP_ANONYMOUS):
            wanted = ENODEV
        elif fixed and address % PAGE:
            wanted = EINVAL
        elif fixed and address // PAGE + pages > self.task_pages:
            wanted = ENOMEM
        elif flags & MAP_FIXED_NOREPLACE and any(page in space.attr for page in asked):
            wanted = EEXIST
        if wanted or not self.verdict(error, 0):
            if fixed and not wanted:
                self.resync(process, range(address // PAGE, address // PAGE + pages))
            self.verdict(error, wanted, *([ENOMEM] if not wanted else []))
            return
        self._placed("mmap", process, address if fixed else None, found, pages)
        hint = page_up(address)
        if not fixed and hint and hint + pages <= self.task_pages:
            free = space.hole(hint, hint + pages) == hint and not any(
                page in space.attr for page in range(hint, hint + pages)
            )
            if free:
                self.expect("address at a free hint", found, hint * PAGE)
        attr = prot & PROT
        attr |= space.lock_future | (LOCKED if flags & MAP_LOCKED else 0)
        attr |= GROWSDOWN if flags & MAP_GROWSDOWN else 0
        start = found // PAGE
        space.map(start, start + pages, attr, file)
        if flags & MAP_POPULATE or attr & (LOCKED | ONFAULT) == LOCKED:
            self._populated(process, range(start, start + pages))

    def _placed(
        self, what: str, process: Process, wanted: int | None, found: int, pages: int
    ) -> None:
        """Where a new area may lie."""
        if wanted is not None:
            self.expect("address", found, wanted)
            return
        start = found // PAGE
        if found % PAGE or start + pages > self.task_pages:
            raise Difference(f"{what}: placed at {found:#x}")
        taken = [page for page in range(start, start + pages) if page in process.space.attr]
        self.expect(f"pages in use at {found:#x}", taken, [])

    def _populated(self, process: Process, pages: Iterable[int]) -> None:
        """Pages that were brought in, as far as they can be accessed and memory allows."""
        for page in pages:
            if process.space.attr[page] & PROT and process.space.backed(page):
                process.space.touched.add(page)
                if self._present(process, page):
                    process.space.touch(page)
                elif process.space.attr[page] & LOCKED and not self.short_of_memory():
                    raise Difference(f"{self.now}: page {page:#x} has not been brought in")

    def op_munmap(self, pid: int, address: int, length: int) -> None:
        """Unmap a range, holes and all."""
        if not (process := self.process(pid)):
            return
        error, _ = self.call(do_munmap, process.mm, address, length)
        start, pages = address // PAGE, page_up(length)
        if address % PAGE or pages == 0 or start + pages > self.task_pages:
            self.verdict(error, EINVAL)
        elif self.verdict(error, 0):
            process.space.unmap(start, start + pages)
        else:
            self.resync(process, range(start, start + pages))

    # ---- mprotect

    def op_mprotect(self, pid: int, address: int, length: int, prot: int) -> None:
        """Change rights up to the first hole."""
        if not (process := self.process(pid)):
            return
        space = process.space
        error, _ = self.call(do_mprotect, process.mm, address, length, prot)
        start, end = address // PAGE, address // PAGE + page_up(length)
        if address % PAGE or prot & ~PROT:
            self.verdict(error, EINVAL)
            return
        hole = space.hole(start, min(end, self.task_pages))
        if hole < end:
            # Linux changes what precedes the hole; POSIX leaves that open.
            self.verdict(error, ENOMEM)
        elif self.verdict(error, 0):
            space.protect(start, end, prot)
            return
        self._partly(process, range(start, hole), lambda attr: attr & ~PROT | prot)

    def _partly(self, process: Process, pages: Iterable[int], new: Callable[[int], int]) -> None:
        """A call has stopped somewhere: leading pages are changed, the others are not."""
        actual = self.actual(process.mm)
        attr = process.space.attr
        changed = True
        for page in pages:
            before, after = attr[page], new(attr[page])
            if before == after:
                continue
            changed = changed and actual.get(page) == after
            if changed:
                attr[page] = after
                if before & LOCKED and not after & LOCKED:
                    process.space.pinned.discard(page)
                if self._present(process, page):
                    process.space.touched.add(page)

    # ---- mremap

    def op_mremap(
        self, pid: int, old: int, old_length: int, new_length: int, flags: int, new: int
    ) -> None:
        """Shrink, grow or move."""
        if not (process := self.process(pid)):
            return
        space = process.space
        error, found = self.call(do_mremap, process.mm, old, old_length, new_length, flags, new)
        start, count, pages = old // PAGE, page_up(old_length), page_up(new_length)
        fixed, stays = flags & MREMAP_FIXED, flags & MREMAP_DONTUNMAP
        target = new // PAGE
        if (
            flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)
            or (stays and (not flags & MREMAP_MAYMOVE or count != pages))
            or (stays and not fixed and (new % PAGE or target + pages > self.task_pages))
            or (stays and target < start + count and start < target + pages)
            or old % PAGE
            or not pages
            or (fixed and not flags & MREMAP_MAYMOVE)
            or (fixed and (new % PAGE or target + pages > self.task_pages))
            or (fixed and target < start + count and start < target + pages)
        ):
            self.verdict(error, EINVAL)
            return
        look = space.look(start)
        attr, shift = look
        uniform = attr is not None and all(
            space.look(page) == look for page in range(start, start + min(count, pages))
        )
        if not error and not uniform and count >= pages and not (fixed or stays):
            # 2.6.7 shrinks whatever is there, or nothing.
            self.expect("address", found, old)
            space.unmap(start + pages, start + count)
            return
        cramped = pages > count and not flags & MREMAP_MAYMOVE
        beyond = start + count > self.task_pages
        also = [ENOMEM] * cramped + [EINVAL] * beyond
        if error and not self.verdict(error, EFAULT, *also):
            # What was to give way may have gone; what is left of the old range is as it was.
            self.resync(process, range(start + pages, start + count))
            gone: list[int] = []
            if fixed:
                gone += range(target, target + pages)
            elif error == ENOMEM:
                gone += self.actual(process.mm).keys() - space.attr.keys()
            self.resync(process, gone, attr if error == ENOMEM else None, shift, target - start)
            if uniform and error == EFAULT:
                self.results["mremap", "EFAULT within equal pages"] += 1
            return
        if not uniform:
            raise Difference("mremap: succeeded across different areas")
        assert attr is not None
        in_place = all(page not in space.attr for page in range(start + count, start + pages))
        if fixed:
            self.expect("address", found, new)
        elif stays:
            self._placed("mremap", process, None, found, pages)
        elif count >= pages or (in_place and start + pages <= self.task_pages):
            self.expect("address", found, old)
        elif not flags & MREMAP_MAYMOVE:
            raise Difference("mremap: grew where there was no room")
        else:
            self._placed("mremap", process, None, found, pages)
        space.unmap(start + pages, start + count)
        kept = min(count, pages)
        if found != old:
            if fixed:
                space.unmap(target, target + pages)
            space.move(start, kept, found // PAGE)
            self.results["mremap", "moved"] += 1
        if stays:
            self._left_behind(process, range(start, start + kept), attr, shift)
        elif found != old and start in self.actual(process.mm) and self.short_of_memory():
            self.resync(process, range(start, start + kept), attr, shift)
        begin = found // PAGE
        file = None if shift is None else start + kept + shift
        space.map(begin + kept, begin + pages, attr, file)
        if attr & (LOCKED | ONFAULT) == LOCKED:
            self._populated(process, range(begin + kept, begin + pages))

    def _left_behind(self, process: Process, pages: range, attr: int, shift: int | None) -> None:
        """What MREMAP_DONTUNMAP leaves: an empty area that is not locked."""
        space, file = process.space, None if shift is None else pages.start + shift
        left = attr & ~(LOCKED | ONFAULT)
        if attr & LOCKED and self.short_of_memory():  # to split it
            left = self.actual(process.mm).get(pages.start, left)
        space.map(pages.start, pages.stop, left, file)
        self.results["mremap", "left an area behind"] += 1

    # ---- brk

    def op_brk(self, pid: int, brk: int) -> None:
        """Move the end of the heap."""
        if not (process := self.process(pid)):
            return
        space = process.space
        old = space.brk
        found = sys_brk(process.mm, brk)
        before, after = page_up(old), page_up(brk)
        if brk < process.mm.ptr.start_brk:
            self.expect("brk", found, old)
            return
        # One page above the heap must stay free, too.
        blocked = after > before and any(page in space.attr for page in range(before, after + 1))
        if blocked or (found == old != brk and self.short_of_memory()):
            self.expect("brk", found, old)
            return
        self.expect("brk", found, brk)
        space.brk = brk
        if after < before:
            space.unmap(after, before)
        elif after > before:
            space.map(before, after, HEAP_PROT | space.lock_future)
            if space.lock_future == LOCKED:
                self._populated(process, range(before, after))
