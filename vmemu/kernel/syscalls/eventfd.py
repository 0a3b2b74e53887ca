"""eventfd(), timerfd, signalfd(), and inotify, which there is not."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.wait import NSEC_PER_SEC
from vmemu.kernel.syscalls.fd import install_new
from vmemu.kernel.syscalls.table import syscall
from vmemu.kernel.syscalls.time import clock_now, of_wall, read_itimerspec
from vmemu.vfs.eventfd import EventFile, TimerFile
from vmemu.vfs.file import O_CLOEXEC, O_NONBLOCK
from vmemu.vfs.signalfd import SignalFile

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_EFD_SEMAPHORE = 1
_TFD_ABSTIME, _TFD_CANCEL_ON_SET = 1, 2
_CLOCKS = (0, 1, 7, 8, 9)
"""REALTIME, MONOTONIC, BOOTTIME, and the two that wake a sleeping host."""
_SIGSET_SIZE = 8


def _eventfd(task: Task, count: int, flags: int) -> int:
    if flags & ~(O_CLOEXEC | O_NONBLOCK | _EFD_SEMAPHORE):
        raise Errno(errno.EINVAL)
    semaphore = bool(flags & _EFD_SEMAPHORE)
    return install_new(task, EventFile(count, flags & O_NONBLOCK, semaphore=semaphore), flags)


@syscall(323, "uint", x64=284)
def sys_eventfd(task: Task, count: int) -> int:
    """Make a counter."""
    return _eventfd(task, count, 0)


@syscall(328, "uint", "openfl", x64=290)
def sys_eventfd2(task: Task, count: int, flags: int) -> int:
    """Make a counter, or a semaphore."""
    return _eventfd(task, count, flags)


@syscall(322, "clock", "openfl", x64=283)
def sys_timerfd_create(task: Task, clock: int, flags: int) -> int:
    """Make a timer."""
    if flags & ~(O_CLOEXEC | O_NONBLOCK) or clock not in _CLOCKS:
        raise Errno(errno.EINVAL)
    return install_new(task, TimerFile(task.kernel.sched, clock, flags & O_NONBLOCK), flags)


def _timer(task: Task, fd: int) -> TimerFile:
    file = task.files.get(fd)
    if not isinstance(file, TimerFile):
        raise Errno(errno.EINVAL)
    return file


def _tell(task: Task, pointer: int, setting: tuple[int, int], *, wide: bool) -> None:
    words = (part for value in setting for part in divmod(value, NSEC_PER_SEC))
    uaccess.write_struct(task.mm, pointer, "4Q" if wide else "4N", *words)


def _settime(task: Task, fd: int, flags: int, new: int, old: int, *, wide: bool) -> int:
    interval, value = read_itimerspec(task, new, wide)
    if flags & ~(_TFD_ABSTIME | _TFD_CANCEL_ON_SET):
        raise Errno(errno.EINVAL)
    timer, sched = _timer(task, fd), task.kernel.sched
    setting = timer.setting()
    absolute = flags & _TFD_ABSTIME
    if absolute and of_wall(timer.clock):
        timer.set(value, interval, wall=True, cancel=bool(flags & _TFD_CANCEL_ON_SET))
    elif value and absolute:
        timer.set(max(sched.deadline(value - clock_now(task, timer.clock)), 1), interval)
    else:
        timer.set(sched.deadline(value) if value else 0, interval)
    if old:
        _tell(task, old, setting, wide=wide)
    return 0


@syscall(325, "fd", "int", "ptr", "ptr", x64=286)
def sys_timerfd_settime(task: Task, fd: int, flags: int, new: int, old: int) -> int:
    """Let a timer expire, once or at intervals."""
    return _settime(task, fd, flags, new, old, wide=False)


@syscall(411, "fd", "int", "ptr", "ptr")
def sys_timerfd_settime64(task: Task, fd: int, flags: int, new: int, old: int) -> int:
    """The same with seconds of 64 bits."""
    return _settime(task, fd, flags, new, old, wide=True)


@syscall(326, "fd", "ptr", x64=287)
def sys_timerfd_gettime(task: Task, fd: int, pointer: int) -> int:
    """The interval, and what is left."""
    _tell(task, pointer, _timer(task, fd).setting(), wide=False)
    return 0


@syscall(410, "fd", "ptr")
def sys_timerfd_gettime64(task: Task, fd: int, pointer: int) -> int:
    """The same with seconds of 64 bits."""
    _tell(task, pointer, _timer(task, fd).setting(), wide=True)
    return 0


def _signalfd(task: Task, fd: int, pointer: int, size: int, flags: int) -> int:
    if size != _SIGSET_SIZE:
        raise Errno(errno.EINVAL)
    mask = uaccess.read_struct(task.mm, pointer, "Q")[0]
    if flags & ~(O_CLOEXEC | O_NONBLOCK):
        raise Errno(errno.EINVAL)
    if fd == -1:
        return install_new(task, SignalFile(task.kernel, mask, flags & O_NONBLOCK), flags)
    file = task.files.get(fd)
    if not isinstance(file, SignalFile):
        raise Errno(errno.EINVAL)
    file.set_mask(mask)
    return fd


@syscall(321, "fd", "ptr", "size", x64=282)
def sys_signalfd(task: Task, fd: int, pointer: int, size: int) -> int:
    """Make a file that signals are read from, or change which."""
    return _signalfd(task, fd, pointer, size, 0)


@syscall(327, "fd", "ptr", "size", "openfl", x64=289)
def sys_signalfd4(task: Task, fd: int, pointer: int, size: int, flags: int) -> int:
    """The same with flags."""
    return _signalfd(task, fd, pointer, size, flags)


@syscall(291, x64=253)
def sys_inotify_init(task: Task) -> int:
    """Errno ENOSYS."""
    raise Errno(errno.ENOSYS)


@syscall(332, "openfl", x64=294)
def sys_inotify_init1(task: Task, flags: int) -> int:
    """Errno ENOSYS."""
    raise Errno(errno.ENOSYS)


@syscall(292, "fd", "str", "hex", x64=254)
def sys_inotify_add_watch(task: Task, fd: int, path: int, mask: int) -> int:
    """Errno ENOSYS."""
    raise Errno(errno.ENOSYS)


@syscall(293, "fd", "int", x64=255)
def sys_inotify_rm_watch(task: Task, fd: int, watch: int) -> int:
    """Errno ENOSYS."""
    raise Errno(errno.ENOSYS)
