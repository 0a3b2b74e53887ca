"""Signals: numbers, dispositions, pending sets, sending and choosing.

Modelled on kernel/signal.c of Linux 2.6.6.  Building and tearing down the
frame on the user's stack is in frame.py.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

from vmemu.kernel.process.group import ThreadGroup
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
SI_MESGQ = -3
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
SS_AUTODISARM = 1 << 31
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
    band: int = 0
    """si_band of a file that has become ready, by its descriptor ``fd``."""
    fd: int = -1
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
    disarms: bool = False
    """A handler that begins on it has none, until it returns (SS_AUTODISARM)."""

    @classmethod
    def of(cls, base: int, flags: int, size: int) -> AltStack:
        """What a stack_t says."""
        if flags & ~SS_AUTODISARM == SS_DISABLE:
            return cls()
        return cls(base, size, bool(flags & SS_AUTODISARM))

    def holds(self, sp: int) -> bool:
        """True while the task runs on it (on_sig_stack)."""
        return self.size != 0 and not self.disarms and 0 <= sp - self.base <= self.size

    def flags(self, sp: int) -> int:
        """What ss_flags says of it to a task with this stack pointer (sas_ss_flags)."""
        if not self.size:
            return SS_DISABLE
        return (SS_ONSTACK if self.holds(sp) else 0) | (SS_AUTODISARM if self.disarms else 0)


class SigPending(list[SigInfo]):
    """Signals that wait for delivery, in the order of their coming (struct sigpending)."""

    __slots__ = ()

    def mask(self) -> int:
        """The sigset_t of them."""
        mask = 0
        for info in self:
            mask |= 1 << (info.signo - 1)
        return mask

    def has(self, number: int) -> bool:
        """Whether a signal is among them."""
        return any(info.signo == number for info in self)

    def discard(self, mask: int) -> None:
        """Drop those of a sigset_t (rm_from_queue)."""
        gone = [info for info in self if mask >> (info.signo - 1) & 1]
        self[:] = [info for info in self if not mask >> (info.signo - 1) & 1]
        for info in gone:
            info.taken()

    def attach(self, info: SigInfo) -> None:
        """A standard signal is pending already: its timer is told with that one."""
        if info.timer is None:
            return
        for index, pending in enumerate(self):
            if pending.signo == info.signo and pending.timer is None:
                self[index] = pending._replace(timer=info.timer)
                return

    def take(self, mask: int) -> SigInfo | None:
        """Take the one of a sigset_t with the lowest number; SIGKILL comes first."""
        best: SigInfo | None = None
        for info in self:
            if not mask >> (info.signo - 1) & 1:
                continue
            if info.signo == Signal.SIGKILL:
                best = info
                break
            if best is None or info.signo < best.signo:
                best = info
        if best is None:
            return None
        self.remove(best)
        return best.taken()


class SignalState:
    """Dispositions, blocked and pending signals of one task.

    Of the signals that are pending for its process it takes some only if it was ``chosen``: when
    one was sent, or because its mask changed.  So two threads do not wake for one signal.
    """

    def __init__(self, shared: SigPending | None = None) -> None:
        self.actions: dict[int, SigAction] = {}
        """Only what differs from the default; shared by all threads (sighand_struct)."""
        self._blocked = 0
        self.pending = SigPending()
        """For this thread alone."""
        self.shared = SigPending() if shared is None else shared
        """For its process."""
        self.chosen = False
        """It is to take what is pending for the process (TIF_SIGPENDING)."""
        self.stopping = False
        """Its process is being stopped, and it has not stopped yet (group_stop_count)."""
        self.saved_mask: int | None = None
        """Mask to restore after sigsuspend, once a handler's frame is built."""
        self.real_blocked = 0
        """The mask while sigtimedwait() lets through what it waits for."""
        self.stack = AltStack()

    @property
    def blocked(self) -> int:
        """The mask."""
        return self._blocked

    @blocked.setter
    def blocked(self, mask: int) -> None:
        self._blocked = mask
        self.recalc()

    def recalc(self) -> None:
        """See whether the process has something for this thread (recalc_sigpending)."""
        self.chosen = bool(self.shared) and bool(self.shared.mask() & ~self._blocked)

    def action(self, number: int) -> SigAction:
        """The disposition of a signal; never None."""
        found = self.actions.get(number)
        return found if found is not None else SigAction()

    def fork(self) -> SignalState:
        """Give a child its state: nothing pending (copy_sighand, copy_signal)."""
        child = SignalState()
        child.actions, child._blocked, child.stack = dict(self.actions), self._blocked, self.stack
        return child

    def thread(self) -> SignalState:
        """Give another thread of the process its state: its own mask and alternate stack."""
        thread = SignalState(self.shared)
        thread.actions, thread._blocked = self.actions, self._blocked
        return thread

    def reset_handlers(self) -> None:
        """Forget handlers; what is ignored stays so (flush_signal_handlers)."""
        self.actions = {
            number: SigAction(SIG_IGN)
            for number, action in self.actions.items()
            if action.handler == SIG_IGN
        }

    def flush_handlers(self) -> None:
        """The same at execve, where there is no other stack either."""
        self.reset_handlers()
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
        return bool(self._blocked >> (number - 1) & 1)

    def pending_mask(self) -> int:
        """The sigset_t of what is pending for the thread and for its process."""
        return self.pending.mask() | self.shared.mask()

    def deliverable(self) -> bool:
        """True when something is to be done before user code runs (signal_pending)."""
        if self.stopping:
            return True
        if self.pending and self.pending.mask() & ~self._blocked:
            return True
        return self.chosen and bool(self.shared.mask() & ~self._blocked)

    def has_kill(self) -> bool:
        """True when SIGKILL is pending."""
        return self.pending.has(Signal.SIGKILL) or self.shared.has(Signal.SIGKILL)

    def dequeue(self, among: int | None = None) -> SigInfo | None:
        """Take the next signal, the thread's own before shared ones (dequeue_signal).

        It is one of those that are not blocked, or of a sigset_t.
        """
        if among is None:
            if not self.deliverable():
                return None
            among = ~self._blocked
        info = self.pending.take(among)
        if info is None:
            info = self.shared.take(among)
        self.recalc()
        return info

    def discard(self, mask: int) -> None:
        """Drop the thread's own pending signals (rm_from_queue)."""
        self.pending.discard(mask)

    def set_blocked(self, mask: int) -> None:
        """Replace the mask; SIGKILL and SIGSTOP cannot be blocked."""
        self.blocked = mask & ~UNBLOCKABLE & (1 << NSIG) - 1


