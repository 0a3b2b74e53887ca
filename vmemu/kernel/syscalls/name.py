"""System calls that make, remove and change names."""

from __future__ import annotations

import errno
import stat
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.cred import Cap
from vmemu.kernel.syscalls import path as paths
from vmemu.kernel.syscalls.path import AT_EMPTY_PATH, AT_FDCWD
from vmemu.kernel.syscalls.table import syscall
from vmemu.vfs.node import Directory, Node
from vmemu.vfs.permission import MAY_WRITE, may_create, may_delete, may_link, permission
from vmemu.vfs.walk import Last, Walk

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_AT_REMOVEDIR = 0x200
_AT_SYMLINK_FOLLOW = 0x400
_NOREPLACE, _EXCHANGE = 1, 2


def _mkdir(task: Task, dirfd: int, path: int, mode: int) -> int:
    last = paths.new_name(task, dirfd, path, directory=True)
    last.parent.mkdir(last.name, mode & ~task.fs.umask & 0o1777)
    return 0


@syscall(39, "str", "oct", x64=83)
def sys_mkdir(task: Task, path: int, mode: int) -> int:
    """Make a directory."""
    return _mkdir(task, AT_FDCWD, path, mode)


@syscall(296, "dirfd", "str", "oct", x64=258)
def sys_mkdirat(task: Task, dirfd: int, path: int, mode: int) -> int:
    """Like mkdir()."""
    return _mkdir(task, dirfd, path, mode)


def _mknod(task: Task, dirfd: int, path: int, mode: int, rdev: int) -> int:
    kind = stat.S_IFMT(mode) or stat.S_IFREG
    if kind == stat.S_IFDIR:
        raise Errno(errno.EPERM)
    if kind not in (stat.S_IFREG, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK):
        raise Errno(errno.EINVAL)
    last = paths.new_name(task, dirfd, path)
    mode = mode & ~task.fs.umask & 0o7777
    if kind == stat.S_IFREG:
        last.parent.create(last.name, mode)
    else:
        device = kind in (stat.S_IFCHR, stat.S_IFBLK)
        if device and not task.cred.capable(Cap.MKNOD):
            raise Errno(errno.EPERM)
        last.parent.mknod(last.name, kind | mode, rdev & 0xFFFFFFFF if device else 0)
    return 0


@syscall(14, "str", "oct", "uint", x64=133)
def sys_mknod(task: Task, path: int, mode: int, rdev: int) -> int:
    """Make a FIFO, a socket's name, a device, or an empty file."""
    return _mknod(task, AT_FDCWD, path, mode, rdev)


@syscall(297, "dirfd", "str", "oct", "uint", x64=259)
def sys_mknodat(task: Task, dirfd: int, path: int, mode: int, rdev: int) -> int:
    """Like mknod()."""
    return _mknod(task, dirfd, path, mode, rdev)


def _attached(last: Last) -> None:
    """Errno EBUSY for a name that another file system is attached to."""
    if last.name in last.parent.attached:
        raise Errno(errno.EBUSY)


def _rmdir(task: Task, dirfd: int, path: int) -> int:
    walk, last = paths.parent(task, dirfd, path)
    if last.special:
        raise Errno({b".": errno.EINVAL, b"..": errno.ENOTEMPTY}.get(last.name, errno.EBUSY))
    paths.writable(last.parent)
    node = walk.step(last.parent, last.name, follow=False)
    may_delete(last.parent, node, task.cred)
    if not node.directory:
        raise Errno(errno.ENOTDIR)
    _attached(last)
    last.parent.rmdir(last.name)
    return 0


@syscall(40, "str", x64=84)
def sys_rmdir(task: Task, path: int) -> int:
    """Remove an empty directory."""
    return _rmdir(task, AT_FDCWD, path)


def _unlink(task: Task, dirfd: int, path: int) -> int:
    walk, last = paths.parent(task, dirfd, path)
    if last.special:
        raise Errno(errno.EISDIR)
    paths.writable(last.parent)
    node = walk.step(last.parent, last.name, follow=False)
    if last.slash:
        raise Errno(errno.EISDIR if node.directory else errno.ENOTDIR)
    may_delete(last.parent, node, task.cred)
    if node.directory:
        raise Errno(errno.EISDIR)
    _attached(last)
    last.parent.unlink(last.name)
    return 0


@syscall(10, "str", x64=87)
def sys_unlink(task: Task, path: int) -> int:
    """Take a name away; what has none and is not open is gone."""
    return _unlink(task, AT_FDCWD, path)


@syscall(301, "dirfd", "str", "hex", x64=263)
def sys_unlinkat(task: Task, dirfd: int, path: int, flags: int) -> int:
    """unlink(), or rmdir() with AT_REMOVEDIR."""
    if flags & ~_AT_REMOVEDIR:
        raise Errno(errno.EINVAL)
    return (_rmdir if flags else _unlink)(task, dirfd, path)


def _link(task: Task, old_fd: int, old: int, new_fd: int, new: int, flags: int) -> int:
    if flags & ~(_AT_SYMLINK_FOLLOW | AT_EMPTY_PATH):
        raise Errno(errno.EINVAL)
    node = paths.node_or_open(
        task,
        old_fd,
        old,
        follow=bool(flags & _AT_SYMLINK_FOLLOW),
        empty=bool(flags & AT_EMPTY_PATH),
    )
    walk, last = paths.parent(task, new_fd, new)
    walk.check_free(last)
    if getattr(node, "fs", None) is not last.parent.fs:
        raise Errno(errno.EXDEV)
    if task.kernel.sysctls.get("protected_hardlinks"):
        may_link(node, task.cred)
    may_create(last.parent, task.cred)
    if node.directory:
        raise Errno(errno.EPERM)
    last.parent.hardlink(last.name, node)
    return 0


