"""ipc(): the calls of System V in one, as i386 had them before 5.1."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.syscalls.ipcperm import IPC_64
from vmemu.kernel.syscalls.msg import msgctl, sys_msgget, sys_msgrcv, sys_msgsnd
from vmemu.kernel.syscalls.sem import semctl, semtimedop, sys_semget, timed
from vmemu.kernel.syscalls.shm import attach, shmctl, sys_shmdt, sys_shmget
from vmemu.kernel.syscalls.table import s32, syscall

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task
    from vmemu.kernel.process.wait import Blocking

_SEMOP, _SEMGET, _SEMCTL, _SEMTIMEDOP = range(1, 5)
_MSGSND, _MSGRCV, _MSGGET, _MSGCTL = range(11, 15)
_SHMAT, _SHMDT, _SHMGET, _SHMCTL = range(21, 25)


@syscall(117, "uint", "int", "size", "hex", "ptr", "hex")
def sys_ipc(
    task: Task, call: int, first: int, second: int, third: int, pointer: int, fifth: int
) -> int | Blocking[int]:
    """The calls of System V's semaphores, messages and shared memory; Errno ENOSYS for others."""
    call, version = call & 0xFFFF, call >> 16
    if call <= _SEMTIMEDOP:
        return _semaphores(task, call, first, second, third, pointer, fifth)
    if _MSGSND <= call <= _MSGCTL:
        return _messages(task, call, version, first, second, third, pointer, fifth)
    if call == _SHMAT:
        if version == 1:
            raise Errno(errno.EINVAL)
        address = attach(task, first, pointer, second)
        uaccess.write_struct(task.mm, third, "N", address)
        return 0
    if call == _SHMDT:
        return sys_shmdt(task, pointer)
    if call == _SHMGET:
        return sys_shmget(task, first, second, third)
    if call == _SHMCTL:
        old, command = _version(second)
        return shmctl(task, first, command, pointer, old=old)
    raise Errno(errno.ENOSYS)


def _version(command: int) -> tuple[bool, int]:
    """Whether a command's structures are the old ones, and the command (ipc_parse_version)."""
    return not command & IPC_64, s32(command & ~IPC_64)


def _semaphores(
    task: Task, call: int, first: int, second: int, third: int, pointer: int, fifth: int
) -> int | Blocking[int]:
    if call == _SEMOP:
        return semtimedop(task, first, pointer, second, None)
    if call == _SEMTIMEDOP:
        return timed(task, first, pointer, second, fifth, wide=False)
    if call == _SEMGET:
        return sys_semget(task, first, s32(second), third)
    if call == _SEMCTL:
        if not pointer:
            raise Errno(errno.EINVAL)
        argument = uaccess.read_struct(task.mm, pointer, "I")[0]
        old, command = _version(third)
        return semctl(task, first, s32(second), command, argument, old=old)
    raise Errno(errno.ENOSYS)


def _messages(
    task: Task,
    call: int,
    version: int,
    first: int,
    second: int,
    third: int,
    pointer: int,
    fifth: int,
) -> int | Blocking[int]:
    """Before version 1 msgrcv() finds its buffer and the type in a struct ipc_kludge."""
    if call == _MSGSND:
        return sys_msgsnd(task, first, pointer, second, s32(third))
    if call == _MSGGET:
        return sys_msgget(task, first, second)
    if call == _MSGCTL:
        old, command = _version(second)
        return msgctl(task, first, command, pointer, old=old)
    if not version:
        if not pointer:
            raise Errno(errno.EINVAL)
        pointer, fifth = uaccess.read_struct(task.mm, pointer, "2I")
    return sys_msgrcv(task, first, pointer, second, s32(fifth), s32(third))
