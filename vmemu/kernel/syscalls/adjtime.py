"""adjtimex() and its kin: what is known of the clock's rate, which nobody can change.

The clock itself can be set: clock_settime().
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.syscalls.table import syscall
from vmemu.kernel.syscalls.time import clock_function

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_NARROW, _WIDE = "I4ii3i2ii2ii5ii44x", "I4x4qi4x3q2qq2qi4x5qi44x"
"""struct timex of 32 and of 64 bits; the latter is also struct __kernel_timex."""
_OFFSET, _READ_ONLY, _ADJTIME = 0x0001, 0x2000, 0x8000
_STA_UNSYNC = 0x40
_TIME_ERROR = 5
_MAX_ERROR_US = 16_000_000
"""As at boot, nobody having said more (NTP_PHASE_LIMIT)."""
_TOLERANCE = 500 << 16
"""MAXFREQ_SCALED, in millionths << 16."""
_CONSTANT, _PRECISION, _TICK_US = 2, 1, 10_000
_CLOCK_REALTIME = 0


def _adjust(task: Task, pointer: int, layout: str) -> int:
    """Fill it in for who changes nothing (do_adjtimex); Errno EINVAL, EPERM."""
    modes = uaccess.read_struct(task.mm, pointer, "I")[0]
    if modes & _ADJTIME and not modes & _OFFSET:
        raise Errno(errno.EINVAL)
    if modes and modes & (_ADJTIME | _READ_ONLY) != _ADJTIME | _READ_ONLY:
        raise Errno(errno.EPERM)
    now = task.kernel.sched.realtime // 1000
    error = (0, 0, _MAX_ERROR_US, _MAX_ERROR_US)
    rate = (_CONSTANT, _PRECISION, _TOLERANCE)
    found = (modes, *error, _STA_UNSYNC, *rate, *divmod(now, 1_000_000), _TICK_US, *[0] * 9)
    uaccess.write_struct(task.mm, pointer, layout, *found)
    return _TIME_ERROR


def _own(task: Task) -> str:
    return _WIDE if task.kernel.abi.bits == 64 else _NARROW


def _clock(task: Task, clock: int, pointer: int, layout: str) -> int:
    uaccess.read_struct(task.mm, pointer, layout)
    clock_function(task, clock)
    if clock != _CLOCK_REALTIME:
        raise Errno(errno.EOPNOTSUPP)
    return _adjust(task, pointer, layout)


@syscall(124, "ptr", x64=159)
def sys_adjtimex(task: Task, pointer: int) -> int:
    """Tell of the clock that nobody has set it right; Errno EPERM for who wants to."""
    uaccess.read_struct(task.mm, pointer, _own(task))
    return _adjust(task, pointer, _own(task))


@syscall(343, "clock", "ptr", x64=305)
def sys_clock_adjtime(task: Task, clock: int, pointer: int) -> int:
    """The same of CLOCK_REALTIME; Errno EOPNOTSUPP for others, EINVAL for none."""
    return _clock(task, clock, pointer, _own(task))


@syscall(405, "clock", "ptr")
def sys_clock_adjtime64(task: Task, clock: int, pointer: int) -> int:
    """The same, times in 64 bits."""
    return _clock(task, clock, pointer, _WIDE)
