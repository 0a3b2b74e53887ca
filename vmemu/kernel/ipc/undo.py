"""What is taken back when a process ends: adjustments of semaphores (ipc/sem.c)."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmemu.kernel.ipc.sem import SemSet

__all__ = ["UndoList"]


class UndoList:
    """Adjustments by set, of a task or of those that share them (struct sem_undo_list)."""

    def __init__(self) -> None:
        self.users = 1
        self.adjustments: dict[SemSet, array[int]] = {}
        """What is to be added to each semaphore of a set (semadj)."""

    def share(self) -> UndoList:
        """Somebody else has it too (CLONE_SYSVSEM)."""
        self.users += 1
        return self

    def leave(self, pid: int) -> None:
        """A user goes, a process of this id; the last one's semaphores are adjusted (exit_sem)."""
        self.users -= 1
        if self.users:
            return
        for semaphores in tuple(self.adjustments):
            semaphores.take_back(self, pid)
