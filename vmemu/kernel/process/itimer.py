"""Timers that may fire again: those of setitimer() and timer_create().

Modelled on kernel/itimer.c and kernel/posix-timers.c.  A timer that repeats is set again when
its signal is taken, as since Linux 2.6.12: however short its interval, nobody is kept busy by
a signal that waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmemu.kernel.process.sched import Scheduler
    from vmemu.kernel.process.timer import Timer

__all__ = ["DELAYTIMER_MAX", "IntervalTimer"]

KTIME_MAX = (1 << 63) - 1
"""The last nanosecond anybody can wait for, 292 years after boot."""
TICK_NS = 1_000_000
"""How often at most a timer fires whose signal is ignored (HZ = 1000)."""
DELAYTIMER_MAX = 0x7FFFFFFF


class IntervalTimer:
    """A timer on virtual time, or on CPU time that a function gives."""

    __slots__ = (
        "_sched", "_timer", "_used", "_wall", "expires", "fire", "interval", "overrun", "waiting"
    )  # fmt: skip

    def __init__(
        self,
        sched: Scheduler,
        fire: Callable[[], bool] | None,
        used: Callable[[], int] | None = None,
    ) -> None:
        self._sched = sched
        self._used = used
        """Nanoseconds of CPU time; None: the clock is that of the machine."""
        self._wall = False
        """It waits for a time of the clock on the wall."""
        self._timer: Timer | None = None
        self.fire = fire
        """What happens; False when nobody will `take` it, such as a signal that is ignored.

        None: nothing, it can only be asked for (SIGEV_NONE).
        """
        self.expires = 0
        """When it fires, in nanoseconds of its clock; 0 = it is not set."""
        self.interval = 0
        """Nanoseconds after which it fires again; 0 = never."""
        self.overrun = 0
        """How often it would have fired beside, before its last signal was taken."""
        self.waiting = False
        """It has fired, and is set again when the signal is taken."""

    def now(self) -> int:
        """Nanoseconds of its clock."""
        if self._used is not None:
            return self._used()
        return self._sched.realtime if self._wall else self._sched.now

    def set(self, value: int, interval: int = 0) -> None:
        """Fire after so many nanoseconds, and then every interval; a value of 0: never."""
        self._wall = False
        self.set_at(self.now() + value if value else 0, interval)

    def set_at(self, expires: int, interval: int = 0, *, wall: bool = False) -> None:
        """Fire at a time of its clock, or of that on the wall; 0: never."""
        self.cancel()
        self._wall = wall
        self.interval = interval
        self.overrun = 0
        if expires:
            self._start(expires)

    def _start(self, expires: int) -> None:
        self.expires = expires
        if expires > KTIME_MAX or self.fire is None:
            return  # that time will not come, or nobody cares
        if self._used is None:
            self._timer = self._sched.timers.add(expires, self.expired, wall=self._wall)
        else:
            self._sched.cpu_timers[id(self)] = self
            self._sched.settled = False

    def cancel(self) -> None:
        """Do not fire."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._sched.cpu_timers.pop(id(self), None)
        self.expires, self.waiting = 0, False

    def left(self) -> int:
        """Nanoseconds until it fires, at least 1; 0 if it will not."""
        now, expires = self.now(), self.expires
        if not expires:
            return 0
        if expires <= now and self.interval:
            expires = self._later(now)
        elif expires <= now and self.fire is None:
            return 0
        return max(expires - now, 1)

    def _later(self, now: int) -> int:
        """The first time after now at which it would fire again."""
        return self.expires + ((now - self.expires) // self.interval + 1) * self.interval

    def expired(self) -> None:
        """Its time has come."""
        self._timer = None
        self._sched.cpu_timers.pop(id(self), None)
        self.waiting = bool(self.interval)
        assert self.fire is not None
        taken = self.fire()
        if not self.waiting:
            self.expires = 0
        elif not taken:
            self.waiting = False
            self._start(max(self._later(self.now()), self.now() + TICK_NS))

    def taken(self) -> None:
        """Its signal is about to be delivered: go on, and count what was missed."""
        if not self.waiting:
            return
        self.waiting = False
        now = self.now()
        if now < self.expires:  # the clock was set back
            self.overrun = 0
            self._start(self.expires)
            return
        missed = (now - self.expires) // self.interval
        self.overrun = min(missed, DELAYTIMER_MAX)
        self._start(self.expires + (missed + 1) * self.interval)
