"""A warm process that forks one for each run, watches it, and hands its result on.

It has one thread and no module of the user's.  It ends when its socket does, and everything
that it has started ends with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import importlib
import os
import resource
import select
import signal
import socket
import sys
import time
from typing import Any

from vmemu.sweep import compact, family

__all__ = ["main"]

_TAIL = 4096
"""Bytes that are kept of what a run prints."""
_LARGEST = 1 << 28
"""Bytes of a result."""
_SAMPLE_MS = 25
"""Between two looks at a run's memory."""
_ENGINES = 2 * ((1 << 30) + (64 << 20))
"""Address space of two machines' translated code, of which hardly anything is used."""
_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1


def main(fd: int) -> None:
    """Serve the process at the other end of a socket until it is gone."""
    sock = socket.socket(fileno=fd)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the process that asks
    from vmemu.sweep import forks, wire

    if os.environ.get("LD_BIND_NOW") == forks.BIND_NOW:
        del os.environ["LD_BIND_NOW"]
    forks.put_off()  # before any module is loaded that wants something done

    try:
        _warm()
        zygote = Zygote(sock)
    except Exception as error:
        wire.send(sock, {"failed": f"{type(error).__name__}: {error}"})
        return
    with contextlib.suppress(BrokenPipeError, ConnectionError):
        wire.send(sock, {})
        zygote.serve()


