"""System calls that open files by their paths, and read links."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.wait import Blocking
from vmemu.kernel.program.busy import is_running
from vmemu.kernel.syscalls import path as paths
from vmemu.kernel.syscalls.fd import install_new
from vmemu.kernel.syscalls.path import AT_FDCWD
from vmemu.kernel.syscalls.table import syscall
from vmemu.vfs.file import (
    O_ACCMODE,
    O_ASYNC,
    O_CLOEXEC,
    O_CREAT,
    O_DIRECT,
    O_DIRECTORY,
    O_DSYNC,
    O_EXCL,
    O_LARGEFILE,
    O_NOATIME,
    O_NOCTTY,
    O_NOFOLLOW,
    O_PATH,
    O_RDONLY,
    O_SYNC,
    O_TMPFILE,
    O_TRUNC,
    OPENED,
    SETTABLE,
    File,
)
from vmemu.vfs.node import Directory, Node
from vmemu.vfs.permission import MAY_READ, MAY_WRITE, may_create, owns, permission
from vmemu.vfs.regular import DirectoryFile, PathFile
from vmemu.vfs.resolve import (
    RESOLVE_ALL,
    RESOLVE_BENEATH,
    RESOLVE_CACHED,
    RESOLVE_IN_ROOT,
    ScopedWalk,
)
from vmemu.vfs.walk import Last, Walk

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_KEPT = O_ACCMODE | SETTABLE | O_NOCTTY | OPENED
_WITH_PATH = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC


def _create(task: Task, walk: Walk, last: Last, flags: int, mode: int) -> tuple[Node, bool]:
    """What O_CREAT finds or makes, and whether it made it, also where a link leads."""
    while True:
        if last.special or last.slash:
            raise Errno(errno.EISDIR)
        walk.end(last)
        try:
            node = walk.step(last.parent, last.name, follow=False)
        except Errno as error:
            if error.errno != errno.ENOENT:
                raise
            paths.writable(last.parent)
            may_create(last.parent, task.cred)
            return last.parent.create(last.name, mode & ~task.fs.umask & 0o7777), True
        if flags & O_EXCL:
            raise Errno(errno.EEXIST)
        if not node.link:
            return node, False
        if flags & O_NOFOLLOW:
            raise Errno(errno.ELOOP)
        jump, target = walk.read(node)
        if jump is not None:
            return jump, False
        last = walk.parent(last.parent, target)


def open_path(
    task: Task, dirfd: int, path: bytes, flags: int, mode: int = 0, resolve: int = 0
) -> File | Blocking[File]:
    """Open what a path names (do_filp_open); the Errno that Linux finds first."""
    if flags & O_PATH:
        flags &= _WITH_PATH
    if resolve:
        # an absolute path begins at the descriptor where that is the root
        start = paths.begin(task, dirfd, b"." if resolve & RESOLVE_IN_ROOT else path)
        walk: Walk = ScopedWalk(task.fs.root, start, resolve, task.cred)
    else:
        start, walk = paths.begin(task, dirfd, path), Walk(task.fs.root, task.cred)
    last = walk.parent(start, path)
    made = False
    if flags & O_CREAT:
        node, made = _create(task, walk, last, flags, mode)
    else:
        node = walk.last(last, follow=not flags & O_NOFOLLOW)
    if flags & O_TMPFILE:
        made_in, node = node, _unnamed(task, node, flags, mode)
        name = f"{walk.path(made_in).rstrip('/')}/#{node.stat().ino} (deleted)"
        return node.open(flags & _KEPT, name)
    if flags & O_DIRECTORY and not node.directory:
        raise Errno(errno.ENOTDIR)
    name = walk.path(node)
    if flags & O_PATH:
        return PathFile(node, flags & (O_DIRECTORY | O_NOFOLLOW), name)
    if not made:
        _may_open(task, node, flags)
    if node.is_fifo():
        return task.kernel.fifos.open(node, flags, name)
    return _open_node(node, flags, name, made=made)


_ACCESS = (MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE)
"""By O_ACCMODE."""


def _may_open(task: Task, node: Node, flags: int) -> None:
    """What kinds of nodes cannot be opened so, then what their owners allow (may_open).

    Errno ELOOP, EISDIR, EROFS, EACCES, EPERM, ETXTBSY.
    """
    writes = flags & O_ACCMODE != O_RDONLY or flags & O_TRUNC
    if node.link:
        raise Errno(errno.ELOOP)
    if node.directory and (writes or flags & O_CREAT):
        raise Errno(errno.EISDIR)
    if writes and node.regular:
        paths.writable(node)
    permission(node, _ACCESS[flags & O_ACCMODE] | (MAY_WRITE if flags & O_TRUNC else 0), task.cred)
    if flags & O_NOATIME and not owns(node, task.cred):
        raise Errno(errno.EPERM)
    if writes and node.regular and is_running(task.kernel, node):
        raise Errno(errno.ETXTBSY)


def _open_node(node: Node, flags: int, name: str, *, made: bool) -> File:
    """Open what was found, or made; Errno EINVAL for what cannot have O_DIRECT."""
    if isinstance(node, Directory):
        return DirectoryFile(node, flags & _KEPT, name)
    if flags & O_DIRECT and not (node.regular and node.direct):
        raise Errno(errno.EINVAL)
    file = node.open(flags & (_KEPT | (0 if made else O_TRUNC)), name)
    file.flags &= ~(O_TRUNC | O_NOCTTY)
    if flags & O_TRUNC and node.regular and not made:
        _truncate(node, file)
    return file


def _truncate(node: Node, file: File) -> None:
    from vmemu.vfs.regular import RegularFile

    if isinstance(file, RegularFile):
        body = file.body if file.writable else node.body(1)
        body.truncate(0)
        if body is not file.body:
            body.close()


def _unnamed(task: Task, node: Node, flags: int, mode: int) -> Node:
    """Make the file of O_TMPFILE; Errno ENOTDIR, EROFS, EACCES."""
    if not isinstance(node, Directory):
        raise Errno(errno.ENOTDIR)
    paths.writable(node)
    may_create(node, task.cred)
    return node.unnamed(mode & ~task.fs.umask & 0o7777, linkable=not flags & O_EXCL)


def _open(
    task: Task, dirfd: int, pointer: int, flags: int, mode: int, resolve: int = 0
) -> int | Blocking[int]:
    if flags & O_TMPFILE and (not flags & O_DIRECTORY or flags & O_ACCMODE == O_RDONLY):
        raise Errno(errno.EINVAL)
    if flags & O_CREAT and flags & O_DIRECTORY:
        raise Errno(errno.EINVAL)
    path = uaccess.read_path(task.mm, pointer)
    fd = task.files.alloc(0, task.limits.nofile)
    file = open_path(task, dirfd, path, flags, mode, resolve)
    if isinstance(file, File):
        return task.files.install(fd, file, bool(flags & O_CLOEXEC))
    return _open_later(task, file, flags)


def _open_later(task: Task, opening: Blocking[File], flags: int) -> Blocking[int]:
    """Give a FIFO its descriptor when the other end has been opened."""
    return install_new(task, (yield from opening), flags)


@syscall(5, "str", "openfl", "oct", x64=2)
def sys_open(task: Task, path: int, flags: int, mode: int) -> int | Blocking[int]:
    """Open a file."""
    return _open(task, AT_FDCWD, path, flags, mode)


@syscall(8, "str", "oct", x64=85)
def sys_creat(task: Task, path: int, mode: int) -> int | Blocking[int]:
    """Make a file, or empty one, and open it for writing."""
    return _open(task, AT_FDCWD, path, O_CREAT | O_TRUNC | 1, mode)


@syscall(295, "dirfd", "str", "openfl", "oct", x64=257)
def sys_openat(task: Task, dirfd: int, path: int, flags: int, mode: int) -> int | Blocking[int]:
    """Like open(); a relative path begins at a directory's descriptor."""
    return _open(task, dirfd, path, flags, mode)


