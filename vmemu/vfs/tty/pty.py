"""Pairs: a terminal whose other end is a file (drivers/tty/pty.c)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.hold import FILE_BYTES, PTY_BYTES
from vmemu.kernel.process.wait import Blocking, Wait, WaitQueue
from vmemu.kernel.signal.state import Signal
from vmemu.vfs.file import (
    O_ACCMODE,
    O_CLOEXEC,
    O_NONBLOCK,
    O_RDWR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLPRI,
    File,
    FileStat,
)
from vmemu.vfs.tty.ldisc import TIOCPKT_FLUSHWRITE, TIOCPKT_START, TIOCPKT_STOP
from vmemu.vfs.tty.termios import IXON, VSTART, VSTOP, Termios
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
_TIOCPKT, _TIOCGPKT, _TIOCSIG = 0x5420, 0x80045438, 0x40045436
_TCFLSH, _TCIFLUSH, _TCOFLUSH, _TCIOFLUSH = 0x540B, 0, 1, 2
_PACKET_NOSTOP, _PACKET_DOSTOP = 16, 32
_FLOW_KEYS = (0x13, 0x11)
"""^S and ^Q: whoever is told of them may handle them where they are typed."""
_CONTRARY = (TIOCPKT_STOP | TIOCPKT_START, _PACKET_DOSTOP | _PACKET_NOSTOP)
_KEY_SIGNALS = (Signal.SIGINT, Signal.SIGQUIT, Signal.SIGTSTP)


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
        self.packet = False
        """Its other end reads what happens to it among what is printed (TIOCPKT)."""
        self.happened = 0
        """That, as TIOCPKT_ bits."""
        self.ldisc.tell = self.tell

    def _print(self, data: bytes) -> None:
        self.output += data
        if data:
            self.queue.wake_up()

    def flush_output(self) -> None:
        """Forget what was printed: what is at the other end already stays."""
        self.tell(TIOCPKT_FLUSHWRITE)

    def tell(self, happened: int) -> None:
        """Tell the other end of one of TIOCPKT_'s bits; of two that contradict the last counts."""
        if self.packet:
            for pair in _CONTRARY:
                if happened & pair:
                    self.happened &= ~pair
            self.happened |= happened
            self.queue.wake_up()

    def _keys(self) -> bool:
        """^S and ^Q stop and start output."""
        termios = self.termios
        keys = termios.cc[VSTOP], termios.cc[VSTART]
        return bool(termios.iflag & IXON) and keys == _FLOW_KEYS

    def set_termios(self, new: Callable[[Termios], None], *, flush: bool = False) -> None:
        """Change the attributes, and tell of the keys of flow control (pty_set_termios)."""
        before = self._keys()
        super().set_termios(new, flush=flush)
        if self._keys() != before:
            self.tell(_PACKET_NOSTOP if before else _PACKET_DOSTOP)

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

    pollable = notifies = True
    host_bytes = FILE_BYTES + PTY_BYTES

    def __init__(self, pty: Pty, flags: int) -> None:
        super().__init__(flags & ~O_ACCMODE | O_RDWR, "/dev/ptmx")
        self.pty = pty
        self.queue = pty.queue

    @property
    def _closed(self) -> bool:
        """Nobody has the terminal open any more (TTY_OTHER_CLOSED)."""
        return self.pty.opened and not self.pty.users

    def _readable(self) -> bool:
        return bool(self.pty.output or self.pty.happened)

    def _ready(self) -> bool:
        return self._readable() or self._closed

    def read(self, count: int) -> Blocking[bytes]:
        """Wait for what is printed; Errno EIO when there is nobody who could.

        In packet mode a byte that is not 0 says what happened, and 0 comes before what was printed.
        """
        while not self._readable():
            if self._closed:
                raise Errno(errno.EIO)
            if self.flags & O_NONBLOCK:
                raise Errno(errno.EAGAIN)
            yield Wait(f"output of {self.pty.name}", (self.pty.queue,), self._ready)
        pty = self.pty
        if not pty.packet:
            return bytes(pty.output[:count])
        if pty.happened:
            return bytes((pty.happened,))
        return b"\0" + pty.output[: count - 1]

    def take(self, count: int) -> int:
        """It has been read: there is room for more."""
        pty = self.pty
        if pty.happened and count:
            pty.happened = 0
        elif not pty.happened:
            del pty.output[: max(count - pty.packet, 0)]
        pty.queue.wake_up()
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
        found = (POLLIN if self._readable() else 0) | (POLLOUT if self._has_room() else 0)
        found |= POLLPRI if self.pty.happened else 0
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
        elif request == _TIOCPKT:
            self._set_packet(bool(uaccess.read_struct(task.mm, argument, "i")[0]))
        elif request == _TIOCGPKT:
            uaccess.write_struct(task.mm, argument, "i", pty.packet)
        elif request == _TIOCSIG:
            if argument not in _KEY_SIGNALS:
                raise Errno(errno.EINVAL)
            pty.signal(argument)
        elif request == _TCFLSH:
            self._flush(argument)
        elif request == _TIOCINQ:
            uaccess.write_struct(task.mm, argument, "i", len(pty.output))
        elif request == _TIOCOUTQ:
            uaccess.write_struct(task.mm, argument, "i", 0)
        else:
            return tty_ioctl(pty, task, request, argument, own=False)
        return 0

    def _flush(self, which: int) -> None:
        """What it was to read is what was printed; what it typed is at the terminal already."""
        if which not in (_TCIFLUSH, _TCOFLUSH, _TCIOFLUSH):
            raise Errno(errno.EINVAL)
        if which != _TCOFLUSH:
            self.pty.output.clear()
            self.pty.queue.wake_up()

    def _set_packet(self, packet: bool) -> None:
        if packet != self.pty.packet:
            self.pty.packet, self.pty.happened = packet, 0

    def _open_peer(self, task: Task, flags: int) -> int:
        fd = task.files.alloc(0, task.limits.nofile)
        locked, self.pty.locked = self.pty.locked, False
        try:
            file = self.pty.open(flags & (O_ACCMODE | O_NONBLOCK))
        finally:
            self.pty.locked = locked
        file.node = self.pty.jobs.terminals.nodes[self.pty.index]
        return task.files.install(fd, file, bool(flags & O_CLOEXEC))
