"""fcntl() and ioctl(): what is asked of descriptors and open files, and set."""

from __future__ import annotations

import errno
import stat
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.wait import Blocking
from vmemu.kernel.signal.state import NSIG
from vmemu.kernel.syscalls.table import s32, syscall
from vmemu.vfs.file import O_ASYNC, O_NOATIME, O_NONBLOCK, SEEK_CUR, SETTABLE, File
from vmemu.vfs.permission import owns
from vmemu.vfs.pipe import BUFFER_SIZE, Pipe
from vmemu.vfs.regular import PathFile, RegularFile
from vmemu.vfs.tmpfile import TmpFile

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_F_DUPFD, _F_GETFD, _F_SETFD, _F_GETFL, _F_SETFL = range(5)
_F_SETOWN, _F_GETOWN, _F_SETSIG, _F_GETSIG, _F_SETOWN_EX, _F_GETOWN_EX = 8, 9, 10, 11, 15, 16
_F_DUPFD_CLOEXEC = 1030
_F_SETPIPE_SZ, _F_GETPIPE_SZ = 1031, 1032
_F_ADD_SEALS, _F_GET_SEALS = 1033, 1034
_LOCKS = (5, 6, 7, 12, 13, 14, 36, 37, 38)
_OF_DESCRIPTOR = (_F_DUPFD, _F_DUPFD_CLOEXEC, _F_GETFD, _F_SETFD, _F_GETFL)
"""Commands that O_PATH leaves (check_fcntl_cmd)."""
_OF_FILE = (8, 9, 10, 11, 15, 16, _F_SETPIPE_SZ, _F_GETPIPE_SZ)
_PID, _PGRP = 1, 2
"""Kinds of owners: who is told by signals."""
_FIONREAD, _FIONBIO, _FIONCLEX, _FIOCLEX, _FIOASYNC = 0x541B, 0x5421, 0x5450, 0x5451, 0x5452


@syscall(221, "fd", "uint", "xlong", name="fcntl64")
def sys_fcntl64(task: Task, fd: int, command: int, argument: int) -> int | Blocking[int]:
    """Like fcntl(), with locks of 64 bits."""
    return _fcntl(task, fd, command, argument, wide=True)


@syscall(55, "fd", "uint", "xlong", x64=72)
def sys_fcntl(task: Task, fd: int, command: int, argument: int) -> int | Blocking[int]:
    """Descriptors, flags, locks, owners, sizes of pipes; EINVAL for others."""
    return _fcntl(task, fd, command, argument, wide=False)


def _fcntl(task: Task, fd: int, command: int, argument: int, *, wide: bool) -> int | Blocking[int]:
    entry = task.files.descriptor(fd)
    if isinstance(entry.file, PathFile) and command not in _OF_DESCRIPTOR:
        raise Errno(errno.EBADF)
    if command in _LOCKS:
        from vmemu.kernel.syscalls.lock import commands, fcntl_lock

        if command in commands(task.kernel.core.bits, wide=wide):
            return fcntl_lock(task, entry.file, command, argument)
    if command in _OF_FILE:
        return _fcntl_file(task, entry.file, command, argument)
    if command in (_F_DUPFD, _F_DUPFD_CLOEXEC):
        if not 0 <= s32(argument) < task.limits.nofile:
            raise Errno(errno.EINVAL)
        new = task.files.alloc(s32(argument), task.limits.nofile)
        return task.files.install(new, entry.file, command == _F_DUPFD_CLOEXEC)
    if command == _F_GETFD:
        return int(entry.cloexec)
    if command == _F_SETFD:
        task.files.set_cloexec(fd, bool(argument & 1))
        return 0
    if command == _F_GETFL:
        return entry.file.status_flags
    if command == _F_SETFL:
        settable, node = SETTABLE | O_NOATIME, entry.file.node
        newly = argument & ~entry.file.flags
        if newly & O_NOATIME and node is not None and not owns(node, task.cred):
            raise Errno(errno.EPERM)
        if entry.file.notifies:
            settable |= O_ASYNC
            if (entry.file.flags ^ argument) & O_ASYNC:
                _watch(task, entry.file, fd, on=bool(argument & O_ASYNC))
        entry.file.flags = entry.file.flags & ~settable | argument & settable
        return 0
    if command in (_F_ADD_SEALS, _F_GET_SEALS):
        return _seals(entry.file, command, argument)
    raise Errno(errno.EINVAL)


