"""Thread groups: what the threads of a process have in common.

A task is a thread.  It has its own id, registers, mask and private pending signals; its address
space, descriptors and working directory it may share with anybody.  What makes tasks one process
is the group: the id that getpid() gives, parent and children, process group and session, limits,
the alarm, signals that are pending for whoever takes them, and one end.
"""

from __future__ import annotations

from heapq import heapify, heappop
from typing import TYPE_CHECKING

from vmemu.kernel.process.limits import ResourceLimits
from vmemu.kernel.process.wait import WaitQueue, WaitStatus

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task
    from vmemu.kernel.signal.state import SigPending
    from vmemu.kernel.signal.timers import Timers
    from vmemu.mm import Mm
    from vmemu.vfs.tty.tty import Tty

__all__ = ["Accounting", "ThreadGroup"]


class Accounting:
    """What a task has used: virtual nanoseconds, faults, and what it read and wrote by calls."""

    __slots__ = (
        "majflt", "minflt", "rchar", "stime", "switches", "syscr", "syscw", "utime", "wchar",
    )  # fmt: skip

    def __init__(self) -> None:
        self.utime = self.stime = 0
        self.minflt = self.majflt = 0
        self.switches = 0
        self.rchar = self.wchar = 0
        self.syscr = self.syscw = 0

    def add(self, other: Accounting) -> None:
        """Add another's use."""
        self.utime += other.utime
        self.stime += other.stime
        self.minflt += other.minflt
        self.majflt += other.majflt
        self.switches += other.switches
        self.rchar += other.rchar
        self.wchar += other.wchar
        self.syscr += other.syscr
        self.syscw += other.syscw


class ThreadGroup:
    """A process (struct signal_struct); ``parent`` None: it is init, which is not modelled."""

    __slots__ = (
        "child_wait", "children", "children_used", "dead_used", "ended", "executed",
        "exit_status", "leader", "limits", "live", "old_pgrp", "oom_score_adj", "parent",
        "parent_thread", "pgrp", "session", "shared", "status", "stop_signal", "subreaper",
        "target", "threads", "timers", "tty", "zombies",
    )  # fmt: skip

    def __init__(
        self,
        leader: Task,
        parent: ThreadGroup | None,
        shared: SigPending,
        limits: ResourceLimits | None = None,
    ) -> None:
        self.leader = leader
        """The thread whose id is the group's; it may have ended, then it is a zombie."""
        self.threads: dict[int, Task] = {leader.pid: leader}
        """By id, oldest first: those that live, and the leader."""
        self.live = 1
        """How many live."""
        self.parent = parent
        self.parent_thread: Task | None = None
        """Who of the parent's threads made it, or inherited it (real_parent)."""
        self.shared = shared
        """Signals pending for whoever takes them (shared_pending)."""
        self.target: Task = leader
        """Where the search for somebody who takes one begins (curr_target)."""
        self.limits = limits if limits is not None else ResourceLimits()
        self.oom_score_adj = 0
        """What the OOM killer adds, in thousandths of memory; -1000: it never takes this one."""
        self.pgrp = 0
        self.session = 0
        self.tty: Tty | None = None
        """Its controlling terminal."""
        self.old_pgrp = 0
        """Whoever was in the foreground when its terminal hung up, of the leader of a session."""
        self.executed = False
        """It has called execve() (did_exec)."""
        self.subreaper = False
        """The orphans among its descendants become its children (is_child_subreaper)."""
        self.exit_status: WaitStatus | None = None
        """How all its threads end, once that is decided (group_exit_code)."""
        self.stop_signal = 0
        """What stops it, while it does or is stopped."""
        self.status: WaitStatus | None = None
        """Set when it ends, stops or goes on; cleared when a stop has been reported."""
        self.timers: Timers | None = None
        """None: it has asked for none yet."""
        self.dead_used = Accounting()
        """What its threads used that have ended."""
        self.children_used = Accounting()
        self.children: dict[int, Task] = {}
        """The leaders of its children, by id, oldest first."""
        self.zombies: list[tuple[int, Task]] = []
        """A heap of the children that ended, by birth; those reaped may still be in it."""
        self.child_wait = WaitQueue()
        self.ended: WaitQueue | None = None
        """Who waits for its end by a descriptor, if there is one (pidfd_open)."""

    @property
    def tgid(self) -> int:
        """Its id, which getpid() gives."""
        return self.leader.pid

    @property
    def alive(self) -> bool:
        """True until its last thread exits."""
        return self.live > 0

    @property
    def memory(self) -> Mm | None:
        """The address space of its living threads, or None."""
        return next((t.memory for t in self.threads.values() if t.memory is not None), None)

    @property
    def stopped(self) -> bool:
        """Every living thread is stopped."""
        return self.alive and all(task.stopped or not task.alive for task in self.threads.values())

    @property
    def used(self) -> Accounting:
        """What all its threads have used, the dead included."""
        total = Accounting()
        total.add(self.dead_used)
        for task in self.threads.values():
            total.add(task.used)
        return total

    def living(self) -> list[Task]:
        """Its threads that have not ended, oldest first."""
        return [task for task in self.threads.values() if task.alive]

    def discard(self, mask: int) -> None:
        """Drop pending signals, the threads' own and the shared ones (rm_from_queue)."""
        self.shared.discard(mask)
        for task in self.threads.values():
            task.signals.discard(mask)

    def oldest_zombie(self) -> Task | None:
        """The first of its children that has ended and is not reaped."""
        zombies = self.zombies
        while zombies:
            child = zombies[0][1]
            if child.zombie and child.group.parent is self:
                return child
            heappop(zombies)
        return None

    def forget_reaped(self) -> None:
        """Take those that were reaped out of turn from the heap when they are most of it."""
        if len(self.zombies) > 2 * len(self.children) + 16:
            self.zombies = [entry for entry in self.zombies if entry[1].zombie]
            heapify(self.zombies)

    def __repr__(self) -> str:
        return f"<ThreadGroup {self.tgid} of {self.live} threads>"
