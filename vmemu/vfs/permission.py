"""Who may do what with a file: modes, owners and capabilities (fs/namei.c, fs/attr.c).

Every refusal that comes from an owner or a mode is decided here.  A node whose owner nobody
has told belongs to whoever asks: a stream of the host, which `Opened` refuses by its flags.
"""

from __future__ import annotations

import errno
import stat
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.process.cred import Cap

if TYPE_CHECKING:
    from vmemu.kernel.process.cred import Cred
    from vmemu.vfs.file import FileStat
    from vmemu.vfs.node import Directory, Node

__all__ = [
    "MAY_EXEC", "MAY_READ", "MAY_WRITE", "init_owner", "kept_mode", "may_chmod", "may_chown",
    "may_create", "may_delete", "may_link", "may_set_times", "owns", "permission", "plain_mode",
    "searches_all",
]  # fmt: skip

MAY_EXEC, MAY_WRITE, MAY_READ = 1, 2, 4


def _in_group(gid: int | None, cred: Cred) -> bool:
    return gid is None or gid == cred.group.fs or gid in cred.groups


def _is_owner(told: FileStat, cred: Cred) -> bool:
    return told.uid is None or told.uid == cred.user.fs


def searches_all(cred: Cred) -> bool:
    """Whether no directory's mode keeps it out."""
    return cred.capable(Cap.DAC_OVERRIDE) or cred.capable(Cap.DAC_READ_SEARCH)


def permission(node: Node, want: int, cred: Cred) -> None:
    """Errno EACCES unless a file may be used so (inode_permission, generic_permission)."""
    if cred.capable(Cap.DAC_OVERRIDE) and (node.directory or not want & MAY_EXEC):
        return
    admitted = node.admits(cred)
    if admitted is not None:
        if not admitted:
            raise Errno(errno.EACCES)
        return
    told = node.stat()
    if _is_owner(told, cred):
        bits = told.mode >> 6
    elif _in_group(told.gid, cred):
        bits = told.mode >> 3
    else:
        bits = told.mode
    if not want & ~bits & 7:
        return
    if cred.capable(Cap.DAC_OVERRIDE) and told.mode & 0o111:
        return
    reads = want == MAY_READ or (node.directory and not want & MAY_WRITE)
    if reads and cred.capable(Cap.DAC_READ_SEARCH):
        return
    raise Errno(errno.EACCES)


def may_create(directory: Directory, cred: Cred) -> None:
    """Errno EACCES unless names may be made in a directory."""
    permission(directory, MAY_WRITE | MAY_EXEC, cred)


def may_delete(directory: Directory, node: Node, cred: Cred) -> None:
    """Errno EACCES unless a name may be taken away, EPERM if the sticky bit keeps it."""
    may_create(directory, cred)
    told = directory.stat()
    if not told.mode & stat.S_ISVTX or _is_owner(told, cred) or cred.capable(Cap.FOWNER):
        return
    if not _is_owner(node.stat(), cred):
        raise Errno(errno.EPERM)


def may_link(node: Node, cred: Cred) -> None:
    """Errno EPERM for others' files that cannot be read and written, if protected_hardlinks is 1.

    It asks nothing of the directory (may_linkat, 3.6).
    """
    if owns(node, cred):
        return
    mode = node.stat().mode
    both = stat.S_ISGID | stat.S_IXGRP
    if not node.regular or mode & stat.S_ISUID or mode & both == both:
        raise Errno(errno.EPERM)
    try:
        permission(node, MAY_READ | MAY_WRITE, cred)
    except Errno:
        raise Errno(errno.EPERM) from None


def owns(node: Node, cred: Cred) -> bool:
    """It is one's own, or one may do as if (inode_owner_or_capable)."""
    return cred.capable(Cap.FOWNER) or _is_owner(node.stat(), cred)


def may_chmod(node: Node, mode: int, cred: Cred) -> int:
    """The mode that it will have: a group of others gets no setgid.  Errno EPERM."""
    if not owns(node, cred):
        raise Errno(errno.EPERM)
    if not _in_group(node.stat().gid, cred) and not cred.capable(Cap.FSETID):
        mode &= ~stat.S_ISGID
    return mode


def may_chown(node: Node, uid: int | None, gid: int | None, cred: Cred) -> None:
    """Errno EPERM unless it may be given to them; owners may choose among their own groups.

    What loses setuid or setgid by it must be one's own as well.
    """
    told = node.stat()
    loses = not node.directory and plain_mode(told.mode, told.gid, cred) != told.mode
    if loses and not owns(node, cred):
        raise Errno(errno.EPERM)
    if cred.capable(Cap.CHOWN) or (uid is None and gid is None):
        return
    mine = _is_owner(told, cred)
    if uid is not None and not (mine and uid in (told.uid, None)):
        raise Errno(errno.EPERM)
    if gid is not None and not (mine and (gid == told.gid or _in_group(gid, cred))):
        raise Errno(errno.EPERM)


def may_set_times(node: Node, cred: Cred, *, now: bool) -> None:
    """Errno EPERM; of a time that is now, which whoever may write can set, EACCES."""
    if owns(node, cred):
        return
    if not now:
        raise Errno(errno.EPERM)
    permission(node, MAY_WRITE, cred)


def init_owner(directory: Directory, mode: int, cred: Cred) -> tuple[int, int, int]:
    """User, group and mode of what is made in a directory (inode_init_owner)."""
    above, gid = directory.stat(), cred.group.fs
    if above.mode & stat.S_ISGID:
        gid = above.gid or 0
        if stat.S_ISDIR(mode):
            mode |= stat.S_ISGID
        elif mode & (stat.S_ISGID | stat.S_IXGRP) == stat.S_ISGID | stat.S_IXGRP and not (
            _in_group(gid, cred) or cred.capable(Cap.FSETID)
        ):
            mode &= ~stat.S_ISGID
    return cred.user.fs, gid, mode


def plain_mode(mode: int, gid: int | None, cred: Cred) -> int:
    """A mode without setuid and setgid, as a file has it with another owner.

    Without a group that executes, setgid is lost by other groups' files only (6.2).
    """
    if mode & stat.S_IXGRP or not (_in_group(gid, cred) or cred.capable(Cap.FSETID)):
        mode &= ~stat.S_ISGID
    return mode & ~stat.S_ISUID


def kept_mode(mode: int, gid: int | None, cred: Cred) -> int:
    """What is left of a program's mode when its content changes (file_remove_privs)."""
    return mode if cred.capable(Cap.FSETID) else plain_mode(mode, gid, cred)