def send_signal(task: Task, info: SigInfo) -> bool:
    """Make a signal pending for one thread and wake it if it must see it (specific_send_sig_info).

    A signal that would be ignored is dropped at once unless it is blocked.  A
    standard signal is pending once at most; real-time signals queue, until as many as the
    receiver's RLIMIT_SIGPENDING are queued for all tasks together: then kill()'s are pending
    once, too, and others are not sent: False.
    """
    if not task.alive:
        return True
    sent = _queue(task, info, task.signals.pending)
    if sent:
        signal_wake_up(task)
    return sent is not False


def send_group_signal(group: ThreadGroup, info: SigInfo) -> bool:
    """The same for a process: one thread that does not block it takes it (group_send_sig_info)."""
    if not group.alive:
        return True
    sent = _queue(group.leader, info, group.shared)
    if sent:
        _complete_signal(group, info.signo)
    return sent is not False


def _queue(task: Task, info: SigInfo, queue: SigPending) -> bool | None:
    """Put a signal into a queue; None when there is no need to, False when there is no room."""
    state, number = task.signals, info.signo
    _handle_stop_signal(task.group, number)
    kept = state.blocked | state.real_blocked
    if not kept >> (number - 1) & 1 and state.ignores(number):
        return None
    known = queue.has(number)
    if info.code == SI_TIMER:
        pass  # each timer has its place in the queue (send_sigqueue)
    elif number < SIGRTMIN:
        if known:
            queue.attach(info)
            return None
    elif _queued(task) >= task.limits.sigpending and (known or info.code != SI_USER):
        return None if info.code == SI_USER else False
    queue.append(info)
    task.kernel.signalled.wake_up()
    return True


