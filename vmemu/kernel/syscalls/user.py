"""System calls of users, groups and capabilities."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.cred import KEEP, Cap, Cred, Ids, narrow
from vmemu.kernel.process.task import PR_GET_PDEATHSIG
from vmemu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

NGROUPS_MAX = 65536


def _wide(number: int) -> int:
    """An id as the old calls get it (low2highuid)."""
    number &= 0xFFFF
    return KEEP if number == 0xFFFF else number


def _new(number: int) -> int:
    """An id that is to be set; Errno EINVAL for -1, which is nobody's."""
    if number in (KEEP, 0xFFFFFFFF):
        raise Errno(errno.EINVAL)
    return number


def _kept(number: int) -> int:
    return KEEP if number == 0xFFFFFFFF else number


def _become(task: Task, cred: Cred) -> int:
    """Somebody else from now on (commit_creds)."""
    old, task.cred = task.cred, cred
    same = old.user[1::2] == cred.user[1::2] and old.group[1::2] == cred.group[1::2]
    if not same or cred.permitted & ~old.permitted:
        task.dumpable = False
        task.prctl.pop(PR_GET_PDEATHSIG, None)
    task.kernel.refresh_ids()
    return 0


def _setuid(task: Task, number: int) -> int:
    cred = task.cred
    user = cred.user.set(_new(number), free=cred.capable(Cap.SETUID))
    return _become(task, cred.with_user(user))


def _setgid(task: Task, number: int) -> int:
    cred = task.cred
    group = cred.group.set(_new(number), free=cred.capable(Cap.SETGID))
    return _become(task, cred._replace(group=group))


def _setreuid(task: Task, real: int, effective: int) -> int:
    cred = task.cred
    user = cred.user.set_re(_kept(real), _kept(effective), free=cred.capable(Cap.SETUID))
    return _become(task, cred.with_user(user))


def _setregid(task: Task, real: int, effective: int) -> int:
    cred = task.cred
    group = cred.group.set_re(_kept(real), _kept(effective), free=cred.capable(Cap.SETGID))
    return _become(task, cred._replace(group=group))


def _setresuid(task: Task, *wanted: int) -> int:
    cred, ids = task.cred, [_kept(each) for each in wanted]
    user = cred.user.set_res(*ids, free=cred.capable(Cap.SETUID))
    return _become(task, cred.with_user(user))


def _setresgid(task: Task, *wanted: int) -> int:
    cred, ids = task.cred, [_kept(each) for each in wanted]
    group = cred.group.set_res(*ids, free=cred.capable(Cap.SETGID))
    return _become(task, cred._replace(group=group))


def _setfsuid(task: Task, number: int) -> int:
    cred, old = task.cred, task.cred.user
    if _kept(number) != KEEP:
        new = old.set_fs(number, free=cred.capable(Cap.SETUID))
        _become(task, cred.with_fs_user(new))
    return old.fs


def _setfsgid(task: Task, number: int) -> int:
    cred, old = task.cred, task.cred.group
    if _kept(number) != KEEP:
        new = old.set_fs(number, free=cred.capable(Cap.SETGID))
        _become(task, cred._replace(group=new))
    return old.fs


@syscall(213, "uint", x64=105, name="setuid32", name64="setuid")
def sys_setuid(task: Task, number: int) -> int:
    """Become a user; Errno EINVAL, EPERM."""
    return _setuid(task, number)


@syscall(214, "uint", x64=106, name="setgid32", name64="setgid")
def sys_setgid(task: Task, number: int) -> int:
    """Become one of a group; Errno EINVAL, EPERM."""
    return _setgid(task, number)


@syscall(203, "uint", "uint", x64=113, name="setreuid32", name64="setreuid")
def sys_setreuid(task: Task, real: int, effective: int) -> int:
    """Set the real and the effective user; Errno EPERM."""
    return _setreuid(task, real, effective)


@syscall(204, "uint", "uint", x64=114, name="setregid32", name64="setregid")
def sys_setregid(task: Task, real: int, effective: int) -> int:
    """Set the real and the effective group; Errno EPERM."""
    return _setregid(task, real, effective)


@syscall(208, "uint", "uint", "uint", x64=117, name="setresuid32", name64="setresuid")
def sys_setresuid(task: Task, real: int, effective: int, saved: int) -> int:
    """Set the saved user as well; Errno EPERM."""
    return _setresuid(task, real, effective, saved)


