"""System calls of time, all virtual.

The machine boots at 00:00 UTC on the day Linux 2.6.7 was released.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.wait import (
    ERESTART_RESTARTBLOCK,
    ERESTARTNOHAND,
    NSEC_PER_SEC,
    Blocking,
    Interrupted,
    Wait,
    clock_t,
)
from vmemu.kernel.signal.state import SI_KERNEL, SigInfo, Signal, send_group_signal
from vmemu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_CLOCK_RESOLUTION = 1
_TIMER_ABSTIME = 1
_ITIMER_REAL = 0


def clock_now(task: Task, clock: int) -> int:
    """Read a clock in nanoseconds; Errno EINVAL for an unknown one."""
    now = task.kernel.sched.now
    if clock in (0, 5):  # REALTIME, REALTIME_COARSE
        return task.kernel.sched.realtime
    if clock in (1, 4, 6, 7):  # MONOTONIC, _RAW, _COARSE, BOOTTIME
        return now
    if clock in (2, 3):  # PROCESS_CPUTIME_ID, THREAD_CPUTIME_ID
        task.kernel.account()
        used = task.group.used if clock == 2 else task.used
        return used.utime + used.stime
    raise Errno(errno.EINVAL)


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
        uaccess.write_struct(task.mm, tz, "2I", 0, 0)
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


@syscall(266, "clock", "ptr", x64=229)
def sys_clock_getres(task: Task, clock: int, pointer: int) -> int:
    """Every clock counts nanoseconds."""
    clock_now(task, clock)
    if pointer:
        uaccess.write_struct(task.mm, pointer, "2N", 0, _CLOCK_RESOLUTION)
    return 0


@syscall(406, "clock", "ptr", name="clock_getres_time64")
def sys_clock_getres_time64(task: Task, clock: int, pointer: int) -> int:
    """Every clock counts nanoseconds."""
    clock_now(task, clock)
    if pointer:
        uaccess.write_struct(task.mm, pointer, "2Q", 0, _CLOCK_RESOLUTION)
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
    """Read struct timespec in nanoseconds; of longs, or 64-bit words if wide.  Errno EINVAL."""
    seconds, nanoseconds = uaccess.read_struct(task.mm, pointer, "2q" if wide else "2n")
    if seconds < 0 or not 0 <= nanoseconds < NSEC_PER_SEC:
        raise Errno(errno.EINVAL)
    return seconds * NSEC_PER_SEC + nanoseconds


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
    now = clock_now(task, clock)
    if clock not in (0, 1, 7):
        raise Errno(errno.EOPNOTSUPP)
    length = read_timespec(task, request, wide)
    if flags & _TIMER_ABSTIME:
        deadline = task.kernel.sched.deadline(length - now)
        try:
            return (yield from _sleep(task, deadline, 0, wide))
        except Interrupted:
            raise Interrupted(ERESTARTNOHAND) from None
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


def _set_alarm(task: Task, nanoseconds: int) -> int:
    """Arrange for SIGALRM; 0 = none.  Returns what was left of the old one."""
    sched, group = task.kernel.sched, task.group
    old = group.alarm
    left = max(old.deadline - sched.now, 1) if old is not None and old.action else 0
    if old is not None:
        old.cancel()
    group.alarm = None
    if nanoseconds:

        def fire() -> None:
            group.alarm = None
            send_group_signal(group, SigInfo(Signal.SIGALRM, SI_KERNEL))

        group.alarm = sched.timers.add(sched.deadline(nanoseconds), fire)
    return left


@syscall(27, "uint", x64=37)
def sys_alarm(task: Task, seconds: int) -> int:
    """Send oneself SIGALRM after so many seconds."""
    left = _set_alarm(task, seconds * NSEC_PER_SEC)
    return -(-left // NSEC_PER_SEC)


@syscall(104, "uint", "ptr", "ptr", x64=38)
def sys_setitimer(task: Task, which: int, new: int, old: int) -> int:
    """ITIMER_REAL without an interval only; EINVAL for the rest."""
    values = (0, 0, 0, 0) if not new else uaccess.read_struct(task.mm, new, "4n")
    if which != _ITIMER_REAL or values[0] or values[1]:
        raise Errno(errno.EINVAL)
    if values[2] < 0 or not 0 <= values[3] < 1_000_000:
        raise Errno(errno.EINVAL)
    left = _set_alarm(task, values[2] * NSEC_PER_SEC + values[3] * 1000)
    if old:
        seconds, rest = divmod(left, NSEC_PER_SEC)
        uaccess.write_struct(task.mm, old, "4N", 0, 0, seconds, rest // 1000)
    return 0
