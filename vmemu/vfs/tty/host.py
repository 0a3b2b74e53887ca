"""The terminal that vmemu itself was started on.

While guests run it is in raw mode: every key goes to the guests' own line discipline, which
echoes it and makes signals of it.  However vmemu ends, it is as it was before.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import termios
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from vmemu.vfs.tty.guard import guarded

__all__ = ["HostTerminal"]

_ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""What ends a program that does not care: the terminal is put in order first."""
_SIZE = struct.Struct("<4H")
_ATTRIBUTES = struct.Struct("<4IB19s")


class HostTerminal:
    """A descriptor of a terminal of the host that can be read, and one that can be written."""

    def __init__(self, fd: int, out: int) -> None:
        self.fd, self.out = fd, out
        self.news = False
        """Something was typed, or the window has another size."""
        self.resized = False
        self.active = False
        """It is the guests' now."""
        self._before: list[Any] | None = None
        self._wake: tuple[int, int] | None = None

    def is_at(self, fd: int) -> bool:
        """Whether a descriptor of the host is this terminal."""
        try:
            return os.isatty(fd) and os.fstat(fd).st_rdev == os.fstat(self.fd).st_rdev
        except OSError:
            return False

    def attributes(self) -> bytes:
        """Its struct termios."""
        iflag, oflag, cflag, lflag, _, _, cc = termios.tcgetattr(self.fd)
        values = b"".join(bytes((c,)) if isinstance(c, int) else c for c in cc)
        return _ATTRIBUTES.pack(iflag, oflag, cflag, lflag, 0, values[:19])

    def size(self) -> tuple[int, int, int, int]:
        """Rows, columns, and pixels of both."""
        try:
            data = fcntl.ioctl(self.fd, termios.TIOCGWINSZ, bytes(_SIZE.size))
        except OSError:
            return (0, 0, 0, 0)
        rows, columns, width, height = _SIZE.unpack(data)
        return rows, columns, width, height

    # ---- raw mode

    def _raw(self) -> None:
        """As cfmakeraw() does it."""
        assert self._before is not None
        iflag, oflag, cflag, lflag, ispeed, ospeed, cc = self._before
        iflag &= ~(
            termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP | termios.INLCR
            | termios.IGNCR | termios.ICRNL | termios.IXON
        )  # fmt: skip
        oflag &= ~termios.OPOST
        lflag &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
        cflag = cflag & ~(termios.CSIZE | termios.PARENB) | termios.CS8
        cc = [*cc]
        cc[termios.VMIN], cc[termios.VTIME] = 1, 0
        with contextlib.suppress(termios.error):
            termios.tcsetattr(
                self.fd, termios.TCSANOW, [iflag, oflag, cflag, lflag, ispeed, ospeed, cc]
            )

    def _restore(self) -> None:
        if self._before is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self.fd, termios.TCSANOW, self._before)

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """Give it to the guests for a while."""
        self._before = termios.tcgetattr(self.fd)
        reader, writer = self._wake = os.pipe()
        os.set_blocking(writer, False)
        ended = threading.Event()
        watcher = threading.Thread(
            target=self._watch, args=(reader, ended), name="vmemu-terminal", daemon=True
        )
        with contextlib.ExitStack() as stack:
            stack.enter_context(guarded(self.fd, self._before))
            stack.callback(os.close, reader)
            stack.callback(os.close, writer)
            stack.callback(setattr, self, "_wake", None)  # their numbers may be others' then
            stack.enter_context(self._signals())
            stack.callback(self._restore)
            self._raw()
            watcher.start()
            stack.callback(watcher.join)
            stack.callback(os.write, writer, b"\0")
            stack.callback(ended.set)
            self.active = self.news = True
            try:
                yield
            finally:
                self.active = False

    def _watch(self, wake: int, ended: threading.Event) -> None:
        """Tell the machine of what is typed (a thread of its own)."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        poll.register(wake, select.POLLIN)
        while not ended.is_set():
            poll.poll()
            self.news = True
            while self.news and not ended.wait(0.005):
                pass

    # ---- signals of vmemu's own

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Handle those that concern the terminal, in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers: dict[int, Any] = {
            signal.SIGWINCH: self._on_resize,
            signal.SIGTSTP: self._on_stop,
            signal.SIGCONT: self._on_continue,
        }
        handlers |= {n: self._on_end for n in _ENDS if signal.getsignal(n) == signal.SIG_DFL}
        before = {number: signal.signal(number, handlers[number]) for number in handlers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_resize(self, number: int, frame: FrameType | None) -> None:
        self.resized = self.news = True
        if self._wake is not None:
            with contextlib.suppress(OSError):
                os.write(self._wake[1], b"\0")

    def _on_end(self, number: int, frame: FrameType | None) -> None:
        self._restore()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        self._restore()
        os.kill(os.getpid(), signal.SIGSTOP)

    def _on_continue(self, number: int, frame: FrameType | None) -> None:
        self._raw()
        self._on_resize(number, frame)

    # ---- input and output

    def wait(self, seconds: float | None) -> None:
        """Until there is news, or so long."""
        if self.news or self._wake is None:
            return
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        poll.register(self._wake[0], select.POLLIN)
        if poll.poll(None if seconds is None else seconds * 1000):
            self.news = True

    def read(self) -> bytes | None:
        """What was typed, perhaps nothing; None when the terminal is gone."""
        if self._wake is not None:
            poll = select.poll()
            poll.register(self._wake[0], select.POLLIN)
            if poll.poll(0):
                os.read(self._wake[0], 4096)
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        if not poll.poll(0):
            return b""
        try:
            return os.read(self.fd, 4096) or None
        except BlockingIOError:
            return b""
        except OSError:
            return None

    def write(self, data: bytes) -> None:
        """Show it; what a terminal that is gone does not take is lost."""
        try:
            while data:
                try:
                    data = data[os.write(self.out, data) :]
                except BlockingIOError:
                    poll = select.poll()
                    poll.register(self.out, select.POLLOUT)
                    poll.poll()
        except OSError:
            return
