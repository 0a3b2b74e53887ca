"""System calls of time, all virtual.

The machine boots at 00:00 UTC on the day Linux 2.6.7 was released, until somebody sets the clock.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.cred import Cap
from vmemu.kernel.process.itimer import KTIME_MAX
from vmemu.kernel.process.wait import (
    ERESTART_RESTARTBLOCK,
    ERESTARTNOHAND,
    NSEC_PER_SEC,
    Blocking,
    Deadline,
    Interrupted,
    Wait,
    clock_t,
    wait_until,
)
from vmemu.kernel.signal.timers import cpu_time
from vmemu.kernel.syscalls.table import s32, syscall

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmemu.kernel.process.task import Task

_REALTIME = (0, 5, 8, 11)
"""CLOCK_REALTIME, _COARSE, _ALARM, CLOCK_TAI."""
_MONOTONIC = (1, 4, 6, 7, 9)
"""CLOCK_MONOTONIC, _RAW, _COARSE, CLOCK_BOOTTIME, _ALARM."""
CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID = 2, 3
_COARSE = (5, 6)
"""CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE: what their fine ones said at the last tick."""
TICK_NSEC = 999_848
"""A tick at HZ = 1000, which the timer's 1193182 Hz divide into whole steps."""
_CLOCK_RESOLUTION = 1
_TIMER_ABSTIME = 1
_LAST_TIME = KTIME_MAX - 30 * 365 * 86400 * NSEC_PER_SEC
"""What a clock can be set to: a machine may go on for 30 years (TIME_SETTOD_SEC_MAX)."""
_MOST_WEST = 15 * 60
"""Minutes a time zone may be off."""


def _cpu_time(task: Task, clock: int) -> Callable[[], int] | None:
    """What reads a clock of CPU time; None: it is no such clock.  Errno EINVAL.

    A negative number names a process or thread: its complement in the upper bits
    (clock_getcpuclockid, pthread_getcpuclockid).
    """
    target: Task | None = task
    thread = clock == CLOCK_THREAD_CPUTIME_ID
    if s32(clock) < 0:
        pid = ~(s32(clock) >> 3)
        target = task.kernel.tasks.get(pid) if pid else task
        thread = bool(clock & 4)
    elif clock not in (CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID):
        return None
    if target is None or (s32(clock) < 0 and clock & 3 == 3):
        raise Errno(errno.EINVAL)
    if thread:
        if target.group is not task.group:
            raise Errno(errno.EINVAL)
        used = target.used
        return lambda: cpu_time(used)
    group = target.group
    return lambda: cpu_time(group.used)


def clock_function(task: Task, clock: int) -> Callable[[], int]:
    """What reads a clock, in nanoseconds; Errno EINVAL for an unknown one."""
    sched = task.kernel.sched
    if clock in _REALTIME:
        return lambda: sched.realtime
    if clock in _MONOTONIC:
        return lambda: sched.now
    used = _cpu_time(task, clock)
    if used is None:
        raise Errno(errno.EINVAL)
    return used


def clock_now(task: Task, clock: int) -> int:
    """Read a clock in nanoseconds; Errno EINVAL for an unknown one."""
    read = clock_function(task, clock)
    if clock not in _REALTIME and clock not in _MONOTONIC:
        task.kernel.account()
    return read() - (task.kernel.sched.now % TICK_NSEC if clock in _COARSE else 0)


@syscall(13, "ptr", x64=201)
def sys_time(task: Task, pointer: int) -> int:
    """Seconds since the epoch."""
    seconds = clock_now(task, 0) // NSEC_PER_SEC
    if pointer:
        uaccess.write_struct(task.mm, pointer, "N", seconds)
    return seconds


