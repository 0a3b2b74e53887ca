"""A directory of the host as a file system of the guest.

Every look at the host begins at the directory's own descriptor and follows no link (beneath),
so that nothing outside can be reached, whatever the guest or the host renames meanwhile.
Devices, FIFOs and sockets of the host are seen and not opened; the guest's own devices
are, in place of those with their numbers.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections import deque
from weakref import WeakValueDictionary

from vmemu.errors import ConfigError, Errno
from vmemu.kernel.hold import HostMemory
from vmemu.kernel.process.cred import Cred
from vmemu.streams import above_streams
from vmemu.vfs import beneath
from vmemu.vfs.beneath import Opened, host_errors, joined, mode_of, open_beneath, readlink_of
from vmemu.vfs.file import File, FileStat
from vmemu.vfs.hostfile import HostNode, HostRegular, keys
from vmemu.vfs.node import Directory, FileSystem, FsStat, Node, Services
from vmemu.vfs.owner import Owners
from vmemu.vfs.permission import init_owner
from vmemu.vfs.walk import Walk

__all__ = ["HostDirectory", "HostFs", "peek"]


_RECENT = 128


class HostFs(FileSystem):
    """A directory of the host, or one file in it; ConfigError when there is none."""

    name = "hostfs"

    def __init__(self, services: Services, dev: int, path: str, *, readonly: bool = True) -> None:
        super().__init__(services, dev, readonly=readonly)
        directory, only = path, None
        if not os.path.isdir(path):  # noqa: PTH112 - pathlib takes its time to import
            directory, only = os.path.split(os.path.realpath(path))
        try:
            self.fd = above_streams(os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
            self.host_dev = os.fstat(self.fd).st_dev
        except (OSError, ValueError) as error:
            reason = (getattr(error, "strerror", None) or str(error)).lower()
            raise ConfigError(f"cannot open {path}: {reason}") from None
        self.owners = Owners(services.hold)
        self.moves = 0
        """How often a directory has come to be called otherwise, or has gone."""
        self.recent: deque[HostDirectory] = deque(maxlen=_RECENT)
        """Those that were found last: who walks there again finds the same objects."""
        self.caches = True
        """Files are read by way of pages in guest RAM."""
        self.top = HostDirectory(self, None, b"")
        self.root: Node = self.top
        if only is not None:
            try:
                self.root = self.top.lookup(os.fsencode(only))
            except Errno as error:
                self.close()
                reason = os.strerror(error.errno).lower()
                raise ConfigError(f"cannot open {path}: {reason}") from None

    def close(self) -> None:
        """Give the descriptor back."""
        self.recent.clear()
        os.close(self.fd)

    def statfs(self) -> FsStat:
        """The host's."""
        with host_errors():
            fd = open_beneath(self.fd, (), os.O_RDONLY | os.O_DIRECTORY)
            try:
                host = os.fstatvfs(fd)
            finally:
                os.close(fd)
        scale = host.f_frsize / 4096
        return FsStat(
            0xEF53, int(host.f_blocks * scale), int(host.f_bavail * scale), host.f_files,
            host.f_favail,
        )  # fmt: skip

    def told(self, host: os.stat_result) -> FileStat:
        """What a guest sees: what belongs to whoever runs vmemu belongs to root."""
        uid, gid = self.owners.told(host)
        return FileStat(
            host.st_mode,
            host.st_ino,
            host.st_size,
            os.major(host.st_rdev) << 8 | os.minor(host.st_rdev) & 0xFF,
            host.st_nlink,
            self.dev if host.st_dev == self.host_dev else 0x10000 | host.st_dev & 0xFFFF,
            uid,
            gid,
            host.st_blocks,
            host.st_atime_ns,
            host.st_mtime_ns,
            host.st_ctime_ns,
        )


class HostLink(HostNode):
    """A symbolic link."""

    link = True

    def readlink(self) -> bytes:
        """Where it leads, in the guest."""
        with host_errors():
            return readlink_of(self.fs.fd, self.above.path(), self.name)


