"""Timers in virtual time."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Timer:
    """One deadline and what happens then; equal deadlines fire in order of creation."""

    __slots__ = ("action", "deadline", "queue", "sequence")

    def __init__(
        self, deadline: int, sequence: int, action: Callable[[], None], queue: TimerQueue
    ) -> None:
        self.deadline = deadline
        """Virtual nanoseconds since boot, or since 1970 on the wall."""
        self.sequence = sequence
        self.action: Callable[[], None] | None = action
        self.queue = queue

    def __lt__(self, other: Timer) -> bool:
        return (self.deadline, self.sequence) < (other.deadline, other.sequence)

    def cancel(self) -> None:
        """Never fire (del_timer)."""
        if self.action is not None:
            self.action = None
            self.queue.cancelled()


class TimerQueue:
    """The pending timers, earliest first; ``added`` is called when there is one more.

    Those of the clock on the wall are apart, as in Linux (``struct hrtimer_clock_base``): when
    somebody sets that clock, nothing has to be done to them.
    """

    def __init__(self, added: Callable[[], None] | None = None, boot_time: int = 0) -> None:
        self._added = added
        self.boot_time = boot_time
        """What the clock on the wall said at boot, in nanoseconds; changes when it is set."""
        self._heap: list[Timer] = []
        self._wall: list[Timer] = []
        self._sequence = 0
        self._cancelled = 0  # of those in the heaps, about: what has fired may be cancelled, too

    @property
    def pending(self) -> bool:
        """False when certainly nothing is pending."""
        return bool(self._heap) or bool(self._wall)

    def add(self, deadline: int, action: Callable[[], None], *, wall: bool = False) -> Timer:
        """Arrange for action() at a virtual time in nanoseconds (add_timer)."""
        self._sequence += 1
        timer = Timer(deadline, self._sequence, action, self)
        heapq.heappush(self._wall if wall else self._heap, timer)
        if self._added is not None:
            self._added()
        return timer

    def cancelled(self) -> None:
        """One will not fire; they leave the heap when they are most of it."""
        self._cancelled += 1
        if self._cancelled > (len(self._heap) + len(self._wall)) // 2 + 64:
            for heap in (self._heap, self._wall):
                heap[:] = [timer for timer in heap if timer.action is not None]
                heapq.heapify(heap)
            self._cancelled = 0

    def next_deadline(self) -> int | None:
        """When the earliest live timer fires, in nanoseconds since boot, or None."""
        first = _first(self._heap)
        if self._wall:
            of_wall = _first(self._wall)
            if of_wall is not None:
                of_wall = max(of_wall - self.boot_time, 0)
                first = of_wall if first is None else min(first, of_wall)
        return first

    def run(self, now: int) -> None:
        """Fire everything due (run_timer_softirq)."""
        _fire(self._heap, now)
        if self._wall:
            _fire(self._wall, now + self.boot_time)


def _first(heap: list[Timer]) -> int | None:
    while heap and heap[0].action is None:
        heapq.heappop(heap)
    return heap[0].deadline if heap else None


def _fire(heap: list[Timer], now: int) -> None:
    while heap and heap[0].deadline <= now:
        action = heapq.heappop(heap).action
        if action is not None:
            action()
