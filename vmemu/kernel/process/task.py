"""Tasks: threads of processes, their ids and their family.

Process 1 is not a task: it stands for an init that adopts orphans and reaps
them at once, so the first program spawned has the id 100 and the parent 1.
"""

from __future__ import annotations

import enum
import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno, KernelBug
from vmemu.kernel.hold import TASK_BYTES
from vmemu.kernel.process.cred import Cred
from vmemu.kernel.process.group import Accounting, ThreadGroup
from vmemu.kernel.process.wait import Blocking, Wait, WaitQueue, WaitStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmemu.cpu import Context
    from vmemu.kernel.ipc.undo import UndoList
    from vmemu.kernel.kernel import Kernel
    from vmemu.kernel.process.limits import ResourceLimits
    from vmemu.kernel.signal.state import SignalState
    from vmemu.mm import Mm
    from vmemu.snapshot.record import Process
    from vmemu.vfs.file import FdTable
    from vmemu.vfs.node import Node
    from vmemu.vfs.walk import FsStruct

INIT_PID = 1
FIRST_PID = 100
PID_MAX = 0x8000
TASK_COMM_LEN = 16
PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_GET_NO_NEW_PRIVS = 2, 3, 39


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


class Task:
    """A thread of a process (task_struct); the process is its ``group``."""

    __slots__ = (
        "birth", "call", "clear_child_tid", "comm", "context", "cred", "exe", "exe_node",
        "exit_signal", "exit_status", "files", "fs", "group", "interrupted_call", "kernel",
        "memory", "nice", "personality", "pid", "policy", "prctl", "restart", "restart_block",
        "robust_list", "signals", "slept", "start_regs", "start_time", "state", "undo", "used",
        "vfork_parent", "vfork_wait", "wait", "wake_reason",
    )  # fmt: skip

    def __init__(
        self,
        kernel: Kernel,
        pid: int,
        parent: ThreadGroup | None,
        context: Context,
        files: FdTable,
        fs: FsStruct,
        signals: SignalState,
        *,
        group: ThreadGroup | None = None,
        limits: ResourceLimits | None = None,
        memory: Mm | None = None,
    ) -> None:
        """Without a group it is the first thread of a new process, a child of ``parent``."""
        self.kernel = kernel
        self.pid = pid
        """Its own id (gettid); the process has its leader's."""
        self.context = context
        self.files = files
        self.fs = fs
        self.signals = signals
        self.comm = ""
        self.exe = ""
        """Absolute path of the program, in the guest or on the host."""
        self.exe_node: Node | None = None
        """The program's file."""
        self.cred = Cred()
        self.nice = 0
        self.policy = (0, 0)
        """Its scheduling policy and priority, which have no effect."""
        self.personality = 0
        self.prctl: dict[int, int] = {}
        """What prctl() was told, by the option that asks for it; absent: as at the start."""
        self.start_time = 0
        """Virtual nanoseconds."""
        self.exit_signal = 17
        """What the parent gets; -1 of a thread that is not the leader."""
        self.exit_status: WaitStatus | None = None
        """How it ended itself, alone or with the others."""
        self.clear_child_tid = 0
        """User address to clear when the task goes; 0 = none."""
        self.robust_list = 0
        """Where its list of robust futexes begins; 0 = none."""
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
        self.undo: UndoList | None = None
        """What is taken back of semaphores when it ends."""
        self.used = Accounting()
        self.birth = 0
        """How many tasks there had been before."""
        self.vfork_parent: Task | None = None
        """Waits until this task releases the mm they share."""
        self.vfork_wait = WaitQueue()
        self.memory = memory
        """The address space; None once the task has exited."""
        if group is None:
            group = ThreadGroup(self, parent, signals.shared, limits)
        else:
            group.threads[pid] = self
            group.live += 1
        self.group = group

    @property
    def mm(self) -> Mm:
        """The address space of a task that has not exited (struct mm_struct *)."""
        if self.memory is None:
            raise KernelBug(f"process {self.pid} has no address space")
        return self.memory

    @property
    def tgid(self) -> int:
        """The id of its process (getpid)."""
        return self.group.leader.pid

    @property
    def is_leader(self) -> bool:
        """Its id is the process's (thread_group_leader)."""
        return self.group.leader is self

    @property
    def parent(self) -> ThreadGroup | None:
        """The parent's process."""
        return self.group.parent

    @property
    def ppid(self) -> int:
        """The parent's id; 1 for orphans and for what was spawned."""
        parent = self.group.parent
        return parent.leader.pid if parent is not None else INIT_PID

    @property
    def children(self) -> dict[int, Task]:
        """The leaders of the process's children, by id, oldest first."""
        return self.group.children

    @property
    def limits(self) -> ResourceLimits:
        """The process's."""
        return self.group.limits

    @property
    def pgrp(self) -> int:
        """The process group."""
        return self.group.pgrp

    @property
    def session(self) -> int:
        """The session."""
        return self.group.session

    @property
    def status(self) -> WaitStatus | None:
        """How the process ended or stopped, or None."""
        return self.group.status

    @property
    def alive(self) -> bool:
        """True until the task exits."""
        return self.state not in (TaskState.ZOMBIE, TaskState.DEAD)

    @property
    def zombie(self) -> bool:
        """It has exited and is not reaped."""
        return self.state is TaskState.ZOMBIE

    @property
    def stopped(self) -> bool:
        """A signal has stopped it."""
        return self.state is TaskState.STOPPED

    @property
    def dumpable(self) -> bool:
        """Its files of /proc are its user's; not once it has changed who it is (get_dumpable)."""
        return bool(self.prctl.get(PR_GET_DUMPABLE, 1))

    @dumpable.setter
    def dumpable(self, value: bool) -> None:
        self.prctl[PR_GET_DUMPABLE] = int(value)

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

    @property
    def births(self) -> int:
        """How many tasks there have been."""
        return self._births

    @property
    def last(self) -> int:
        """The id that was given last."""
        return self._last

    def alloc_pid(self, wanted: int = 0) -> int:
        """Give the next free id (alloc_pid), or the one that is wanted.

        Errno EAGAIN when there are as many as may be, EEXIST when the wanted one is somebody's, be
        it as a group's or a session's.
        """
        if wanted and len(self._tasks) < self.limit:
            named = {id_ for task in self for id_ in (task.pid, task.pgrp, task.session)}
            if wanted == INIT_PID or wanted in named:
                raise Errno(errno.EEXIST)
            return wanted
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
        if task.parent is not None and task.is_leader:
            task.parent.children[task.pid] = task

    def get(self, pid: int) -> Task | None:
        """Find a task that is not reaped by its id (find_task_by_pid)."""
        return self._tasks.get(pid)

    def release(self, task: Task) -> None:
        """Forget a zombie (release_task); of a leader, the process is over."""
        task.state = TaskState.DEAD
        task.kernel.hold.uncharge(TASK_BYTES)
        del self._tasks[task.pid]
        group, parent = task.group, task.group.parent
        if not task.is_leader:
            del group.threads[task.pid]
            group.dead_used.add(task.used)
        elif parent is not None:
            del parent.children[task.pid]
            parent.forget_reaped()
            parent.children_used.add(group.used)
            parent.children_used.add(group.children_used)

    def replace_leader(self, task: Task) -> None:
        """A thread becomes the leader in the place of one that has exited (de_thread)."""
        group, old = task.group, task.group.leader
        pid, born = old.pid, old.birth
        del self._tasks[task.pid], group.threads[task.pid]
        old.pid, old.birth, task.pid, task.birth = task.pid, task.birth, pid, born
        old.state = TaskState.DEAD
        old.kernel.hold.uncharge(TASK_BYTES)
        group.dead_used.add(old.used)
        self._tasks[pid] = group.threads[pid] = group.leader = task
        if group.parent is not None:
            group.parent.children[pid] = task

    def processes(self) -> list[Task]:
        """The leaders of all processes."""
        return [task for task in self if task.is_leader]

    def group(self, pgrp: int) -> list[Task]:
        """The leaders of all processes of a process group."""
        return [task for task in self if task.pgrp == pgrp and task.is_leader]
