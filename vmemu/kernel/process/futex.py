"""Futexes: words in user memory that tasks sleep on (kernel/futex.c).

All memory is private, so a word is known by its address space and its address.
"""

from __future__ import annotations

from vmemu.kernel.process.wait import WaitQueue

Key = tuple[int, int]
"""An mm's kernel address, and the word's address in it."""

ANY = 0xFFFFFFFF
"""The bit set of those who do not care (FUTEX_BITSET_MATCH_ANY)."""


class Waiter:
    """One task that sleeps on a word (struct futex_q)."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self.woken = False
        self.queue = WaitQueue()


class Futexes:
    """Who sleeps on which word, in the order of their coming."""

    def __init__(self) -> None:
        self._waiters: dict[Key, list[Waiter]] = {}

    def add(self, key: Key, waiter: Waiter) -> None:
        """A task is about to sleep (queue_me)."""
        self._waiters.setdefault(key, []).append(waiter)

    def remove(self, waiter: Waiter) -> None:
        """It no longer sleeps, whatever the reason (unqueue_me)."""
        for key, waiters in self._waiters.items():
            if waiter in waiters:
                waiters.remove(waiter)
                if not waiters:
                    del self._waiters[key]
                return

    def wake(self, key: Key, count: int, bits: int) -> int:
        """Wake the first waiters, so many, that share a bit; how many (futex_wake)."""
        chosen = [w for w in self._waiters.get(key, ()) if w.bits & bits][: max(count, 1)]
        for waiter in chosen:
            self.remove(waiter)
            waiter.woken = True
            waiter.queue.wake_up()
        return len(chosen)

    def requeue(self, key: Key, wake: int, move: int, target: Key) -> int:
        """Wake some and let others wait for another word; how many in all (futex_requeue)."""
        woken = self.wake(key, wake, ANY) if wake > 0 else 0
        moved = self._waiters.get(key, [])[: max(move, 0)]
        for waiter in moved:
            self.remove(waiter)
            self.add(target, waiter)
        return woken + len(moved)
