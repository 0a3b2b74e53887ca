"""What is under way between sockets (struct sk_buff)."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING, NamedTuple

from vmemu.errors import Errno
from vmemu.kernel.hold import MESSAGE_BYTES
from vmemu.net.const import MESSAGE_OVERHEAD

if TYPE_CHECKING:
    from vmemu.net.ancillary import Packet
    from vmemu.net.socket import Socket
    from vmemu.vfs.file import File

__all__ = ["Control", "Credentials", "Message", "Received"]

_UCRED = struct.Struct("<i2I")


class Credentials(NamedTuple):
    """struct ucred."""

    pid: int
    uid: int
    gid: int

    def pack(self) -> bytes:
        """Lay it out."""
        return _UCRED.pack(*self)

    @classmethod
    def unpack(cls, data: bytes) -> Credentials:
        """Read it; Errno EINVAL."""
        if len(data) != _UCRED.size:
            raise Errno(errno.EINVAL)
        return cls(*_UCRED.unpack(data))


class Control(NamedTuple):
    """What goes with a message: descriptors, and who sends it (struct scm_cookie)."""

    creds: Credentials
    files: tuple[File, ...] = ()
    packet: Packet | None = None
    """Of a datagram of the internet."""


class Message:
    """Bytes of one sender, with what goes with them."""

    __slots__ = ("address", "control", "data", "sender", "size")

    def __init__(self, sender: Socket, data: bytes, control: Control, address: bytes) -> None:
        self.sender = sender
        self.data = bytearray(data)
        self.control: Control = control
        self.address = address
        """The sender's, as recvfrom() tells it."""
        self.size = len(data) + MESSAGE_OVERHEAD
        """What it takes of the sender's buffer (truesize)."""

    @property
    def held(self) -> int:
        """Bytes that the host holds for it."""
        return len(self.data) + MESSAGE_BYTES


class Received(NamedTuple):
    """What can be received now; it stays where it is until it is consumed."""

    data: bytes
    full: int = 0
    """The whole length of a message that may be longer than what was asked for."""
    control: Control | None = None
    address: bytes = b""
    last: bool = False
    """Nothing is to be received after it by the same call."""
