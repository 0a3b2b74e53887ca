"""tmpfs: names and nodes are the host's, counted by what they hold; content is in guest RAM."""

from __future__ import annotations

import errno
import stat
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.hold import NODE_BYTES
from vmemu.vfs.file import File, FileStat
from vmemu.vfs.node import FileSystem, FsStat, Node, Services
from vmemu.vfs.permission import plain_mode

if TYPE_CHECKING:
    from vmemu.vfs.tmpdir import TmpDirectory

__all__ = ["TmpFs", "TmpLink", "TmpNode", "TmpSpecial"]

RELATIME_NS = 24 * 3600 * 10**9


class TmpFs(FileSystem):
    """A file system that is empty at first."""

    name = "tmpfs"
    kind = 0x01021994

    def __init__(
        self, services: Services, dev: int, mode: int = 0o755, *, limited: bool = True
    ) -> None:
        super().__init__(services, dev)
        self._sb = None if limited else 0
        self.nodes: dict[int, TmpNode] = {}
        """Those that have a name or are used."""
        self._next = 1
        self.root = self.make_root(mode)

    def make_root(self, mode: int) -> TmpDirectory:
        """The directory that it begins with."""
        from vmemu.vfs.tmpdir import TmpDirectory

        return TmpDirectory(self, mode)

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

    @property
    def sb(self) -> int:
        """Which ``struct shmem_sb`` counts its pages."""
        if self._sb is None:
            self._sb = self.services.inodes.new_sb()
        return self._sb

    @property
    def free_blocks(self) -> int:
        """Pages that there is room for."""
        return self.services.inodes.free_blocks(self.sb)

    def statfs(self) -> FsStat:
        """Half as large as RAM and swap; as many nodes as the host may hold."""
        hold = self.services.hold
        nodes = max(0, hold.limit - hold.held) // NODE_BYTES
        blocks = self.services.inodes.max_blocks(self.sb)
        return FsStat(self.kind, blocks, self.free_blocks, len(self.nodes) + nodes, nodes)

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
        self.linkable = False
        """It has no name yet and may be given one (I_LINKABLE)."""
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
        if not self.directory:
            self.mode = plain_mode(self.mode, self.gid, self.fs.services.cred())
        self.uid = self.uid if uid is None else uid
        self.gid = self.gid if gid is None else gid
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


class TmpSpecial(TmpNode):
    """A device, a FIFO or a socket, as the type in its mode says."""

    def __init__(self, fs: TmpFs, mode: int, rdev: int = 0) -> None:
        super().__init__(fs, mode)
        self.rdev = rdev

    def stat(self) -> FileStat:
        """With its number."""
        return super().stat()._replace(rdev=self.rdev)

    def open(self, flags: int, name: str) -> File:
        """Open the device; Errno ENXIO."""
        from vmemu.vfs.device import open_device

        if not stat.S_ISCHR(self.mode):
            raise Errno(errno.ENXIO)
        return open_device(self, self.rdev, flags, name)