def _set_owner(task: Task, file: File, pid: int, kind: int) -> int:
    """Say who is told by signals, 0: nobody; Errno ESRCH."""
    tasks = task.kernel.tasks
    known = tasks.group(pid) if kind == _PGRP else tasks.get(pid)
    if pid and not known:
        raise Errno(errno.ESRCH)
    file.owner, file.owner_kind = -pid if kind == _PGRP else pid, kind
    file.owner_users = task.cred.user.real, task.cred.user.effective
    return 0


def _watch(task: Task, file: File, fd: int, *, on: bool) -> None:
    from vmemu.vfs.fasync import set_async

    set_async(task.kernel, file, fd, on=on)


def _fcntl_file(task: Task, file: File, command: int, argument: int) -> int:
    """What concerns the open file alone."""
    if command == _F_SETOWN:
        owner = s32(argument)
        if owner == -1 << 31:
            raise Errno(errno.EINVAL)  # -owner is no int
        return _set_owner(task, file, abs(owner), _PGRP if owner < 0 else _PID)
    if command == _F_GETOWN:
        return file.owner
    if command == _F_SETSIG:
        if not 0 <= s32(argument) <= NSIG:
            raise Errno(errno.EINVAL)
        file.signal = s32(argument)
        return 0
    if command == _F_GETSIG:
        return file.signal
    if command == _F_SETOWN_EX:
        kind, pid = uaccess.read_struct(task.mm, argument, "2i")
        if not 0 <= kind <= 2:
            raise Errno(errno.EINVAL)
        return _set_owner(task, file, pid, kind)
    if command == _F_GETOWN_EX:
        uaccess.write_struct(task.mm, argument, "2i", file.owner_kind, abs(file.owner))
        return 0
    pipe = getattr(file, "pipe", None)
    if not isinstance(pipe, Pipe):
        raise Errno(errno.EBADF)
    return pipe.resize(argument) if command == _F_SETPIPE_SZ else pipe.slots * BUFFER_SIZE


def _seals(file: File, command: int, argument: int) -> int:
    """What may no longer be done with a file of memory; Errno EINVAL for others."""
    node = file.node
    if not isinstance(file, RegularFile) or not isinstance(node, TmpFile):
        raise Errno(errno.EINVAL)
    if command == _F_ADD_SEALS:
        if argument > 0xFFFFFFFF:
            raise Errno(errno.EINVAL)
        if not file.writable:
            raise Errno(errno.EPERM)
        node.add_seals(argument)
        return 0
    return node.seals


@syscall(54, "fd", "ioctl", "ptr", x64=16)
def sys_ioctl(task: Task, fd: int, request: int, argument: int) -> int:
    """Ask a file; what concerns every file is done here."""
    file = task.files.get(fd)
    if request in (_FIOCLEX, _FIONCLEX):
        task.files.set_cloexec(fd, request == _FIOCLEX)
        return 0
    if request == _FIONBIO:
        on = uaccess.read_struct(task.mm, argument, "i")[0]
        file.flags = file.flags & ~O_NONBLOCK | (O_NONBLOCK if on else 0)
        return 0
    if request == _FIOASYNC:
        return _set_async(task, file, fd, argument)
    if request == _FIONREAD and stat.S_ISREG((told := file.stat()).mode):
        uaccess.write_struct(task.mm, argument, "I", told.size - file.seek(0, SEEK_CUR))
        return 0
    return file.ioctl(task, request, argument)


def _set_async(task: Task, file: File, fd: int, argument: int) -> int:
    """FIOASYNC, as F_SETFL with O_ASYNC; Errno ENOTTY where that would have no effect."""
    new = O_ASYNC if uaccess.read_struct(task.mm, argument, "i")[0] else 0
    if new != file.flags & O_ASYNC and not file.notifies:
        raise Errno(errno.ENOTTY)
    if new != file.flags & O_ASYNC:
        _watch(task, file, fd, on=bool(new))
    file.flags = file.flags & ~O_ASYNC | new
    return 0
