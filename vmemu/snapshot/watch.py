"""What ``vmstat`` prints, in virtual time: memory, and what has happened since the last line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from vmemu.machine import Machine

__all__ = ["HEAD", "Reading", "Watch", "line"]


class Reading(NamedTuple):
    """One line: the time, pages as they stand, and what happened since the line before.

    ``swapped`` are pages of swap in use, ``faults`` all of them, ``major`` those that waited
    for a page, ``si`` and ``so`` pages that came in from swap and went out.
    """

    virtual_ns: int
    free: int
    active: int
    inactive: int
    swapped: int
    faults: int
    major: int
    si: int
    so: int


_WIDTHS = (12, 8, 8, 10, 9, 8, 7, 7, 7)


def _line(cells: tuple[str, ...]) -> str:
    return "".join(cell.rjust(width) for cell, width in zip(cells, _WIDTHS, strict=True))


HEAD = _line(("ms", *Reading._fields[1:]))
"""The headings."""


def line(reading: Reading) -> str:
    """A reading under the headings."""
    return _line((f"{reading.virtual_ns / 1e6:.3f}", *map(str, reading[1:])))


class Watch:
    """Reads a machine at each multiple of ``interval``, virtual nanoseconds, while it runs.

    ``tell`` gets each reading.  What takes longer than an interval in one piece, a page read or
    an idle CPU, gives one reading for several.  A machine that is watched has a timer pending:
    so its programs are interrupted, and their computing takes virtual time.
    """

    def __init__(self, machine: Machine, interval: int, tell: Callable[[Reading], None]) -> None:
        self.machine, self.interval, self.tell = machine, interval, tell
        self._before = self._counted()
        self._arm()

    def _counted(self) -> tuple[int, int, int, int]:
        counters = self.machine.core.counters()
        return (
            counters["pgfault"],
            counters["pgmajfault"],
            counters["pswpin"],
            counters["pswpout"],
        )

    def _arm(self) -> None:
        sched = self.machine.kernel.sched
        sched.timers.add((sched.now // self.interval + 1) * self.interval, self._due)

    def _due(self) -> None:
        self.read()
        sched = self.machine.kernel.sched
        if sched.queue or sched.timers.next_deadline() is not None:
            self._arm()  # else all sleep for ever, which is to be found out

    def read(self) -> None:
        """Tell how it stands now."""
        core, counted = self.machine.core, self._counted()
        zone = core.zone
        since = [now - before for now, before in zip(counted, self._before, strict=True)]
        self._before = counted
        self.tell(
            Reading(
                self.machine.kernel.sched.now,
                zone.free_pages,
                zone.nr_active,
                zone.nr_inactive,
                core.swap_used(),
                *since,
            )
        )
