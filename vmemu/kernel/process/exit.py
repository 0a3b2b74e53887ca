"""The end of a task: exit, stop, and what the parent learns (kernel/exit.c)."""

from __future__ import annotations

import contextlib
from heapq import heappush
from typing import TYPE_CHECKING

from vmemu.core import lib
from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.futex import futex_key
from vmemu.kernel.process.job import leave_orphans
from vmemu.kernel.process.robust import exit_robust_list
from vmemu.kernel.process.task import PR_GET_PDEATHSIG, Task, TaskState
from vmemu.kernel.process.wait import WaitStatus
from vmemu.kernel.signal.state import (
    SI_USER,
    SIG_IGN,
    SaFlags,
    SigInfo,
    Signal,
    child_info,
    notify_parent,
    notify_parent_stop,
    retarget_shared,
    send_group_signal,
    signal_wake_up,
)

if TYPE_CHECKING:
    from vmemu.kernel.process.group import ThreadGroup
    from vmemu.mm import Mm

__all__ = [
    "de_thread",
    "exit_group",
    "exit_sem",
    "exit_task",
    "release_mm",
    "stop_group",
    "stop_task",
    "zap_other_threads",
]


def release_mm(task: Task, *, tell: bool = True) -> Mm | None:
    """Take the address space from a task and let a vfork parent go on (mm_release).

    The words in it that others wait for are set, if ``tell``.  The caller puts the mm it gets.
    """
    mm = task.memory
    if mm is not None and tell:
        exit_robust_list(task, mm)
        _clear_child_tid(task, mm)
    task.memory = None
    parent = task.vfork_parent
    if parent is not None:
        task.vfork_parent = None
        task.vfork_wait.wake_up()
    return mm


def exit_sem(task: Task) -> None:
    """What it did to semaphores is taken back, unless others share that (exit_sem)."""
    undo, task.undo = task.undo, None
    if undo is not None:
        undo.leave(task.tgid)


def exit_mm(task: Task, tell: bool) -> None:
    """Free a task's memory, if nobody shares it (exit_mm)."""
    mm = release_mm(task, tell=tell)
    if mm is None:
        return
    kernel = task.kernel
    if kernel.current is task:
        kernel.account()
        kernel.current = None
        kernel.cpu.switch(None, None)
    mm.put()
    kernel.cpu.free_context(task.context)


def exit_group(task: Task, status: WaitStatus) -> None:
    """End a task and all other threads of its process, which has this status (do_group_exit)."""
    group = task.group
    if group.exit_status is None:
        group.exit_status = status
    zap_other_threads(task)
    exit_task(task, status)


def zap_other_threads(task: Task) -> None:
    """End all other threads of a process, here and now (zap_other_threads)."""
    status = task.group.exit_status or WaitStatus(Signal.SIGKILL, signaled=True)
    for other in task.group.living():
        if other is not task:
            exit_task(other, status)


def de_thread(task: Task) -> None:
    """End all other threads of a process; this one is the leader then, under its id (de_thread)."""
    zap_other_threads(task)
    if not task.is_leader:
        kernel = task.kernel
        if kernel.first is task.group.leader:
            kernel.first = task
        task.exit_signal = Signal.SIGCHLD
        kernel.tasks.replace_leader(task)
        kernel.core.m.pid = task.pid
        kernel.refresh_ids()


def exit_task(task: Task, status: WaitStatus, *, tell: bool = True) -> None:
    """End one thread: free its memory and files; with the last one the process ends (do_exit).

    With ``tell`` it writes what it has promised to its memory: robust futexes, the cleared tid.
    Not so where somebody holds an mmap_sem, of whatever mm.
    """
    kernel, group = task.kernel, task.group
    last = group.live == 1
    if kernel.strace is not None:
        from vmemu.kernel.strace import trace_exit

        trace_exit(task, status)
    if last:
        kernel.call_hook("on_exit", task, group.exit_status or status)
    kernel.core.event(lib.EV_exit, task.pid, status.encode(), 0)
    if task.call is not None and task.call.blocked is not None and task is not kernel.current:
        task.call.blocked.close()
    task.call = None
    kernel.sched.remove(task)
    task.state = TaskState.ZOMBIE
    task.exit_status = status
    group.live -= 1
    if last and group.timers is not None:
        group.timers.exit()
    exit_mm(task, tell)
    exit_sem(task)
    task.files.exit()
    task.fs.exit()
    task.set_exe(task.exe, None)
    if last:
        kernel.jobs.disown(group, exits=True)
        leave_orphans(group.leader, _reaper(group))
    _forget_children(task)
    kernel.refresh_ids()
    if not task.is_leader:
        kernel.tasks.release(task)
    if last:
        _exit_notify(group)
        return
    retarget_shared(task)
    if group.stop_signal and group.stopped and group.status is None:
        _tell_stop(group)


