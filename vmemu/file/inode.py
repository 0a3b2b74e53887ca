"""Files whose pages are in guest RAM: the Python side of struct address_space."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from typing import Any

from vmemu.core import Core, lib
from vmemu.errors import Errno
from vmemu.streams import above_streams

__all__ = ["Inode", "Inodes", "Key"]

Key = tuple[int, int, int, int]
"""Device, number, time and size of a file."""
_UNUSED = 64
"""So many files that nothing maps are kept with their pages."""
_EVERYTHING = (1 << 64) - 1


class Inode:
    """Handle of a ``struct address_space``; one per file, kept with its page cache."""

    def __init__(
        self, core: Core, mapping: Any, fd: int, path: str, number: int, writable: bool
    ) -> None:
        self._core = core
        self.fd = fd
        """The host's descriptor, whose pages it caches; -1 when there is none."""
        self.writable = writable
        """Shared areas may write to it."""
        self.accounts_dirty = mapping.a_ops == lib.FILE_HOST
        """Its dirty pages have a file of the host to go to."""
        self.mapping = mapping
        """Its ``struct address_space *``."""
        self.path = path
        self.kaddr = core.kaddr(mapping)
        self.number = number
        self.closed = False
        self.held = 0
        """Bytes that the host holds for it."""
        self.on_close: Callable[[int], None] | None = None
        """Takes them when it is closed."""

    @property
    def mapped(self) -> bool:
        """Whether any area maps it (mapping_mapped)."""
        return bool(self._core.lib.file_mapped(self._core.m, self.mapping))

    def writeback(self, start: int = 0, end: int = _EVERYTHING) -> None:
        """Write its dirty pages (filemap_fdatawrite); Errno EIO, ENOSPC, of earlier writes too."""
        error = self._core.lib.filemap_fdatawrite(self._core.m, self.mapping, start, end)
        if error:
            raise Errno(-error)

    def fsync(self) -> None:
        """The same, and wait until the host's disk has it."""
        self.writeback()
        if self.fd >= 0:
            try:
                os.fsync(self.fd)
            except OSError as error:
                raise Errno(error.errno or errno.EIO) from None

    def close(self) -> None:
        """Write and drop its page cache, give the descriptor back; no area may map it (iput)."""
        self._core.lib.file_close(self._core.m, self.mapping)
        self.closed = True
        if self.on_close is not None:
            self.on_close(self.held)

    def update(self, offset: int, data: bytes) -> None:
        """The file has changed: what is cached of it changes as well."""
        self._core.lib.file_written(self._core.m, self.mapping, offset, data, len(data))

    def zeroed(self, start: int, end: int) -> None:
        """A range of the file is zeros now: what is cached of it as well."""
        self._core.lib.file_zeroed(self._core.m, self.mapping, start, end)


class Inodes:
    """The files whose pages are cached, one for each however often it is executed.

    A file that has changed on the host is another one.  When there are more than some, the
    one that was asked for longest ago and that nothing maps makes room (prune_icache).
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._open: dict[int, Inode] = {}  # by kptr
        self._named: dict[Key, Inode] = {}  # lately used last
        self._next = 1

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Inode]:
        return iter(self._open.values())

    def find(self, kptr: int) -> Inode | None:
        """The one whose ``struct address_space`` is there."""
        return self._open.get(kptr)

    def get(self, path: str) -> Inode:
        """Find or make a file's inode (iget); raises what open() does."""
        host = os.stat(path)
        key = (host.st_dev, host.st_ino, host.st_mtime_ns, host.st_size)
        return self._find(key) or self._keep(key, self.open(path))

    def open(self, path: str) -> Inode:
        """Make one that nobody finds by its name.

        Errno ENOMEM when no memory is left for it, ENFILE when too many files are mapped;
        OSError when the host file cannot be opened.
        """
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return self._make(lib.FILE_HOST, fd, os.path.realpath(path), writable=False)

    def share(
        self, key: Key, path: str, open_fd: Callable[[], int], *, writable: bool = False
    ) -> Inode:
        """Find the one of a key, or make it of a descriptor that is opened then.

        ``path`` is what a guest calls it; ``writable``: so is the descriptor.  Errno ENOMEM,
        ENFILE.
        """
        found = self._find(key)
        if found is None:
            fd = open_fd()
            found = self._keep(key, self._make(lib.FILE_HOST, fd, path, writable=writable))
        return found

    def named(self, key: Key) -> Inode | None:
        """The one of a key, if there is one."""
        return self._named.get(key)

    def _find(self, key: Key) -> Inode | None:
        """The one of a key, which is the one used last then; room for another if there is none."""
        inode = self._named.pop(key, None)
        if inode is not None:
            self._named[key] = inode
        elif len(self) >= _UNUSED:
            self._prune()
        return inode

    def _keep(self, key: Key, inode: Inode) -> Inode:
        self._named[key] = inode
        return inode

    def _make(self, kind: int, fd: int, path: str, *, writable: bool) -> Inode:
        if fd >= 0:
            fd = above_streams(fd)
        mapping = self._core.lib.file_open(self._core.m, kind, fd, writable)
        if not mapping:
            if fd >= 0:
                os.close(fd)
            raise Errno(errno.ENFILE if len(self) >= lib.NR_FILES else errno.ENOMEM)
        inode = Inode(self._core, mapping, fd, path, self._next, writable)
        self._next += 1
        self._open[inode.kaddr] = inode
        return inode

    def sync(self) -> None:
        """Write all dirty pages of all files; what goes wrong is told by each file's fsync."""
        self._core.lib.sync_mms(self._core.m)
        for inode in self._open.values():
            self._core.lib.filemap_fdatawrite(self._core.m, inode.mapping, 0, _EVERYTHING)

    def close(self, inode: Inode) -> None:
        """Give up one that no area maps."""
        inode.close()
        del self._open[inode.kaddr]
        for key, named in self._named.items():
            if named is inode:
                del self._named[key]
                break

    def _prune(self) -> None:
        for inode in self._named.values():
            if not inode.mapped:
                self.close(inode)
                return
