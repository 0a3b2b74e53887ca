"""Counters and clocks that are read like files: eventfd, timerfd."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.process.wait import Blocking, Wait, WaitQueue
from vmemu.vfs.file import O_NONBLOCK, O_RDWR, POLLERR, POLLIN, POLLOUT, File, FileStat

if TYPE_CHECKING:
    from vmemu.kernel.process.sched import Scheduler
    from vmemu.kernel.process.timer import Timer

__all__ = ["AnonFile", "EventFile", "TimerFile"]

_MOST = (1 << 64) - 1


class AnonFile(File):
    """A file without a name in any directory (anon_inode_getfile)."""

    pollable = True
    plain = False
    queue: WaitQueue

    def __init__(self, flags: int, name: str) -> None:
        super().__init__(O_RDWR | flags, f"anon_inode:{name}")
        self.queue = WaitQueue()

    def seek(self, offset: int, whence: int) -> int:
        """There is nowhere to go (noop_llseek)."""
        return 0

    def stat(self) -> FileStat:
        """A mode, and no type."""
        return FileStat(0o600, uid=0, gid=0)


class EventFile(AnonFile):
    """A counter of 64 bits (struct eventfd_ctx)."""

    least = 8

    def __init__(self, count: int, flags: int, *, semaphore: bool) -> None:
        super().__init__(flags, "[eventfd]")
        self.value = count
        self.semaphore = semaphore

    def read(self, count: int) -> Blocking[bytes]:
        """Wait until it is not 0; the whole of it, or 1 of a semaphore.  Errno EAGAIN."""
        while not self.value:
            if self.flags & O_NONBLOCK:
                raise Errno(errno.EAGAIN)
            yield Wait("an eventfd that is not 0", (self.queue,), lambda: bool(self.value))
        return (1 if self.semaphore else self.value).to_bytes(8, "little")

    def take(self, count: int) -> int:
        """It is gone even where it could not be stored."""
        self.value = self.value - 1 if self.semaphore else 0
        self.queue.wake_up(POLLOUT)
        return 8 if count == 8 else 0

    def write(self, data: bytes) -> Blocking[int]:
        """Wait until there is room for 8 bytes' number, and add it; Errno EAGAIN, EINVAL."""
        add = int.from_bytes(data, "little")
        if len(data) != 8 or add == _MOST:
            raise Errno(errno.EINVAL)
        while self.value + add >= _MOST:
            if self.flags & O_NONBLOCK:
                raise Errno(errno.EAGAIN)
            yield Wait("room in an eventfd", (self.queue,), lambda: self.value + add < _MOST)
        self.value += add
        self.queue.wake_up(POLLIN)
        return 8

    def poll(self) -> int:
        """POLLIN when it is not 0, POLLOUT with room for 1."""
        return (POLLIN if self.value else 0) | (
            POLLOUT if self.value < _MOST - 1 else 0
        ) | (POLLERR if self.value == _MOST else 0)  # fmt: skip


class TimerFile(AnonFile):
    """A timer that counts its expirations (struct timerfd_ctx)."""

    least = 8

    def __init__(self, sched: Scheduler, clock: int, flags: int) -> None:
        super().__init__(flags, "[timerfd]")
        self.sched, self.clock = sched, clock
        self.ticks = self.interval = 0
        self.expires = 0
        """When it expires next, in virtual nanoseconds; 0: it is not armed."""
        self._wall = False
        """It expires at a time of the clock on the wall."""
        self._cancelled = False
        """That clock has been set, which is to be told (TFD_TIMER_CANCEL_ON_SET)."""
        self._timer: Timer | None = None

    def _arm(self) -> None:
        self._timer = self.sched.timers.add(self.expires, self._expired, wall=self._wall)

    def _now(self) -> int:
        return self.sched.realtime if self._wall else self.sched.now

    def _expired(self) -> None:
        """It waits to be read before it goes on, so that nobody's timer costs nothing."""
        self._timer = None
        self.ticks += 1
        self.queue.wake_up(POLLIN)

    def _forward(self) -> None:
        """Count what has passed meanwhile, and go on (hrtimer_forward_now)."""
        if not self.expires or self._timer is not None:
            return
        if not self.interval:
            return
        now = self._now()
        if now >= self.expires:  # else the clock was set back
            passed = (now - self.expires) // self.interval
            self.ticks += passed
            self.expires += (passed + 1) * self.interval
        self._arm()

    def setting(self) -> tuple[int, int]:
        """The interval, and what is left until it expires."""
        if self.ticks:
            self._forward()
        if not self.expires or self._timer is None:
            return self.interval, 0
        return self.interval, max(self.expires - self._now(), 1)

    def set(self, expires: int, interval: int, *, wall: bool = False, cancel: bool = False) -> None:
        """Expire then, and at intervals; 0: never.

        wall: it is a time of the clock on the wall; cancel: who reads is told when that is set.
        """
        self._stop()
        if cancel:
            self.sched.clock_set.watchers[self] = self._clock_set
        self._wall, self._cancelled = wall, False
        self.ticks, self.expires, self.interval = 0, expires, interval
        if expires:
            self._arm()

    def _clock_set(self, _events: int) -> None:
        """timerfd_clock_was_set()."""
        self._cancelled = True
        self.ticks += 1
        self.queue.wake_up(POLLIN)

    def read(self, count: int) -> Blocking[bytes]:
        """Wait until it has expired; how often it has since it was read.

        Errno EAGAIN, ECANCELED when the clock has been set.
        """
        while not self.ticks:
            if self.flags & O_NONBLOCK:
                raise Errno(errno.EAGAIN)
            yield Wait("a timerfd", (self.queue,), lambda: bool(self.ticks))
        if self._cancelled:
            self._cancelled, self.ticks = False, 0
            raise Errno(errno.ECANCELED)
        self._forward()
        return self.ticks.to_bytes(8, "little")

    def take(self, count: int) -> int:
        """It counts from 0 again."""
        self.ticks = 0
        return 8 if count == 8 else 0

    def write(self, data: bytes) -> Blocking[int]:
        """Errno EINVAL."""
        raise Errno(errno.EINVAL)

    def poll(self) -> int:
        """POLLIN when it has expired."""
        return POLLIN if self.ticks else 0

    def release(self) -> None:
        """Nobody waits for it any more."""
        self._stop()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self.sched.clock_set.watchers.pop(self, None)
