"""The kernel: tasks are spawned, run, trapped, signalled and buried here.

    run -> step -> pick a task -> go on with a blocked call
                               or deliver signals, run user code, handle the trap

`Kernel` owns the tasks and the loop; what a system call does is in syscalls/,
what a signal does in signal.py and sigframe.py.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from vmemu.closing import Closing
from vmemu.core import lib
from vmemu.errors import Errno, ExecError, KernelBug, VmemuError
from vmemu.kernel import strace
from vmemu.kernel.abi import abi_of
from vmemu.kernel.hold import TASK_BYTES, HostMemory
from vmemu.kernel.ipc.shm import Segments
from vmemu.kernel.process import oom
from vmemu.kernel.process.cputime import limit_cpu
from vmemu.kernel.process.cred import Cred, narrow
from vmemu.kernel.process.exit import exit_group
from vmemu.kernel.process.futex import Futexes
from vmemu.kernel.process.job import Jobs
from vmemu.kernel.process.sched import FAULT_NS, SYSCALL_NS, Scheduler
from vmemu.kernel.process.task import Call, ProcessTable, Task, TaskState, WakeReason
from vmemu.kernel.process.wait import (
    ERESTART_RESTARTBLOCK,
    ERESTARTSYS,
    Interrupted,
    WaitQueue,
    WaitStatus,
)
from vmemu.kernel.program.exec import (
    Arguments,
    Credentials,
    LoadedProgram,
    Places,
    load_program,
)
from vmemu.kernel.program.file import Finder, ProgramFile, find_program
from vmemu.kernel.signal.delivery import deliver_signals
from vmemu.kernel.signal.state import (
    BUS_ADRERR,
    SEGV_ACCERR,
    SEGV_MAPERR,
    SigInfo,
    Signal,
    SignalState,
    force_signal,
)
from vmemu.kernel.signal.traps import exception_signal
from vmemu.kernel.syscalls import TABLES
from vmemu.vfs.fifo import Fifos
from vmemu.vfs.file import O_RDWR, FdTable, File
from vmemu.vfs.lock import Locks
from vmemu.vfs.stdio import Stream, host_time_is_over, open_stream
from vmemu.vfs.walk import FsStruct

if TYPE_CHECKING:
    from vmemu.cpu import Cpu
    from vmemu.mm import MemoryManager
    from vmemu.net.network import Network
    from vmemu.vfs.bind import Bind
    from vmemu.vfs.node import Directory
    from vmemu.vfs.tty.console import Console
    from vmemu.vfs.tty.host import HostTerminal
    from vmemu.vfs.world import World

_RESTARTS = range(ERESTARTSYS, ERESTART_RESTARTBLOCK + 1)
_TRAP_SYSCALL: int = lib.TRAP_SYSCALL
_CNT_SYSCALLS: int = lib.CNT_syscalls
RELEASE = "2.6.7-vmemu"
ADDR_NO_RANDOMIZE = 0x40000
UNKNOWN_MAX = 1024
"""Numbers of unimplemented system calls that are told apart."""
CONGESTION_WAIT_NS = 100_000_000


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
        """Settings of /proc/sys that were changed and that change nothing."""
        self.marks = 0
        """MARKs so far."""
        self._m = self.core.m
        self._counter = self.core.m.counter
        self._regs = self.core.m.regs
        ffi = self.core.ffi
        self._words = ffi.cast("kulong *", ffi.addressof(self._m, "regs"))
        """The registers in the order of struct cpu_regs."""
        self._unpack, self._arguments = ffi.unpack, itemgetter(*self.abi.arguments)
        self._nr_words = max(self.abi.arguments) + 1
        self._mask = self.core.mask
        self._faults_seen = (0, 0)
        self._calls_seen = 0
        self._stime_seen = 0
        self._kswapd_waits = 0
        self._kswapd_ran_at: tuple[Task | None, bytes, int] | None = None
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
            )
            self._world = World(self, services, options.root, options.root_rw, options.binds)
        return self._world

    @property
    def net(self) -> Network:
        """All sockets; made when there is one."""
        if self.existing_net is None:
            from vmemu.net.network import Network

            self.existing_net = Network(self)
        return self.existing_net

    @property
    def file_bytes(self) -> int:
        """What guests make the host hold by files without a descriptor, recomputed."""
        return 0 if self._world is None else self._world.held

    def root_directory(self) -> Directory:
        """Where the paths of a program that is started from outside begin."""
        return self.world.root

    def _randbytes(self, count: int) -> bytes:
        return self.random.randbytes(count)

    # ---- programs ---------------------------------------------------------

    def spawn(
        self,
        path: str | os.PathLike[str],
        argv: Sequence[str] | None = None,
        env: Mapping[str, str] | None = None,
        *,
        stdin: Stream = 0,
        stdout: Stream = 1,
        stderr: Stream = 2,
        filename: str | None = None,
        inside: bool = False,
        terminal: HostTerminal | None = None,
    ) -> Task:
        """Start a program as a child of init: the host's, or if inside one that guests see.

        argv defaults to the path alone, env to nothing, the filename that execve() leaves on the
        program's stack to the path.  The streams are host
        descriptors, binary files, bytes, or None.  Those that are the terminal become one that
        guests have, and that controls the program.  Raises ExecError.
        """
        path = os.fspath(path)
        files, fs = FdTable(self.hold), FsStruct(self.root_directory)
        program_file = find_program(
            Finder(self, fs, guest=inside, host=not inside), os.fsencode(path)
        )
        entries = [f"{name}={value}" for name, value in (env or {}).items()]
        name = path if filename is None else filename
        arguments = Arguments.of(
            name, argv if argv is not None else [path], entries, self.core.word
        ).interpreted(program_file.prefix)
        try:
            pid = self.tasks.alloc_pid()
            with contextlib.ExitStack() as undo:
                self.hold.charge(TASK_BYTES)
                undo.callback(self.hold.uncharge, TASK_BYTES)
                undo.callback(files.exit)
                for fd, stream in enumerate((stdin, stdout, stderr)):
                    files.install(fd, self._open_stream(stream, fd, terminal))
                program = self.load(program_file, arguments)
                undo.pop_all()
        except Errno as error:
            reason = os.strerror(error.errno).lower()
            raise ExecError(f"cannot start {path}: {reason}") from None
        task = Task(
            self, pid, None, self.cpu.new_context(), files, fs, SignalState(), memory=program.mm
        )
        task.group.pgrp = task.group.session = pid
        task.cred = Cred.of(self.options.credentials)
        task.set_exe(program_file.path, program_file.node)
        task.set_comm(path)
        task.start_regs = {"ip": program.ip, "sp": program.sp}
        task.start_time = self.sched.now
        self.tasks.add(task)
        if self.console is not None and terminal is not None:
            task.group.tty = self.console
            self.console.session = self.console.pgrp = pid
        self.sched.enqueue(task)
        if self.first is None or not self.first.group.alive:
            self.first = task
        self.core.event(lib.EV_exec, pid, 0, 0)
        return task

    def _open_stream(self, stream: Stream, fd: int, terminal: HostTerminal | None) -> File:
        """What a program that is started from outside has as 0, 1 or 2."""
        if terminal is None or not isinstance(stream, int) or not terminal.is_at(stream):
            return open_stream(stream, fd, lambda: self.host_deadline)
        if self.console is None:
            self.console = self.world.terminals.add_console(terminal)
        return self.world.terminals.open_tty(self.console, O_RDWR, control=False)

    def end_host_time(self) -> None:
        """The host's time is over: the next step raises LimitReached."""
        self.host_time_is_over = True

    def load(
        self, program: ProgramFile, arguments: Arguments, old: Task | None = None
    ) -> LoadedProgram:
        """Build an address space for a program; Errno when there is no memory for it."""
        return load_program(
            self.vm,
            program,
            arguments,
            old.cred.executes() if old is not None else Cred.of(self.options.credentials),
            self.random.randbytes(16),
            self.abi,
            old.mm.rlimits if old is not None else None,
            self._places(old),
        )

    def _places(self, old: Task | None) -> Places | None:
        """Where things of a new program are, unless they are where they always are."""
        fixed = old is not None and old.personality & ADDR_NO_RANDOMIZE
        if not self.options.aslr or fixed:
            return None
        return Places.drawn(self.random, self.core.bits)

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
            while group.alive:
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
        self.forget("_m", "_counter", "_regs", "_words")

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
        task = self.sched.pick()
        if task is None:
            self.core.check_bug()
            if console is not None and console.attended:
                self._idle_at(console)
            elif not self.sched.idle():
                raise VmemuError(self._deadlock())
            return "idle"
        if task is not self.current:
            self._switch(task)
        if task.call is not None:
            return self._go_on(task, task.call)
        signals = task.signals
        if (
            signals.pending or signals.chosen or signals.stopping or task.restart
        ) and not deliver_signals(task):
            return "signal"
        self.sched.update_preemption()
        self.sched.limit_clock()
        trap = self.cpu.run()
        self.core.check_bug()
        what = self._trap(task, trap)
        if self.sched.cpu_timers:
            self.account()
            self.sched.run_cpu_timers()
        if self.sched.measured:
            limit_cpu(task.group)
        if self._m.pages.want_kswapd:
            self._run_kswapd()
        return what

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

    def _run_kswapd(self) -> None:
        """Let kswapd run, unless its last run did not help.

        Then it would only take away what the tasks have just faulted in, again
        and again: it waits, as blk_congestion_wait(WRITE, HZ/10) makes it, and
        allocations reclaim for themselves.  Nor does it run twice before the same
        instruction, whose pages it might take each time.
        """
        if self.sched.now < self._kswapd_waits:
            self._m.pages.want_kswapd = 0
            return
        ffi = self.core.ffi
        registers = bytes(ffi.buffer(self._words, ffi.sizeof("struct cpu_regs")))
        at = (self.current, registers, int(self._counter[_CNT_SYSCALLS]))
        if at == self._kswapd_ran_at:
            self._m.pages.want_kswapd = 0
            return
        self._kswapd_ran_at = at
        self.account()
        self.vm.kswapd_if_wanted()
        self._stime_seen = int(self._m.clock.stime)  # nobody's: in 2.6 kswapd is a task of its own
        zone = self._m.k.zone
        if zone.free_pages <= zone.pages_high:
            self._kswapd_waits = self.sched.now + CONGESTION_WAIT_NS

    def _switch(self, task: Task) -> None:
        self.account()
        self.cpu.switch(task.context, task.mm)
        self._m.pid = task.pid
        self.current = task
        self.refresh_ids()
        task.used.switches += 1
        self._counter[lib.CNT_context_switch] += 1
        self.core.event(lib.EV_switch, task.pid, 0, 0)
        if task.start_regs is not None:
            for name, value in task.start_regs.items():
                setattr(self._regs, name, value)
            task.start_regs = None

    def refresh_ids(self) -> None:
        """Tell the core who the running task is, for the calls it answers itself."""
        if self.current is not None:
            ids, cred = self._m.ids, self.current.cred
            ids.pid, ids.tid, ids.ppid = self.current.tgid, self.current.pid, self.current.ppid
            ids.uid, ids.euid = cred.user.real, cred.user.effective
            ids.gid, ids.egid = cred.group.real, cred.group.effective
            ids.uid16, ids.euid16 = narrow(ids.uid), narrow(ids.euid)
            ids.gid16, ids.egid16 = narrow(ids.gid), narrow(ids.egid)

    def account(self) -> None:
        """Charge what the core did since the last call, and its time, to the current task."""
        counter = self._m.counter
        calls = int(counter[lib.CNT_syscall_c])
        if self.current is not None:
            worked = int(self._m.clock.stime) - self._stime_seen
            self.current.used.stime += (calls - self._calls_seen) * SYSCALL_NS + worked
        self._calls_seen = calls
        self._stime_seen = int(self._m.clock.stime)
        seen = (int(counter[lib.CNT_pgfault]), int(counter[lib.CNT_pgmajfault]))
        if self.current is not None:
            major = seen[1] - self._faults_seen[1]
            self.current.used.majflt += major
            self.current.used.minflt += seen[0] - self._faults_seen[0] - major
        self._faults_seen = seen

    def _trap(self, task: Task, trap: int) -> str:
        if trap == _TRAP_SYSCALL:
            return self._syscall(task)
        if trap == lib.TRAP_FAULT:
            return self._fault(task)
        if trap == lib.TRAP_PREEMPT:
            task.used.utime += self.sched.slice_blocks  # the CPU moved the clock: 1 ns a block
            self.sched.user_time += self.sched.slice_blocks
            self.sched.slice_used()
            return "preempt"
        if trap == lib.TRAP_EXCEPTION:
            self.sched.advance(task, FAULT_NS)
            force_signal(task, exception_signal(int(self._m.cpu.trap_vector), int(self._regs.ip)))
            return "exception"
        if trap == lib.TRAP_STOP:
            return "preempt" if self._m.clock.now >= self._m.clock.next_timer else "stop"
        raise KernelBug(f"the CPU stopped with trap {trap} at {self._regs.ip:#x}")

    def _fault(self, task: Task) -> str:
        m = self._m
        address, access, result = int(m.fault.address), int(m.fault.access), int(m.fault.result)
        self.sched.advance(task, FAULT_NS)
        error_code = self._error_code(task, address, access)
        if result == lib.FAULT_MAPERR:
            info = SigInfo(Signal.SIGSEGV, SEGV_MAPERR, address=address)
        elif result == lib.FAULT_ACCERR:
            info = SigInfo(Signal.SIGSEGV, SEGV_ACCERR, address=address)
        elif result == lib.FAULT_SIGBUS:
            info = SigInfo(Signal.SIGBUS, BUS_ADRERR, address=address)
        elif result == lib.FAULT_OOM:
            if not task.signals.has_kill():
                self.call_hook("log", f"VM: killing process {task.comm}")
            info = SigInfo(Signal.SIGKILL)
        else:
            raise KernelBug(f"fault at {address:#x} ended with {result}")
        force_signal(
            task,
            SigInfo(info.signo, info.code, address=address, trapno=14, error_code=error_code),
        )
        return "fault"

    def _error_code(self, task: Task, address: int, access: int) -> int:
        """What the CPU pushed: user mode, write, and whether a present pte refused it.

        A kernel address always counts as refused (do_page_fault).
        """
        present = address >= self.core.task_size or bool(
            self.core.lib.pte_value(self._m, task.mm.ptr, address) & lib._PAGE_PRESENT
        )
        return 4 | (2 if access == lib.ACCESS_WRITE else 0) | int(present)

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

    def _syscall(self, task: Task) -> str:
        registers = self._unpack(self._words, self._nr_words)
        number = int(registers[0])
        self._counter[_CNT_SYSCALLS] += 1
        self.sched.advance(task, SYSCALL_NS)
        try:
            entry = self.syscalls[number]
        except KeyError:
            entry = None
        words = self._arguments(registers)
        if entry is None:
            self._counter[lib.CNT_enosys] += 1
            if number in self.unknown_syscalls or len(self.unknown_syscalls) < UNKNOWN_MAX:
                self.unknown_syscalls[number] = self.unknown_syscalls.get(number, 0) + 1
            call = task.call = Call(number, words)
            self._finish(task, call, -errno.ENOSYS)
            return "syscall"
        if entry.convert:
            values = list(words[: len(entry.kinds)])
            for index, to in entry.convert:
                values[index] = to(values[index])
            args = tuple(values)
        else:
            args = words[: len(entry.kinds)]
        call = task.call = Call(number, args)
        if self.strace is not None:
            call.trace = strace.enter(task, entry, args)
        try:
            result = entry.handler(task, *args)
        except Errno as error:
            result = -error.errno
        if isinstance(result, int):
            self._finish(task, call, result)
            return "exit" if task.memory is None else "syscall"
        call.blocked = result
        return self._go_on(task, call)

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
                if wait.deadline is not None and wait.deadline <= self.sched.now:
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
        self._finish(task, call, result)
        return "exit" if task.memory is None else "syscall"

    def _finish(self, task: Task, call: Call, result: int) -> None:
        """A call ends: its result goes to eax, or rax."""
        if task.call is call:
            task.call = None
        first = call.args[0] if call.args else 0
        self.core.event(lib.EV_syscall, call.number, result, first)
        if task.memory is None:
            return  # it was its last
        if self.strace is not None:
            strace.leave(task, self.syscalls.get(call.number), call, result)
        self._regs.ax = result & self._mask
        if -result in _RESTARTS and call.number not in self.abi.sigreturns:
            task.restart = -result
            task.interrupted_call = call.number
