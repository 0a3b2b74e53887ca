"""Host files whose pages a program image maps."""

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


class Inode:
    """Handle of a ``struct address_space``; one per file, kept with its page cache."""

    def __init__(self, core: Core, mapping: Any, fd: int, path: str, number: int) -> None:
        self._core, self._mapping = core, mapping
        self.fd = fd
        """The host's descriptor, whose pages it caches."""
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
        return bool(self._core.lib.file_mapped(self._core.m, self._mapping))

    def close(self) -> None:
        """Drop its page cache and give the descriptor back; no area may map it (iput)."""
        self._core.lib.file_close(self._core.m, self._mapping)
        self.closed = True
        if self.on_close is not None:
            self.on_close(self.held)

    def update(self, offset: int, data: bytes) -> None:
        """The file has changed: what is cached of it changes as well."""
        self._core.lib.file_written(self._core.m, self._mapping, offset, data, len(data))

    def zeroed(self, start: int, end: int) -> None:
        """A range of the file is zeros now: what is cached of it as well."""
        self._core.lib.file_zeroed(self._core.m, self._mapping, start, end)


class Inodes:
    """The files whose pages are cached, one for each however often it is executed.

    A file that has changed is another one.  When there are as many as there may be, the one
    that was asked for longest ago and that nothing maps makes room (prune_icache).
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
        inode = self._named.pop(key, None)
        if inode is None:
            if len(self) >= lib.NR_FILES:
                self._prune()
            inode = self.open(path)
        self._named[key] = inode
        return inode

    def open(self, path: str) -> Inode:
        """Make one that nobody finds by its name.

        Errno ENOMEM when no memory is left for it, ENFILE when too many files are mapped;
        OSError when the host file cannot be opened.
        """
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return self._make(fd, os.path.realpath(path))

    def share(self, key: Key, path: str, open_fd: Callable[[], int]) -> Inode:
        """Find the one of a key, or make it of a descriptor that is opened then.

        ``path`` is what a guest calls it.  Errno ENOMEM, ENFILE.
        """
        inode = self._named.pop(key, None)
        if inode is None:
            if len(self) >= lib.NR_FILES:
                self._prune()
            inode = self._make(open_fd(), path)
        self._named[key] = inode
        return inode

    def named(self, key: Key) -> Inode | None:
        """The one of a key, if there is one."""
        return self._named.get(key)

    def _make(self, fd: int, path: str) -> Inode:
        fd = above_streams(fd)
        mapping = self._core.lib.file_open(self._core.m, fd)
        if not mapping:
            os.close(fd)
            raise Errno(errno.ENFILE if len(self) >= lib.NR_FILES else errno.ENOMEM)
        inode = Inode(self._core, mapping, fd, path, self._next)
        self._next += 1
        self._open[inode.kaddr] = inode
        return inode

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
