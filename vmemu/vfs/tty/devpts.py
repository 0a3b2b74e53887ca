"""/dev/pts and /dev/ptmx: terminals by their number (fs/devpts)."""

from __future__ import annotations

import errno
import stat
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.process.cred import Cap
from vmemu.vfs.device import PTMX
from vmemu.vfs.file import O_NOCTTY, File, FileStat
from vmemu.vfs.node import Directory, FileSystem, Node, Services

if TYPE_CHECKING:
    from vmemu.kernel.process.job import Jobs
    from vmemu.vfs.tty.console import Console
    from vmemu.vfs.tty.host import HostTerminal
    from vmemu.vfs.tty.pty import Master, Pty
    from vmemu.vfs.tty.ttyfile import TtyFile

__all__ = ["DevPts"]

_FIRST = 0x8800
"""The number of /dev/pts/0: major 136."""
_GROUP = 5
"""That of terminals: tty."""
MAX_PTYS = 4096


class DevPts(FileSystem):
    """The terminals of a machine."""

    name = "devpts"
    kind = 0x1CD1

    def __init__(self, services: Services, dev: int, jobs: Jobs) -> None:
        super().__init__(services, dev)
        self.jobs = jobs
        self.ttys: dict[int, Pty | Console] = {}
        self.nodes: dict[int, _Terminal] = {}
        self.root = _Root(self)

    def _free_index(self) -> int:
        index = next((n for n in range(MAX_PTYS) if n not in self.ttys), None)
        if index is None:
            raise Errno(errno.ENOSPC)
        return index

    def _add(self, tty: Pty | Console) -> None:
        self.ttys[tty.index] = tty
        self.nodes[tty.index] = _Terminal(self, tty)

    def _forget(self, tty: Pty) -> None:
        del self.ttys[tty.index], self.nodes[tty.index]

    def open_master(self, flags: int) -> Master:
        """A new pair; its other end (ptmx_open).  Errno ENOSPC."""
        from vmemu.vfs.tty.pty import Master, Pty

        pty = Pty(self._free_index(), self.jobs, self._forget)
        self._add(pty)
        return Master(pty, flags)

    def add_console(self, host: HostTerminal) -> Console:
        """The host's terminal."""
        from vmemu.vfs.tty.console import Console

        console = Console(self._free_index(), self.jobs, host)
        self._add(console)
        return console

    def open_tty(self, tty: Pty | Console, flags: int, *, control: bool) -> TtyFile:
        """Open a terminal, and let it control a session that has none; Errno EIO, EBUSY."""
        if tty.exclusive and not self.jobs.current.cred.capable(Cap.SYS_ADMIN):
            raise Errno(errno.EBUSY)
        file = tty.open(flags & ~O_NOCTTY)
        file.node = self.nodes[tty.index]
        if control and not flags & O_NOCTTY:
            self.jobs.opened(tty)
        return file

    def open_current(self, flags: int) -> TtyFile:
        """/dev/tty: the controlling terminal; Errno ENXIO."""
        tty = self.jobs.current.group.tty
        if tty is None or tty.index not in self.ttys:
            raise Errno(errno.ENXIO)
        return self.open_tty(self.ttys[tty.index], flags, control=False)


class _PtsNode(Node):
    """A file in /dev/pts."""

    fs: DevPts
    rdev = PTMX
    ino = 2

    def __init__(self, fs: DevPts, mode: int) -> None:
        self.fs = fs
        self.mode = stat.S_IFCHR | mode
        self.uid = self.gid = 0
        self.atime = self.mtime = self.ctime = fs.services.now()

    def stat(self) -> FileStat:
        """A character device."""
        return FileStat(
            self.mode, self.ino, 0, self.rdev, 1, self.fs.dev, self.uid, self.gid, 0,
            self.atime, self.mtime, self.ctime,
        )  # fmt: skip

    def chmod(self, mode: int) -> None:
        """Set its permissions."""
        self.mode = stat.S_IFCHR | mode & 0o7777
        self.ctime = self.fs.services.now()

    def chown(self, uid: int | None, gid: int | None) -> None:
        """Set its owner and group."""
        self.uid = self.uid if uid is None else uid
        self.gid = self.gid if gid is None else gid
        self.ctime = self.fs.services.now()

    def utimes(self, atime: int | None, mtime: int | None) -> None:
        """Set its times."""
        self.atime = self.atime if atime is None else atime
        self.mtime = self.mtime if mtime is None else mtime

    def open(self, flags: int, name: str) -> File:
        """A new pair."""
        file = self.fs.open_master(flags)
        file.node = self
        return file


class _Terminal(_PtsNode):
    """One terminal."""

    def __init__(self, fs: DevPts, tty: Pty | Console) -> None:
        super().__init__(fs, 0o620)
        task = fs.jobs.kernel.current
        self.uid = task.cred.user.fs if task is not None else 0
        self.gid = _GROUP
        self.rdev, self.ino = _FIRST + tty.index, 3 + tty.index
        self._tty = tty

    def open(self, flags: int, name: str) -> File:
        """Open it."""
        return self.fs.open_tty(self._tty, flags, control=True)


class _Root(Directory):
    """/dev/pts."""

    fs: DevPts
    name = b"pts"

    def __init__(self, fs: DevPts) -> None:
        self.fs = fs
        self.parent = self
        self.attached = {}
        self._ptmx = _PtsNode(fs, 0o000)
        self._made = fs.services.now()

    def stat(self) -> FileStat:
        """A directory."""
        return FileStat(
            stat.S_IFDIR | 0o755, 1, 0, 0, 2, self.fs.dev, 0, 0, 0,
            self._made, self._made, self._made,
        )  # fmt: skip

    def lookup(self, name: bytes) -> Node:
        """ptmx, or a terminal."""
        if name == b"ptmx":
            return self._ptmx
        found = self.fs.nodes.get(int(name)) if name.isdigit() else None
        if found is None or name != b"%d" % (found.ino - 3):
            raise Errno(errno.ENOENT)
        return found

    def entries(self) -> list[tuple[bytes, int, int]]:
        """The terminals, the youngest first, and ptmx."""
        found = [(b"%d" % n, node.ino, stat.S_IFCHR) for n, node in sorted(self.fs.nodes.items())]
        return [*reversed(found), (b"ptmx", self._ptmx.ino, stat.S_IFCHR)]
