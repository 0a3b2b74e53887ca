"""System calls that wait for children: wait4() and its kin, waitid()."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.group import Accounting
from vmemu.kernel.process.task import Task
from vmemu.kernel.process.wait import Blocking, Wait
from vmemu.kernel.signal.layout import SIGINFO_SIZE, encode_siginfo
from vmemu.kernel.signal.state import Signal, child_info
from vmemu.kernel.syscalls.limits import put_rusage
from vmemu.kernel.syscalls.table import syscall
from vmemu.vfs.file import O_NONBLOCK
from vmemu.vfs.pidfd import PidFile

if TYPE_CHECKING:
    from collections.abc import Iterable

WNOHANG = 1
WSTOPPED = 2  # WUNTRACED
WEXITED = 4
WCONTINUED = 8
WNOWAIT = 0x01000000
_WNOTHREAD, _WALL, _WCLONE = 0x20000000, 0x40000000, 0x80000000
_FOR_ALL = _WNOTHREAD | _WALL | _WCLONE
_WAIT4 = WNOHANG | WSTOPPED | WCONTINUED | _FOR_ALL
_WAITID = _WAIT4 | WEXITED | WNOWAIT
_P_ALL, _P_PID, _P_PGID, _P_PIDFD = range(4)


class Wanted(NamedTuple):
    """Which children are waited for, and which of their changes (struct wait_opts)."""

    pid: int | None
    """That child alone."""
    pgrp: int | None
    """Those of a process group alone."""
    options: int

    def means(self, task: Task, child: Task) -> bool:
        """Is this one of them (eligible_child)?"""
        if self.pid is not None and child.pid != self.pid:
            return False
        if self.pgrp is not None and child.pgrp != self.pgrp:
            return False
        if self.options & _WNOTHREAD and child.group.parent_thread is not task:
            return False
        clone = child.exit_signal != Signal.SIGCHLD
        return bool(self.options & _WALL) or clone == bool(self.options & _WCLONE)

    def has(self, child: Task) -> bool:
        """Has it ended, stopped or gone on, and is that asked for?"""
        status = child.status
        if not child.group.alive:
            return bool(self.options & WEXITED)
        if status is None:
            return False
        return bool(self.options & (WSTOPPED if status.stopped else WCONTINUED))

    @property
    def words(self) -> str:
        """What is waited for, in words."""
        return f"process {self.pid} to end" if self.pid is not None else "a child to end"


def _find_waitable(task: Task, wanted: Wanted) -> tuple[bool, Task | None]:
    """Say whether any child is meant, and give the oldest that has something to report."""
    children: Iterable[Task] = task.children.values()
    if wanted.pid is not None:
        only = task.children.get(wanted.pid)
        children = () if only is None else (only,)
    elif wanted.pgrp is None and wanted.options & ~WNOHANG == WEXITED:
        # the usual case must not take longer the more children there are
        oldest = task.group.oldest_zombie()
        if oldest is None:
            return any(wanted.means(task, child) for child in children), None
        if wanted.means(task, oldest):
            return True, oldest
    meant = False
    for child in children:
        if not wanted.means(task, child):
            continue
        meant = True
        if wanted.has(child):
            return True, child
    return meant, None


def _wait(task: Task, wanted: Wanted) -> Blocking[Task | None]:
    """Wait for a child with something to report; None with WNOHANG, Errno ECHILD (do_wait)."""

    def wakes() -> bool:
        meant, child = _find_waitable(task, wanted)
        return child is not None or not meant

    while True:
        meant, child = _find_waitable(task, wanted)
        if child is not None:
            return child
        if not meant:
            raise Errno(errno.ECHILD)
        if wanted.options & WNOHANG:
            return None
        yield Wait(wanted.words, (task.group.child_wait,), wakes)


def _put_use(task: Task, child: Task, pointer: int) -> None:
    if pointer:
        total = Accounting()
        total.add(child.group.used)
        total.add(child.group.children_used)
        put_rusage(task, pointer, total)


def _wait4(task: Task, wanted: Wanted, status: int, rusage: int) -> Blocking[int]:
    child = yield from _wait(task, wanted)
    if child is None:
        return 0
    found = child.status
    assert found is not None
    ended = not child.group.alive
    if not ended:
        child.group.status = None  # told, even if what follows fails
    _put_use(task, child, rusage)
    if status:
        uaccess.write_struct(task.mm, status, "I", found.encode())
    if ended:
        task.kernel.tasks.release(child)
    return child.pid


@syscall(114, "pid", "wstatus", "waitfl", "ptr", x64=61)
def sys_wait4(task: Task, pid: int, status: int, options: int, rusage: int) -> Blocking[int]:
    """Wait until a child ends or stops, and reap it."""
    if options & ~_WAIT4:
        raise Errno(errno.EINVAL)
    if pid == -1 << 31:
        raise Errno(errno.ESRCH)  # -pid is no int: so since 4.13
    pgrp = task.pgrp if pid == 0 else -pid if pid < -1 else None
    wanted = Wanted(pid if pid > 0 else None, pgrp, options | WEXITED)
    return (yield from _wait4(task, wanted, status, rusage))


@syscall(7, "pid", "wstatus", "waitfl")
def sys_waitpid(task: Task, pid: int, status: int, options: int) -> Blocking[int]:
    """wait4() without rusage."""
    return (yield from sys_wait4(task, pid, status, options, 0))


def _wanted(task: Task, which: int, who: int, options: int) -> Wanted:
    """Whom waitid() means; Errno EINVAL."""
    if options & ~_WAITID or not options & (WEXITED | WSTOPPED | WCONTINUED):
        raise Errno(errno.EINVAL)
    if which == _P_ALL:
        return Wanted(None, None, options)
    if which == _P_PID and who > 0:
        return Wanted(who, None, options)
    if which == _P_PGID and who >= 0:
        return Wanted(None, who or task.pgrp, options)
    if which == _P_PIDFD and who >= 0:
        file = task.files.get(who)
        if not isinstance(file, PidFile):
            raise Errno(errno.EBADF)
        here = task.children.get(file.group.leader.pid) is file.group.leader
        return Wanted(file.group.leader.pid if here else -1, None, options)
    raise Errno(errno.EINVAL)


@syscall(284, "int", "pid", "ptr", "waitfl", "ptr", x64=247)
def sys_waitid(
    task: Task, which: int, who: int, told: int, options: int, rusage: int
) -> Blocking[int]:
    """Wait for the changes of children that are asked for, and take them, or with WNOWAIT not."""
    wanted = _wanted(task, which, who, options)
    impatient = which == _P_PIDFD and task.files.get(who).flags & O_NONBLOCK
    if impatient:
        wanted = wanted._replace(options=options | WNOHANG)
    child = yield from _wait(task, wanted)
    if impatient and child is None and not options & WNOHANG:
        raise Errno(errno.EAGAIN)
    data = bytes(SIGINFO_SIZE)
    if child is not None:
        assert child.status is not None
        info = child_info(child, child.status)._replace(signo=Signal.SIGCHLD)
        data = encode_siginfo(info, task.kernel.abi.bits)
        _put_use(task, child, rusage)
        if not options & WNOWAIT:
            if not child.group.alive:
                task.kernel.tasks.release(child)
            else:
                child.group.status = None
    if told:
        # six numbers: more is not written
        count = 6 * 4 + (4 if task.kernel.abi.bits == 64 else 0)
        uaccess.write(task.mm, told, data[:count])
    return 0
