"""Pairs: a terminal whose other end is a file (drivers/tty/pty.c)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.hold import FILE_BYTES, PTY_BYTES
from vmemu.kernel.process.wait import Blocking, Wait, WaitQueue
from vmemu.vfs.file import (
    O_ACCMODE,
    O_CLOEXEC,
    O_NONBLOCK,
    O_RDWR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    File,
    FileStat,
)
from vmemu.vfs.tty.tty import Tty
from vmemu.vfs.tty.ttyfile import TtyFile, tty_ioctl

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmemu.kernel.process.job import Jobs
    from vmemu.kernel.process.task import Task

__all__ = ["Master", "Pty"]

OUTPUT_SIZE = 16384
"""What was printed and has not been read by the other end."""
_TIOCGPTN, _TIOCSPTLCK, _TIOCGPTLCK = 0x80045430, 0x40045431, 0x80045439
_TIOCGPTPEER, _TIOCINQ, _TIOCOUTQ = 0x5441, 0x541B, 0x5411


class Pty(Tty):
    """A terminal and what it has printed."""

    def __init__(self, index: int, jobs: Jobs, forget: Callable[[Pty], None]) -> None:
        self.output = bytearray()
        queue = WaitQueue()
        super().__init__(index, jobs, self._print, lambda: OUTPUT_SIZE - len(self.output), queue)
        self._forget = forget
        self.locked = True
        """Nobody may open it yet (unlockpt)."""
        self.opened = False
        """Somebody has opened it; when nobody has it open any more, its other end is told."""

    def _print(self, data: bytes) -> None:
        self.output += data
        if data:
            self.queue.wake_up()

    def flush_output(self) -> None:
        """Forget what was printed."""
        self.output.clear()
        self.queue.wake_up()

    def open(self, flags: int) -> TtyFile:
        """Open it; Errno EIO while it is locked or when its other end is gone, EBUSY."""
        if self.locked or self.hung_up:
            raise Errno(errno.EIO)
        self.opened = True
        return TtyFile(self, flags)

    def closed(self) -> None:
        """A file of it is no longer open."""
        super().closed()
        if not self.users:
            self.queue.wake_up()

    def end(self) -> None:
        """Its other end is closed."""
        self.hangup()
        self._forget(self)


class Master(File):
    """The other end."""

    pollable = True
    host_bytes = FILE_BYTES + PTY_BYTES

    def __init__(self, pty: Pty, flags: int) -> None:
        super().__init__(flags & ~O_ACCMODE | O_RDWR, "/dev/ptmx")
        self.pty = pty
        self.queue = pty.queue

    @property
    def _closed(self) -> bool:
        """Nobody has the terminal open any more (TTY_OTHER_CLOSED)."""
        return self.pty.opened and not self.pty.users

    def _ready(self) -> bool:
        return bool(self.pty.output) or self._closed

    def read(self, count: int) -> Blocking[bytes]:
        """Wait for what is printed; Errno EIO when there is nobody who could."""
        while not self.pty.output:
            if self._closed:
                raise Errno(errno.EIO)
            if self.flags & O_NONBLOCK:
                raise Errno(errno.EAGAIN)
            yield Wait(f"output of {self.pty.name}", (self.pty.queue,), self._ready)
        return bytes(self.pty.output[:count])

    def take(self, count: int) -> int:
        """It has been read: there is room for more."""
        del self.pty.output[:count]
        self.pty.queue.wake_up()
        return count

    def write(self, data: bytes) -> Blocking[int]:
        """Type."""
        pty, done = self.pty, 0
        while True:
            done += pty.receive(data[done:])
            if done == len(data):
                return done
            if self.flags & O_NONBLOCK:
                if done:
                    return done
                raise Errno(errno.EAGAIN)
            try:
                yield Wait(f"room in {pty.name}", (pty.queue,), self._has_room)
            except Errno:
                if done:
                    return done
                raise

    def _has_room(self) -> bool:
        ldisc = self.pty.ldisc
        return ldisc.room > 0 or (self.pty.termios.canonical and not ldisc.available())

    def poll(self) -> int:
        """POLLIN with output, POLLOUT with room, POLLHUP without anybody at the terminal."""
        found = (POLLIN if self.pty.output else 0) | (POLLOUT if self._has_room() else 0)
        return found | (POLLHUP if self._closed else 0)

    def stat(self) -> FileStat:
        """A character device."""
        return self.node.stat() if self.node is not None else FileStat(rdev=0x502)

    def release(self) -> None:
        """The terminal hangs up."""
        self.pty.end()

    def ioctl(self, task: Task, request: int, argument: int) -> int:
        """What is asked of the pair; the rest is the terminal's."""
        pty = self.pty
        if request == _TIOCGPTN:
            uaccess.write_struct(task.mm, argument, "I", pty.index)
        elif request == _TIOCSPTLCK:
            pty.locked = bool(uaccess.read_struct(task.mm, argument, "i")[0])
        elif request == _TIOCGPTLCK:
            uaccess.write_struct(task.mm, argument, "i", pty.locked)
        elif request == _TIOCGPTPEER:
            return self._open_peer(task, argument)
        elif request == _TIOCINQ:
            uaccess.write_struct(task.mm, argument, "i", len(pty.output))
        elif request == _TIOCOUTQ:
            uaccess.write_struct(task.mm, argument, "i", 0)
        else:
            return tty_ioctl(pty, task, request, argument, own=False)
        return 0

    def _open_peer(self, task: Task, flags: int) -> int:
        fd = task.files.alloc(0, task.limits.nofile)
        locked, self.pty.locked = self.pty.locked, False
        try:
            file = self.pty.open(flags & (O_ACCMODE | O_NONBLOCK))
        finally:
            self.pty.locked = locked
        file.node = self.pty.jobs.terminals.nodes[self.pty.index]
        return task.files.install(fd, file, bool(flags & O_CLOEXEC))
