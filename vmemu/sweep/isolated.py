"""One job in a process of its own, from any process and thread.

The process is forked from a warm one, a zygote, that this process keeps: one for each caller
at a time.  Whatever the job does, the caller gets a Result.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import Any

from vmemu.errors import VmemuError
from vmemu.sweep import forks, wire

__all__ = ["Limits", "Result", "Stopped", "end_zygotes", "run_isolated", "start_zygotes"]

_START = (
    "import sys; fd = int(sys.argv[1]); sys.path[:] = sys.argv[2:]; "
    "from vmemu.sweep.zygote import main; main(fd)"
)
_PATIENCE = 10
"""Seconds that a zygote has to end."""


class Stopped(VmemuError):
    """The zygotes were ended while one ran a job."""


@dataclass(frozen=True)
class Limits:
    """What a job may take: ``time`` in seconds of the host, ``memory`` in bytes; None: anything.

    ``memory`` is what it and the processes it starts take beyond a process that is ready to
    run, without the ``besides`` bytes that it is known to need: guest RAM and the like.
    """

    time: float | None = None
    memory: int | None = None
    besides: int = 0


@dataclass(frozen=True)
class Result:
    """What came of a job: ``value``, or why there is none.

    ``failure``: "", time, memory, guest, scheme, refused, bug or died; ``reason`` is a sentence,
    the same each time.  ``output``: the last 4 kB of what it printed.  ``seconds`` of the host.
    """

    value: bytes
    failure: str
    reason: str
    output: str
    seconds: float


def run_isolated(function: str, payload: bytes = b"", limits: Limits | None = None) -> Result:
    """Run ``function``, ``"module:name"``, in a process of its own; it takes and gives bytes.

    Other threads run meanwhile.  Raises VmemuError when no such process can be had, and
    Stopped when `end_zygotes` was called.
    """
    for last in (False, True):
        zygote = _zygotes.take()
        try:
            answer = zygote.ask(function, payload, limits or Limits())
        except BaseException:
            _zygotes.drop(zygote)
            raise
        if answer is not None:
            _zygotes.give_back(zygote)
            head, value = answer
            failure, reason = head.get("failure", ""), head.get("reason", "")
            return Result(value, failure, reason, head["output"], head["seconds"])
        if _zygotes.drop(zygote):
            raise Stopped("the run was stopped")
        if last:
            break
    return Result(b"", "died", "it ended the process that watches it", "", 0.0)


def start_zygotes(count: int) -> None:
    """Start so many, less those that are there, without waiting for them."""
    _zygotes.start(count)


def end_zygotes() -> None:
    """End all zygotes of this process and what they run; the next job starts new ones."""
    _zygotes.end()


class _Zygote:
    """One of them, seen from here."""

    def __init__(self) -> None:
        self.state = _state()
        here, there = socket.socketpair()
        with there:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-c", _START, str(there.fileno()), *self.state["path"]],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[there.fileno()],
                    env={
                        "LD_BIND_NOW": forks.BIND_NOW,
                        **os.environ,
                        "PYTHONHASHSEED": "0",  # dask's workers have another
                    },
                    start_new_session=True,
                )
            except OSError as error:
                here.close()
                raise VmemuError(f"no process can be started: {error.strerror}") from error
        self._socket = here
        self._ready = False
        self.stopped = False

    def ask(
        self, function: str, payload: bytes, limits: Limits
    ) -> tuple[dict[str, Any], bytes] | None:
        """Run a job; None when the zygote is gone."""
        if not self._ready:
            hello = wire.receive(self._socket)
            failed = "it ended at once" if hello is None else hello[0].get("failed")
            if failed and not self.stopped:
                raise VmemuError(f"the process that starts runs does not start: {failed}")
            self._ready = True
        asked: dict[str, Any] = {
            "function": function,
            "time": limits.time,
            "memory": limits.memory,
            "besides": limits.besides,
        }
        state = _state()
        if state != self.state:
            asked["caller"] = state
        try:
            wire.send(self._socket, asked, payload)
        except OSError:
            return None
        return wire.receive(self._socket)

    def alive(self) -> bool:
        return self._process.poll() is None

    def hang_up(self) -> None:
        """Tell it to end, whatever it does; who waits for an answer gets None."""
        self.stopped = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Wait for its end."""
        self.hang_up()
        self._socket.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def forget(self) -> None:
        """After a fork: it is the parent's, which must be the only one to hold its socket."""
        self._socket.close()
        self._process.returncode = 0  # nobody's child here


class _Zygotes:
    """Those of this process: what is idle, what runs a job."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_Zygote] = []
        self._busy: set[_Zygote] = set()

    def take(self) -> _Zygote:
        """One that is idle, else a new one."""
        while True:
            with self._lock:
                zygote = self._idle.pop() if self._idle else None
                if zygote is not None and zygote.alive():
                    self._busy.add(zygote)
                    return zygote
            if zygote is None:
                break
            zygote.close()
        zygote = _Zygote()
        with self._lock:
            self._busy.add(zygote)
        return zygote

    def give_back(self, zygote: _Zygote) -> None:
        """It has answered."""
        with self._lock:
            self._busy.discard(zygote)
            if not zygote.stopped:
                self._idle.append(zygote)
                return
        zygote.close()

    def drop(self, zygote: _Zygote) -> bool:
        """It is not to be used again; whether somebody wanted it to end."""
        with self._lock:
            self._busy.discard(zygote)
        stopped = zygote.stopped
        zygote.close()
        return stopped

    def start(self, count: int) -> None:
        """Have so many."""
        with self._lock:
            missing = count - len(self._idle) - len(self._busy)
        for _ in range(missing):
            zygote = _Zygote()
            with self._lock:
                self._idle.append(zygote)

    def end(self) -> None:
        """All of them; those that run a job are closed by who waits for it."""
        with self._lock:
            idle, self._idle = self._idle, []
            for zygote in (*idle, *self._busy):
                zygote.hang_up()
        for zygote in idle:
            zygote.close()

    def forget(self) -> None:
        """In a forked child, where there are none yet."""
        for zygote in (*self._idle, *self._busy):
            zygote.forget()
        self.__init__()  # type: ignore[misc]


def _state() -> dict[str, Any]:
    """What a job finds as its caller has it."""
    try:
        cwd = os.getcwd()
    except OSError:
        cwd = None
    path = [entry for entry in sys.path if isinstance(entry, str)]
    return {"path": path, "environ": dict(os.environ), "cwd": cwd}


_zygotes = _Zygotes()
os.register_at_fork(after_in_child=_zygotes.forget)
atexit.register(end_zygotes)
