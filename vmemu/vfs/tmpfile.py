"""Regular files of tmpfs.

mmap() maps the pages of a host file.  A file of tmpfs that is mapped has a copy in one without
a name, and whatever is written goes there and to the pages in guest RAM as well.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.hold import NODE_BYTES, PAGE_BYTES
from vmemu.vfs.content import PAGE, Content
from vmemu.vfs.file import File, FileStat
from vmemu.vfs.node import Body
from vmemu.vfs.regular import RegularFile
from vmemu.vfs.tmpfs import TmpFs, TmpNode

if TYPE_CHECKING:
    from vmemu.file.inode import Inode

_KEEP_SIZE, _PUNCH_HOLE = 1, 2


class TmpFile(TmpNode, Body):
    """A regular file: a node, and its own content."""

    regular = True

    def __init__(self, fs: TmpFs, mode: int) -> None:
        super().__init__(fs, stat.S_IFREG | mode)
        self.content = Content(fs.services.hold)
        self.mapped: Inode | None = None

    @property
    def size(self) -> int:  # type: ignore[override]
        """Its length in bytes."""
        return self.content.size

    @property
    def held(self) -> int:
        """With its pages."""
        return NODE_BYTES + self.content.held

    def stat(self) -> FileStat:
        """With its size, and blocks for what is no hole."""
        blocks = len(self.content.pages) * (PAGE // 512)
        return super().stat()._replace(size=self.size, blocks=blocks)

    def open(self, flags: int, name: str) -> File:
        """Open it."""
        return RegularFile(self, self.body(flags), flags, name)

    def body(self, flags: int) -> Body:
        """Its content is in itself."""
        self.pin()
        return self

    def close(self) -> None:
        """One that had it open has closed it."""
        self.unpin()

    def read(self, offset: int, count: int) -> bytes:
        """Bytes from there on."""
        self.accessed()
        return self.content.read(offset, count)

    def write(self, offset: int, data: bytes) -> int:
        """Store bytes, also in what is mapped; a program loses setuid and setgid."""
        copy = self._copy()
        if copy is not None:
            self._copies(offset, len(data), copy)
        done = self.content.write(offset, data)
        if copy is not None:
            os.pwrite(copy.fd, data[:done], offset)
            copy.update(offset, data[:done])
        self.mode &= ~(stat.S_ISUID | (stat.S_ISGID if self.mode & stat.S_IXGRP else 0))
        self.changed(content=True)
        return done

    def _copy(self) -> Inode | None:
        """What is mapped of it, if anything still is."""
        if self.mapped is not None and self.mapped.closed:
            self.mapped = None
        return self.mapped

    def _copies(self, offset: int, length: int, copy: Inode) -> None:
        """The copy grows with the file; Errno ENOSPC."""
        pages = range(offset // PAGE, -(-(offset + length) // PAGE))
        size = sum(index not in self.content.pages for index in pages) * PAGE_BYTES
        self.fs.charge(size)
        copy.held += size

    def truncate(self, size: int) -> None:
        """Cut it, or let it end in a hole."""
        old = self.size
        self.content.truncate(size)
        self._zeroed(min(size, old), old)
        self.changed(content=True)

    def _zeroed(self, start: int, end: int) -> None:
        """A range of the file is zeros, or behind its end now."""
        copy = self._copy()
        if copy is None:
            return
        os.ftruncate(copy.fd, start if end >= self.size else self.size)
        os.ftruncate(copy.fd, self.size)
        copy.zeroed(start, end)
        last = min(end, self.size)
        for at in data_pages(copy.fd, start, last):
            os.pwrite(copy.fd, bytes(min(last, at + PAGE) - max(start, at)), max(start, at))

    def allocate(self, mode: int, offset: int, length: int) -> None:
        """Have pages, or make a hole."""
        if mode == _PUNCH_HOLE | _KEEP_SIZE:
            self.content.punch(offset, length)
            self._zeroed(offset, min(offset + length, self.size))
        elif mode in (0, _KEEP_SIZE):
            self.content.allocate(offset, length)
            if not mode and offset + length > self.size:
                self.truncate(offset + length)
        else:
            raise Errno(errno.EOPNOTSUPP)
        self.changed(content=True)

    def find(self, offset: int, *, data: bool) -> int:
        """The next data or hole."""
        return self.content.find(offset, data=data)

    def mapping(self, name: str) -> Inode:
        """Copy it to where it can be mapped from."""
        copy = self._copy()
        if copy is not None:
            return copy
        services = self.fs.services
        services.hold.charge(self.content.held)
        try:
            copy = services.inodes.share((-self.fs.dev, self.ino, 0, 0), name, self._copied)
        except Errno:
            services.hold.uncharge(self.content.held)
            raise
        copy.held, copy.on_close = self.content.held, services.hold.uncharge
        self.mapped = copy
        return copy

    def _copied(self) -> int:
        fd = os.memfd_create("tmpfs", os.MFD_CLOEXEC)
        os.ftruncate(fd, self.size)
        for index, page in self.content.pages.items():
            if index * PAGE < self.size:
                os.pwrite(fd, page[: self.size - index * PAGE], index * PAGE)
        return fd

    def free(self) -> None:
        """It is gone, with its copy unless some area maps that."""
        super().free()
        self.content.truncate(0)
        self.content.punch(0, (max(self.content.pages, default=0) + 1) * PAGE)
        copy = self._copy()
        if copy is not None and not copy.mapped:
            self.fs.services.inodes.close(copy)


def data_pages(fd: int, start: int, end: int) -> Iterator[int]:
    """Where the pages of a host's file begin that are no holes, of a range."""
    at = start // PAGE * PAGE
    while at < end:
        try:
            at = max(at, os.lseek(fd, at, os.SEEK_DATA) // PAGE * PAGE)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return  # nothing but a hole
        if at < end:
            yield at
        at += PAGE
