"""vmemu on a terminal: a shell with job control, and the host's terminal as it was afterwards."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

BUSYBOX = shutil.which("busybox")
PROMPT = b"# "
PATIENCE = 60.0
"""Seconds; nobody waits for them unless something is wrong."""

pytestmark = pytest.mark.skipif(BUSYBOX is None, reason="there is no static busybox")


class Session:
    """vmemu on a pseudo-terminal, and what is seen and typed there."""

    def __init__(self, *words: str, env: dict[str, str] | None = None) -> None:
        self.master, self.slave = pty.openpty()
        self.resize(24, 80)
        self.before = self.attributes()
        self.seen = b""
        self._at = 0
        self.pid = os.fork()
        if not self.pid:
            self._become(words, env or {})

    def _become(self, words: tuple[str, ...], env: dict[str, str]) -> None:
        try:
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
            for fd in range(3):
                os.dup2(self.slave, fd)
            argv = [sys.executable, "-m", "vmemu", "run", *words]
            os.execve(sys.executable, argv, {"PATH": os.environ["PATH"], "TERM": "vt100"} | env)
        finally:
            os._exit(127)

    def attributes(self) -> list[Any]:
        return termios.tcgetattr(self.slave)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def type(self, text: bytes) -> None:
        os.write(self.master, text)

    def expect(self, text: bytes) -> None:
        """Wait until it is seen behind what was expected last."""
        end = time.monotonic() + PATIENCE
        while text not in self.seen[self._at :]:
            if not self._read(end - time.monotonic()):
                raise AssertionError(f"no {text!r} in {self.seen[self._at :]!r}")
        self._at = self.seen.index(text, self._at) + len(text)

    def _read(self, seconds: float) -> bool:
        if not select.select([self.master], [], [], max(seconds, 0))[0]:
            return False
        try:
            self.seen += os.read(self.master, 65536)
        except OSError:  # EIO: nobody has it open any more
            return False
        return True

    def command(self, text: bytes, *answers: bytes) -> None:
        """Type a command, and wait for answers that are not what was typed, and a prompt."""
        self.type(text + b"\n")
        for answer in answers:
            self.expect(answer)
        self.expect(PROMPT)

    def end(self) -> int:
        """Wait for its end: what it exited with, or minus the signal that killed it."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self._read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
        raise AssertionError(f"it does not end: {self.seen[self._at :]!r}")

    def close(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)
        os.close(self.slave)


def until(done: Callable[[], bool]) -> None:
    """Wait for something that nobody sees on the terminal."""
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def opened() -> Iterator[list[Session]]:
    sessions: list[Session] = []
    yield sessions
    for session in sessions:
        session.close()


@pytest.fixture
def shell(opened: list[Session]) -> Session:
    """An interactive shell at its first prompt."""
    session = Session(str(BUSYBOX), "sh")
    opened.append(session)
    session.expect(PROMPT)
    return session


def test_a_shell_with_job_control(shell: Session) -> None:
    shell.command(b"echo $((6 * 7)) $TERM", b"42 vt100")
    shell.command(b"tty", b"/dev/pts/0\r\n")
    shell.command(b"sleep 1000 &")
    shell.command(b"jobs", b"Running")
    shell.type(b"echo r''eady; cat\n")
    shell.expect(b"ready\r\n")
    shell.type(b"to cat\n")
    shell.expect(b"to cat\r\nto cat\r\n")
    shell.type(b"\x1a")
    shell.expect(b"Stopped")
    shell.expect(PROMPT)
    shell.command(b"jobs", b"Stopped", b"Running")
    shell.type(b"fg\n")
    shell.expect(b"cat\r\n")
    shell.type(b"again\n")
    shell.expect(b"again\r\nagain\r\n")
    shell.type(b"\x03")
    shell.expect(b"^C")
    shell.expect(PROMPT)
    shell.command(b"echo status $?", b"status 130")
    shell.command(b"kill %1; wait %1; echo status $?", b"status 143")
    shell.type(b"exit 7\n")
    assert shell.end() == 7
    assert shell.attributes() == shell.before


def test_a_reader_of_the_terminal_stops_nobody_else(shell: Session) -> None:
    """The other program prints though nothing is typed."""
    shell.type(b"(sleep 0.2; echo o''ther) & read line; echo g''ot $line\n")
    shell.expect(b"other\r\n")
    shell.type(b"this\n")
    shell.expect(b"got this\r\n")


def test_attributes_and_the_window_s_size(shell: Session) -> None:
    shell.command(b"stty size", b"24 80\r\n")
    shell.resize(50, 132)
    os.kill(shell.pid, signal.SIGWINCH)
    shell.command(b"stty size", b"50 132\r\n")
    shell.command(b"stty -echo; stty -a; stty echo", b" -echo ")
    assert shell.attributes() != shell.before
    shell.type(b"\x04")
    assert shell.end() == 0
    assert shell.attributes() == shell.before


def test_vi(shell: Session) -> None:
    shell.command(b"echo one > /tmp/file")
    shell.type(b"vi /tmp/file\n")
    shell.expect(b"/tmp/file")
    shell.expect(b"- /tmp/file")
    shell.type(b"onew line")
    shell.expect(b"I /tmp/file")
    shell.type(b"\x1b")  # alone, or it would begin the name of a key
    shell.expect(b"- /tmp/file")
    shell.type(b":wq\n")
    shell.expect(PROMPT)
    shell.command(b"cat /tmp/file", b"one\r\nnew line\r\n")
    shell.type(b"vi -c :q /tmp/file\n")
    shell.expect(PROMPT)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_terminal_survives_a_signal(shell: Session, number: signal.Signals) -> None:
    assert shell.attributes() != shell.before
    os.kill(shell.pid, number)
    assert shell.end() == (130 if number == signal.SIGINT else -number)
    assert shell.attributes() == shell.before


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGUSR1, signal.SIGKILL])
def test_the_terminal_survives_a_crash(shell: Session, number: signal.Signals) -> None:
    assert shell.attributes() != shell.before
    os.kill(shell.pid, number)
    assert shell.end() == -number
    until(lambda: shell.attributes() == shell.before)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGUSR1, signal.SIGKILL])
def test_a_crash_while_a_program_computes(opened: list[Session], number: signal.Signals) -> None:
    """A SIGABRT that somebody sends is not the engine's."""
    session = Session(str(BUSYBOX), "sh", "-c", "echo r''eady; while :; do :; done")
    opened.append(session)
    session.expect(b"ready\r\n")
    os.kill(session.pid, number)
    assert session.end() == -number
    until(lambda: session.attributes() == session.before)


def test_a_program_that_computes_is_interrupted(opened: list[Session], tmp_path: Path) -> None:
    """Also one that makes no system call."""
    session = Session(str(BUSYBOX), "sh", "-c", "while :; do :; done")
    opened.append(session)
    until(lambda: session.attributes() != session.before)
    session.type(b"\x03")
    assert session.end() == 130
    assert session.attributes() == session.before
    assert b"killed by signal 2" in session.seen


def test_a_terminal_that_hangs_up_ends_the_shell(shell: Session) -> None:
    os.close(shell.master)
    shell.master = os.open(os.devnull, os.O_RDONLY)
    until(lambda: os.waitpid(shell.pid, os.WNOHANG)[0] != 0)
    shell.pid = 0
