"""Signals: numbers, dispositions, pending sets, sending and choosing.

Modelled on kernel/signal.c of Linux 2.6.6.  Building and tearing down the
frame on the user's stack is in frame.py.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

from vmemu.kernel.process.task import Task, TaskState, WakeReason
from vmemu.kernel.process.wait import WaitStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmemu.kernel.process.itimer import IntervalTimer

NSIG = 64
SIGRTMIN = 32

SIG_DFL = 0
SIG_IGN = 1

SI_USER = 0
SI_QUEUE = -1
SI_TIMER = -2
SI_TKILL = -6
SI_KERNEL = 0x80
SEGV_MAPERR = 1
SEGV_ACCERR = 2
BUS_ADRERR = 2
ILL_ILLOPN = 2
FPE_INTDIV = 1
TRAP_BRKPT = 1
TRAP_TRACE = 2
CLD_EXITED = 1
CLD_KILLED = 2
CLD_STOPPED = 5
CLD_CONTINUED = 6

SS_ONSTACK = 1
SS_DISABLE = 2
MINSIGSTKSZ = 2048


class Signal(enum.IntEnum):
    """The standard signals of i386."""

    SIGHUP = 1
    SIGINT = 2
    SIGQUIT = 3
    SIGILL = 4
    SIGTRAP = 5
    SIGABRT = 6
    SIGBUS = 7
    SIGFPE = 8
    SIGKILL = 9
    SIGUSR1 = 10
    SIGSEGV = 11
    SIGUSR2 = 12
    SIGPIPE = 13
    SIGALRM = 14
    SIGTERM = 15
    SIGSTKFLT = 16
    SIGCHLD = 17
    SIGCONT = 18
    SIGSTOP = 19
    SIGTSTP = 20
    SIGTTIN = 21
    SIGTTOU = 22
    SIGURG = 23
    SIGXCPU = 24
    SIGXFSZ = 25
    SIGVTALRM = 26
    SIGPROF = 27
    SIGWINCH = 28
    SIGIO = 29
    SIGPWR = 30
    SIGSYS = 31


def signal_name(number: int) -> str:
    """Name a signal as strace does."""
    try:
        return Signal(number).name
    except ValueError:
        return f"SIGRT_{number - SIGRTMIN}"


class SaFlags(enum.IntEnum):
    """sa_flags of i386."""

    NOCLDSTOP = 0x00000001
    NOCLDWAIT = 0x00000002
    SIGINFO = 0x00000004
    RESTORER = 0x04000000
    ONSTACK = 0x08000000
    RESTART = 0x10000000
    NODEFER = 0x40000000
    RESETHAND = 0x80000000


def mask_of(signals: Iterable[int]) -> int:
    """Give the sigset_t with these members."""
    return sum(1 << (number - 1) for number in signals)


UNBLOCKABLE = mask_of([Signal.SIGKILL, Signal.SIGSTOP])
STOP_SIGNALS = mask_of([Signal.SIGSTOP, Signal.SIGTSTP, Signal.SIGTTIN, Signal.SIGTTOU])
IGNORED_BY_DEFAULT = mask_of([Signal.SIGCONT, Signal.SIGCHLD, Signal.SIGWINCH, Signal.SIGURG])


class SigInfo(NamedTuple):
    """The part of siginfo_t that travels with a signal."""

    signo: int
    code: int = SI_KERNEL
    pid: int = 0
    uid: int = 0
    status: int = 0
    address: int = 0
    """si_addr of a fault."""
    trapno: int = 0
    error_code: int = 0
    value: int = 0
    """si_value."""
    timer_id: int = 0
    overrun: int = 0
    timer: IntervalTimer | None = None
    """What sent it, and is to be told when it is taken."""
    raw: bytes = b""
    """The siginfo_t that rt_sigqueueinfo() was given."""

    def taken(self) -> SigInfo:
        """It leaves the queue: its timer goes on."""
        if self.timer is None:
            return self
        self.timer.taken()
        return self._replace(timer=None, overrun=self.timer.overrun)


class SigAction(NamedTuple):
    """struct k_sigaction."""

    handler: int = SIG_DFL
    flags: int = 0
    restorer: int = 0
    mask: int = 0


class AltStack(NamedTuple):
    """stack_t of sigaltstack()."""

    base: int = 0
    size: int = 0

    def holds(self, sp: int) -> bool:
        """True while the task runs on it (on_sig_stack)."""
        return self.size != 0 and 0 <= sp - self.base <= self.size

    def flags(self, sp: int) -> int:
        """What ss_flags says of it to a task with this stack pointer (sas_ss_flags)."""
        if not self.size:
            return SS_DISABLE
        return SS_ONSTACK if self.holds(sp) else 0


class SignalState:
    """Dispositions, blocked and pending signals of one task."""

    def __init__(self) -> None:
        self.actions: dict[int, SigAction] = {}
        """Only what differs from the default."""
        self.blocked = 0
        self.pending: list[SigInfo] = []
        self.saved_mask: int | None = None
        """Mask to restore after sigsuspend, once a handler's frame is built."""
        self.stack = AltStack()
        self.wanted = 0
        """What sigtimedwait() waits for: it ends the sleep though it may be blocked."""

    def action(self, number: int) -> SigAction:
        """The disposition of a signal; never None."""
        found = self.actions.get(number)
        return found if found is not None else SigAction()

    def fork(self) -> SignalState:
        """Give a child its state: nothing pending (copy_sighand, copy_signal)."""
        child = SignalState()
        child.actions, child.blocked, child.stack = dict(self.actions), self.blocked, self.stack
        return child

    def flush_handlers(self) -> None:
        """Forget handlers at execve; what is ignored stays so (flush_signal_handlers)."""
        self.actions = {
            number: SigAction(SIG_IGN)
            for number, action in self.actions.items()
            if action.handler == SIG_IGN
        }
        self.stack = AltStack()

    def ignores(self, number: int) -> bool:
        """True when delivering the signal would do nothing (sig_ignored, sans mask)."""
        found = self.actions.get(number)
        handler = found.handler if found is not None else SIG_DFL
        return handler == SIG_IGN or (
            handler == SIG_DFL and bool(IGNORED_BY_DEFAULT >> (number - 1) & 1)
        )

    def is_blocked(self, number: int) -> bool:
        """True when the mask holds the signal back."""
        return bool(self.blocked >> (number - 1) & 1)

    def pending_mask(self) -> int:
        """The sigset_t of pending signals."""
        mask = 0
        for info in self.pending:
            mask |= 1 << (info.signo - 1)
        return mask

    def deliverable(self) -> bool:
        """True when a pending signal is not blocked (signal_pending)."""
        return bool(self.pending) and bool(self.pending_mask() & (~self.blocked | self.wanted))

    def has_kill(self) -> bool:
        """True when SIGKILL is pending."""
        return any(info.signo == Signal.SIGKILL for info in self.pending)

    def dequeue(self, among: int | None = None) -> SigInfo | None:
        """Take the pending signal with the lowest number (dequeue_signal).

        It is one of those that are not blocked, or of a sigset_t.
        """
        mask = ~self.blocked if among is None else among
        best: SigInfo | None = None
        for info in self.pending:
            if not mask >> (info.signo - 1) & 1:
                continue
            if info.signo == Signal.SIGKILL:
                best = info
                break
            if best is None or info.signo < best.signo:
                best = info
        if best is None:
            return None
        self.pending.remove(best)
        return best.taken()

    def discard(self, mask: int) -> None:
        """Drop pending signals (rm_from_queue)."""
        gone = [info for info in self.pending if mask >> (info.signo - 1) & 1]
        self.pending = [info for info in self.pending if not mask >> (info.signo - 1) & 1]
        for info in gone:
            info.taken()

    def attach(self, info: SigInfo) -> None:
        """A standard signal is pending already: its timer is told with that one."""
        if info.timer is None:
            return
        for index, pending in enumerate(self.pending):
            if pending.signo == info.signo and pending.timer is None:
                self.pending[index] = pending._replace(timer=info.timer)
                return

    def set_blocked(self, mask: int) -> None:
        """Replace the mask; SIGKILL and SIGSTOP cannot be blocked."""
        self.blocked = mask & ~UNBLOCKABLE & (1 << NSIG) - 1


