"""Character devices: null, zero, full, random, urandom, tty."""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.process.wait import MayBlock
from vmemu.vfs.file import File, FileStat

if TYPE_CHECKING:
    from vmemu.vfs.node import Node


class NullFile(File):
    """/dev/null."""

    takes_all = True
    rdev = 0x103

    def read(self, count: int) -> MayBlock[bytes]:
        """Nothing, ever."""
        return b""

    def write(self, data: bytes) -> MayBlock[int]:
        """Take everything."""
        return len(data)

    def seek(self, offset: int, whence: int) -> int:
        """Succeed (null_lseek)."""
        return 0

    def at(self, offset: int) -> File:
        """It is the same everywhere."""
        return self

    def stat(self) -> FileStat:
        """A character device."""
        if self.node is not None:
            return self.node.stat()
        return FileStat(stat.S_IFCHR | 0o666, rdev=self.rdev)


class ZeroFile(NullFile):
    """/dev/zero."""

    whole = True
    rdev = 0x105

    def read(self, count: int) -> MayBlock[bytes]:
        """As many zeros as wanted."""
        return bytes(count)


class FullFile(ZeroFile):
    """/dev/full."""

    takes_all = False
    rdev = 0x107

    def write(self, data: bytes) -> MayBlock[int]:
        """Errno ENOSPC."""
        raise Errno(errno.ENOSPC)


class RandomFile(NullFile):
    """/dev/random and /dev/urandom: what the machine's seed gives."""

    takes_all = False
    whole = True

    def __init__(self, flags: int, name: str, randbytes: Callable[[int], bytes]) -> None:
        super().__init__(flags, name)
        self._randbytes = randbytes
        self._offered = b""

    def read(self, count: int) -> MayBlock[bytes]:
        """As many random bytes as wanted; those that could not be stored come again."""
        if len(self._offered) < count:
            self._offered += self._randbytes(count - len(self._offered))
        return self._offered[:count]

    def take(self, count: int) -> int:
        """Forget what the guest has."""
        self._offered = self._offered[count:]
        return count


_PLAIN: dict[int, type[NullFile]] = {cls.rdev: cls for cls in (NullFile, ZeroFile, FullFile)}
_RANDOM = (0x108, 0x109)
TTY, PTMX = 0x500, 0x502
DEVICES = {
    b"null": 0x103, b"zero": 0x105, b"full": 0x107, b"random": 0x108, b"urandom": 0x109,
    b"tty": TTY, b"ptmx": PTMX,
}  # fmt: skip
"""Numbers of the devices in /dev, 256 * major + minor."""


def open_device(node: Node, rdev: int, flags: int, name: str) -> File:
    """Open a character device; Errno ENXIO for one that nobody has."""
    file: File
    if rdev in _PLAIN:
        file = _PLAIN[rdev](flags, name)
    elif rdev in _RANDOM:
        file = RandomFile(flags, name, node.fs.services.randbytes)
    elif rdev in (TTY, PTMX):
        terminals = node.fs.services.jobs.terminals
        if rdev == TTY:
            return terminals.open_current(flags)
        file = terminals.open_master(flags)
    else:
        raise Errno(errno.ENXIO)
    file.node = node
    return file
