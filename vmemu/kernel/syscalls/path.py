"""Paths as system calls get them: where they begin, and what they lead to."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.vfs.node import Directory, Node
from vmemu.vfs.permission import may_create
from vmemu.vfs.walk import Last, Walk

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task
    from vmemu.vfs.file import File

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_EMPTY_PATH = 0x1000


def begin(task: Task, dirfd: int, path: bytes) -> Directory:
    """Where a walk begins; Errno EBADF, ENOTDIR for a relative path and no open directory."""
    if path.startswith(b"/"):
        return task.fs.root
    if dirfd == AT_FDCWD:
        return task.fs.cwd
    node = task.files.get(dirfd).node
    if not isinstance(node, Directory):
        raise Errno(errno.ENOTDIR)
    return node


def find(task: Task, dirfd: int, pointer: int, *, follow: bool = True) -> Node:
    """Read a path and find what it stands for; Errno EFAULT, ENOENT, ENAMETOOLONG, ELOOP."""
    path = uaccess.read_path(task.mm, pointer)
    return Walk(task.fs.root, task.cred).find(begin(task, dirfd, path), path, follow=follow)


def find_or_open(task: Task, dirfd: int, pointer: int, *, follow: bool, empty: bool) -> Node | File:
    """The same; with AT_EMPTY_PATH an empty path means the descriptor itself."""
    if empty and not task.mm.read_cstr(pointer, uaccess.PATH_MAX):
        return task.fs.cwd if dirfd == AT_FDCWD else task.files.get(dirfd)
    return find(task, dirfd, pointer, follow=follow)


def node_or_open(task: Task, dirfd: int, pointer: int, *, follow: bool, empty: bool) -> Node:
    """The same, as a node; Errno EPERM for an open file that has none."""
    found = find_or_open(task, dirfd, pointer, follow=follow, empty=empty)
    return found if isinstance(found, Node) else open_node(found)


def open_node(file: File) -> Node:
    """The node of an open file; Errno EPERM for a pipe or a stream."""
    if file.node is None:
        raise Errno(errno.EPERM)
    return file.node


def parent(task: Task, dirfd: int, pointer: int) -> tuple[Walk, Last]:
    """Read a path and go to the directory that its last name is in."""
    path = uaccess.read_path(task.mm, pointer)
    walk = Walk(task.fs.root, task.cred)
    return walk, walk.parent(begin(task, dirfd, path), path)


def new_name(task: Task, dirfd: int, pointer: int, *, directory: bool = False) -> Last:
    """The place for a name that is not there yet; Errno EEXIST, ENOENT, EROFS, EACCES."""
    walk, last = parent(task, dirfd, pointer)
    walk.check_free(last, directory=directory)
    may_create(last.parent, task.cred)
    return last


def writable(node: Node) -> None:
    """Errno EROFS in a file system that is only read."""
    if node.fs.readonly:
        raise Errno(errno.EROFS)
