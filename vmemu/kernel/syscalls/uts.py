"""System calls of the machine's names, and of namespaces, of which there is one of each kind."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.cred import Cap
from vmemu.kernel.process.exit import exit_sem
from vmemu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_NAME_MAX = 64
_FS, _FILES, _SYSVSEM = 0x200, 0x400, 0x40000
_THREAD, _SIGHAND, _VM = 0x10000, 0x800, 0x100


def _set_name(task: Task, which: str, pointer: int, length: int) -> int:
    if not task.cred.capable(Cap.SYS_ADMIN):
        raise Errno(errno.EPERM)
    if not 0 <= length <= _NAME_MAX:
        raise Errno(errno.EINVAL)
    name = uaccess.read(task.mm, pointer, length) if length else b""
    task.kernel.uts[which] = name.split(b"\0")[0].decode(errors="surrogateescape")
    return 0


@syscall(74, "ptr", "int", x64=170)
def sys_sethostname(task: Task, pointer: int, length: int) -> int:
    """Name the machine; Errno EPERM, EINVAL, EFAULT."""
    return _set_name(task, "hostname", pointer, length)


@syscall(121, "ptr", "int", x64=171)
def sys_setdomainname(task: Task, pointer: int, length: int) -> int:
    """Name its domain; Errno EPERM, EINVAL, EFAULT."""
    return _set_name(task, "domainname", pointer, length)


@syscall(310, "hex", x64=272)
def sys_unshare(task: Task, flags: int) -> int:
    """Have a table of descriptors and a working directory of one's own, and nothing to take back.

    Errno EINVAL for namespaces, as in a kernel without them, and for memory and signals that
    threads share.
    """
    if flags & ~(_FS | _FILES | _SYSVSEM | _THREAD | _SIGHAND | _VM):
        raise Errno(errno.EINVAL)
    if flags & (_THREAD | _SIGHAND | _VM) and task.group.live > 1:
        raise Errno(errno.EINVAL)
    if flags & _VM and int(task.mm.ptr.mm_users) > 1:
        raise Errno(errno.EINVAL)
    if flags & _FILES and task.files.users > 1:
        shared = task.files
        task.files = shared.copy()
        shared.users -= 1
    if flags & _FS and task.fs.users > 1:
        common = task.fs
        task.fs = common.copy()
        common.users -= 1
    if flags & _SYSVSEM:
        exit_sem(task)
    return 0


@syscall(346, "fd", "hex", x64=308)
def sys_setns(task: Task, fd: int, flags: int) -> int:
    """Errno EBADF, or EINVAL: no descriptor is a namespace."""
    task.files.get(fd)
    raise Errno(errno.EINVAL)