def _warm() -> None:
    """Have in memory what a run needs, as a run leaves it, and little that is free.

    What is free here would be copied where a run uses it; new memory costs less.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a process with threads is not forked
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_THRESHOLD, 1 << 16)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    faulthandler.enable(2, all_threads=False)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")  # if the host's memory is short, a run goes first

    from vmemu.core import RMAPS, lib
    from vmemu.cpu import make_spare
    from vmemu.lab.cell import Cell, run_cell
    from vmemu.rmap import DEFAULT

    for name in RMAPS:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(f"vmemu.rmap.{name}")

    def run(times: int) -> None:
        for bits in (32, 64) * times:
            run_cell(Cell("private-pages", (("PAGES", 4),), DEFAULT, (("bits", bits),)))

    run(1)
    compact.gather_code(lambda: run(1))
    run(5)  # until the interpreter has adapted its code
    with family.small_pages():  # a run has little code, and would take a huge page apart
        for bits in (32, 64):
            make_spare(bits)
    lib.ram_by_need()
    importlib.import_module("vmemu.sweep.child")  # now it sees what is not the user's
    gc.set_threshold(20_000)
    _settle()
    libc.mallopt(_M_MMAP_THRESHOLD, 1 << 25)
    libc.mallopt(_M_TRIM_THRESHOLD, 1 << 28)


def _settle() -> None:
    """Let later runs share what there is now."""
    gc.collect()
    gc.freeze()
    ctypes.CDLL(None).malloc_trim(0)
    compact.fill_holes()


class Gone(Exception):
    """The process that asked is no more."""


class Zygote:
    """The warm process: what is forked from it inherits all that is loaded here."""

    def __init__(self, sock: socket.socket) -> None:
        from vmemu.sweep import child, failure, wire

        self.sock = sock
        self._child, self._failure, self._wire = child, failure, wire
        self._pid = os.getpid()
        self._base, self._resident = family.private_memory("self"), family.resident()
        self._tried: set[str] = set()
        family.adopt()

    def serve(self) -> None:
        """Answer requests until nobody is left to ask."""
        while (request := self._wire.receive(self.sock)) is not None:
            asked, payload = request
            if asked["function"].startswith("vmemu."):
                self._load(asked["function"].partition(":")[0])
            try:
                head, value = self._run(asked, payload)
            except Gone:
                return
            modules = head.pop("modules", ())
            self._wire.send(self.sock, head, value)
            for name in modules:
                self._load(name)

    def _load(self, module: str) -> None:
        """Load what runs load anyway, which is no module of the user's."""
        if module in self._tried or module in sys.modules:
            return
        self._tried.add(module)
        with contextlib.suppress(Exception):
            importlib.import_module(module)
        _settle()

    def _run(self, asked: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        """Fork, watch, reap: the answer to a request."""
        asked["mark"] = mark = os.urandom(8).hex()
        allowed = asked["memory"]
        asked["data"] = None
        if allowed is not None:
            allowed += asked["besides"]
            asked["data"] = family.data_size() + allowed + _ENGINES
        began = time.monotonic()
        with contextlib.ExitStack() as stack:
            result, result_end = _pipe(stack)
            output, output_end = _pipe(stack)
            try:
                pid = os.fork()
            except OSError as error:
                os.close(result_end)
                os.close(output_end)
                reason = f"the host has no room for a process: {os.strerror(error.errno or 0)}"
                died = self._failure.Failure("died", reason)
                return {**died._asdict(), "output": "", "seconds": 0.0}, b""
            if not pid:
                self._become_child(asked, payload, result_end, output_end, (result, output))
            stack.enter_context(_closed_at_end(pidfd := os.pidfd_open(pid)))
            os.close(result_end)
            os.close(output_end)
            watched = Watched(self.sock.fileno(), pidfd, result, output)
            limit = None if asked["time"] is None else began + asked["time"]
            why = ""
            try:
                while not watched.wait(_timeout(limit, allowed)):
                    if limit is not None and time.monotonic() >= limit:
                        why = "time"
                    elif allowed is not None and family.memory_of(allowed, self._base):
                        why = "memory"
                    elif len(watched.result) > _LARGEST:
                        why = "size"
                    else:
                        continue
                    _kill(pid)
                    limit = allowed = None
            finally:
                _kill(pid)  # what it has left behind, too
                _, status, used = os.wait4(pid, 0)
                family.end_all()
            watched.drain()
        printed = watched.printed.decode(errors="replace")
        found = self._wire.unpack(bytes(watched.result.partition(mark.encode())[2]))
        if why == "time":
            head, value = self._failure.of_time(asked["time"])._asdict(), b""
        elif why == "memory":
            head, value = self._failure.of_memory(asked["memory"])._asdict(), b""
        elif why == "size":
            reason = f"its result has more than {_LARGEST >> 20} MB"
            head, value = self._failure.Failure("bug", reason)._asdict(), b""
        elif found is not None:
            head, value = found
        else:
            room = (asked["memory"] or 0) + asked["besides"]
            filled = used.ru_maxrss << 10 >= self._resident + room * 9 // 10
            died = self._failure.of_death(status, printed, asked["memory"], filled=filled)
            head, value = died._asdict(), b""
        head["output"] = printed
        head["seconds"] = time.monotonic() - began
        return head, value

    def _become_child(
        self, asked: dict[str, Any], payload: bytes, result: int, output: int, ends: tuple[int, int]
    ) -> None:
        """Never returns."""
        try:
            for fd in (self.sock.detach(), *ends):
                os.close(fd)
            self._child.run(asked, payload, self._pid, result, output)
        except BaseException:
            os._exit(70)
        os._exit(0)


class Watched:
    """What a run's process says while it lasts."""

    def __init__(self, sock: int, pidfd: int, result: int, output: int) -> None:
        self.result = bytearray()
        self.printed = bytearray()
        self._sock, self._pidfd, self._result, self._output = sock, pidfd, result, output
        self._poll = select.poll()
        for fd in (sock, pidfd, result, output):
            self._poll.register(fd, select.POLLIN)

    def wait(self, timeout: int | None) -> bool:
        """Wait for something; whether the process has ended.  Gone when nobody waits for it."""
        ended = False
        for fd, _ in self._poll.poll(timeout):
            if fd == self._sock:
                raise Gone
            if fd == self._pidfd:
                ended = True
            elif not self._read(fd):
                self._poll.unregister(fd)
        return ended

    def drain(self) -> None:
        """Take what is left in the pipes, of processes that have all ended."""
        for fd in (self._result, self._output):
            while self._read(fd):
                pass

    def _read(self, fd: int) -> bool:
        try:
            data = os.read(fd, 1 << 16)
        except BlockingIOError:
            return False
        if fd == self._result:
            self.result += data
        else:
            self.printed += data
            del self.printed[:-_TAIL]
        return bool(data)


def _timeout(limit: float | None, allowed: int | None) -> int | None:
    """Milliseconds until something must be looked at."""
    left = None if limit is None else max(0, int((limit - time.monotonic()) * 1000) + 1)
    if allowed is None:
        return left
    return _SAMPLE_MS if left is None else min(left, _SAMPLE_MS)


def _pipe(stack: contextlib.ExitStack) -> tuple[int, int]:
    """A pipe; its reading end, closed with the stack, does not block."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    stack.enter_context(_closed_at_end(reading))
    os.set_blocking(reading, False)
    return reading, writing


@contextlib.contextmanager
def _closed_at_end(fd: int) -> Any:
    try:
        yield fd
    finally:
        os.close(fd)


def _kill(pid: int) -> None:
    """The process, and its session's first group."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