def send_signal(task: Task, info: SigInfo) -> bool:
    """Make a signal pending and wake the task if it must see it (send_sig_info).

    A signal that would be ignored is dropped at once unless it is blocked.  A
    standard signal is pending once at most; real-time signals queue, until as many as the
    receiver's RLIMIT_SIGPENDING are queued for all tasks together: then kill()'s are pending
    once, too, and others are not sent: False.
    """
    if not task.alive:
        return True
    state = task.signals
    number = info.signo
    _handle_stop_signal(task, number)
    if not state.is_blocked(number) and state.ignores(number):
        return True
    known = any(pending.signo == number for pending in state.pending)
    if info.code == SI_TIMER:
        pass  # each timer has its place in the queue (send_sigqueue)
    elif number < SIGRTMIN:
        if known:
            state.attach(info)
            return True
    elif _queued(task) >= task.limits.sigpending and (known or info.code != SI_USER):
        return info.code == SI_USER
    state.pending.append(info)
    signal_wake_up(task)
    return True


def _queued(task: Task) -> int:
    return sum(len(each.signals.pending) for each in task.kernel.tasks)


def _handle_stop_signal(task: Task, number: int) -> None:
    """SIGCONT and the stop signals cancel one another (handle_stop_signal)."""
    if STOP_SIGNALS >> (number - 1) & 1:
        task.signals.discard(mask_of([Signal.SIGCONT]))
    elif number in (Signal.SIGCONT, Signal.SIGKILL):
        if number == Signal.SIGCONT:
            task.signals.discard(STOP_SIGNALS)
        if task.state is TaskState.STOPPED:
            task.status = WaitStatus(continued=True) if number == Signal.SIGCONT else None
            task.kernel.sched.enqueue(task)
            if task.status is not None:
                notify_parent_stop(task, task.status)


