"""The content of a file of tmpfs: pages of host memory, and holes."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.hold import PAGE_BYTES

if TYPE_CHECKING:
    from vmemu.kernel.hold import HostMemory

__all__ = ["PAGE", "Content"]

PAGE = 4096
_ZEROS = bytes(PAGE)


class Content:
    """Bytes with holes; every page is counted as held by the host."""

    __slots__ = ("_hold", "pages", "size")

    def __init__(self, hold: HostMemory) -> None:
        self._hold = hold
        self.pages: dict[int, bytearray] = {}
        self.size = 0

    def read(self, offset: int, count: int) -> bytes:
        """Bytes from there on, as far as there are any."""
        end = min(self.size, offset + count)
        pieces = []
        while offset < end:
            index, start = divmod(offset, PAGE)
            page = self.pages.get(index, _ZEROS)
            pieces.append(bytes(page[start : min(PAGE, start + end - offset)]))
            offset += len(pieces[-1])
        return b"".join(pieces)

    def write(self, offset: int, data: bytes) -> int:
        """Store bytes; how many went before the host may hold no more.  Errno ENOSPC for none."""
        done = 0
        while done < len(data):
            index, start = divmod(offset + done, PAGE)
            page = self._page(index)
            if page is None:
                break
            piece = data[done : done + PAGE - start]
            page[start : start + len(piece)] = piece
            done += len(piece)
        if data and not done:
            raise Errno(errno.ENOSPC)
        self.size = max(self.size, offset + done)
        return done

    def _page(self, index: int) -> bytearray | None:
        """A page to be written; None if the host may hold no more."""
        page = self.pages.get(index)
        if page is None and self._hold.try_charge(PAGE_BYTES):
            page = self.pages[index] = bytearray(PAGE)
        return page

    def truncate(self, size: int) -> None:
        """Cut it, or let it end in a hole."""
        if size < self.size:
            self._drop(-(-size // PAGE), -(-self.size // PAGE))
            self._clear(size, -(-size // PAGE) * PAGE)
        self.size = size

    def allocate(self, offset: int, length: int) -> None:
        """Have pages for a range; Errno ENOSPC, and then none is added."""
        count = length // PAGE
        if (count - len(self.pages)) * PAGE_BYTES > self._hold.limit:
            raise Errno(errno.ENOSPC)
        added: list[int] = []
        for index in range(offset // PAGE, -(-(offset + length) // PAGE)):
            if index in self.pages:
                continue
            if self._page(index) is None:
                for each in added:
                    self._drop(each, each + 1)
                raise Errno(errno.ENOSPC)
            added.append(index)

    def punch(self, offset: int, length: int) -> None:
        """Make a range read as zeros; whole pages become holes."""
        end = offset + length
        first, last = -(-offset // PAGE), end // PAGE
        if first > last:
            self._clear(offset, end)
            return
        self._clear(offset, first * PAGE)
        self._drop(first, last)
        self._clear(last * PAGE, end)

    def find(self, offset: int, *, data: bool) -> int:
        """Where the next data or hole begins, from an offset before the end; Errno ENXIO."""
        if data:
            found = min((i for i in self.pages if i >= offset // PAGE), default=None)
            if found is None or found * PAGE >= self.size:
                raise Errno(errno.ENXIO)
            return max(offset, found * PAGE)
        index = offset // PAGE
        while index in self.pages and index * PAGE < self.size:
            index += 1
        return min(self.size, max(offset, index * PAGE))

    @property
    def held(self) -> int:
        """Bytes that the host holds for it."""
        return len(self.pages) * PAGE_BYTES

    def _clear(self, start: int, end: int) -> None:
        """Zero a range within one page."""
        page = self.pages.get(start // PAGE)
        if page is not None and start < end:
            at = start % PAGE
            page[at : at + end - start] = bytes(end - start)

    def _drop(self, first: int, last: int) -> None:
        """Let pages become holes."""
        if last - first > len(self.pages):
            gone = [index for index in self.pages if first <= index < last]
        else:
            gone = [index for index in range(first, last) if index in self.pages]
        for index in gone:
            del self.pages[index]
        self._hold.uncharge(len(gone) * PAGE_BYTES)
