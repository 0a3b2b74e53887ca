"""Job control: process groups, sessions and their controlling terminals.

Modelled on drivers/tty/tty_jobctrl.c and on kernel/exit.c of Linux.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.process.wait import ERESTARTSYS, Interrupted
from vmemu.kernel.signal.state import (
    SI_KERNEL,
    SIG_IGN,
    SigInfo,
    Signal,
    send_group_signal,
)

if TYPE_CHECKING:
    from vmemu.kernel.kernel import Kernel
    from vmemu.kernel.process.group import ThreadGroup
    from vmemu.kernel.process.task import ProcessTable, Task
    from vmemu.vfs.tty.devpts import DevPts
    from vmemu.vfs.tty.tty import Tty

__all__ = ["Jobs", "is_orphaned", "leave_orphans", "set_session"]


def _keeps(leader: Task, pgrp: int, session: int) -> bool:
    """Its parent is of the session, but not of the group: it can continue what is stopped."""
    parent = leader.parent
    return (
        leader.group.alive
        and parent is not None
        and parent.pgrp != pgrp
        and parent.session == session
    )


def is_orphaned(tasks: ProcessTable, pgrp: int, ignored: ThreadGroup | None = None) -> bool:
    """Nobody's parent in a group could continue it once it stops (will_become_orphaned_pgrp)."""
    return not any(
        _keeps(leader, pgrp, leader.session)
        for leader in tasks.group(pgrp)
        if leader.group is not ignored
    )


def _has_stopped(tasks: ProcessTable, pgrp: int) -> bool:
    return any(leader.group.stopped for leader in tasks.group(pgrp))


def _wake_orphans(kernel: Kernel, pgrp: int, gone: ThreadGroup | None) -> None:
    tasks = kernel.tasks
    if _has_stopped(tasks, pgrp) and is_orphaned(tasks, pgrp, gone):
        for number in (Signal.SIGHUP, Signal.SIGCONT):
            kernel.jobs.signal_group(pgrp, number)


def leave_orphans(leader: Task, heir: ThreadGroup | None) -> None:
    """A process is about to end: groups that are stopped, and that nobody can continue then,
    get SIGHUP and SIGCONT (kill_orphaned_pgrp).

    That is its own, if its parent was what kept it, and those of its children that their new
    parent does not keep; None is init.
    """
    kernel, group = leader.kernel, leader.group
    if _keeps_by(group.parent, group):
        _wake_orphans(kernel, group.pgrp, group)
    seen = {group.pgrp}
    for child in tuple(group.children.values()):
        if child.pgrp in seen or child.session != group.session:
            continue
        seen.add(child.pgrp)
        others = [
            other
            for other in kernel.tasks.group(child.pgrp)
            if other.parent is not group and _keeps(other, child.pgrp, other.session)
        ]
        if not (others or _keeps_by(heir, child.group)) and _has_stopped(kernel.tasks, child.pgrp):
            for number in (Signal.SIGHUP, Signal.SIGCONT):
                kernel.jobs.signal_group(child.pgrp, number)


def _keeps_by(parent: ThreadGroup | None, group: ThreadGroup) -> bool:
    return parent is not None and parent.pgrp != group.pgrp and parent.session == group.session


def set_session(task: Task) -> None:
    """A process begins a session of its own, without a terminal (sys_setsid)."""
    group = task.group
    group.session = group.pgrp = task.tgid
    group.tty = None
    group.old_pgrp = 0


class Jobs:
    """What terminals ask of the processes of one kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    @property
    def terminals(self) -> DevPts:
        """The machine's."""
        return self.kernel.world.terminals

    @property
    def current(self) -> Task:
        """Who is in a system call."""
        task = self.kernel.current
        assert task is not None
        return task

    @property
    def closing(self) -> ThreadGroup | None:
        """The process that closes a descriptor, unless it has ended."""
        task = self.kernel.current
        return task.group if task is not None else None

    def signal_group(self, pgrp: int, number: int) -> None:
        """Send a signal to a process group (kill_pgrp)."""
        for leader in self.kernel.tasks.group(pgrp):
            send_group_signal(leader.group, SigInfo(number, SI_KERNEL))

    def check_change(self, tty: Tty, number: int) -> None:
        """A process in the background reads (SIGTTIN) or changes (SIGTTOU) its terminal.

        Its group gets the signal and the call is made again after it; Errno EIO where the signal
        would not stop it (__tty_check_change).
        """
        task = self.current
        group, state = task.group, task.signals
        if group.tty is not tty or not tty.pgrp or group.pgrp == tty.pgrp:
            return
        if state.is_blocked(number) or state.action(number).handler == SIG_IGN:
            if number == Signal.SIGTTIN:
                raise Errno(errno.EIO)
            return
        if is_orphaned(self.kernel.tasks, group.pgrp):
            raise Errno(errno.EIO)
        self.signal_group(group.pgrp, number)
        raise Interrupted(ERESTARTSYS)

    def opened(self, tty: Tty) -> None:
        """A leader of a session without a terminal opens one that is nobody's: it is its now."""
        group = self.current.group
        if group.session == group.tgid and group.tty is None and not tty.session:
            self.give(tty)

    def give(self, tty: Tty) -> None:
        """A terminal becomes the current process's controlling one (proc_set_tty)."""
        group = self.current.group
        tty.session, tty.pgrp = group.session, group.pgrp
        group.tty = tty

    def control(self, tty: Tty, steal: bool) -> None:
        """TIOCSCTTY; Errno EPERM."""
        group = self.current.group
        leads = group.session == group.tgid
        if leads and group.session == tty.session:
            return
        if not leads or group.tty is not None or (tty.session and not steal):
            raise Errno(errno.EPERM)
        if tty.session:
            self._clear(tty.session)
        self.give(tty)

    def _clear(self, session: int) -> None:
        """The processes of a session have no terminal any more (session_clear_tty)."""
        for leader in self.kernel.tasks.processes():
            if leader.session == session:
                leader.group.tty = None

    def disown(self, group: ThreadGroup, *, exits: bool) -> None:
        """A process gives up its terminal; the leader of a session does so for all of it.

        Whoever is in the foreground gets SIGHUP, and unless the leader ends SIGCONT
        (disassociate_ctty).
        """
        if group.session != group.tgid:
            group.tty = None
            return
        tty = group.tty
        if tty is not None:
            pgrp, tty.session, tty.pgrp = tty.pgrp, 0, 0
            self._clear(group.session)
            if pgrp:
                self.signal_group(pgrp, Signal.SIGHUP)
                if not exits:
                    self.signal_group(pgrp, Signal.SIGCONT)
        elif exits and group.old_pgrp:
            for number in (Signal.SIGHUP, Signal.SIGCONT):
                self.signal_group(group.old_pgrp, number)
        group.old_pgrp = 0

    def hang_up(self, tty: Tty) -> None:
        """A terminal is gone: the session's leader gets SIGHUP and SIGCONT (__tty_hangup)."""
        if not tty.session:
            return
        for leader in self.kernel.tasks.processes():
            group = leader.group
            if group.tty is not tty:
                continue
            group.tty = None
            if group.session == group.tgid and group.alive:
                group.old_pgrp = tty.pgrp
                for number in (Signal.SIGHUP, Signal.SIGCONT):
                    send_group_signal(group, SigInfo(number, SI_KERNEL))
        tty.session = tty.pgrp = 0
