"""What the signal frames of both architectures have alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmemu.kernel.signal.state import (
    SI_KERNEL,
    SI_TIMER,
    AltStack,
    SaFlags,
    SigInfo,
    Signal,
)
from vmemu.kernel.uaccess import layout_of

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task
    from vmemu.kernel.signal.state import SigAction

__all__ = [
    "EFLAGS_DF",
    "EFLAGS_TF",
    "EFLAGS_USER",
    "FXSAVE_SIZE",
    "SIGINFO_SIZE",
    "decode_siginfo",
    "encode_siginfo",
    "frame_end",
    "restore_flags",
    "restore_stack",
]

EFLAGS_USER = 0x00040DD5
"""AC, OF, DF, TF, SF, ZF, AF, PF, CF: what sigreturn may change (FIX_EFLAGS)."""
EFLAGS_TF = 0x100
EFLAGS_DF = 0x400
FXSAVE_SIZE = 512
SIGINFO_SIZE = 128

_FAULTS = (Signal.SIGSEGV, Signal.SIGBUS, Signal.SIGILL, Signal.SIGFPE)


def encode_siginfo(info: SigInfo, bits: int) -> bytes:
    """Lay out siginfo_t, SIGINFO_SIZE bytes, with longs of so many bits (copy_siginfo_to_user)."""
    if info.raw:
        return layout_of(bits, "i").pack(info.signo) + info.raw[4:]
    to_long = "4x" if bits == 64 else ""  # after three ints
    head = layout_of(bits, f"3i{to_long}").pack(info.signo, 0, info.code)
    if info.signo in _FAULTS and 0 < info.code < SI_KERNEL:
        body = layout_of(bits, "N").pack(info.address)
    elif info.code == SI_TIMER:
        body = layout_of(bits, "2iN").pack(info.timer_id, info.overrun, info.value)
    elif info.band:
        body = layout_of(bits, "Ni").pack(info.band, info.fd)
    elif info.signo == Signal.SIGCHLD and info.code > 0:
        body = layout_of(bits, f"iIi{to_long}2N").pack(info.pid, info.uid, info.status, 0, 0)
    else:
        body = layout_of(bits, "iIN").pack(info.pid, info.uid, info.value)
    return (head + body).ljust(SIGINFO_SIZE, b"\0")


def decode_siginfo(raw: bytes, number: int, bits: int) -> SigInfo:
    """The signal that a program's siginfo_t is to be sent with; its own si_signo does not count."""
    to_long = "4x" if bits == 64 else ""
    _, _, code, pid, uid, value = layout_of(bits, f"3i{to_long}iIN").unpack_from(raw)
    return SigInfo(number, code, pid=pid, uid=uid, value=value, raw=raw)


def frame_end(task: Task, action: SigAction, sp: int) -> int:
    """Below what a frame goes: ``sp``, or the end of the alternate stack (get_sigframe)."""
    stack = task.signals.stack
    if action.flags & SaFlags.ONSTACK and stack.size and not stack.holds(sp):
        return stack.base + stack.size
    return sp


def restore_flags(task: Task, flags: int) -> None:
    """Load those of a frame's flags that a program may change."""
    regs = task.kernel.cpu.regs
    regs.flags = int(regs.flags) & ~EFLAGS_USER | flags & EFLAGS_USER


def restore_stack(task: Task, base: int, flags: int, size: int) -> None:
    """Set the alternate stack as a frame's stack_t says, unless it is in use.

    2.6 does the equivalent of sigaltstack() and ignores its failure.
    """
    if not task.signals.stack.holds(int(task.kernel.cpu.regs.sp)):
        task.signals.stack = AltStack.of(base, flags, size)
