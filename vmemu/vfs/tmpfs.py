"""tmpfs: files in the host's memory, counted by what they hold."""

from __future__ import annotations

import errno
import stat
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.hold import ENTRY_BYTES, NODE_BYTES, PAGE_BYTES
from vmemu.vfs.file import File, FileStat
from vmemu.vfs.node import Directory, FileSystem, FsStat, Node, Services

if TYPE_CHECKING:
    pass

__all__ = ["TmpDirectory", "TmpFs", "TmpNode"]

RELATIME_NS = 24 * 3600 * 10**9


class TmpFs(FileSystem):
    """A file system that is empty at first."""

    name = "tmpfs"
    kind = 0x01021994

    def __init__(self, services: Services, dev: int, mode: int = 0o755) -> None:
        super().__init__(services, dev)
        self.nodes: dict[int, TmpNode] = {}
        """Those that have a name or are used."""
        self._next = 1
        self.root = TmpDirectory(self, mode)

    def add(self, node: TmpNode) -> int:
        """A new node's number."""
        number = self._next
        self._next += 1
        self.nodes[number] = node
        return number

    def charge(self, size: int) -> None:
        """The host holds so much more; Errno ENOSPC if it may not."""
        if not self.services.hold.try_charge(size):
            raise Errno(errno.ENOSPC)

    def statfs(self) -> FsStat:
        """As large as what the host may hold."""
        hold = self.services.hold
        free = max(0, hold.limit - hold.held)
        return FsStat(
            self.kind,
            hold.limit // PAGE_BYTES,
            free // PAGE_BYTES,
            len(self.nodes) + free // NODE_BYTES,
            free // NODE_BYTES,
        )

    @property
    def held(self) -> int:
        """Bytes that the host holds for it, recomputed."""
        return sum(node.held for node in self.nodes.values())


class TmpNode(Node):
    """A node of tmpfs: it is there as long as it has a name or somebody uses it."""

    fs: TmpFs

    def __init__(self, fs: TmpFs, mode: int) -> None:
        fs.charge(NODE_BYTES)
        self.fs = fs
        self.ino = fs.add(self)
        self.mode = mode
        self.uid = self.gid = 0
        self.nlink = 0
        self.pins = 0
        self.atime = self.mtime = self.ctime = fs.services.now()

    @property
    def held(self) -> int:
        """Bytes that the host holds for it."""
        return NODE_BYTES

    def stat(self) -> FileStat:
        """Describe it."""
        return FileStat(
            self.mode, self.ino, 0, 0, self.nlink, self.fs.dev, self.uid, self.gid, 0,
            self.atime, self.mtime, self.ctime,
        )  # fmt: skip

    def accessed(self) -> None:
        """It was read (relatime)."""
        now = self.fs.services.now()
        if self.atime <= max(self.mtime, self.ctime) or now - self.atime > RELATIME_NS:
            self.atime = now

    def changed(self, *, content: bool) -> None:
        """It was changed, its content too or not."""
        self.ctime = self.fs.services.now()
        if content:
            self.mtime = self.ctime

    def chmod(self, mode: int) -> None:
        """Set its permissions."""
        self.mode = stat.S_IFMT(self.mode) | mode & 0o7777
        self.changed(content=False)

    def chown(self, uid: int | None, gid: int | None) -> None:
        """Set its owner and group; a program loses setuid and setgid."""
        self.uid = self.uid if uid is None else uid
        self.gid = self.gid if gid is None else gid
        if not self.directory:
            self.mode &= ~(stat.S_ISUID | (stat.S_ISGID if self.mode & stat.S_IXGRP else 0))
        self.changed(content=False)

    def utimes(self, atime: int | None, mtime: int | None) -> None:
        """Set its times."""
        self.atime = self.atime if atime is None else atime
        self.mtime = self.mtime if mtime is None else mtime
        self.changed(content=False)

    def pin(self) -> None:
        """Somebody uses it."""
        self.pins += 1

    def unpin(self) -> None:
        """And no longer: without a name it goes."""
        self.pins -= 1
        self._put()

    def dropped(self) -> None:
        """It has lost a name."""
        self.nlink -= 1
        self.changed(content=False)
        self._put()

    def _put(self) -> None:
        if self.nlink <= 0 and not self.pins:
            self.free()

    def free(self) -> None:
        """It is gone (evict_inode)."""
        del self.fs.nodes[self.ino]
        self.fs.services.hold.uncharge(NODE_BYTES)


class TmpLink(TmpNode):
    """A symbolic link."""

    link = True

    def __init__(self, fs: TmpFs, target: bytes) -> None:
        fs.charge(len(target))
        try:
            super().__init__(fs, stat.S_IFLNK | 0o777)
        except Errno:
            fs.services.hold.uncharge(len(target))
            raise
        self.target = target

    @property
    def held(self) -> int:
        """With the path in it."""
        return NODE_BYTES + len(self.target)

    def readlink(self) -> bytes:
        """Where it leads."""
        self.accessed()
        return self.target

    def stat(self) -> FileStat:
        """Its size is the path's."""
        return super().stat()._replace(size=len(self.target))

    def free(self) -> None:
        """It is gone."""
        super().free()
        self.fs.services.hold.uncharge(len(self.target))


