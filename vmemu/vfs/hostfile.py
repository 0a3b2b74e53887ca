"""Files of the host below a directory that the guest has, and what is open of them."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.streams import above_streams
from vmemu.vfs.beneath import host_errors, open_beneath
from vmemu.vfs.file import O_ACCMODE, File, FileStat
from vmemu.vfs.node import Body, Node
from vmemu.vfs.regular import RegularFile

if TYPE_CHECKING:
    from vmemu.file.inode import Inode, Key
    from vmemu.vfs.hostfs import HostDirectory, HostFs

__all__ = ["HostNode", "HostRegular"]


class HostNode(Node):
    """A name in a directory of the host."""

    fs: HostFs
    above: HostDirectory
    name: bytes

    def __init__(self, fs: HostFs, above: HostDirectory, name: bytes) -> None:
        self.fs, self.above, self.name = fs, above, name

    def host_stat(self) -> os.stat_result:
        """What the host tells of it."""
        with self.above.opened() as fd:
            return os.stat(self.name, dir_fd=fd, follow_symlinks=False)

    def stat(self) -> FileStat:
        """The host's, as a guest sees it."""
        with host_errors():
            return self.fs.told(self.host_stat())

    def way(self) -> list[bytes]:
        """The names that lead here from the top."""
        return [*self.above.way(), self.name]

    @contextlib.contextmanager
    def itself(self) -> Iterator[str]:
        """A path of the host that leads to this very node, for as long as it lasts."""
        fd = open_beneath(self.fs.fd, self.way(), os.O_PATH)
        try:
            yield f"/proc/self/fd/{fd}"
        finally:
            os.close(fd)

    def chmod(self, mode: int) -> None:
        """Set its permissions on the host."""
        with host_errors(), self.itself() as path:
            os.chmod(path, mode & 0o7777)  # noqa: PTH101 - pathlib takes its time

    def chown(self, uid: int | None, gid: int | None) -> None:
        """Set its owner on the host, as far as whoever runs vmemu may."""
        with host_errors(), self.itself() as path:
            try:
                os.chown(path, -1 if uid is None else uid, -1 if gid is None else gid)
            except PermissionError:
                return

    def utimes(self, atime: int | None, mtime: int | None) -> None:
        """Set its times on the host."""
        with host_errors():
            own = self.host_stat()
            times = (
                own.st_atime_ns if atime is None else atime,
                own.st_mtime_ns if mtime is None else mtime,
            )
            if self.link:
                with self.above.opened() as fd:
                    os.utime(self.name, ns=times, dir_fd=fd, follow_symlinks=False)
            else:
                with self.itself() as path:
                    os.utime(path, ns=times)


class HostRegular(HostNode):
    """A regular file that nobody has opened by this node."""

    regular = True

    def open(self, flags: int, name: str) -> File:
        """Open it; Errno ENXIO if it is something else by now."""
        body = self.body(flags)
        return RegularFile(body, body, flags, name)

    def body(self, flags: int) -> HostOpened:
        """Its content.  It is looked at before it is opened: to open a device does something."""
        with host_errors(), self.itself() as path:
            if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116
                raise Errno(errno.ENXIO)
            fd = above_streams(os.open(path, flags & O_ACCMODE | _ALWAYS))
        return HostOpened(self, fd)


_ALWAYS = os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


class HostOpened(HostRegular, Body):
    """An open regular file: still the same one when it is called otherwise, or nothing."""

    def __init__(self, node: HostRegular, fd: int) -> None:
        super().__init__(node.fs, node.above, node.name)
        self.fd = fd

    @contextlib.contextmanager
    def itself(self) -> Iterator[str]:
        """The descriptor, as long as it is open."""
        if self.fd >= 0:
            yield f"/proc/self/fd/{self.fd}"
        else:
            with super().itself() as path:
                yield path

    def host_stat(self) -> os.stat_result:
        """What the host tells of the descriptor."""
        return os.fstat(self.fd) if self.fd >= 0 else super().host_stat()

    @property
    def size(self) -> int:  # type: ignore[override]
        """Its length in bytes now."""
        with host_errors():
            return self.host_stat().st_size

    def read(self, offset: int, count: int) -> bytes:
        """Bytes from there on."""
        self._flush()
        with host_errors():
            return os.pread(self.fd, count, offset)

    def write(self, offset: int, data: bytes) -> int:
        """Store bytes, also in what is mapped."""
        self._flush()
        with host_errors():
            done = os.pwrite(self.fd, data, offset)
        copy = self._mapped()
        if copy is not None:
            copy.update(offset, data[:done])
        return done

    def _flush(self) -> None:
        """The host has what shared areas have written, before it is asked."""
        if self.fs.readonly:
            return
        copy = self._mapped()
        if copy is not None and copy.writable:
            self.fs.services.inodes.sync()

    def _key(self) -> Key:
        """What finds its pages: of a file that guests may write, whatever it holds now."""
        host = self.host_stat()
        if self.fs.readonly:
            return host.st_dev, host.st_ino, host.st_mtime_ns, host.st_size
        return host.st_dev, host.st_ino, -1, -1

    def _mapped(self) -> Inode | None:
        return self.fs.services.inodes.named(self._key())

    def truncate(self, size: int) -> None:
        """Cut it, or let it end in a hole."""
        with host_errors():
            old = self.size
            os.truncate(self.fd, size)
            copy = self._mapped()
        if copy is not None:
            for start in range(size, old, _PIECE):
                copy.update(start, bytes(min(_PIECE, old - start)))

    def allocate(self, mode: int, offset: int, length: int) -> None:
        """Ask the host."""
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        long = ctypes.c_int64
        if libc.fallocate64(self.fd, mode, long(offset), long(length)):
            raise Errno(ctypes.get_errno())
        copy = self._mapped()
        if copy is not None:
            end = min(offset + length, self.size)
            for start in range(offset, end, _PIECE):
                count = min(_PIECE, end - start)
                copy.update(start, self.read(start, count))

    def find(self, offset: int, *, data: bool) -> int:
        """Where the host's next data or hole begins."""
        with host_errors():
            return os.lseek(self.fd, offset, os.SEEK_DATA if data else os.SEEK_HOLE)

    def sync(self) -> None:
        """Wait until the host's disk has it."""
        copy = self._mapped()
        if copy is not None:
            copy.writeback()
        with host_errors():
            os.fsync(self.fd)

    def mapping(self, name: str) -> Inode:
        """What caches its pages, from a descriptor of its own."""
        with host_errors():
            own = f"/proc/self/fd/{self.fd}"
            writable = not self.fs.readonly and os.access(own, os.R_OK | os.W_OK)
            return self.fs.services.inodes.share(
                self._key(), name, lambda: self._reopened(writable), writable=writable
            )

    def _reopened(self, writable: bool) -> int:
        flags = os.O_RDWR if writable else os.O_RDONLY
        return os.open(f"/proc/self/fd/{self.fd}", flags | os.O_CLOEXEC)

    def close(self) -> None:
        """Nobody has it open in this way any more."""
        os.close(self.fd)
        self.fd = -1


_PIECE = 1 << 20
