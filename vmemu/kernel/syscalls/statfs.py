"""System calls that describe file systems."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.syscalls import path as paths
from vmemu.kernel.syscalls.path import AT_FDCWD
from vmemu.kernel.syscalls.table import syscall
from vmemu.vfs.node import NAME_MAX, FileSystem, FsStat

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_PIPEFS = FsStat(0x50495045)
_ST_VALID, _ST_RDONLY, _ST_RELATIME = 0x20, 1, 0x1000


def _of(task: Task, fd: int) -> FileSystem | None:
    node = task.files.get(fd).node
    return node.fs if node is not None else None


def _put(task: Task, pointer: int, fs: FileSystem | None, layout: str) -> int:
    found = fs.statfs() if fs is not None else _PIPEFS
    flags = _ST_VALID | _ST_RELATIME | (_ST_RDONLY if fs is not None and fs.readonly else 0)
    uaccess.write_struct(
        task.mm, pointer, layout,
        found.kind, 4096, found.blocks, found.free, found.free, found.files, found.files_free,
        fs.dev if fs is not None else 0, 0, NAME_MAX, 4096, flags, 0, 0, 0, 0,
    )  # fmt: skip
    return 0


@syscall(99, "str", "ptr", x64=137)
def sys_statfs(task: Task, path: int, pointer: int) -> int:
    """Describe the file system that a path is in."""
    return _put(task, pointer, paths.find(task, AT_FDCWD, path).fs, "7N2I7N")


@syscall(100, "fd", "ptr", x64=138)
def sys_fstatfs(task: Task, fd: int, pointer: int) -> int:
    """Describe the file system of an open file."""
    return _put(task, pointer, _of(task, fd), "7N2I7N")


_WIDE = "2I5Q2I7I"
_WIDE_SIZE = 84


def _check_size(size: int) -> None:
    if size != _WIDE_SIZE:
        raise Errno(errno.EINVAL)


@syscall(268, "str", "size", "ptr")
def sys_statfs64(task: Task, path: int, size: int, pointer: int) -> int:
    """The same with counts of 64 bits; Errno EINVAL for another size."""
    _check_size(size)
    return _put(task, pointer, paths.find(task, AT_FDCWD, path).fs, _WIDE)


@syscall(269, "fd", "size", "ptr")
def sys_fstatfs64(task: Task, fd: int, size: int, pointer: int) -> int:
    """The same of an open file."""
    _check_size(size)
    return _put(task, pointer, _of(task, fd), _WIDE)
