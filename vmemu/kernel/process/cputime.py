"""The limit of CPU time (RLIMIT_CPU)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmemu.kernel.process.limits import RLIM_INFINITY, Resource
from vmemu.kernel.process.wait import NSEC_PER_SEC
from vmemu.kernel.signal.state import SigInfo, Signal, send_group_signal

if TYPE_CHECKING:
    from vmemu.kernel.process.group import ThreadGroup

__all__ = ["limit_cpu"]


def limit_cpu(group: ThreadGroup) -> None:
    """Tell a process, each second, that it has used up its time, and end it at the hard limit."""
    limits = group.limits
    soft = limits.soft.get(Resource.CPU, RLIM_INFINITY)
    if soft == RLIM_INFINITY or not group.alive:
        return
    used = group.used
    seconds = (used.utime + used.stime) // NSEC_PER_SEC
    if seconds >= limits.hard.get(Resource.CPU, RLIM_INFINITY):
        send_group_signal(group, SigInfo(Signal.SIGKILL))
    elif seconds >= max(soft, 1):
        send_group_signal(group, SigInfo(Signal.SIGXCPU))
        limits.soft[Resource.CPU] = seconds + 1
