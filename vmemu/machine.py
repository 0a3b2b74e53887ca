"""The public face: one emulated machine with its memory, CPU and programs."""

from __future__ import annotations

import contextlib
import copy
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from vmemu import arguments, layouts
from vmemu.core import EVENTS, I_MMAP, Core, Event, event_of, lib
from vmemu.cpu import Cpu
from vmemu.errors import ConfigError, KernelBug, MachineClosed, VmemuError
from vmemu.kernel.kernel import RELEASE, Kernel, KernelOptions
from vmemu.kernel.spawn import spawn
from vmemu.machine_settings import CHECKED, check_setting
from vmemu.mapped import Page, Vma, pages_of, vmas_of
from vmemu.mm import MemoryManager
from vmemu.mm.mm import Mm
from vmemu.paths import exists
from vmemu.rmap import DEFAULT, RmapScheme, checked_scheme, scheme_class

if TYPE_CHECKING:
    from vmemu.events import Events
    from vmemu.kernel.process.task import Task
    from vmemu.kernel.process.wait import WaitStatus
    from vmemu.snapshot.record import Frames, Snapshot
    from vmemu.typed import MachineStats
    from vmemu.vfs.stdio import Stream
    from vmemu.vfs.tty.host import HostTerminal
    from vmemu.who.record import FrameUse

__all__ = ["Machine"]

T = TypeVar("T")


