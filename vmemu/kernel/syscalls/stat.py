"""System calls that describe files, in i386's four layouts and x86-64's."""

from __future__ import annotations

import errno
import stat
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.syscalls.file import AT_FDCWD, DIRECTORIES, PROC, open_file, resolve
from vmemu.kernel.syscalls.table import syscall
from vmemu.vfs import procfs
from vmemu.vfs.file import O_RDONLY, FileStat

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_AT_SYMLINK_NOFOLLOW, _AT_NO_AUTOMOUNT, _AT_EMPTY_PATH = 0x100, 0x800, 0x1000
_AT_STAT = _AT_SYMLINK_NOFOLLOW | _AT_NO_AUTOMOUNT | _AT_EMPTY_PATH
_AT_STATX_SYNC_TYPE = 0x6000
_STATX_RESERVED = 0x80000000
_STATX_BASIC_STATS = 0x7FF


def stat_path(task: Task, pointer: int, dirfd: int = AT_FDCWD, *, follow: bool = True) -> FileStat:
    """Describe what a path names, a link itself unless it is to be followed; Errno ENOENT..."""
    path = resolve(task, pointer, dirfd)
    if path in DIRECTORIES:
        return FileStat(stat.S_IFDIR | 0o555)
    if path.startswith(PROC) and path.endswith("/exe"):
        procfs.read_link(task.kernel, task, path.removeprefix(PROC))
        return FileStat(stat.S_IFREG | 0o755 if follow else stat.S_IFLNK | 0o777)
    return open_file(task, path, O_RDONLY).stat()


def _stat_at(task: Task, dirfd: int, pointer: int, flags: int) -> FileStat:
    if flags & _AT_EMPTY_PATH and not task.mm.read_cstr(pointer, uaccess.PATH_MAX):
        return task.files.get(dirfd).stat()
    return stat_path(task, pointer, dirfd, follow=not flags & _AT_SYMLINK_NOFOLLOW)


def _put_stat64(task: Task, pointer: int, found: FileStat) -> int:
    ids = task.kernel.options.credentials
    uaccess.write_struct(
        task.mm, pointer, "QI5IQIqIQ6IQ",
        0, 0, found.ino, found.mode, 1, ids.uid, ids.gid, found.rdev, 0,
        found.size, 4096, (found.size + 511) // 512, 0, 0, 0, 0, 0, 0, found.ino,
    )  # fmt: skip
    return 0


def _put_stat(task: Task, pointer: int, found: FileStat) -> int:
    ids, abi = task.kernel.options.credentials, task.kernel.abi
    if abi.bits == 64:
        return _put_stat_wide(task, pointer, found)
    uaccess.write_struct(
        task.mm, pointer, "2I4H12I",
        0, found.ino, found.mode, 1, ids.uid & 0xFFFF, ids.gid & 0xFFFF, found.rdev,
        found.size & 0xFFFFFFFF, 4096, (found.size + 511) // 512, 0, 0, 0, 0, 0, 0, 0, 0,
    )  # fmt: skip
    return 0


def _put_stat_wide(task: Task, pointer: int, found: FileStat) -> int:
    ids = task.kernel.options.credentials
    uaccess.write_struct(
        task.mm, pointer, task.kernel.abi.structs["stat"],
        0, found.ino, 1, found.mode, ids.uid, ids.gid, found.rdev,
        found.size, 4096, (found.size + 511) // 512, 0, 0, 0, 0, 0, 0,
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
    ids = task.kernel.options.credentials
    uaccess.write_struct(
        task.mm, pointer, "2IQ3I2H4Q64x4I112x",
        _STATX_BASIC_STATS, 4096, 0, 1, ids.uid, ids.gid, found.mode, 0,
        found.ino, found.size, (found.size + 511) // 512, 0,
        found.rdev >> 8, found.rdev & 0xFF, 0, 0,
    )  # fmt: skip
    return 0


@syscall(33, "str", "oct", x64=21)
def sys_access(task: Task, path: int, mode: int) -> int:
    """Tell whether a path exists and allows what is asked."""
    return _access(task, AT_FDCWD, path, mode)


def _access(task: Task, dirfd: int, path: int, mode: int) -> int:
    if mode & ~7:
        raise Errno(errno.EINVAL)
    found = stat_path(task, path, dirfd)
    if mode & 2 and not found.mode & 0o200:
        raise Errno(errno.EACCES)
    if mode & 1 and not found.mode & 0o111:
        raise Errno(errno.EACCES)
    return 0


@syscall(307, "dirfd", "str", "oct", x64=269)
def sys_faccessat(task: Task, dirfd: int, path: int, mode: int) -> int:
    """Like access()."""
    return _access(task, dirfd, path, mode)
