"""System calls that sync parts of files and file systems, and names of files that are numbers."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.process.cred import Cap
from vmemu.kernel.syscalls import path as paths
from vmemu.kernel.syscalls.path import AT_EMPTY_PATH
from vmemu.kernel.syscalls.table import s64, syscall
from vmemu.vfs.regular import DirectoryFile, RegularFile

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_WRITE = 2
_AT_SYMLINK_FOLLOW, _AT_HANDLE_FID = 0x400, 0x200


def _sync_range(task: Task, fd: int, offset: int, length: int, flags: int) -> int:
    file = task.files.get(fd)
    if flags & ~7 or offset < 0 or length < 0 or offset + length >= 1 << 63:
        raise Errno(errno.EINVAL)
    if not isinstance(file, RegularFile | DirectoryFile):
        raise Errno(errno.ESPIPE)
    if flags & _WRITE and isinstance(file, RegularFile):
        file.body.sync()
    return 0


@syscall(None, "fd", "long", "long", "hex", x64=277)
def sys_sync_file_range(task: Task, fd: int, offset: int, length: int, flags: int) -> int:
    """Write what is dirty of a file, all of it; Errno EBADF, EINVAL, ESPIPE."""
    return _sync_range(task, fd, offset, length, flags)


@syscall(314, "fd", "uint", "uint", "uint", "uint", "hex", name="sync_file_range")
def sys_sync_file_range_32(
    task: Task, fd: int, low: int, high: int, length: int, length_high: int, flags: int
) -> int:
    """The same, offset and length in two registers each."""
    return _sync_range(task, fd, s64(high << 32 | low), s64(length_high << 32 | length), flags)


@syscall(344, "fd", x64=306)
def sys_syncfs(task: Task, fd: int) -> int:
    """Write all dirty pages, of all file systems; Errno EBADF."""
    task.files.get(fd)
    task.kernel.vm.inodes.sync()
    return 0


@syscall(341, "dirfd", "str", "ptr", "ptr", "hex", x64=303)
def sys_name_to_handle_at(
    task: Task, dirfd: int, path: int, handle: int, mount: int, flags: int
) -> int:
    """Errno EOPNOTSUPP: no file is known by a number."""
    if flags & ~(_AT_SYMLINK_FOLLOW | AT_EMPTY_PATH):
        raise Errno(errno.EINVAL)
    follow, empty = bool(flags & _AT_SYMLINK_FOLLOW), bool(flags & AT_EMPTY_PATH)
    paths.find_or_open(task, dirfd, path, follow=follow, empty=empty)
    raise Errno(errno.EOPNOTSUPP)


@syscall(342, "fd", "ptr", "hex", x64=304)
def sys_open_by_handle_at(task: Task, fd: int, handle: int, flags: int) -> int:
    """Errno EPERM, or ESTALE: no file is known by a number."""
    if not task.cred.capable(Cap.DAC_READ_SEARCH):
        raise Errno(errno.EPERM)
    raise Errno(errno.ESTALE)
