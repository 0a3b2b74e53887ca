"""The line discipline alone: what is read and shown of what is typed."""

from __future__ import annotations

import pytest

from vmemu.vfs.tty import termios as t
from vmemu.vfs.tty.ldisc import INPUT_SIZE, LineDiscipline
from vmemu.vfs.tty.termios import Termios


class Terminal:
    """A line discipline, what it echoed and which signals it sent."""

    def __init__(self) -> None:
        self.termios = Termios()
        self.shown = bytearray()
        self.signals: list[int] = []
        self.ldisc = LineDiscipline(self.termios, self.shown.extend, self.signals.append)

    def type(self, data: bytes) -> None:
        assert self.ldisc.receive(data) == len(data)

    def read(self, count: int = 4096) -> bytes | None:
        """None: it would wait."""
        if not self.ldisc.available():
            return None
        data = self.ldisc.offer(count)
        self.ldisc.take(len(data))
        return data


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


def test_input_comes_by_lines(terminal: Terminal) -> None:
    terminal.type(b"one\rtw")
    assert terminal.read() == b"one\n"
    assert terminal.read() is None
    terminal.type(b"o\nthree\n")
    assert (terminal.read(2), terminal.read(), terminal.read()) == (b"tw", b"o\n", b"three\n")
    assert terminal.shown == b"one\r\ntwo\r\nthree\r\n"


@pytest.mark.parametrize(
    ("typed", "line", "shown"),
    [
        (b"abx\x7fc\n", b"abc\n", b"abx\b \bc\r\n"),
        (b"\x7f\x7fa\n", b"a\n", b"a\r\n"),
        (b"\x03\x7fa\n".replace(b"\x03", b"\x16\x03"), b"a\n", b"^\b^C\b \b\b \ba\r\n"),
        (b"one two\x17x\n", b"one x\n", b"one two" + 3 * b"\b \b" + b"x\r\n"),
        (b"one two \x17x\n", b"one x\n", b"one two " + 4 * b"\b \b" + b"x\r\n"),
        (b"all\x15x\n", b"x\n", b"all" + 3 * b"\b \b" + b"x\r\n"),
        (b"a\tb\x7f\x7fc\n", b"ac\n", b"a\tb\b \b" + 7 * b"\b" + b"c\r\n"),
        (b"ab\x12c\n", b"abc\n", b"ab^R\r\nabc\r\n"),
        (b"\x01\n", b"\x01\n", b"^A\r\n"),
    ],
)
def test_editing(terminal: Terminal, typed: bytes, line: bytes, shown: bytes) -> None:
    terminal.type(typed)
    assert (terminal.read(), bytes(terminal.shown)) == (line, shown)


def test_a_character_of_utf_8_is_erased_whole(terminal: Terminal) -> None:
    terminal.termios.iflag |= t.IUTF8
    terminal.type("aä€\x7f\x7fb\n".encode())
    assert terminal.read() == b"ab\n"
    assert terminal.shown.count(b"\b \b") == 2


def test_end_of_file(terminal: Terminal) -> None:
    terminal.type(b"\x04abc\x04\x04")
    assert terminal.read() == b""
    assert terminal.read(3) == b"abc"
    assert terminal.read() == b""
    assert terminal.read() is None


def test_keys_that_send_signals_forget_the_line(terminal: Terminal) -> None:
    terminal.type(b"lost\x03kept\n\x1a\x1c")
    assert terminal.signals == [2, 20, 3]
    assert terminal.read() is None
    terminal.termios.lflag |= t.NOFLSH
    terminal.type(b"ke\x03pt\n")
    assert terminal.read() == b"kept\n"
    assert b"lost" not in terminal.shown
    assert terminal.shown.endswith(b"ke^Cpt\r\n")
    terminal.termios.lflag &= ~t.ISIG
    terminal.type(b"\x03\n")
    assert terminal.read() == b"\x03\n"
    assert terminal.signals == [2, 20, 3, 2]


def test_without_lines(terminal: Terminal) -> None:
    terminal.termios.lflag &= ~(t.ICANON | t.ECHO)
    terminal.ldisc.changed(canonical=True)
    terminal.type(b"a\x7f\rb")
    assert (terminal.read(2), terminal.read()) == (b"a\x7f", b"\nb")
    assert terminal.shown == b""


def test_what_is_typed_ahead_survives_a_change(terminal: Terminal) -> None:
    terminal.type(b"line\npart")
    terminal.termios.lflag &= ~t.ICANON
    terminal.ldisc.changed(canonical=True)
    assert terminal.read(6) == b"line\np"
    terminal.termios.lflag |= t.ICANON
    terminal.ldisc.changed(canonical=False)
    assert terminal.read() == b"art"
    assert terminal.read() is None


@pytest.mark.parametrize(
    ("flags", "written", "printed"),
    [
        (t.OPOST | t.ONLCR, b"a\nb\rc", b"a\r\nb\rc"),
        (t.OPOST, b"a\nb", b"a\nb"),
        (0, b"a\nb", b"a\nb"),
        (t.OPOST | t.OCRNL, b"a\rb", b"a\nb"),
        (t.OPOST | t.ONOCR, b"\ra\r", b"a\r"),
        (t.OPOST | t.XTABS, b"ab\tc\td", b"ab      c       d"),
        (t.OPOST | t.OLCUC, b"aB1", b"AB1"),
    ],
)
def test_printing(terminal: Terminal, flags: int, written: bytes, printed: bytes) -> None:
    terminal.termios.oflag = flags
    assert terminal.ldisc.process(written) == printed


def test_columns_are_the_same_by_both_ways(terminal: Terminal) -> None:
    for text in (b"abc\tde", b"x\ny\t", b"\b\b", b"a\rbc", b"12345678\t", b"\n"):
        other = Terminal()
        other.ldisc.column = terminal.ldisc.column
        other.termios.oflag |= t.OCRNL
        other.ldisc.process(text.replace(b"\r", b"\n"))
        terminal.ldisc.process(text.replace(b"\r", b"\n"))
        assert terminal.ldisc.column == other.ldisc.column


def test_input_is_bounded(terminal: Terminal) -> None:
    """A line that is too long loses what does not fit, and still ends; lines wait outside."""
    terminal.type(b"x" * (INPUT_SIZE + 100) + b"\n")
    line = terminal.read(2 * INPUT_SIZE)
    assert line == b"x" * (INPUT_SIZE - 1) + b"\n"
    terminal.type(b"\n")
    assert terminal.ldisc.receive(b"y" * 2 * INPUT_SIZE) == INPUT_SIZE - 2
    assert terminal.ldisc.room == 0


def test_stop_and_start(terminal: Terminal) -> None:
    terminal.type(b"\x13")
    assert terminal.ldisc.stopped
    terminal.type(b"\x11a\n")
    assert not terminal.ldisc.stopped
    assert terminal.read() == b"a\n"


def test_layouts_of_attributes() -> None:
    one, other = Termios(), Termios()
    one.lflag &= ~t.ECHO
    one.ospeed = 9600
    other.decode(one.encode2())
    assert (other.lflag, other.ospeed, other.cc) == (one.lflag, 9600, one.cc)
    assert [len(e) for e in (one.encode(), one.encode2(), one.encode_old())] == [36, 44, 18]
    one.lflag |= t.ECHO
    other.decode_old(one.encode_old())
    assert other.encode() == one.encode()
