"""The scheduler: round robin, wait conditions, and the virtual clock.

Time is m->clock, virtual nanoseconds since boot.  It moves by fixed amounts:
a system call, a fault, a page copied, scanned, read or written, a time slice
used up (enum virtual_time, csrc/core/types.h), and, when every task sleeps, a jump
to the earliest deadline.  The block hook that ends a slice is
installed only when somebody could want the CPU: another runnable task, or a
timer.  Slices end when nobody has wanted it for LONE_SLICES of them; the hook stays
for a while longer, because a change makes the CPU translate everything again.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from vmemu.core import lib
from vmemu.errors import KernelBug, LimitReached
from vmemu.kernel.process.itimer import KTIME_MAX, IntervalTimer
from vmemu.kernel.process.load import LoadAverage
from vmemu.kernel.process.task import Task, TaskState, WakeReason
from vmemu.kernel.process.timer import Timer, TimerQueue
from vmemu.kernel.process.wait import NSEC_PER_SEC, Wait, WaitQueue

if TYPE_CHECKING:
    from vmemu.core import Core

SYSCALL_NS: int = lib.SYSCALL_NS
FAULT_NS: int = lib.FAULT_NS
LONE_SLICES = 10
BOOT_TIME = 1087344000
"""Seconds since the epoch, 2004-06-16 00:00 UTC."""
_NEVER = (1 << 64) - 1


class Preemptible(Protocol):
    """The part of the CPU that the scheduler drives."""

    def set_preempt(self, blocks: int) -> None:
        """End cpu_run() after so many blocks; 0 = never."""


class Scheduler:
    """Who runs next, and when it is."""

    def __init__(
        self, core: Core, cpu: Preemptible, slice_blocks: int, end: int | None = None
    ) -> None:
        self._clock = core.m.clock
        self.settled = False
        """The task that ran last runs on: it is alone, nobody waits for a time, and `prepare`
        has nothing left to do.  Whatever changes that says so here."""
        self.end = end
        """The virtual time at which all ends, or None."""
        self._cpu = cpu
        self.slice_blocks = slice_blocks
        self._preempting = False
        self._lone_slices = 0
        self._measured = self._watched = False
        self.queue: deque[Task] = deque()
        """Runnable tasks; the first one has the CPU."""
        self.timers = TimerQueue(self._unsettle, BOOT_TIME * NSEC_PER_SEC)
        self.cpu_timers: dict[int, IntervalTimer] = {}
        """Those that count CPU time, by their Python id, in the order in which they were set."""
        self._sleep_timers: dict[int, Timer] = {}
        self._owner: Task | None = None
        self._slice_end = 0
        self.idle_time = 0
        """Virtual nanoseconds in which nobody could run."""
        self.user_time = 0
        """Virtual nanoseconds in which programs ran."""
        self.time_zone: tuple[int, ...] = (0, 0)
        """Minutes west of Greenwich, and what settimeofday() said of summer (sys_tz)."""
        self.loads = LoadAverage()
        self.clock_set = WaitQueue()
        """Woken when somebody sets the clock on the wall."""

    def _unsettle(self) -> None:
        self.settled = False

    @property
    def measured(self) -> bool:
        """Somebody's CPU time is limited: every slice counts."""
        return self._measured

    @measured.setter
    def measured(self, value: bool) -> None:
        self._measured, self.settled = value, False

    @property
    def watched(self) -> bool:
        """Somebody at a terminal may type: the CPU is to look up every slice."""
        return self._watched

    @watched.setter
    def watched(self, value: bool) -> None:
        self._watched, self.settled = value, False

    @property
    def now(self) -> int:
        """Virtual nanoseconds since boot."""
        now: int = self._clock.now
        return now

    @property
    def realtime(self) -> int:
        """Virtual nanoseconds since 1970."""
        return self.timers.boot_time + self.now

    @realtime.setter
    def realtime(self, nanoseconds: int) -> None:
        """Set the clock on the wall (do_settimeofday); what waits for a time of it moves along."""
        self.timers.boot_time = nanoseconds - self.now
        self.settled = False
        self.clock_set.wake_up()

    def passed(self, time: int, *, wall: bool = False) -> bool:
        """Whether it is a time since boot, or one of the clock on the wall."""
        return (self.realtime if wall else self.now) >= time

    def deadline(self, nanoseconds: int) -> int:
        """The time so long from now, KTIME_MAX at most (ktime_add_safe)."""
        return min(self.now + nanoseconds, KTIME_MAX)

    @property
    def _ran(self) -> int:
        """What slices are measured by: now, less what faults and reclaim have taken.

        Against 0.1 ms a slice their time is out of all proportion: with it, tasks that are
        short of memory would take one another's pages before they have used them.
        """
        clock = self._clock
        return int(clock.now - clock.stime - clock.iowait)

    def advance(self, task: Task, nanoseconds: int) -> None:
        """Let virtual time pass while the kernel works for a task."""
        self._clock.now += nanoseconds
        task.used.stime += nanoseconds

    def enqueue(self, task: Task) -> None:
        """A task may run, behind all others (wake_up_new_task).

        A task that had the CPU for itself gets a full slice from now on.
        """
        self.settled = False
        task.state = TaskState.RUNNING
        if len(self.queue) == 1:
            self._slice_end = self._ran + self.slice_blocks  # 1 ns a block
        self.queue.append(task)

    def remove(self, task: Task) -> None:
        """A task exits or stops: it no longer runs nor waits."""
        self.settled = False
        if task.wait is not None:
            self._unwait(task)
        elif task in self.queue:
            self.queue.remove(task)

    def sleep(self, task: Task, wait: Wait) -> None:
        """Block the running task until its wait is over (schedule_timeout)."""
        self.settled = False
        self.queue.remove(task)
        task.state = TaskState.SLEEPING if wait.interruptible else TaskState.UNINTERRUPTIBLE
        task.wait = wait
        task.wake_reason = None
        for queue in wait.queues:
            queue.tasks[task.pid] = task
        if wait.deadline is not None:
            self._sleep_timers[task.pid] = self.timers.add(
                wait.deadline, lambda: self.wake(task, WakeReason.TIMEOUT), wall=wait.wall
            )

    def _unwait(self, task: Task) -> None:
        assert task.wait is not None
        for queue in task.wait.queues:
            queue.tasks.pop(task.pid, None)  # a wait may name a queue twice
        timer = self._sleep_timers.pop(task.pid, None)
        if timer is not None:
            timer.cancel()
        task.wait = None

    def wake(self, task: Task, reason: WakeReason = WakeReason.READY) -> None:
        """End a task's sleep; no effect on one that does not sleep (try_to_wake_up)."""
        if task.wait is None:
            return
        task.slept = task.wait
        self._unwait(task)
        task.wake_reason = reason
        self.enqueue(task)

    def pick(self) -> Task | None:
        """Give the task to run now, after all timers due have fired; None = all sleep.

        LimitReached when the time is up.
        """
        if self.end is not None and self.now >= self.end:
            raise LimitReached(
                f"the machine has run for {self.end / 1e9:g} s of virtual time, "
                "as long as it may (max_time)"
            )
        queue = self.queue
        if self.timers.pending:
            self.timers.run(self.now)
        elif len(queue) == 1:
            self._owner = queue[0]
            return self._owner
        if not queue:
            return None
        if queue[0] is self._owner and len(queue) > 1 and self._ran >= self._slice_end:
            queue.rotate(-1)
        if queue[0] is not self._owner:
            self._owner = queue[0]
            self._slice_end = self._ran + self.slice_blocks
        return queue[0]

    def end_slice(self) -> None:
        """The running task gives way to the others (sched_yield, or its slice is over)."""
        self._slice_end = self._ran

    def idle_until(self) -> int | None:
        """When a timer or the end of all is due; None: never."""
        deadline = self.timers.next_deadline()
        if self.end is not None and (deadline is None or deadline > self.end):
            return self.end
        return deadline

    def idle_for(self, nanoseconds: int) -> None:
        """So much time has passed, but no more than until the next timer."""
        deadline = self.idle_until()
        now = self.now + nanoseconds
        self._clock.now = min(now, KTIME_MAX if deadline is None else max(deadline, self.now))
        self.timers.run(self.now)

    def idle(self) -> bool:
        """Nobody can run: jump to the earliest deadline; False when there is none."""
        deadline = self.timers.next_deadline()
        if deadline is None:
            return False
        if self.end is not None:
            deadline = min(deadline, self.end)
        before = self.now
        self.loads.pass_time(before, 1)
        self._clock.now = max(before, min(deadline, KTIME_MAX))
        self.idle_time += self.now - before
        self.loads.pass_time(self.now, 0)
        self.timers.run(self.now)
        return True

    def run_cpu_timers(self) -> None:
        """Fire those of CPU time that are due (run_posix_cpu_timers)."""
        for timer in tuple(self.cpu_timers.values()):
            if timer.expires <= timer.now():
                timer.expired()

    def prepare(self) -> None:
        """What there is to do for the others before the running task executes its own code."""
        self.update_preemption()
        self.limit_clock()
        self.settled = self._is_settled()

    def _is_settled(self) -> bool:
        return (
            len(self.queue) == 1
            and self.end is None
            and not self.timers.pending
            and (self._preempting or not self._wanted())
        )

    def check(self, running: Task | None) -> None:
        """KernelBug if somebody could want the CPU and would not get it."""
        if self.settled and not (self._is_settled() and self.queue[0] is running):
            raise KernelBug(f"{running!r} runs on without a look at {[*self.queue]!r} and timers")

    def update_preemption(self) -> None:
        """Install the slice hook, if somebody could want the CPU, before user code runs."""
        if not self._preempting and self._wanted():
            self._cpu.set_preempt(self.slice_blocks)
            self._preempting = True
            self._lone_slices = 0

    def limit_clock(self) -> None:
        """Say until when the running task may go on without a look at the others."""
        clock = self._clock
        deadline = self.timers.next_deadline() if self.timers.pending else None
        limit = _NEVER if deadline is None else deadline
        if self.end is not None:
            limit = min(limit, self.end)
        clock.next_timer = limit
        if len(self.queue) > 1:
            limit = min(limit, self._slice_end + clock.stime + clock.iowait)
        clock.limit = limit

    def slice_used(self) -> None:
        """The running task has used up its slice; slices end when nobody needs them any longer."""
        self.settled = False
        self.end_slice()
        self._lone_slices = 0 if self._wanted() else self._lone_slices + 1
        if self._lone_slices == LONE_SLICES:
            self._cpu.set_preempt(0)
            self._preempting = False

    def _wanted(self) -> bool:
        """Another task, a timer, a limit or the end could want the CPU from the one that runs."""
        return (
            len(self.queue) > 1
            or self._measured
            or self.end is not None
            or bool(self.cpu_timers)
            or self._watched
            or (self.timers.pending and self.timers.next_deadline() is not None)
        )
