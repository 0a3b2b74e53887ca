"""Open files of /proc: texts that are written when they are read, and tables with places."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from vmemu.errors import Errno
from vmemu.kernel.hold import FILE_BYTES
from vmemu.kernel.process.wait import MayBlock
from vmemu.vfs.file import MAX_LFS_FILESIZE, SEEK_CUR, SEEK_SET, File, FileStat

if TYPE_CHECKING:
    from vmemu.kernel.hold import HostMemory
    from vmemu.vfs.node import Node

__all__ = ["Content", "ContentFile", "Show", "Store", "TextFile"]

Show = Callable[[], "str | bytes"]
Store = Callable[[bytes], None]
"""Takes what one write() brings; Errno EINVAL and others refuse it."""


class _Placed(File):
    """A file with a position that knows no end (mem_lseek, seq_lseek)."""

    node: Node

    def __init__(self, node: Node, flags: int, name: str) -> None:
        super().__init__(flags, name)
        self.node = node
        self.position = 0

    def take(self, count: int) -> int:
        """Move the position."""
        self.position += count
        return count

    def seek(self, offset: int, whence: int) -> int:
        """Move from the start or from here; Errno EINVAL otherwise."""
        position = offset if whence == SEEK_SET else self.position + offset
        if whence not in (SEEK_SET, SEEK_CUR) or not 0 <= position <= MAX_LFS_FILESIZE:
            raise Errno(errno.EINVAL)
        self.position = position
        return position

    def stat(self) -> FileStat:
        """Its node's: a regular file of length 0."""
        return self.node.stat()

    def fdinfo(self) -> str:
        """Nothing beyond the position."""
        return ""


class TextFile(_Placed):
    """A text, written anew whenever it is read from its start (struct seq_file)."""

    def __init__(
        self,
        node: Node,
        flags: int,
        name: str,
        show: Show,
        store: Store | None,
        hold: HostMemory,
    ) -> None:
        super().__init__(node, flags, name)
        self._show, self._store, self._hold = show, store, hold
        self._content: bytes | None = None

    def read(self, count: int) -> MayBlock[bytes]:
        """Read from the position on; Errno ENOMEM when the host may not hold the text."""
        if self._content is None or not self.position:
            self._refresh()
        assert self._content is not None
        return self._content[self.position : self.position + count]

    def _refresh(self) -> None:
        text = self._show()
        content = text.encode(errors="surrogateescape") if isinstance(text, str) else text
        more = FILE_BYTES + len(content) - self.host_bytes
        if self.count:
            if more > 0:
                self._hold.charge(more)
            else:
                self._hold.uncharge(-more)
            self.host_bytes += more
        self._content = content

    def write(self, data: bytes) -> MayBlock[int]:
        """Give what is written to whoever takes it, all at once."""
        if self._store is None:
            raise Errno(errno.EINVAL)
        if data:
            self._store(data)
            self.position += len(data)
        return len(data)

    def at(self, offset: int) -> File:
        """The same text, elsewhere in it, as it is now."""
        other = TextFile(self.node, self.flags, self.name, self._show, self._store, self._hold)
        other.position = offset
        if offset and self._content is not None:
            other._content = self._content
        return other


class Content(Protocol):
    """What has a byte, or an entry, at each offset."""

    def read(self, offset: int, count: int) -> bytes:
        """Bytes from there on, b"" behind the end; Errno EINVAL, EIO."""

    def write(self, offset: int, data: bytes) -> int:
        """Store bytes; how many went.  Errno EIO."""


class ContentFile(_Placed):
    """A file of entries at their places, which are made when they are read."""

    whole = True

    def __init__(self, node: Node, flags: int, name: str, content: Content) -> None:
        super().__init__(node, flags, name)
        self._body = content

    def read(self, count: int) -> MayBlock[bytes]:
        """Read from the position on."""
        return self._body.read(self.position, count)

    def write(self, data: bytes) -> MayBlock[int]:
        """Write at the position."""
        done = self._body.write(self.position, data) if data else 0
        self.position += done
        return done

    def at(self, offset: int) -> File:
        """The same, elsewhere."""
        other = ContentFile(self.node, self.flags, self.name, self._body)
        other.position = offset
        return other
