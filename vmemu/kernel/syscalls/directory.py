"""System calls that read directories, and those of the working directory."""

from __future__ import annotations

import errno
import stat
import struct
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.cred import Cap
from vmemu.kernel.syscalls import path as paths
from vmemu.kernel.syscalls.path import AT_FDCWD
from vmemu.kernel.syscalls.table import syscall
from vmemu.vfs.node import Directory, Node, path_of
from vmemu.vfs.permission import MAY_EXEC, permission
from vmemu.vfs.regular import DirectoryFile, PathFile

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_ROOM = 1 << 20
"""No call gives more than so many bytes."""


def _record(name: bytes, ino: int, offset: int, kind: int) -> bytes:
    """struct linux_dirent64."""
    length = 19 + len(name) + 1 + 7 & ~7
    head = struct.pack("<QqHB", ino & (1 << 64) - 1, offset, length, stat.S_IFMT(kind) >> 12)
    return (head + name).ljust(length, b"\0")


def _old_record(name: bytes, ino: int, offset: int, kind: int, word: int) -> bytes:
    """struct linux_dirent, with the type in its last byte."""
    long = "Q" if word == 8 else "I"
    length = 2 * word + 2 + len(name) + 2 + word - 1 & -word
    mask = (1 << 8 * word) - 1
    head = struct.pack(f"<2{long}H", ino & mask, offset & mask, length)
    return (head + name).ljust(length - 1, b"\0") + bytes([stat.S_IFMT(kind) >> 12])


def _getdents(task: Task, fd: int, pointer: int, size: int, *, old: bool) -> int:
    file = task.files.get(fd)
    if not isinstance(file, DirectoryFile):
        raise Errno(errno.EBADF if isinstance(file, PathFile) else errno.ENOTDIR)
    data, word = b"", task.kernel.core.word
    entries = file.entries()
    taken = 0
    for name, ino, kind in entries:
        offset = file.position + taken + 1
        record = (
            _old_record(name, ino, offset, kind, word) if old else _record(name, ino, offset, kind)
        )
        if len(data) + len(record) > min(size, _ROOM):
            break
        data += record
        taken += 1
    if entries and not taken:
        raise Errno(errno.EINVAL)
    uaccess.write(task.mm, pointer, data)
    file.position += taken
    return len(data)


@syscall(141, "fd", "ptr", "uint", x64=78)
def sys_getdents(task: Task, fd: int, pointer: int, size: int) -> int:
    """Read names of a directory, numbers and offsets in longs."""
    return _getdents(task, fd, pointer, size, old=True)


@syscall(220, "fd", "ptr", "uint", x64=217)
def sys_getdents64(task: Task, fd: int, pointer: int, size: int) -> int:
    """Read names of a directory."""
    return _getdents(task, fd, pointer, size, old=False)


@syscall(183, "ptr", "size", x64=79)
def sys_getcwd(task: Task, pointer: int, size: int) -> int:
    """The working directory's path; the result counts the terminating zero.

    Errno ENOENT for one that was removed, ENAMETOOLONG, ERANGE.  One that is outside of the root
    is said to be unreachable, as since 2.6.36.
    """
    above: Directory = task.fs.cwd
    if above.dead:
        raise Errno(errno.ENOENT)
    while above is not task.fs.root and above.parent is not above:
        above = above.parent
    outside = b"" if above is task.fs.root else b"(unreachable)"
    data = outside + path_of(task.fs.cwd, task.fs.root) + b"\0"
    if len(data) > uaccess.PATH_MAX:
        raise Errno(errno.ENAMETOOLONG)
    if size < len(data):
        raise Errno(errno.ERANGE)
    uaccess.write(task.mm, pointer, data)
    return len(data)


def _chdir(task: Task, node: Node | None) -> int:
    if not isinstance(node, Directory):
        raise Errno(errno.ENOTDIR)
    permission(node, MAY_EXEC, task.cred)
    task.fs.chdir(node)
    return 0


@syscall(12, "str", x64=80)
def sys_chdir(task: Task, path: int) -> int:
    """Work in another directory."""
    return _chdir(task, paths.find(task, AT_FDCWD, path))


@syscall(61, "str", x64=161)
def sys_chroot(task: Task, path: int) -> int:
    """Have paths begin elsewhere; Errno ENOTDIR, EACCES, EPERM."""
    node = paths.find(task, AT_FDCWD, path)
    if not isinstance(node, Directory):
        raise Errno(errno.ENOTDIR)
    permission(node, MAY_EXEC, task.cred)
    if not task.cred.capable(Cap.SYS_CHROOT):
        raise Errno(errno.EPERM)
    task.fs.chroot(node)
    return 0


@syscall(133, "fd", x64=81)
def sys_fchdir(task: Task, fd: int) -> int:
    """Work in an open directory."""
    return _chdir(task, task.files.get(fd).node)
