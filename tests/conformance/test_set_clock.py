"""Who sets the clock on the wall moves what waits for a time of it, and nothing else.

What is expected is what clock_settime(2) and timerfd_create(2) say.  The host is not asked: its
clock is everybody's.
"""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.linked import linked
from vmemu.machine import Machine

_TOLD = [
    "set: done",
    "time 0, gettimeofday 0, mtime 0, TAI 0, monotonic 0",
    "btime + uptime - time: 0",
]
_REST = [
    "sleep until, set later: woken after 0.5 s",
    "sleep until, set back: woken after 7.0 s",
    "sleep until, since boot: woken after 2.0 s",
    "sleep for: woken after 2.0 s",
    "semaphore: ETIMEDOUT after 0.5 s",
    "condition: ETIMEDOUT after 0.5 s",
    "condition, since boot: ETIMEDOUT after 2.0 s",
    "message: ETIMEDOUT after 0.5 s",
    "timer at: fired after 0.5 s",
    "timer in: fired after 2.0 s",
    "timerfd: done after 0.5 s",
    "timerfd, cancelled: ECANCELED after 0.5 s",
    "alarm: fired after 2.0 s",
    # due at 1 s of the clock, which is at 10 s when the signal is taken
    "overruns 9",
    "odd: EINVAL",
    "before boot: EINVAL",
    "monotonic: EINVAL",
    "odd day: EINVAL",
    "far: EINVAL",
    "zone: done -60 1",
    "without capability: EPERM EPERM",
]


@pytest.mark.parametrize("bits", [32, 64])
def test_what_waits_for_a_time_of_the_clock(bits: int, tmp_path: Path) -> None:
    path = linked(Path(__file__).parent / "set_clock.c", tmp_path / "set_clock", bits)
    out = io.BytesIO()
    with Machine(bits=bits, ram="8M", uname="6.1.0-vmemu") as machine:
        machine.spawn(path, stdin=None, stdout=out)
        assert machine.run().exit_status == 0
        machine.check()
        assert not machine.kernel.sched.clock_set.watchers
    lines = out.getvalue().decode().splitlines()
    assert lines == _TOLD * (3 if bits == 64 else 2) + _REST
