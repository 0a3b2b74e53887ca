"""System calls that describe files, in i386's four layouts and x86-64's."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.wait import NSEC_PER_SEC
from vmemu.kernel.syscalls import path as paths
from vmemu.kernel.syscalls.path import AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW
from vmemu.kernel.syscalls.table import syscall
from vmemu.vfs.file import FileStat
from vmemu.vfs.node import Node
from vmemu.vfs.permission import MAY_WRITE, permission

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_AT_NO_AUTOMOUNT, _AT_EACCESS = 0x800, 0x200
_AT_STAT = AT_SYMLINK_NOFOLLOW | _AT_NO_AUTOMOUNT | AT_EMPTY_PATH
_AT_STATX_SYNC_TYPE = 0x6000
_STATX_RESERVED = 0x80000000
_STATX_BASIC_STATS = 0x7FF
_STAT_MAX = 0x7FFFFFFF
"""The largest size that i386's stat() can tell."""


def stat_path(task: Task, pointer: int, *, follow: bool = True) -> FileStat:
    """Describe what a path names, a link itself unless it is to be followed; Errno ENOENT..."""
    return paths.find(task, AT_FDCWD, pointer, follow=follow).stat()


def _stat_at(task: Task, dirfd: int, pointer: int, flags: int) -> FileStat:
    return paths.find_or_open(
        task,
        dirfd,
        pointer,
        follow=not flags & AT_SYMLINK_NOFOLLOW,
        empty=bool(flags & AT_EMPTY_PATH),
    ).stat()


def _owner(task: Task, found: FileStat) -> tuple[int, int]:
    ids = task.kernel.options.credentials
    return (
        ids.uid if found.uid is None else found.uid,
        ids.gid if found.gid is None else found.gid,
    )


def _blocks(found: FileStat) -> int:
    return (found.size + 511) // 512 if found.blocks is None else found.blocks


def _times(found: FileStat) -> tuple[int, ...]:
    times = (found.atime, found.mtime, found.ctime)
    return tuple(part for time in times for part in divmod(time, NSEC_PER_SEC))


def _put_stat64(task: Task, pointer: int, found: FileStat) -> int:
    uaccess.write_struct(
        task.mm, pointer, "QI5IQIqIQ6IQ",
        found.dev, 0, found.ino, found.mode, found.nlink, *_owner(task, found), found.rdev, 0,
        found.size, 4096, _blocks(found), *_times(found), found.ino,
    )  # fmt: skip
    return 0


def _put_stat(task: Task, pointer: int, found: FileStat) -> int:
    if task.kernel.abi.bits == 64:
        return _put_stat_wide(task, pointer, found)
    if found.size > _STAT_MAX:
        raise Errno(errno.EOVERFLOW)
    uid, gid = _owner(task, found)
    uaccess.write_struct(
        task.mm, pointer, "2I4H12I",
        found.dev, found.ino, found.mode, found.nlink, uid & 0xFFFF, gid & 0xFFFF, found.rdev,
        found.size, 4096, _blocks(found), *_times(found), 0, 0,
    )  # fmt: skip
    return 0


def _put_stat_wide(task: Task, pointer: int, found: FileStat) -> int:
    uaccess.write_struct(
        task.mm, pointer, task.kernel.abi.structs["stat"],
        found.dev, found.ino, found.nlink, found.mode, *_owner(task, found), found.rdev,
        found.size, 4096, _blocks(found), *_times(found),
    )  # fmt: skip
    return 0


@syscall(None, "dirfd", "str", "ptr", "hex", x64=262)
def sys_newfstatat(task: Task, dirfd: int, path: int, pointer: int, flags: int) -> int:
    """Describe what a path names, or an open file; Errno EINVAL for unknown flags."""
    if flags & ~_AT_STAT:
        raise Errno(errno.EINVAL)
    return _put_stat(task, pointer, _stat_at(task, dirfd, path, flags))


@syscall(195, "str", "ptr")
def sys_stat64(task: Task, path: int, pointer: int) -> int:
    """Describe what a path names."""
    return _put_stat64(task, pointer, stat_path(task, path))


