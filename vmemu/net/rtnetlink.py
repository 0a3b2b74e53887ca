"""What a NETLINK_ROUTE socket is answered (rtnetlink): links and addresses, those of lo."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.net import interface
from vmemu.net.const import AF_INET, AF_INET6, AF_UNSPEC

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["HEADER", "answers"]

HEADER = struct.Struct("<IHHII")
"""struct nlmsghdr: length, type, flags, number, who asks."""
_LINK, _ADDRESS = struct.Struct("<BxHiII"), struct.Struct("<BBBBI")
_NEW_LINK, _GET_LINK, _NEW_ADDRESS, _GET_ADDRESS = 16, 18, 20, 22
_EMPTY = {26: 12, 30: 12, 34: 12, 38: 20}
"""RTM_GETROUTE, RTM_GETNEIGH, RTM_GETRULE, RTM_GETQDISC: of these there are none."""
_ERROR, _DONE, _LEAST_TYPE = 2, 3, 16
_REQUEST, _MULTI, _ACK, _DUMP = 1, 2, 4, 0x300
_PERMANENT, _HOST = 0x80, 254
_IFNAME = 3


def _attribute(kind: int, data: bytes) -> bytes:
    """struct rtattr with its data."""
    return (struct.pack("<HH", len(data) + 4, kind) + data).ljust(-(-len(data) // 4) * 4 + 4, b"\0")


def _link() -> bytes:
    """struct ifinfomsg of lo: name, queue, state, mtu, hardware address, queueing, statistics."""
    body = _LINK.pack(AF_UNSPEC, interface.TYPE, interface.INDEX, interface.FLAGS, 0)
    number = struct.Struct("<I").pack
    return body + b"".join(
        _attribute(*each)
        for each in (
            (_IFNAME, interface.NAME + b"\0"), (13, number(interface.QUEUE)), (16, b"\0"),
            (17, b"\0"), (4, number(interface.MTU)), (1, bytes(6)), (2, bytes(6)),
            (6, b"noqueue\0"), (7, bytes(96)), (23, bytes(200)),
        )
    )  # fmt: skip


def _address(family: int) -> bytes:
    """struct ifaddrmsg: the address, of IPv4 also the label, how long it lasts, its flags."""
    bits, host = (8, interface.ADDRESS4) if family == AF_INET else (128, interface.ADDRESS6)
    told = _ADDRESS.pack(family, bits, _PERMANENT, _HOST, interface.INDEX) + _attribute(1, host)
    if family == AF_INET:
        told += _attribute(2, host) + _attribute(3, interface.NAME + b"\0")
    for_ever = struct.pack("<4I", 0xFFFFFFFF, 0xFFFFFFFF, 0, 0)
    return told + _attribute(6, for_ever) + _attribute(8, struct.pack("<I", _PERMANENT))


def _asked_link(body: bytes) -> bytes:
    """The one that is asked for by its number or name; Errno EINVAL, ENODEV."""
    if len(body) < _LINK.size:
        raise Errno(errno.EINVAL)
    index, name = _LINK.unpack_from(body)[2], b""
    at = _LINK.size
    while at + 4 <= len(body):
        size, kind = struct.unpack_from("<HH", body, at)
        if size < 4 or at + size > len(body):
            break
        if kind == _IFNAME:
            name = body[at + 4 : at + size].split(b"\0")[0]
        at += -(-size // 4) * 4
    if index <= 0 and not name:
        raise Errno(errno.EINVAL)
    if (index > 0 and index != interface.INDEX) or (index <= 0 and name != interface.NAME):
        raise Errno(errno.ENODEV)
    return _link()


def _found(kind: int, flags: int, body: bytes) -> list[tuple[int, bytes]]:
    """Type and contents of each; Errno EOPNOTSUPP, EPERM for what would change something."""
    dump = flags & _DUMP == _DUMP
    family = body[0] if body else AF_UNSPEC
    if kind == _GET_LINK:
        return [(_NEW_LINK, _link() if dump else _asked_link(body))]
    if kind == _GET_ADDRESS and dump:
        families = [each for each in (AF_INET, AF_INET6) if family in (AF_UNSPEC, each)]
        return [(_NEW_ADDRESS, _address(each)) for each in families]
    if kind in _EMPTY and dump:
        return []
    changes = (kind - _LEAST_TYPE) % 4 != 2 and _LEAST_TYPE <= kind < max(_EMPTY)
    raise Errno(errno.EPERM if changes else errno.EOPNOTSUPP)


def answers(data: bytes, portid: int) -> Iterator[bytes]:
    """The datagrams that answer one, which may hold several requests (netlink_rcv_skb)."""
    at = 0
    while at + HEADER.size <= len(data):
        size, kind, flags, number, _ = HEADER.unpack_from(data, at)
        if size < HEADER.size or at + size > len(data):
            return
        message = data[at : at + size]
        at += -(-size // 4) * 4
        if not flags & _REQUEST:
            continue

        def told(kind: int, flags: int, body: bytes, number: int = number) -> bytes:
            return HEADER.pack(HEADER.size + len(body), kind, flags, number, portid) + body

        error, dump = 0, False
        if kind >= _LEAST_TYPE:
            try:
                found = _found(kind, flags, message[HEADER.size :])
            except Errno as wrong:
                error = wrong.errno
            else:
                dump = flags & _DUMP == _DUMP
                multi = _MULTI if dump else 0
                pieces = [told(new, multi, body) for new, body in found]
                if pieces:
                    yield b"".join(pieces)
                if dump:
                    yield told(_DONE, _MULTI, bytes(4))
        if error or (flags & _ACK and not dump):
            copy = message if error else message[: HEADER.size]
            yield told(_ERROR, 0 if error else 0x100, struct.pack("<i", -error) + copy)