@syscall(210, "uint", "uint", "uint", x64=119, name="setresgid32", name64="setresgid")
def sys_setresgid(task: Task, real: int, effective: int, saved: int) -> int:
    """Set the saved group as well; Errno EPERM."""
    return _setresgid(task, real, effective, saved)


@syscall(215, "uint", x64=122, name="setfsuid32", name64="setfsuid")
def sys_setfsuid(task: Task, number: int) -> int:
    """Set the user for files, if one may; the one before."""
    return _setfsuid(task, number)


@syscall(216, "uint", x64=123, name="setfsgid32", name64="setfsgid")
def sys_setfsgid(task: Task, number: int) -> int:
    """Set the group for files, if one may; the one before."""
    return _setfsgid(task, number)


@syscall(23, "uint", name="setuid")
def sys_setuid16(task: Task, number: int) -> int:
    """The same with ids of 16 bits."""
    return _setuid(task, _wide(number))


@syscall(46, "uint", name="setgid")
def sys_setgid16(task: Task, number: int) -> int:
    """The same with ids of 16 bits."""
    return _setgid(task, _wide(number))


@syscall(70, "uint", "uint", name="setreuid")
def sys_setreuid16(task: Task, real: int, effective: int) -> int:
    """The same with ids of 16 bits."""
    return _setreuid(task, _wide(real), _wide(effective))


@syscall(71, "uint", "uint", name="setregid")
def sys_setregid16(task: Task, real: int, effective: int) -> int:
    """The same with ids of 16 bits."""
    return _setregid(task, _wide(real), _wide(effective))


@syscall(164, "uint", "uint", "uint", name="setresuid")
def sys_setresuid16(task: Task, real: int, effective: int, saved: int) -> int:
    """The same with ids of 16 bits."""
    return _setresuid(task, _wide(real), _wide(effective), _wide(saved))


@syscall(170, "uint", "uint", "uint", name="setresgid")
def sys_setresgid16(task: Task, real: int, effective: int, saved: int) -> int:
    """The same with ids of 16 bits."""
    return _setresgid(task, _wide(real), _wide(effective), _wide(saved))


@syscall(138, "uint", name="setfsuid")
def sys_setfsuid16(task: Task, number: int) -> int:
    """The same with ids of 16 bits."""
    return narrow(_setfsuid(task, _wide(number)))


@syscall(139, "uint", name="setfsgid")
def sys_setfsgid16(task: Task, number: int) -> int:
    """The same with ids of 16 bits."""
    return narrow(_setfsgid(task, _wide(number)))


def _tell(task: Task, ids: Ids, pointers: tuple[int, ...], form: str) -> int:
    for number, pointer in zip(ids[:3], pointers, strict=True):
        told = narrow(number) if form == "H" else number
        uaccess.write_struct(task.mm, pointer, form, told)
    return 0


@syscall(209, "ptr", "ptr", "ptr", x64=118, name="getresuid32", name64="getresuid")
def sys_getresuid(task: Task, real: int, effective: int, saved: int) -> int:
    """The real, the effective and the saved user."""
    return _tell(task, task.cred.user, (real, effective, saved), "I")


@syscall(211, "ptr", "ptr", "ptr", x64=120, name="getresgid32", name64="getresgid")
def sys_getresgid(task: Task, real: int, effective: int, saved: int) -> int:
    """The real, the effective and the saved group."""
    return _tell(task, task.cred.group, (real, effective, saved), "I")


@syscall(165, "ptr", "ptr", "ptr", name="getresuid")
def sys_getresuid16(task: Task, real: int, effective: int, saved: int) -> int:
    """The same with ids of 16 bits."""
    return _tell(task, task.cred.user, (real, effective, saved), "H")


@syscall(171, "ptr", "ptr", "ptr", name="getresgid")
def sys_getresgid16(task: Task, real: int, effective: int, saved: int) -> int:
    """The same with ids of 16 bits."""
    return _tell(task, task.cred.group, (real, effective, saved), "H")


def _getgroups(
    task: Task, count: int, pointer: int, form: str, told: Callable[[int], int] = int
) -> int:
    groups = task.cred.groups
    if count < 0:
        raise Errno(errno.EINVAL)
    if count:
        if len(groups) > count:
            raise Errno(errno.EINVAL)
        if groups:
            uaccess.write_struct(task.mm, pointer, f"{len(groups)}{form}", *map(told, groups))
    return len(groups)


