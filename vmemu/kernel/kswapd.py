"""When kswapd runs: between two steps of a task, if the core asked for it and it helps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmemu.core import lib

if TYPE_CHECKING:
    from vmemu.kernel.kernel import Kernel

__all__ = ["CONGESTION_WAIT_NS", "Kswapd"]

CONGESTION_WAIT_NS = 100_000_000
"""How long it waits after it could not help: blk_congestion_wait(WRITE, HZ/10)."""


class Kswapd:
    """The thread of 2.6 that frees pages in the background, without a task of its own."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._waits = 0
        self._ran_at: tuple[object, bytes, int] | None = None

    def wanted(self) -> None:
        """Let it run, unless its last run did not help.

        Then it would only take away what the tasks have just faulted in, again and again: it
        waits, and allocations reclaim for themselves.  Nor does it run twice before the same
        instruction, whose pages it might take each time.
        """
        kernel, core = self._kernel, self._kernel.core
        m = core.m
        if kernel.sched.now < self._waits:
            m.pages.want_kswapd = 0
            return
        registers = bytes(core.ffi.buffer(core.ffi.addressof(m, "regs")))
        at = (kernel.current, registers, int(m.counter[lib.CNT_syscalls]))
        if at == self._ran_at:
            m.pages.want_kswapd = 0
            return
        self._ran_at = at
        kernel.account()
        kernel.vm.kswapd_if_wanted()
        kernel.time_is_nobodys()  # in 2.6 kswapd is a task of its own
        zone = m.k.zone
        if zone.free_pages <= zone.pages_high:
            self._waits = kernel.sched.now + CONGESTION_WAIT_NS