@syscall(9, "str", "str", x64=86)
def sys_link(task: Task, old: int, new: int) -> int:
    """Give a file another name."""
    return _link(task, AT_FDCWD, old, AT_FDCWD, new, 0)


@syscall(303, "dirfd", "str", "dirfd", "str", "hex", x64=265)
def sys_linkat(task: Task, old_fd: int, old: int, new_fd: int, new: int, flags: int) -> int:
    """Like link(), of what a link leads to if asked for."""
    return _link(task, old_fd, old, new_fd, new, flags)


def _symlink(task: Task, target: int, dirfd: int, path: int) -> int:
    text = uaccess.read_path(task.mm, target)
    last = paths.new_name(task, dirfd, path)
    last.parent.symlink(last.name, text)
    return 0


@syscall(83, "str", "str", x64=88)
def sys_symlink(task: Task, target: int, path: int) -> int:
    """Make a symbolic link."""
    return _symlink(task, target, AT_FDCWD, path)


@syscall(304, "str", "dirfd", "str", x64=266)
def sys_symlinkat(task: Task, target: int, dirfd: int, path: int) -> int:
    """Like symlink()."""
    return _symlink(task, target, dirfd, path)


def _rename(task: Task, old_fd: int, old: int, new_fd: int, new: int, flags: int) -> int:
    if flags & ~(_NOREPLACE | _EXCHANGE) or flags == _NOREPLACE | _EXCHANGE:
        raise Errno(errno.EINVAL)
    walk, source = paths.parent(task, old_fd, old)
    other, target = paths.parent(task, new_fd, new)
    if source.parent.fs is not target.parent.fs:
        raise Errno(errno.EXDEV)
    if source.special or target.special:
        raise Errno(errno.EBUSY)
    paths.writable(source.parent)
    node = walk.step(source.parent, source.name, follow=False)
    there = _there(other, target)
    if flags & _NOREPLACE and there is not None:
        raise Errno(errno.EEXIST)
    if flags & _EXCHANGE and there is None:
        raise Errno(errno.ENOENT)
    if not node.directory and (source.slash or (not flags & _EXCHANGE and target.slash)):
        raise Errno(errno.ENOTDIR)
    _ancestors(source, node, target, there, exchange=bool(flags & _EXCHANGE))
    if same(node, there):
        return 0
    may_delete(source.parent, node, task.cred)
    if there is None:
        may_create(target.parent, task.cred)
    else:
        may_delete(target.parent, there, task.cred)
    if there is not None and not flags & _EXCHANGE:
        if node.directory and not there.directory:
            raise Errno(errno.ENOTDIR)
        if there.directory and not node.directory:
            raise Errno(errno.EISDIR)
    if source.parent is not target.parent:
        for moved in (node, there) if flags & _EXCHANGE else (node,):
            if moved is not None and moved.directory:
                permission(moved, MAY_WRITE, task.cred)  # its .. changes
    _attached(source)
    _attached(target)
    source.parent.rename(source.name, target.parent, target.name, exchange=bool(flags & _EXCHANGE))
    return 0


def same(node: Node, other: Node | None) -> bool:
    """Two names of one file."""
    if other is None or node.fs is not other.fs:
        return False
    return node is other or (node.stat().ino, node.stat().dev) == (
        other.stat().ino,
        other.stat().dev,
    )


def _there(walk: Walk, last: Last) -> Node | None:
    try:
        return walk.step(last.parent, last.name, follow=False)
    except Errno as error:
        if error.errno != errno.ENOENT:
            raise
        return None


def _ancestors(
    source: Last, node: Node, target: Last, there: Node | None, *, exchange: bool
) -> None:
    """Errno EINVAL for a directory that would come below itself, ENOTEMPTY the other way round."""
    if _above(node, target.parent):
        raise Errno(errno.EINVAL)
    if there is not None and _above(there, source.parent):
        raise Errno(errno.EINVAL if exchange else errno.ENOTEMPTY)


def _above(node: Node, directory: Directory) -> bool:
    """A directory is another one, or above it."""
    while directory is not node:
        if directory.parent is directory:
            return False
        directory = directory.parent
    return True


@syscall(38, "str", "str", x64=82)
def sys_rename(task: Task, old: int, new: int) -> int:
    """Call something otherwise, in place of what is called so now."""
    return _rename(task, AT_FDCWD, old, AT_FDCWD, new, 0)


@syscall(302, "dirfd", "str", "dirfd", "str", x64=264)
def sys_renameat(task: Task, old_fd: int, old: int, new_fd: int, new: int) -> int:
    """Like rename()."""
    return _rename(task, old_fd, old, new_fd, new, 0)


@syscall(353, "dirfd", "str", "dirfd", "str", "hex", x64=316)
def sys_renameat2(task: Task, old_fd: int, old: int, new_fd: int, new: int, flags: int) -> int:
    """Like rename(), with RENAME_NOREPLACE or RENAME_EXCHANGE."""
    return _rename(task, old_fd, old, new_fd, new, flags)
