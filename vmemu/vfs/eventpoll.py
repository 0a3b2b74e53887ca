"""epoll: a file that watches others (struct eventpoll, struct epitem)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.hold import EPITEM_BYTES, HostMemory
from vmemu.vfs.eventfd import AnonFile
from vmemu.vfs.file import POLLERR, POLLHUP, POLLIN, POLLOUT, File

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmemu.kernel.process.task import Task

__all__ = ["EventPoll", "Item"]

EPOLLEXCLUSIVE, EPOLLWAKEUP, EPOLLONESHOT, EPOLLET = 1 << 28, 1 << 29, 1 << 30, 1 << 31
_PRIVATE = EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLONESHOT | EPOLLET
_WITH_EXCLUSIVE = EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLET | POLLIN | POLLOUT | POLLERR | POLLHUP
_MAX_NESTS = 5


class Item:
    """One file that an epoll file watches, known by its descriptor and itself."""

    def __init__(self, ep: EventPoll, fd: int, file: File, task: Task) -> None:
        self.ep, self.fd, self.file, self.task = ep, fd, file, task
        self.events = self.data = 0
        self.queue = file.queue_for(task)
        if file.items is None:
            file.items = []
        file.items.append(self)
        ep.watched[fd, id(file)] = self
        if self.queue is not None:
            self.queue.watchers[self] = self.woken

    def set(self, events: int, data: int) -> None:
        """Watch for these events, and tell of those that hold already."""
        self.events, self.data = events | POLLERR | POLLHUP, data
        if self.revents():
            self._is_ready()

    def revents(self) -> int:
        """Those of its events that hold now."""
        return self.file.polled(self.task) & self.events & ~_PRIVATE

    def woken(self, events: int) -> None:
        """Something has happened to the file (ep_poll_callback)."""
        if self.events & ~_PRIVATE and (not events or events & self.events & self.file.wakes):
            self._is_ready()

    def _is_ready(self) -> None:
        self.ep.ready.setdefault(self)
        self.ep.queue.wake_up(POLLIN)

    def told(self) -> bool:
        """Its events have been told; whether it is to be looked at again."""
        if self.events & EPOLLONESHOT:
            self.events &= _PRIVATE
            return False
        return not self.events & EPOLLET

    def remove(self) -> None:
        """Watch it no longer (ep_remove)."""
        if self.queue is not None:
            self.queue.watchers.pop(self, None)
        assert self.file.items is not None
        self.file.items.remove(self)
        ep = self.ep
        del ep.watched[self.fd, id(self.file)]
        ep.ready.pop(self, None)
        ep.host_bytes -= EPITEM_BYTES
        ep.hold.uncharge(EPITEM_BYTES)


class EventPoll(AnonFile):
    """What epoll_create() makes."""

    plain = True
    least = 1

    def __init__(self, hold: HostMemory) -> None:
        super().__init__(0, "[eventpoll]")
        self.hold = hold
        self.watched: dict[tuple[int, int], Item] = {}
        self.ready: dict[Item, None] = {}
        """Those that may have something to tell, in the order in which it happened."""

    def add(self, fd: int, file: File, events: int, data: int, task: Task) -> None:
        """Watch a file; Errno EEXIST, ELOOP, EINVAL, ENOSPC."""
        if events & EPOLLEXCLUSIVE and (events & ~_WITH_EXCLUSIVE or isinstance(file, EventPoll)):
            raise Errno(errno.EINVAL)
        if isinstance(file, EventPoll):
            self._check_nests(file)
        if (fd, id(file)) in self.watched:
            raise Errno(errno.EEXIST)
        if not self.hold.try_charge(EPITEM_BYTES):
            raise Errno(errno.ENOSPC)
        self.host_bytes += EPITEM_BYTES
        Item(self, fd, file, task).set(events, data)

    def _check_nests(self, other: EventPoll) -> None:
        """Errno ELOOP if it would be below itself, or too many were above one another."""
        above, below = self._height(up=True, stop=other), other._height(up=False, stop=self)
        if above + below > _MAX_NESTS:
            raise Errno(errno.ELOOP)

    def _height(self, *, up: bool, stop: EventPoll) -> int:
        """How many epoll files are above one another from here on; Errno ELOOP when one is it."""
        if self is stop:
            raise Errno(errno.ELOOP)
        if up:
            near = [item.ep for item in self.items or ()]
        else:
            files = [item.file for item in self.watched.values()]
            near = [file for file in files if isinstance(file, EventPoll)]
        return 1 + max((ep._height(up=up, stop=stop) for ep in near), default=0)

    def _item(self, fd: int, file: File) -> Item:
        found = self.watched.get((fd, id(file)))
        if found is None:
            raise Errno(errno.ENOENT)
        return found

    def modify(self, fd: int, file: File, events: int, data: int) -> None:
        """Watch for other events; Errno ENOENT, EINVAL."""
        if events & EPOLLEXCLUSIVE:
            raise Errno(errno.EINVAL)
        item = self._item(fd, file)
        if item.events & EPOLLEXCLUSIVE:
            raise Errno(errno.EINVAL)
        item.set(events, data)

    def delete(self, fd: int, file: File) -> None:
        """Watch no longer; Errno ENOENT."""
        self._item(fd, file).remove()

    def collect(self, most: int, store: Callable[[int, int, int], None]) -> int:
        """Store (index, events, data) of what has something to tell; how many (ep_send_events).

        An Errno that store() raises comes out if nothing could be stored.
        """
        count = 0
        again: dict[Item, None] = {}
        waiting, self.ready = list(self.ready), {}
        for index, item in enumerate(waiting):
            revents = item.revents() if count < most else 0
            try:
                if revents:
                    store(count, revents, item.data)
            except Errno:
                self.ready = dict.fromkeys(waiting[index:]) | again
                if not count:
                    raise
                return count
            if count == most:
                self.ready = dict.fromkeys(waiting[index:])
                break
            if revents:
                count += 1
                if item.told():
                    again[item] = None
        self.ready |= again
        return count

    def poll(self) -> int:
        """POLLIN when a file that is watched has something to tell."""
        for item in tuple(self.ready):
            if item.revents():
                return POLLIN
            self.ready.pop(item)
        return 0

    def release(self) -> None:
        """Watch nothing any more."""
        for item in tuple(self.watched.values()):
            item.remove()
