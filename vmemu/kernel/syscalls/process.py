"""System calls of processes: fork, clone, exit."""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING, NamedTuple

from vmemu.core import lib
from vmemu.cpu import GDT_ENTRY_TLS_MAX, GDT_ENTRY_TLS_MIN, UserDesc
from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.hold import TASK_BYTES
from vmemu.kernel.process.cred import Cap
from vmemu.kernel.process.exit import exit_group, exit_task
from vmemu.kernel.process.limits import RLIM_INFINITY, Resource
from vmemu.kernel.process.task import INIT_PID, Task
from vmemu.kernel.process.wait import Blocking, Wait, WaitStatus
from vmemu.kernel.signal.state import NSIG, AltStack, Signal
from vmemu.kernel.syscalls.misc import read_user_desc
from vmemu.kernel.syscalls.prctl import inherited
from vmemu.kernel.syscalls.table import s32, syscall
from vmemu.mm import dup_mmap

if TYPE_CHECKING:
    from vmemu.kernel.ipc.undo import UndoList
    from vmemu.mm import Mm

CSIGNAL = 0xFF
CLONE_VM = 0x100
CLONE_FS = 0x200
CLONE_FILES = 0x400
CLONE_SIGHAND = 0x800
CLONE_PIDFD = 0x1000
CLONE_VFORK = 0x4000
CLONE_PARENT = 0x8000
CLONE_THREAD = 0x10000
CLONE_SYSVSEM = 0x40000
CLONE_SETTLS = 0x80000
CLONE_PARENT_SETTID = 0x100000
CLONE_CHILD_CLEARTID = 0x200000
CLONE_CHILD_SETTID = 0x1000000
CLONE_CLEAR_SIGHAND = 0x100000000
_NAMESPACES = 0x7E020000
"""CLONE_NEWNS to CLONE_NEWNET."""


class CloneArgs(NamedTuple):
    """What a child is to be like (struct kernel_clone_args); addresses are user memory's."""

    flags: int
    """CLONE_* without CSIGNAL."""
    exit_signal: int = 0
    stack: int = 0
    """Its stack pointer; 0: the caller's."""
    tls: int = 0
    pidfd: int = 0
    """Where CLONE_PIDFD tells the descriptor."""
    parent_tid: int = 0
    child_tid: int = 0
    tid: int = 0
    """The id that it is to have; 0: any."""
    modern: bool = False
    """Of clone3(): CLONE_PARENT_SETTID tells once there is a child, and minds no bad address."""


def do_fork(task: Task, flags: int, stack: int = 0, parent_tid: int = 0, *, tid: int = 0) -> Task:
    """Make a child, or a thread, that goes on where the caller is, with 0 as result (do_fork).

    stack is its stack pointer, 0 = the parent's; parent_tid the word that CLONE_PARENT_SETTID sets
    before there is a child, unless it is 0 and somebody else does; tid the id that it is to have.
    The child runs after everybody who is runnable now.  Raises
    Errno EAGAIN without a free id or with as many tasks as there may be, EFAULT, ENOMEM, EEXIST.
    """
    kernel = task.kernel
    if not flags & CLONE_THREAD:
        _check_processes(task)
    pid = kernel.tasks.alloc_pid(tid)
    if flags & CLONE_PARENT_SETTID:
        uaccess.write_struct(task.mm, parent_tid, "I", pid)
    kernel.hold.charge(TASK_BYTES)
    files = None
    try:
        files = task.files.share() if flags & CLONE_FILES else task.files.copy()
        mm = _copy_mm(task, flags)
    except Errno:
        if files is not None:
            files.exit()
        kernel.hold.uncharge(TASK_BYTES)
        raise
    thread = bool(flags & CLONE_THREAD)
    child = Task(
        kernel,
        pid,
        task.parent if flags & CLONE_PARENT else task.group,
        kernel.cpu.clone_context(task.context),
        files,
        task.fs.share() if flags & CLONE_FS else task.fs.copy(),
        task.signals.thread() if thread else task.signals.fork(),
        group=task.group if thread else None,
        limits=None if thread else task.limits.copy(),
        memory=mm,
    )
    child.comm = task.comm
    child.set_exe(task.exe, task.exe_node)
    child.nice, child.personality = task.nice, task.personality
    child.cred, child.policy = task.cred, task.policy
    child.prctl = inherited(task.prctl)
    child.start_time = kernel.sched.now
    child.exit_signal = -1 if thread else flags & CSIGNAL
    if not thread:
        group = child.group
        group.pgrp, group.session, group.tty = task.pgrp, task.session, task.group.tty
        group.oom_score_adj = task.group.oom_score_adj
        group.parent_thread = task.group.parent_thread if flags & CLONE_PARENT else task
    if flags & CLONE_SYSVSEM:
        child.undo = _share_undo(task)
    if flags & CLONE_SIGHAND:
        child.signals.actions = task.signals.actions
    if flags & CLONE_VM and not flags & CLONE_VFORK:
        child.signals.stack = AltStack()
    child.start_regs = {"ax": 0} | ({"sp": stack} if stack else {})
    kernel.tasks.add(child)
    kernel.sched.enqueue(child)
    kernel.core.event(lib.EV_fork, pid, 0, 0)
    return child


