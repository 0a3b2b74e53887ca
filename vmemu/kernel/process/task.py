"""Tasks: processes, their ids and their family.

Process 1 is not a task: it stands for an init that adopts orphans and reaps
them at once, so the first program spawned has the id 100 and the parent 1.
"""

from __future__ import annotations

import enum
import errno
from heapq import heapify, heappop
from typing import TYPE_CHECKING

from vmemu.errors import Errno, KernelBug
from vmemu.kernel.hold import TASK_BYTES
from vmemu.kernel.process.limits import ResourceLimits
from vmemu.kernel.process.wait import Blocking, Wait, WaitQueue, WaitStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmemu.cpu import Context
    from vmemu.kernel.kernel import Kernel
    from vmemu.kernel.signal.state import SignalState
    from vmemu.kernel.signal.timers import Timers
    from vmemu.mm import Mm
    from vmemu.snapshot.record import Process
    from vmemu.vfs.file import FdTable
    from vmemu.vfs.node import Node
    from vmemu.vfs.walk import FsStruct

INIT_PID = 1
FIRST_PID = 100
PID_MAX = 0x8000
TASK_COMM_LEN = 16


class TaskState(enum.Enum):
    """The letter of /proc/PID/stat."""

    RUNNING = "R"
    SLEEPING = "S"
    UNINTERRUPTIBLE = "D"
    STOPPED = "T"
    ZOMBIE = "Z"
    DEAD = "X"


class Call:
    """A system call in progress."""

    __slots__ = ("args", "blocked", "number", "trace")

    def __init__(self, number: int, args: tuple[int, ...]) -> None:
        self.number = number
        self.args = args
        self.blocked: Blocking[int] | None = None
        self.trace: list[str | None] | None = None
        """Decoded arguments while tracing; None for those known at the end only."""


class Accounting:
    """What a task has used: virtual nanoseconds and faults."""

    __slots__ = ("majflt", "minflt", "stime", "switches", "utime")

    def __init__(self) -> None:
        self.utime = self.stime = 0
        self.minflt = self.majflt = 0
        self.switches = 0

    def add(self, other: Accounting) -> None:
        """Add a reaped child's use, as RUSAGE_CHILDREN counts it."""
        self.utime += other.utime
        self.stime += other.stime
        self.minflt += other.minflt
        self.majflt += other.majflt
        self.switches += other.switches


