"""System call traces in the manner of strace(1).

Kinds of arguments, named in the table of system calls:

    int uint size long oct   a number                fd dirfd pid     a descriptor, a process
    hex xlong ptr            the same in hexadecimal
    str                      a path or name          strv             argv or envp
    buf                      bytes to write, as many as the next argument says
    rbuf                     bytes that were read, as many as the result says
    iov                      iovecs, as many as the next argument says
    prot mapfl mremapfl advice openfl sig sighow clonefl waitfl clock ioctl
    wstatus pipefd timespec cloneargs  written by the call or read from memory

Decoding reads guest memory, so tracing may fault pages in that the program
itself would not have touched.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from vmemu.errors import ConfigError, Errno
from vmemu.kernel.process.wait import ERESTARTSYS, WaitStatus
from vmemu.kernel.signal.state import SigInfo, signal_name
from vmemu.kernel.syscalls.table import Syscall, s32, s64
from vmemu.mm import consts

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Call, Task

SHOWN = 32


class Filter:
    """Which calls are traced, by name (None: all), and whether they are counted instead.

    ``counts``: of each call by name, how often it was made and how often it failed.
    """

    def __init__(
        self,
        calls: frozenset[str] | None = None,
        counts: dict[str, list[int]] | None = None,
    ) -> None:
        self.calls, self.counts = calls, counts

    def wants(self, name: str) -> bool:
        """Whether a call of this name is traced."""
        return self.calls is None or name in self.calls

    def count(self, name: str, result: int | None) -> None:
        """One more call that has ended; None: it never returned."""
        if self.counts is not None:
            counted = self.counts.setdefault(name, [0, 0])
            counted[0] += 1
            counted[1] += result is not None and -ERESTARTSYS < result < 0


def calls_of(words: str, table: Mapping[int, Syscall]) -> frozenset[str]:
    """The calls that a list such as ``mm,write`` names; ConfigError for what is none.

    A word is a call, or a group of them: a module of vmemu.kernel.syscalls.
    """
    groups: dict[str, set[str]] = {}
    for entry in table.values():
        groups.setdefault(entry.handler.__module__.rpartition(".")[2], set()).add(entry.name)
    known = {name: {name} for group in groups.values() for name in group}
    found: set[str] = set()
    for word in words.split(","):
        calls = groups.get(word) or known.get(word)
        if calls is None:
            named = ", ".join(sorted(groups))
            raise ConfigError(f"there is no system call and no group {word!r}; groups are {named}")
        found |= calls
    return frozenset(found)


_RESTARTS = {
    512: "ERESTARTSYS (To be restarted if SA_RESTART is set)",
    514: "ERESTARTNOHAND (To be restarted if no handler)",
    516: "ERESTART_RESTARTBLOCK (Interrupted by signal)",
}
_AFTER = frozenset({"rbuf", "wstatus", "pipefd"})
"""Kinds that are known only when the call has ended."""


def quote(data: bytes, more: bool = False) -> str:
    """Quote bytes as strace does, at most 32 of them."""
    text = []
    for byte in data[:SHOWN]:
        char = chr(byte)
        if char in '"\\':
            text.append("\\" + char)
        elif 32 <= byte < 127:
            text.append(char)
        else:
            text.append({9: "\\t", 10: "\\n", 13: "\\r", 0: "\\0"}.get(byte, f"\\{byte:o}"))
    return '"' + "".join(text) + '"' + ("..." if more or len(data) > SHOWN else "")


def flags(names: dict[int, str], zero: str = "0") -> Callable[[int], str]:
    """Make a formatter for or-ed bits."""

    def show(value: int) -> str:
        parts = [name for bit, name in names.items() if value & bit == bit]
        rest = value
        for bit in names:
            rest &= ~bit
        if rest:
            parts.append(f"{rest:#x}")
        return "|".join(parts) or zero

    return show


def one_of(names: dict[int, str]) -> Callable[[int], str]:
    """Make a formatter for an enumeration."""
    return lambda value: names.get(value, f"{value:#x}")


def _open_flags(value: int) -> str:
    rest = flags(
        {0o100: "O_CREAT", 0o200: "O_EXCL", 0o1000: "O_TRUNC", 0o2000: "O_APPEND",
         0o4000: "O_NONBLOCK", 0o200000: "O_DIRECTORY", 0o2000000: "O_CLOEXEC",
         0o100000: "O_LARGEFILE"}, ""
    )(value & ~3)  # fmt: skip
    access = ("O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE")[value & 3]
    return f"{access}|{rest}" if rest else access


def _clone_flags(value: int) -> str:
    bits = {0x100: "CLONE_VM", 0x200: "CLONE_FS", 0x400: "CLONE_FILES", 0x800: "CLONE_SIGHAND",
            0x1000: "CLONE_PIDFD", 0x4000: "CLONE_VFORK", 0x8000: "CLONE_PARENT",
            0x10000: "CLONE_THREAD", 0x40000: "CLONE_SYSVSEM", 0x80000: "CLONE_SETTLS",
            0x100000: "CLONE_PARENT_SETTID", 0x200000: "CLONE_CHILD_CLEARTID",
            0x1000000: "CLONE_CHILD_SETTID", 0x100000000: "CLONE_CLEAR_SIGHAND",
            0x200000000: "CLONE_INTO_CGROUP"}  # fmt: skip
    text = flags(bits, "")(value & ~0xFF)
    signal = signal_name(value & 0xFF) if value & 0xFF else ""
    return "|".join(part for part in (text, signal) if part) or "0"


_NUMBERS: dict[str, Callable[[int], str]] = {
    "int": str,
    "uint": str,
    "size": str,
    "long": str,
    "xlong": hex,
    "fd": str,
    "pid": str,
    "oct": lambda value: f"{value:#05o}" if value else "0",
    "hex": hex,
    "ptr": lambda value: hex(value) if value else "NULL",
    "dirfd": lambda value: "AT_FDCWD" if value == -100 else str(value),
    "prot": flags({1: "PROT_READ", 2: "PROT_WRITE", 4: "PROT_EXEC"}, "PROT_NONE"),
    "mapfl": flags(
        {1: "MAP_SHARED", 2: "MAP_PRIVATE", 0x10: "MAP_FIXED", 0x20: "MAP_ANONYMOUS",
         0x100: "MAP_GROWSDOWN", 0x800: "MAP_DENYWRITE", 0x2000: "MAP_LOCKED",
         0x4000: "MAP_NORESERVE", 0x8000: "MAP_POPULATE", 0x20000: "MAP_STACK",
         0x100000: "MAP_FIXED_NOREPLACE"}
    ),
    "mremapfl": flags({1: "MREMAP_MAYMOVE", 2: "MREMAP_FIXED", 4: "MREMAP_DONTUNMAP"}),
    "advice": one_of({value: name for name, value in vars(consts).items()
                      if name.startswith("MADV_")}),
    "openfl": _open_flags,
    "sig": signal_name,
    "sighow": one_of({0: "SIG_BLOCK", 1: "SIG_UNBLOCK", 2: "SIG_SETMASK"}),
    "clonefl": _clone_flags,
    "waitfl": flags({1: "WNOHANG", 2: "WUNTRACED", 4: "WEXITED", 8: "WCONTINUED",
                     0x1000000: "WNOWAIT", 0x40000000: "__WALL",
                     0x80000000: "__WCLONE"}),
    "ioctl": one_of(
        {0x5401: "TCGETS", 0x5402: "TCSETS", 0x5403: "TCSETSW", 0x5404: "TCSETSF",
         0x540B: "TCFLSH", 0x540E: "TIOCSCTTY", 0x540F: "TIOCGPGRP", 0x5410: "TIOCSPGRP",
         0x5413: "TIOCGWINSZ", 0x5414: "TIOCSWINSZ", 0x541B: "FIONREAD", 0x5421: "FIONBIO",
         0x5420: "TIOCPKT", 0x5452: "FIOASYNC",
         0x5422: "TIOCNOTTY", 0x5429: "TIOCGSID", 0x802C542A: "TCGETS2", 0x402C542B: "TCSETS2",
         0x5456: "TIOCGLCKTRMIOS", 0x5457: "TIOCSLCKTRMIOS",
         0x80045430: "TIOCGPTN", 0x40045431: "TIOCSPTLCK"}
    ),
    "clock": one_of({0: "CLOCK_REALTIME", 1: "CLOCK_MONOTONIC",
                     2: "CLOCK_PROCESS_CPUTIME_ID", 3: "CLOCK_THREAD_CPUTIME_ID",
                     7: "CLOCK_BOOTTIME"}),
}  # fmt: skip


def _status(value: int) -> str:
    if value & 0xFF == 0x7F:
        return f"[{{WIFSTOPPED(s) && WSTOPSIG(s) == {signal_name(value >> 8)}}}]"
    if value & 0x7F:
        return f"[{{WIFSIGNALED(s) && WTERMSIG(s) == {signal_name(value & 0x7F)}}}]"
    return f"[{{WIFEXITED(s) && WEXITSTATUS(s) == {value >> 8 & 0xFF}}}]"


def _memory(task: Task, kind: str, args: tuple[int, ...], index: int, result: int) -> str:
    """Format an argument that points to memory; Errno EFAULT if it cannot be read."""
    from vmemu.kernel.uaccess import read_strings, read_struct

    value, mm = args[index], task.mm
    length = args[index + 1] if index + 1 < len(args) else 0
    if kind == "str":
        return quote(mm.read_cstr(value, 4096))
    if kind == "buf":
        return quote(mm.read(value, min(length, SHOWN)), length > SHOWN)
    if kind == "rbuf":
        return quote(mm.read(value, min(result, SHOWN)), result > SHOWN)
    if kind == "wstatus":
        return _status(mm.read_u32(value))
    if kind == "pipefd":
        return "[{}, {}]".format(*struct.unpack("<2i", mm.read(value, 8)))
    if kind == "timespec":
        return "{{tv_sec={}, tv_nsec={}}}".format(*read_struct(mm, value, "2n"))
    if kind == "cloneargs":
        words = read_struct(mm, value, "8Q")
        names = ("pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size", "tls")
        shown = (f"{name}={word:#x}" for name, word in zip(names, words[1:], strict=True) if word)
        return "{" + ", ".join([f"flags={_clone_flags(words[0])}", *shown]) + "}"
    if kind == "iov":
        parts = []
        each = 2 * mm.core.word
        for at in range(value, value + each * min(length, 8), each):
            base, size = read_struct(mm, at, "2N")
            piece = quote(mm.read(base, min(size, SHOWN)), size > SHOWN)
            parts.append(f"{{iov_base={piece}, iov_len={size}}}")
        return "[" + ", ".join(parts) + "]"
    if kind == "strv":
        strings = read_strings(mm, value, 131072)
        if len(strings) > 8:
            return f"{hex(value)} /* {len(strings)} vars */"
        return "[" + ", ".join(quote(string) for string in strings) + "]"
    raise ValueError(f"strace knows no kind {kind!r}")


def _format(task: Task, kind: str, args: tuple[int, ...], index: int, result: int) -> str:
    number = _NUMBERS.get(kind)
    if number is not None:
        return number(args[index])
    if not args[index]:
        return "NULL"
    if task.memory is None or (
        kind in _AFTER and (result < 0 or (kind == "wstatus" and not result))
    ):
        return hex(args[index])
    try:
        return _memory(task, kind, args, index, result)
    except Errno:
        return hex(args[index])


def enter(task: Task, entry: Syscall, args: tuple[int, ...]) -> list[str | None]:
    """Decode what is known when a call begins; nothing of one that will not be shown."""
    chosen = task.kernel.strace_filter
    if chosen is not None and (chosen.counts is not None or not chosen.wants(entry.name)):
        return [None] * len(entry.kinds)
    return [
        None if kind in _AFTER else _format(task, kind, args, index, 0)
        for index, kind in enumerate(entry.kinds)
    ]


def leave(task: Task, entry: Syscall | None, call: Call, result: int | None) -> None:
    """Write the line of a call that has ended; None: it will never return."""
    chosen = task.kernel.strace_filter
    if chosen is not None:
        name = entry.name if entry is not None else f"syscall_{call.number:#x}"
        if not chosen.wants(name):
            return
        if chosen.counts is not None:
            chosen.count(name, result)
            return
    if entry is None:
        words = ", ".join(hex(word) for word in call.args)
        _line(task, f"syscall_{call.number:#x}({words})", _result(task, "int", result))
        return
    parts = [
        text if text is not None else _format(task, kind, call.args, index, result or 0)
        for index, (kind, text) in enumerate(
            zip(entry.kinds, call.trace or [None] * len(entry.kinds), strict=True)
        )
    ]
    _line(task, f"{entry.name}({', '.join(parts)})", _result(task, entry.result, result))


def _result(task: Task, kind: str, result: int | None) -> str:
    if result is None:
        return "?"
    mask = task.kernel.core.mask
    result = (s64 if task.kernel.abi.bits == 64 else s32)(result & mask)
    if -result in _RESTARTS:
        return "? " + _RESTARTS[-result]
    if -ERESTARTSYS < result < 0:
        return f"-1 {errno.errorcode.get(-result, -result)} ({os.strerror(-result)})"
    if kind == "ptr":
        return hex(result & mask)
    return str(result)


def _line(task: Task, call: str, result: str) -> None:
    _write(task, f"{call:<39} = {result}" if len(call) < 39 else f"{call} = {result}")


def _write(task: Task, text: str) -> None:
    kernel = task.kernel
    if kernel.strace is None or (kernel.strace_filter and kernel.strace_filter.counts is not None):
        return
    kernel.call_hook("strace", f"[pid {task.pid:5}] {text}" if len(kernel.tasks) > 1 else text)


def trace_signal(task: Task, name: str, info: SigInfo) -> None:
    """Write the line of a signal that is delivered."""
    extra = f", si_addr={info.address:#x}" if info.trapno else ""
    _write(task, f"--- {name} {{si_signo={name}, si_code={info.code}{extra}}} ---")


def trace_exit(task: Task, status: WaitStatus) -> None:
    """Write the line of a task's end, after that of the call it was in."""
    if task.call is not None:
        leave(task, task.kernel.syscalls.get(task.call.number), task.call, None)
    if status.signaled:
        _write(task, f"+++ killed by {signal_name(status.code)} +++")
    else:
        _write(task, f"+++ exited with {status.code & 0xFF} +++")
