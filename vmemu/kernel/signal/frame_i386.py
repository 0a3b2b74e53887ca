"""i386: signal frames on the user's stack, and the way back.

Modelled on arch/i386/kernel/signal.c of Linux 2.6.6.  A handler without
SA_SIGINFO gets

    pretcode  sig  sigcontext  fpstate  extramask  retcode

and one with SA_SIGINFO

    pretcode  sig  &info  &uc  siginfo  ucontext  fpstate  retcode

pretcode is the restorer given with SA_RESTORER, else the address of retcode,
eight bytes of code on the stack that make the sigreturn call.  (2.6 usually
points at the same code in its vsyscall page; vmemu has none.  An i386 stack
can be executed.)  The stack is aligned for SSE as kernels since 2.6.18 do it,
because compilers of today expect that of a handler's frame.
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

USER_CS = 0x73
USER_DS = 0x7B

FPSTATE_SIZE = 624
"""struct _fpstate: 112 bytes of FSAVE, then the FXSAVE image."""
FXSAVE_OFFSET = 112
X86_FXSR_MAGIC = 0

RETCODE = bytes.fromhex("58b877000000cd80")  # pop eax; mov eax,119; int 0x80
RT_RETCODE = bytes.fromhex("b8ad000000cd8000")  # mov eax,173; int 0x80

_SIGCONTEXT = struct.Struct("<22I")
SIGCONTEXT_FIELDS = (
    "gs", "fs", "es", "ds", "edi", "esi", "ebp", "esp", "ebx", "edx", "ecx", "eax",
    "trapno", "err", "eip", "cs", "eflags", "esp_at_signal", "ss", "fpstate", "oldmask", "cr2",
)  # fmt: skip
_GENERAL = ("edi", "esi", "ebp", "esp", "ebx", "edx", "ecx", "eax", "eip")

_FRAME_SC = 8
_FRAME_FPSTATE = 96
_FRAME_EXTRAMASK = 720
_FRAME_RETCODE = 724
_FRAME_SIZE = 732
_RT_INFO = 16
_RT_UC = _RT_INFO + SIGINFO_SIZE
_RT_MCONTEXT = _RT_UC + 20
_RT_SIGMASK = _RT_MCONTEXT + 88
_RT_FPSTATE = _RT_SIGMASK + 8
_RT_RETCODE = _RT_FPSTATE + FPSTATE_SIZE
_RT_SIZE = _RT_RETCODE + 8


class SigContext:
    """struct sigcontext of i386, 88 bytes."""

    __slots__ = ("values",)

    def __init__(self, values: dict[str, int]) -> None:
        self.values = values

    @classmethod
    def save(cls, task: Task, info: SigInfo, fpstate: int, mask: int) -> SigContext:
        """Take the registers of the running task (setup_sigcontext)."""
        regs = task.kernel.cpu.regs
        values = {name: int(getattr(regs, name)) for name in ("gs", "fs", "es", "ds", *_GENERAL)}
        values |= {
            "trapno": info.trapno, "err": info.error_code, "cs": int(regs.cs),
            "eflags": int(regs.eflags), "esp_at_signal": int(regs.esp), "ss": int(regs.ss),
            "fpstate": fpstate, "oldmask": mask & 0xFFFFFFFF, "cr2": info.address,
        }  # fmt: skip
        return cls(values)

    def encode(self) -> bytes:
        """Lay it out as the guest sees it."""
        return _SIGCONTEXT.pack(*(self.values[name] for name in SIGCONTEXT_FIELDS))

    @classmethod
    def decode(cls, data: bytes) -> SigContext:
        """Read what the guest made of it."""
        return cls(dict(zip(SIGCONTEXT_FIELDS, _SIGCONTEXT.unpack(data), strict=True)))

    def restore(self, task: Task) -> None:
        """Load the registers (restore_sigcontext); Errno EFAULT for a bad fpstate.

        A data segment that cannot be loaded becomes 0, as in loadsegment().  With a code or
        stack segment that cannot be, the return to user mode fails: the task is killed.
        """
        values = self.values
        kernel = task.kernel
        regs = kernel.cpu.regs
        for name in ("gs", "fs", "es", "ds"):
            setattr(regs, name, values[name] & 0xFFFF)
        for name in _GENERAL:
            setattr(regs, name, values[name])
        restore_flags(task, values["eflags"])
        if values["fpstate"]:
            uaccess.access_ok(task.mm, values["fpstate"], FPSTATE_SIZE)
            image = task.mm.read(values["fpstate"] + FXSAVE_OFFSET, FXSAVE_SIZE)
            kernel.cpu.fpu_restore(image)
        cs, ss = values["cs"] & 0xFFFF | 3, values["ss"] & 0xFFFF | 3
        if cs not in (USER_CS, regs.cs) or ss not in (USER_DS, regs.ss):
            force_signal(task, SigInfo(Signal.SIGSEGV), fatal=True)


def _fpstate(task: Task) -> bytes:
    image = task.kernel.cpu.fpu_save()
    legacy = struct.pack("<7I", 0xFFFF0000 | image[0] | image[1] << 8, 0, 0, 0, 0, 0, 0)
    # status word, then the magic that says "an FXSAVE image follows"
    tail = struct.pack("<HH", image[2] | image[3] << 8, X86_FXSR_MAGIC)
    return legacy.ljust(108, b"\0") + tail + image


def _frame_address(task: Task, action: SigAction, size: int) -> int:
    """Where the frame goes (get_sigframe)."""
    end = frame_end(task, action, int(task.kernel.cpu.regs.esp))
    return (((end - size + 4) & ~15) - 4) & 0xFFFFFFFF


def _old_frame(task: Task, action: SigAction, info: SigInfo, frame: int, mask: int) -> bytes:
    pretcode = (
        action.restorer if action.flags & SaFlags.RESTORER else frame + _FRAME_RETCODE
    ) & 0xFFFFFFFF
    context = SigContext.save(task, info, frame + _FRAME_FPSTATE, mask)
    return b"".join(
        (
            struct.pack("<2I", pretcode, info.signo),
            context.encode(),
            _fpstate(task),
            struct.pack("<I", mask >> 32 & 0xFFFFFFFF),
            RETCODE,
        )
    )


def _rt_frame(task: Task, action: SigAction, info: SigInfo, frame: int, mask: int) -> bytes:
    pretcode = (
        action.restorer if action.flags & SaFlags.RESTORER else frame + _RT_RETCODE
    ) & 0xFFFFFFFF
    context = SigContext.save(task, info, frame + _RT_FPSTATE, mask)
    stack = task.signals.stack
    flags = stack.flags(int(task.kernel.cpu.regs.esp))
    return b"".join(
        (
            struct.pack("<4I", pretcode, info.signo, frame + _RT_INFO, frame + _RT_UC),
            encode_siginfo(info, 32),
            struct.pack("<5I", 0, 0, stack.base, flags, stack.size),
            context.encode(),
            struct.pack("<Q", mask),
            _fpstate(task),
            RT_RETCODE,
        )
    )


def push_frame(task: Task, action: SigAction, info: SigInfo, mask: int) -> None:
    """Put the frame on the stack and go to the handler; Errno EFAULT where it does not fit."""
    realtime = bool(action.flags & SaFlags.SIGINFO)
    frame = _frame_address(task, action, _RT_SIZE if realtime else _FRAME_SIZE)
    build = _rt_frame if realtime else _old_frame
    if frame >= task.kernel.core.task_size:
        raise Errno(errno.EFAULT)
    task.mm.write(frame, build(task, action, info, frame, mask))
    regs = task.kernel.cpu.regs
    regs.esp = frame
    regs.eip = action.handler
    regs.eax = info.signo
    regs.edx = frame + _RT_INFO if realtime else 0
    regs.ecx = frame + _RT_UC if realtime else 0
    regs.ds = regs.es = USER_DS
    regs.eflags = int(regs.eflags) & ~(EFLAGS_TF | EFLAGS_DF)


def sigreturn(task: Task) -> None:
    """Leave an old-style handler (sys_sigreturn); a bad frame raises SIGSEGV."""
    esp = int(task.kernel.cpu.regs.esp)
    # the handler's ret and the stub's pop have taken pretcode and sig
    frame = (esp - 8) & 0xFFFFFFFF
    try:
        data = task.mm.read(frame, _FRAME_SIZE)
        context = SigContext.decode(data[_FRAME_SC : _FRAME_SC + 88])
        extra = int.from_bytes(data[_FRAME_EXTRAMASK : _FRAME_EXTRAMASK + 4], "little")
        mask = context.values["oldmask"] | extra << 32
        task.signals.set_blocked(mask)
        context.restore(task)
    except Errno:
        force_signal(task, SigInfo(Signal.SIGSEGV))


def rt_sigreturn(task: Task) -> None:
    """Leave an SA_SIGINFO handler (sys_rt_sigreturn); a bad frame raises SIGSEGV."""
    esp = int(task.kernel.cpu.regs.esp)
    frame = (esp - 4) & 0xFFFFFFFF
    try:
        data = task.mm.read(frame, _RT_FPSTATE)
        mask = int.from_bytes(data[_RT_SIGMASK : _RT_SIGMASK + 8], "little")
        task.signals.set_blocked(mask)
        SigContext.decode(data[_RT_MCONTEXT : _RT_MCONTEXT + 88]).restore(task)
        restore_stack(task, *struct.unpack_from("<3I", data, _RT_UC + 8))
    except Errno:
        force_signal(task, SigInfo(Signal.SIGSEGV))
