"""Nodes: what a name in a directory stands for (struct inode), and file systems.

Every file system has its own kinds of nodes; what they have in common is here.  A directory
knows its parent and its own name, and which other file systems' roots are attached to it, by
name: a mount point need not exist in the directory below.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from vmemu.errors import Errno
from vmemu.vfs.file import File, FileStat

if TYPE_CHECKING:
    from vmemu.file.inode import Inode, Inodes
    from vmemu.kernel.hold import HostMemory
    from vmemu.kernel.process.cred import Cred
    from vmemu.kernel.process.job import Jobs
    from vmemu.mm import Mm

NAME_MAX = 255


class Services(NamedTuple):
    """What file systems need of the kernel."""

    hold: HostMemory
    now: Callable[[], int]
    """Nanoseconds since 1970, virtual."""
    randbytes: Callable[[int], bytes]
    inodes: Inodes
    """The files that are mapped."""
    jobs: Jobs
    cred: Callable[[], Cred]
    """Who is asking (current_cred)."""


class FsStat(NamedTuple):
    """What statfs() tells of a file system, in blocks of 4096 bytes."""

    kind: int
    blocks: int = 0
    free: int = 0
    files: int = 0
    files_free: int = 0


class FileSystem:
    """A tree of nodes (struct super_block)."""

    name = ""
    kind = 0
    """Its magic number."""

    def __init__(self, services: Services, dev: int, *, readonly: bool = False) -> None:
        self.services = services
        self.dev = dev
        self.readonly = readonly

    def statfs(self) -> FsStat:
        """Describe it."""
        return FsStat(self.kind)

    def close(self) -> None:
        """Give up what the host holds for it."""


class Body:
    """The content of an open regular file."""

    size: int = 0

    def read(self, offset: int, count: int) -> bytes:
        """Bytes from there on, b"" behind the end."""
        raise NotImplementedError

    def read_to(self, offset: int, mm: Mm, address: int, count: int) -> int | None:
        """Copy them to user memory at once, if it has pages in guest RAM; how many.

        None if it has none.  Errno EFAULT when nothing could be stored.
        """
        return None

    def write(self, offset: int, data: bytes) -> int:
        """Store bytes; how many went.  Errno ENOSPC when none did."""
        raise NotImplementedError

    def truncate(self, size: int) -> None:
        """Cut it, or let it end in a hole."""
        raise NotImplementedError

    def allocate(self, mode: int, offset: int, length: int) -> None:
        """fallocate(); Errno EOPNOTSUPP for what cannot be had."""
        raise Errno(errno.EOPNOTSUPP)

    def find(self, offset: int, *, data: bool) -> int:
        """Where the next data or the next hole begins (SEEK_DATA, SEEK_HOLE); Errno ENXIO."""
        raise NotImplementedError

    def sync(self) -> None:
        """Wait until the disk has it."""

    def advise(self, offset: int, length: int, advice: int) -> None:
        """posix_fadvise(), length 0 to the end; readahead() is POSIX_FADV_WILLNEED."""

    def mapping(self, name: str) -> Inode:
        """The inode whose pages mmap() maps; Errno ENODEV, ENOMEM, ENFILE."""
        raise Errno(errno.ENODEV)

    def close(self) -> None:
        """Nobody has it open any more in this way."""


class Node:
    """Something that has a name (struct inode)."""

    directory = link = regular = False
    direct = False
    """It can be opened with O_DIRECT."""
    fs: FileSystem

    def stat(self) -> FileStat:
        """Describe it."""
        raise NotImplementedError

    def open(self, flags: int, name: str) -> File:
        """Open it; Errno ENXIO for what has nobody behind it."""
        raise Errno(errno.ENXIO)

    def is_fifo(self) -> bool:
        """Whether to open it is to take an end of a FIFO."""
        special = not (self.regular or self.directory or self.link)
        return special and stat.S_ISFIFO(self.stat().mode)

    def body(self, flags: int) -> Body:
        """Open its content, of a regular file; Errno EINVAL."""
        raise Errno(errno.EINVAL)

    def readlink(self) -> bytes:
        """Where a link leads; Errno EINVAL for what is none."""
        raise Errno(errno.EINVAL)

    def jump(self) -> Node | None:
        """What a link of /proc is behind its text; None: the text leads there."""
        return None

    def admits(self, cred: Cred) -> bool | None:
        """Whether somebody may use it, whatever its mode says; None: its mode says it."""
        return None

    def chmod(self, mode: int) -> None:
        """Set its permissions."""
        raise Errno(errno.EPERM)

    def chown(self, uid: int | None, gid: int | None) -> None:
        """Set its owner and group."""
        raise Errno(errno.EPERM)

    def utimes(self, atime: int | None, mtime: int | None) -> None:
        """Set its times in nanoseconds; None: leave it."""
        raise Errno(errno.EPERM)

    def pin(self) -> None:
        """Somebody uses it beside its names."""

    def unpin(self) -> None:
        """And no longer."""


def node_key(node: Node) -> object:
    """What a node is known by as long as it exists, whichever object stands for it."""
    told = node.stat()
    return id(node.fs), told.dev, told.ino


class Directory(Node):
    """What has names in it."""

    directory = True
    parent: Directory
    """Itself for a root that nobody attached."""
    name: bytes = b""
    dead = False
    """It has been removed."""
    attached: dict[bytes, Node]

    def find(self, name: bytes) -> Node:
        """What a name stands for; Errno ENOENT."""
        found = self.attached.get(name) if self.attached else None
        return found if found is not None else self.lookup(name)

    def lookup(self, name: bytes) -> Node:
        """The same without what is attached."""
        raise Errno(errno.ENOENT)

    def attach(self, name: bytes, node: Node) -> None:
        """Let a name stand for another file system's root."""
        self.attached[name] = node
        if isinstance(node, Directory):
            node.parent, node.name = self, name

    def entries(self) -> list[tuple[bytes, int, int]]:
        """Name, inode number and type (S_IFMT) of all that is in it but . and .. ."""
        raise NotImplementedError

    def listed(self) -> list[tuple[bytes, int, int]]:
        """The same with what is attached, and with . and .. first."""
        own = self.stat().ino
        found = [
            (b".", own, stat.S_IFDIR),
            (b"..", self.parent.stat().ino if self.parent is not self else own, stat.S_IFDIR),
            *(entry for entry in self.entries() if entry[0] not in self.attached),
        ]
        for name, node in self.attached.items():
            told = node.stat()
            found.append((name, told.ino, stat.S_IFMT(told.mode)))
        return found

    def _refuse(self) -> Errno:
        return Errno(errno.EROFS if self.fs.readonly else errno.EPERM)

    def create(self, name: bytes, mode: int) -> Node:
        """Make a regular file."""
        raise self._refuse()

    def unnamed(self, mode: int, *, linkable: bool) -> Node:
        """Make a regular file without a name (O_TMPFILE), which may be given one or not."""
        raise Errno(errno.EOPNOTSUPP)

    def mknod(self, name: bytes, mode: int, rdev: int) -> None:
        """Make a FIFO, a socket or a device, as the type in its mode says."""
        raise self._refuse()

    def mkdir(self, name: bytes, mode: int) -> None:
        """Make a directory."""
        raise self._refuse()

    def symlink(self, name: bytes, target: bytes) -> None:
        """Make a symbolic link."""
        raise self._refuse()

    def hardlink(self, name: bytes, node: Node) -> None:
        """Give another name to what is no directory."""
        raise self._refuse()

    def unlink(self, name: bytes) -> None:
        """Take a name from what is no directory."""
        raise self._refuse()

    def rmdir(self, name: bytes) -> None:
        """Remove an empty directory; Errno ENOTEMPTY."""
        raise self._refuse()

    def rename(self, name: bytes, other: Directory, new: bytes, *, exchange: bool) -> None:
        """Let something be called otherwise, in place of what is called so now."""
        raise self._refuse()


def path_of(directory: Directory, root: Directory) -> bytes:
    """A directory's path from a root, and whether it was removed (d_path)."""
    gone = b" (deleted)" if directory.dead else b""
    names: list[bytes] = []
    while directory is not root and directory.parent is not directory:
        names.append(directory.name)
        directory = directory.parent
    return b"/" + b"/".join(reversed(names)) + gone
