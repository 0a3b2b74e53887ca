"""AF_INET and AF_INET6 within the machine: nothing but loopback."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING, NamedTuple

from vmemu.errors import Errno
from vmemu.kernel.process.wait import Blocking
from vmemu.net.ancillary import IP_TOS, IP_TTL, IPV6_TCLASS, IPV6_UNICAST_HOPS, Packet
from vmemu.net.const import (
    AF_INET,
    AF_INET6,
    AF_UNSPEC,
    IPPROTO_IP,
    IPPROTO_IPV6,
    SHUT_RD,
    SHUT_WR,
    SO_LINGER,
    SO_REUSEADDR,
    SO_REUSEPORT,
    SOCK_DGRAM,
    SOCK_STREAM,
    SOL_SOCKET,
    SOMAXCONN,
)
from vmemu.net.message import Control, Message
from vmemu.net.socket import Socket, State
from vmemu.vfs.file import O_NONBLOCK, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLWRBAND

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task
    from vmemu.net.network import Network

__all__ = ["InetSocket"]

_MAPPED = bytes(10) + b"\xff\xff"
_ANY4, _ANY6 = _MAPPED + bytes(4), bytes(16)
_LOCAL4, _LOCAL6 = _MAPPED + bytes((127, 0, 0, 1)), bytes(15) + b"\1"
_V6ONLY = 26
_DGRAM_MOST = 65507
_HOPS = 64
"""What a packet begins with (ip_default_ttl)."""


class Place(NamedTuple):
    """A host of 16 bytes, of IPv4 as ::ffff:a.b.c.d, and a port."""

    host: bytes
    port: int

    @property
    def v4(self) -> bool:
        """It is one of IPv4."""
        return self.host.startswith(_MAPPED)

    @property
    def anywhere(self) -> bool:
        """All hosts of its kind."""
        return self.host in (_ANY4, _ANY6)

    @property
    def loopback(self) -> bool:
        """It is the machine itself."""
        return self.host == _LOCAL6 or (self.v4 and self.host[12] == 127)


class InetSocket(Socket):
    """A stream or datagrams of IPv4 or IPv6."""

    def __init__(self, net: Network, family: int, kind: int, protocol: int, flags: int) -> None:
        super().__init__(net, kind, protocol, flags)
        self.family = family
        self.merges = kind == SOCK_STREAM
        self.any = Place(_ANY4 if family == AF_INET else _ANY6, 0)
        self.place = self.remote = self.any
        self.has_port = self._unasked = False
        self._asked = self.any
        """What bind() asked for: what connect() found goes with its connection."""
        self._connecting = False
        """connect() has not told yet that it is connected."""
        self.knocking: dict[InetSocket, None] = {}
        """Who waits for room in the queue of connections, in the order of their coming."""
        self._door: InetSocket | None = None
        """Whose queue it has waited for."""

    # ---- addresses --------------------------------------------------------

    def _parse(self, address: bytes, *, binding: bool = False) -> Place:
        """Read struct sockaddr_in or sockaddr_in6; Errno EINVAL, EAFNOSUPPORT."""
        family = int.from_bytes(address[:2], "little")
        mapped = self.family == AF_INET6 and family == AF_INET and not binding
        mapped = mapped and self.kind == SOCK_DGRAM
        if len(address) < (16 if mapped or self.family == AF_INET else 24):
            raise Errno(errno.EINVAL)
        if family == AF_INET6 and self.family == AF_INET6:
            return Place(address[8:24].ljust(16, b"\0"), int.from_bytes(address[2:4], "big"))
        unspecified = family == AF_UNSPEC and (not binding or address[4:8] == bytes(4))
        if mapped or (self.family == AF_INET and (family == AF_INET or unspecified)):
            return Place(_MAPPED + address[4:8], int.from_bytes(address[2:4], "big"))
        raise Errno(errno.EAFNOSUPPORT)

    def _tell(self, place: Place) -> bytes:
        """Make struct sockaddr of the socket's family."""
        port = place.port.to_bytes(2, "big")
        if self.family == AF_INET:
            host = place.host[12:] if place.v4 else bytes(4)
            return struct.pack("<H", AF_INET) + port + host + bytes(8)
        return struct.pack("<H", AF_INET6) + port + bytes(4) + place.host + bytes(4)

    def told_address(self) -> bytes:
        """Its own."""
        return self._tell(self.place)

    def peer_address(self) -> bytes:
        """Errno ENOTCONN."""
        if self.state is not State.ESTABLISHED:
            raise Errno(errno.ENOTCONN)
        return self._tell(self.remote)

    def most(self) -> int:
        """Of a datagram."""
        return _DGRAM_MOST

    def accepted_from(self) -> bytes:
        """Where the connection came from."""
        return self._tell(self.remote)

    def _option(self, name: int) -> bool:
        return bool(self.options.get((SOL_SOCKET, name)))

    @property
    def _only6(self) -> bool:
        return bool(self.options.get((IPPROTO_IPV6, _V6ONLY)))

    def bind(self, address: bytes, task: Task) -> None:
        """Have a port; Errno EADDRNOTAVAIL, EADDRINUSE, EINVAL."""
        place = self._parse(address, binding=True)
        if not place.anywhere and not place.loopback:
            raise Errno(errno.EADDRNOTAVAIL)
        if self.has_port or self.state is not State.CLOSE:
            raise Errno(errno.EINVAL)
        self._take(place)
        self._asked = place

    def _take(self, place: Place) -> None:
        if not place.port:
            place = place._replace(port=self.net.free_port(self.kind))
        elif any(self._clash(place, other) for other in self.net.bound(self.kind, place.port)):
            raise Errno(errno.EADDRINUSE)
        self.net.take_port(self, self.kind, place.port)
        self.place, self.has_port = place, True

    def _clash(self, place: Place, other: Socket) -> bool:
        """Two cannot be at one port (inet_bind_conflict)."""
        assert isinstance(other, InetSocket)
        there = other.place
        apart = place.host != there.host and not place.anywhere and not there.anywhere
        if apart or (place.v4 != there.v4 and self._separate(other, place, there)):
            return False
        if self._option(SO_REUSEPORT) and other._option(SO_REUSEPORT):
            return False
        shared = self._option(SO_REUSEADDR) and other._option(SO_REUSEADDR)
        return not shared or (self.kind == SOCK_STREAM and other.state is State.LISTEN)

    def _separate(self, other: InetSocket, place: Place, there: Place) -> bool:
        """One of IPv4 and one of IPv6 that does not take IPv4's."""
        six, only = (there, other._only6) if place.v4 else (place, self._only6)
        return only or not six.anywhere

    def _serves(self, place: Place) -> bool:
        """What is sent to a place arrives here."""
        if self.place.host == place.host:
            return True
        if self.place.host == _ANY6:
            return not place.v4 or not self._only6
        return self.place.host == _ANY4 and place.v4

    def _served(self, place: Place) -> list[InetSocket]:
        """Who is at a place, the most particular ones first."""
        found = [
            other
            for other in self.net.bound(self.kind, place.port)
            if isinstance(other, InetSocket) and other._serves(place)
        ]
        return sorted(found, key=lambda other: other.place.anywhere)

    def _dest(self, address: bytes) -> Place:
        """Where something is to go; Errno ENETUNREACH for what is not in the machine."""
        place = self._parse(address)
        if place.anywhere:
            place = place._replace(host=_LOCAL4 if place.v4 else _LOCAL6)
        if self.family == AF_INET6 and place.v4 and self._only6:
            raise Errno(errno.ENETUNREACH)
        if not place.loopback:
            raise Errno(errno.ENETUNREACH)
        return place

    def _bind_for(self, dest: Place) -> None:
        """Have a port to send from, and a host."""
        if not self.has_port:
            self._take(self._asked._replace(port=0))
            self._unasked = True
        if self.place.anywhere and self.kind == SOCK_STREAM:
            self.place = Place(_LOCAL4 if dest.v4 else _LOCAL6, self.place.port)

    # ---- connections ------------------------------------------------------

    def connect(self, address: bytes, task: Task) -> Blocking[int]:
        """Connect; Errno ECONNREFUSED, ENETUNREACH, EISCONN, EINPROGRESS, EALREADY."""
        if len(address) < 2:
            raise Errno(errno.EINVAL)
        unspecified = int.from_bytes(address[:2], "little") == AF_UNSPEC
        if self.kind == SOCK_DGRAM:
            self._connect_dgram(address, unspecified)
            return 0
        if unspecified:
            self._disconnect()
            return 0
        return (yield from self._connect_stream(address))

    def _connect_dgram(self, address: bytes, unspecified: bool) -> None:
        if unspecified:
            self.state, self.remote = State.CLOSE, self.any
            self._unasked = self.has_port and not self._asked.port
            self._give_back()
            self.place = self.place._replace(host=self._asked.host)
            return
        dest = self._dest(address)
        self._bind_for(dest)
        if self.place.anywhere:
            self.place = Place(_LOCAL4 if dest.v4 else _LOCAL6, self.place.port)
        self.remote, self.state = dest, State.ESTABLISHED

    def _connect_stream(self, address: bytes) -> Blocking[int]:
        if self._connecting:
            if self.state is State.CONNECTING:
                if self.flags & O_NONBLOCK:
                    raise Errno(errno.EALREADY)
            else:
                self._told()
                if self.state is State.CLOSE:
                    raise Errno(errno.ECONNABORTED)
                return 0
        elif self.state is State.ESTABLISHED or self.state is State.LISTEN:
            raise Errno(errno.EISCONN)
        else:
            dest = self._dest(address)
            self._bind_for(dest)
            self.remote, self.shut = dest, 0
            self._connecting, self.state = True, State.CONNECTING
            self._knock()
            if self.flags & O_NONBLOCK:
                raise Errno(errno.EINPROGRESS)
        try:
            yield from self._connected(0)
        except Errno as error:
            if error.errno == errno.EAGAIN:
                raise Errno(errno.EINPROGRESS) from None
            raise
        self._told()
        return 0

    def _told(self) -> None:
        """It is known; an error leaves a socket that never was connected (tcp_disconnect)."""
        self._connecting = False
        if self.error:
            self.shut = 0
            self.check_error()

    def _connected(self, flags: int) -> Blocking[None]:
        """Wait until it is known whether it is connected."""
        return self.sleep(
            "a connection of",
            lambda: self.state is not State.CONNECTING,
            flags,
            self.send_timeout,
        )

    def _knock(self) -> None:
        """Be let in at once, wait at a full queue, or be refused."""
        listener = next(
            (each for each in self._served(self.remote) if each.state is State.LISTEN), None
        )
        if listener is None:
            self.refuse()
        elif len(listener.pending) > listener.backlog:
            listener.knocking[self], self._door = None, listener
        else:
            listener.welcome(self)

    def refuse(self) -> None:
        """Nobody is there."""
        self.error, self.state = errno.ECONNREFUSED, State.CLOSE
        self._give_back()
        self.shut = SHUT_RD | SHUT_WR
        self.queue.wake_up()

    def _give_back(self) -> None:
        """A port that nobody asked for is not kept without a connection."""
        if self._unasked:
            self.net.leave_port(self, self.kind, self.place.port)
            self.place, self.has_port, self._unasked = self._asked._replace(port=0), False, False

    def welcome(self, client: InetSocket) -> None:
        """Make the other side of a connection."""
        try:
            made = InetSocket(self.net, self.family, self.kind, self.protocol, 0)
        except Errno:
            client.refuse()
            return
        made.embryo = True
        made.options = dict(self.options)
        made.place, made.remote = client.remote, client.place
        made.peer, client.peer = client, made
        made.state = client.state = State.ESTABLISHED
        self.pending.append(made)
        self.queue.wake_up(POLLIN)
        client.queue.wake_up(POLLOUT)

    def let_in(self) -> None:
        """The next one who waits is connected."""
        while self.knocking and len(self.pending) <= self.backlog:
            client = next(iter(self.knocking))
            client._stop_knocking()
            self.welcome(client)

    def listen(self, backlog: int, task: Task) -> None:
        """Errno EOPNOTSUPP, EINVAL, EADDRINUSE."""
        if self.kind != SOCK_STREAM:
            raise Errno(errno.EOPNOTSUPP)
        if self.state not in (State.CLOSE, State.LISTEN) or self._connecting:
            raise Errno(errno.EINVAL)
        if not self.has_port:
            self._take(self.any)
        elif self.state is State.CLOSE and any(
            other is not self and other.state is State.LISTEN and self._clash(self.place, other)
            for other in self.net.bound(self.kind, self.place.port)
        ):
            raise Errno(errno.EADDRINUSE)
        self.backlog = backlog if 0 <= backlog <= SOMAXCONN else SOMAXCONN
        self.state, self.shut = State.LISTEN, 0
        self.queue.wake_up()

    def shutdown(self, how: int) -> None:
        """Errno ENOTCONN."""
        if self.kind == SOCK_DGRAM:
            self.shut |= how
            self.queue.wake_up()
            if self.state is not State.ESTABLISHED:
                raise Errno(errno.ENOTCONN)
            return
        if self.state is State.LISTEN:
            if how & SHUT_RD:
                self._stop_listening()
                self.state = State.CLOSE
                self.queue.wake_up()
            return
        if self.state is not State.ESTABLISHED:
            raise Errno(errno.ENOTCONN)
        self.shut |= how
        self.queue.wake_up()
        if how & SHUT_WR and self.peer is not None:
            self.peer.shut |= SHUT_RD
            self.peer.queue.wake_up()

    def _stop_knocking(self) -> None:
        door, self._door = self._door, None
        if door is not None:
            door.knocking.pop(self, None)

    def _disconnect(self) -> None:
        """connect() to AF_UNSPEC."""
        self._stop_knocking()
        self._leave(reset=True)
        self._give_back()
        self.place = self.place._replace(host=self._asked.host)
        self.state, self.shut, self.remote = State.CLOSE, 0, self.any
        self._connecting = False

    def _stop_listening(self) -> None:
        while self.pending:
            self.pending.popleft().release()
        while self.knocking:
            client = next(reversed(self.knocking))
            client._stop_knocking()
            client.refuse()

    def _leave(self, *, reset: bool) -> None:
        """The other side finds the end, or a reset."""
        peer, self.peer = self.peer, None
        if peer is None:
            return
        peer.peer = None
        peer.shut |= SHUT_RD
        if reset:
            peer.shut, peer.error, peer.state = SHUT_RD | SHUT_WR, errno.ECONNRESET, State.CLOSE
        peer.queue.wake_up()

    # ---- sending and receiving --------------------------------------------

    def check_receive(self) -> None:
        """Errno ENOTCONN for a stream that never was."""
        if self.kind != SOCK_STREAM or self.state is State.ESTABLISHED or self.messages:
            return
        if self.error or self.shut:
            return
        raise Errno(errno.ENOTCONN)

    def check_send(self, dest: bytes | None) -> Socket | None:
        """Errno EPIPE, or what has happened to the connection."""
        if self.error:
            raise Errno(self.take_error())
        if self.state is not State.ESTABLISHED or self.shut & SHUT_WR:
            raise Errno(errno.EPIPE)
        return self.peer

    def unheard(self) -> None:
        """The other side was closed: it answers with a reset, which the next call is told."""
        self.error, self.state = errno.EPIPE, State.CLOSE
        self.shut = SHUT_RD | SHUT_WR
        self.queue.wake_up()

    def send(
        self, data: bytes, flags: int, control: Control, dest: bytes | None, task: Task
    ) -> Blocking[int]:
        """Send; Errno EDESTADDRREQ, EMSGSIZE, ECONNREFUSED, EPIPE."""
        if self.kind == SOCK_STREAM:
            if self.state is State.CONNECTING:
                yield from self._connected(flags)
            return (yield from self.send_stream(data, flags, control, None))
        if len(data) > _DGRAM_MOST:
            raise Errno(errno.EMSGSIZE)
        if self.shut & SHUT_WR:
            raise Errno(errno.EPIPE)
        if dest is None and self.state is not State.ESTABLISHED:
            raise Errno(errno.EDESTADDRREQ)
        self.check_error()
        where = self._dest(dest) if dest is not None else self.remote
        if not where.port:
            raise Errno(errno.EINVAL)
        self._bind_for(where)
        self._send_to(where, data, control)
        return len(data)

    def _send_to(self, where: Place, data: bytes, control: Control) -> None:
        """A datagram arrives, or is lost: where nobody is, or where too many are."""
        host = self.place.host
        if self.place.anywhere:
            host = _LOCAL4 if where.v4 else _LOCAL6
        wish = control.packet or Packet()
        source = Place(wish.host or host, self.place.port)
        if wish.host and not source.loopback:
            raise Errno(errno.EINVAL)
        control = control._replace(packet=self._header(where, wish))
        found = self._served(where)
        connected = [each for each in found if each.state is State.ESTABLISHED]
        for each in (*connected, *(each for each in found if each not in connected)):
            if each.state is State.ESTABLISHED and each.remote != source:
                continue
            if each.shut & SHUT_RD:
                return
            queued = sum(message.size for message in each.messages)
            if queued + len(data) <= each.rcvbuf:
                message = Message(self, data, control, each._tell(source))
                each.deliver(message)
            return
        if self.state is State.ESTABLISHED and where == self.remote:
            self.error = errno.ECONNREFUSED
            self.queue.wake_up()

    def _header(self, where: Place, wish: Packet) -> Packet:
        """What a datagram's header says: what its sender wishes, or what the options are."""
        level, names = (
            (IPPROTO_IP, (IP_TTL, IP_TOS))
            if where.v4
            else (IPPROTO_IPV6, (IPV6_UNICAST_HOPS, IPV6_TCLASS))
        )
        hops, service = (self.options.get((level, name)) for name in names)
        return Packet(
            where.host,
            next(each for each in (wish.hops, hops, _HOPS) if each is not None),
            next(each for each in (wish.service, service, 0) if each is not None),
            self.net.kernel.sched.realtime,
        )

    def poll(self) -> int:
        """As of any socket; one that connects is not ready, one that was refused is in error."""
        if self.kind == SOCK_STREAM and self.state is State.CONNECTING:
            return 0
        events = self.poll_shut()
        if self.messages or self.pending:
            events |= POLLIN
        if self.kind == SOCK_STREAM and self.state is State.CLOSE:
            events |= POLLHUP
        if self.state is State.LISTEN:
            return events & (POLLIN | POLLERR | POLLHUP)
        if self.has_room() or self.shut & SHUT_WR:
            events |= POLLOUT | (POLLWRBAND if self.kind == SOCK_DGRAM else 0)
        return events

    def has_room(self) -> bool:
        """A third of the buffer is free."""
        return self.wmem * 3 < self.sndbuf * 2

    def release(self) -> None:
        """The other side finds the end, or a reset.

        That is where something was not received, or SO_LINGER says 0.
        """
        if self.has_port:
            self.net.leave_port(self, self.kind, self.place.port)
            self.has_port = False
        self._stop_knocking()
        unread = bool(self.messages)
        listening = self.state is State.LISTEN
        self.state = State.CLOSE
        super().release()
        aborts = self.options.get((SOL_SOCKET, SO_LINGER)) == 0
        self._leave(reset=unread or aborts or self.embryo)
        if listening:
            self._stop_listening()
