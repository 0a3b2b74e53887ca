"""Descriptors of processes (kernel/pid.c, since 5.3)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.process.wait import WaitQueue
from vmemu.vfs.eventfd import AnonFile
from vmemu.vfs.file import POLLIN

if TYPE_CHECKING:
    from vmemu.kernel.process.group import ThreadGroup
    from vmemu.kernel.process.task import Task

__all__ = ["PidFile"]


class PidFile(AnonFile):
    """A process, whatever gets its id afterwards; it can be read once the process has ended."""

    def __init__(self, group: ThreadGroup, flags: int) -> None:
        super().__init__(flags, "[pidfd]")
        if group.ended is None:
            group.ended = WaitQueue()
        self.group = group
        self.queue = group.ended

    @property
    def leader(self) -> Task:
        """Its first thread; Errno ESRCH when it has been reaped."""
        leader = self.group.leader
        if leader.kernel.tasks.get(leader.pid) is not leader:
            raise Errno(errno.ESRCH)
        return leader

    def poll(self) -> int:
        """POLLIN when it has ended."""
        return 0 if self.group.alive else POLLIN

    def fdinfo(self) -> str:
        """Whose it is; -1: it has been reaped."""
        try:
            pid = self.leader.pid
        except Errno:
            pid = -1
        return f"Pid:\t{pid}\nNSpid:\t{pid}\n"
