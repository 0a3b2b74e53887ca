"""Futexes: words in user memory that threads sleep on (kernel/futex.c)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.core import PAGE_SHIFT, PAGE_SIZE, lib
from vmemu.errors import Errno
from vmemu.kernel.process.wait import WaitQueue

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task
    from vmemu.mm import Mm

__all__ = ["ANY", "Futexes", "Key", "Waiter", "futex_key"]

Key = tuple[int, int, int]
"""What a word is known by: see `futex_key`."""

ANY = 0xFFFFFFFF
"""The bit set of those who do not care (FUTEX_BITSET_MATCH_ANY)."""

_PRIVATE, _OF_MM, _OF_FILE = 0, 1, 2  # in the low bits of a key, where the word's address has none


def futex_key(mm: Mm, address: int, private: bool) -> Key:
    """What a word is known by (get_futex_key); Errno EINVAL when it is odd, EFAULT.

    A word of memory that others map too is known by its file and its place there, any other by
    the mm and its address.  Who says that it is private does not meet those who do not say so.
    """
    if address & 3:
        raise Errno(errno.EINVAL)
    if address > mm.core.task_size - 4:
        raise Errno(errno.EFAULT)
    if private:
        return mm.kaddr, address, _PRIVATE
    vma = mm.core.lib.find_vma(mm.core.m, mm.ptr, address)
    if not vma or vma.vm_start > address or not vma.vm_flags & lib.VM_READ:
        raise Errno(errno.EFAULT)
    if not vma.vm_flags & lib.VM_MAYSHARE or not vma.vm_file:
        return mm.kaddr, address, _OF_MM
    page = int(vma.vm_pgoff) + ((address - int(vma.vm_start)) >> PAGE_SHIFT)
    return int(vma.vm_file), (page << PAGE_SHIFT) + address % PAGE_SIZE, _OF_FILE


class Waiter:
    """One thread that sleeps on a word (struct futex_q)."""

    __slots__ = ("bits", "key", "queue", "task", "woken")

    def __init__(self, task: Task, key: Key, bits: int) -> None:
        self.task = task
        self.key = key
        self.bits = bits
        self.woken = False
        self.queue = WaitQueue()


class Futexes:
    """Who sleeps on which word, in the order of their coming."""

    def __init__(self) -> None:
        self._waiters: dict[Key, list[Waiter]] = {}

    def waiters(self) -> list[Waiter]:
        """All of them."""
        return [waiter for waiters in self._waiters.values() for waiter in waiters]

    def add(self, waiter: Waiter) -> None:
        """A thread is about to sleep (queue_me)."""
        self._waiters.setdefault(waiter.key, []).append(waiter)

    def remove(self, waiter: Waiter) -> None:
        """It no longer sleeps, whatever the reason (unqueue_me)."""
        waiters = self._waiters.get(waiter.key, [])
        if waiter in waiters:
            waiters.remove(waiter)
            if not waiters:
                del self._waiters[waiter.key]

    def wake(self, key: Key, count: int, bits: int = ANY) -> int:
        """Wake the first waiters, so many, that share a bit; how many (futex_wake)."""
        chosen = [w for w in self._waiters.get(key, ()) if w.bits & bits][: max(count, 1)]
        for waiter in chosen:
            self.remove(waiter)
            waiter.woken = True
            waiter.queue.wake_up()
        return len(chosen)

    def requeue(self, key: Key, wake: int, move: int, target: Key) -> int:
        """Wake some and let others wait for another word; how many in all (futex_requeue)."""
        woken = self.wake(key, wake) if wake > 0 else 0
        moved = self._waiters.get(key, [])[: max(move, 0)]
        for waiter in moved:
            self.remove(waiter)
            waiter.key = target
            self.add(waiter)
        return woken + len(moved)