def signal_wake_up(task: Task) -> None:
    """End an interruptible sleep when a signal can be delivered (signal_wake_up)."""
    if task.state is TaskState.SLEEPING and task.signals.deliverable():
        task.kernel.sched.wake(task, WakeReason.SIGNAL)


def force_signal(task: Task, info: SigInfo, *, fatal: bool = False) -> None:
    """Send a signal that cannot be blocked or ignored (force_sig_info); nor caught, if fatal."""
    state = task.signals
    if fatal or state.is_blocked(info.signo) or state.action(info.signo).handler == SIG_IGN:
        state.actions.pop(info.signo, None)
        state.blocked &= ~(1 << (info.signo - 1))
    state.pending.append(info)


def child_info(child: Task, status: WaitStatus) -> SigInfo:
    """What a parent is told of a child (do_notify_parent, do_notify_parent_cldstop)."""
    if status.continued:
        code, number = CLD_CONTINUED, int(Signal.SIGCONT)
    else:
        # never CLD_DUMPED: there are no core files
        code = CLD_STOPPED if status.stopped else CLD_KILLED if status.signaled else CLD_EXITED
        number = status.code
    uid = child.kernel.options.credentials.uid
    return SigInfo(child.exit_signal, code, pid=child.pid, uid=uid, status=number)


def notify_parent_stop(task: Task, status: WaitStatus) -> None:
    """Tell the parent that a child stopped or goes on (do_notify_parent_cldstop)."""
    parent = task.parent
    if parent is None:
        return
    if not parent.signals.action(Signal.SIGCHLD).flags & SaFlags.NOCLDSTOP:
        send_signal(parent, child_info(task, status)._replace(signo=Signal.SIGCHLD))
    parent.child_wait.wake_up()


def notify_parent(task: Task, info: SigInfo) -> None:
    """Tell the parent about a change of a child and wake its wait4() (do_notify_parent)."""
    parent = task.parent
    if parent is None:
        return
    send_signal(parent, info)
    parent.child_wait.wake_up()
