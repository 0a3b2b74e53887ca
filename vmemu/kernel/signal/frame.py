"""Making a task run its handler next, and bringing it back.

What the frame on the user's stack looks like is the architecture's: frame_i386.py,
frame_x86_64.py.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.signal.state import (
    SIG_DFL,
    SIG_IGN,
    AltStack,
    SaFlags,
    SigInfo,
    Signal,
    force_signal,
)

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

__all__ = ["handle_signal", "rt_sigreturn", "sigreturn"]


def _frames(task: Task) -> ModuleType:
    """The module of the task's architecture."""
    if task.kernel.abi.bits == 64:
        from vmemu.kernel.signal import frame_x86_64

        return frame_x86_64
    from vmemu.kernel.signal import frame_i386

    return frame_i386


def handle_signal(task: Task, info: SigInfo) -> None:
    """Make the task run its handler next (handle_signal, setup_frame, setup_rt_frame).

    When the stack cannot take the frame the task gets a SIGSEGV instead,
    which cannot be caught on that same stack if it was one already.
    """
    state = task.signals
    action = state.action(info.signo)
    assert action.handler not in (SIG_DFL, SIG_IGN)
    mask = state.blocked if state.saved_mask is None else state.saved_mask
    try:
        _frames(task).push_frame(task, action, info, mask)
    except Errno:
        # 2.6: force_sigsegv; SIGSEGV itself falls back to the default action
        if info.signo == Signal.SIGSEGV:
            state.actions.pop(Signal.SIGSEGV, None)
        force_signal(task, SigInfo(Signal.SIGSEGV))
        return
    state.saved_mask = None
    if state.stack.disarms:
        state.stack = AltStack()
    if not action.flags & SaFlags.NODEFER:
        state.set_blocked(state.blocked | action.mask | 1 << (info.signo - 1))
    else:
        state.set_blocked(state.blocked | action.mask)
    if action.flags & SaFlags.RESETHAND:
        state.actions[info.signo] = action._replace(handler=SIG_DFL)  # its flags and mask stay


def sigreturn(task: Task) -> None:
    """Leave an old-style handler of i386 (sys_sigreturn); a bad frame raises SIGSEGV."""
    _frames(task).sigreturn(task)


def rt_sigreturn(task: Task) -> None:
    """Leave a handler (sys_rt_sigreturn); a bad frame raises SIGSEGV."""
    _frames(task).rt_sigreturn(task)
