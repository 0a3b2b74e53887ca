"""clone3(): what a child is to be like in a structure that may grow (since 5.3)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

from vmemu.core import PAGE_SIZE
from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.cred import Cap
from vmemu.kernel.process.task import PID_MAX
from vmemu.kernel.signal.state import NSIG
from vmemu.kernel.syscalls.process import (
    CLONE_CLEAR_SIGHAND,
    CLONE_PARENT,
    CLONE_PARENT_SETTID,
    CLONE_PIDFD,
    CLONE_SIGHAND,
    CLONE_THREAD,
    CSIGNAL,
    CloneArgs,
    check_flags,
    kernel_clone,
)
from vmemu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task
    from vmemu.kernel.process.wait import Blocking

_CLONE_DETACHED = 0x400000
_CLONE_NEWTIME = 0x80
_CLONE_INTO_CGROUP = 0x200000000
_KNOWN = 0xFFFFFFFF | CLONE_CLEAR_SIGHAND | _CLONE_INTO_CGROUP
_SIZE_VER0, _SIZE = 64, 88
_MAX_PID_NS_LEVEL = 32
_INT_MAX = 0x7FFFFFFF


class _Given(NamedTuple):
    """struct clone_args: addresses and numbers of 64 bits in either width."""

    flags: int
    pidfd: int
    child_tid: int
    parent_tid: int
    exit_signal: int
    stack: int
    stack_size: int
    tls: int
    set_tid: int
    set_tid_size: int
    cgroup: int


def _read(task: Task, pointer: int, size: int) -> _Given:
    """What a caller knows of the structure, zeros for the rest (copy_struct_from_user).

    Errno E2BIG where it knows more that is not zero, or more than a page; EINVAL, EFAULT.
    """
    if size > PAGE_SIZE:
        raise Errno(errno.E2BIG)
    if size < _SIZE_VER0:
        raise Errno(errno.EINVAL)
    if size > _SIZE and any(uaccess.read(task.mm, pointer + _SIZE, size - _SIZE)):
        raise Errno(errno.E2BIG)
    data = uaccess.read(task.mm, pointer, min(size, _SIZE)).ljust(_SIZE, b"\0")
    return _Given._make(uaccess.layout_of(64, "11Q").unpack(data))


def _check_given(given: _Given, size: int) -> None:
    """Errno EINVAL for what cannot be, in whatever company."""
    tids, wanted = given.set_tid_size, given.set_tid
    if tids > _MAX_PID_NS_LEVEL or bool(tids) != bool(wanted):
        raise Errno(errno.EINVAL)
    if given.exit_signal > NSIG:
        raise Errno(errno.EINVAL)
    if given.flags & _CLONE_INTO_CGROUP and (given.cgroup > _INT_MAX or size < _SIZE):
        raise Errno(errno.EINVAL)


def _check_together(task: Task, given: _Given) -> None:
    """Errno EINVAL for flags, signal and stack that do not go together (clone3_args_valid)."""
    flags, mask = given.flags, task.kernel.core.mask
    if flags & ~_KNOWN or flags & (_CLONE_DETACHED | CSIGNAL & ~_CLONE_NEWTIME):
        raise Errno(errno.EINVAL)
    if flags & CLONE_SIGHAND and flags & CLONE_CLEAR_SIGHAND:
        raise Errno(errno.EINVAL)
    if flags & (CLONE_THREAD | CLONE_PARENT) and given.exit_signal:
        raise Errno(errno.EINVAL)
    stack, size = given.stack & mask, given.stack_size & mask
    if bool(stack) != bool(size) or stack + size > task.kernel.core.task_size:
        raise Errno(errno.EINVAL)
    if flags & _CLONE_NEWTIME:
        raise Errno(errno.EINVAL)  # there are no namespaces
    if (
        flags & CLONE_PIDFD
        and flags & CLONE_PARENT_SETTID
        and given.pidfd & mask == given.parent_tid & mask
    ):
        raise Errno(errno.EINVAL)


def _check_tid(task: Task, tids: tuple[int, ...]) -> int:
    """The id that a child is to have, 0 for any; Errno EINVAL, EPERM.

    There is one namespace, so it can have one.
    """
    if not tids:
        return 0
    if len(tids) > 1 or not 1 <= tids[0] < PID_MAX:
        raise Errno(errno.EINVAL)
    if not task.cred.capable(Cap.CHECKPOINT_RESTORE) and not task.cred.capable(Cap.SYS_ADMIN):
        raise Errno(errno.EPERM)
    return tids[0]


@syscall(435, "cloneargs", "size", x64=435)
def sys_clone3(task: Task, pointer: int, size: int) -> int | Blocking[int]:
    """clone() with a signal, a descriptor and an id of their own, and with handlers cleared."""
    given, mask = _read(task, pointer, size), task.kernel.core.mask
    _check_given(given, size)
    tids: tuple[int, ...] = ()
    if given.set_tid:
        tids = uaccess.read_struct(task.mm, given.set_tid & mask, f"{given.set_tid_size}i")
    _check_together(task, given)
    stack = (given.stack + given.stack_size) & mask
    check_flags(given.flags)
    tid = _check_tid(task, tids)
    if given.flags & _CLONE_INTO_CGROUP:
        raise Errno(errno.EBADF)  # no descriptor is a control group's
    args = CloneArgs(
        given.flags, given.exit_signal, stack, given.tls & mask, given.pidfd & mask,
        given.parent_tid & mask, given.child_tid & mask, tid, modern=True,
    )  # fmt: skip
    return kernel_clone(task, args)