def _clear_child_tid(task: Task, mm: Mm) -> None:
    address, task.clear_child_tid = task.clear_child_tid, 0
    if address and mm.ptr.mm_users > 1:
        with contextlib.suppress(Errno):
            uaccess.write_struct(mm, address, "I", 0)
            task.kernel.futexes.wake(futex_key(mm, address, False), 1)


def _reaper(group: ThreadGroup) -> ThreadGroup | None:
    """Who inherits a process's children: the nearest above that asked to, or init, which is None
    (find_new_reaper).
    """
    above = group.parent
    while above is not None and not (above.subreaper and above.alive):
        above = above.parent
    return above


def _forget_children(task: Task) -> None:
    """Another thread of the process becomes their parent, or who reaps its orphans
    (forget_original_parent).

    Those that asked for a signal at the end of the thread that made them get it.
    """
    group = task.group
    heir = group if group.alive else _reaper(group)
    thread = None if heir is None else heir.living()[0]
    for child in tuple(group.children.values()):
        orphan = child.group
        if heir is group and orphan.parent_thread is not task:
            continue
        orphan.parent_thread = thread
        if heir is not group:
            del group.children[child.pid]
            orphan.parent = heir
            child.exit_signal = Signal.SIGCHLD
            if heir is not None:
                heir.children[child.pid] = child
        for member in orphan.living():
            if number := member.prctl.get(PR_GET_PDEATHSIG):
                uid = task.cred.user.real
                send_group_signal(orphan, SigInfo(number, SI_USER, pid=task.tgid, uid=uid))
        if heir is not group and not orphan.alive:
            _exit_notify(orphan)


def _exit_notify(group: ThreadGroup) -> None:
    """A process is over: its leader waits for the parent to reap it (exit_notify)."""
    parent, leader = group.parent, group.leader
    group.status = status = group.exit_status or leader.exit_status
    assert status is not None
    if group.ended is not None:
        group.ended.wake_up()
    if parent is None:
        leader.kernel.tasks.release(leader)
        return
    action = parent.leader.signals.action(Signal.SIGCHLD)
    ignored = action.handler == SIG_IGN or action.flags & SaFlags.NOCLDWAIT
    if leader.exit_signal == Signal.SIGCHLD and ignored:
        leader.kernel.tasks.release(leader)
        if action.handler != SIG_IGN:
            send_group_signal(parent, child_info(leader, status))
        parent.child_wait.wake_up()
        return
    heappush(parent.zombies, (leader.birth, leader))
    if leader.exit_signal:
        notify_parent(group, child_info(leader, status))
    else:
        parent.child_wait.wake_up()


def stop_group(task: Task, number: int) -> None:
    """Stop a process until SIGCONT, this thread of it now (do_signal_stop).

    The others stop on their way back to user code; those in an interruptible sleep wake up for it.
    """
    group = task.group
    group.stop_signal = number
    group.status = None
    for other in group.living():
        if other is not task and not other.stopped:
            other.signals.stopping = True
            signal_wake_up(other)
    stop_task(task)


def stop_task(task: Task) -> None:
    """Stop a thread; the parent learns of it when it was the last one (handle_group_stop)."""
    task.signals.stopping = False
    task.kernel.sched.remove(task)
    task.state = TaskState.STOPPED
    if task.group.stopped:
        _tell_stop(task.group)


def _tell_stop(group: ThreadGroup) -> None:
    group.status = WaitStatus(group.stop_signal, stopped=True)
    notify_parent_stop(group, group.status)
