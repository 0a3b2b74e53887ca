"""System calls of System V's semaphores."""

from __future__ import annotations

import errno
import struct
from array import array
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.hold import SEMAPHORE_BYTES
from vmemu.kernel.ipc.perm import R_ALL, W_ALL
from vmemu.kernel.ipc.sem import SEM_UNDO, SEMAEM, SEMVMX, Operation, Request
from vmemu.kernel.process.wait import Blocking, Interrupted, Wait
from vmemu.kernel.syscalls.ipcperm import (
    IPC_INFO,
    IPC_RMID,
    IPC_SET,
    IPC_STAT,
    put_stat,
    read_stat,
)
from vmemu.kernel.syscalls.table import s32, syscall
from vmemu.kernel.syscalls.time import read_timespec

if TYPE_CHECKING:
    from vmemu.kernel.ipc.sem import SemSet
    from vmemu.kernel.process.task import Task

GETPID, GETVAL, GETALL, GETNCNT, GETZCNT, SETVAL, SETALL, SEM_STAT, SEM_INFO, SEM_STAT_ANY = range(
    11, 21
)
_ONE = (GETPID, GETVAL, GETNCNT, GETZCNT)
_SEMBUF = struct.Struct("<Hhh")
_SEMUSZ = 20


@syscall(393, "int", "int", "oct", x64=64)
def sys_semget(task: Task, key: int, count: int, flags: int) -> int:
    """Find or make a set of semaphores; its id."""
    return task.kernel.sem.semget(key & 0xFFFFFFFF, count, flags, task.cred).id


def semtimedop(
    task: Task, number: int, pointer: int, count: int, timeout: int | None
) -> int | Blocking[int]:
    """Change semaphores together, once that can be; timeout in nanoseconds.

    Errno E2BIG, EINVAL, EFAULT, EFBIG, EACCES, ERANGE, EAGAIN, EIDRM, EINTR, ENOMEM.
    """
    sem = task.kernel.sem
    if count > sem.semopm:
        raise Errno(errno.E2BIG)
    if not count:
        raise Errno(errno.EINVAL)
    data = uaccess.read(task.mm, pointer, count * _SEMBUF.size)
    operations = [Operation(*each) for each in _SEMBUF.iter_unpack(data)]
    found = sem.get(number)
    if max(each.number for each in operations) >= len(found):
        raise Errno(errno.EFBIG)
    undone = any(each.flags & SEM_UNDO for each in operations)
    request = Request(operations, None, task.tgid)
    found.permit(W_ALL if request.alters else R_ALL, task.cred)
    if undone:
        request.undo = found.undo_of(task)
    status = found.perform(request)
    if status is None:
        return _wait(task, found, request, timeout)
    if status:
        raise Errno(status)
    if request.alters:
        found.update()
    return 0


def _wait(task: Task, found: SemSet, request: Request, timeout: int | None) -> Blocking[int]:
    """Sleep until somebody else has done it; a signal is EINTR, whatever SA_RESTART says."""
    sched = task.kernel.sched
    deadline = None if timeout is None else sched.deadline(timeout)
    with task.kernel.hold.holding(len(request.operations) * SEMAPHORE_BYTES):
        found.waiting.append(request)
        try:
            while request.status is None:
                if deadline is not None and sched.now >= deadline:
                    raise Errno(errno.EAGAIN)
                what = f"semaphore {request.blocking and request.blocking.number} of {found.id}"
                ready = lambda: request.status is not None  # noqa: E731
                yield Wait(what, (request.queue,), ready, deadline)
        except Interrupted:
            raise Errno(errno.EINTR) from None
        finally:
            if request.status is None:
                found.waiting.remove(request)
    if request.status:
        raise Errno(request.status)
    return 0


@syscall(None, "int", "ptr", "uint", x64=65)
def sys_semop(task: Task, number: int, pointer: int, count: int) -> int | Blocking[int]:
    """Change semaphores together, once that can be."""
    return semtimedop(task, number, pointer, count, None)


@syscall(None, "int", "ptr", "uint", "timespec", x64=220)
def sys_semtimedop(
    task: Task, number: int, pointer: int, count: int, timeout: int
) -> int | Blocking[int]:
    """The same within a time."""
    return timed(task, number, pointer, count, timeout, wide=False)


@syscall(420, "int", "ptr", "uint", "ptr")
def sys_semtimedop_time64(
    task: Task, number: int, pointer: int, count: int, timeout: int
) -> int | Blocking[int]:
    """The same with seconds of 64 bits."""
    return timed(task, number, pointer, count, timeout, wide=True)


