"""Robust futexes: what a thread holds when it ends is marked, and a waiter wakes (2.6.17).

The thread has told the kernel where its list of locks begins:

    head -> next lock's list entry -> ... -> head
            futex_offset: from an entry to its word
            list_op_pending: the entry that is being locked or unlocked just now

The lowest bit of a pointer marks a lock with priority inheritance, which nobody sleeps on here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.futex import futex_key

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task
    from vmemu.mm import Mm

__all__ = ["FUTEX_OWNER_DIED", "FUTEX_TID_MASK", "FUTEX_WAITERS", "exit_robust_list"]

FUTEX_WAITERS = 0x80000000
FUTEX_OWNER_DIED = 0x40000000
FUTEX_TID_MASK = 0x3FFFFFFF
ROBUST_LIST_LIMIT = 2048
"""Entries that are looked at: a list may go round."""


def exit_robust_list(task: Task, mm: Mm) -> None:
    """Mark what the thread holds; a list that cannot be read ends there (exit_robust_list)."""
    head, task.robust_list = task.robust_list, 0
    if not head:
        return
    try:
        entry, offset, pending = uaccess.read_struct(mm, head, "NnN")
        for _ in range(ROBUST_LIST_LIMIT):
            if entry & ~1 == head:
                break
            following = uaccess.read_struct(mm, entry & ~1, "N")[0]
            if entry & ~1 != pending & ~1:
                _owner_died(task, mm, (entry & ~1) + offset, entry & 1, False)
            entry = following
        if pending & ~1:
            _owner_died(task, mm, (pending & ~1) + offset, pending & 1, True)
    except Errno:
        return


def _owner_died(task: Task, mm: Mm, address: int, inherits: int, pending: bool) -> None:
    """A word whose owner dies, if it is this thread's (handle_futex_death); Errno EFAULT."""
    address &= mm.core.mask
    key, futexes = futex_key(mm, address, False), task.kernel.futexes
    value = uaccess.read_struct(mm, address, "I")[0]
    if pending and not inherits and not value:
        futexes.wake(key, 1)  # it was given up, and nobody was woken yet
        return
    if value & FUTEX_TID_MASK != task.pid:
        return
    uaccess.write_struct(mm, address, "I", value & FUTEX_WAITERS | FUTEX_OWNER_DIED)
    if not inherits and value & FUTEX_WAITERS:
        futexes.wake(key, 1)
