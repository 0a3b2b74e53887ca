"""The host's terminal as guests have it: their line discipline, the host's keys and screen."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.process.wait import WaitQueue
from vmemu.vfs.tty.termios import TERMIOS2_SIZE, TERMIOS_SIZE
from vmemu.vfs.tty.tty import Tty
from vmemu.vfs.tty.ttyfile import TtyFile

if TYPE_CHECKING:
    from vmemu.kernel.process.job import Jobs
    from vmemu.vfs.tty.host import HostTerminal

__all__ = ["Console"]

_UNREAD = 65536
"""Bytes that are kept when nobody reads what is typed; more are lost."""
_AT_ONCE = 1 << 16


class Console(Tty):
    """A terminal whose other end is the host's."""

    def __init__(self, index: int, jobs: Jobs, host: HostTerminal) -> None:
        super().__init__(index, jobs, host.write, lambda: _AT_ONCE, WaitQueue())
        self.host = host
        self._unread = b""
        data = host.attributes()
        assert len(data) in (TERMIOS_SIZE, TERMIOS2_SIZE)
        self.termios.decode(data)
        self.winsize = host.size()

    @property
    def attended(self) -> bool:
        """Somebody may type."""
        return self.host.active and not self.hung_up

    def open(self, flags: int) -> TtyFile:
        """Open it; Errno EIO when it has hung up."""
        if self.hung_up:
            raise Errno(errno.EIO)
        return TtyFile(self, flags)

    def flush_output(self) -> None:
        """What was printed is out of reach."""

    def attend(self) -> None:
        """Take what was typed, and the size of the window, when the host has news."""
        host = self.host
        host.news = False
        if host.resized:
            host.resized = False
            self.resize(host.size())
        data = host.read()
        if data is None:
            self.hangup()
            return
        typed = (self._unread + data)[:_UNREAD]
        self._unread = typed[self.receive(typed) :]

    def take(self, count: int) -> None:
        """A reader has so many bytes; there may be more that had no room."""
        super().take(count)
        if self._unread:
            self._unread = self._unread[self.receive(self._unread) :]
