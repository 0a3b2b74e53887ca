"""A terminal (struct tty_struct): what programs have as 0, 1 and 2, and who controls whom by it."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.process.wait import Blocking, Wait, WaitQueue
from vmemu.kernel.signal.state import Signal
from vmemu.vfs.tty.ldisc import LineDiscipline
from vmemu.vfs.tty.termios import IXON, TOSTOP, VMIN, VTIME, Termios

if TYPE_CHECKING:
    from vmemu.kernel.process.job import Jobs

__all__ = ["Tty"]

TENTH_NS = 100_000_000
"""The unit of VTIME."""


class Tty:
    """A terminal, whoever is at its other end."""

    def __init__(
        self,
        index: int,
        jobs: Jobs,
        output: Callable[[bytes], None],
        free: Callable[[], int],
        wait_queue: WaitQueue,
    ) -> None:
        """``output`` takes what is printed, as much at once as ``free`` says."""
        self.index: int = index
        self.jobs = jobs
        self._output = output
        self._free = free
        self.queue = wait_queue
        """Woken whenever something can be read or written that could not."""
        self.termios = Termios()
        self.locked_termios: Termios | None = None
        """What nobody may change, where bits are set (TIOCSLCKTRMIOS)."""
        self.winsize = (0, 0, 0, 0)
        """Rows, columns, and pixels of both."""
        self.ldisc: LineDiscipline = LineDiscipline(self.termios, self.echo, self.signal)
        self.session = 0
        """Whose controlling terminal it is; 0 = nobody's."""
        self.pgrp = 0
        """The process group in the foreground."""
        self.users = 0
        """Open files."""
        self.hung_up = False
        self.exclusive = False
        """Nobody may open it once more (TIOCEXCL)."""

    @property
    def name(self) -> str:
        """Its path."""
        return f"/dev/pts/{self.index}"

    # ---- from its other end

    def gone(self) -> bool:
        """It has hung up."""
        return self.hung_up

    def receive(self, data: bytes) -> int:
        """So many bytes were typed; how many there was room for."""
        taken = self.ldisc.receive(data)
        self.queue.wake_up()
        return taken

    def signal(self, number: int) -> None:
        """Whoever is in the foreground gets a signal (isig)."""
        if self.pgrp:
            self.jobs.signal_group(self.pgrp, number)

    def echo(self, data: bytes) -> None:
        """Show what was typed, as far as there is room, and let output go on."""
        self._output(data[: self._free()])

    def flush_output(self) -> None:
        """Forget what was printed and is not yet seen."""

    def closed(self) -> None:
        """A file of it is no longer open."""
        self.users -= 1

    def resize(self, size: tuple[int, int, int, int]) -> None:
        """Its window is of another size (tty_do_resize)."""
        if size != self.winsize:
            self.winsize = size
            self.signal(Signal.SIGWINCH)

    def hangup(self) -> None:
        """Its other end is gone (tty_vhangup)."""
        if self.hung_up:
            return
        self.hung_up = True
        self.jobs.hang_up(self)
        self.queue.wake_up()

    # ---- from programs

    def read(self, count: int, nonblock: bool) -> Blocking[bytes]:
        """Wait for a line, or for what VMIN and VTIME say; b"" at an end of file (n_tty_read)."""
        if self.hung_up:
            return b""
        self.jobs.check_change(self, Signal.SIGTTIN)
        ldisc, cc = self.ldisc, self.termios.cc
        sched = self.jobs.kernel.sched
        minimum, timeout = cc[VMIN], cc[VTIME] * TENTH_NS
        if not self.termios.canonical and not minimum:
            if not timeout:
                return ldisc.offer(count)
            deadline: int | None = sched.now + timeout
        else:
            deadline = None
        while True:
            seen = len(ldisc.ready)
            if self.termios.canonical:
                if ldisc.available():
                    return ldisc.offer(count)
            elif seen >= min(max(minimum, 1), count):
                return ldisc.offer(count)
            elif seen and timeout and minimum:
                deadline = sched.now + timeout  # until the next byte comes
            if self.gone():
                return b""
            if nonblock:
                if seen and not self.termios.canonical:
                    return ldisc.offer(count)
                raise Errno(errno.EAGAIN)
            if deadline is not None and sched.now >= deadline:
                return ldisc.offer(count)
            yield from self._await_input(seen, deadline)
            if deadline is not None and sched.now >= deadline and len(ldisc.ready) == seen:
                return ldisc.offer(count)

    def _await_input(self, seen: int, deadline: int | None) -> Blocking[None]:
        canonical = self.termios.canonical

        def ready() -> bool:
            ldisc = self.ldisc
            if self.hung_up or canonical != self.termios.canonical:
                return True
            return ldisc.available() if canonical else len(ldisc.ready) != seen

        yield Wait(f"input from {self.name}", (self.queue,), ready, deadline)

    def take(self, count: int) -> None:
        """A reader has so many bytes."""
        self.ldisc.take(count)
        self.queue.wake_up()  # there is room for more

    def writable(self) -> bool:
        """A write would not wait."""
        return self.hung_up or (self._free() > 0 and not self.ldisc.stopped)

    def write(self, data: bytes, nonblock: bool) -> Blocking[int]:
        """Print; Errno EIO when nobody can see it (n_tty_write)."""
        if self.termios.lflag & TOSTOP:
            self.jobs.check_change(self, Signal.SIGTTOU)
        done = 0
        while done < len(data):
            if self.hung_up:
                if done:
                    break
                raise Errno(errno.EIO)
            if not self.writable():
                if nonblock:
                    if done:
                        break
                    raise Errno(errno.EAGAIN)
                try:
                    yield Wait(f"room in {self.name}", (self.queue,), self.writable)
                except Errno:
                    if done:
                        break
                    raise
                continue
            # a byte becomes eight at most
            piece = data[done : done + max(self._free() // 8, 1)]
            self._output(self.ldisc.process(piece))
            done += len(piece)
        return done

    def set_termios(self, new: Callable[[Termios], None], *, flush: bool = False) -> None:
        """Change the attributes (tty_set_termios), with flush forget what was typed."""
        canonical = self.termios.canonical
        old = self.termios.copy() if self.locked_termios is not None else None
        new(self.termios)
        if old is not None and self.locked_termios is not None:
            self.termios.keep(old, self.locked_termios)
        self.ldisc.changed(canonical)
        if flush:
            self.ldisc.flush_input()
        if not self.termios.iflag & IXON:
            self.ldisc.start()
        self.queue.wake_up()
