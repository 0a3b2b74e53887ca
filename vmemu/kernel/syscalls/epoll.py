"""epoll."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.wait import Blocking, Interrupted, Wait
from vmemu.kernel.syscalls.poll import with_mask
from vmemu.kernel.syscalls.table import syscall
from vmemu.kernel.syscalls.time import read_timespec
from vmemu.vfs.eventpoll import EventPoll
from vmemu.vfs.file import O_CLOEXEC

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_ADD, _DEL, _MOD = 1, 2, 3
_EVENT = 12
"""Bytes of struct epoll_event, in both widths."""


def _create(task: Task, flags: int) -> int:
    fd = task.files.alloc(0, task.limits.nofile)
    return task.files.install(fd, EventPoll(task.kernel.hold), bool(flags & O_CLOEXEC))


@syscall(254, "int", x64=213)
def sys_epoll_create(task: Task, size: int) -> int:
    """Make an epoll file."""
    if size <= 0:
        raise Errno(errno.EINVAL)
    return _create(task, 0)


@syscall(329, "openfl", x64=291)
def sys_epoll_create1(task: Task, flags: int) -> int:
    """Make one with O_CLOEXEC."""
    if flags & ~O_CLOEXEC:
        raise Errno(errno.EINVAL)
    return _create(task, flags)


@syscall(255, "fd", "int", "fd", "ptr", x64=233)
def sys_epoll_ctl(task: Task, epfd: int, operation: int, fd: int, pointer: int) -> int:
    """Watch a file, otherwise, or no longer."""
    events = data = 0
    if operation != _DEL:
        events, data = uaccess.read_struct(task.mm, pointer, "IQ")
    ep, file = task.files.get(epfd), task.files.get(fd)
    if not file.pollable:
        raise Errno(errno.EPERM)
    if ep is file or not isinstance(ep, EventPoll):
        raise Errno(errno.EINVAL)
    if operation == _ADD:
        ep.add(fd, file, events, data, task)
    elif operation == _MOD:
        ep.modify(fd, file, events, data)
    elif operation == _DEL:
        ep.delete(fd, file)
    else:
        raise Errno(errno.EINVAL)
    return 0


def _wait(task: Task, epfd: int, pointer: int, most: int, deadline: int | None) -> Blocking[int]:
    if not 0 < most <= 0x7FFFFFFF // _EVENT:
        raise Errno(errno.EINVAL)
    uaccess.access_ok(task.mm, pointer, most * _EVENT)
    ep = task.files.get(epfd)
    if not isinstance(ep, EventPoll):
        raise Errno(errno.EINVAL)

    def store(index: int, events: int, data: int) -> None:
        uaccess.write_struct(task.mm, pointer + _EVENT * index, "IQ", events, data)

    sched = task.kernel.sched
    while True:
        count = ep.collect(most, store)
        if count or (deadline is not None and sched.now >= deadline):
            return count
        try:
            yield Wait("an event", (ep.queue,), lambda: bool(ep.ready), deadline)
        except Interrupted:
            raise Errno(errno.EINTR) from None


def _milliseconds(task: Task, timeout: int) -> int | None:
    return task.kernel.sched.deadline(timeout * 1_000_000) if timeout >= 0 else None


@syscall(256, "fd", "ptr", "int", "int", x64=232)
def sys_epoll_wait(task: Task, epfd: int, pointer: int, most: int, timeout: int) -> Blocking[int]:
    """Wait for events; timeout in milliseconds, negative = for ever."""
    return (yield from _wait(task, epfd, pointer, most, _milliseconds(task, timeout)))


@syscall(319, "fd", "ptr", "int", "int", "ptr", "size", x64=281)
def sys_epoll_pwait(
    task: Task, epfd: int, pointer: int, most: int, timeout: int, mask: int, size: int
) -> Blocking[int]:
    """The same under a mask of signals."""
    call = _wait(task, epfd, pointer, most, _milliseconds(task, timeout))
    return (yield from with_mask(task, mask, size, call))


@syscall(441, "fd", "ptr", "int", "ptr", "ptr", "size", x64=441)
def sys_epoll_pwait2(
    task: Task, epfd: int, pointer: int, most: int, timespec: int, mask: int, size: int
) -> Blocking[int]:
    """The same with a timeout in nanoseconds."""
    deadline = None
    if timespec:
        deadline = task.kernel.sched.deadline(read_timespec(task, timespec, wide=True))
    call = _wait(task, epfd, pointer, most, deadline)
    return (yield from with_mask(task, mask, size, call))
