"""Waiting: wait queues, wait conditions, wait statuses.

A system call that must block is a generator.  It yields a `Wait`: the queues
whose owner will wake it, a predicate, and perhaps a deadline in virtual
nanoseconds.  The scheduler resumes the generator when the predicate holds or
the deadline has passed, and throws `Interrupted` into it when a signal came.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from vmemu.errors import Errno

if TYPE_CHECKING:
    from vmemu.kernel.process.sched import Scheduler
    from vmemu.kernel.process.task import Task

T = TypeVar("T")

ERESTARTSYS = 512
ERESTARTNOHAND = 514
ERESTART_RESTARTBLOCK = 516

NSEC_PER_SEC = 1_000_000_000
USER_HZ = 100


def clock_t(nanoseconds: int) -> int:
    """Convert to ticks of USER_HZ, hundredths of a second (nsec_to_clock_t)."""
    return nanoseconds * USER_HZ // NSEC_PER_SEC


class Interrupted(Errno):
    """A signal ends a sleep; the errno says how the call may be restarted."""

    def __init__(self, errno: int = ERESTARTSYS) -> None:
        super().__init__(errno)


class WaitQueue:
    """Tasks that wait for one thing, first come first served (wait_queue_head_t)."""

    __slots__ = ("tasks", "watchers")

    def __init__(self) -> None:
        self.tasks: dict[int, Task] = {}
        """By id, in the order of their coming."""
        self.watchers: dict[object, Callable[[int], None]] = {}
        """Called with the events of each wake-up, by whose they are (epoll)."""

    def wake_up(self, events: int = 0) -> None:
        """Let every waiter whose condition holds now run again (wake_up_all).

        ``events``: what poll() may tell now that it did not before; 0: anything.
        """
        if self.tasks:
            for task in tuple(self.tasks.values()):
                wait = task.wait
                if wait is not None and wait.ready():
                    task.kernel.sched.wake(task)
        if self.watchers:
            for watcher in tuple(self.watchers.values()):
                watcher(events)


def _never() -> bool:
    return False


class Wait(NamedTuple):
    """One sleep: why, on which queues, until what holds or which time it is."""

    what: str
    """What is waited for, in words, for the report of a deadlock."""
    queues: tuple[WaitQueue, ...] = ()
    ready: Callable[[], bool] = _never
    deadline: int | None = None
    """Virtual nanoseconds since boot, or None."""
    interruptible: bool = True
    wall: bool = False
    """The deadline is in nanoseconds since 1970, of a clock that may be set meanwhile."""


class Deadline(NamedTuple):
    """A time to wait for: since boot, or of the clock on the wall."""

    time: int
    """Virtual nanoseconds."""
    wall: bool = False

    @staticmethod
    def passed(deadline: Deadline | None, sched: Scheduler) -> bool:
        """Whether there is one, and it has come."""
        return deadline is not None and sched.passed(deadline.time, wall=deadline.wall)


def wait_until(
    deadline: Deadline | None,
    what: str,
    queues: tuple[WaitQueue, ...] = (),
    ready: Callable[[], bool] = _never,
) -> Wait:
    """A sleep that ends then, if at any time."""
    if deadline is None:
        return Wait(what, queues, ready)
    return Wait(what, queues, ready, deadline.time, wall=deadline.wall)


Blocking = Generator[Wait, None, T]
"""What a blocking function returns: a generator of waits with a result."""


MayBlock: TypeAlias = T | Generator[Wait, None, T]
"""What a function returns that need not wait each time: its result, or the same."""


def waited(what: MayBlock[T]) -> Blocking[T]:
    """Wait for such a result, if need be."""
    return (yield from what) if isinstance(what, Generator) else what


def immediately(value: T) -> Blocking[T]:
    """Block on nothing: what a function returns that need not wait this time."""
    yield from ()
    return value


class WaitStatus(NamedTuple):
    """How a task ended or stopped, as wait4() reports it."""

    code: int = 0
    """Exit code, 0..255, or the signal's number."""
    signaled: bool = False
    stopped: bool = False
    continued: bool = False
    """It goes on after a stop."""

    def encode(self) -> int:
        """Give the `int status` of wait4()."""
        if self.continued:
            return 0xFFFF
        if self.stopped:
            return self.code << 8 | 0x7F
        if self.signaled:
            return self.code
        return (self.code & 0xFF) << 8

    @property
    def exit_status(self) -> int:
        """The status a shell reports: the exit code, or 128 + signal."""
        return 128 + self.code if self.signaled else self.code & 0xFF

    def __str__(self) -> str:
        if self.continued:
            return "continued"
        if self.stopped:
            return f"stopped by signal {self.code}"
        return f"killed by signal {self.code}" if self.signaled else f"exited with {self.code}"
