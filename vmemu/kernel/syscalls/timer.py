"""System calls of timers that send signals: alarm(), setitimer(), timer_create()."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.itimer import KTIME_MAX
from vmemu.kernel.process.wait import NSEC_PER_SEC
from vmemu.kernel.signal.state import NSIG, Signal
from vmemu.kernel.signal.timers import ITIMER_PROF, ITIMER_REAL, timers_of
from vmemu.kernel.syscalls.table import syscall
from vmemu.kernel.syscalls.time import (
    CLOCK_PROCESS_CPUTIME_ID,
    CLOCK_THREAD_CPUTIME_ID,
    clock_function,
    of_wall,
    read_itimerspec,
)

if TYPE_CHECKING:
    from vmemu.kernel.process.itimer import IntervalTimer
    from vmemu.kernel.process.task import Task

_USEC_PER_SEC = 1_000_000
_TIMER_ABSTIME = 1
_SIGEV_SIGNAL, _SIGEV_NONE, _SIGEV_THREAD, _, _SIGEV_THREAD_ID = range(5)
_SIGEVENT = "N3i"
_WITHOUT_TIMERS = (4, 5, 6)
"""CLOCK_MONOTONIC_RAW and the coarse clocks."""


@syscall(27, "uint", x64=37)
def sys_alarm(task: Task, seconds: int) -> int:
    """Send oneself SIGALRM after so many seconds; how many were left, at least 1 if any."""
    timer = timers_of(task).interval(ITIMER_REAL)
    left = timer.left()
    timer.set(seconds * NSEC_PER_SEC)
    # to the nearest second, as alarm_setitimer() does it
    whole, rest = divmod(left, NSEC_PER_SEC)
    return whole + 1 if rest >= NSEC_PER_SEC // 2 or (rest and not whole) else whole


def _get_interval_timer(task: Task, which: int) -> tuple[IntervalTimer, tuple[int, ...]]:
    """A timer of setitimer(), and struct itimerval; Errno EINVAL."""
    if which > ITIMER_PROF:
        raise Errno(errno.EINVAL)
    timer = timers_of(task).interval(which)
    if which != ITIMER_REAL:
        task.kernel.account()
    interval, value = (divmod(ns, NSEC_PER_SEC) for ns in (timer.interval, timer.left()))
    if not timer.expires:
        interval = (0, 0)
    return timer, (interval[0], interval[1] // 1000, value[0], value[1] // 1000)


@syscall(105, "uint", "ptr", x64=36)
def sys_getitimer(task: Task, which: int, pointer: int) -> int:
    """Tell what is left of a timer, and its interval."""
    _, fields = _get_interval_timer(task, which)
    uaccess.write_struct(task.mm, pointer, "4N", *fields)
    return 0


@syscall(104, "uint", "ptr", "ptr", x64=38)
def sys_setitimer(task: Task, which: int, new: int, old: int) -> int:
    """Send oneself signals in real time, the program's own time, or CPU time."""
    values = (0, 0, 0, 0) if not new else uaccess.read_struct(task.mm, new, "4n")
    for seconds, micros in (values[:2], values[2:]):
        if seconds < 0 or not 0 <= micros < _USEC_PER_SEC:
            raise Errno(errno.EINVAL)
    timer, fields = _get_interval_timer(task, which)
    interval, value = (
        min(seconds * NSEC_PER_SEC + micros * 1000, KTIME_MAX)
        for seconds, micros in (values[:2], values[2:])
    )
    timer.set(value, interval)
    if old:
        uaccess.write_struct(task.mm, old, "4N", *fields)
    return 0