class Task:
    """A process (task_struct); ``parent`` None: it is init, which is not modelled."""

    __slots__ = (
        "birth", "call", "child_wait", "children", "children_used", "clear_child_tid",
        "comm", "context", "exe", "exe_node", "executed", "exit_signal", "files", "fs",
        "interrupted_call",
        "kernel", "limits", "memory", "nice", "parent", "personality", "pgrp", "pid", "restart",
        "restart_block", "session", "signals", "slept", "start_regs", "start_time", "state",
        "status", "timers", "used", "vfork_parent", "vfork_wait", "wait", "wake_reason",
        "zombies",
    )  # fmt: skip

    def __init__(
        self,
        kernel: Kernel,
        pid: int,
        parent: Task | None,
        context: Context,
        files: FdTable,
        fs: FsStruct,
        signals: SignalState,
        *,
        limits: ResourceLimits | None = None,
        memory: Mm | None = None,
    ) -> None:
        self.kernel = kernel
        self.pid = pid
        self.parent = parent
        self.context = context
        self.files = files
        self.fs = fs
        self.signals = signals
        self.comm = ""
        self.exe = ""
        """Absolute path of the program, in the guest or on the host."""
        self.exe_node: Node | None = None
        """The program's file."""
        self.pgrp = 0
        self.session = 0
        self.nice = 0
        self.personality = 0
        self.limits = limits if limits is not None else ResourceLimits()
        self.start_time = 0
        """Virtual nanoseconds."""
        self.exit_signal = 17
        self.executed = False
        """It has called execve() (did_exec)."""
        self.clear_child_tid = 0
        """User address to clear when the task goes; 0 = none."""
        self.state = TaskState.RUNNING
        self.wait: Wait | None = None
        self.slept: Wait | None = None
        """The wait that ended last."""
        self.wake_reason: WakeReason | None = None
        self.call: Call | None = None
        self.restart = 0
        """ERESTART* while a call that a signal interrupted may have to be made again."""
        self.interrupted_call = 0
        """The number of that call."""
        self.restart_block: Callable[[], Blocking[int]] | None = None
        """What restart_syscall() goes on with."""
        self.start_regs: dict[str, int] | None = None
        """Registers to load before the task's first user instruction."""
        self.status: WaitStatus | None = None
        """Set when it exits or stops; cleared when a stop has been reported."""
        self.timers: Timers | None = None
        """None: it has asked for none yet."""
        self.used = Accounting()
        self.children_used = Accounting()
        self.children: dict[int, Task] = {}
        """By id, oldest first."""
        self.zombies: list[tuple[int, Task]] = []
        """A heap of the children that ended, by birth; those reaped may still be in it."""
        self.birth = 0
        """How many tasks there had been before."""
        self.child_wait = WaitQueue()
        self.vfork_parent: Task | None = None
        """Waits until this task releases the mm they share."""
        self.vfork_wait = WaitQueue()
        self.memory = memory
        """The address space; None once the task has exited."""

    @property
    def mm(self) -> Mm:
        """The address space of a task that has not exited (struct mm_struct *)."""
        if self.memory is None:
            raise KernelBug(f"process {self.pid} has no address space")
        return self.memory

    @property
    def ppid(self) -> int:
        """The parent's id; 1 for orphans and for what was spawned."""
        return self.parent.pid if self.parent is not None else INIT_PID

    def oldest_zombie(self) -> Task | None:
        """The first of its children that has ended and is not reaped."""
        zombies = self.zombies
        while zombies:
            child = zombies[0][1]
            if child.state is TaskState.ZOMBIE and child.parent is self:
                return child
            heappop(zombies)
        return None

    def forget_reaped(self) -> None:
        """Take those that were reaped out of turn from the heap when they are most of it."""
        if len(self.zombies) > 2 * len(self.children) + 16:
            self.zombies = [entry for entry in self.zombies if entry[1].state is TaskState.ZOMBIE]
            heapify(self.zombies)

    @property
    def alive(self) -> bool:
        """True until the task exits."""
        return self.state not in (TaskState.ZOMBIE, TaskState.DEAD)

    def set_exe(self, path: str, node: Node | None) -> None:
        """It runs another program: its path and its file (set_mm_exe_file)."""
        if node is not None:
            node.pin()
        if self.exe_node is not None:
            self.exe_node.unpin()
        self.exe, self.exe_node = path, node

    def set_comm(self, path: str) -> None:
        """Name the task after its program, cut to 15 bytes (set_task_comm)."""
        self.comm = (
            path.rsplit("/", 1)[-1]
            .encode(errors="surrogateescape")[: TASK_COMM_LEN - 1]
            .decode(errors="replace")
        )

    def __repr__(self) -> str:
        return f"<Task {self.pid} {self.comm!r} {self.state.name.lower()}>"

    def _repr_html_(self) -> str | None:
        """Its page tables, in pictures and words; None when it has no memory any more."""
        process = self._process()
        return process._repr_html_() if process is not None else None

    def _repr_svg_(self) -> str | None:
        process = self._process()
        return process._repr_svg_() if process is not None else None

    def _process(self) -> Process | None:
        from vmemu.snapshot.take import take_process

        if self.memory is None or self.kernel.core.closed:
            return None
        return take_process(self)


class WakeReason(enum.Enum):
    """Why a sleeping task runs again."""

    READY = enum.auto()
    TIMEOUT = enum.auto()
    SIGNAL = enum.auto()


class ProcessTable:
    """All tasks that are not reaped, by id, in the order of their creation."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = PID_MAX if limit is None else limit
        """How many tasks there may be, zombies included."""
        self._tasks: dict[int, Task] = {}
        self._last = FIRST_PID - 1
        self._births = 0

    def __iter__(self) -> Iterator[Task]:
        return iter(tuple(self._tasks.values()))

    def __len__(self) -> int:
        return len(self._tasks)

    def alloc_pid(self) -> int:
        """Give the next free id (alloc_pid); Errno EAGAIN when there are as many as may be."""
        for _ in range(PID_MAX if len(self._tasks) < self.limit else 0):
            self._last += 1
            if self._last >= PID_MAX:
                self._last = FIRST_PID
            if self._last not in self._tasks:
                return self._last
        raise Errno(errno.EAGAIN)

    def add(self, task: Task) -> None:
        """Enter a new task."""
        self._tasks[task.pid] = task
        task.birth = self._births
        self._births += 1
        if task.parent is not None:
            task.parent.children[task.pid] = task

    def get(self, pid: int) -> Task | None:
        """Find a task that is not reaped by its id (find_task_by_pid)."""
        return self._tasks.get(pid)

    def release(self, task: Task) -> None:
        """Forget a zombie (release_task)."""
        task.state = TaskState.DEAD
        task.kernel.hold.uncharge(TASK_BYTES)
        del self._tasks[task.pid]
        if task.parent is not None:
            del task.parent.children[task.pid]
            task.parent.forget_reaped()
            task.parent.children_used.add(task.used)
            task.parent.children_used.add(task.children_used)

    def group(self, pgrp: int) -> list[Task]:
        """All tasks of a process group."""
        return [task for task in self if task.pgrp == pgrp]
