"""Signal delivery on the way back to user code, and restarting what it interrupted.

Modelled on do_signal() and get_signal_to_deliver() of Linux 2.6.6.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.core import lib
from vmemu.kernel.process.exit import exit_group, stop_group, stop_task
from vmemu.kernel.process.job import is_orphaned
from vmemu.kernel.process.wait import ERESTART_RESTARTBLOCK, ERESTARTSYS, WaitStatus
from vmemu.kernel.signal.frame import handle_signal
from vmemu.kernel.signal.state import (
    IGNORED_BY_DEFAULT,
    SIG_DFL,
    SIG_IGN,
    STOP_SIGNALS,
    SaFlags,
    SigAction,
    SigInfo,
    Signal,
    signal_name,
)

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task


def deliver_signals(task: Task) -> bool:
    """Act on every deliverable signal; False when the task must not run on.

    Handlers nest: the frame of the signal delivered last is on top and runs
    first.  A call that ended with ERESTART* is made again when no handler
    ran, or when the handler has SA_RESTART.
    """
    state = task.signals
    if state.stopping and not state.has_kill():
        stop_task(task)
        return False
    while (info := state.dequeue()) is not None:
        action = state.action(info.signo)
        if action.handler == SIG_IGN:
            continue
        _note(task, info)
        if action.handler != SIG_DFL:
            _restart_under_handler(task, action)
            handle_signal(task, info)
            continue
        bit = 1 << (info.signo - 1)
        if bit & IGNORED_BY_DEFAULT:
            continue
        if bit & STOP_SIGNALS:
            if info.signo != Signal.SIGSTOP and is_orphaned(task.kernel.tasks, task.pgrp):
                continue  # nobody could continue it
            stop_group(task, info.signo)
            return False
        exit_group(task, WaitStatus(info.signo, signaled=True))
        return False
    if task.restart:
        number = (
            task.kernel.abi.nr_restart_syscall
            if task.restart == ERESTART_RESTARTBLOCK
            else task.interrupted_call
        )
        _make_again(task, number)
    if state.saved_mask is not None:
        state.set_blocked(state.saved_mask)
        state.saved_mask = None
    return True


def _note(task: Task, info: SigInfo) -> None:
    kernel = task.kernel
    kernel.core.m.counter[lib.CNT_signals] += 1
    kernel.core.event(lib.EV_signal, info.signo, info.code & 0xFFFFFFFF, info.address)
    if kernel.strace is not None:
        from vmemu.kernel.strace import trace_signal

        trace_signal(task, signal_name(info.signo), info)


def _make_again(task: Task, number: int) -> None:
    """Put ip back on the instruction that made the call."""
    regs = task.kernel.cpu.regs
    regs.ax = number
    regs.ip = int(regs.ip) - task.kernel.abi.entry_size
    task.restart = 0


def _restart_under_handler(task: Task, action: SigAction) -> None:
    if not task.restart:
        return
    if task.restart == ERESTARTSYS and action.flags & SaFlags.RESTART:
        _make_again(task, task.interrupted_call)
        return
    cpu = task.kernel.cpu
    cpu.regs.ax = -errno.EINTR & task.kernel.core.mask
    task.restart = 0