class TmpDevice(TmpNode):
    """A character device."""

    def __init__(self, fs: TmpFs, mode: int, rdev: int) -> None:
        super().__init__(fs, stat.S_IFCHR | mode)
        self.rdev = rdev

    def stat(self) -> FileStat:
        """With its number."""
        return super().stat()._replace(rdev=self.rdev)

    def open(self, flags: int, name: str) -> File:
        """Open the device; Errno ENXIO."""
        from vmemu.vfs.device import open_device

        return open_device(self, self.rdev, flags, name)


class TmpDirectory(TmpNode, Directory):
    """A directory: names in the order of their making."""

    def __init__(self, fs: TmpFs, mode: int) -> None:
        super().__init__(fs, stat.S_IFDIR | mode)
        self.nlink = 2
        self.parent: Directory = self
        self.names: dict[bytes, TmpNode] = {}
        self.attached = {}

    @property
    def held(self) -> int:
        """With its names."""
        return NODE_BYTES + ENTRY_BYTES * len(self.names)

    def stat(self) -> FileStat:
        """Its size is 20 bytes a name, as Linux has it."""
        return super().stat()._replace(size=20 * (len(self.names) + 2))

    def lookup(self, name: bytes) -> Node:
        """What a name stands for."""
        try:
            return self.names[name]
        except KeyError:
            raise Errno(errno.ENOENT) from None

    def entries(self) -> list[tuple[bytes, int, int]]:
        """The youngest first, as Linux lists them."""
        self.accessed()
        return [
            (name, node.ino, stat.S_IFMT(node.mode)) for name, node in reversed(self.names.items())
        ]

    def add(self, name: bytes, make: TmpNode) -> None:
        """Give a node a name; without one it goes when there is no room for it.  Errno ENOSPC."""
        try:
            self.fs.charge(ENTRY_BYTES)
        except Errno:
            make._put()
            raise
        self.names[name] = make
        make.nlink += 1
        self.changed(content=True)

    def _room(self) -> None:
        """Errno ENOENT for one that was removed."""
        if self.dead:
            raise Errno(errno.ENOENT)

    def create(self, name: bytes, mode: int) -> Node:
        """Make a regular file."""
        node = self.unnamed(mode)
        self.add(name, node)
        return node

    def unnamed(self, mode: int) -> TmpNode:
        """Make one without a name."""
        from vmemu.vfs.tmpfile import TmpFile

        self._room()
        return TmpFile(self.fs, mode)

    def device(self, name: bytes, mode: int, rdev: int) -> None:
        """Make a character device."""
        self.add(name, TmpDevice(self.fs, mode, rdev))

    def mkdir(self, name: bytes, mode: int) -> None:
        """Make a directory."""
        self._room()
        made = TmpDirectory(self.fs, mode)
        made.nlink = 0
        made.parent, made.name = self, name
        self.add(name, made)
        made.nlink = 2
        self.nlink += 1

    def symlink(self, name: bytes, target: bytes) -> None:
        """Make a symbolic link."""
        self._room()
        self.add(name, TmpLink(self.fs, target))

    def hardlink(self, name: bytes, node: Node) -> None:
        """Give a node another name."""
        self._room()
        assert isinstance(node, TmpNode)
        self.add(name, node)
        node.changed(content=False)

    def _take(self, name: bytes) -> TmpNode:
        node = self.names.pop(name)
        self.fs.services.hold.uncharge(ENTRY_BYTES)
        self.changed(content=True)
        return node

    def unlink(self, name: bytes) -> None:
        """Take a name away."""
        self._take(name).dropped()

    def rmdir(self, name: bytes) -> None:
        """Remove an empty directory; Errno ENOTEMPTY."""
        node = self.names[name]
        assert isinstance(node, TmpDirectory)
        if node.names or node.attached:
            raise Errno(errno.ENOTEMPTY)
        self._take(name)
        node.dead, node.nlink = True, 1
        self.nlink -= 1
        node.dropped()

    def rename(self, name: bytes, other: Directory, new: bytes, *, exchange: bool) -> None:
        """Move a name, over another one or in exchange for it; Errno ENOSPC, ENOTEMPTY."""
        assert isinstance(other, TmpDirectory)
        other._room()
        node, target = self.names[name], other.names.get(new)
        if exchange and target is not None:
            self.names[name], other.names[new] = target, node
            self._moved(target, name, other)
        else:
            self._replace(target, other, new)
            self._take(name)
            other.names[new] = node
            other.fs.services.hold.held += ENTRY_BYTES  # what _take() gave back
        other._moved(node, new, self)
        node.changed(content=False)
        self.changed(content=True)
        other.changed(content=True)

    @staticmethod
    def _replace(target: TmpNode | None, other: TmpDirectory, new: bytes) -> None:
        if isinstance(target, TmpDirectory):
            other.rmdir(new)
        elif target is not None:
            other.unlink(new)

    def _moved(self, node: TmpNode, name: bytes, old: TmpDirectory) -> None:
        """It is here now, and was in another directory."""
        if isinstance(node, TmpDirectory):
            old.nlink -= 1
            self.nlink += 1
            node.parent, node.name = self, name
