"""The CPU: one Unicorn engine, driven from C, and the contexts of the tasks it runs.

Everything that happens often happens in ``csrc/cpu*.c``, which calls Unicorn
through the function pointers handed over here; see ``docs/unicorn.md`` for what
it relies on.  Python is back in control only after a trap.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import importlib.machinery
import mmap
import os
import signal
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from vmemu.closing import Closing
from vmemu.errors import ConfigError, VmemuError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmemu.core import Core
    from vmemu.mm import Mm

__all__ = [
    "FXSAVE_SIZE",
    "GDT_ENTRY_TLS_MAX",
    "GDT_ENTRY_TLS_MIN",
    "USER_CS",
    "USER_DS",
    "Context",
    "Cpu",
    "Trap",
    "UserDesc",
    "make_spare",
]

USER_CS = 0x73
USER_DS = 0x7B
GDT_ENTRY_TLS_MIN = 6
GDT_ENTRY_TLS_MAX = 8
CODE_BUFFER, CODE_MARGIN = 1 << 30, 32 << 20
"""Bytes of Unicorn's buffer for translated code, and of what else it makes at its start."""
FXSAVE_SIZE = 512
"""Bytes of an FXSAVE image."""


@functools.cache
def _unicorn_library() -> str:
    """The path of the library that the unicorn package brings.

    Not through the package: its prototypes and constants, never used here, would take a
    tenth of vmemu's start-up time.
    """
    spec = importlib.machinery.PathFinder.find_spec("unicorn")
    for package in (spec and spec.submodule_search_locations) or ():
        path = os.path.join(package, "lib", "libunicorn.so.2")
        if os.path.exists(path):
            return path
    from unicorn.unicorn_py3.unicorn import uclib

    return str(uclib._name)


def _reserve_code_buffer() -> None:
    """ConfigError unless the host has the address space that Unicorn takes for translated code.

    Unicorn ends the process when it has not.
    """
    try:
        mmap.mmap(-1, CODE_BUFFER + CODE_MARGIN, flags=mmap.MAP_PRIVATE).close()
    except OSError as error:
        raise ConfigError(
            f"Unicorn needs {CODE_BUFFER >> 20} MB of address space for translated code "
            f"(see ulimit -v): {(error.strerror or str(error)).lower()}"
        ) from None


def _load(ffi: Any, lib: Any) -> Any:
    functions = ffi.new("void *[]", lib.NR_UC_FUNCTIONS)
    wrong = lib.cpu_load(os.fsencode(_unicorn_library()), functions)
    if wrong != ffi.NULL:
        raise VmemuError(f"Unicorn cannot be loaded: {ffi.string(wrong).decode()}")
    return functions


def _started(error: int) -> None:
    if error:
        raise VmemuError(f"Unicorn would not start (error {error}).")


def make_spare(bits: int) -> None:
    """Make the engine of the next machine of a width now.

    For a process that forks others, each for one machine.  VmemuError as for a machine.
    """
    from vmemu.core import core_of

    ffi, lib = core_of(bits)
    _reserve_code_buffer()
    _started(lib.cpu_spare(_load(ffi, lib)))


class Trap(enum.IntEnum):
    """Why `Cpu.run` returned (enum cpu_trap)."""

    SYSCALL = 1
    FAULT = 2
    EXCEPTION = 3
    PREEMPT = 4
    STOP = 5


