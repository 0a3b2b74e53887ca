"""System calls of signals that carry something, and of waiting for them."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.wait import Blocking, Interrupted, Wait
from vmemu.kernel.signal.layout import SIGINFO_SIZE, decode_siginfo, encode_siginfo
from vmemu.kernel.signal.state import (
    NSIG,
    SI_TKILL,
    UNBLOCKABLE,
    SigInfo,
    send_group_signal,
    send_signal,
)
from vmemu.kernel.syscalls.signal import may_signal
from vmemu.kernel.syscalls.table import s32, syscall
from vmemu.kernel.syscalls.time import read_timespec

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_SIGSET_SIZE = 8


def read_info(task: Task, number: int, pointer: int) -> SigInfo:
    """A siginfo_t to be sent, whatever it is (copy_siginfo_from_user)."""
    return decode_siginfo(
        uaccess.read(task.mm, pointer, SIGINFO_SIZE), number, task.kernel.abi.bits
    )


def check_target(task: Task, target: Task | None, info: SigInfo) -> Task:
    """Whom a signal is for, if he may be sent it; Errno ESRCH, EINVAL, EPERM."""
    if target is None:
        raise Errno(errno.ESRCH)
    if not 0 <= info.signo <= NSIG:
        raise Errno(errno.EINVAL)
    if not may_signal(task, target, info.signo):
        raise Errno(errno.EPERM)
    return target


def check_code(info: SigInfo, own: bool) -> None:
    """Nobody may look like the kernel or like kill() to another (rt_sigqueueinfo)."""
    if not own and (info.code >= 0 or info.code == SI_TKILL):
        raise Errno(errno.EPERM)


@syscall(178, "pid", "sig", "ptr", x64=129)
def sys_rt_sigqueueinfo(task: Task, pid: int, number: int, pointer: int) -> int:
    """Send a signal with a siginfo_t to a process."""
    info = read_info(task, s32(number), pointer)
    check_code(info, pid == task.tgid)
    target = check_target(task, task.kernel.tasks.get(pid) if pid > 0 else None, info)
    if info.signo and not send_group_signal(target.group, info):
        raise Errno(errno.EAGAIN)
    return 0


@syscall(335, "pid", "pid", "sig", "ptr", x64=297)
def sys_rt_tgsigqueueinfo(task: Task, tgid: int, tid: int, number: int, pointer: int) -> int:
    """Send a signal with a siginfo_t to one thread of a process."""
    info = read_info(task, s32(number), pointer)
    if tgid <= 0 or tid <= 0:
        raise Errno(errno.EINVAL)
    check_code(info, tgid == task.tgid)
    found = task.kernel.tasks.get(tid)
    target = check_target(task, found if found is not None and found.tgid == tgid else None, info)
    if info.signo and not send_signal(target, info):
        raise Errno(errno.EAGAIN)
    return 0


def _wait(task: Task, wanted: int, deadline: int | None) -> Blocking[SigInfo]:
    """Take a signal of a set when there is one; Errno EAGAIN, EINTR."""
    state = task.signals
    while (info := state.dequeue(wanted)) is None:
        if deadline is not None and task.kernel.sched.now >= deadline:
            raise Errno(errno.EAGAIN)
        blocked = state.real_blocked = state.blocked
        state.set_blocked(blocked & ~wanted)
        interrupted = False
        try:
            yield Wait("a signal", deadline=deadline)
        except Interrupted:
            interrupted = True
        finally:
            state.real_blocked = 0
            state.set_blocked(blocked)
        if interrupted:
            info = state.dequeue(wanted)
            if info is None:
                raise Errno(errno.EINTR)
            break
    return info


def _timedwait(
    task: Task, pointer: int, told: int, timeout: int, size: int, wide: bool
) -> Blocking[int]:
    if size != _SIGSET_SIZE:
        raise Errno(errno.EINVAL)
    wanted = uaccess.read_struct(task.mm, pointer, "Q")[0] & ~UNBLOCKABLE
    deadline = None
    if timeout:
        deadline = task.kernel.sched.deadline(read_timespec(task, timeout, wide))
    info = yield from _wait(task, wanted, deadline)
    if told:
        uaccess.write(task.mm, told, encode_siginfo(info, task.kernel.abi.bits))
    return info.signo


@syscall(177, "ptr", "ptr", "timespec", "size", x64=128)
def sys_rt_sigtimedwait(
    task: Task, pointer: int, told: int, timeout: int, size: int
) -> Blocking[int]:
    """Wait for one of some signals, that is not delivered then; its number."""
    return (yield from _timedwait(task, pointer, told, timeout, size, False))


@syscall(421, "ptr", "ptr", "ptr", "size")
def sys_rt_sigtimedwait_time64(
    task: Task, pointer: int, told: int, timeout: int, size: int
) -> Blocking[int]:
    """The same, seconds in 64 bits."""
    return (yield from _timedwait(task, pointer, told, timeout, size, True))
