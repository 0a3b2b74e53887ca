"""The timers of a process that send it signals: three of setitimer(), others of timer_create()."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from vmemu.errors import Errno
from vmemu.kernel.hold import TIMER_BYTES
from vmemu.kernel.process.itimer import IntervalTimer
from vmemu.kernel.signal.state import (
    SI_KERNEL,
    SI_TIMER,
    SigInfo,
    Signal,
    send_group_signal,
    send_signal,
)

if TYPE_CHECKING:
    from vmemu.kernel.process.group import Accounting, ThreadGroup
    from vmemu.kernel.process.task import Task

__all__ = ["ITIMER_PROF", "ITIMER_REAL", "ITIMER_VIRTUAL", "PosixTimer", "Timers", "timers_of"]

ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF = range(3)
_SIGNALS = (Signal.SIGALRM, Signal.SIGVTALRM, Signal.SIGPROF)


class PosixTimer(NamedTuple):
    """One of timer_create() (struct k_itimer)."""

    timer: IntervalTimer
    clock: int


class Timers:
    """What one process has of them."""

    def __init__(self, group: ThreadGroup) -> None:
        self._group = group
        self._kernel = group.leader.kernel
        self._interval: dict[int, IntervalTimer] = {}
        self.posix: dict[int, PosixTimer] = {}
        self._next_id = 0

    def interval(self, which: int) -> IntervalTimer:
        """The timer of setitimer(which)."""
        found = self._interval.get(which)
        if found is None:
            found = self._interval[which] = self._make_interval(which)
        return found

    def _make_interval(self, which: int) -> IntervalTimer:
        group = self._group
        used: dict[int, Callable[[], int] | None] = {
            ITIMER_REAL: None,
            ITIMER_VIRTUAL: lambda: group.used.utime,
            ITIMER_PROF: lambda: cpu_time(group.used),
        }
        number = _SIGNALS[which]

        def fire() -> bool:
            return _send(group, None, SigInfo(number, SI_KERNEL, timer=timer))

        timer = IntervalTimer(self._kernel.sched, fire, used[which])
        return timer

    def create(
        self,
        clock: int,
        used: Callable[[], int] | None,
        number: int | None,
        value: int | None,
        target: Task | None,
    ) -> int:
        """A new timer, that is not set; its id.

        number: the signal it sends, None: none; value: what comes with it, None: the id;
        target: the thread that gets it, None: any.
        Errno EAGAIN without room for another.
        """
        hold = self._kernel.hold
        if not hold.try_charge(TIMER_BYTES):
            raise Errno(errno.EAGAIN)
        identity = self._next_id
        self._next_id += 1

        told = identity if value is None else value

        def fire() -> bool:
            assert number is not None
            info = SigInfo(number, SI_TIMER, value=told, timer_id=identity, timer=timer)
            return _send(self._group, target, info)

        timer = IntervalTimer(self._kernel.sched, None if number is None else fire, used)
        self.posix[identity] = PosixTimer(timer, clock)
        return identity

    def find(self, identity: int) -> PosixTimer:
        """A timer of timer_create(); Errno EINVAL."""
        found = self.posix.get(identity)
        if found is None:
            raise Errno(errno.EINVAL)
        return found

    def delete(self, identity: int) -> None:
        """It is no longer there; a signal that it has sent is (timer_delete)."""
        self.find(identity).timer.cancel()
        del self.posix[identity]
        self._kernel.hold.uncharge(TIMER_BYTES)

    def exec(self) -> None:
        """Those of timer_create() end with the program, and so do their signals (exit_itimers)."""
        for queue in (self._group.shared, *(t.signals.pending for t in self._group.living())):
            queue[:] = [info for info in queue if info.code != SI_TIMER]
        for identity in tuple(self.posix):
            self.delete(identity)

    def exit(self) -> None:
        """All end with the process."""
        self.exec()
        for timer in self._interval.values():
            timer.cancel()


def _send(group: ThreadGroup, target: Task | None, info: SigInfo) -> bool:
    """Send a timer's signal; False if nobody will take it."""
    state = (target or group.leader).signals
    if not group.alive or (not state.is_blocked(info.signo) and state.ignores(info.signo)):
        return False
    if target is None:
        return send_group_signal(group, info)
    return target.alive and send_signal(target, info)


def cpu_time(used: Accounting) -> int:
    """Nanoseconds of CPU time."""
    return used.utime + used.stime


def timers_of(task: Task) -> Timers:
    """The timers of a task's process; it has them from now on."""
    if task.group.timers is None:
        task.group.timers = Timers(task.group)
    return task.group.timers