@syscall(78, "ptr", "ptr", x64=96)
def sys_gettimeofday(task: Task, tv: int, tz: int) -> int:
    """Seconds and microseconds since the epoch."""
    seconds, rest = divmod(clock_now(task, 0), NSEC_PER_SEC)
    if tv:
        uaccess.write_struct(task.mm, tv, "2N", seconds, rest // 1000)
    if tz:
        uaccess.write_struct(task.mm, tz, "2i", *task.kernel.sched.time_zone)
    return 0


@syscall(265, "clock", "ptr", x64=228)
def sys_clock_gettime(task: Task, clock: int, pointer: int) -> int:
    """Read a clock, seconds in a long."""
    uaccess.write_struct(task.mm, pointer, "2N", *divmod(clock_now(task, clock), NSEC_PER_SEC))
    return 0


@syscall(403, "clock", "ptr")
def sys_clock_gettime64(task: Task, clock: int, pointer: int) -> int:
    """Read a clock, seconds in 64 bits."""
    uaccess.write_struct(task.mm, pointer, "2Q", *divmod(clock_now(task, clock), NSEC_PER_SEC))
    return 0


def _resolution(clock: int) -> int:
    return TICK_NSEC if clock in _COARSE else _CLOCK_RESOLUTION


@syscall(266, "clock", "ptr", x64=229)
def sys_clock_getres(task: Task, clock: int, pointer: int) -> int:
    """Every clock counts nanoseconds, but for the coarse ones."""
    clock_now(task, clock)
    if pointer:
        uaccess.write_struct(task.mm, pointer, "2N", 0, _resolution(clock))
    return 0


@syscall(406, "clock", "ptr", name="clock_getres_time64")
def sys_clock_getres_time64(task: Task, clock: int, pointer: int) -> int:
    """Every clock counts nanoseconds, but for the coarse ones."""
    clock_now(task, clock)
    if pointer:
        uaccess.write_struct(task.mm, pointer, "2Q", 0, _resolution(clock))
    return 0


@syscall(43, "ptr", x64=100)
def sys_times(task: Task, pointer: int) -> int:
    """CPU times of oneself and reaped children in hundredths of a second."""
    task.kernel.account()
    used, waited = task.group.used, task.group.children_used
    if pointer:
        fields = (used.utime, used.stime, waited.utime, waited.stime)
        uaccess.write_struct(task.mm, pointer, "4N", *map(clock_t, fields))
    return clock_t(task.kernel.sched.now)


def read_timespec(task: Task, pointer: int, wide: bool) -> int:
    """Read struct timespec in nanoseconds; of longs, or 64-bit words if wide.  Errno EINVAL.

    A program of 32 bits may have anything in the upper half of the nanoseconds.
    """
    layout = ("qi4x" if task.kernel.abi.bits == 32 else "2q") if wide else "2n"
    seconds, nanoseconds = uaccess.read_struct(task.mm, pointer, layout)
    if seconds < 0 or not 0 <= nanoseconds < NSEC_PER_SEC:
        raise Errno(errno.EINVAL)
    return seconds * NSEC_PER_SEC + nanoseconds


def read_itimerspec(task: Task, pointer: int, wide: bool) -> tuple[int, int]:
    """Read struct itimerspec, interval and value in nanoseconds, as read_timespec() does."""
    size = 16 if wide else 2 * task.kernel.core.word
    interval, value = (read_timespec(task, pointer + at, wide) for at in (0, size))
    return interval, value


def of_wall(clock: int) -> bool:
    """Whether somebody may set that clock."""
    return clock in _REALTIME


def time_of(task: Task, clock: int, time: int) -> Deadline:
    """When a clock says so, in nanoseconds; Errno EINVAL for an unknown one."""
    if of_wall(clock):
        return Deadline(min(time, KTIME_MAX), wall=True)
    return Deadline(task.kernel.sched.deadline(time - clock_now(task, clock)))


def _sleep_until(task: Task, deadline: Deadline) -> Blocking[int]:
    try:
        while not Deadline.passed(deadline, task.kernel.sched):
            yield wait_until(deadline, f"time {deadline.time}")
    except Interrupted:
        raise Interrupted(ERESTARTNOHAND) from None
    return 0


def _sleep(task: Task, deadline: int, remaining: int, wide: bool) -> Blocking[int]:
    """Sleep until a deadline; the rest goes to the pointer if a signal ends it."""
    sched = task.kernel.sched
    while sched.now < deadline:
        try:
            yield Wait(f"time {deadline}", deadline=deadline)
        except Interrupted:
            left = max(deadline - sched.now, 0)
            if remaining:
                layout = "2Q" if wide else "2N"
                uaccess.write_struct(task.mm, remaining, layout, *divmod(left, NSEC_PER_SEC))
            task.restart_block = lambda: _sleep(task, deadline, remaining, wide)
            raise Interrupted(ERESTART_RESTARTBLOCK) from None
    return 0


@syscall(162, "timespec", "ptr", x64=35)
def sys_nanosleep(task: Task, request: int, remaining: int) -> Blocking[int]:
    """Sleep in virtual time."""
    length = read_timespec(task, request, wide=False)
    return (yield from _sleep(task, task.kernel.sched.deadline(length), remaining, False))


def _clock_nanosleep(
    task: Task, clock: int, flags: int, request: int, remaining: int, wide: bool
) -> Blocking[int]:
    clock_now(task, clock)
    if clock == CLOCK_THREAD_CPUTIME_ID:
        raise Errno(errno.EINVAL)
    if clock not in (0, 1, 7, 8, 9, 11):
        raise Errno(errno.EOPNOTSUPP)
    length = read_timespec(task, request, wide)
    if flags & _TIMER_ABSTIME:
        return (yield from _sleep_until(task, time_of(task, clock, length)))
    return (yield from _sleep(task, task.kernel.sched.deadline(length), remaining, wide))


@syscall(267, "clock", "int", "timespec", "ptr", x64=230)
def sys_clock_nanosleep(
    task: Task, clock: int, flags: int, request: int, remaining: int
) -> Blocking[int]:
    """Sleep for or until a time of a clock."""
    return (yield from _clock_nanosleep(task, clock, flags, request, remaining, False))


@syscall(407, "clock", "int", "ptr", "ptr")
def sys_clock_nanosleep_time64(
    task: Task, clock: int, flags: int, request: int, remaining: int
) -> Blocking[int]:
    """Sleep for or until a time of a clock, seconds in 64 bits."""
    return (yield from _clock_nanosleep(task, clock, flags, request, remaining, True))


@syscall(0, x64=219)
def sys_restart_syscall(task: Task) -> int | Blocking[int]:
    """Go on with a sleep that a signal without a handler interrupted."""
    block, task.restart_block = task.restart_block, None
    if block is None:
        raise Errno(errno.EINTR)
    return block()


def _set_realtime(task: Task, nanoseconds: int) -> int:
    """Set the clock on the wall (do_settimeofday64); Errno EINVAL, EPERM."""
    if not task.cred.capable(Cap.SYS_TIME):
        raise Errno(errno.EPERM)
    sched = task.kernel.sched
    if not sched.now <= nanoseconds <= _LAST_TIME:
        raise Errno(errno.EINVAL)
    sched.realtime = nanoseconds
    return 0


def _set_clock(task: Task, clock: int, pointer: int, wide: bool) -> int:
    clock_function(task, clock)
    if clock in (*_REALTIME[1:], *_MONOTONIC):
        raise Errno(errno.EINVAL)
    return _set_realtime(task, read_timespec(task, pointer, wide))


@syscall(264, "clock", "timespec", x64=227)
def sys_clock_settime(task: Task, clock: int, pointer: int) -> int:
    """Set CLOCK_REALTIME, with CAP_SYS_TIME; EINVAL for one that cannot be set at all."""
    return _set_clock(task, clock, pointer, wide=False)


@syscall(404, "clock", "ptr")
def sys_clock_settime64(task: Task, clock: int, pointer: int) -> int:
    """The same, seconds in 64 bits."""
    return _set_clock(task, clock, pointer, wide=True)


@syscall(79, "ptr", "ptr", x64=164)
def sys_settimeofday(task: Task, tv: int, tz: int) -> int:
    """Set the clock in microseconds, and what gettimeofday() tells of the time zone."""
    seconds, part = uaccess.read_struct(task.mm, tv, "2n") if tv else (0, 0)
    zone = uaccess.read_struct(task.mm, tz, "2i") if tz else (0, 0)
    if tv and not (seconds >= 0 and 0 <= part < 1_000_000):
        raise Errno(errno.EINVAL)
    if not task.cred.capable(Cap.SYS_TIME):
        raise Errno(errno.EPERM)
    if abs(zone[0]) > _MOST_WEST:
        raise Errno(errno.EINVAL)
    if tz:
        task.kernel.sched.time_zone = zone
    return _set_realtime(task, seconds * NSEC_PER_SEC + part * 1000) if tv else 0


@syscall(25, "ptr")
def sys_stime(task: Task, pointer: int) -> int:
    """Set the clock in seconds."""
    return _set_realtime(task, uaccess.read_struct(task.mm, pointer, "n")[0] * NSEC_PER_SEC)
