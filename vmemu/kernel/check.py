"""check() of the kernel: what guests make the host hold is recomputed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmemu.errors import KernelBug
from vmemu.kernel.hold import DESCRIPTOR_BYTES, PIPE_BUFFER_BYTES, TASK_BYTES, TIMER_BYTES
from vmemu.vfs.fifo import FifoBoth
from vmemu.vfs.pipe import PipeReader, PipeWriter

if TYPE_CHECKING:
    from vmemu.kernel.kernel import Kernel
    from vmemu.kernel.process.task import Task

__all__ = ["check_kernel"]


def check_kernel(kernel: Kernel) -> None:
    """KernelBug unless host memory is counted as tasks, descriptors, files and pipes have it.

    And unless groups and their threads, who sleeps on futexes, and who need not be asked before
    a task runs on, agree.
    """
    tasks = list(kernel.tasks)
    _check_groups(tasks)
    _check_futexes(kernel)
    kernel.sched.check(kernel.current)
    sem, msg = kernel.existing_sem, kernel.existing_msg
    if sem is not None:
        sem.check()
    if msg is not None:
        msg.check()
    if kernel.existing_world is not None:
        kernel.existing_world.mqueues.check()
    tables = {id(task.files): task.files for task in tasks if task.files.users}
    entries = [entry for table in tables.values() for entry in table.entries.values()]
    flying = () if kernel.existing_net is None else kernel.existing_net.flying
    files = {id(file): file for file in (*(entry.file for entry in entries), *flying)}.values()
    pipes = {
        id(file.pipe): file.pipe
        for file in files
        if isinstance(file, PipeReader | PipeWriter | FifoBoth)
    }.values()
    timers = {id(task.group): task.group.timers for task in tasks}.values()
    held = (
        len(tasks) * TASK_BYTES
        + len(entries) * DESCRIPTOR_BYTES
        + sum(file.host_bytes for file in files)
        + sum(len(pipe.buffers) for pipe in pipes) * PIPE_BUFFER_BYTES
        + sum(len(each.posix) for each in timers if each) * TIMER_BYTES
        + kernel.hold.waiting
        + kernel.file_bytes
        + kernel.locks.held
        + kernel.shm.held
        + (0 if sem is None else sem.held)
        + (0 if msg is None else msg.held)
        + (0 if kernel.existing_net is None else kernel.existing_net.held)
    )
    if held != kernel.hold.held:
        raise KernelBug(f"host memory held is {kernel.hold.held} bytes, recomputed {held}")


def _check_groups(tasks: list[Task]) -> None:
    """Every task is one of its group's, and the living are as many as the group says."""
    for task in tasks:
        group = task.group
        if group.threads.get(task.pid) is not task:
            raise KernelBug(f"{task!r} is none of {group!r}")
        if task.is_leader and group.live != len(group.living()):
            raise KernelBug(f"{group!r} has {len(group.living())} living threads")
        if not task.is_leader and not task.alive:
            raise KernelBug(f"{task!r} has ended and is still there")


def _check_futexes(kernel: Kernel) -> None:
    """Who sleeps on a futex, or on several by one call, lives and is in a call."""
    waiters = kernel.futexes.waiters()
    calls = {(id(waiter.task), id(waiter.queue)) for waiter in waiters}
    if len({task for task, _ in calls}) != len(calls):
        raise KernelBug("a thread sleeps on two futexes, and not in one call")
    for waiter in waiters:
        if not waiter.task.alive or waiter.task.call is None or waiter.woken:
            raise KernelBug(f"{waiter.task!r} sleeps on a futex and cannot wake")
