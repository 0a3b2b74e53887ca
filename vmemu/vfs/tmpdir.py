"""Directories of tmpfs."""

from __future__ import annotations

import errno
import stat
from typing import TypeVar

from vmemu.errors import Errno
from vmemu.kernel.hold import ENTRY_BYTES, NODE_BYTES
from vmemu.vfs.file import FileStat
from vmemu.vfs.node import Directory, Node
from vmemu.vfs.permission import init_owner
from vmemu.vfs.tmpfs import TmpFs, TmpLink, TmpNode, TmpSpecial

__all__ = ["TmpDirectory"]

N = TypeVar("N", bound=TmpNode)


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

    def _init(self, node: N) -> N:
        """Give what is made here its owner."""
        node.uid, node.gid, node.mode = init_owner(self, node.mode, self.fs.services.cred())
        return node

    def create(self, name: bytes, mode: int) -> Node:
        """Make a regular file."""
        node = self.unnamed(mode, linkable=False)
        self.add(name, node)
        return node

    def unnamed(self, mode: int, *, linkable: bool) -> TmpNode:
        """Make one without a name."""
        from vmemu.vfs.tmpfile import TmpFile

        self._room()
        made = self._init(TmpFile(self.fs, mode))
        made.linkable = linkable
        return made

    def device(self, name: bytes, mode: int, rdev: int) -> None:
        """Make a character device."""
        self.add(name, TmpSpecial(self.fs, stat.S_IFCHR | mode, rdev))

    def mknod(self, name: bytes, mode: int, rdev: int) -> None:
        """Make a FIFO, a socket or a device."""
        self._room()
        self.add(name, self._init(TmpSpecial(self.fs, mode, rdev)))

    def mkdir(self, name: bytes, mode: int) -> None:
        """Make a directory."""
        self._room()
        made = self._init(TmpDirectory(self.fs, mode))
        made.nlink = 0
        made.parent, made.name = self, name
        self.add(name, made)
        made.nlink = 2
        self.nlink += 1

    def symlink(self, name: bytes, target: bytes) -> None:
        """Make a symbolic link."""
        self._room()
        self.add(name, self._init(TmpLink(self.fs, target)))

    def hardlink(self, name: bytes, node: Node) -> None:
        """Give a node another name; Errno ENOENT for one that has lost its last."""
        self._room()
        assert isinstance(node, TmpNode)
        if not node.nlink and not node.linkable:
            raise Errno(errno.ENOENT)
        node.linkable = False
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
