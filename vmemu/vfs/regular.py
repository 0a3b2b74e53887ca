"""Open regular files and open directories."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.hold import ENTRY_BYTES
from vmemu.kernel.process.wait import MayBlock
from vmemu.vfs.file import (
    MAX_LFS_FILESIZE,
    O_ACCMODE,
    O_APPEND,
    O_DIRECT,
    O_DSYNC,
    O_PATH,
    SEEK_CUR,
    SEEK_DATA,
    SEEK_END,
    SEEK_SET,
    File,
    FileStat,
)

if TYPE_CHECKING:
    from vmemu.mm import Mm
    from vmemu.vfs.node import Body, Directory, Node


SECTOR_SIZE = 512


class RegularFile(File):
    """A regular file with a position."""

    whole = True
    unnamed = False
    """memfd_create() made it: nobody has opened it to be written (alloc_file)."""

    def __init__(self, node: Node, body: Body, flags: int, name: str) -> None:
        super().__init__(flags, name)
        self.node: Node = node
        self.body = body
        self.position = 0

    def read(self, count: int) -> MayBlock[bytes]:
        """Read from the position on."""
        return self.body.read(self.position, count)

    def read_to(self, mm: Mm, address: int, count: int, offset: int | None = None) -> int | None:
        """Copy from its pages."""
        if self.flags & O_DIRECT:
            return None
        if offset is not None:
            return self.body.read_to(offset, mm, address, count)
        done = self.body.read_to(self.position, mm, address, count)
        if done:
            self.position += done
        return done

    def take(self, count: int) -> int:
        """Move the position."""
        self.position += count
        return count

    def write(self, data: bytes) -> MayBlock[int]:
        """Write at the position, or at the end; Errno EFBIG, ENOSPC."""
        if data and self.flags & O_APPEND:
            self.position = self.body.size
        done = write_body(self.body, self.position, data)
        self.position += done
        if done and self.flags & (O_DSYNC | O_DIRECT):
            self.body.sync()
        return done

    def check_direct(self, address: int, count: int) -> None:
        """Errno EINVAL for what O_DIRECT does not allow: all goes by sectors."""
        if (address | count | self.position) % SECTOR_SIZE:
            raise Errno(errno.EINVAL)

    def seek(self, offset: int, whence: int) -> int:
        """Move from the start, from here, from the end; to data or a hole."""
        if whence >= SEEK_DATA:
            if not 0 <= offset < self.body.size:
                raise Errno(errno.ENXIO)
            offset = self.body.find(offset, data=whence == SEEK_DATA)
        elif whence != SEEK_SET:
            offset += self.position if whence == SEEK_CUR else self.body.size
        if not 0 <= offset <= MAX_LFS_FILESIZE:
            raise Errno(errno.EINVAL)
        self.position = offset
        return offset

    def at(self, offset: int) -> File:
        """The same content, elsewhere in it."""
        other = RegularFile(self.node, self.body, self.flags, self.name)
        other.position = offset
        return other

    def stat(self) -> FileStat:
        """Describe it, whatever it is called now."""
        return self.node.stat()

    def release(self) -> None:
        """The last descriptor has gone."""
        self.body.close()


def write_body(body: Body, offset: int, data: bytes) -> int:
    """Write as far as a file may reach; Errno EFBIG when that is nothing."""
    if not data:
        return 0
    if offset >= MAX_LFS_FILESIZE:
        raise Errno(errno.EFBIG)
    return body.write(offset, data[: MAX_LFS_FILESIZE - offset])


class DirectoryFile(File):
    """A directory that is read: its names as they were when the reading began."""

    directory = True

    def __init__(self, node: Directory, flags: int, name: str) -> None:
        super().__init__(flags, name)
        self.node: Directory = node
        self.position = 0
        self._listed: list[tuple[bytes, int, int]] | None = None
        self._charged = 0
        node.pin()

    def read(self, count: int) -> MayBlock[bytes]:
        """Errno EISDIR."""
        raise Errno(errno.EISDIR)

    def at(self, offset: int) -> File:
        """Errno EISDIR comes from reading it."""
        return self

    def entries(self) -> list[tuple[bytes, int, int]]:
        """Name, number and type of what is left to be read; Errno ENOENT, ENOMEM."""
        if self.node.dead:
            raise Errno(errno.ENOENT)
        if self._listed is None or not self.position:
            self._forget()
            listed = self.node.listed()
            self.node.fs.services.hold.charge(len(listed) * ENTRY_BYTES)
            self._listed, self._charged = listed, len(listed) * ENTRY_BYTES
            self.host_bytes += self._charged
        return self._listed[self.position :]

    def _forget(self) -> None:
        self.node.fs.services.hold.uncharge(self._charged)
        self.host_bytes -= self._charged
        self._listed, self._charged = None, 0

    def seek(self, offset: int, whence: int) -> int:
        """Move to a place that getdents() told, or to the start."""
        if whence == SEEK_CUR:
            offset += self.position
        if whence >= SEEK_END or not 0 <= offset <= MAX_LFS_FILESIZE:
            raise Errno(errno.EINVAL)
        self.position = offset
        return offset

    def stat(self) -> FileStat:
        """Describe the directory."""
        return self.node.stat()

    def release(self) -> None:
        """The last descriptor has gone."""
        self.node.unpin()


class PathFile(File):
    """What O_PATH opens: a name for a node, nothing to read or write."""

    def __init__(self, node: Node, flags: int, name: str) -> None:
        super().__init__(flags | O_ACCMODE, name)
        self.node: Node = node
        node.pin()

    @property
    def status_flags(self) -> int:
        """O_PATH, and what else it was opened with."""
        return self.flags & ~O_ACCMODE | O_PATH

    def seek(self, offset: int, whence: int) -> int:
        """Errno EBADF."""
        raise Errno(errno.EBADF)

    def at(self, offset: int) -> File:
        """Errno EBADF."""
        raise Errno(errno.EBADF)

    def stat(self) -> FileStat:
        """Describe the node."""
        return self.node.stat()

    def release(self) -> None:
        """The last descriptor has gone."""
        self.node.unpin()
