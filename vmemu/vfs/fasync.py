"""Signals of open files that have become ready: O_ASYNC, F_SETOWN, F_SETSIG (fs/fcntl.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmemu.kernel.signal.state import SI_KERNEL, SigInfo, Signal, send_group_signal, send_signal
from vmemu.vfs.file import O_ASYNC, POLLERR, POLLHUP, POLLIN, POLLOUT

if TYPE_CHECKING:
    from vmemu.kernel.kernel import Kernel
    from vmemu.kernel.process.task import Task
    from vmemu.vfs.file import File

__all__ = ["Async", "set_async"]

_POLL_IN, _POLL_OUT = 1, 2
_BANDS = {_POLL_IN: 0x41, _POLL_OUT: 0x304}
"""si_band: POLLIN and POLLRDNORM; POLLOUT, POLLWRNORM and POLLWRBAND."""
_THREAD, _GROUP = 0, 2


class Async:
    """What watches an open file that has O_ASYNC (struct fasync_struct)."""

    def __init__(self, kernel: Kernel, file: File, fd: int) -> None:
        self.kernel, self.file, self.fd = kernel, file, fd
        self._last = file.poll()
        assert file.queue is not None
        file.queue.watchers[self] = self.woken

    def close(self) -> None:
        """The file is closed, or has O_ASYNC no longer."""
        if self.file.queue is not None:
            self.file.queue.watchers.pop(self, None)
        self.file.fasync = None

    def woken(self, events: int) -> None:
        """Something has happened (kill_fasync)."""
        now, file = self.file.poll(), self.file
        came = now & events if events else now & ~self._last
        self._last = now
        if not file.flags & O_ASYNC or not file.owner:
            return
        if came & file.wakes & (POLLIN | POLLHUP):
            self._send(_POLL_IN)
        if came & file.wakes & (POLLOUT | POLLERR) and file.wants_space:
            file.wants_space = file.tells_space
            self._send(_POLL_OUT)

    def _send(self, reason: int) -> None:
        """Tell the owner (send_sigio)."""
        file = self.file
        info = SigInfo(Signal.SIGIO)
        if file.signal:
            info = SigInfo(file.signal, reason, band=_BANDS[reason], fd=self.fd)
        for target in self._targets():
            if not self._may_tell(target):
                continue
            sent = self._deliver(target, info)
            if not sent and file.signal:
                self._deliver(target, SigInfo(Signal.SIGIO, SI_KERNEL))

    def _deliver(self, target: Task, info: SigInfo) -> bool:
        if self.file.owner_kind == _THREAD:
            return send_signal(target, info)
        return send_group_signal(target.group, info)

    def _targets(self) -> list[Task]:
        owner, tasks = self.file.owner, self.kernel.tasks
        if self.file.owner_kind == _GROUP:
            return tasks.group(abs(owner))
        found = tasks.get(abs(owner))
        return [] if found is None else [found]

    def _may_tell(self, target: Task) -> bool:
        """Whoever said that it shall be told may signal it (sigio_perm)."""
        real, effective = self.file.owner_users
        its = target.cred.user
        return not effective or bool({real, effective} & {its.real, its.saved})


def set_async(kernel: Kernel, file: File, fd: int, *, on: bool) -> None:
    """Watch a file, or no longer; a terminal's owner is its foreground group, if nobody else."""
    if not on:
        if file.fasync is not None:
            file.fasync.close()
        return
    if file.queue is None:
        return
    tty = getattr(file, "tty", None)
    if tty is not None and not file.owner and tty.pgrp:
        file.owner, file.owner_kind = -tty.pgrp, _GROUP
    if file.fasync is None:
        file.fasync = Async(kernel, file, fd)
    else:
        file.fasync.fd = fd