class Machine:
    """An i386 or x86-64 machine with a small Linux 2.6-like kernel.

    ``bits``: 32 or 64. ``levels`` of page tables: with 64 bits 3, as in 2.6.7, or 4. ``layout``:
    the kernel whose structs' sizes slab caches have (see vmemu.layouts). ``ram``: bytes or "32M",
    up to 896M, with 64 bits 64G. ``swap``: a size for a temporary file, a path (``"PATH"`` or
    ``"PATH:SIZE"``, created when absent), or None. ``rmap``: the reverse map's name, or a
    :class:`~vmemu.rmap.RmapScheme` subclass. ``seed`` feeds the guests' randomness.
    ``slice_blocks``: basic blocks a time slice. ``page_cluster``: log2 of swap readahead in pages.
    ``min_free_pages``: pages_min. ``cache_line``: bytes. ``events``: size of the event ring, 0 for
    none. ``i_mmap``: what a file's areas are kept in: "list" as in 2.6.6, "prio_tree" as in 2.6.7,
    "interval_tree" as since 3.7. ``fault_path``: "c" resolves in the core what a vma already
    decides, "python" asks Python for every fault. ``vm_flags_lock``: "mmap_sem" alone guards
    vm_flags, as after rmap 34, or "page_table_lock" as well, as before. ``max_time``: virtual
    seconds, ``max_host_time``: seconds of the host, after which run() raises LimitReached.
    ``max_tasks``: fork fails with EAGAIN then. ``max_host_memory``: bytes or "64M" that guests may
    make the host hold beside guest RAM, with ENOMEM, ENFILE and ENOSPC beyond; 2G unless told.
    ``aslr``: programs lie at addresses that ``seed`` draws. ``uname``: the release that uname()
    tells, such as "6.1.0". ``root``: a directory of the host that is the guests' root, read-only
    unless ``root_rw``; by default they have an empty one of their own. ``binds``: what else of the
    host they see, ``"HOST[:GUEST][:rw]"`` each. ``lock_checks``: hold every lock operation and
    guarded write against docs/locking.md, KernelBug at the first violation; by default what the
    environment's VMEMU_LOCK_CHECKS says, else off.
    ConfigError for what cannot be.

    >>> from vmemu.lab.guests import guest_path
    >>> with Machine(ram="16M") as machine:            # doctest: +SKIP
    ...     machine.spawn(guest_path("hello"))
    ...     status = machine.run()
    """

    def __init__(
        self,
        ram: str | int = "32M",
        swap: str | int | None = "64M",
        rmap: str | type[RmapScheme] = DEFAULT,
        *,
        bits: int = 32,
        levels: int | None = None,
        layout: str = layouts.DEFAULT,
        cpus: int = 1,
        seed: int = 0,
        slice_blocks: int = 100_000,
        page_cluster: int = 3,
        swappiness: int = 60,
        overcommit: int = 0,
        overcommit_ratio: int = 50,
        topdown: bool = False,
        min_free_pages: int | None = None,
        cache_line: int = 128,
        events: int = 0,
        i_mmap: str = I_MMAP,
        fault_path: str = "c",
        vm_flags_lock: str = "mmap_sem",
        max_time: float | None = None,
        max_host_time: float | None = None,
        max_tasks: int | None = None,
        max_host_memory: str | int = "2G",
        aslr: bool = False,
        uname: str = RELEASE,
        root: str | os.PathLike[str] | None = None,
        root_rw: bool = False,
        binds: Sequence[str] = (),
        lock_checks: bool | None = None,
    ) -> None:
        for what in CHECKED:
            check_setting(what, locals()[what])
        if cpus != 1:
            raise ConfigError(f"cpus must be 1, not {cpus}: one CPU is emulated")
        if root_rw and root is None:
            raise ConfigError("root_rw is for a root, and no root is given")
        scheme = checked_scheme(scheme_class(rmap) if isinstance(rmap, str) else rmap)
        self._last_stats: MachineStats | None = None
        self._runner: int | None = None  # the thread inside run() or step()
        self._host_time = arguments.nanoseconds("max_host_time", max_host_time)
        with contextlib.ExitStack() as stack:
            self.core = Core(
                arguments.size(ram, "ram"),
                scheme,
                bits=bits,
                levels=levels,
                layout=layout,
                cache_line=cache_line,
                min_free_pages=min_free_pages,
                events=events,
                i_mmap=i_mmap,
            )
            stack.callback(self.core.close)
            self.core.m.page_cluster = page_cluster
            self.core.m.fault.in_c = fault_path == "c"
            self.core.m.locks.vm_flags_lock = vm_flags_lock == "page_table_lock"
            if lock_checks is None:
                lock_checks = os.environ.get("VMEMU_LOCK_CHECKS", "") not in ("", "0")
            if lock_checks:
                self.core.m.watch.bits |= lib.WATCH_LOCKS
            self.vm = MemoryManager(
                self.core,
                scheme(self.core),
                swappiness=swappiness,
                overcommit=overcommit,
                overcommit_ratio=overcommit_ratio,
                topdown=topdown,
            )
            self._swapon(swap, seed)
            self.cpu = Cpu(self.core)
            stack.callback(self.cpu.close)
            self.kernel = Kernel(
                self.vm,
                self.cpu,
                KernelOptions(
                    slice_blocks=slice_blocks,
                    seed=seed,
                    max_time=arguments.nanoseconds("max_time", max_time),
                    max_tasks=max_tasks,
                    max_host_memory=arguments.size(max_host_memory, "max_host_memory"),
                    aslr=aslr,
                    release=arguments.release(uname),
                    root=None if root is None else arguments.directory("root", root),
                    root_rw=root_rw,
                    binds=arguments.binds(binds),
                ),
            )
            stack.callback(self.kernel.close)
            self.kernel.on_check = self.check
            self._stack = stack.pop_all()

    def _swapon(self, swap: str | int | None, seed: int) -> None:
        if swap is None or swap == "none":
            return
        if isinstance(swap, bool) or not isinstance(swap, str | int) or "\0" in str(swap):
            raise ConfigError(f"swap must be a size, a file's name or None, not {swap!r}")
        if swap == 0:
            return
        areas = self.vm.swap
        if isinstance(swap, int) or re.fullmatch(r"\d+[KMG]?B?", swap, re.IGNORECASE):
            size = arguments.size(swap, "swap")
            if size:
                areas.swapon_size(size, seed)
            return
        path, colon, size_text = swap.rpartition(":")
        if colon and not exists(swap):
            areas.swapon(path, arguments.size(size_text, "swap size"))
        elif exists(swap) or "/" in swap:
            areas.swapon(swap, 64 << 20)
        else:  # a mistyped size must not become a file's name
            raise ConfigError(
                f"swap must be a size such as 64M, a swap file, or PATH:SIZE, not {swap!r}"
            )

    def __repr__(self) -> str:
        kind = "i386" if self.core.bits == 32 else "x86-64"
        said = f"{kind}, {self.core.ram_bytes >> 10} kB, {self.vm.rmap.name}"
        if self.core.closed:
            return f"<Machine {said}, closed>"
        n, ms = len(self.kernel.tasks.processes()), self.kernel.sched.now / 1e6
        return f"<Machine {said}, {n} process{'es' * (n != 1)}, {ms:.3f} ms>"

    def _repr_html_(self) -> str:
        """A snapshot; of a machine that is closed its statistics."""
        if not self.core.closed:
            return self.snapshot()._repr_html_()
        from html import escape

        from vmemu.lab.statistics import stats_text

        return f"<p>{escape(repr(self)[1:-1])}</p><pre>{escape(stats_text(self.stats()))}</pre>"

    def _repr_svg_(self) -> str | None:
        return None if self.core.closed else self.snapshot().svg()

    def __enter__(self) -> Self:
        """The machine itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the machine."""
        self.close()

    def close(self) -> None:
        """Free guest RAM, swap and the CPU.

        The RAM is kept for the next machine of its size, one machine's and 256 MB at most.
        Whatever is done with the machine or its processes afterwards raises `MachineClosed`;
        ``stats()`` and ``core.counters()`` give their last values.  A machine that nobody
        closes is freed when Python finds that nobody uses it.  VmemuError while it runs, which
        is in a hook or in another thread.
        """
        if self._runner is not None:
            raise VmemuError("the machine is running: close it when run() or step() has returned")
        if not self.core.closed:
            from vmemu.stats import machine_stats

            self._last_stats = machine_stats(self)
            self.vm.inodes.sync(mapped=True)
            for mm in self.vm.mms.values():
                mm.forget("ptr")
        self._stack.close()

    def _open(self) -> None:
        """Raise MachineClosed when it is, VmemuError while another thread runs it."""
        if self.core.closed:
            raise MachineClosed("the machine is closed")
        if self._runner not in (None, threading.get_ident()):
            raise VmemuError("the machine is running in another thread, which has it to itself")

    def _sound(self) -> None:
        """Raise VmemuError when something stopped the machine within a step."""
        if self.core.broken is not None:
            raise VmemuError(
                f"the machine cannot go on: {type(self.core.broken).__name__} stopped it within "
                "a step; it can be looked at and closed"
            ) from self.core.broken

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        """Have the machine to oneself; VmemuError when somebody has, or when it is broken."""
        self._open()
        if self._runner is not None:
            raise VmemuError("the machine is running already: a hook cannot run it")
        self._sound()
        self.core.lib.cpu_guard(1)
        try:
            self._runner = threading.get_ident()
            with self._clocked(), self._terminal():
                yield
        except VmemuError:
            raise
        except BaseException as error:
            if error is not self.kernel.told or isinstance(error, KernelBug):
                self.core.broken = self.core.broken or error
            raise
        finally:
            self.core.lib.cpu_guard(0)
            self._runner = None

    @contextlib.contextmanager
    def _terminal(self) -> Iterator[None]:
        """Give the guests the host's terminal, if they have one, and take it back."""
        console = self.kernel.console
        if console is None:
            yield
            return
        sched = self.kernel.sched
        with console.host.lent():
            sched.watched = True
            try:
                yield
            finally:
                sched.watched = False

    @contextlib.contextmanager
    def _clocked(self) -> Iterator[None]:
        """Count the host's time, if there is a limit to it, and end the run there."""
        if self._host_time is None:
            yield
            return
        begun, kernel = time.monotonic(), self.kernel
        kernel.host_deadline = begun + self._host_time / 1e9
        try:
            with self.cpu.stopped_after(self._host_time / 1e9, kernel.end_host_time):
                yield
        finally:
            used = time.monotonic() - begun
            self._host_time = max(0, self._host_time - int(used * 1e9))

    # ---- programs

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
        terminal: int | None = None,
    ) -> Task:
        """Start an ELF program of the machine's width, or a script; ExecError when that cannot be.

        Streams are host descriptors, binary file objects, bytes (for input) or None.
        ``filename`` is what execve() leaves on its stack, if that is not to depend on where the
        program lies.  ``inside``: the path is one that guests see, not the host's.
        ``terminal``: a descriptor of a terminal of the host; those of the streams that are it
        become a terminal of the guests', with job control, and while the machine runs every key
        that is typed there is theirs.  ConfigError for arguments that are nothing of the kind.
        """
        self._open()
        self._sound()
        path = arguments.program(path)
        if argv is not None:
            arguments.strings("argv", argv)
        if env is not None:
            arguments.environment(env)
        if filename is not None:
            arguments.strings("filename", [filename])
        arguments.stream("stdin", stdin, reads=True)
        arguments.stream("stdout", stdout, reads=False)
        arguments.stream("stderr", stderr, reads=False)
        return spawn(
            self.kernel,
            path,
            argv,
            env,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            filename=filename,
            inside=inside,
            terminal=None if terminal is None else self._host_terminal(terminal, stdout, stderr),
        )

    def _host_terminal(self, fd: int, *outputs: Stream) -> HostTerminal:
        from vmemu.vfs.tty.host import HostTerminal

        if not os.isatty(fd):
            raise ConfigError(f"descriptor {fd} is no terminal")
        if self.kernel.console is not None:
            raise ConfigError("the machine has a terminal already")
        terminal = HostTerminal(fd, fd)
        shown = [out for out in outputs if isinstance(out, int) and terminal.is_at(out)]
        terminal.out = shown[0] if shown else fd
        return terminal

    def run(self, each: Callable[[], None] | None = None) -> WaitStatus:
        """Run until the first program has ended; its wait status.

        ``each``, if it is given, is called after every step: what `step` does in one call.
        In the main thread a host signal such as SIGINT ends even a guest that only computes.
        What a hook of the kernel raises comes out when the step is complete, and run() may be
        called again.  KeyboardInterrupt elsewhere, KernelBug and what a scheme's hook raises
        leave a step half done: the machine then only says so (VmemuError).  VmemuError, too,
        on a deadlock, without a program, and while the machine runs already.
        """
        with self._interruptibly():
            return self.kernel.run(each)

    def step(self) -> str | None:
        """Run to the next event and name it; None once the first program has ended.

        syscall, fault (a signal follows), exception, preempt, blocked, signal, exit, idle
        or stop: whatever gives the kernel the CPU.  Faults that are resolved on the way are
        in the event ring (``core.events()``), if the machine has one; `run_until` stops at
        them.
        """
        with self._running():
            return self._step()

    def _step(self) -> str | None:
        first = self.kernel.first
        if first is None or not first.alive:
            return None
        return self.kernel.step()

    def run_until(self, *names: str) -> Event | None:
        """Run until an event of one of these names; None once the first program has ended.

        The names are those of the event ring, which the machine need not have for it.  A
        kernel path that has begun is completed, so that the machine can be looked at and go
        on: when it stops, a fault that evicted 32 pages has evicted them all, but no user
        code has run since.  ConfigError for a name that is none; else as `run`.
        """
        if not names:
            raise ConfigError(f"run_until takes names of events: {', '.join(EVENTS[1:])}")
        types = 0
        for name in names:
            if name not in EVENTS[1:]:
                raise ConfigError(f"{name!r} is no event; these are: {', '.join(EVENTS[1:])}")
            types |= 1 << EVENTS.index(name)
        with self._interruptibly():
            return self._until(types)

    def _until(self, types: int) -> Event | None:
        """Step to the next event of these types, a bit each."""
        m = self.core.m
        self.core.lib.vmemu_stop_at(m, types)
        try:
            while not m.trace.stopped.type:
                if self._step() is None:
                    return None
            return event_of(m.trace.stopped)
        finally:
            self.core.lib.vmemu_stop_at(m, 0)

    @overload
    def run_to(self, moment: str) -> Snapshot | None: ...
    @overload
    def run_to(self, moment: str, look: Callable[[str], T]) -> T | None: ...
    def run_to(
        self, moment: str, look: Callable[[str], Any] | None = None
    ) -> Snapshot | Any | None:
        """Run to a moment and take a snapshot; None when the first program ends without it.

        A moment is a mark that the guest sets; the name of a system call, before it runs; an
        event, as of `run_until`; or "exit": the last process ends and still has its memory.
        ``NAME:3`` is the third from now on.  Of a name that is several, the call goes first,
        then the event; ``mark:NAME``, ``call:NAME`` and ``event:NAME`` say which.  The machine
        can go on; a call that was waited for has been made by then.  ``look``, if it is given,
        is called at the moment, with what it is called ("at mark measure"), and gives what is
        returned in place of the snapshot.  ConfigError for a name that is nothing of the
        kind; else as `run`.
        """
        from vmemu.moment import Waiting, find_moment

        self._open()
        if self.kernel.first is None:
            raise VmemuError("there is no program to run")
        found = find_moment(moment, self.kernel)
        look = look or self.snapshot
        with self._interruptibly(), Waiting(self, found, look) as waiting:
            if found.kind == "event":
                while not waiting.due():
                    if self._until(1 << EVENTS.index(found.name)) is None:
                        return None
            else:
                while not waiting.came and self._step() is not None:
                    pass
            if found.kind == "exit" and not waiting.came:
                self.kernel.kill_all()  # as run() does: those that the first program leaves
        return look(str(found)) if found.kind == "event" else waiting.answer()

    @contextlib.contextmanager
    def _interruptibly(self) -> Iterator[None]:
        """As `_running`; in the main thread a signal ends even a guest that only computes.

        If any signal has a handler in Python, that is: where none has, a thread less.
        """
        main = threading.current_thread() is threading.main_thread()
        handled = main and any(callable(signal.getsignal(n)) for n in range(1, signal.NSIG))
        with self._running(), self.cpu.interruptible() if handled else contextlib.nullcontext():
            yield

    @property
    def processes(self) -> list[Task]:
        """The processes that exist, by pid: the first thread of each."""
        return self.kernel.tasks.processes()

    def vmas(self, process: Task | Mm) -> Iterator[Vma]:
        """The areas of a process in address order; none when it has ended."""
        self._open()
        mm = _mm_of(process)
        return iter(()) if mm is None else vmas_of(mm)

    def pages(self, process: Task | Mm) -> Iterator[Page]:
        """Every page of a process, in memory or swapped out, by address; none when it ended."""
        self._open()
        mm = _mm_of(process)
        return iter(()) if mm is None else pages_of(mm)

    # ---- looking at it

    def check(self) -> None:
        """Recompute from the page tables what counters and rmaps claim; KernelBug if not so."""
        from vmemu.check import check_machine
        from vmemu.kernel.check import check_kernel

        self._open()
        check_machine(self.vm)
        check_kernel(self.kernel)

    def snapshot(self, moment: str = "now") -> Snapshot:
        """What memory looks like: a record that stays when the machine goes on or is closed.

        ``moment`` is what its views call it, such as "at the end".  In a hook of the kernel,
        too.
        """
        from vmemu.snapshot.take import take_snapshot

        self._open()
        return take_snapshot(self.kernel, moment)

    def frames(self) -> Frames:
        """What every frame serves as, and who maps it: the part of a snapshot."""
        from vmemu.snapshot.take import take_frames

        self._open()
        return take_frames(self.kernel)

    def frame(self, pfn: int, walk: str = "unmap") -> FrameUse:
        """Who has a frame, by the page tables, and how the reverse map would find out.

        ``walk`` is that of try_to_unmap ("unmap") or page_referenced ("referenced"), as it
        would go now, candidate by candidate; nothing is changed, and nothing counted.  Of a
        frame that is no page of a process there is no walk.  The record stays when the machine
        goes on or is closed.  ConfigError for a number of no frame.
        """
        from vmemu.who.take import take_frame

        self._open()
        return take_frame(self.kernel, pfn, walk)

    def events(self, since: int = 0) -> Events:
        """What the event ring has from number ``since`` on; nothing without a ring (``events``)."""
        from vmemu.events import Events

        self._open()
        return Events(self.core.events(since))

    def stats(self) -> MachineStats:
        """Counters, frames by kind, slab caches, vmas: what every run reports.

        Of a machine that is closed, those of its end.
        """
        from vmemu.stats import machine_stats

        if self._last_stats is not None:
            return copy.deepcopy(self._last_stats)
        self._open()
        return machine_stats(self)


def _mm_of(process: Task | Mm) -> Mm | None:
    return process if isinstance(process, Mm) else process.memory