def _queued(task: Task) -> int:
    tasks = task.kernel.tasks
    return sum(len(t.signals.pending) + len(t.group.shared) * t.is_leader for t in tasks)


def _complete_signal(group: ThreadGroup, number: int) -> None:
    """Choose who takes a signal: the leader, or else the next in turn (complete_signal).

    SIGKILL is everybody's.
    """
    if number == Signal.SIGKILL:
        for task in group.living():
            task.signals.chosen = True
            signal_wake_up(task)
        return
    target = group.leader
    if not _wants_signal(target, number):
        threads = group.living()
        first = threads.index(group.target) if group.target in threads else 0
        turn = threads[first:] + threads[:first]
        found = next((task for task in turn if _wants_signal(task, number)), None)
        if found is None:
            return  # whoever unblocks it takes it
        target = group.target = found
    target.signals.chosen = True
    signal_wake_up(target)


def _wants_signal(task: Task, number: int) -> bool:
    """Whether a thread can take a signal now (wants_signal)."""
    if not task.alive or task.stopped or task.signals.is_blocked(number):
        return False
    return task is task.kernel.current or not task.signals.deliverable()


def retarget_shared(task: Task) -> None:
    """Others may take what a thread blocks now, or leaves by its end (retarget_shared_pending)."""
    shared = task.group.shared
    if not shared:
        return
    left = shared.mask()
    if task.alive:
        left &= task.signals.blocked
    for other in task.group.living():
        if other is not task and left & ~other.signals.blocked:
            left &= other.signals.blocked
            other.signals.chosen = True
            signal_wake_up(other)


def _handle_stop_signal(group: ThreadGroup, number: int) -> None:
    """SIGCONT and the stop signals cancel one another (handle_stop_signal)."""
    if STOP_SIGNALS >> (number - 1) & 1:
        group.discard(mask_of([Signal.SIGCONT]))
    elif number in (Signal.SIGCONT, Signal.SIGKILL):
        if number == Signal.SIGCONT:
            group.discard(STOP_SIGNALS)
        _resume(group, number)


def _resume(group: ThreadGroup, number: int) -> None:
    """The threads that are stopped, or about to stop, go on."""
    was_stopped = group.stopped
    group.stop_signal = 0
    for task in group.living():
        task.signals.stopping = False
        if task.stopped:
            task.kernel.sched.enqueue(task)
            task.signals.recalc()
    if was_stopped:
        group.status = WaitStatus(continued=True) if number == Signal.SIGCONT else None
        if group.status is not None:
            notify_parent_stop(group, group.status)


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
    uid = child.cred.user.real
    return SigInfo(child.exit_signal, code, pid=child.pid, uid=uid, status=number)


def notify_parent_stop(group: ThreadGroup, status: WaitStatus) -> None:
    """Tell the parent that a child stopped or goes on (do_notify_parent_cldstop)."""
    parent, leader = group.parent, group.leader
    if parent is None:
        return
    if not parent.leader.signals.action(Signal.SIGCHLD).flags & SaFlags.NOCLDSTOP:
        send_group_signal(parent, child_info(leader, status)._replace(signo=Signal.SIGCHLD))
    parent.child_wait.wake_up()


def notify_parent(group: ThreadGroup, info: SigInfo) -> None:
    """Tell the parent about a change of a child and wake its wait4() (do_notify_parent)."""
    parent = group.parent
    if parent is None:
        return
    send_group_signal(parent, info)
    parent.child_wait.wake_up()
