"""System calls of signals."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.cred import Cap
from vmemu.kernel.process.task import INIT_PID
from vmemu.kernel.process.wait import ERESTARTNOHAND, Blocking, Interrupted, Wait
from vmemu.kernel.signal.frame import rt_sigreturn, sigreturn
from vmemu.kernel.signal.state import (
    MINSIGSTKSZ,
    NSIG,
    SI_TKILL,
    SI_USER,
    SIG_DFL,
    SS_AUTODISARM,
    SS_DISABLE,
    SS_ONSTACK,
    UNBLOCKABLE,
    AltStack,
    SaFlags,
    SigAction,
    SigInfo,
    Signal,
    retarget_shared,
    send_group_signal,
    send_signal,
)
from vmemu.kernel.syscalls.table import s32, s64, syscall

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_SIG_BLOCK, _SIG_UNBLOCK, _SIG_SETMASK = range(3)
_SIGSET_SIZE = 8
_LOW = 0xFFFFFFFF


def _set_action(task: Task, number: int, new: SigAction) -> None:
    state = task.signals
    state.actions[number] = new
    if state.ignores(number):
        task.group.discard(1 << (number - 1))
    if new.handler == SIG_DFL and not new.flags & SaFlags.NOCLDWAIT:
        del state.actions[number]


def _check_number(number: int, changing: bool) -> None:
    if not 1 <= number <= NSIG or (changing and UNBLOCKABLE >> (number - 1) & 1):
        raise Errno(errno.EINVAL)


def _change_action(task: Task, number: int, new: SigAction | None) -> SigAction:
    """Set a disposition, if there is a new one, and give the old one (do_sigaction)."""
    _check_number(number, new is not None)
    old = task.signals.action(number)
    if new is not None:
        _set_action(task, number, new)
    return old


@syscall(67, "sig", "ptr", "ptr")
def sys_sigaction(task: Task, number: int, new: int, old: int) -> int:
    """Set a disposition, with a mask of 32 signals.  A bad `old` is found when it is set."""
    action = None
    if new:
        handler, mask, flags, restorer = uaccess.read_struct(task.mm, new, "4I")
        action = SigAction(handler, flags, restorer, mask & ~UNBLOCKABLE)
    was = _change_action(task, number, action)
    if old:
        uaccess.write_struct(
            task.mm, old, "4I", was.handler, was.mask & _LOW, was.flags, was.restorer
        )
    return 0


@syscall(174, "sig", "ptr", "ptr", "size", x64=13)
def sys_rt_sigaction(task: Task, number: int, new: int, old: int, size: int) -> int:
    """Set a disposition.  A bad `old` is found when it is set."""
    if size != _SIGSET_SIZE:
        raise Errno(errno.EINVAL)
    action = None
    if new:
        handler, flags, restorer, mask = uaccess.read_struct(task.mm, new, "3NQ")
        action = SigAction(handler, flags, restorer, mask & ~UNBLOCKABLE)
    was = _change_action(task, number, action)
    if old:
        uaccess.write_struct(task.mm, old, "3NQ", was.handler, was.flags, was.restorer, was.mask)
    return 0


@syscall(48, "sig", "ptr", result="ptr")
def sys_signal(task: Task, number: int, handler: int) -> int:
    """Set a handler for one time (SysV)."""
    _check_number(number, True)
    old = task.signals.action(number).handler
    flags = SaFlags.RESETHAND | SaFlags.NODEFER
    _set_action(task, number, SigAction(handler, flags))
    return old


def _change_mask(task: Task, how: int, mask: int) -> None:
    state = task.signals
    if how == _SIG_BLOCK:
        state.set_blocked(state.blocked | mask)
    elif how == _SIG_UNBLOCK:
        state.set_blocked(state.blocked & ~mask)
    elif how == _SIG_SETMASK:
        state.set_blocked(mask)
    else:
        raise Errno(errno.EINVAL)
    retarget_shared(task)


@syscall(126, "sighow", "ptr", "ptr")
def sys_sigprocmask(task: Task, how: int, new: int, old: int) -> int:
    """Change the first 32 bits of the mask."""
    blocked = task.signals.blocked
    if new:
        mask = uaccess.read_struct(task.mm, new, "I")[0]
        if how == _SIG_SETMASK:
            mask |= blocked & ~_LOW
        _change_mask(task, how, mask)
    if old:
        uaccess.write_struct(task.mm, old, "I", blocked & _LOW)
    return 0


@syscall(175, "sighow", "ptr", "ptr", "size", x64=14)
def sys_rt_sigprocmask(task: Task, how: int, new: int, old: int, size: int) -> int:
    """Change the mask."""
    if size != _SIGSET_SIZE:
        raise Errno(errno.EINVAL)
    blocked = task.signals.blocked
    if new:
        _change_mask(task, how, uaccess.read_struct(task.mm, new, "Q")[0])
    if old:
        uaccess.write_struct(task.mm, old, "Q", blocked)
    return 0


@syscall(73, "ptr")
def sys_sigpending(task: Task, pointer: int) -> int:
    """Tell which of the first 32 signals are blocked and pending."""
    state = task.signals
    uaccess.write_struct(task.mm, pointer, "I", state.pending_mask() & state.blocked & _LOW)
    return 0


@syscall(176, "ptr", "size", x64=127)
def sys_rt_sigpending(task: Task, pointer: int, size: int) -> int:
    """Tell which signals are blocked and pending; the first `size` bytes of the set."""
    if size > _SIGSET_SIZE:
        raise Errno(errno.EINVAL)
    state = task.signals
    pending = state.pending_mask() & state.blocked
    uaccess.write(task.mm, pointer, pending.to_bytes(_SIGSET_SIZE, "little")[:size])
    return 0


def _pause() -> Blocking[int]:
    while True:
        try:
            yield Wait("a signal")
        except Interrupted:
            raise Interrupted(ERESTARTNOHAND) from None


def _suspend(task: Task, mask: int) -> Blocking[int]:
    state = task.signals
    state.saved_mask = state.blocked
    state.set_blocked(mask)
    return _pause()


@syscall(29, x64=34)
def sys_pause(task: Task) -> Blocking[int]:
    """Sleep until a handler has run."""
    return _pause()


@syscall(72, "ptr", "ptr", "hex")
def sys_sigsuspend(task: Task, history0: int, history1: int, mask: int) -> Blocking[int]:
    """Sleep under another mask until a handler has run."""
    return _suspend(task, mask)


@syscall(179, "ptr", "size", x64=130)
def sys_rt_sigsuspend(task: Task, pointer: int, size: int) -> Blocking[int]:
    """Sleep under another mask until a handler has run."""
    if size != _SIGSET_SIZE:
        raise Errno(errno.EINVAL)
    return _suspend(task, uaccess.read_struct(task.mm, pointer, "Q")[0])


@syscall(186, "ptr", "ptr", x64=131)
def sys_sigaltstack(task: Task, new: int, old: int) -> int:
    """Set the alternate signal stack, unless it is in use."""
    state = task.signals
    current, layout = state.stack, task.kernel.abi.structs["stack_t"]
    was = current.flags(int(task.kernel.cpu.regs.sp))
    fields = uaccess.read_struct(task.mm, new, layout) if new else None
    if fields is not None:
        if was == SS_ONSTACK:
            raise Errno(errno.EPERM)
        base, flags, size = fields
        mode = flags & ~SS_AUTODISARM
        if mode not in (0, SS_ONSTACK, SS_DISABLE):
            raise Errno(errno.EINVAL)
        if mode != SS_DISABLE and size < MINSIGSTKSZ:
            raise Errno(errno.ENOMEM)
        state.stack = AltStack.of(base, flags, size)
    if old:
        uaccess.write_struct(task.mm, old, layout, current.base, was, current.size)
    return 0


def _result_register(task: Task) -> int:
    signed = s64 if task.kernel.abi.bits == 64 else s32
    return signed(int(task.kernel.cpu.regs.ax))


@syscall(119)
def sys_sigreturn(task: Task) -> int:
    """Leave a handler."""
    sigreturn(task)
    return _result_register(task)


@syscall(173, x64=15)
def sys_rt_sigreturn(task: Task) -> int:
    """Leave a handler with SA_SIGINFO."""
    rt_sigreturn(task)
    return _result_register(task)


def may_signal(task: Task, target: Task, number: int) -> bool:
    """Whether one may send it a signal (check_kill_permission)."""
    own, its = task.cred.user, target.cred.user
    if task.cred.capable(Cap.KILL) or target.group is task.group:
        return True
    if {own.real, own.effective} & {its.real, its.saved}:
        return True
    return number == Signal.SIGCONT and target.session == task.session


def _kill_init(task: Task, number: int) -> int:
    """Signal process 1, which ignores it; Errno EINVAL, EPERM."""
    if not 0 <= number <= NSIG:
        raise Errno(errno.EINVAL)
    own = task.cred.user
    if not task.cred.capable(Cap.KILL) and 0 not in (own.real, own.effective):
        raise Errno(errno.EPERM)
    return 0


def _kill(task: Task, targets: list[Task], number: int, *, thread: bool = False) -> int:
    """Send a signal to processes, by any of their threads, or to one thread alone."""
    if not targets:
        raise Errno(errno.ESRCH)
    if not 0 <= number <= NSIG:
        raise Errno(errno.EINVAL)
    targets = [target for target in targets if may_signal(task, target, number)]
    if not targets:
        raise Errno(errno.EPERM)
    if not number:
        return 0
    uid, code = task.cred.user.real, SI_TKILL if thread else SI_USER
    info = SigInfo(number, code, pid=task.tgid, uid=uid)
    for target in targets:
        if not (send_signal(target, info) if thread else send_group_signal(target.group, info)):
            raise Errno(errno.EAGAIN)
    return 0


@syscall(37, "pid", "sig", x64=62)
def sys_kill(task: Task, pid: int, number: int) -> int:
    """Send a signal to a process, a group (pid < 0, 0 = one's own) or all others (-1)."""
    tasks = task.kernel.tasks
    if pid == INIT_PID:
        return _kill_init(task, s32(number))
    if pid > 0:
        found = tasks.get(pid)
        targets = [found] if found is not None else []
    elif pid == -1:
        targets = [other for other in tasks.processes() if other.group is not task.group]
    else:
        targets = tasks.group(-pid or task.pgrp)
    return _kill(task, targets, s32(number))


@syscall(238, "pid", "sig", x64=200)
def sys_tkill(task: Task, tid: int, number: int) -> int:
    """Send a signal to one thread."""
    if tid <= 0:
        raise Errno(errno.EINVAL)
    found = task.kernel.tasks.get(tid)
    return _kill(task, [found] if found is not None else [], s32(number), thread=True)


@syscall(270, "pid", "pid", "sig", x64=234)
def sys_tgkill(task: Task, tgid: int, tid: int, number: int) -> int:
    """Send a signal to one thread of a process."""
    if tgid <= 0 or tid <= 0:
        raise Errno(errno.EINVAL)
    found = task.kernel.tasks.get(tid)
    if found is not None and found.tgid != tgid:
        found = None
    return _kill(task, [found] if found is not None else [], s32(number), thread=True)