def timed(
    task: Task, number: int, pointer: int, count: int, timeout: int, *, wide: bool
) -> int | Blocking[int]:
    """semtimedop() with a struct timespec, which may be missing."""
    limit = None
    if timeout:
        try:
            limit = read_timespec(task, timeout, wide)
        except Errno as error:
            if error.errno == errno.EFAULT:
                raise
            # that it is no time is found after what is wrong with the operations' number
            if count <= task.kernel.sem.semopm and count:
                uaccess.read(task.mm, pointer, count * _SEMBUF.size)
                raise
    return semtimedop(task, number, pointer, count, limit)


@syscall(394, "int", "int", "int", "ptr", x64=66)
def sys_semctl(task: Task, number: int, index: int, command: int, argument: int) -> int:
    """Ask, change or remove a set, the structures those of IPC_64."""
    return semctl(task, number, index, command, argument, old=False)


def semctl(task: Task, number: int, index: int, command: int, argument: int, *, old: bool) -> int:
    """Ask, change or remove a set; Errno EINVAL, EFAULT, EACCES, EPERM, ERANGE."""
    if number < 0:
        raise Errno(errno.EINVAL)
    sem = task.kernel.sem
    if command in (IPC_INFO, SEM_INFO):
        return _put_limits(task, argument, in_use=command == SEM_INFO)
    if command in (IPC_STAT, SEM_STAT, SEM_STAT_ANY):
        by_index, anyone = command != IPC_STAT, command == SEM_STAT_ANY
        found = sem.told(number, task.cred, by_index=by_index, anyone=anyone)
        _put_set(task, argument, found, old)
        return found.id if by_index else 0
    if command == SETVAL:
        _set_value(task, number, index, s32(argument))
        return 0
    if command in (*_ONE, GETALL, SETALL):
        found = sem.get(number)
        found.permit(W_ALL if command == SETALL else R_ALL, task.cred)
        if command == GETALL:
            uaccess.write(task.mm, argument, found.values.tobytes())
            return 0
        if command == SETALL:
            values = array("H", uaccess.read(task.mm, argument, 2 * len(found)))
            if max(values) > SEMVMX:
                raise Errno(errno.ERANGE)
            found.set_values(dict(enumerate(values)), task.tgid)
            return 0
        return _tell(found, index, command)
    if command == IPC_SET:
        told, _ = read_stat(task, argument, "", old=old)
        found = sem.owned(number, task.cred)
        found.update_perm(told)
        found.ctime = sem.now
    elif command == IPC_RMID:
        sem.destroy(sem.owned(number, task.cred))
    else:
        raise Errno(errno.EINVAL)
    return 0


def _set_value(task: Task, number: int, index: int, value: int) -> None:
    """SETVAL (semctl_setval)."""
    if not 0 <= value <= SEMVMX:
        raise Errno(errno.ERANGE)
    found = task.kernel.sem.get(number)
    if not 0 <= index < len(found):
        raise Errno(errno.EINVAL)
    found.permit(W_ALL, task.cred)
    found.set_values({index: value}, task.tgid)


def _tell(found: SemSet, index: int, command: int) -> int:
    """What one semaphore is like."""
    if not 0 <= index < len(found):
        raise Errno(errno.EINVAL)
    if command == GETVAL:
        return found.values[index]
    if command == GETPID:
        return found.pids[index]
    return found.count(index, zero=command == GETZCNT)


def _put_limits(task: Task, pointer: int, *, in_use: bool) -> int:
    """struct seminfo; the highest index in use."""
    sem = task.kernel.sem
    uaccess.write_struct(
        task.mm, pointer, "10i", sem.semmns, sem.limit, sem.semmns, sem.semmns, sem.semmsl,
        sem.semopm, sem.semopm, len(sem) if in_use else _SEMUSZ, SEMVMX,
        sem.used if in_use else SEMAEM,
    )  # fmt: skip
    return sem.max_index


def _put_set(task: Task, pointer: int, found: SemSet, old: bool) -> None:
    """struct semid64_ds, or struct semid_ds."""
    if old:
        rest = (found.otime, found.ctime, 0, 0, 0, 0, len(found), 0)
        put_stat(task, pointer, found, found.mode, "2i4I2H", rest, old=True)
        return
    stamps = (found.otime, found.otime >> 32, found.ctime, found.ctime >> 32)
    put_stat(task, pointer, found, found.mode, "7N", (*stamps, len(found), 0, 0), old=False)