class UserDesc(NamedTuple):
    """A segment as set_thread_area() takes it (struct user_desc without entry_number)."""

    base: int
    limit: int
    seg_32bit: bool = True
    contents: int = 0
    read_exec_only: bool = False
    limit_in_pages: bool = True
    seg_not_present: bool = False
    useable: bool = True

    @classmethod
    def decode(cls, base: int, limit: int, flags: int) -> UserDesc:
        """Take the structure's last three words; `flags` are its bit fields, low bit first."""
        return cls(
            base,
            limit,
            seg_32bit=bool(flags & 1),
            contents=flags >> 1 & 3,
            read_exec_only=bool(flags & 8),
            limit_in_pages=bool(flags & 16),
            seg_not_present=bool(flags & 32),
            useable=bool(flags & 64),
        )

    @property
    def flags(self) -> int:
        """The bit fields as one word, as get_thread_area() reports them."""
        return (
            int(self.seg_32bit)
            | self.contents << 1
            | self.read_exec_only << 3
            | self.limit_in_pages << 4
            | self.seg_not_present << 5
            | self.useable << 6
        )

    @property
    def empty(self) -> bool:
        """Whether it asks for the entry to be cleared (LDT_empty)."""
        return (self.base, self.limit, self.flags) == (0, 0, 0x28)

    def descriptor(self) -> int:
        """Give the GDT descriptor, 64 bits; 0 for an empty one."""
        if self.empty:
            return 0
        high = (
            self.base & 0xFF000000
            | self.base >> 16 & 0xFF
            | self.limit & 0xF0000
            | (not self.read_exec_only) << 9
            | self.contents << 10
            | 0x7000  # a segment, DPL 3
            | (not self.seg_not_present) << 15
            | self.useable << 20
            | self.seg_32bit << 22
            | self.limit_in_pages << 23
        )
        return high << 32 | (self.base & 0xFFFF) << 16 | self.limit & 0xFFFF

    @classmethod
    def from_descriptor(cls, descriptor: int) -> UserDesc:
        """Read a GDT descriptor back; 0 is the empty one."""
        if not descriptor:
            return cls(0, 0, False, 0, True, False, True, False)
        low, high = descriptor & 0xFFFFFFFF, descriptor >> 32
        return cls(
            base=high & 0xFF000000 | (high & 0xFF) << 16 | low >> 16,
            limit=high & 0xF0000 | low & 0xFFFF,
            seg_32bit=bool(high & 1 << 22),
            contents=high >> 10 & 3,
            read_exec_only=not high & 1 << 9,
            limit_in_pages=bool(high & 1 << 23),
            seg_not_present=not high & 1 << 15,
            useable=bool(high & 1 << 20),
        )


class Context:
    """One task's registers, segments, FPU state and TLS entries (thread_struct).

    Free it by `Cpu.free_context`; made by `Cpu.new_context` and `Cpu.clone_context`.
    """

    __slots__ = ("ptr",)

    def __init__(self, ptr: Any) -> None:
        self.ptr = ptr


