"""The line discipline: what a terminal makes of what is typed, and of what is printed (N_TTY).

Typed bytes are edited to lines, echoed, and become signals; printed ones get their carriage
returns.  It knows no processes and no files: where echo and signals go, it is told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from vmemu.vfs.tty.termios import (
    ECHO,
    ECHOCTL,
    ECHOE,
    ECHOK,
    ECHOKE,
    ECHONL,
    ECHOPRT,
    ICRNL,
    IEXTEN,
    IGNCR,
    IMAXBEL,
    INLCR,
    ISIG,
    ISTRIP,
    IUCLC,
    IUTF8,
    IXANY,
    IXON,
    NOFLSH,
    OCRNL,
    OLCUC,
    ONLCR,
    ONLRET,
    ONOCR,
    OPOST,
    VEOF,
    VEOL,
    VEOL2,
    VERASE,
    VINTR,
    VKILL,
    VLNEXT,
    VMIN,
    VQUIT,
    VREPRINT,
    VSTART,
    VSTOP,
    VSUSP,
    VTIME,
    VWERASE,
    XTABS,
    Termios,
)

__all__ = ["INPUT_SIZE", "LineDiscipline"]

INPUT_SIZE = 4096
"""What has been typed and not been read (N_TTY_BUF_SIZE)."""
_SIGNALS = {VINTR: 2, VQUIT: 3, VSUSP: 20}
TIOCPKT_FLUSHREAD, TIOCPKT_FLUSHWRITE, TIOCPKT_STOP, TIOCPKT_START = 1, 2, 4, 8
_BELL, _TAB = b"\a", 8
_DISABLED = 0
_ODD = OLCUC | OCRNL | ONOCR | ONLRET | XTABS
"""What output processing must look at each byte for."""


class LineDiscipline:
    """One terminal's input, and the column its output is at."""

    def __init__(
        self, termios: Termios, echo: Callable[[bytes], None], signal: Callable[[int], None]
    ) -> None:
        self.termios = termios
        self._emit = echo
        """Takes what is echoed, processed for output."""
        self._signal = signal
        """Sends a signal to whoever is in the foreground."""
        self.ready = bytearray()
        """What can be read: lines, or all that was typed."""
        self._ends: deque[int] = deque()
        """Where lines end, counted from the first byte of all; one without a byte is an EOF."""
        self._taken = 0
        """How many bytes have been read of all."""
        self.line = bytearray()
        """The line that is being typed."""
        self._echoes = bytearray()
        """What is to be shown of what is being typed."""
        self._literal = False
        """The next character is nothing special (VLNEXT)."""
        self._erasing = False
        self.column = 0
        self._start_column = 0
        """Where the line that is being typed begins."""
        self.stopped = False
        """Output waits for VSTART."""
        self.tell: Callable[[int], None] = lambda happened: None
        """Takes what the other end is told in packet mode: a TIOCPKT_ bit."""

    # ---- being read

    @property
    def room(self) -> int:
        """How many bytes can still be typed."""
        return INPUT_SIZE - 1 - len(self.ready) - len(self.line)

    def available(self) -> bool:
        """A read would not wait (input_available_p)."""
        if self.termios.canonical:
            return bool(self._ends)
        minimum = self.termios.cc[VMIN] if not self.termios.cc[VTIME] else 1
        return len(self.ready) >= max(minimum, 1)

    def count(self) -> int:
        """How many bytes a read of any size could have (FIONREAD)."""
        if not self.termios.canonical:
            return len(self.ready)
        return self._ends[-1] - self._taken if self._ends else 0

    def offer(self, count: int) -> bytes:
        """The first bytes, at most to the end of a line; b"" is an end of file, and is taken."""
        if self.termios.canonical and self._ends:
            first = self._ends[0] - self._taken
            if not first:
                self._ends.popleft()
                return b""
            count = min(count, first)
        return bytes(self.ready[:count])

    def take(self, count: int) -> None:
        """They have been read."""
        del self.ready[:count]
        self._taken += count
        if count and self._ends and self._ends[0] <= self._taken:
            self._ends.popleft()

    def flush_input(self) -> None:
        """Forget what was typed (n_tty_flush_buffer)."""
        self._taken += len(self.ready)
        self.ready.clear()
        self.line.clear()
        self._ends.clear()
        self._literal = self._erasing = False
        self.tell(TIOCPKT_FLUSHREAD)

    def stop(self) -> None:
        """Output waits (stop_tty)."""
        if not self.stopped:
            self.stopped = True
            self.tell(TIOCPKT_STOP)

    def start(self) -> None:
        """Output goes on (start_tty)."""
        if self.stopped:
            self.stopped = False
            self.tell(TIOCPKT_START)

    def changed(self, canonical: bool) -> None:
        """The attributes are others; whether input came by lines before (n_tty_set_termios)."""
        if self.termios.canonical == canonical:
            return
        # what is there is a line, or no longer a line
        self.ready += self.line
        self.line.clear()
        self._ends.clear()
        if self.termios.canonical and self.ready:
            self._ends.append(self._taken + len(self.ready))
        self._literal = self._erasing = False

    # ---- being typed to

    def receive(self, data: bytes) -> int:
        """So many bytes were typed; how many there was room for (n_tty_receive_buf)."""
        taken = len(data)
        for index, byte in enumerate(data):
            if self.room <= 0 and not (self.termios.canonical and not self._ends):
                taken = index
                break
            self._receive(byte)
        echoes, self._echoes = bytes(self._echoes), bytearray()
        self._emit(echoes)
        return taken

    def _is(self, byte: int, which: int) -> bool:
        return byte == self.termios.cc[which] != _DISABLED

    def _receive(self, byte: int) -> None:
        termios = self.termios
        iflag, lflag = termios.iflag, termios.lflag
        if iflag & ISTRIP:
            byte &= 0x7F
        if iflag & IUCLC and lflag & IEXTEN:
            byte = ord(chr(byte).lower()) if byte < 128 else byte
        if self._literal:
            self._literal = False
            self._plain(byte)
            return
        if iflag & IXON and self._flow(byte):
            return
        if lflag & ISIG:
            for which, number in _SIGNALS.items():
                if self._is(byte, which):
                    self._interrupt(byte, number)
                    return
        if iflag & IXON and iflag & IXANY:
            self.start()
        if byte == 13:
            if iflag & IGNCR:
                return
            byte = 10 if iflag & ICRNL else byte
        elif byte == 10 and iflag & INLCR:
            byte = 13
        if not termios.canonical or not self._edit(byte):
            self._plain(byte)

    def _flow(self, byte: int) -> bool:
        """Start and stop output."""
        if self._is(byte, VSTART):
            self.start()
        elif self._is(byte, VSTOP):
            self.stop()
        else:
            return False
        return True

    def _interrupt(self, byte: int, number: int) -> None:
        """A key that sends a signal, and ends what was typed (n_tty_receive_signal_char)."""
        if not self.termios.lflag & NOFLSH:
            self.flush_input()
            self._echoes.clear()
            self.tell(TIOCPKT_FLUSHWRITE)
        self._signal(number)
        if self.termios.iflag & IXON:
            self.start()
        if self.termios.lflag & ECHO:
            self._echo(byte)

    def _edit(self, byte: int) -> bool:
        """A key that edits or ends a line (n_tty_receive_char_canon); False for any other."""
        lflag = self.termios.lflag
        extended = lflag & IEXTEN
        if (
            self._is(byte, VERASE)
            or self._is(byte, VKILL)
            or (extended and self._is(byte, VWERASE))
        ):
            self._erase(byte)
        elif extended and self._is(byte, VLNEXT):
            self._literal = True
            if lflag & ECHO:
                self._end_erasing()
                if lflag & ECHOCTL:
                    self._put(b"^\b", raw=True)
        elif extended and lflag & ECHO and self._is(byte, VREPRINT):
            self._end_erasing()
            self._echo(byte)
            self._put(b"\n")
            for each in bytes(self.line):
                self._echo(each)
        elif byte == 10:
            if lflag & (ECHO | ECHONL):
                self._end_erasing()
                self._put(b"\n")
            self.line.append(byte)
            self._end_line()
        elif self._is(byte, VEOF):
            self._end_line()
        elif self._is(byte, VEOL) or (extended and self._is(byte, VEOL2)):
            if lflag & ECHO:
                self._start_line()
                self._echo(byte)
            self.line.append(byte)
            self._end_line()
        else:
            return False
        return True

    def _end_line(self) -> None:
        self.ready += self.line
        self.line.clear()
        self._ends.append(self._taken + len(self.ready))

    def _start_line(self) -> None:
        if not self.line:
            self._start_column = self.column

    def _plain(self, byte: int) -> None:
        if self.room <= 0:
            if self.termios.iflag & IMAXBEL:
                self._put(_BELL, raw=True)
            return
        lflag = self.termios.lflag
        if lflag & ECHO:
            self._end_erasing()
            if byte == 10:
                self._put(b"\n")
            else:
                self._start_line()
                self._echo(byte)
        elif lflag & ECHONL and byte == 10 and self.termios.canonical:
            self._put(b"\n")
        (self.line if self.termios.canonical else self.ready).append(byte)

    # ---- erasing

    def _continues(self, byte: int) -> bool:
        """The byte is a later one of a character of UTF-8."""
        return bool(self.termios.iflag & IUTF8) and byte & 0xC0 == 0x80

    def _erase(self, byte: int) -> None:
        """Take back a character, a word or all (eraser)."""
        lflag = self.termios.lflag
        if not self.line:
            return
        kill = self._is(byte, VKILL)
        if kill and not lflag & ECHO:
            self.line.clear()
            return
        if kill and not (lflag & ECHOK and lflag & ECHOKE and lflag & ECHOE):
            self.line.clear()
            self._end_erasing()
            self._echo(byte)
            if lflag & ECHOK:
                self._put(b"\n")
            return
        word, seen = not kill and self._is(byte, VWERASE), False
        while self.line:
            start = len(self.line) - 1
            while start and self._continues(self.line[start]):
                start -= 1
            gone = bytes(self.line[start:])
            if word:
                letter = chr(gone[0]).isalnum() or gone[0] == ord("_")
                if seen and not letter:
                    break
                seen = seen or letter
            del self.line[start:]
            if lflag & ECHO:
                self._unecho(gone, byte)
            if not kill and not word:
                break
        if not self.line and lflag & ECHO:
            self._end_erasing()

    def _unecho(self, gone: bytes, byte: int) -> None:
        lflag = self.termios.lflag
        if lflag & ECHOPRT:
            if not self._erasing:
                self._put(b"\\", raw=True)
                self._erasing = True
            self._echo(gone[0])
        elif self._is(byte, VERASE) and not lflag & ECHOE:
            self._echo(self.termios.cc[VERASE])
        elif gone == b"\t":
            column = self._start_column
            for each in bytes(self.line):
                column = self._after(column, each)
            self._put(b"\b" * max(self.column - column, 0), raw=True)
            self.column = column
        else:
            control = gone[0] < 32 or gone[0] == 127
            for _ in range((2 if lflag & ECHOCTL else 0) if control else 1):
                self._put(b"\b \b", raw=True)
                self.column = max(self.column - 1, 0)

    def _after(self, column: int, byte: int) -> int:
        """The column behind an echoed character."""
        if byte == 9:
            return column + _TAB - column % _TAB
        if byte < 32 or byte == 127:
            return column + (2 if self.termios.lflag & ECHOCTL else 0)
        return column if self._continues(byte) else column + 1

    def _end_erasing(self) -> None:
        if self._erasing:
            self._put(b"/", raw=True)
            self._erasing = False

    # ---- printing

    def _echo(self, byte: int) -> None:
        """Show a character that was typed (echo_char)."""
        control = byte < 32 or byte == 127
        if control and byte != 9 and self.termios.lflag & ECHOCTL:
            self._put(bytes((ord("^"), byte ^ 0x40)), raw=True)
            self.column += 2
        else:
            self._put(bytes((byte,)))

    def _put(self, data: bytes, *, raw: bool = False) -> None:
        self._echoes += data if raw else self.process(data)

    def process(self, data: bytes) -> bytes:
        """What is printed for what was written (process_output_block)."""
        oflag = self.termios.oflag
        if not oflag & OPOST:
            return data
        if not oflag & _ODD:
            # the usual case: the column is what follows the last new line
            _, newline, data_behind = data.rpartition(b"\n")
            if newline and oflag & ONLCR:
                self.column = self._start_column = 0
            for byte in data_behind:
                self._advance(byte)
            return data.replace(b"\n", b"\r\n") if oflag & ONLCR else data
        return self._process_odd(data)

    def _advance(self, byte: int) -> None:
        """The column behind a printed character."""
        if byte >= 32:
            self.column += byte != 127 and not self._continues(byte)
        elif byte == 13:
            self.column = 0
        elif byte == 9:
            self.column += _TAB - self.column % _TAB
        elif byte == 8:
            self.column = max(self.column - 1, 0)

    def _process_odd(self, data: bytes) -> bytes:
        oflag = self.termios.oflag
        out = bytearray()
        for byte in data:
            if byte == 10:
                if oflag & ONLCR:
                    out += b"\r\n"
                    self.column = self._start_column = 0
                    continue
                if oflag & ONLRET:
                    self.column = 0
            elif byte == 13:
                if oflag & ONOCR and not self.column:
                    continue
                if oflag & OCRNL:
                    byte = 10
                    if oflag & ONLRET:
                        self.column = 0
                else:
                    self.column = 0
            elif byte == 9 and oflag & XTABS == XTABS:
                width = _TAB - self.column % _TAB
                self.column += width
                out += b" " * width
                continue
            else:
                if oflag & OLCUC and 32 <= byte < 128:
                    byte = ord(chr(byte).upper())
                self._advance(byte)
            out.append(byte)
        return bytes(out)
