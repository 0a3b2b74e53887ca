"""getsockopt() and setsockopt()."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.wait import NSEC_PER_SEC
from vmemu.kernel.syscalls.socket import socket_of
from vmemu.kernel.syscalls.table import syscall
from vmemu.net.ancillary import IP_TOS, IP_TTL, IPV6_TCLASS, IPV6_UNICAST_HOPS
from vmemu.net.const import (
    AF_INET,
    AF_NETLINK,
    AF_UNIX,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPPROTO_TCP,
    SO_ACCEPTCONN,
    SO_DOMAIN,
    SO_ERROR,
    SO_LINGER,
    SO_PEERCRED,
    SO_PROTOCOL,
    SO_RCVBUF,
    SO_RCVBUFFORCE,
    SO_RCVLOWAT,
    SO_RCVTIMEO,
    SO_RCVTIMEO_NEW,
    SO_SNDBUF,
    SO_SNDBUFFORCE,
    SO_SNDLOWAT,
    SO_SNDTIMEO,
    SO_SNDTIMEO_NEW,
    SO_TYPE,
    SOCK_STREAM,
    SOL_SOCKET,
)
from vmemu.net.socket import Socket, State

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_INT = 4
_LEAST_BUFFER, _MOST_BUFFER = 4608, 425984
_FLAGS = {1, 2, 5, 6, 9, 10, 15, 16, 29, 34, 35, 40}
"""Those of SOL_SOCKET that are 0 or 1: SO_DEBUG, SO_REUSEADDR, SO_KEEPALIVE, SO_PASSCRED, ..."""
_NUMBERS = {11: 0, 12: 0, SO_RCVLOWAT: 1, 36: 0, 46: 0}
"""SO_NO_CHECK, SO_PRIORITY, SO_RCVLOWAT, SO_MARK, SO_BUSY_POLL, and what they are at first."""
_TCP = {1: 0, 2: 65483, 3: 0, 4: 7200, 5: 75, 6: 9, 7: 6, 8: 60, 9: 0, 10: 65483, 12: 1, 18: 0,
        23: 0}  # fmt: skip
"""TCP_NODELAY, TCP_MAXSEG, TCP_CORK, TCP_KEEPIDLE, ..."""
_IP = {1: 0, 2: 64, 3: 0, 6: 0, 7: 0, 8: 0, 10: 1, 11: 0, 12: 0, 13: 0, 14: 65535, 15: 0, 24: 0,
       33: 1, 34: 1, 49: 0}  # fmt: skip
"""IP_TOS, IP_TTL, ..., IP_MULTICAST_TTL, IP_MULTICAST_LOOP."""
_IPV6 = {16: 64, 18: 1, 19: 1, 23: 1, 24: 65536, 25: 0, 26: 0, 49: 0, 51: 0, 66: 0, 67: 0}
"""IPV6_UNICAST_HOPS, IPV6_V6ONLY, IPV6_RECVPKTINFO, ..."""
_OF_HEADER = {
    (IPPROTO_IP, IP_TTL): 1,
    (IPPROTO_IPV6, IPV6_UNICAST_HOPS): 0,
    (IPPROTO_IPV6, IPV6_TCLASS): 0,
}
"""Options that a byte of a header has, and the least that each may be."""
_SOL_NETLINK, _NETLINK = 270, {1: 0, 2: 0, 3: 0, 4: 0, 5: 0, 10: 0, 11: 0, 12: 0}
"""NETLINK_ADD_MEMBERSHIP, ..., NETLINK_EXT_ACK: nothing ever happens to an interface."""
_TIMES = {SO_RCVTIMEO: False, SO_SNDTIMEO: False, SO_RCVTIMEO_NEW: True, SO_SNDTIMEO_NEW: True}
"""Which have seconds of 64 bits."""


def _known(socket: Socket, level: int) -> dict[int, int]:
    """Numbers of a protocol's options, and what they are at first; Errno EOPNOTSUPP."""
    if socket.family == AF_UNIX:
        raise Errno(errno.EOPNOTSUPP)
    if level == IPPROTO_TCP and socket.kind == SOCK_STREAM:
        return _TCP
    if socket.family == AF_NETLINK:
        return _NETLINK if level == _SOL_NETLINK else {}
    if level == IPPROTO_IP:
        return _IP
    return _IPV6 if level == IPPROTO_IPV6 and socket.family == 10 else {}


def _set(task: Task, socket: Socket, level: int, name: int, pointer: int, length: int) -> None:
    if level == SOL_SOCKET:
        _set_common(task, socket, name, pointer, length)
        return
    known = _known(socket, level)
    if level == IPPROTO_TCP and name == 13 and known is _TCP:
        return  # congestion control is as it is
    if name not in known:
        raise Errno(errno.ENOPROTOOPT)
    if length < 1 or (length < _INT and level != IPPROTO_IP):
        raise Errno(errno.EINVAL)
    small = length < _INT
    value = uaccess.read_struct(task.mm, pointer, "B" if small else "i")[0]
    if (level, name) == (IPPROTO_IP, IP_TOS):
        value &= 0xFF
    least = _OF_HEADER.get((level, name))
    if least is not None and value == -1:
        socket.options.pop((level, name), None)  # as if nobody had said anything
        return
    if least is not None and not least <= value <= 0xFF:
        raise Errno(errno.EINVAL)
    socket.options[level, name] = value


