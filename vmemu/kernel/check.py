"""check() of the kernel: what guests make the host hold is recomputed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmemu.errors import KernelBug
from vmemu.kernel.hold import DESCRIPTOR_BYTES, PIPE_BUFFER_BYTES, TASK_BYTES, TIMER_BYTES
from vmemu.vfs.pipe import PipeReader, PipeWriter

if TYPE_CHECKING:
    from vmemu.kernel.kernel import Kernel

__all__ = ["check_kernel"]


def check_kernel(kernel: Kernel) -> None:
    """KernelBug unless host memory is counted as tasks, descriptors, files... have it."""
    tasks = list(kernel.tasks)
    tables = {id(task.files): task.files for task in tasks if task.files.users}
    entries = [entry for table in tables.values() for entry in table.entries.values()]
    files = {id(entry.file): entry.file for entry in entries}.values()
    pipes = {
        id(file.pipe): file.pipe for file in files if isinstance(file, PipeReader | PipeWriter)
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
    )
    if held != kernel.hold.held:
        raise KernelBug(f"host memory held is {kernel.hold.held} bytes, recomputed {held}")
