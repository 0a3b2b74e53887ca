"""Locks on files: what is left when those who wait for one end."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from vmemu.kernel.hold import HostMemory
from vmemu.kernel.process.wait import Blocking
from vmemu.vfs.file import O_RDWR, File
from vmemu.vfs.lock import UNLOCK, WRITE, Lock, Locks

Change = Callable[[Locks, File, int], Blocking[None]]


def record(locks: Locks, file: File, kind: int) -> Blocking[None]:
    """As OFD locks of fcntl() have it."""
    return locks.acquire(locks.of(file), Lock(kind, 0, 9, file, -1), id(file), wait=True)


def whole(locks: Locks, file: File, kind: int) -> Blocking[None]:
    """As flock() has it."""
    return locks.flock(file, kind, wait=True)


class Crowd:
    """One who has a file locked, and two who wait for that."""

    def __init__(self, change: Change) -> None:
        self.locks, self.change = Locks(HostMemory(1 << 20)), change
        self.holder, *others = (File(O_RDWR, "file") for _ in range(3))
        self.at_once(self.holder, WRITE)
        self.others = others
        self.waiting = [change(self.locks, file, WRITE) for file in others]
        (self.queue,) = {next(each).queues[0] for each in self.waiting}
        sleeper: Any = SimpleNamespace(wait=None)
        self.queue.tasks = dict.fromkeys(range(2), sleeper)

    def at_once(self, file: File, kind: int) -> None:
        """A change that waits for nobody."""
        assert list(self.change(self.locks, file, kind)) == []

    def wake(self) -> None:
        """The holder is done, and both run again."""
        self.at_once(self.holder, UNLOCK)
        self.queue.tasks = {}


@pytest.mark.parametrize("change", [record, whole])
def test_a_file_nobody_waits_for_any_more_is_forgotten(change: Change) -> None:
    crowd = Crowd(change)
    crowd.wake()
    for each in crowd.waiting:
        each.close()
    assert crowd.locks.files == {}
    assert crowd.locks.hold.held == 0


@pytest.mark.parametrize("change", [record, whole])
def test_who_wakes_sees_what_was_locked_meanwhile(change: Change) -> None:
    """One of two ends before it runs, and somebody else comes before the other one does."""
    crowd = Crowd(change)
    crowd.wake()
    crowd.waiting[0].close()
    late = File(O_RDWR, "file")
    crowd.at_once(late, WRITE)
    next(crowd.waiting[1])
    crowd.at_once(late, UNLOCK)
    with pytest.raises(StopIteration):
        next(crowd.waiting[1])
    crowd.at_once(crowd.others[1], UNLOCK)
    assert crowd.locks.files == {}