def _setgroups(task: Task, count: int, pointer: int, form: str) -> int:
    if not task.cred.capable(Cap.SETGID):
        raise Errno(errno.EPERM)
    if not 0 <= count <= NGROUPS_MAX:
        raise Errno(errno.EINVAL)
    groups = uaccess.read_struct(task.mm, pointer, f"{count}{form}") if count else ()
    if form == "I" and 0xFFFFFFFF in groups:
        raise Errno(errno.EINVAL)
    if form == "H" and 0xFFFF in groups:
        raise Errno(errno.EINVAL)
    return _become(task, task.cred._replace(groups=tuple(sorted(groups))))


@syscall(205, "int", "ptr", x64=115, name="getgroups32", name64="getgroups")
def sys_getgroups(task: Task, count: int, pointer: int) -> int:
    """The supplementary groups; of none is asked for, how many they are."""
    return _getgroups(task, count, pointer, "I")


@syscall(206, "int", "ptr", x64=116, name="setgroups32", name64="setgroups")
def sys_setgroups(task: Task, count: int, pointer: int) -> int:
    """Set the supplementary groups; Errno EPERM, EINVAL, EFAULT."""
    return _setgroups(task, count, pointer, "I")


@syscall(80, "int", "ptr", name="getgroups")
def sys_getgroups16(task: Task, count: int, pointer: int) -> int:
    """The same with ids of 16 bits."""
    return _getgroups(task, count, pointer, "H", narrow)


@syscall(81, "int", "ptr", name="setgroups")
def sys_setgroups16(task: Task, count: int, pointer: int) -> int:
    """The same with ids of 16 bits."""
    return _setgroups(task, count, pointer, "H")


_VERSIONS = {0x19980330: 1, 0x20071026: 2, 0x20080522: 2}
"""How many words of 32 capabilities a version has."""
_NEWEST = 0x20080522


def _header(task: Task, pointer: int) -> tuple[int, int]:
    """How many words, and whose; Errno EINVAL for an unknown version, the known one is stored."""
    version, pid = uaccess.read_struct(task.mm, pointer, "Ii")
    words = _VERSIONS.get(version)
    if words is None:
        uaccess.write_struct(task.mm, pointer, "I", _NEWEST)
        raise Errno(errno.EINVAL)
    return words, pid


@syscall(184, "ptr", "ptr", x64=125)
def sys_capget(task: Task, header: int, data: int) -> int:
    """Effective, permitted and inheritable capabilities of oneself or another."""
    try:
        words, pid = _header(task, header)
    except Errno as error:
        if error.errno == errno.EINVAL and not data:
            return 0
        raise
    if not data:
        return 0
    if pid < 0:
        raise Errno(errno.EINVAL)
    target = task.kernel.tasks.get(pid) if pid else task
    if target is None or not target.alive:
        raise Errno(errno.ESRCH)
    cred = target.cred
    masks = (cred.effective, cred.permitted, cred.inheritable)
    out = [mask >> 32 * word & 0xFFFFFFFF for word in range(words) for mask in masks]
    uaccess.write_struct(task.mm, data, f"{len(out)}I", *out)
    return 0


@syscall(185, "ptr", "ptr", x64=126)
def sys_capset(task: Task, header: int, data: int) -> int:
    """Set one's own; Errno EPERM for more than is permitted, or for another's."""
    words, pid = _header(task, header)
    if pid not in (0, task.pid):
        raise Errno(errno.EPERM)
    read = uaccess.read_struct(task.mm, data, f"{3 * words}I")
    masks = [0, 0, 0]
    for at, word in enumerate(read):
        masks[at % 3] |= word << 32 * (at // 3)
    cred = task.cred
    effective, permitted, inheritable = (mask & (1 << 41) - 1 for mask in masks)
    may_inherit = cred.inheritable | cred.permitted
    if cred.capable(Cap.SETPCAP):
        may_inherit = cred.inheritable | cred.permitted | cred.bounding
    if inheritable & ~may_inherit or inheritable & ~(cred.inheritable | cred.bounding):
        raise Errno(errno.EPERM)
    if permitted & ~cred.permitted or effective & ~permitted:
        raise Errno(errno.EPERM)
    return _become(
        task,
        cred._replace(effective=effective, permitted=permitted, inheritable=inheritable),
    )
