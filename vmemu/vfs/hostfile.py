"""Files of the host below a directory that the guest has, and what is open of them."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.process.cred import Cap
from vmemu.streams import above_streams
from vmemu.vfs.beneath import OpenedPath, host_errors, open_beneath
from vmemu.vfs.file import O_ACCMODE, File, FileStat
from vmemu.vfs.libc import libc
from vmemu.vfs.node import Body, Node
from vmemu.vfs.permission import kept_mode, plain_mode
from vmemu.vfs.regular import RegularFile

if TYPE_CHECKING:
    from vmemu.file.inode import Inode, Key
    from vmemu.mm import Mm
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

    def itself(self) -> contextlib.AbstractContextManager[str]:
        """A path of the host that leads to this very node, for as long as it lasts."""
        return OpenedPath(open_beneath(self.fs.fd, self.way(), os.O_PATH))

    def flush(self) -> None:
        """Let the host have what is cached and dirty of it."""

    def chmod(self, mode: int) -> None:
        """Set its permissions on the host."""
        with host_errors(), self.itself() as path:
            os.chmod(path, mode & 0o7777)  # noqa: PTH101 - pathlib takes its time

    def chown(self, uid: int | None, gid: int | None) -> None:
        """Set its owner, on the host as far as whoever runs vmemu may."""
        told = self.stat()
        with host_errors():
            with self.itself() as path, contextlib.suppress(PermissionError):
                os.chown(path, -1 if uid is None else uid, -1 if gid is None else gid)
            self.fs.owners.own(
                self.host_stat(),
                (told.uid or 0) if uid is None else uid,
                (told.gid or 0) if gid is None else gid,
            )
        if not (self.directory or self.link):
            mode = plain_mode(told.mode, told.gid, self.fs.services.cred())
            if mode != self.stat().mode:
                self.chmod(mode)

    def utimes(self, atime: int | None, mtime: int | None) -> None:
        """Set its times on the host, which has what was written by then."""
        self.flush()
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

    regular = direct = True

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
        try:
            return HostOpened(self, fd, flags & O_ACCMODE != os.O_RDONLY)
        except BaseException:
            os.close(fd)
            raise

    def cached(self) -> Inode | None:
        """Its pages, if there are any."""
        return self.fs.services.inodes.named(*keys(self.host_stat()))

    def flush(self) -> None:
        """Let the host have what is cached and dirty of it; errors are fsync's to tell."""
        with host_errors():
            inode = self.cached()
        if inode is not None:
            inode.flush()


_ALWAYS = os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK


def keys(host: os.stat_result) -> tuple[Key, Key]:
    """What finds a file's pages: if guests may write it, whatever it holds; else only as it is."""
    identity = host.st_dev, host.st_ino
    return (*identity, -1, -1), (*identity, host.st_mtime_ns, host.st_size)