class HostSpecial(HostNode):
    """A device, a FIFO or a socket."""

    def open(self, flags: int, name: str) -> File:
        """The guest's own device of that number; Errno ENXIO for all else."""
        from vmemu.vfs.device import open_device

        told = self.stat()
        if not stat.S_ISCHR(told.mode):
            raise Errno(errno.ENXIO)
        return open_device(self, told.rdev, flags, name)


class HostDirectory(HostNode, Directory):
    """A directory, which knows its way from the top; there is one object of it at a time."""

    def __init__(self, fs: HostFs, above: HostDirectory | None, name: bytes) -> None:
        self.fs: HostFs = fs
        self.above: HostDirectory = above if above is not None else self
        self.parent: Directory = self.above
        self.name = name
        self.attached = {}
        self._path, self._path_at = b"", -1
        self._children: WeakValueDictionary[bytes, HostDirectory] = WeakValueDictionary()
        self._last: os.stat_result | None = None
        """What the host told of it when it was removed."""

    def stat(self) -> FileStat:
        """The host's; of one that was removed, the last."""
        if self._last is not None:
            return self.fs.told(self._last)._replace(nlink=0)
        return super().stat()

    def way(self) -> list[bytes]:
        """The names that lead here from the top; Errno ENOENT when it was removed."""
        names: list[bytes] = []
        at = self
        while at is not at.fs.top:
            if at.dead:
                raise Errno(errno.ENOENT)
            names.append(at.name)
            at = at.above
        return names[::-1]

    def path(self) -> bytes:
        """The same as one; OSError for what is no way."""
        moves = self.fs.moves
        if self._path_at != moves:
            self._path, self._path_at = joined(self.way()), moves
        return self._path

    def opened(self, flags: int = os.O_PATH | os.O_DIRECTORY) -> Opened:
        """A descriptor of it, for as long as it lasts; OSError, Errno ENOENT."""
        return Opened(open_beneath(self.fs.fd, self.way(), flags))

    def host_stat(self) -> os.stat_result:
        """What the host tells of it."""
        with self.opened() as fd:
            return os.fstat(fd)

    def lookup(self, name: bytes) -> Node:
        """What a name stands for now."""
        with host_errors():
            mode = mode_of(self.fs.fd, self.path(), name)
        if stat.S_ISDIR(mode):
            child = self._children.get(name)
            if child is None:
                child = self._children[name] = HostDirectory(self.fs, self, name)
                self.fs.recent.append(child)
            return child
        if stat.S_ISLNK(mode):
            return HostLink(self.fs, self, name)
        if stat.S_ISREG(mode):
            return HostRegular(self.fs, self, name)
        return HostSpecial(self.fs, self, name)

    def entries(self) -> list[tuple[bytes, int, int]]:
        """By name, so that it does not depend on the host's order."""
        with host_errors(), self.opened(os.O_RDONLY | os.O_DIRECTORY) as fd, os.scandir(fd) as all_:
            found = [
                (
                    os.fsencode(entry.name),
                    entry.inode(),
                    stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode),
                )
                for entry in all_
            ]
        return sorted(found)

    def _init(self, made: HostNode, mode: int) -> None:
        """Give what was made its owner and mode (inode_init_owner)."""
        uid, gid, mode = init_owner(self, mode, self.fs.services.cred())
        told = made.stat()
        if (told.uid, told.gid) != (uid, gid):
            made.chown(uid, gid)
        if not made.link:
            made.chmod(stat.S_IMODE(mode))

    def create(self, name: bytes, mode: int) -> Node:
        """Make a regular file, with this mode whatever the host's umask."""
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        with host_errors(), self.opened() as directory:
            os.close(os.open(name, flags, 0o600, dir_fd=directory))
        made = HostRegular(self.fs, self, name)
        self._init(made, stat.S_IFREG | mode)
        return made

    def mknod(self, name: bytes, mode: int, rdev: int) -> None:
        """Make a FIFO or a socket, which the host has by name alone; Errno EPERM for devices."""
        if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
            raise Errno(errno.EPERM)
        with host_errors(), self.opened() as fd:
            os.mknod(name, stat.S_IFMT(mode) | 0o600, dir_fd=fd)
        self._init(self._found(name), mode)

    def _found(self, name: bytes) -> HostNode:
        made = self.lookup(name)
        assert isinstance(made, HostNode)
        return made

    def mkdir(self, name: bytes, mode: int) -> None:
        """Make a directory."""
        with host_errors(), self.opened() as fd:
            os.mkdir(name, 0o700, dir_fd=fd)
        self._init(self._found(name), stat.S_IFDIR | mode)

    def symlink(self, name: bytes, target: bytes) -> None:
        """Make a link: its text means what it means in the guest."""
        with host_errors(), self.opened() as fd:
            os.symlink(target, name, dir_fd=fd)
        self._init(self._found(name), stat.S_IFLNK | 0o777)

    def hardlink(self, name: bytes, node: Node) -> None:
        """Give a file another name; a link itself, not what it leads to."""
        assert isinstance(node, HostNode)
        with host_errors(), self.opened() as fd, node.above.opened() as old:
            os.link(node.name, name, src_dir_fd=old, dst_dir_fd=fd, follow_symlinks=False)

    def unlink(self, name: bytes) -> None:
        """Take a name away."""
        with host_errors(), self.opened() as fd:
            gone = os.stat(name, dir_fd=fd, follow_symlinks=False)
            os.unlink(name, dir_fd=fd)
        self._lose(gone)

    def _lose(self, host: os.stat_result) -> None:
        """A name of a file has gone: so do its pages, if it was the last and nobody has it open."""
        if host.st_nlink == 1 or stat.S_ISDIR(host.st_mode):
            self.fs.owners.disown(host)
        if stat.S_ISREG(host.st_mode) and host.st_nlink == 1:
            inode = self.fs.services.inodes.named(*keys(host))
            if inode is not None:
                self.fs.services.inodes.drop(inode)

    def rmdir(self, name: bytes) -> None:
        """Remove an empty directory."""
        child = self._children.get(name)
        if child is not None and child.attached:
            raise Errno(errno.EBUSY)
        with host_errors(), self.opened() as fd:
            gone = os.stat(name, dir_fd=fd, follow_symlinks=False)
            os.rmdir(name, dir_fd=fd)
        self._lose(gone)
        self._forget(name, gone)

    def rename(self, name: bytes, other: Directory, new: bytes, *, exchange: bool) -> None:
        """Move a name, over another one or in exchange for it."""
        assert isinstance(other, HostDirectory)
        if exchange:
            with host_errors(), self.opened() as old_fd, other.opened() as new_fd:
                beneath.exchange(old_fd, name, new_fd, new)
            first, second = self._children.pop(name, None), other._children.pop(new, None)
            other._moved(first, new)
            self._moved(second, name)
            return
        gone = None
        with host_errors(), self.opened() as old_fd, other.opened() as new_fd:
            with contextlib.suppress(FileNotFoundError):
                gone = os.stat(new, dir_fd=new_fd, follow_symlinks=False)
            moving = os.stat(name, dir_fd=old_fd, follow_symlinks=False)
            os.rename(name, new, src_dir_fd=old_fd, dst_dir_fd=new_fd)
        if gone is not None and (gone.st_dev, gone.st_ino) != (moving.st_dev, moving.st_ino):
            self._lose(gone)
        moved = self._children.pop(name, None)
        other._forget(new, gone)
        other._moved(moved, new)

    def _moved(self, child: HostDirectory | None, name: bytes) -> None:
        """A directory is here now."""
        if child is not None:
            child.above = child.parent = self
            child.name = name
            self.fs.moves += 1
            self._children[name] = child

    def _forget(self, name: bytes, last: os.stat_result | None) -> None:
        child = self._children.pop(name, None)
        if child is not None:
            child.dead, child._last = True, last
            self.fs.moves += 1


def peek(root: str, path: bytes, count: int) -> bytes:
    """The first bytes of a file that a guest with that root would find; Errno, ConfigError."""
    services = Services(HostMemory(0), lambda: 0, bytes, None, None, Cred)  # type: ignore[arg-type]
    fs = HostFs(services, 0, root)
    fs.caches = False
    try:
        body = Walk(fs.top).find(fs.top, path).body(os.O_RDONLY)
        try:
            return body.read(0, count)
        finally:
            body.close()
    finally:
        fs.close()
