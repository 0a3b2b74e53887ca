"""System calls on paths: only /proc, /dev/null and /dev/zero exist."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.syscalls.table import syscall
from vmemu.vfs import procfs
from vmemu.vfs.file import (
    O_ACCMODE,
    O_CLOEXEC,
    O_CREAT,
    O_DIRECTORY,
    O_RDONLY,
    SETTABLE,
    File,
    NullFile,
    TextFile,
    ZeroFile,
)

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_DEVICES = {"/dev/null": NullFile, "/dev/zero": ZeroFile}
PROC = "/proc/"
DIRECTORIES = ("/", "/proc", "/dev")
AT_FDCWD = -100
_CWD = "/"
_NAME_MAX = 255


def resolve(task: Task, pointer: int, dirfd: int = AT_FDCWD) -> str:
    """Read a path and normalise it; the working directory is always the root.

    Errno EFAULT, ENOENT, ENAMETOOLONG; EBADF or ENOTDIR for a relative path and a `dirfd`
    other than AT_FDCWD: no descriptor is a directory.
    """
    return _walk(task, os.fsdecode(uaccess.read_path(task.mm, pointer)), dirfd)


def _walk(task: Task, path: str, dirfd: int) -> str:
    if dirfd != AT_FDCWD and not path.startswith("/"):
        task.files.get(dirfd)
        raise Errno(errno.ENOTDIR)
    path = "/" + os.path.normpath(os.path.join(_CWD, path)).lstrip("/")  # noqa: PTH118
    if not path.startswith(PROC) and any(
        len(os.fsencode(name)) > _NAME_MAX for name in path.split("/")
    ):
        raise Errno(errno.ENAMETOOLONG)
    return path


def open_file(task: Task, path: str, flags: int) -> File:
    """Open what a normalised path names; Errno ENOENT, EACCES, ENOTDIR."""
    device = _DEVICES.get(path)
    if device is not None:
        if flags & O_DIRECTORY:
            raise Errno(errno.ENOTDIR)
        return device(flags & (O_ACCMODE | SETTABLE), path)
    if not path.startswith(PROC):
        raise Errno(errno.ENOENT)
    content = procfs.read_file(task.kernel, task, path.removeprefix(PROC))
    if flags & O_ACCMODE != O_RDONLY or flags & O_CREAT:
        raise Errno(errno.EACCES)
    if flags & O_DIRECTORY:
        raise Errno(errno.ENOTDIR)
    return TextFile(path, content)


def _open(task: Task, pointer: int, flags: int, dirfd: int = AT_FDCWD) -> int:
    path = os.fsdecode(uaccess.read_path(task.mm, pointer))
    fd = task.files.alloc(0, task.limits.nofile)
    file = open_file(task, _walk(task, path, dirfd), flags)
    return task.files.install(fd, file, bool(flags & O_CLOEXEC))


@syscall(5, "str", "openfl", "oct", x64=2)
def sys_open(task: Task, path: int, flags: int, mode: int) -> int:
    """Open a file of /proc or a device; anything else does not exist."""
    return _open(task, path, flags)


@syscall(8, "str", "oct", x64=85)
def sys_creat(task: Task, path: int, mode: int) -> int:
    """Nothing can be created."""
    return _open(task, path, O_CREAT | 1)


@syscall(295, "dirfd", "str", "openfl", "oct", x64=257)
def sys_openat(task: Task, dirfd: int, path: int, flags: int, mode: int) -> int:
    """Like open(); a relative path must be relative to AT_FDCWD."""
    return _open(task, path, flags, dirfd)


@syscall(85, "str", "ptr", "uint", x64=89)
def sys_readlink(task: Task, path: int, pointer: int, size: int) -> int:
    """Read a link; all links are in /proc."""
    return _readlink(task, AT_FDCWD, path, pointer, size)


def _readlink(task: Task, dirfd: int, path: int, pointer: int, size: int) -> int:
    if not 0 < size < 1 << 31:
        raise Errno(errno.EINVAL)
    name = resolve(task, path, dirfd)
    if name in DIRECTORIES:
        raise Errno(errno.EINVAL)
    if not name.startswith(PROC):
        open_file(task, name, O_RDONLY)
        raise Errno(errno.EINVAL)
    target = procfs.read_link(task.kernel, task, name.removeprefix(PROC))
    data = os.fsencode(target)[:size]
    uaccess.write(task.mm, pointer, data)
    return len(data)


@syscall(305, "dirfd", "str", "ptr", "uint", x64=267)
def sys_readlinkat(task: Task, dirfd: int, path: int, pointer: int, size: int) -> int:
    """Like readlink()."""
    return _readlink(task, dirfd, path, pointer, size)


@syscall(183, "ptr", "size", x64=79)
def sys_getcwd(task: Task, pointer: int, size: int) -> int:
    """The working directory is the root; the result counts the terminating zero."""
    data = os.fsencode(_CWD) + b"\0"
    if size < len(data):
        raise Errno(errno.ERANGE)
    uaccess.write(task.mm, pointer, data)
    return len(data)


@syscall(60, "oct", x64=95)
def sys_umask(task: Task, mask: int) -> int:
    """Set the mask and return the old one."""
    old, task.umask = task.umask, mask & 0o777
    return old
