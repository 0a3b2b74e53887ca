"""The kernel: tasks run here, are trapped, signalled and buried.

    run -> step -> pick a task -> go on with a blocked call
                               or deliver signals, run user code, handle the trap

`Kernel` owns the tasks and the loop; how a program is started is in spawn.py, what a trap
means in trap.py, what a system call does in syscalls/, what a signal does in signal/.
"""

from __future__ import annotations

import errno
import random
import struct
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from vmemu.closing import Closing
from vmemu.core import lib
from vmemu.errors import Errno, VmemuError
from vmemu.kernel import strace
from vmemu.kernel.abi import abi_of
from vmemu.kernel.hold import HostMemory
from vmemu.kernel.ipc.shm import Segments
from vmemu.kernel.kswapd import Kswapd
from vmemu.kernel.process import oom
from vmemu.kernel.process.cputime import limit_cpu
from vmemu.kernel.process.cred import ROOT, Cap, Cred, narrow
from vmemu.kernel.process.exit import exit_group
from vmemu.kernel.process.futex import Futexes
from vmemu.kernel.process.job import Jobs
from vmemu.kernel.process.sched import SYSCALL_NS, Scheduler
from vmemu.kernel.process.task import Call, ProcessTable, Task, TaskState, WakeReason
from vmemu.kernel.process.wait import (
    ERESTART_RESTARTBLOCK,
    ERESTARTSYS,
    Interrupted,
    WaitQueue,
    WaitStatus,
)
from vmemu.kernel.program.exec import Credentials
from vmemu.kernel.signal.delivery import deliver_signals
from vmemu.kernel.signal.state import Signal
from vmemu.kernel.syscalls import TABLES
from vmemu.kernel.syscalls.table import Handler, Table, arguments
from vmemu.kernel.trap import handle_trap
from vmemu.vfs.fifo import Fifos
from vmemu.vfs.lock import Locks
from vmemu.vfs.stdio import host_time_is_over

if TYPE_CHECKING:
    from vmemu.cpu import Cpu
    from vmemu.kernel.ipc.msg import MessageQueues
    from vmemu.kernel.ipc.sem import Semaphores
    from vmemu.mm import MemoryManager
    from vmemu.net.network import Network
    from vmemu.vfs.bind import Bind
    from vmemu.vfs.node import Directory
    from vmemu.vfs.tty.console import Console
    from vmemu.vfs.world import World

_TASK_IDS = struct.Struct("<11I")
_SYSCALL_C: int = lib.CNT_syscall_c
_PGFAULT: int = lib.CNT_pgfault
_PGMAJFAULT: int = lib.CNT_pgmajfault
_CONTEXT_SWITCH: int = lib.CNT_context_switch
_RESTARTS = range(ERESTARTSYS, ERESTART_RESTARTBLOCK + 1)
RELEASE = "2.6.7-vmemu"
UNKNOWN_MAX = 1024
"""Numbers of unimplemented system calls that are told apart."""


class KernelOptions(NamedTuple):
    """Settings of a Kernel."""

    slice_blocks: int = 100_000
    """Basic blocks a task may run while another one waits for the CPU."""
    seed: int = 0
    credentials: Credentials = Credentials()
    hostname: str = "vmemu"
    release: str = RELEASE
    """What uname() says."""
    aslr: bool = False
    """Programs lie at addresses drawn from the seed."""
    max_time: int | None = None
    """Virtual nanoseconds since boot until which guests may run."""
    max_tasks: int | None = None
    """How many tasks there may be, zombies included."""
    max_host_memory: int = 2 << 30
    """Bytes that guests may make the host hold beside guest RAM (see hold.py)."""
    root: str | None = None
    """A directory of the host that is the guests' root; None: an empty one of their own."""
    root_rw: bool = False
    """Guests may write there."""
    binds: tuple[Bind, ...] = ()
    """What else of the host they have."""


