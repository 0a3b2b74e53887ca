"""System calls on descriptors of processes, and on other processes' memory."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vmemu import mm as memory
from vmemu.core import PAGE_SIZE
from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.signal.state import SI_USER, SigInfo, send_group_signal
from vmemu.kernel.syscalls.fd import install_new
from vmemu.kernel.syscalls.sigqueue import check_code, check_target, read_info
from vmemu.kernel.syscalls.table import s32, syscall
from vmemu.vfs.file import O_CLOEXEC, O_NONBLOCK
from vmemu.vfs.pidfd import PidFile
from vmemu.vfs.proctree import TaskDirectory, may_look

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_ADVICE = (3, 20, 21)
"""WILLNEED, COLD, PAGEOUT."""
_PIECES = 1 << 16
"""So many are copied by one call."""


def pidfd(task: Task, fd: int) -> PidFile:
    """An open descriptor of a process; Errno EBADF."""
    file = task.files.get(fd)
    if not isinstance(file, PidFile):
        raise Errno(errno.EBADF)
    return file


@syscall(434, "pid", "openfl", x64=434)
def sys_pidfd_open(task: Task, pid: int, flags: int) -> int:
    """A descriptor of a process; Errno EINVAL, also for a thread, ESRCH."""
    if flags & ~O_NONBLOCK or pid <= 0:
        raise Errno(errno.EINVAL)
    found = task.kernel.tasks.get(pid)
    if found is None:
        raise Errno(errno.ESRCH)
    if not found.is_leader:
        raise Errno(errno.EINVAL)
    return install_new(task, PidFile(found.group, flags), O_CLOEXEC)


def _receiver(task: Task, fd: int) -> Task | None:
    """Of a descriptor or of an open /proc/PID, None when it is no more; Errno EBADF."""
    file = task.files.get(fd)
    try:
        if isinstance(file.node, TaskDirectory):
            process = file.node.process
            if process is None:
                raise Errno(errno.EBADF)
            return process
        return pidfd(task, fd).leader
    except Errno as error:
        if error.errno != errno.ESRCH:
            raise
        return None


@syscall(424, "fd", "sig", "ptr", "hex", x64=424)
def sys_pidfd_send_signal(task: Task, fd: int, number: int, pointer: int, flags: int) -> int:
    """Send a process a signal, with a siginfo_t or as kill() does."""
    if flags:
        raise Errno(errno.EINVAL)
    leader, number = _receiver(task, fd), s32(number)
    info = SigInfo(number, SI_USER, pid=task.tgid, uid=task.cred.user.real)
    if pointer:
        info = read_info(task, number, pointer)
        if uaccess.read_struct(task.mm, pointer, "i")[0] != number:
            raise Errno(errno.EINVAL)
        check_code(info, leader is not None and leader.group is task.group)
    if leader is None:
        raise Errno(errno.ESRCH)
    target = check_target(task, leader, info)
    if number and not send_group_signal(target.group, info):
        raise Errno(errno.EAGAIN)
    return 0


@syscall(438, "fd", "fd", "hex", x64=438)
def sys_pidfd_getfd(task: Task, fd: int, other: int, flags: int) -> int:
    """Another process's open file, as one's own; Errno EBADF, ESRCH, EPERM."""
    if flags:
        raise Errno(errno.EINVAL)
    target = pidfd(task, fd).leader
    if not target.alive:
        raise Errno(errno.ESRCH)
    _attach(target)
    file = target.files.get(other)
    return task.files.install(task.files.alloc(0, task.limits.nofile), file, True)


def _attach(target: Task) -> None:
    """Errno EPERM unless one may look into a task."""
    try:
        may_look(target)
    except Errno:
        raise Errno(errno.EPERM) from None


@syscall(440, "fd", "ptr", "size", "advice", "hex", x64=440)
def sys_process_madvise(
    task: Task, fd: int, vector: int, count: int, advice: int, flags: int
) -> int:
    """Advice on ranges of a process's memory; how many bytes were advised on."""
    if flags:
        raise Errno(errno.EINVAL)
    pairs = uaccess.read_iovec(task.mm, vector, count)
    target = pidfd(task, fd).leader
    if target.memory is None:
        raise Errno(errno.ESRCH)
    if advice not in _ADVICE:
        raise Errno(errno.EINVAL)
    _attach(target)
    done = 0
    for base, length in pairs:
        try:
            memory.do_madvise(target.mm, base, length, advice)
        except Errno:
            if not done:
                raise
            break
        done += length
    return done