@syscall(196, "str", "ptr")
def sys_lstat64(task: Task, path: int, pointer: int) -> int:
    """Describe what a path names, a link itself."""
    return _put_stat64(task, pointer, stat_path(task, path, follow=False))


@syscall(300, "dirfd", "str", "ptr", "hex")
def sys_fstatat64(task: Task, dirfd: int, path: int, pointer: int, flags: int) -> int:
    """Describe what a path names, or an open file; Errno EINVAL for unknown flags."""
    if flags & ~_AT_STAT:
        raise Errno(errno.EINVAL)
    return _put_stat64(task, pointer, _stat_at(task, dirfd, path, flags))


@syscall(106, "str", "ptr", x64=4)
def sys_stat(task: Task, path: int, pointer: int) -> int:
    """Describe what a path names; ids have 16 bits on i386."""
    return _put_stat(task, pointer, stat_path(task, path))


@syscall(107, "str", "ptr", x64=6)
def sys_lstat(task: Task, path: int, pointer: int) -> int:
    """Describe what a path names, a link itself."""
    return _put_stat(task, pointer, stat_path(task, path, follow=False))


@syscall(197, "fd", "ptr")
def sys_fstat64(task: Task, fd: int, pointer: int) -> int:
    """Describe an open file."""
    return _put_stat64(task, pointer, task.files.get(fd).stat())


@syscall(108, "fd", "ptr", x64=5)
def sys_fstat(task: Task, fd: int, pointer: int) -> int:
    """Describe an open file; ids have 16 bits on i386."""
    return _put_stat(task, pointer, task.files.get(fd).stat())


@syscall(383, "dirfd", "str", "hex", "hex", "ptr", x64=332)
def sys_statx(task: Task, dirfd: int, path: int, flags: int, mask: int, pointer: int) -> int:
    """Describe what a path names, or an open file; Errno EINVAL for unknown flags."""
    if mask & _STATX_RESERVED or flags & ~(_AT_STAT | _AT_STATX_SYNC_TYPE):
        raise Errno(errno.EINVAL)
    if flags & _AT_STATX_SYNC_TYPE == _AT_STATX_SYNC_TYPE:
        raise Errno(errno.EINVAL)
    found = _stat_at(task, dirfd, path, flags)
    times = _times(found)
    uaccess.write_struct(
        task.mm, pointer, "2IQ3I2H4QqI4xqI4xqI4xqI4x4I112x",
        _STATX_BASIC_STATS, 4096, 0, found.nlink, *_owner(task, found), found.mode, 0,
        found.ino, found.size, _blocks(found), 0,
        *times[:2], 0, 0, *times[4:], *times[2:4],
        found.rdev >> 8, found.rdev & 0xFF, found.dev >> 8, found.dev & 0xFF,
    )  # fmt: skip
    return 0


@syscall(33, "str", "oct", x64=21)
def sys_access(task: Task, path: int, mode: int) -> int:
    """Tell whether a path exists and allows what is asked."""
    return _access(task, AT_FDCWD, path, mode, 0)


def _access(task: Task, dirfd: int, path: int, mode: int, flags: int) -> int:
    if mode & ~7 or flags & ~(_AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise Errno(errno.EINVAL)
    follow, empty = not flags & AT_SYMLINK_NOFOLLOW, bool(flags & AT_EMPTY_PATH)
    own = task.cred
    if not flags & _AT_EACCESS:
        task.cred = own.for_access()
    try:
        found = paths.find_or_open(task, dirfd, path, follow=follow, empty=empty)
        node = found if isinstance(found, Node) else found.node
        if node is not None:
            permission(node, mode, task.cred)
    finally:
        task.cred = own
    if node is not None and mode & MAY_WRITE and (node.regular or node.directory):
        paths.writable(node)
    return 0


@syscall(307, "dirfd", "str", "oct", x64=269)
def sys_faccessat(task: Task, dirfd: int, path: int, mode: int) -> int:
    """Like access()."""
    return _access(task, dirfd, path, mode, 0)


@syscall(439, "dirfd", "str", "oct", "hex", x64=439)
def sys_faccessat2(task: Task, dirfd: int, path: int, mode: int, flags: int) -> int:
    """Like access(), with flags."""
    return _access(task, dirfd, path, mode, flags)