_HOW_SIZE = 24
"""struct open_how."""
_ACCEPTED = (
    O_ACCMODE | SETTABLE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_DIRECTORY | O_NOFOLLOW
    | O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE | O_ASYNC | O_DSYNC | O_SYNC | O_DIRECT
    | O_LARGEFILE
)  # fmt: skip


@syscall(437, "dirfd", "str", "ptr", "size", x64=437)
def sys_openat2(task: Task, dirfd: int, path: int, how: int, size: int) -> int | Blocking[int]:
    """Like openat(), with flags that must be known, and bounds for the walk; Errno E2BIG."""
    if size < _HOW_SIZE:
        raise Errno(errno.EINVAL)
    if size > 4096:
        raise Errno(errno.E2BIG)
    flags, mode, resolve = uaccess.read_struct(task.mm, how, "3Q")
    if any(uaccess.read(task.mm, how + _HOW_SIZE, size - _HOW_SIZE)):
        raise Errno(errno.E2BIG)
    if flags & ~_ACCEPTED or resolve & ~RESOLVE_ALL:
        raise Errno(errno.EINVAL)
    if resolve & RESOLVE_BENEATH and resolve & RESOLVE_IN_ROOT:
        raise Errno(errno.EINVAL)
    creates = flags & (O_CREAT | O_TMPFILE)
    if mode & ~0o7777 or (mode and not creates):
        raise Errno(errno.EINVAL)
    if flags & O_PATH and flags & ~_WITH_PATH:
        raise Errno(errno.EINVAL)
    if resolve & RESOLVE_CACHED and flags & (O_TRUNC | O_CREAT | O_TMPFILE):
        raise Errno(errno.EAGAIN)
    return _open(task, dirfd, path, flags, mode, resolve & ~RESOLVE_CACHED)


@syscall(85, "str", "ptr", "uint", x64=89)
def sys_readlink(task: Task, path: int, pointer: int, size: int) -> int:
    """Read a link."""
    return _readlink(task, AT_FDCWD, path, pointer, size)


def _readlink(task: Task, dirfd: int, path: int, pointer: int, size: int) -> int:
    if not 0 < size < 1 << 31:
        raise Errno(errno.EINVAL)
    if dirfd != AT_FDCWD and not task.mm.read_cstr(path, uaccess.PATH_MAX):
        node = task.files.get(dirfd).node
        if node is None or not node.link:
            raise Errno(errno.ENOENT)
    else:
        node = paths.find(task, dirfd, path, follow=False)
    data = node.readlink()[:size]
    uaccess.write(task.mm, pointer, data)
    return len(data)


@syscall(305, "dirfd", "str", "ptr", "uint", x64=267)
def sys_readlinkat(task: Task, dirfd: int, path: int, pointer: int, size: int) -> int:
    """Like readlink()."""
    return _readlink(task, dirfd, path, pointer, size)


@syscall(60, "oct", x64=95)
def sys_umask(task: Task, mask: int) -> int:
    """Set the mask and return the old one."""
    old, task.fs.umask = task.fs.umask, mask & 0o777
    return old
