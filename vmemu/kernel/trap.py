"""What becomes of a CPU that stops in a program, other than for a system call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmemu.core import lib
from vmemu.errors import KernelBug
from vmemu.kernel.process.sched import FAULT_NS
from vmemu.kernel.signal.state import (
    BUS_ADRERR,
    SEGV_ACCERR,
    SEGV_MAPERR,
    SI_KERNEL,
    SigInfo,
    Signal,
    force_signal,
)
from vmemu.kernel.signal.traps import exception_signal

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

__all__ = ["handle_trap"]

_PAGE_FAULT = 14
"""The exception's number."""


def handle_trap(task: Task, trap: int) -> str:
    """Do what the trap asks for, and name it: fault, exception, preempt or stop."""
    kernel, m = task.kernel, task.kernel.core.m
    sched = kernel.sched
    if trap == lib.TRAP_FAULT:
        return _fault(task)
    if trap == lib.TRAP_PREEMPT:
        task.used.utime += sched.slice_blocks  # the CPU moved the clock: 1 ns a block
        sched.user_time += sched.slice_blocks
        sched.slice_used()
        return "preempt"
    if trap == lib.TRAP_EXCEPTION:
        sched.advance(task, FAULT_NS)
        force_signal(task, exception_signal(int(m.cpu.trap_vector), int(m.regs.ip)))
        return "exception"
    if trap == lib.TRAP_STOP:
        return "preempt" if m.clock.now >= m.clock.next_timer else "stop"
    raise KernelBug(f"the CPU stopped with trap {trap} at {m.regs.ip:#x}")


def _fault(task: Task) -> str:
    """A page fault that the core could not mend: the signal it ends with (do_page_fault)."""
    kernel, m = task.kernel, task.kernel.core.m
    address, access, result = int(m.fault.address), int(m.fault.access), int(m.fault.result)
    kernel.sched.advance(task, FAULT_NS)
    if result == lib.FAULT_MAPERR:
        signo, code = Signal.SIGSEGV, SEGV_MAPERR
    elif result == lib.FAULT_ACCERR:
        signo, code = Signal.SIGSEGV, SEGV_ACCERR
    elif result == lib.FAULT_SIGBUS:
        signo, code = Signal.SIGBUS, BUS_ADRERR
    elif result == lib.FAULT_OOM:
        if not task.signals.has_kill():
            kernel.call_hook("log", f"VM: killing process {task.comm}")
        signo, code = Signal.SIGKILL, SI_KERNEL
    else:
        raise KernelBug(f"fault at {address:#x} ended with {result}")
    error_code = _error_code(task, address, access)
    force_signal(
        task,
        SigInfo(signo, code, address=address, trapno=_PAGE_FAULT, error_code=error_code),
    )
    return "fault"


def _error_code(task: Task, address: int, access: int) -> int:
    """What the CPU pushed: user mode, write, and whether a present pte refused it.

    A kernel address always counts as refused (do_page_fault).
    """
    core = task.kernel.core
    present = address >= core.task_size or bool(
        core.lib.pte_value(core.m, task.mm.ptr, address) & lib._PAGE_PRESENT
    )
    return 4 | (2 if access == lib.ACCESS_WRITE else 0) | int(present)
