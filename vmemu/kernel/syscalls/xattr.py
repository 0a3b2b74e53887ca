"""System calls of extended attributes: no file has any, and none can be set."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.syscalls import path as paths
from vmemu.kernel.syscalls.path import AT_FDCWD
from vmemu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_NAME_MAX = 255
_NAMESPACES = (b"user.", b"security.", b"trusted.", b"system.")


def _check_name(task: Task, pointer: int) -> None:
    """Errno EFAULT, ERANGE for a name that is none, EOPNOTSUPP for one of an unknown kind."""
    try:
        name = task.mm.read_cstr(pointer, _NAME_MAX + 1)
    except Errno as error:
        raise Errno(errno.ERANGE if error.errno == errno.ENAMETOOLONG else error.errno) from None
    if not name:
        raise Errno(errno.ERANGE)
    if not name.startswith(_NAMESPACES):
        raise Errno(errno.EOPNOTSUPP)


def _absent(task: Task, name: int) -> int:
    _check_name(task, name)
    raise Errno(errno.ENODATA)


def _refused(task: Task, name: int, flags: int) -> int:
    if flags & ~3:
        raise Errno(errno.EINVAL)
    _check_name(task, name)
    raise Errno(errno.EOPNOTSUPP)


@syscall(229, "str", "str", "ptr", "size", x64=191)
def sys_getxattr(task: Task, path: int, name: int, value: int, size: int) -> int:
    """Errno ENODATA."""
    paths.find(task, AT_FDCWD, path)
    return _absent(task, name)


@syscall(230, "str", "str", "ptr", "size", x64=192)
def sys_lgetxattr(task: Task, path: int, name: int, value: int, size: int) -> int:
    """Errno ENODATA, of a link itself."""
    paths.find(task, AT_FDCWD, path, follow=False)
    return _absent(task, name)


@syscall(231, "fd", "str", "ptr", "size", x64=193)
def sys_fgetxattr(task: Task, fd: int, name: int, value: int, size: int) -> int:
    """Errno ENODATA, of an open file."""
    task.files.get(fd)
    return _absent(task, name)


@syscall(232, "str", "ptr", "size", x64=194)
def sys_listxattr(task: Task, path: int, names: int, size: int) -> int:
    """There are none."""
    paths.find(task, AT_FDCWD, path)
    return 0


@syscall(233, "str", "ptr", "size", x64=195)
def sys_llistxattr(task: Task, path: int, names: int, size: int) -> int:
    """There are none, of a link itself."""
    paths.find(task, AT_FDCWD, path, follow=False)
    return 0


@syscall(234, "fd", "ptr", "size", x64=196)
def sys_flistxattr(task: Task, fd: int, names: int, size: int) -> int:
    """There are none, of an open file."""
    task.files.get(fd)
    return 0


@syscall(226, "str", "str", "ptr", "size", "hex", x64=188)
def sys_setxattr(task: Task, path: int, name: int, value: int, size: int, flags: int) -> int:
    """Errno EOPNOTSUPP."""
    paths.find(task, AT_FDCWD, path)
    return _refused(task, name, flags)


@syscall(227, "str", "str", "ptr", "size", "hex", x64=189)
def sys_lsetxattr(task: Task, path: int, name: int, value: int, size: int, flags: int) -> int:
    """Errno EOPNOTSUPP, of a link itself."""
    paths.find(task, AT_FDCWD, path, follow=False)
    return _refused(task, name, flags)


@syscall(228, "fd", "str", "ptr", "size", "hex", x64=190)
def sys_fsetxattr(task: Task, fd: int, name: int, value: int, size: int, flags: int) -> int:
    """Errno EOPNOTSUPP, of an open file."""
    task.files.get(fd)
    return _refused(task, name, flags)


@syscall(235, "str", "str", x64=197)
def sys_removexattr(task: Task, path: int, name: int) -> int:
    """Errno ENODATA."""
    paths.find(task, AT_FDCWD, path)
    return _absent(task, name)


@syscall(236, "str", "str", x64=198)
def sys_lremovexattr(task: Task, path: int, name: int) -> int:
    """Errno ENODATA, of a link itself."""
    paths.find(task, AT_FDCWD, path, follow=False)
    return _absent(task, name)


@syscall(237, "fd", "str", x64=199)
def sys_fremovexattr(task: Task, fd: int, name: int) -> int:
    """Errno ENODATA, of an open file."""
    task.files.get(fd)
    return _absent(task, name)