class Kernel(Closing):
    """The kernel personality of one machine."""

    def __init__(self, vm: MemoryManager, cpu: Cpu, options: KernelOptions | None = None) -> None:
        self.vm = vm
        self.core = vm.core
        self.abi = abi_of(vm.core.bits)
        self._ways: dict[int, tuple[Handler, Callable[[Any], tuple[int, ...]]]] = {}
        """Of each call that was made: who answers, and what takes the arguments from the words."""
        self.syscalls = TABLES[vm.core.bits]
        self.cpu = cpu
        self.options = options if options is not None else KernelOptions()
        self.random = random.Random(self.options.seed)
        """The guests' randomness: AT_RANDOM and getrandom()."""
        self.sched = Scheduler(self.core, cpu, self.options.slice_blocks, self.options.max_time)
        self.hold = HostMemory(self.options.max_host_memory)
        self._world: World | None = None
        self.existing_net: Network | None = None
        """All sockets, if there ever was one."""
        self.existing_sem: Semaphores | None = None
        """All semaphores of System V, if anybody ever asked."""
        self.existing_msg: MessageQueues | None = None
        """All its queues of messages, likewise."""
        self.host_deadline: float | None = None
        """The time.monotonic() at which a run ends."""
        self.host_time_is_over = False
        """Set from outside when it has come: the next step ends the run."""
        self.tasks = ProcessTable(self.options.max_tasks)
        self.first: Task | None = None
        """The task run() waits for."""
        self.current: Task | None = None
        self.unknown_syscalls: dict[int, int] = {}
        """How often each unimplemented system call was made, by number, for so many numbers."""
        self.strace: Callable[[str], None] | None = None
        """Takes each line of the trace; None = off."""
        self.strace_filter: strace.Filter | None = None
        """Which calls are in it; None = all."""
        self.on_mark: Callable[[Task, str, int, int], int | None] | None = None
        """The lab's answer to a guest's MARK."""
        self.on_exit: Callable[[Task, WaitStatus], None] | None = None
        """Called when a process is about to end, by its last thread, which still has its memory."""
        self.on_check: Callable[[], None] | None = None
        """machine.check(), for a guest's CHECK."""
        self.log: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True)
        """Takes what the kernel has to say (printk)."""
        self.futexes = Futexes()
        self.jobs = Jobs(self)
        """What terminals ask of processes."""
        self.console: Console | None = None
        """The host's terminal, where guests have it."""
        self.locks = Locks(self.hold)
        self.fifos = Fifos(self)
        self.shm = Segments(self)
        self.kswapd = Kswapd(self)
        self.signalled = WaitQueue()
        """Woken whenever a signal becomes pending for anybody (signalfd_wqh)."""
        self.swapping_off: Task | None = None
        """Who is in swapoff(), and the OOM killer's first choice (PF_SWAPOFF)."""
        self.raised: BaseException | None = None
        """What a hook raised; it comes out of step() when the step is complete."""
        self.told: BaseException | None = None
        """The last of them that came out."""
        self.next_ino = 1000
        self.sysctls: dict[str, int] = {}
        """Settings of /proc/sys that were changed, of those that the kernel alone keeps."""
        self.uts = {"hostname": self.options.hostname, "domainname": "(none)"}
        """What the machine and its domain are called."""
        self.marks = 0
        """MARKs so far."""
        self._m = self.core.m
        self._counter = self.core.m.counter
        self._pages = self.core.m.pages
        self._clock = self.core.m.clock
        self._ids = self.core.ffi.buffer(self.core.ffi.addressof(self._m, "ids"))
        """struct task_ids."""
        self._told_cred: Cred | None = None
        self._cred_ids: tuple[int, ...] = ()
        """What is in it of those credentials."""
        self._regs = self.core.m.regs
        self._run_to_call = self.core.lib.cpu_run_to_call
        self._call_ends = self.core.lib.cpu_call_ends
        self._words = self.core.ffi.buffer(self._m.cpu.call.args)
        """The arguments of the call that is made, as the registers have them."""
        self._mask = self.core.mask
        self._faults_seen = self._majors_seen = 0
        self._calls_seen = 0
        self._stime_seen = 0
        vm.oom = lambda _vm: oom.out_of_memory(self)
        if self.options.root is not None or self.options.binds:
            self.root_directory()  # what is wrong with them is to be told now

    @property
    def world(self) -> World:
        """What guests see of files; made when somebody looks."""
        if self._world is None:
            from vmemu.vfs.node import Services
            from vmemu.vfs.world import World

            options = self.options
            services = Services(
                self.hold,
                lambda: self.sched.realtime,
                self._randbytes,
                self.vm.inodes,
                self.jobs,
                lambda: self.current.cred if self.current is not None else ROOT,
            )
            self._world = World(self, services, options.root, options.root_rw, options.binds)
        return self._world

    @property
    def syscalls(self) -> Table:
        """The table of calls by number; another one may be put in its place, not changed in it."""
        return self._syscalls

    @syscalls.setter
    def syscalls(self, table: Table) -> None:
        self._syscalls = table
        self._ways.clear()

    @property
    def existing_world(self) -> World | None:
        """The same, if anybody ever looked."""
        return self._world

    @property
    def net(self) -> Network:
        """All sockets; made when there is one."""
        if self.existing_net is None:
            from vmemu.net.network import Network

            self.existing_net = Network(self)
        return self.existing_net

    @property
    def sem(self) -> Semaphores:
        """All semaphores of System V; made when somebody asks."""
        if self.existing_sem is None:
            from vmemu.kernel.ipc.sem import Semaphores

            self.existing_sem = Semaphores(self)
        return self.existing_sem

    @property
    def msg(self) -> MessageQueues:
        """All queues of messages of System V; made when somebody asks."""
        if self.existing_msg is None:
            from vmemu.kernel.ipc.msg import MessageQueues

            self.existing_msg = MessageQueues(self)
        return self.existing_msg

    @property
    def file_bytes(self) -> int:
        """What guests make the host hold by files without a descriptor, recomputed."""
        return 0 if self._world is None else self._world.held

    def root_directory(self) -> Directory:
        """Where the paths of a program that is started from outside begin."""
        return self.world.root

    def _randbytes(self, count: int) -> bytes:
        return self.random.randbytes(count)

    def end_host_time(self) -> None:
        """The host's time is over: the next step raises LimitReached."""
        self.host_time_is_over = True

    # ---- the loop ---------------------------------------------------------

    def run(self, each: Callable[[], None] | None = None) -> WaitStatus:
        """Run until the first program ends, kill what is left, give the first's status.

        ``each`` is called after every step.  Like the init of a pid namespace, the first
        program takes all others with it.  Raises VmemuError when every task sleeps for ever.
        """
        first = self.first
        if first is None:
            raise VmemuError("there is no program to run")
        step, group = self.step, first.group
        self._m.cpu.syscalls_in_c = self.strace is None
        try:
            while group.live:
                step()
                if each is not None:
                    each()
        finally:
            self._m.cpu.syscalls_in_c = False
        self.kill_all()
        self._tell()
        assert group.status is not None
        return group.status

    def call_hook(self, name: str, *args: object) -> Any:
        """Call ``on_mark``, ``on_exit``, ``on_check``, ``strace`` or ``log``, if it is set.

        What it raises comes out of run() or step() as itself, with a note that names the hook,
        once the step is complete: the machine can go on.  Gives None then.
        """
        hook = getattr(self, name)
        if hook is None:
            return None
        try:
            return hook(*args)
        except BaseException as error:
            error.add_note(f"in the hook {name}")
            if self.raised is None:
                self.raised = error
            return None

    def _tell(self) -> None:
        if self.raised is not None:
            error, self.raised = self.raised, None
            self.told = error
            raise error

    def kill_all(self) -> None:
        """End every task as SIGKILL would."""
        for task in self.tasks:
            if task.alive:
                exit_group(task, WaitStatus(Signal.SIGKILL, signaled=True))
        for task in self.tasks:
            self.tasks.release(task)

    def close(self) -> None:
        """Give the CPU's contexts back; nothing can run any more.  Guest memory is left alone."""
        for task in self.tasks:
            if task.alive:
                self.cpu.free_context(task.context)
                task.state = TaskState.DEAD
        self.sched.queue.clear()
        if self._world is not None:
            self._world.close()
        self.forget("_m", "_counter", "_pages", "_clock", "_ids", "_regs", "_words")

    def step(self) -> str:
        """Go on to the next event and name it: syscall, fault, exception, preempt,
        blocked, signal, exit, idle, or stop.  Raises VmemuError on a deadlock.
        """
        what = self._step()
        if self.raised is not None:
            self._tell()
        return what

    def _step(self) -> str:
        if self.host_time_is_over:
            raise host_time_is_over()
        console = self.console
        if console is not None and console.host.news:
            console.attend()
        sched, task = self.sched, self.current
        if not sched.settled or task is None:
            task = sched.pick()
            if task is None:
                return self._idle()
            if task is not self.current:
                self._switch(task)
            if task.call is not None:
                return self._go_on(task, task.call)
        signals = task.signals
        if (
            signals.pending or signals.chosen or signals.stopping or task.restart
        ) and not deliver_signals(task):
            return "signal"
        if not sched.settled:
            sched.prepare()
        number = self._run_to_call(self._m)
        if number >= 0 and self.core.error is None:
            what = self._syscall(task, number)
        else:
            self.core.check_bug()
            what = handle_trap(task, -number)
        if sched.cpu_timers:
            self.account()
            sched.run_cpu_timers()
        if sched.measured:
            limit_cpu(task.group)
        if self._pages.want_kswapd:
            self.kswapd.wanted()
        return what

    def _idle(self) -> str:
        """Everybody sleeps: time goes on to what is due next; VmemuError if that is nothing."""
        self.core.check_bug()
        console = self.console
        if console is not None and console.attended:
            self._idle_at(console)
        elif not self.sched.idle():
            raise VmemuError(self._deadlock())
        return "idle"

    def _idle_at(self, console: Console) -> None:
        """Everybody sleeps: until the next timer, which takes its time where somebody looks on.

        A key can wake them at any time.
        """
        deadline, begun = self.sched.idle_until(), time.monotonic_ns()
        seconds = None if deadline is None else (deadline - self.sched.now) / 1e9
        if self.host_deadline is not None:
            left = max(0.0, self.host_deadline - time.monotonic())
            seconds = left if seconds is None else min(seconds, left)
        console.host.wait(seconds)
        self.sched.idle_for(time.monotonic_ns() - begun)

    def _switch(self, task: Task) -> None:
        self.account()
        self.cpu.switch(task.context, task.mm)
        self._m.pid = task.pid
        self.current = task
        self.refresh_ids()
        task.used.switches += 1
        self._counter[_CONTEXT_SWITCH] += 1
        self.core.event(lib.EV_switch, task.pid, 0, 0)
        if task.start_regs is not None:
            for name, value in task.start_regs.items():
                setattr(self._regs, name, value)
            task.start_regs = None

    def refresh_ids(self) -> None:
        """Tell the core who the running task is, for the calls it answers itself.

        Its memory is told what that may lock.
        """
        if self.current is not None:
            who, cred = self.current, self.current.cred
            if cred is not self._told_cred:
                user, group = cred.user, cred.group
                ids = (user.real, user.effective, group.real, group.effective)
                self._cred_ids, self._told_cred = (*ids, *map(narrow, ids)), cred
            self._ids[:] = _TASK_IDS.pack(who.tgid, who.pid, who.ppid, *self._cred_ids)
            if self.current.memory is not None:
                self.current.memory.ipc_lock = cred.capable(Cap.IPC_LOCK)

    def account(self) -> None:
        """Charge what the core did since the last call, and its time, to the current task."""
        counter, stime = self._counter, self._clock.stime
        calls, faults, major = counter[_SYSCALL_C], counter[_PGFAULT], counter[_PGMAJFAULT]
        if self.current is not None:
            used = self.current.used
            worked = stime - self._stime_seen
            used.stime += (calls - self._calls_seen) * SYSCALL_NS + worked
            waited = major - self._majors_seen
            used.majflt += waited
            used.minflt += faults - self._faults_seen - waited
        self._calls_seen, self._stime_seen = calls, stime
        self._faults_seen, self._majors_seen = faults, major

    def time_is_nobodys(self) -> None:
        """What the core has worked since account() is charged to no task."""
        self._stime_seen = self._clock.stime

    def _deadlock(self) -> str:
        waits = []
        for task in self.tasks:
            name = f"process {task.pid}" if task.is_leader else f"thread {task.pid}"
            if task.wait is not None:
                waits.append(f"{name} ({task.comm}) waits for {task.wait.what}")
            elif task.stopped:
                waits.append(f"{name} ({task.comm}) is stopped")
        return "deadlock: " + "; ".join(waits or ["no process is left"])

    # ---- system calls -----------------------------------------------------

    def _syscall(self, task: Task, number: int) -> str:
        """Answer the call that the CPU has stopped with; it is counted already."""
        task.used.stime += SYSCALL_NS
        way = self._ways.get(number) or self._way(number)
        if way is None:
            return self._unknown(task)
        handler, take = way
        args = take(self._words)
        call = None
        if self.strace is not None:
            call = task.call = Call(number, args)
            call.trace = strace.enter(task, self.syscalls[number], args)
        try:
            result = handler(task, *args)
        except Errno as error:
            result = -error.errno
        if isinstance(result, int):
            return self._finish(task, number, args, result, call)
        if call is None:
            call = task.call = Call(number, args)
        call.blocked = result
        return self._go_on(task, call)

    def _way(self, number: int) -> tuple[Handler, Callable[[Any], tuple[int, ...]]] | None:
        """Look a call up in the table and keep what is found."""
        entry = self.syscalls.get(number)
        if entry is None:
            return None
        way = self._ways[number] = entry.handler, arguments(self.abi.bits, entry.kinds)
        return way

    def _unknown(self, task: Task) -> str:
        number = int(self._m.cpu.call.number)
        self._counter[lib.CNT_enosys] += 1
        if number in self.unknown_syscalls or len(self.unknown_syscalls) < UNKNOWN_MAX:
            self.unknown_syscalls[number] = self.unknown_syscalls.get(number, 0) + 1
        call = task.call = Call(number, tuple(self._m.cpu.call.args))
        return self._finish(task, number, call.args, -errno.ENOSYS, call)

    def _go_on(self, task: Task, call: Call) -> str:
        """Run a call that may block until it ends or sleeps again."""
        generator = call.blocked
        assert generator is not None
        # what it waited for counts more than a signal that came with it
        interrupted = task.wake_reason is WakeReason.SIGNAL and not (
            task.slept is not None and task.slept.ready()
        )
        task.wake_reason = None
        try:
            while True:
                wait = generator.throw(Interrupted()) if interrupted else next(generator)
                interrupted = False
                if wait.ready():
                    continue
                time = wait.deadline
                if time is not None and self.sched.passed(time, wall=wait.wall):
                    continue
                if wait.interruptible and task.signals.deliverable():
                    interrupted = True
                    continue
                self.sched.sleep(task, wait)
                return "blocked"
        except StopIteration as stop:
            result = int(stop.value)
        except Errno as error:
            result = -error.errno
        return self._finish(task, call.number, call.args, result, call)

    def _finish(
        self, task: Task, number: int, args: tuple[int, ...], result: int, call: Call | None
    ) -> str:
        """A call ends: its result goes to eax, or rax."""
        if call is not None and task.call is call:
            task.call = None
        if task.memory is None:  # it was its last
            self.core.event(lib.EV_syscall, number, result, args[0] if args else 0)
            return "exit"
        if self._call_ends(self._m, result & self._mask):
            self.core.event(lib.EV_syscall, number, result, args[0] if args else 0)
        if self.strace is not None and call is not None:
            strace.leave(task, self.syscalls.get(number), call, result)
        if -result in _RESTARTS and number not in self.abi.sigreturns:
            task.restart = -result
            task.interrupted_call = number
        return "syscall"
