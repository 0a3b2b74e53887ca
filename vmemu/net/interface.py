"""The one interface of a machine, and requests about it (dev_ioctl, inet_ioctl)."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.net.const import AF_INET

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

__all__ = ["ADDRESS4", "ADDRESS6", "FLAGS", "INDEX", "MTU", "NAME", "QUEUE", "TYPE", "ioctl"]

NAME, INDEX, MTU, QUEUE = b"lo", 1, 65536, 1000
FLAGS = 0x10049
"""IFF_UP, IFF_LOOPBACK, IFF_RUNNING, IFF_LOWER_UP."""
TYPE = 772
"""ARPHRD_LOOPBACK."""
ADDRESS4, ADDRESS6 = bytes((127, 0, 0, 1)), bytes(15) + b"\1"

_NAME_SIZE = 16
_GIFNAME, _GIFCONF = 0x8910, 0x8912
_INT = struct.Struct("<i")
_DEVICE = {
    0x8913: struct.pack("<H", FLAGS & 0xFFFF),  # SIOCGIFFLAGS
    0x891D: _INT.pack(0),  # SIOCGIFMETRIC
    0x8921: _INT.pack(MTU),  # SIOCGIFMTU
    0x8927: struct.pack("<H14x", TYPE),  # SIOCGIFHWADDR
    0x8933: _INT.pack(INDEX),  # SIOCGIFINDEX
    0x8942: _INT.pack(QUEUE),  # SIOCGIFTXQLEN
    0x8970: bytes(16),  # SIOCGIFMAP
}
"""What any socket is told."""


def _sockaddr(host: bytes) -> bytes:
    return struct.pack("<HH4s8x", AF_INET, 0, host)


_INET = {
    0x8915: _sockaddr(ADDRESS4),  # SIOCGIFADDR
    0x8917: _sockaddr(ADDRESS4),  # SIOCGIFDSTADDR
    0x8919: _sockaddr(bytes(4)),  # SIOCGIFBRDADDR
    0x891B: _sockaddr(bytes((255, 0, 0, 0))),  # SIOCGIFNETMASK
}
"""What a socket of AF_INET is told."""
_CHANGES = (0x8914, 0x8916, 0x8918, 0x891A, 0x891C, 0x891E, 0x8922, 0x8924, 0x8923, 0x8943)
"""SIOCSIFFLAGS, SIOCSIFADDR and their like."""


def ioctl(task: Task, family: int, request: int, argument: int) -> None:
    """Answer one; Errno ENOTTY for all else, ENODEV, EFAULT, EPERM for what would change."""
    mm = task.mm
    if request == _GIFCONF:
        _list(task, argument)
        return
    if request in _CHANGES:
        raise Errno(errno.EPERM)
    answer = _DEVICE.get(request)
    if answer is None and family == AF_INET:
        answer = _INET.get(request)
    if answer is None and request != _GIFNAME:
        raise Errno(errno.ENOTTY)
    asked = uaccess.read(mm, argument, _size(task))
    if request == _GIFNAME:
        if _INT.unpack_from(asked, _NAME_SIZE)[0] != INDEX:
            raise Errno(errno.ENODEV)
        uaccess.write(mm, argument, NAME.ljust(_NAME_SIZE, b"\0"))
        return
    assert answer is not None
    if asked[: _NAME_SIZE - 1].split(b"\0")[0].split(b":")[0] != NAME:
        raise Errno(errno.ENODEV)
    uaccess.write(mm, argument + _NAME_SIZE, answer)


def _size(task: Task) -> int:
    """Bytes of struct ifreq."""
    return 40 if task.mm.core.bits == 64 else 32


def _list(task: Task, argument: int) -> None:
    """struct ifconf: each address of IPv4, or how much room they take."""
    mm, wide = task.mm, task.mm.core.bits == 64
    length, buffer = uaccess.read_struct(mm, argument, "i4xQ" if wide else "iI")
    entry = (NAME.ljust(_NAME_SIZE, b"\0") + _INET[0x8915]).ljust(_size(task), b"\0")
    written = len(entry)
    if buffer:
        written = len(entry) if length >= len(entry) else 0
        if written:
            uaccess.write(mm, buffer, entry)
    uaccess.write_struct(mm, argument, "i", written)
