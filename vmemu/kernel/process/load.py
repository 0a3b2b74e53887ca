"""How many tasks could run, on average over 1, 5 and 15 minutes (calc_load)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmemu.kernel.process.sched import Scheduler

__all__ = ["LoadAverage"]

_INTERVAL = 5_000_000_000
"""Virtual nanoseconds from one look at the tasks to the next."""
_DECAYS = (0.9200444146293232, 0.9834714538216174, 0.9944598480048967)
"""What an interval leaves of an average: exp(-5 s / 1, 5, 15 minutes)."""
_ENOUGH = 10_000
"""Intervals after which nothing is left of an average."""


class LoadAverage:
    """The averages, brought up to date when time jumps and when somebody reads.

    Whoever can run then is taken to have run since the last look.
    """

    def __init__(self) -> None:
        self._averages = [0.0, 0.0, 0.0]
        self._seen = 0

    def pass_time(self, now: int, running: int) -> None:
        """So many tasks could run in every interval that has ended by now."""
        intervals = now // _INTERVAL - self._seen
        if intervals <= 0:
            return
        self._seen += intervals
        for i, decay in enumerate(_DECAYS):
            left = decay ** min(intervals, _ENOUGH)
            self._averages[i] = self._averages[i] * left + running * (1 - left)

    def read(self, sched: Scheduler) -> list[float]:
        """The three averages now."""
        self.pass_time(sched.now, len(sched.queue))
        return list(self._averages)
