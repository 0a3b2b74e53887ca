"""What goes with datagrams of the internet: ip_cmsg_send and ip_cmsg_recv, and those of IPv6."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING, NamedTuple

from vmemu.errors import Errno
from vmemu.kernel.process.wait import NSEC_PER_SEC
from vmemu.net import cmsg
from vmemu.net.const import AF_INET, IPPROTO_IP, IPPROTO_IPV6, SOL_SOCKET
from vmemu.net.interface import INDEX

if TYPE_CHECKING:
    from vmemu.net.socket import Socket

__all__ = ["Packet", "controls", "wished"]

IP_TOS, IP_TTL = 1, 2
_IP_PKTINFO, _IP_RECVTTL, _IP_RECVTOS = 8, 12, 13
IPV6_UNICAST_HOPS, IPV6_TCLASS = 16, 67
_RECVPKTINFO, _PKTINFO, _RECVHOPLIMIT, _HOPLIMIT, _RECVTCLASS, _DONTFRAG = 49, 50, 51, 52, 66, 62
_SO_TIMESTAMP, _SO_TIMESTAMPNS = 29, 35
_MAPPED = bytes(10) + b"\xff\xff"


class Packet(NamedTuple):
    """What a header of IP says, or what a sender wants it to say."""

    host: bytes | None = None
    """Of 16 bytes: where it was sent to; of what is wanted, where it is to come from."""
    hops: int | None = None
    service: int | None = None
    time: int = 0
    """When it arrived, in nanoseconds since 1970."""


def wished(family: int, level: int, kind: int, body: bytes, so_far: Packet) -> Packet:
    """Read one struct cmsghdr of a sender; Errno EINVAL."""
    if family == AF_INET and level == IPPROTO_IP:
        return _wished4(kind, body, so_far)
    if family != AF_INET and level == IPPROTO_IPV6:
        return _wished6(kind, body, so_far)
    return so_far


def _number(body: bytes, least: int) -> int:
    if len(body) != 4:
        raise Errno(errno.EINVAL)
    value: int = struct.unpack("<i", body)[0]
    if not least <= value <= 255:
        raise Errno(errno.EINVAL)
    return value


def _wished4(kind: int, body: bytes, so_far: Packet) -> Packet:
    if kind == IP_TTL:
        return so_far._replace(hops=_number(body, 1))
    if kind == IP_TOS:
        return so_far._replace(service=body[0] if len(body) == 1 else _number(body, 0))
    if kind == _IP_PKTINFO and len(body) == 12:
        host = body[4:8]
        return so_far._replace(host=_MAPPED + host if any(host) else None)
    raise Errno(errno.EINVAL)


def _wished6(kind: int, body: bytes, so_far: Packet) -> Packet:
    if kind == _HOPLIMIT:
        hops = _number(body, -1)
        return so_far._replace(hops=None if hops < 0 else hops)
    if kind == IPV6_TCLASS:
        return so_far._replace(service=_number(body, -1) & 255)
    if kind == _PKTINFO and len(body) >= 20:
        return so_far._replace(host=body[:16] if any(body[:16]) else None)
    if kind == _DONTFRAG and len(body) == 4:
        return so_far
    raise Errno(errno.EINVAL)


def controls(socket: Socket, packet: Packet, bits: int, room: int) -> tuple[bytes, int]:
    """All that a receiver asked for, and MSG_CTRUNC."""
    data, flags = b"", 0
    for level, kind, body in _asked(socket, packet, bits):
        entry, told = cmsg.put(bits, room - len(data), level, kind, body)
        data, flags = data + entry, flags | told
    return data, flags


def _asked(socket: Socket, packet: Packet, bits: int) -> list[tuple[int, int, bytes]]:
    def on(level: int, name: int) -> bool:
        return bool(socket.options.get((level, name)))

    entries = []
    seconds, rest = divmod(packet.time, NSEC_PER_SEC)
    seconds &= (1 << bits) - 1  # a long's, after 2038 too
    pair = struct.Struct("<2Q" if bits == 64 else "<2I")
    if on(SOL_SOCKET, _SO_TIMESTAMPNS):
        entries.append((SOL_SOCKET, _SO_TIMESTAMPNS, pair.pack(seconds, rest)))
    elif on(SOL_SOCKET, _SO_TIMESTAMP):
        entries.append((SOL_SOCKET, _SO_TIMESTAMP, pair.pack(seconds, rest // 1000)))
    host, hops, service = packet.host or bytes(16), packet.hops or 0, packet.service or 0
    number = struct.Struct("<i").pack
    if socket.family == AF_INET:
        if on(IPPROTO_IP, _IP_PKTINFO):
            entries.append((IPPROTO_IP, _IP_PKTINFO, number(INDEX) + host[12:] * 2))
        if on(IPPROTO_IP, _IP_RECVTTL):
            entries.append((IPPROTO_IP, IP_TTL, number(hops)))
        if on(IPPROTO_IP, _IP_RECVTOS):
            entries.append((IPPROTO_IP, IP_TOS, bytes([service])))
        return entries
    if on(IPPROTO_IPV6, _RECVPKTINFO):
        entries.append((IPPROTO_IPV6, _PKTINFO, host + number(INDEX)))
    if host.startswith(_MAPPED):
        return entries
    if on(IPPROTO_IPV6, _RECVHOPLIMIT):
        entries.append((IPPROTO_IPV6, _HOPLIMIT, number(hops)))
    if on(IPPROTO_IPV6, _RECVTCLASS):
        entries.append((IPPROTO_IPV6, IPV6_TCLASS, number(service)))
    return entries
