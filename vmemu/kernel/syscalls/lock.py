"""flock(), and the locks of fcntl()."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.wait import Blocking
from vmemu.kernel.syscalls.table import syscall
from vmemu.vfs.file import SEEK_CUR, SEEK_END, SEEK_SET
from vmemu.vfs.lock import OFFSET_MAX, READ, UNLOCK, WRITE, Lock

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task
    from vmemu.vfs.file import File

GETLK, SETLK, SETLKW = 5, 6, 7
GETLK64, SETLK64, SETLKW64 = 12, 13, 14
OFD_GETLK, OFD_SETLK, OFD_SETLKW = 36, 37, 38
_GET = (GETLK, GETLK64, OFD_GETLK)
_WAITING = (SETLKW, SETLKW64, OFD_SETLKW)
_OFD = (OFD_GETLK, OFD_SETLK, OFD_SETLKW)
_SH, _EX, _NB, _UN = 1, 2, 4, 8


def commands(bits: int, *, wide: bool) -> tuple[int, ...]:
    """Those of fcntl() that concern locks; of i386 the second half is fcntl64()'s alone."""
    narrow = (GETLK, SETLK, SETLKW)
    if bits == 64:
        return (*narrow, *_OFD)
    return (*narrow, GETLK64, SETLK64, SETLKW64, *_OFD) if wide else narrow


def _layout(bits: int, command: int) -> str:
    """struct flock, or flock64."""
    if bits == 64:
        return "2h4x2qi4x"
    return "2h3i" if command in (GETLK, SETLK, SETLKW) else "2h2qi"


def _range(file: File, whence: int, start: int, length: int) -> tuple[int, int]:
    """The first and the last byte; Errno EINVAL, EOVERFLOW (flock_to_posix_lock)."""
    if whence == SEEK_CUR:
        start += getattr(file, "position", 0)
    elif whence == SEEK_END:
        start += file.stat().size
    elif whence != SEEK_SET:
        raise Errno(errno.EINVAL)
    if start > OFFSET_MAX:
        raise Errno(errno.EOVERFLOW)
    if start < 0:
        raise Errno(errno.EINVAL)
    if length > 0:
        if start + length - 1 > OFFSET_MAX:
            raise Errno(errno.EOVERFLOW)
        return start, start + length - 1
    if length < 0:
        if start + length < 0:
            raise Errno(errno.EINVAL)
        return start + length, start - 1
    return start, OFFSET_MAX


def fcntl_lock(task: Task, file: File, command: int, pointer: int) -> int | Blocking[int]:
    """Lock a range, or tell what stands against that (fcntl_setlk, fcntl_getlk)."""
    bits = task.kernel.core.bits
    layout = _layout(bits, command)
    kind, whence, start, length, pid = uaccess.read_struct(task.mm, pointer, layout)
    ofd = command in _OFD
    if command in _GET and kind not in (READ, WRITE):
        raise Errno(errno.EINVAL)
    first, last = _range(file, whence, start, length)
    if kind not in (READ, WRITE, UNLOCK) or (ofd and pid):
        raise Errno(errno.EINVAL)
    owner: object = file if ofd else task.files
    lock = Lock(kind, first, last, owner, -1 if ofd else task.tgid)
    if command in _GET:
        return _tell(task, file, lock, pointer, layout)
    if (kind == READ and not file.readable) or (kind == WRITE and not file.writable):
        raise Errno(errno.EBADF)
    return _set(task, file, lock, wait=command in _WAITING)


def _tell(task: Task, file: File, lock: Lock, pointer: int, layout: str) -> int:
    locks = task.kernel.locks.of(file)
    found = locks.conflict(lock)
    task.kernel.locks.settle(locks)
    if found is None:
        uaccess.write_struct(task.mm, pointer, "h", UNLOCK)
        return 0
    length = 0 if found.end == OFFSET_MAX else found.end - found.start + 1
    if layout == "2h3i" and max(found.start, length) > 0x7FFFFFFF:
        raise Errno(errno.EOVERFLOW)
    uaccess.write_struct(
        task.mm, pointer, layout, found.kind, SEEK_SET, found.start, length, found.pid
    )
    return 0


def _set(task: Task, file: File, lock: Lock, *, wait: bool) -> Blocking[int]:
    table, files = task.kernel.locks, task.files
    locks = table.of(file)
    yield from table.acquire(locks, lock, task.pid, wait=wait)
    if lock.kind != UNLOCK:
        if lock.owner is file:
            file.locks = table.of(file)
        else:
            files.locked = table
    return 0


@syscall(143, "fd", "hex", x64=73)
def sys_flock(task: Task, fd: int, operation: int) -> Blocking[int]:
    """Lock a whole file for an open file: LOCK_SH, LOCK_EX, LOCK_UN, LOCK_NB."""
    file = task.files.get(fd)
    kind = {_SH: READ, _EX: WRITE, _UN: UNLOCK}.get(operation & ~_NB)
    if kind is None:
        raise Errno(errno.EINVAL)
    if kind != UNLOCK and not (file.readable or file.writable):
        raise Errno(errno.EBADF)
    yield from task.kernel.locks.flock(file, kind, wait=not operation & _NB)
    return 0
