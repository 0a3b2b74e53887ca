"""System calls that change what files are like: permissions, owners, times, attributes."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.wait import NSEC_PER_SEC
from vmemu.kernel.syscalls import path as paths
from vmemu.kernel.syscalls.path import AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW
from vmemu.kernel.syscalls.table import syscall
from vmemu.vfs.node import Node
from vmemu.vfs.permission import may_chmod, may_chown, may_set_times
from vmemu.vfs.regular import PathFile

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_AT_FLAGS = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH
_KEEP = 0xFFFFFFFF
_UTIME_NOW, _UTIME_OMIT = 0x3FFFFFFF, 0x3FFFFFFE


def _open_node(task: Task, fd: int) -> Node:
    file = task.files.get(fd)
    if isinstance(file, PathFile):
        raise Errno(errno.EBADF)
    return paths.open_node(file)


def _at(task: Task, dirfd: int, path: int, flags: int) -> Node:
    """What a call with AT_ flags means; Errno EINVAL for unknown ones."""
    if flags & ~_AT_FLAGS:
        raise Errno(errno.EINVAL)
    follow, empty = not flags & AT_SYMLINK_NOFOLLOW, bool(flags & AT_EMPTY_PATH)
    return paths.node_or_open(task, dirfd, path, follow=follow, empty=empty)


def _chmod(task: Task, node: Node, mode: int) -> int:
    paths.writable(node)
    if node.link:
        raise Errno(errno.EOPNOTSUPP)
    node.chmod(may_chmod(node, mode & 0o7777, task.cred))
    return 0


@syscall(15, "str", "oct", x64=90)
def sys_chmod(task: Task, path: int, mode: int) -> int:
    """Set permissions."""
    return _chmod(task, paths.find(task, AT_FDCWD, path), mode)


@syscall(94, "fd", "oct", x64=91)
def sys_fchmod(task: Task, fd: int, mode: int) -> int:
    """Set permissions of an open file."""
    return _chmod(task, _open_node(task, fd), mode)


@syscall(306, "dirfd", "str", "oct", x64=268)
def sys_fchmodat(task: Task, dirfd: int, path: int, mode: int) -> int:
    """Like chmod()."""
    return _chmod(task, paths.find(task, dirfd, path), mode)


def _chown(task: Task, node: Node, uid: int, gid: int) -> int:
    paths.writable(node)
    owner, group = None if uid == _KEEP else uid, None if gid == _KEEP else gid
    may_chown(node, owner, group, task.cred)
    node.chown(owner, group)
    return 0


def _short(value: int) -> int:
    """An id of 16 bits: the last one means that it stays."""
    value &= 0xFFFF
    return _KEEP if value == 0xFFFF else value


@syscall(212, "str", "uint", "uint", x64=92, name64="chown", name="chown32")
def sys_chown(task: Task, path: int, uid: int, gid: int) -> int:
    """Set owner and group."""
    return _chown(task, paths.find(task, AT_FDCWD, path), uid, gid)


@syscall(198, "str", "uint", "uint", x64=94, name64="lchown", name="lchown32")
def sys_lchown(task: Task, path: int, uid: int, gid: int) -> int:
    """Set owner and group, of a link itself."""
    return _chown(task, paths.find(task, AT_FDCWD, path, follow=False), uid, gid)


@syscall(207, "fd", "uint", "uint", x64=93, name64="fchown", name="fchown32")
def sys_fchown(task: Task, fd: int, uid: int, gid: int) -> int:
    """Set owner and group of an open file."""
    return _chown(task, _open_node(task, fd), uid, gid)


@syscall(182, "str", "uint", "uint", name="chown")
def sys_chown16(task: Task, path: int, uid: int, gid: int) -> int:
    """The same with ids of 16 bits."""
    return sys_chown(task, path, _short(uid), _short(gid))


@syscall(16, "str", "uint", "uint", name="lchown")
def sys_lchown16(task: Task, path: int, uid: int, gid: int) -> int:
    """The same with ids of 16 bits."""
    return sys_lchown(task, path, _short(uid), _short(gid))


@syscall(95, "fd", "uint", "uint", name="fchown")
def sys_fchown16(task: Task, fd: int, uid: int, gid: int) -> int:
    """The same with ids of 16 bits."""
    return sys_fchown(task, fd, _short(uid), _short(gid))


@syscall(298, "dirfd", "str", "uint", "uint", "hex", x64=260)
def sys_fchownat(task: Task, dirfd: int, path: int, uid: int, gid: int, flags: int) -> int:
    """Like chown()."""
    return _chown(task, _at(task, dirfd, path, flags), uid, gid)


def _read_times(task: Task, pointer: int, layout: str, unit: int) -> list[tuple[int, int]] | None:
    """Two times as seconds and nanoseconds; None: now."""
    if not pointer:
        return None
    words = uaccess.read_struct(task.mm, pointer, layout)
    if len(words) == 2:
        return [(words[0], 0), (words[1], 0)]
    if unit != 1 and not all(0 <= part < 1_000_000 for part in words[1::2]):
        raise Errno(errno.EINVAL)
    return [(words[0], words[1] * unit), (words[2], words[3] * unit)]


def _set_times(task: Task, node: Node, times: list[tuple[int, int]] | None) -> int:
    now = task.kernel.sched.realtime
    values: list[int | None] = []
    for seconds, part in times if times is not None else [(0, _UTIME_NOW)] * 2:
        if not 0 <= part < NSEC_PER_SEC and part not in (_UTIME_NOW, _UTIME_OMIT):
            raise Errno(errno.EINVAL)
        value = now if part == _UTIME_NOW else seconds * NSEC_PER_SEC + part
        values.append(None if part == _UTIME_OMIT else value)
    paths.writable(node)
    present = times is None or all(part == _UTIME_NOW for _, part in times)
    may_set_times(node, task.cred, now=present)
    node.utimes(*values)
    return 0


def _utimensat(task: Task, dirfd: int, path: int, times: int, flags: int, layout: str) -> int:
    wanted = _read_times(task, times, layout, 1)
    if wanted is not None and all(part == _UTIME_OMIT for _, part in wanted):
        return 0
    if not path and dirfd != AT_FDCWD:
        if flags:
            raise Errno(errno.EINVAL)
        return _set_times(task, _open_node(task, dirfd), wanted)
    return _set_times(task, _at(task, dirfd, path, flags), wanted)


@syscall(320, "dirfd", "str", "ptr", "hex", x64=280)
def sys_utimensat(task: Task, dirfd: int, path: int, times: int, flags: int) -> int:
    """Set times, of a descriptor where the path is NULL."""
    return _utimensat(task, dirfd, path, times, flags, "4n")


@syscall(412, "dirfd", "str", "ptr", "hex")
def sys_utimensat_time64(task: Task, dirfd: int, path: int, times: int, flags: int) -> int:
    """The same, seconds in 64 bits; the upper half of the nanoseconds may be anything."""
    return _utimensat(task, dirfd, path, times, flags, "qi4xqi4x")


@syscall(30, "str", "ptr", x64=132)
def sys_utime(task: Task, path: int, times: int) -> int:
    """Set times in seconds."""
    wanted = _read_times(task, times, "2n", 1)
    return _set_times(task, paths.find(task, AT_FDCWD, path), wanted)


@syscall(271, "str", "ptr", x64=235)
def sys_utimes(task: Task, path: int, times: int) -> int:
    """Set times in microseconds."""
    return sys_futimesat(task, AT_FDCWD, path, times)


@syscall(299, "dirfd", "str", "ptr", x64=261)
def sys_futimesat(task: Task, dirfd: int, path: int, times: int) -> int:
    """The same from a directory."""
    wanted = _read_times(task, times, "4n", 1000)
    return _set_times(task, paths.find(task, dirfd, path), wanted)