def _share_undo(task: Task) -> UndoList:
    """What both will take back of semaphores (copy_semundo)."""
    from vmemu.kernel.ipc.undo import UndoList

    if task.undo is None:
        task.undo = UndoList()
    return task.undo.share()


def _check_processes(task: Task) -> None:
    """Errno EAGAIN for a user, other than root, with as many as RLIMIT_NPROC says."""
    limit = task.limits.soft.get(Resource.NPROC)
    if limit is None or limit == RLIM_INFINITY:
        return
    cred = task.cred
    if not cred.user.real or cred.capable(Cap.SYS_RESOURCE) or cred.capable(Cap.SYS_ADMIN):
        return
    owned = sum(each.cred.user.real == cred.user.real for each in task.kernel.tasks)
    if owned >= limit:
        raise Errno(errno.EAGAIN)


def _copy_mm(task: Task, flags: int) -> Mm:
    """The child's address space (copy_mm); Errno ENOMEM."""
    if not flags & CLONE_VM:
        mm = dup_mmap(task.mm)
        if len(task.kernel.shm):
            task.kernel.shm.settle()  # what was attached is so once more
        return mm
    task.mm.get()
    return task.mm


def _wait_for_vfork(task: Task, child: Task) -> Blocking[int]:
    """Sleep until the child has its own mm or none (wait_for_completion)."""
    child.vfork_parent = task

    def done() -> bool:
        return child.vfork_parent is None

    while not done():
        what = f"process {child.pid} to execute or exit"
        yield Wait(what, (child.vfork_wait,), done, interruptible=False)
    return child.pid


@syscall(2, x64=57)
def sys_fork(task: Task) -> int:
    """Copy the process."""
    return do_fork(task, Signal.SIGCHLD).pid


@syscall(190, x64=58)
def sys_vfork(task: Task) -> Blocking[int]:
    """Lend the address space to a child and sleep until it gives it back."""
    child = do_fork(task, CLONE_VM | CLONE_VFORK | Signal.SIGCHLD)
    return (yield from _wait_for_vfork(task, child))


def _clone_segment(task: Task, tls: int) -> tuple[int, UserDesc]:
    """The child's TLS segment; Errno EFAULT, EINVAL unless entry and segment are given."""
    entry, desc = read_user_desc(task, tls)
    if desc.empty or not GDT_ENTRY_TLS_MIN <= entry <= GDT_ENTRY_TLS_MAX:
        raise Errno(errno.EINVAL)
    return entry, desc


def _reserve(task: Task, pointer: int) -> int:
    """The descriptor that a child will have, told before there is one; Errno EMFILE, EFAULT."""
    fd = task.files.alloc(0, task.limits.nofile)
    uaccess.write_struct(task.mm, pointer, "I", fd)
    return fd


def check_flags(flags: int) -> None:
    """Errno EINVAL for what cannot be together, and for what there is not."""
    if flags & CLONE_THREAD and not flags & CLONE_SIGHAND:
        raise Errno(errno.EINVAL)
    if flags & CLONE_SIGHAND and not flags & CLONE_VM:
        raise Errno(errno.EINVAL)
    if (flags & CLONE_PIDFD and flags & CLONE_THREAD) or flags & _NAMESPACES:
        raise Errno(errno.EINVAL)


def kernel_clone(task: Task, args: CloneArgs) -> Blocking[int]:
    """Make a child or a thread and tell whoever is to know its id (kernel_clone); the id."""
    flags, bits = args.flags, task.kernel.abi.bits
    check_flags(flags)
    segment = None
    if flags & CLONE_SETTLS and bits == 32:
        segment = _clone_segment(task, args.tls)
    elif flags & CLONE_SETTLS and args.tls >= task.kernel.core.task_size:
        raise Errno(errno.EPERM)
    pidfd = _reserve(task, args.pidfd) if flags & CLONE_PIDFD else -1
    told = flags & CLONE_PARENT_SETTID and args.modern
    child = do_fork(
        task,
        (flags & ~CLONE_PARENT_SETTID if told else flags) | args.exit_signal,
        args.stack,
        args.parent_tid,
        tid=args.tid,
    )
    if pidfd >= 0:
        from vmemu.vfs.pidfd import PidFile

        with contextlib.suppress(Errno):  # it cannot be had, and the child is there
            task.files.install(pidfd, PidFile(child.group, 0), True)
    if segment is not None:
        task.kernel.cpu.set_tls(child.context, *segment)
    elif flags & CLONE_SETTLS:
        task.kernel.cpu.set_base(child.context, "fs", args.tls)
    if told:
        with contextlib.suppress(Errno):
            uaccess.write_struct(task.mm, args.parent_tid, "I", child.pid)
    if flags & CLONE_CHILD_SETTID:
        with contextlib.suppress(Errno):  # schedule_tail() does not look
            uaccess.write_struct(child.mm, args.child_tid, "I", child.pid)
    if flags & CLONE_CHILD_CLEARTID:
        child.clear_child_tid = args.child_tid
    if flags & CLONE_CLEAR_SIGHAND:
        child.signals.reset_handlers()
    if args.modern and flags & CLONE_PARENT and not flags & CLONE_THREAD:
        child.exit_signal = task.group.leader.exit_signal
    if flags & CLONE_VFORK:
        return (yield from _wait_for_vfork(task, child))
    return child.pid


