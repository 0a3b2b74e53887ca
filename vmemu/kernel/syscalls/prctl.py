"""prctl(): what a task may say of itself, most of which changes nothing here."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.cred import CAP_LAST_CAP, Cap
from vmemu.kernel.process.task import TASK_COMM_LEN
from vmemu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_SET_PDEATHSIG, _GET_PDEATHSIG = 1, 2
_GET_DUMPABLE, _SET_DUMPABLE = 3, 4
_GET_KEEPCAPS, _SET_KEEPCAPS = 7, 8
_GET_TIMING, _SET_TIMING = 13, 14
_SET_NAME, _GET_NAME = 15, 16
_CAPBSET_READ, _CAPBSET_DROP = 23, 24
_GET_SECUREBITS = 27
_SET_TIMERSLACK, _GET_TIMERSLACK = 29, 30
_SET_CHILD_SUBREAPER, _GET_CHILD_SUBREAPER = 36, 37
_SET_NO_NEW_PRIVS, _GET_NO_NEW_PRIVS = 38, 39
_SET_THP_DISABLE, _GET_THP_DISABLE = 41, 42
_GET_TID_ADDRESS = 40
_TIMERSLACK = 50_000
_SIGNALS = 64
_INHERITED = (_GET_DUMPABLE, _GET_TIMERSLACK, _GET_NO_NEW_PRIVS, _GET_THP_DISABLE)


def inherited(told: dict[int, int]) -> dict[int, int]:
    """What a child has of its parent's."""
    return {option: value for option, value in told.items() if option in _INHERITED}


def _store(task: Task, pointer: int, value: int) -> int:
    uaccess.write_struct(task.mm, pointer, "I", value)
    return 0


def _set_name(task: Task, pointer: int) -> int:
    try:
        name = task.mm.read_cstr(pointer, TASK_COMM_LEN)
    except Errno as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        name = uaccess.read(task.mm, pointer, TASK_COMM_LEN - 1)
    task.comm = name.decode(errors="replace")
    return 0


def _flag(task: Task, option: int, value: int, rest: tuple[int, ...]) -> int:
    """Keep 0 or 1 for the option that asks for it; Errno EINVAL."""
    if value > 1 or any(rest):
        raise Errno(errno.EINVAL)
    task.prctl[option] = value
    return 0


def _bounding(task: Task, cap: int, *, drop: bool) -> int:
    """Whether a program that is executed may have a capability, or see to it that none has."""
    cred = task.cred
    if drop and not cred.capable(Cap.SETPCAP):
        raise Errno(errno.EPERM)
    if cap > CAP_LAST_CAP:
        raise Errno(errno.EINVAL)
    if not drop:
        return cred.bounding >> cap & 1
    task.cred = cred._replace(bounding=cred.bounding & ~(1 << cap))
    return 0


@syscall(172, "int", "size", "size", "size", "size", x64=157)
def sys_prctl(task: Task, option: int, a: int, b: int, c: int, d: int) -> int:
    """Set or read one of a task's settings; Errno EINVAL for one that is not known."""
    told, rest = task.prctl, (b, c, d)
    if option == _SET_NAME:
        return _set_name(task, a)
    if option == _GET_NAME:
        name = task.comm.encode(errors="replace")[: TASK_COMM_LEN - 1]
        uaccess.write(task.mm, a, name.ljust(TASK_COMM_LEN, b"\0"))
        return 0
    if option == _SET_PDEATHSIG:
        if a > _SIGNALS:
            raise Errno(errno.EINVAL)
        told[_GET_PDEATHSIG] = a
        return 0
    if option == _GET_PDEATHSIG:
        return _store(task, a, told.get(option, 0))
    if option == _GET_CHILD_SUBREAPER:
        return _store(task, a, int(task.group.subreaper))
    if option == _GET_DUMPABLE:
        return told.get(option, 1)
    if option == _SET_DUMPABLE:
        return _flag(task, _GET_DUMPABLE, a, ())
    if option == _GET_KEEPCAPS:
        return int(task.cred.keep)
    if option == _SET_KEEPCAPS:
        if a > 1:
            raise Errno(errno.EINVAL)
        task.cred = task.cred._replace(keep=bool(a))
        return 0
    if option in (_CAPBSET_READ, _CAPBSET_DROP):
        return _bounding(task, a, drop=option == _CAPBSET_DROP)
    if option in (_GET_SECUREBITS, _GET_TIMING):
        return 0
    if option == _SET_TIMING:
        if a:  # PR_TIMING_TIMESTAMP: by the clock's ticks is the only way there is
            raise Errno(errno.EINVAL)
        return 0
    if option == _SET_TIMERSLACK:
        told[_GET_TIMERSLACK] = a or _TIMERSLACK
        return 0
    if option == _GET_TIMERSLACK:
        return told.get(option, _TIMERSLACK)
    if option == _SET_CHILD_SUBREAPER:
        task.group.subreaper = bool(a)
        return 0
    if option == _SET_NO_NEW_PRIVS:
        if a != 1:
            raise Errno(errno.EINVAL)
        return _flag(task, _GET_NO_NEW_PRIVS, a, rest)
    if option == _SET_THP_DISABLE:
        if any(rest):
            raise Errno(errno.EINVAL)
        told[_GET_THP_DISABLE] = int(bool(a))
        return 0
    if option in (_GET_NO_NEW_PRIVS, _GET_THP_DISABLE):
        if any((a, *rest)):
            raise Errno(errno.EINVAL)
        return told.get(option, 0)
    if option == _GET_TID_ADDRESS:
        uaccess.write_struct(task.mm, a, "N", task.clear_child_tid)
        return 0
    raise Errno(errno.EINVAL)
