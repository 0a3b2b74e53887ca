"""A terminal's attributes (struct ktermios), and how ioctl() lays them out.

The layouts are the same in both widths.
"""

from __future__ import annotations

import struct

__all__ = ["NCCS", "Termios"]

NCCS = 19

# c_iflag
BRKINT, IGNPAR, PARMRK, ISTRIP = 0o2, 0o4, 0o10, 0o40
INLCR, IGNCR, ICRNL, IUCLC = 0o100, 0o200, 0o400, 0o1000
IXON, IXANY, IMAXBEL, IUTF8 = 0o2000, 0o4000, 0o20000, 0o40000
# c_oflag
OPOST, OLCUC, ONLCR, OCRNL, ONOCR, ONLRET, XTABS = 0o1, 0o2, 0o4, 0o10, 0o20, 0o40, 0o14000
# c_cflag
B38400, CS8, CREAD, HUPCL, PARENB, CSIZE = 0o17, 0o60, 0o200, 0o2000, 0o400, 0o60
# c_lflag
ISIG, ICANON, ECHO, ECHOE, ECHOK, ECHONL = 0o1, 0o2, 0o10, 0o20, 0o40, 0o100
NOFLSH, TOSTOP, ECHOCTL, ECHOPRT, ECHOKE = 0o200, 0o400, 0o1000, 0o2000, 0o4000
IEXTEN = 0o100000
# c_cc
(VINTR, VQUIT, VERASE, VKILL, VEOF, VTIME, VMIN, VSWTC, VSTART, VSTOP, VSUSP, VEOL, VREPRINT,
 VDISCARD, VWERASE, VLNEXT, VEOL2) = range(17)  # fmt: skip

INIT_C_CC = b"\x03\x1c\x7f\x15\x04\x00\x01\x00\x11\x13\x1a\x00\x12\x0f\x17\x16\x00"

_TERMIOS = struct.Struct(f"<4IB{NCCS}s")
_SPEEDS = struct.Struct("<2I")
_TERMIO = struct.Struct("<4HB8sx")
TERMIOS_SIZE = _TERMIOS.size
TERMIOS2_SIZE = _TERMIOS.size + _SPEEDS.size
TERMIO_SIZE = _TERMIO.size


class Termios:
    """Flags, control characters and speeds."""

    __slots__ = ("cc", "cflag", "iflag", "ispeed", "lflag", "line", "oflag", "ospeed")

    def __init__(self) -> None:
        self.iflag = ICRNL | IXON
        self.oflag = OPOST | ONLCR
        self.cflag = B38400 | CS8 | CREAD
        self.lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN
        self.line = 0
        self.cc = INIT_C_CC.ljust(NCCS, b"\0")
        self.ispeed = self.ospeed = 38400

    @property
    def canonical(self) -> bool:
        """Input comes by lines."""
        return bool(self.lflag & ICANON)

    def encode(self) -> bytes:
        """struct termios of the kernel (TCGETS)."""
        return _TERMIOS.pack(
            self.iflag, self.oflag, self.cflag, self.lflag, self.line & 0xFF, self.cc
        )

    def encode2(self) -> bytes:
        """struct termios2 (TCGETS2)."""
        return self.encode() + _SPEEDS.pack(self.ispeed, self.ospeed)

    def encode_old(self) -> bytes:
        """struct termio (TCGETA)."""
        flags = (flag & 0xFFFF for flag in (self.iflag, self.oflag, self.cflag, self.lflag))
        return _TERMIO.pack(*flags, self.line & 0xFF, self.cc[:8])

    def decode(self, data: bytes) -> None:
        """Become what struct termios, or termios2, says."""
        self.iflag, self.oflag, self.cflag, self.lflag, _, self.cc = _TERMIOS.unpack_from(data)
        if len(data) == TERMIOS2_SIZE:
            self.ispeed, self.ospeed = _SPEEDS.unpack_from(data, TERMIOS_SIZE)
        # a pair has no line: its bytes have eight bits, and no parity
        self.cflag = self.cflag & ~(CSIZE | PARENB) | CS8 | CREAD

    def decode_old(self, data: bytes) -> None:
        """Take over what struct termio knows."""
        words = _TERMIO.unpack(data)
        flags = (self.iflag, self.oflag, self.cflag, self.lflag)
        new = [old & ~0xFFFF | word for old, word in zip(flags, words, strict=False)]
        self.decode(_TERMIOS.pack(*new, self.line, words[5] + self.cc[8:]))

    def copy(self) -> Termios:
        """Another that says the same."""
        other = Termios()
        for name in self.__slots__:
            setattr(other, name, getattr(self, name))
        return other

    def keep(self, old: Termios, locked: Termios) -> None:
        """Be as before in what is locked (unset_locked_termios)."""
        for name in ("iflag", "oflag", "cflag", "lflag"):
            lock = getattr(locked, name)
            setattr(self, name, getattr(self, name) & ~lock | getattr(old, name) & lock)
        cc = zip(self.cc, old.cc, locked.cc, strict=True)
        self.cc = bytes(before if lock else now for now, before, lock in cc)

    def decode_locked(self, data: bytes) -> None:
        """Become a mask of what is locked, as struct termios says (TIOCSLCKTRMIOS)."""
        self.iflag, self.oflag, self.cflag, self.lflag, self.line, self.cc = _TERMIOS.unpack(data)
