"""System calls on resource limits and on what was used."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.cred import Cap
from vmemu.kernel.process.limits import MM_LIMITS, NR_OPEN, RLIM_INFINITY, Resource
from vmemu.kernel.process.wait import NSEC_PER_SEC
from vmemu.kernel.signal.state import SigInfo, Signal, send_signal
from vmemu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from vmemu.kernel.process.group import Accounting
    from vmemu.kernel.process.task import Task

_RUSAGE_SELF, _RUSAGE_CHILDREN, _RUSAGE_THREAD = 0, -1, 1


def _resource(number: int) -> Resource:
    try:
        return Resource(number)
    except ValueError:
        raise Errno(errno.EINVAL) from None


def _owns(task: Task, target: Task) -> None:
    """Errno EPERM for limits of another user's process."""
    own, user, group = task.cred, target.cred.user, target.cred.group
    same = {own.user.real} == {*user[:3]} and {own.group.real} == {*group[:3]}
    if not same and not own.capable(Cap.SYS_RESOURCE):
        raise Errno(errno.EPERM)


def within_fsize(task: Task, offset: int, count: int) -> int:
    """How much of a write the limit of a file's size lets pass; Errno EFBIG with SIGXFSZ."""
    limit = task.limits.soft.get(Resource.FSIZE, RLIM_INFINITY)
    if limit == RLIM_INFINITY or not count:
        return count
    if offset >= limit:
        raise _too_large(task)
    return min(count, limit - offset)


def check_fsize(task: Task, old: int, new: int) -> None:
    """Refuse a file's new size beyond the limit (inode_newsize_ok); Errno EFBIG with SIGXFSZ."""
    if new > old and new > task.limits.soft.get(Resource.FSIZE, RLIM_INFINITY):
        raise _too_large(task)


def _too_large(task: Task) -> Errno:
    send_signal(task, SigInfo(Signal.SIGXFSZ))
    return Errno(errno.EFBIG)


def get_limit(task: Task, resource: Resource) -> tuple[int, int]:
    """Give a limit's soft and hard value."""
    attribute = MM_LIMITS.get(resource)
    if attribute is not None:
        soft = int(getattr(task.mm.rlimits, attribute))
    else:
        soft = task.limits.soft.get(resource, RLIM_INFINITY)
    return soft, task.limits.hard.get(resource, RLIM_INFINITY)


def set_limit(task: Task, resource: Resource, soft: int, hard: int, by: Task) -> None:
    """Change a limit; Errno EINVAL when soft > hard, EPERM.

    Nobody raises NOFILE beyond NR_OPEN, nor any hard limit without the capability.
    """
    if soft > hard:
        raise Errno(errno.EINVAL)
    if resource is Resource.NOFILE and hard > NR_OPEN:
        raise Errno(errno.EPERM)
    raises = hard > task.limits.hard.get(resource, RLIM_INFINITY)
    if raises and not by.cred.capable(Cap.SYS_RESOURCE):
        raise Errno(errno.EPERM)
    if resource is Resource.CPU and soft != RLIM_INFINITY:
        task.kernel.sched.measured = True
    attribute = MM_LIMITS.get(resource)
    if attribute is not None:
        setattr(task.mm.rlimits, attribute, soft)
    else:
        task.limits.soft[resource] = soft
    task.limits.hard[resource] = hard


@syscall(76, "uint", "ptr")
def sys_getrlimit(task: Task, number: int, pointer: int) -> int:
    """The old call: infinity is 0x7fffffff."""
    limits = (min(value, 0x7FFFFFFF) for value in get_limit(task, _resource(number)))
    uaccess.write_struct(task.mm, pointer, "2I", *limits)
    return 0


@syscall(191, "uint", "ptr", x64=97, name64="getrlimit")
def sys_ugetrlimit(task: Task, number: int, pointer: int) -> int:
    """Ask for a limit; what does not fit into a long is infinity."""
    largest = task.kernel.core.mask
    limits = (min(value, largest) for value in get_limit(task, _resource(number)))
    uaccess.write_struct(task.mm, pointer, "2N", *limits)
    return 0


@syscall(75, "uint", "ptr", x64=160)
def sys_setrlimit(task: Task, number: int, pointer: int) -> int:
    """Change a limit."""
    resource = _resource(number)
    infinite = task.kernel.core.mask
    soft, hard = (
        RLIM_INFINITY if value == infinite else value
        for value in uaccess.read_struct(task.mm, pointer, "2N")
    )
    set_limit(task, resource, soft, hard, task)
    return 0


@syscall(340, "pid", "uint", "ptr", "ptr", x64=302)
def sys_prlimit64(task: Task, pid: int, number: int, new: int, old: int) -> int:
    """Ask for and change a limit, of oneself or of another that has not ended."""
    wanted = None
    if new:
        largest = task.kernel.core.mask
        soft, hard = (
            RLIM_INFINITY if value >= largest else value
            for value in uaccess.read_struct(task.mm, new, "2Q")
        )
        wanted = soft, hard
    target = task.kernel.tasks.get(pid) if pid else task
    if target is None or target.memory is None:
        raise Errno(errno.ESRCH)
    resource = _resource(number)
    if target.group is not task.group:
        _owns(task, target)
    current = get_limit(target, resource)
    if wanted is not None:
        set_limit(target, resource, *wanted, task)
    if old:
        uaccess.write_struct(task.mm, old, "2Q", *current)
    return 0


def put_rusage(task: Task, pointer: int, used: Accounting) -> None:
    """Write struct rusage: times, faults and context switches; all else is 0."""
    microseconds = []
    for nanoseconds in (used.utime, used.stime):
        seconds, rest = divmod(nanoseconds, NSEC_PER_SEC)
        microseconds += [seconds, rest // 1000]
    fields = [0] * 14
    fields[4], fields[5] = used.minflt, used.majflt
    fields[13] = used.switches
    uaccess.write_struct(task.mm, pointer, "18N", *microseconds, *fields)


@syscall(77, "int", "ptr", x64=98)
def sys_getrusage(task: Task, who: int, pointer: int) -> int:
    """What a process, one thread, or the reaped children have used in virtual time."""
    task.kernel.account()
    if who == _RUSAGE_SELF:
        put_rusage(task, pointer, task.group.used)
    elif who == _RUSAGE_CHILDREN:
        put_rusage(task, pointer, task.group.children_used)
    elif who == _RUSAGE_THREAD:
        put_rusage(task, pointer, task.used)
    else:
        raise Errno(errno.EINVAL)
    return 0
