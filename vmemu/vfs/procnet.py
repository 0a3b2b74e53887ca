"""/proc/net: who is at which address (unix_seq_show, tcp4_seq_show, udp4_seq_show)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmemu.kernel.kernel import Kernel
    from vmemu.net.inet import InetSocket, Place
    from vmemu.net.socket import Socket

_POINTER = "0" * 16
"""Where a socket lies is nobody's business (%pK)."""
_ESTABLISHED, _SYN_SENT, _FIN_WAIT2, _CLOSE, _CLOSE_WAIT, _LISTEN = 1, 2, 5, 7, 8, 10
_SHUT_RD, _SHUT_WR = 1, 2
_FOUR = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout"
_SIX = _FOUR.replace("local_address ", "local_address                         ").replace(
    "rem_address   ", "remote_address                        "
)


def _sockets(kernel: Kernel) -> list[Socket]:
    return list(kernel.existing_net.sockets) if kernel.existing_net is not None else []


def unix(kernel: Kernel) -> str:
    """/proc/net/unix: users, flags, kind and state, and the name, if there is one."""
    from vmemu.net.const import AF_UNIX
    from vmemu.net.socket import State
    from vmemu.net.unix import UnixSocket

    lines = ["Num       RefCount Protocol Flags    Type St Inode Path\n"]
    for socket in _sockets(kernel):
        if socket.family != AF_UNIX or not isinstance(socket, UnixSocket):
            continue
        listens, connected = socket.state is State.LISTEN, socket.state is State.ESTABLISHED
        state = (2 if connected else 4) if socket.embryo else 3 if connected else 1
        users = 2 + (socket.peer in kernel.net.sockets)
        name = socket.name_.told[2:] if socket.name_ is not None else b""
        shown = name.replace(b"\0", b"@") if name[:1] == b"\0" else name.split(b"\0")[0]
        lines.append(
            f"{_POINTER}: {users:08X} {0:08X} {listens << 16:08X} {socket.kind:04X} {state:02X} "
            f"{socket.ino:5}" + (f" {_text(shown)}" if name else "") + "\n"
        )
    return "".join(lines)


def _text(name: bytes) -> str:
    return name.decode(errors="surrogateescape")


def _internet(kernel: Kernel, kind: int, family: int) -> Iterator[tuple[InetSocket, int]]:
    """Sockets that are somewhere, and in which state."""
    from vmemu.net.const import SOCK_STREAM
    from vmemu.net.inet import InetSocket
    from vmemu.net.socket import State

    for socket in _sockets(kernel):
        if not isinstance(socket, InetSocket) or (socket.kind, socket.family) != (kind, family):
            continue
        if kind != SOCK_STREAM:
            if socket.has_port:
                yield socket, _ESTABLISHED if socket.state is State.ESTABLISHED else _CLOSE
        elif socket.state is State.LISTEN:
            yield socket, _LISTEN
        elif socket.state is State.CONNECTING:
            yield socket, _SYN_SENT
        elif socket.state is State.ESTABLISHED:
            closed = socket.peer is None or socket.peer.shut & _SHUT_WR
            sent = _FIN_WAIT2 if socket.shut & _SHUT_WR else _ESTABLISHED
            yield socket, _CLOSE_WAIT if closed else sent


def _row(socket: InetSocket, state: int, number: str) -> str:
    """What both kinds tell of a socket."""

    def at(place: Place) -> str:
        host = place.host[12:] if socket.family == 2 else place.host
        words = struct.unpack(f"<{len(host) // 4}I", host)
        return "".join(f"{word:08X}" for word in words) + f":{place.port:04X}"

    waiting = len(socket.pending)
    if not waiting:
        waiting = sum(
            len(message.data) if socket.merges else message.size for message in socket.messages
        )
        waiting += state == _CLOSE_WAIT  # its end takes a place among the bytes
    return (
        f"{number}: {at(socket.place)} {at(socket.remote)} {state:02X} {0:08X}:{waiting:08X} "
        f"00:{0:08X} {0:08X} {socket.made_by[0]:5} {0:8} {socket.ino}"
    )


def _streams(family: int) -> Callable[[Kernel], str]:
    """/proc/net/tcp or tcp6."""

    def show(kernel: Kernel) -> str:
        width = 149 if family == 2 else 0
        lines = [((_FOUR if family == 2 else _SIX) + " inode").ljust(width) + "\n"]
        for number, (socket, state) in enumerate(_internet(kernel, 1, family)):
            rest = f" {1 + len(socket.pending)} {_POINTER} 100 0 0 10 0"
            lines.append((_row(socket, state, f"{number:4}") + rest).ljust(width) + "\n")
        return "".join(lines)

    return show


def _datagrams(family: int) -> Callable[[Kernel], str]:
    """/proc/net/udp or udp6."""

    def show(kernel: Kernel) -> str:
        width = 127 if family == 2 else 0
        head = (_FOUR if family == 2 else _SIX).replace("  sl", "   sl" if family == 2 else "  sl")
        lines = [(head + " inode ref pointer drops").ljust(width) + "\n"]
        for socket, state in _internet(kernel, 2, family):
            rest = f" 2 {_POINTER} 0"
            lines.append((_row(socket, state, f"{socket.place.port:5}") + rest).ljust(width) + "\n")
        return "".join(lines)

    return show


def _raw(kernel: Kernel) -> str:
    """/proc/net/raw: there is none."""
    return _FOUR + " inode ref pointer drops\n"


def dev(kernel: Kernel) -> str:
    """/proc/net/dev: loopback, whose bytes nobody counts."""
    counts = "".join(
        f" {0:{width}}" for width in (7, 7, 4, 4, 4, 5, 10, 9, 8, 7, 4, 4, 4, 5, 7, 10)
    )
    return (
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast"
        "|bytes    packets errs drop fifo colls carrier compressed\n"
        f"    lo:{counts}\n"
    )


def if_inet6(kernel: Kernel) -> str:
    """/proc/net/if_inet6: the address of loopback."""
    return f"{1:032x} 01 80 10 80       lo\n"


def route(kernel: Kernel) -> str:
    """/proc/net/route: nothing leads out of the machine."""
    head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
    return head.ljust(127) + "\n"


def arp(kernel: Kernel) -> str:
    """/proc/net/arp: there are no neighbours."""
    return "IP address       HW type     Flags       HW address            Mask     Device\n"


FILES: dict[str, Callable[[Kernel], str]] = {
    "net/unix": unix,
    "net/tcp": _streams(2),
    "net/tcp6": _streams(10),
    "net/udp": _datagrams(2),
    "net/udp6": _datagrams(10),
    "net/raw": _raw,
    "net/dev": dev,
    "net/if_inet6": if_inet6,
    "net/route": route,
    "net/arp": arp,
}
"""Files below /proc that tell of sockets, by path."""