class Cpu(Closing):
    """The engine of one machine; `close` it before the core's RAM goes."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.m = core.m
        self._sliced = False
        self.lib, self.ffi = core.lib, core.ffi
        functions = _load(self.ffi, self.lib)
        _reserve_code_buffer()
        _started(self.lib.cpu_init(self.m, functions))

    def close(self) -> None:
        """Close the engine; contexts must be freed before."""
        self.lib.cpu_exit(self.m)
        self.forget("m")

    # ---- contexts

    def new_context(self) -> Context:
        """Make a context: ring 3, flat segments, eflags 0x202, everything else zero."""
        return self._context(self.lib.cpu_context_new(self.m))

    def clone_context(self, context: Context) -> Context:
        """Make a copy, as copy_thread() does; fork then sets the child's eax to 0."""
        return self._context(self.lib.cpu_context_clone(self.m, context.ptr))

    def _context(self, ptr: Any) -> Context:
        if ptr == self.ffi.NULL:
            raise MemoryError("no host memory for a CPU context")
        return Context(ptr)

    def reset_context(self, context: Context) -> None:
        """Make it as new again, as exec does (flush_thread, start_thread)."""
        self.lib.cpu_context_reset(self.m, context.ptr)

    def free_context(self, context: Context) -> None:
        """Free it (exit_thread); if it is the running one, the CPU runs nobody then."""
        self.lib.cpu_context_free(self.m, context.ptr)
        context.ptr = self.ffi.NULL

    def context_regs(self, context: Context) -> Any:
        """Give the struct cpu_regs of a context, running or not."""
        return self.lib.cpu_context_regs(self.m, context.ptr)

    def switch(self, context: Context | None, mm: Mm | None) -> None:
        """Make a context and an address space the running ones, with a new time slice.

        `regs` are then the context's.  The TLB is flushed if the mm differs.
        """
        self.lib.cpu_switch(
            self.m,
            context.ptr if context is not None else self.ffi.NULL,
            mm.ptr if mm is not None else self.ffi.NULL,
        )

    # ---- running

    def run(self) -> int:
        """Run guest code until a trap; return a `Trap`.

        `regs` hold the registers then.  SYSCALL: eip is behind ``int 0x80``.
        FAULT: the core's fault_address, fault_access and fault_result (never
        MINOR, MAJOR or OUTSIDE); eip is at the instruction, which can be run
        again.  EXCEPTION: `vector`; eip is at the instruction, behind it for
        int3 and into.  STOP: somebody asked, or kswapd is wanted.

        An exception raised in a callback is not raised here: see
        `Core.check_bug`.
        """
        return int(self.lib.cpu_run(self.m))

    @property
    def regs(self) -> Any:
        """struct cpu_regs of the running task; what is changed there counts at the next run.

        cs and ss cannot be changed, eflags only in the bits user code may
        change; a selector ring 3 could not load becomes 0.
        """
        return self.m.regs

    @property
    def vector(self) -> int:
        """The exception's vector after Trap.EXCEPTION (0 #DE, 6 #UD, 13 #GP, 16 #MF, ...)."""
        return int(self.m.cpu.trap_vector)

    def set_regs(self, **values: int) -> None:
        """Set registers of the running task, by name, modulo their width."""
        for name, value in values.items():
            setattr(self.m.regs, name, value & self.core.mask)

    def request_stop(self) -> None:
        """Make `run` return Trap.STOP soon; callable from any thread and from callbacks."""
        self.lib.cpu_request_stop(self.m)

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """While it lasts, a host signal such as SIGINT ends `run` even if the guest never traps.

        Python runs signal handlers only between bytecodes, and a guest may spin
        in C forever.  Main thread only.
        """
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

        def watch() -> None:
            while os.read(reader, 1):
                if self._sliced:
                    continue  # the run ends soon, and at a place that the engine knows
                self.request_stop()
                # between its test and the engine's start a request would be lost
                while self.lib.cpu_stop_pending(self.m) and not ended.wait(0.01):
                    self.request_stop()

        ended = threading.Event()
        watcher = threading.Thread(target=watch, name="vmemu-signals", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            ended.set()
            os.close(writer)
            watcher.join()
            os.close(reader)

    @contextlib.contextmanager
    def stopped_after(self, seconds: float, over: Callable[[], None]) -> Iterator[None]:
        """Call ``over`` after so many seconds of the host, and end every `run` from then on."""
        ended = threading.Event()

        def watch() -> None:
            if ended.wait(seconds):
                return
            over()
            while not ended.wait(0.01):
                self.request_stop()

        watcher = threading.Thread(target=watch, name="vmemu-clock", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()

    def set_preempt(self, blocks: int) -> None:
        """Trap with PREEMPT every `blocks` executed blocks, 1 ns each; 0 = never.

        The hook that counts them stays for HOOK_BLOCKS blocks after the last slice. When it
        goes, or has gone and comes back, all translated code is thrown away.
        """
        self._sliced = blocks > 0
        self.lib.cpu_set_preempt(self.m, blocks)

    # ---- segments and floating point

    def set_tls(self, context: Context, entry: int, desc: UserDesc) -> None:
        """Set GDT entry 6, 7 or 8 of a task; segments that name it are loaded again."""
        self._check_tls(entry)
        self.lib.cpu_set_tls(self.m, context.ptr, entry, desc.descriptor())

    def get_tls(self, context: Context, entry: int) -> UserDesc:
        """Read GDT entry 6, 7 or 8 of a task."""
        self._check_tls(entry)
        return UserDesc.from_descriptor(int(self.lib.cpu_get_tls(self.m, context.ptr, entry)))

    def set_base(self, context: Context, segment: str, address: int) -> None:
        """Set the base of ``fs`` or ``gs`` of an x86-64 task (arch_prctl, CLONE_SETTLS)."""
        self.lib.cpu_set_base(self.m, context.ptr, self._base(segment), address)

    def get_base(self, segment: str) -> int:
        """The base of ``fs`` or ``gs`` of the running task."""
        return int(self.lib.cpu_get_base(self.m, self._base(segment)))

    def _base(self, segment: str) -> int:
        return int(self.lib.BASE_FS if segment == "fs" else self.lib.BASE_GS)

    @staticmethod
    def _check_tls(entry: int) -> None:
        if not GDT_ENTRY_TLS_MIN <= entry <= GDT_ENTRY_TLS_MAX:
            raise ValueError(f"GDT entry {entry} is not a TLS entry")

    def fpu_save(self) -> bytes:
        """Take the running task's FPU and SSE state as an FXSAVE image."""
        image = self.ffi.new("char[]", FXSAVE_SIZE)
        self.lib.cpu_fxsave(self.m, image)
        return bytes(self.ffi.buffer(image))

    def fpu_restore(self, image: bytes) -> None:
        """Load the running task's FPU and SSE state from an FXSAVE image."""
        if len(image) != FXSAVE_SIZE:
            raise ValueError("an FXSAVE image has 512 bytes")
        self.lib.cpu_fxrstor(self.m, image)

    # ---- cached code

    def drop_code(self) -> None:
        """Forget blocks of freed frames and give the frames back (not inside the hook)."""
        self.lib.drop_code(self.m)
