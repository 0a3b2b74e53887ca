"""Programs that run are not written, and what is being written is not run (ETXTBSY).

Nothing is counted: who asks looks at all tasks, of which there are few.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vmemu.vfs.regular import RegularFile

if TYPE_CHECKING:
    from vmemu.kernel.kernel import Kernel
    from vmemu.vfs.file import FileStat
    from vmemu.vfs.node import Node

__all__ = ["is_running", "is_written"]


def _key(told: FileStat) -> tuple[int, int]:
    return told.dev, told.ino


def is_running(kernel: Kernel, node: Node) -> bool:
    """Whether a process executes a file (deny_write_access)."""
    running = {id(task.exe_node): task.exe_node for task in kernel.tasks if task.exe_node}
    if not running:
        return False
    key = _key(node.stat())
    return any(_key(each.stat()) == key for each in running.values())


def is_written(kernel: Kernel, node: Node) -> bool:
    """Whether somebody has a file open for writing (get_write_access)."""
    written = list(_written(kernel))
    if not written:
        return False
    key = _key(node.stat())
    return any(_key(each.stat()) == key for each in written)


def _written(kernel: Kernel) -> Iterator[RegularFile]:
    tables = {id(task.files): task.files for task in kernel.tasks if task.alive}
    for table in tables.values():
        for entry in table.entries.values():
            file = entry.file
            if file.writable and isinstance(file, RegularFile) and not file.unnamed:
                yield file
