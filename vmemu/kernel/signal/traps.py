"""Processor exceptions and the signals they become (arch/i386/kernel/traps.c)."""

from __future__ import annotations

from vmemu.kernel.signal.state import (
    FPE_INTDIV,
    ILL_ILLOPN,
    SI_KERNEL,
    TRAP_TRACE,
    SigInfo,
    Signal,
)

BUS_ADRALN = 1
FPE_FLTINV = 7

_SIGNALS = {
    0: (Signal.SIGFPE, FPE_INTDIV),
    1: (Signal.SIGTRAP, TRAP_TRACE),
    3: (Signal.SIGTRAP, SI_KERNEL),
    6: (Signal.SIGILL, ILL_ILLOPN),
    12: (Signal.SIGBUS, SI_KERNEL),
    16: (Signal.SIGFPE, FPE_FLTINV),
    17: (Signal.SIGBUS, BUS_ADRALN),
    19: (Signal.SIGFPE, FPE_FLTINV),
}


def exception_signal(vector: int, eip: int) -> SigInfo:
    """Choose the signal for an exception; #GP and whatever has no own one is SIGSEGV."""
    signal, code = _SIGNALS.get(vector, (Signal.SIGSEGV, SI_KERNEL))
    address = eip if code != SI_KERNEL else 0
    return SigInfo(signal, code, address=address, trapno=vector)
