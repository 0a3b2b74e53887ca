"""What ``vmstat`` prints, in virtual time: memory, and what has happened since the last line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from vmemu.snapshot.series import Sample

if TYPE_CHECKING:
    from vmemu.machine import Machine

__all__ = ["HEAD", "Watch", "line"]

_WIDTHS = (12, 8, 8, 10, 9, 8, 7, 7, 7)


def _line(cells: tuple[str, ...]) -> str:
    return "".join(cell.rjust(width) for cell, width in zip(cells, _WIDTHS, strict=True))


HEAD = _line(("ms", *Sample._fields[1:]))
"""The headings."""


def line(reading: Sample) -> str:
    """What a watch tells, under the headings."""
    return _line((f"{reading.virtual_ns / 1e6:.3f}", *map(str, reading[1:])))


class Watch:
    """Reads a machine at each multiple of ``interval``, virtual nanoseconds, while it runs.

    ``tell`` gets each reading, in which faults, major, si and so are those since the one
    before.  What takes longer than an interval in one piece, a page read or an idle CPU, gives
    one reading for several.  A machine that is watched has a timer pending: so its programs are
    interrupted, and their computing takes virtual time.
    """

    def __init__(self, machine: Machine, interval: int, tell: Callable[[Sample], None]) -> None:
        self.machine, self.interval, self.tell = machine, interval, tell
        self._before = Sample.now(machine.core)
        self._arm()

    def _arm(self) -> None:
        sched = self.machine.kernel.sched
        sched.timers.add((sched.now // self.interval + 1) * self.interval, self._due)

    def _due(self) -> None:
        self.read()
        sched = self.machine.kernel.sched
        if sched.queue or sched.timers.next_deadline() is not None:
            self._arm()  # else all sleep for ever, which is to be found out

    def read(self) -> None:
        """Tell how it stands now, and what has happened since the last time."""
        now, before = Sample.now(self.machine.core), self._before
        self._before = now
        self.tell(
            now._replace(
                faults=now.faults - before.faults,
                major=now.major - before.major,
                si=now.si - before.si,
                so=now.so - before.so,
            )
        )