class HostOpened(HostRegular, Body):
    """An open regular file: still the same one when it is called otherwise, or nothing.

    What is read and written are pages in guest RAM.  Where the host lets a file be written and
    not read, there are none, and the host is asked each time.
    """

    def __init__(self, node: HostRegular, fd: int, writes: bool) -> None:
        super().__init__(node.fs, node.above, node.name)
        self.fd = fd
        self.pages: Inode | None = None
        if not self.fs.caches:
            return
        try:
            self.pages = self._inode(writes)
        except Errno as error:
            if error.errno not in (errno.EACCES, errno.EPERM):
                raise
            return
        self.pages.users += 1
        self._reading = self.pages.readahead()

    def itself(self) -> contextlib.AbstractContextManager[str]:
        """The descriptor, as long as it is open."""
        if self.fd >= 0:
            return contextlib.nullcontext(f"/proc/self/fd/{self.fd}")
        return super().itself()

    def host_stat(self) -> os.stat_result:
        """What the host tells of the descriptor."""
        return os.fstat(self.fd) if self.fd >= 0 else super().host_stat()

    def cached(self) -> Inode | None:
        """Its pages."""
        return self.pages

    @property
    def size(self) -> int:  # type: ignore[override]
        """Its length in bytes now."""
        with host_errors():
            return self.host_stat().st_size

    def read(self, offset: int, count: int) -> bytes:
        """Bytes from there on."""
        if self.pages is not None:
            return self.pages.pread(offset, count, self._reading)
        with host_errors():
            return os.pread(self.fd, count, offset)

    def read_to(self, offset: int, mm: Mm, address: int, count: int) -> int | None:
        """Copy from its pages."""
        if self.pages is None:
            return None
        return self.pages.read_to(offset, mm, address, count, self._reading)

    def write(self, offset: int, data: bytes) -> int:
        """Store bytes; root's program alone stays setuid."""
        self._changes()
        if self.pages is not None:
            return self.pages.write(offset, data)
        with host_errors():
            return os.pwrite(self.fd, data, offset)

    def _changes(self) -> None:
        """Take from a program what it may not keep (file_remove_privs)."""
        cred = self.fs.services.cred()
        if cred.capable(Cap.FSETID):
            return
        told = self.stat()
        kept = kept_mode(told.mode, told.gid, cred)
        if kept != told.mode:
            self.chmod(kept)

    def _inode(self, writes: bool) -> Inode:
        """Its pages; Errno EACCES where the host does not let it be read."""
        inodes, path = self.fs.services.inodes, f"/proc/self/fd/{self.fd}"
        with host_errors():
            host = self.host_stat()
            free, fixed = keys(host)
            inode = inodes.named(free)
            if inode is None:
                writable = not self.fs.readonly and os.access(path, os.R_OK | os.W_OK)
                flags = (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC
                return inodes.share(
                    fixed if self.fs.readonly else free,
                    os.fsdecode(self.name),
                    lambda: os.open(path, flags),
                    writable=writable,
                )
            if writes and not inode.writable:
                inode.allow_writing(os.open(path, os.O_RDWR | os.O_CLOEXEC))
            return inode

    def truncate(self, size: int) -> None:
        """Cut it, or let it end in a hole."""
        self._changes()
        with host_errors():
            old = self.size
            os.truncate(self.fd, size)
        if self.pages is not None:
            self.pages.truncated(old, size)

    def allocate(self, mode: int, offset: int, length: int) -> None:
        """Ask the host, which has all by then."""
        self.flush()
        fallocate = libc("fallocate64", "c_int", "c_int", "c_int64", "c_int64")
        old = self.size
        with host_errors():
            fallocate(self.fd, mode, offset, length)
        if self.pages is not None and self.size > old:
            self.pages.truncated(old, self.size)
        if self.pages is not None and mode & _PUNCH_HOLE:
            self.pages.zeroed(offset, min(offset + length, old))

    def find(self, offset: int, *, data: bool) -> int:
        """Where the host's next data or hole begins."""
        self.flush()
        with host_errors():
            return os.lseek(self.fd, offset, os.SEEK_DATA if data else os.SEEK_HOLE)

    def sync(self) -> None:
        """Wait until the host's disk has it."""
        if self.pages is not None:
            self.pages.fsync()
            return
        with host_errors():
            os.fsync(self.fd)

    def advise(self, offset: int, length: int, advice: int) -> None:
        """Follow advice on its pages."""
        if self.pages is not None:
            self.pages.advise(offset, length, advice, self._reading)

    def mapping(self, name: str) -> Inode:
        """What caches its pages."""
        if self.pages is None:
            raise Errno(errno.EACCES)
        if not self.pages.mapped:
            self.pages.path = name
        return self.pages

    def close(self) -> None:
        """Nobody has it open in this way any more."""
        if self.pages is not None:
            pages, self.pages = self.pages, None
            self.fs.services.inodes.put(pages, unlinked=not self.host_stat().st_nlink)
        os.close(self.fd)
        self.fd = -1


_PUNCH_HOLE = 2