@syscall(120, "clonefl", "ptr", "ptr", "ptr", "ptr")
def sys_clone(
    task: Task, flags: int, stack: int, parent_tid: int, tls: int, child_tid: int
) -> Blocking[int]:
    """fork() with what is shared spelled out; a thread shares signals, and those share memory."""
    check_flags(flags)
    if flags & CSIGNAL > NSIG:
        raise Errno(errno.EINVAL)
    if flags & CLONE_PIDFD and flags & CLONE_PARENT_SETTID:
        raise Errno(errno.EINVAL)  # both are told at one address
    args = CloneArgs(
        flags & ~CSIGNAL, flags & CSIGNAL, stack, tls, parent_tid, parent_tid, child_tid
    )
    return kernel_clone(task, args)


@syscall(None, "clonefl", "ptr", "ptr", "ptr", "ptr", x64=56, name="clone")
def sys_clone_64(
    task: Task, flags: int, stack: int, parent_tid: int, child_tid: int, tls: int
) -> Blocking[int]:
    """The same; the last two are the other way round, and tls is an address."""
    return sys_clone(task, flags, stack, parent_tid, tls, child_tid)


@syscall(1, "int", x64=60)
def sys_exit(task: Task, code: int) -> int:
    """End the thread, and with the last one the process."""
    exit_task(task, WaitStatus(code & 0xFF))
    return 0


@syscall(252, "int", x64=231)
def sys_exit_group(task: Task, code: int) -> int:
    """End the process."""
    exit_group(task, WaitStatus(code & 0xFF))
    return 0


@syscall(258, "ptr", x64=218)
def sys_set_tid_address(task: Task, pointer: int) -> int:
    """Remember which word to clear when the task ends."""
    task.clear_child_tid = pointer
    return task.pid


@syscall(158, x64=24)
def sys_sched_yield(task: Task) -> int:
    """Let the others run first."""
    task.kernel.sched.end_slice()
    return 0


@syscall(34, "int")
def sys_nice(task: Task, increment: int) -> int:
    """Change how badly the task would be missed; scheduling does not care.  Errno EPERM."""
    nice = max(-20, min(19, task.nice + max(-40, min(40, s32(increment)))))
    if nice < task.nice and not _can_nice(task, nice):
        raise Errno(errno.EPERM)
    task.nice = nice
    return 0


def _can_nice(task: Task, nice: int) -> bool:
    """RLIMIT_NICE allows it, from 19 for 1 to -20 for 40, or one may do without (can_nice)."""
    return task.cred.capable(Cap.SYS_NICE) or 20 - nice <= task.limits.soft.get(Resource.NICE, 0)


_PRIO_PROCESS, _PRIO_PGRP, _PRIO_USER = range(3)


def _nice_targets(task: Task, which: int, who: int) -> list[Task]:
    """Whom getpriority() and setpriority() mean; Errno EINVAL, ESRCH."""
    tasks = task.kernel.tasks
    if which == _PRIO_PROCESS:
        found = task if not who else tasks.get(who)
        targets = [] if found is None else [found]
    elif which == _PRIO_PGRP:
        targets = tasks.group(who or task.pgrp)
    elif which == _PRIO_USER:
        uid = who or task.cred.user.real
        targets = [each for each in tasks if each.alive and each.cred.user.real == uid]
    else:
        raise Errno(errno.EINVAL)
    if not targets:
        raise Errno(errno.ESRCH)
    return targets


@syscall(96, "int", "pid", x64=140)
def sys_getpriority(task: Task, which: int, who: int) -> int:
    """Give 20 - nice, the best of a process, a group or a user."""
    if which == _PRIO_PROCESS and who == INIT_PID:
        return 20
    return 20 - min(target.nice for target in _nice_targets(task, which, who))


@syscall(97, "int", "pid", "int", x64=141)
def sys_setpriority(task: Task, which: int, who: int, value: int) -> int:
    """Set the nice value of a process, a group or a user; Errno EINVAL, ESRCH, EPERM, EACCES."""
    failed = 0
    nice, user = max(-20, min(19, value)), task.cred.user.effective
    for target in _nice_targets(task, which, who):
        its = target.cred.user
        if user not in (its.real, its.effective) and not task.cred.capable(Cap.SYS_NICE):
            failed = errno.EPERM
        elif nice < target.nice and not _can_nice(task, nice):
            failed = errno.EACCES
        else:
            target.nice = nice
    if failed:
        raise Errno(failed)
    return 0
