"""x86-64: signal frames on the user's stack, and the way back.

Modelled on arch/x86_64/kernel/signal.c of Linux 2.6.7.  Every handler gets the same frame,
below the 128 bytes that a function may use without moving rsp:

    pretcode  ucontext  siginfo  ...  FXSAVE image

pretcode is the restorer, which a program must give with SA_RESTORER: without one it gets a
SIGSEGV instead.
"""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.signal.layout import (
    EFLAGS_DF,
    EFLAGS_TF,
    FXSAVE_SIZE,
    SIGINFO_SIZE,
    encode_siginfo,
    frame_end,
    restore_flags,
    restore_stack,
)
from vmemu.kernel.signal.state import SaFlags, SigInfo, Signal, force_signal

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task
    from vmemu.kernel.signal.state import SigAction

__all__ = ["push_frame", "rt_sigreturn"]

RED_ZONE = 128
"""Bytes below rsp that are a leaf function's."""

_GENERAL = (
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
    "di", "si", "bp", "bx", "dx", "ax", "cx", "sp", "ip",
)  # fmt: skip
_SIGCONTEXT = struct.Struct("<18Q4H5Q64x")
_UC_HEAD = struct.Struct("<2QQI4xQ")  # flags, link, stack_t
_UC = 8
_UC_MCONTEXT = _UC + _UC_HEAD.size
_UC_SIGMASK = _UC_MCONTEXT + _SIGCONTEXT.size
_INFO = _UC_SIGMASK + 8
_SIZE = _INFO + SIGINFO_SIZE


def _context(task: Task, info: SigInfo, fpstate: int, mask: int) -> bytes:
    """struct sigcontext, 256 bytes (setup_sigcontext)."""
    regs = task.kernel.cpu.regs
    return _SIGCONTEXT.pack(
        *(int(getattr(regs, name)) for name in _GENERAL), int(regs.flags),
        int(regs.cs), int(regs.gs), int(regs.fs), 0,
        info.error_code, info.trapno, mask, info.address, fpstate,
    )  # fmt: skip


def push_frame(task: Task, action: SigAction, info: SigInfo, mask: int) -> None:
    """Put the frame on the stack and go to the handler; Errno EFAULT where it does not fit."""
    kernel = task.kernel
    regs = kernel.cpu.regs
    if not action.flags & SaFlags.RESTORER:
        raise Errno(errno.EFAULT)
    end = frame_end(task, action, int(regs.sp) - RED_ZONE)
    fpstate = (end - FXSAVE_SIZE) & -16
    frame = ((fpstate - _SIZE) & -16) - 8
    if frame < 0 or fpstate + FXSAVE_SIZE > kernel.core.task_size:
        raise Errno(errno.EFAULT)
    stack = task.signals.stack
    task.mm.write(fpstate, kernel.cpu.fpu_save())
    task.mm.write(
        frame,
        b"".join(
            (
                struct.pack("<Q", action.restorer),
                _UC_HEAD.pack(0, 0, stack.base, stack.flags(int(regs.sp)), stack.size),
                _context(task, info, fpstate, mask),
                struct.pack("<Q", mask),
                encode_siginfo(info, 64),
            )
        ),
    )
    regs.di, regs.si, regs.dx = info.signo, frame + _INFO, frame + _UC
    regs.ax = 0
    regs.sp, regs.ip = frame, action.handler
    regs.flags = int(regs.flags) & ~(EFLAGS_TF | EFLAGS_DF)


def rt_sigreturn(task: Task) -> None:
    """Leave a handler (sys_rt_sigreturn); a bad frame raises SIGSEGV."""
    kernel = task.kernel
    regs = kernel.cpu.regs
    frame = (int(regs.sp) - 8) & kernel.core.mask  # the handler's ret has taken pretcode
    try:
        uaccess.access_ok(task.mm, frame, _SIZE)
        data = task.mm.read(frame, _SIZE)
        _, _, base, flags, size = _UC_HEAD.unpack_from(data, _UC)
        values = _SIGCONTEXT.unpack_from(data, _UC_MCONTEXT)
        task.signals.set_blocked(int.from_bytes(data[_UC_SIGMASK:_INFO], "little"))
        for name, value in zip(_GENERAL, values, strict=False):
            setattr(regs, name, value)
        restore_flags(task, values[len(_GENERAL)])
        fpstate = values[-1]
        if fpstate:
            kernel.cpu.fpu_restore(uaccess.read(task.mm, fpstate, FXSAVE_SIZE))
        restore_stack(task, base, flags, size)
    except Errno:
        force_signal(task, SigInfo(Signal.SIGSEGV))
