"""System calls that ask or set who a task is."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.cred import narrow
from vmemu.kernel.process.job import set_session
from vmemu.kernel.process.task import INIT_PID
from vmemu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task


@syscall(20, x64=39)
def sys_getpid(task: Task) -> int:
    """The process id."""
    return task.tgid


@syscall(224, x64=186)
def sys_gettid(task: Task) -> int:
    """The thread's own id; of a process's first thread it is the process's."""
    return task.pid


@syscall(64, x64=110)
def sys_getppid(task: Task) -> int:
    """The parent's id."""
    return task.ppid


@syscall(199, x64=102, name="getuid32", name64="getuid")
def sys_getuid(task: Task) -> int:
    """The real user."""
    return task.cred.user.real


@syscall(201, x64=107, name="geteuid32", name64="geteuid")
def sys_geteuid(task: Task) -> int:
    """The effective user."""
    return task.cred.user.effective


@syscall(200, x64=104, name="getgid32", name64="getgid")
def sys_getgid(task: Task) -> int:
    """The real group."""
    return task.cred.group.real


@syscall(202, x64=108, name="getegid32", name64="getegid")
def sys_getegid(task: Task) -> int:
    """The effective group."""
    return task.cred.group.effective


@syscall(24, name="getuid")
def sys_getuid16(task: Task) -> int:
    """The same in 16 bits."""
    return narrow(task.cred.user.real)


@syscall(49, name="geteuid")
def sys_geteuid16(task: Task) -> int:
    """The same in 16 bits."""
    return narrow(task.cred.user.effective)


@syscall(47, name="getgid")
def sys_getgid16(task: Task) -> int:
    """The same in 16 bits."""
    return narrow(task.cred.group.real)


@syscall(50, name="getegid")
def sys_getegid16(task: Task) -> int:
    """The same in 16 bits."""
    return narrow(task.cred.group.effective)


@syscall(65, x64=111)
def sys_getpgrp(task: Task) -> int:
    """The process group."""
    return task.pgrp


def _find(task: Task, pid: int) -> Task:
    found = task if not pid else task.kernel.tasks.get(pid)
    if found is None:
        raise Errno(errno.ESRCH)
    return found


@syscall(132, "pid", x64=121)
def sys_getpgid(task: Task, pid: int) -> int:
    """The process group of a process; 0 = oneself."""
    if pid == INIT_PID:
        return INIT_PID
    return _find(task, pid).pgrp


@syscall(147, "pid", x64=124)
def sys_getsid(task: Task, pid: int) -> int:
    """The session of a process; 0 = oneself."""
    if pid == INIT_PID:
        return INIT_PID
    return _find(task, pid).session


@syscall(57, "pid", "pid", x64=109)
def sys_setpgid(task: Task, pid: int, pgrp: int) -> int:
    """Move oneself or a child to a process group of the same session."""
    if pgrp < 0:
        raise Errno(errno.EINVAL)
    target = _find(task, pid) if pid else task.group.leader
    if not target.is_leader:
        raise Errno(errno.EINVAL)
    own = target.group is task.group
    if not own and target.parent is not task.group:
        raise Errno(errno.ESRCH)
    if not own:
        if target.session != task.session:
            raise Errno(errno.EPERM)
        if target.group.executed:
            raise Errno(errno.EACCES)
    if target.session == target.pid:
        raise Errno(errno.EPERM)
    pgrp = pgrp or target.pid
    if pgrp != target.pid and not any(
        member.session == task.session for member in task.kernel.tasks.group(pgrp)
    ):
        raise Errno(errno.EPERM)
    target.group.pgrp = pgrp
    return 0


@syscall(66, x64=112)
def sys_setsid(task: Task) -> int:
    """Begin a session; a group leader cannot."""
    if task.kernel.tasks.group(task.tgid):
        raise Errno(errno.EPERM)
    set_session(task)
    return task.tgid


_FIELD = 65


def _utsname(task: Task) -> list[bytes]:
    options, machine = task.kernel.options, task.kernel.abi.machine
    uts = task.kernel.uts
    version = "#1 SMP Wed Jun 16 05:18:37 UTC 2004"
    fields = (
        "Linux",
        uts["hostname"],
        options.release,
        version,
        machine,
        uts["domainname"],
    )
    encoded = (field.encode(errors="surrogateescape") for field in fields)
    return [field[: _FIELD - 1].ljust(_FIELD, b"\0") for field in encoded]


@syscall(122, "ptr", x64=63, name="uname")
def sys_newuname(task: Task, pointer: int) -> int:
    """Name the system, in six fields of 65 bytes."""
    uaccess.write(task.mm, pointer, b"".join(_utsname(task)))
    return 0


@syscall(109, "ptr", name="olduname")
def sys_uname(task: Task, pointer: int) -> int:
    """Name the system, in five fields of 65 bytes."""
    uaccess.write(task.mm, pointer, b"".join(_utsname(task)[:5]))
    return 0


@syscall(136, "hex", x64=135)
def sys_personality(task: Task, value: int) -> int:
    """Set the execution domain, which changes nothing, and return the old one."""
    old = task.personality
    if value != 0xFFFFFFFF:
        task.personality = value
    return old
