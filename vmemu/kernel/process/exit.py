"""The end of a task: exit, stop, and what the parent learns (kernel/exit.c)."""

from __future__ import annotations

from heapq import heappush
from typing import TYPE_CHECKING

from vmemu.core import lib
from vmemu.errors import Errno
from vmemu.kernel.process.futex import ANY
from vmemu.kernel.process.task import Task, TaskState
from vmemu.kernel.process.wait import WaitStatus
from vmemu.kernel.signal.state import (
    SIG_IGN,
    SaFlags,
    Signal,
    child_info,
    notify_parent,
    notify_parent_stop,
    send_signal,
)

if TYPE_CHECKING:
    from vmemu.mm import Mm

__all__ = ["exit_task", "release_mm", "stop_task"]


def release_mm(task: Task) -> Mm | None:
    """Take the address space from a task and let a vfork parent go on (mm_release).

    The caller puts the mm it gets.
    """
    mm = task.memory
    task.memory = None
    parent = task.vfork_parent
    if parent is not None:
        task.vfork_parent = None
        task.vfork_wait.wake_up()
    return mm


def exit_mm(task: Task) -> None:
    """Free a task's memory, if nobody shares it (exit_mm)."""
    mm = release_mm(task)
    if mm is None:
        return
    kernel = task.kernel
    if kernel.current is task:
        kernel.account()
        kernel.current = None
        kernel.cpu.switch(None, None)
    mm.put()
    kernel.cpu.free_context(task.context)


def exit_task(task: Task, status: WaitStatus, *, clear_tid: bool = True) -> None:
    """End a task: free its memory and files, hand its children on, tell its parent (do_exit).

    Whoever holds an mmap_sem, of whatever mm, must not have the task's tid cleared.
    """
    kernel = task.kernel
    if kernel.strace is not None:
        from vmemu.kernel.strace import trace_exit

        trace_exit(task, status)
    kernel.call_hook("on_exit", task, status)
    kernel.core.event(lib.EV_exit, task.pid, status.encode(), 0)
    if task.call is not None and task.call.blocked is not None and task is not kernel.current:
        task.call.blocked.close()
    task.call = None
    kernel.sched.remove(task)
    task.state = TaskState.ZOMBIE
    task.status = status
    if task.timers is not None:
        task.timers.exit()
    if clear_tid:
        _clear_child_tid(task)
    exit_mm(task)
    task.files.exit()
    task.fs.exit()
    task.set_exe(task.exe, None)
    for child in tuple(task.children.values()):
        _adopt(child)
    kernel.refresh_ids()
    _exit_notify(task, status)


def _clear_child_tid(task: Task) -> None:
    address, mm = task.clear_child_tid, task.memory
    if address and mm is not None and mm.ptr.mm_users > 1:
        try:
            mm.write_u32(address, 0)
        except Errno:
            return
        task.kernel.futexes.wake((mm.kaddr, address), 1, ANY)


def _adopt(child: Task) -> None:
    """Init becomes the parent; it reaps at once (reparent_to_init)."""
    assert child.parent is not None
    del child.parent.children[child.pid]
    child.parent = None
    if child.state is TaskState.ZOMBIE:
        child.kernel.tasks.release(child)


def _exit_notify(task: Task, status: WaitStatus) -> None:
    parent = task.parent
    if parent is None:
        task.kernel.tasks.release(task)
        return
    action = parent.signals.action(Signal.SIGCHLD)
    ignored = action.handler == SIG_IGN or action.flags & SaFlags.NOCLDWAIT
    if task.exit_signal == Signal.SIGCHLD and ignored:
        task.kernel.tasks.release(task)
        if action.handler != SIG_IGN:
            send_signal(parent, child_info(task, status))
        parent.child_wait.wake_up()
        return
    heappush(parent.zombies, (task.birth, task))
    if task.exit_signal:
        notify_parent(task, child_info(task, status))
    else:
        parent.child_wait.wake_up()


def stop_task(task: Task, number: int) -> None:
    """Stop a task until SIGCONT (do_signal_stop)."""
    task.kernel.sched.remove(task)
    task.state = TaskState.STOPPED
    task.status = WaitStatus(number, stopped=True)
    notify_parent_stop(task, task.status)