def _set_common(task: Task, socket: Socket, name: int, pointer: int, length: int) -> None:
    if name in _TIMES:
        _set_time(task, socket, name, pointer, length)
        return
    if length < _INT:
        raise Errno(errno.EINVAL)
    value = uaccess.read_struct(task.mm, pointer, "i")[0]
    if name in (SO_SNDBUF, SO_SNDBUFFORCE):
        socket.sndbuf = max(_LEAST_BUFFER, min(max(value, 0) * 2, _MOST_BUFFER))
        socket.queue.wake_up(4)
    elif name in (SO_RCVBUF, SO_RCVBUFFORCE):
        socket.rcvbuf = max(2304, min(max(value, 0) * 2, _MOST_BUFFER))
    elif name == SO_LINGER:
        if length < 8:
            raise Errno(errno.EINVAL)
        on, seconds = uaccess.read_struct(task.mm, pointer, "2i")
        socket.options[SOL_SOCKET, SO_LINGER] = seconds if on else -1
    elif name in _FLAGS:
        socket.options[SOL_SOCKET, name] = int(bool(value))
    elif name == SO_RCVLOWAT:
        socket.options[SOL_SOCKET, name] = 0x7FFFFFFF if value < 0 else value or 1
    elif name in _NUMBERS:
        socket.options[SOL_SOCKET, name] = value
    else:
        raise Errno(errno.ENOPROTOOPT)


def _time_layout(task: Task, name: int) -> tuple[str, int]:
    wide = _TIMES[name]
    return ("2q", 16) if wide else ("2n", 2 * task.mm.core.word)


def _set_time(task: Task, socket: Socket, name: int, pointer: int, length: int) -> None:
    layout, size = _time_layout(task, name)
    if length < size:
        raise Errno(errno.EINVAL)
    seconds, micro = uaccess.read_struct(task.mm, pointer, layout)
    if not 0 <= micro < 1_000_000:
        raise Errno(errno.EDOM)
    value = max(seconds, 0) * NSEC_PER_SEC + micro * 1000 or None
    if seconds < 0:
        value = 0
    if name in (SO_RCVTIMEO, SO_RCVTIMEO_NEW):
        socket.receive_timeout = value
    else:
        socket.send_timeout = value


@syscall(366, "fd", "int", "int", "ptr", "int", x64=54)
def sys_setsockopt(task: Task, fd: int, level: int, name: int, pointer: int, length: int) -> int:
    """Set an option; those that change nothing here are kept all the same."""
    socket = socket_of(task, fd)
    if length < 0:
        raise Errno(errno.EINVAL)
    _set(task, socket, level, name, pointer, length)
    return 0


def _get(task: Task, socket: Socket, level: int, name: int) -> bytes:
    if level == SOL_SOCKET:
        return _get_common(task, socket, name)
    known = _known(socket, level)
    if not known and socket.family == AF_INET:
        raise Errno(errno.EOPNOTSUPP)  # ip_getsockopt, where ip_setsockopt says ENOPROTOOPT
    if known is _TCP and name == 13:
        return b"cubic".ljust(16, b"\0")
    if known is _TCP and name == 11:  # TCP_INFO: the state, 1 = established, and no more
        return bytes([1 if socket.state is State.ESTABLISHED else 7]) + bytes(103)
    if name not in known:
        raise Errno(errno.ENOPROTOOPT)
    return struct.pack("<i", socket.options.get((level, name), known[name]))


def _get_common(task: Task, socket: Socket, name: int) -> bytes:
    if name in _TIMES:
        layout, _ = _time_layout(task, name)
        value = (
            socket.receive_timeout
            if name in (SO_RCVTIMEO, SO_RCVTIMEO_NEW)
            else socket.send_timeout
        )
        seconds, rest = divmod(value or 0, NSEC_PER_SEC)
        form = uaccess.layout_of(task.mm.core.bits, layout.upper())
        return form.pack(seconds & (1 << 4 * form.size) - 1, rest // 1000)
    if name == SO_PEERCRED:
        return socket.peer_creds.pack()
    if name == SO_LINGER:
        seconds = socket.options.get((SOL_SOCKET, SO_LINGER), -1)
        return struct.pack("<2i", seconds >= 0, max(seconds, 0))
    if name in _FLAGS or name in _NUMBERS:
        first = _NUMBERS.get(name, 0)
        return struct.pack("<i", socket.options.get((SOL_SOCKET, name), first))
    values = {
        SO_TYPE: socket.kind,
        SO_SNDBUF: socket.sndbuf,
        SO_RCVBUF: socket.rcvbuf,
        SO_SNDLOWAT: 1,
        SO_ACCEPTCONN: socket.state is State.LISTEN,
        SO_PROTOCOL: socket.protocol,
        SO_DOMAIN: socket.family,
    }
    if name == SO_ERROR:
        return struct.pack("<i", socket.take_error())
    if name not in values:
        raise Errno(errno.ENOPROTOOPT)
    return struct.pack("<i", values[name])


@syscall(365, "fd", "int", "int", "ptr", "ptr", x64=55)
def sys_getsockopt(task: Task, fd: int, level: int, name: int, pointer: int, length: int) -> int:
    """Tell an option, as far as there is room for it."""
    socket = socket_of(task, fd)
    room = uaccess.read_struct(task.mm, length, "i")[0]
    if room < 0:
        raise Errno(errno.EINVAL)
    data = _get(task, socket, level, name)[:room]
    if data:
        uaccess.write(task.mm, pointer, data)
    uaccess.write_struct(task.mm, length, "i", len(data))
    return 0