def _event(
    task: Task, fields: tuple[int, ...] | None
) -> tuple[int | None, int | None, Task | None]:
    """struct sigevent: the signal or None, its value or None, and which thread gets it.

    Errno EINVAL.
    """
    if fields is None:
        return Signal.SIGALRM, None, None
    value, number, notify, tid = fields
    target: Task | None = None
    if notify == _SIGEV_NONE:
        return None, value, None
    if notify == _SIGEV_THREAD_ID:
        target = task.group.threads.get(tid)
        if target is None:
            raise Errno(errno.EINVAL)
    elif notify not in (_SIGEV_SIGNAL, _SIGEV_THREAD):
        raise Errno(errno.EINVAL)
    if not 1 <= number <= NSIG:
        raise Errno(errno.EINVAL)
    return number, value, target


@syscall(259, "clock", "ptr", "ptr", x64=222)
def sys_timer_create(task: Task, clock: int, event: int, identity: int) -> int:
    """Make a timer."""
    fields = uaccess.read_struct(task.mm, event, _SIGEVENT) if event else None
    read = clock_function(task, clock)
    if clock in _WITHOUT_TIMERS:
        raise Errno(errno.EOPNOTSUPP)
    number, value, target = _event(task, fields)
    of_cpu = clock in (CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID) or clock >> 31
    timers = timers_of(task)
    made = timers.create(clock, read if of_cpu else None, number, value, target)
    try:
        uaccess.write_struct(task.mm, identity, "i", made)
    except Errno:
        timers.delete(made)
        raise
    return 0


def _now(task: Task, clock: int) -> int:
    task.kernel.account()
    return clock_function(task, clock)()


def _timer_values(task: Task, identity: int) -> tuple[int, ...]:
    """struct itimerspec of a timer; Errno EINVAL."""
    timer, _ = timers_of(task).find(identity)
    task.kernel.account()
    return (*divmod(timer.interval, NSEC_PER_SEC), *divmod(timer.left(), NSEC_PER_SEC))


def _timer_set(task: Task, identity: int, flags: int, new: int, old: int, wide: bool) -> int:
    if not new:
        raise Errno(errno.EINVAL)
    fields = read_itimerspec(task, new, wide)
    timer, clock = timers_of(task).find(identity)
    was = _timer_values(task, identity)
    interval, value = (min(field, KTIME_MAX) for field in fields)
    if value and flags & _TIMER_ABSTIME and of_wall(clock):
        timer.set_at(value, interval, wall=True)
    elif value and flags & _TIMER_ABSTIME:
        # on the clock that the timer runs by; one that is over fires at once
        value = max(timer.now() + value - _now(task, clock), 1)
        timer.set_at(value, interval)
    else:
        timer.set(value, interval)
    if old:
        uaccess.write_struct(task.mm, old, "4Q" if wide else "4N", *was)
    return 0


@syscall(260, "int", "int", "ptr", "ptr", x64=223)
def sys_timer_settime(task: Task, identity: int, flags: int, new: int, old: int) -> int:
    """Set a timer, or stop it."""
    return _timer_set(task, identity, flags, new, old, wide=False)


@syscall(409, "int", "int", "ptr", "ptr")
def sys_timer_settime64(task: Task, identity: int, flags: int, new: int, old: int) -> int:
    """The same, seconds in 64 bits."""
    return _timer_set(task, identity, flags, new, old, wide=True)


@syscall(261, "int", "ptr", x64=224)
def sys_timer_gettime(task: Task, identity: int, pointer: int) -> int:
    """Tell what is left of a timer, and its interval."""
    uaccess.write_struct(task.mm, pointer, "4N", *_timer_values(task, identity))
    return 0


@syscall(408, "int", "ptr")
def sys_timer_gettime64(task: Task, identity: int, pointer: int) -> int:
    """The same, seconds in 64 bits."""
    uaccess.write_struct(task.mm, pointer, "4Q", *_timer_values(task, identity))
    return 0


@syscall(262, "int", x64=225)
def sys_timer_getoverrun(task: Task, identity: int) -> int:
    """How often a timer would have fired beside, when its last signal was delivered."""
    return timers_of(task).find(identity).timer.overrun


@syscall(263, "int", x64=226)
def sys_timer_delete(task: Task, identity: int) -> int:
    """Remove a timer."""
    timers_of(task).delete(identity)
    return 0
