"""System calls on paths: only /proc, /dev/null and /dev/zero exist."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import procfs, uaccess
from vmemu.kernel.file import (
    O_ACCMODE,
    O_CLOEXEC,
    O_CREAT,
    O_DIRECTORY,
    O_RDONLY,
    SETTABLE,
    File,
    FileStat,
    NullFile,
    TextFile,
    ZeroFile,
)
from vmemu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from vmemu.kernel.task import Task

_DEVICES = {"/dev/null": NullFile, "/dev/zero": ZeroFile}
_PROC = "/proc/"
_CWD = "/"


def _resolve(task: Task, pointer: int) -> str:
    """Read a path and normalise it; the working directory is always the root."""
    path = os.fsdecode(uaccess.read_path(task.mm, pointer))
    return os.path.normpath(os.path.join(_CWD, path))  # noqa: PTH118 - a guest's path


def _open_file(task: Task, path: str, flags: int) -> File:
    device = _DEVICES.get(path)
    if device is not None:
        if flags & O_DIRECTORY:
            raise Errno(errno.ENOTDIR)
        return device(flags & (O_ACCMODE | SETTABLE), path)
    if not path.startswith(_PROC):
        raise Errno(errno.ENOENT)
    content = procfs.read_file(task.kernel, task, path.removeprefix(_PROC))
    if flags & O_ACCMODE != O_RDONLY or flags & O_CREAT:
        raise Errno(errno.EACCES)
    if flags & O_DIRECTORY:
        raise Errno(errno.ENOTDIR)
    return TextFile(path, content)


def _open(task: Task, pointer: int, flags: int) -> int:
    file = _open_file(task, _resolve(task, pointer), flags)
    fd = task.files.alloc(0, task.limits.nofile)
    return task.files.install(fd, file, bool(flags & O_CLOEXEC))


@syscall(5, "str", "openfl", "oct")
def sys_open(task: Task, path: int, flags: int, mode: int) -> int:
    """Open a file of /proc or a device; anything else does not exist."""
    return _open(task, path, flags)


@syscall(8, "str", "oct")
def sys_creat(task: Task, path: int, mode: int) -> int:
    """Nothing can be created."""
    return _open(task, path, O_CREAT | 1)


@syscall(295, "dirfd", "str", "openfl", "oct")
def sys_openat(task: Task, dirfd: int, path: int, flags: int, mode: int) -> int:
    """Like open(): there are no directories a path could be relative to."""
    return _open(task, path, flags)


def _stat_path(task: Task, pointer: int) -> FileStat:
    path = _resolve(task, pointer)
    if path in ("/", "/proc", "/dev"):
        return FileStat(stat.S_IFDIR | 0o555)
    if path.startswith(_PROC) and path.endswith("/exe"):
        procfs.read_link(task.kernel, task, path.removeprefix(_PROC))
        return FileStat(stat.S_IFREG | 0o755)
    return _open_file(task, path, O_RDONLY).stat()


@syscall(33, "str", "oct")
def sys_access(task: Task, path: int, mode: int) -> int:
    """Tell whether a path exists and is not asked to be written (unless a device)."""
    found = _stat_path(task, path)
    if mode & 2 and not found.mode & 0o200:
        raise Errno(errno.EACCES)
    if mode & 1 and not found.mode & 0o111:
        raise Errno(errno.EACCES)
    return 0


@syscall(307, "dirfd", "str", "oct")
def sys_faccessat(task: Task, dirfd: int, path: int, mode: int) -> int:
    """Like access()."""
    return sys_access(task, path, mode)


def _put_stat64(task: Task, pointer: int, found: FileStat) -> int:
    ids = task.kernel.options.credentials
    uaccess.write_struct(
        task.mm, pointer, "QI5IQIqIQ6IQ",
        0, 0, found.ino, found.mode, 1, ids.uid, ids.gid, found.rdev, 0,
        found.size, 4096, (found.size + 511) // 512, 0, 0, 0, 0, 0, 0, found.ino,
    )  # fmt: skip
    return 0


def _put_stat(task: Task, pointer: int, found: FileStat) -> int:
    ids = task.kernel.options.credentials
    uaccess.write_struct(
        task.mm, pointer, "2I4H12I",
        0, found.ino, found.mode, 1, ids.uid & 0xFFFF, ids.gid & 0xFFFF, found.rdev,
        found.size & 0xFFFFFFFF, 4096, (found.size + 511) // 512, 0, 0, 0, 0, 0, 0, 0, 0,
    )  # fmt: skip
    return 0


@syscall(195, "str", "ptr")
@syscall(196, "str", "ptr", name="lstat64")
def sys_stat64(task: Task, path: int, pointer: int) -> int:
    """Describe what a path names."""
    return _put_stat64(task, pointer, _stat_path(task, path))


@syscall(106, "str", "ptr")
@syscall(107, "str", "ptr", name="lstat")
def sys_stat(task: Task, path: int, pointer: int) -> int:
    """Describe what a path names, with 16-bit ids."""
    return _put_stat(task, pointer, _stat_path(task, path))


@syscall(197, "fd", "ptr")
def sys_fstat64(task: Task, fd: int, pointer: int) -> int:
    """Describe an open file."""
    return _put_stat64(task, pointer, task.files.get(fd).stat())


@syscall(108, "fd", "ptr")
def sys_fstat(task: Task, fd: int, pointer: int) -> int:
    """Describe an open file, with 16-bit ids."""
    return _put_stat(task, pointer, task.files.get(fd).stat())


@syscall(85, "str", "ptr", "uint")
def sys_readlink(task: Task, path: int, pointer: int, size: int) -> int:
    """Read a link; all links are in /proc."""
    if not 0 < size < 1 << 31:
        raise Errno(errno.EINVAL)
    name = _resolve(task, path)
    if not name.startswith(_PROC):
        _stat_path(task, path)
        raise Errno(errno.EINVAL)
    target = procfs.read_link(task.kernel, task, name.removeprefix(_PROC))
    data = os.fsencode(target)[:size]
    uaccess.write(task.mm, pointer, data)
    return len(data)


@syscall(305, "dirfd", "str", "ptr", "uint")
def sys_readlinkat(task: Task, dirfd: int, path: int, pointer: int, size: int) -> int:
    """Like readlink()."""
    return sys_readlink(task, path, pointer, size)


@syscall(183, "ptr", "uint")
def sys_getcwd(task: Task, pointer: int, size: int) -> int:
    """The working directory is the root; the result counts the terminating zero."""
    data = os.fsencode(_CWD) + b"\0"
    if size < len(data):
        raise Errno(errno.ERANGE)
    uaccess.write(task.mm, pointer, data)
    return len(data)


@syscall(60, "oct")
def sys_umask(task: Task, mask: int) -> int:
    """Set the mask and return the old one."""
    old, task.umask = task.umask, mask & 0o777
    return old