Spans = list[tuple[int, int]]
"""Addresses and lengths."""


def _pieces(here: Spans, there: Spans) -> Iterator[tuple[int, int, int]]:
    """Both side by side: an address here, one there, and how many bytes of a page of each."""
    near, far = here[::-1], there[::-1]
    while near and far:
        (at, length), (other, room) = near.pop(), far.pop()
        count = min(length, room, PAGE_SIZE - at % PAGE_SIZE, PAGE_SIZE - other % PAGE_SIZE)
        if count:
            yield at, other, count
        if length > count:
            near.append((at + count, length - count))
        if room > count:
            far.append((other + count, room - count))


@syscall(347, "pid", "ptr", "size", "ptr", "size", "hex", x64=310)
def sys_process_vm_readv(
    task: Task, pid: int, local: int, count: int, remote: int, remote_count: int, flags: int
) -> int:
    """Copy from another process's memory, up to the first bad address."""
    here, there = _spans(task, local, count, remote, remote_count, flags)
    return _copy(task, pid, here, there, reads=True)


@syscall(348, "pid", "ptr", "size", "ptr", "size", "hex", x64=311)
def sys_process_vm_writev(
    task: Task, pid: int, local: int, count: int, remote: int, remote_count: int, flags: int
) -> int:
    """Copy to another process's memory, up to the first bad address."""
    here, there = _spans(task, local, count, remote, remote_count, flags)
    return _copy(task, pid, here, there, reads=False)


def _spans(
    task: Task, local: int, count: int, remote: int, remote_count: int, flags: int
) -> tuple[Spans, Spans]:
    """Both vectors, the other one only if there is something here; Errno EINVAL, EFAULT."""
    if flags:
        raise Errno(errno.EINVAL)
    here = uaccess.read_iovec(task.mm, local, count)
    if not _total(here):
        return [], []
    return here, uaccess.read_iovec(task.mm, remote, remote_count)


def _total(spans: Spans) -> int:
    return sum(length for _, length in spans)


def _copy(task: Task, pid: int, here: Spans, there: Spans, *, reads: bool) -> int:
    """What both vectors have room for; Errno ESRCH, EPERM, EFAULT if nothing could be copied."""
    if not _total(there):
        return 0
    target = task.kernel.tasks.get(pid)
    if target is None or target.memory is None:
        raise Errno(errno.ESRCH)
    _attach(target)
    done = 0
    for near, far, length in itertools.islice(_pieces(here, there), _PIECES):
        try:
            if reads:
                uaccess.write(task.mm, near, uaccess.read(target.mm, far, length))
            else:
                uaccess.write(target.mm, far, uaccess.read(task.mm, near, length))
        except Errno:
            if not done:
                raise
            break
        done += length
    return done


_KCMP_FILE, _KCMP_VM, _KCMP_FILES, _KCMP_FS, _KCMP_SIGHAND = range(5)
_KCMP_IO, _KCMP_SYSVSEM = 5, 6


@syscall(349, "pid", "pid", "int", "size", "size", x64=312)
def sys_kcmp(task: Task, first: int, second: int, kind: int, at: int, other: int) -> int:
    """Whether two tasks share something: 0, or else 1 or 2, by which comes first.

    Errno ESRCH, EPERM, EBADF, EINVAL.
    """
    tasks = [task.kernel.tasks.get(pid) if pid > 0 else None for pid in (first, second)]
    found = [each for each in tasks if each is not None and each.memory is not None]
    if len(found) < 2:
        raise Errno(errno.ESRCH)
    for each in found:
        _attach(each)
    if kind == _KCMP_FILE:
        things: list[object] = [
            each.files.get(s32(fd)) for each, fd in zip(found, (at, other), strict=True)
        ]
    elif kind in (_KCMP_VM, _KCMP_FILES, _KCMP_FS, _KCMP_SIGHAND):
        name = {_KCMP_VM: "memory", _KCMP_FILES: "files", _KCMP_FS: "fs"}.get(kind)
        things = [getattr(each, name) if name else each.signals.actions for each in found]
    elif kind == _KCMP_SYSVSEM:
        things = [each.undo for each in found]
    elif kind == _KCMP_IO:
        return 0  # nobody has any
    else:
        raise Errno(errno.EINVAL)
    if things[0] is things[1]:
        return 0
    return 1 if (first, at) < (second, other) else 2
