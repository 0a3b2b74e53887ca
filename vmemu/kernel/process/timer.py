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
        """Virtual nanoseconds since boot."""
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
    """The pending timers, earliest first; ``added`` is called when there is one more."""

    def __init__(self, added: Callable[[], None] | None = None) -> None:
        self._added = added
        self._heap: list[Timer] = []
        self._sequence = 0
        self._cancelled = 0  # of those in the heap, about: what has fired may be cancelled, too

    @property
    def pending(self) -> bool:
        """False when certainly nothing is pending."""
        return bool(self._heap)

    def add(self, deadline: int, action: Callable[[], None]) -> Timer:
        """Arrange for action() at a virtual time in nanoseconds (add_timer)."""
        self._sequence += 1
        timer = Timer(deadline, self._sequence, action, self)
        heapq.heappush(self._heap, timer)
        if self._added is not None:
            self._added()
        return timer

    def cancelled(self) -> None:
        """One will not fire; they leave the heap when they are most of it."""
        self._cancelled += 1
        if self._cancelled > len(self._heap) // 2 + 64:
            self._heap = [timer for timer in self._heap if timer.action is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def next_deadline(self) -> int | None:
        """When the earliest live timer fires, or None."""
        while self._heap and self._heap[0].action is None:
            heapq.heappop(self._heap)
        return self._heap[0].deadline if self._heap else None

    def run(self, now: int) -> None:
        """Fire everything due (run_timer_softirq)."""
        while self._heap and self._heap[0].deadline <= now:
            action = heapq.heappop(self._heap).action
            if action is not None:
                action()
