"""AF_UNIX: streams, datagrams, and packets in sequence (struct unix_sock)."""

from __future__ import annotations

import errno
import stat
import struct
from typing import TYPE_CHECKING, NamedTuple

from vmemu.errors import Errno
from vmemu.kernel.process.wait import Blocking
from vmemu.net.const import (
    AF_UNIX,
    AF_UNSPEC,
    DGRAM_QLEN,
    SHUT_RD,
    SHUT_WR,
    SO_PASSCRED,
    SOCK_DGRAM,
    SOCK_SEQPACKET,
    SOCK_STREAM,
    SOL_SOCKET,
    SOMAXCONN,
)
from vmemu.net.message import Control, Message
from vmemu.net.socket import Socket, State
from vmemu.vfs.file import POLLIN, POLLOUT, POLLWRBAND
from vmemu.vfs.node import node_key
from vmemu.vfs.permission import MAY_WRITE, may_create, permission
from vmemu.vfs.walk import Walk

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task
    from vmemu.net.network import Network
    from vmemu.vfs.node import Node

__all__ = ["UnixSocket"]

_FAMILY = struct.pack("<H", AF_UNIX)
_PATH = 108


class Name(NamedTuple):
    """An address."""

    key: object
    """What it is found by."""
    told: bytes
    """struct sockaddr_un."""


class UnixSocket(Socket):
    """One end."""

    family = AF_UNIX

    def __init__(self, net: Network, kind: int, protocol: int, flags: int) -> None:
        super().__init__(net, kind, protocol, flags)
        self.name_: Name | None = None
        self.callers: dict[UnixSocket, None] = {}
        """Datagram sockets that are connected to it."""
        self._node: Node | None = None

    def has_room(self) -> bool:
        """A quarter of its buffer is in use at most (unix_writable)."""
        return self.wmem * 4 <= self.sndbuf

    # ---- addresses --------------------------------------------------------

    def told_address(self) -> bytes:
        """The path or the abstract name; the family alone without one."""
        return self.name_.told if self.name_ is not None else _FAMILY

    def peer_address(self) -> bytes:
        """Errno ENOTCONN."""
        if self.peer is None:
            raise Errno(errno.ENOTCONN)
        return self.peer.told_address()

    def most(self) -> int:
        """What its buffer takes."""
        return self.sndbuf - 32

    def sender_address(self) -> bytes:
        """Its name, if it has one."""
        return self.name_.told if self.name_ is not None else b""

    def accepted_from(self) -> bytes:
        """Its peer's address; the family alone when that has gone."""
        return self.peer.told_address() if self.peer is not None else _FAMILY

    @staticmethod
    def _parse(address: bytes) -> bytes:
        """The path, or a zero and a name; Errno EINVAL."""
        if not 2 < len(address) <= 2 + _PATH or address[:2] != _FAMILY:
            raise Errno(errno.EINVAL)
        path = address[2:]
        return path if path[0] == 0 else path.split(b"\0")[0]

    def bind(self, address: bytes, task: Task) -> None:
        """Have a name; Errno EINVAL, EADDRINUSE, or what is wrong with the path."""
        if address == _FAMILY:
            return self._autobind()
        path = self._parse(address)
        if self.name_ is not None:
            raise Errno(errno.EINVAL)
        if path[0] == 0:
            if (self.kind, path) in self.net.names:
                raise Errno(errno.EADDRINUSE)
            self._take(Name((self.kind, path), _FAMILY + path))
            return None
        node = self._make_node(path, task)
        node.pin()
        self._node = node
        self._take(Name(node_key(node), _FAMILY + path + b"\0"))
        return None

    def _autobind(self) -> None:
        if self.name_ is None:
            name = self.net.free_name(self.kind)
            self._take(Name((self.kind, name), _FAMILY + name))

    def _take(self, name: Name) -> None:
        self.net.names[name.key] = self
        self.name_ = name

    @staticmethod
    def _make_node(path: bytes, task: Task) -> Node:
        """Make what the path stands for from now on (unix_mknod)."""
        walk = Walk(task.fs.root, task.cred)
        last = walk.parent(task.fs.cwd, path)
        try:
            walk.check_free(last)
        except Errno as error:
            raise Errno(errno.EADDRINUSE if error.errno == errno.EEXIST else error.errno) from None
        may_create(last.parent, task.cred)
        mode = stat.S_IFSOCK | 0o777 & ~task.fs.umask
        last.parent.mknod(last.name, mode, 0)
        return last.parent.find(last.name)

    def _find(self, address: bytes, task: Task) -> UnixSocket:
        """Who has an address; Errno ECONNREFUSED, EPROTOTYPE, ENOENT, EACCES."""
        path = self._parse(address)
        key: object = (self.kind, path)
        if path[0] != 0:
            node = Walk(task.fs.root, task.cred).find(task.fs.cwd, path)
            permission(node, MAY_WRITE, task.cred)
            if not stat.S_ISSOCK(node.stat().mode):
                raise Errno(errno.ECONNREFUSED)
            key = node_key(node)
        found = self.net.names.get(key)
        if found is None:
            raise Errno(errno.ECONNREFUSED)
        if found.kind != self.kind:
            raise Errno(errno.EPROTOTYPE)
        return found

    # ---- connections ------------------------------------------------------

    def pair(self, other: UnixSocket, task: Task) -> None:
        """Connect two at once (unix_socketpair)."""
        self.peer, other.peer = other, self
        self.creds = self.peer_creds = self.net.peer_creds(task)
        other.creds = other.peer_creds = self.creds
        self.state = other.state = State.ESTABLISHED

    def connect(self, address: bytes, task: Task) -> Blocking[int]:
        """Connect; a datagram socket just remembers.  Errno of the address, EISCONN, EAGAIN."""
        if self.kind == SOCK_DGRAM:
            self._connect_dgram(address, task)
            return 0
        self._parse(address)
        if self._passes():
            self._autobind()
        while True:
            found = self._find(address, task)
            if found.state is not State.LISTEN or found.shut & SHUT_RD:
                raise Errno(errno.ECONNREFUSED)
            listener = found
            if len(listener.pending) <= listener.backlog:
                break
            yield from self._wait_for_room(listener)
        if self.state is not State.CLOSE:
            raise Errno(errno.EISCONN if self.state is State.ESTABLISHED else errno.EINVAL)
        made = UnixSocket(self.net, self.kind, self.protocol, 0)
        made.embryo = True
        made.name_ = listener.name_
        made.peer, self.peer = self, made
        made.state = self.state = State.ESTABLISHED
        self.creds = self.net.peer_creds(task)
        made.peer_creds, self.peer_creds = self.creds, listener.creds
        listener.pending.append(made)
        listener.queue.wake_up(POLLIN)
        return 0

    def _wait_for_room(self, listener: UnixSocket) -> Blocking[None]:
        def ready() -> bool:
            full = len(listener.pending) > listener.backlog
            return not full or listener.state is not State.LISTEN

        yield from self.sleep("a connection of", ready, 0, self.send_timeout, listener)

    def _connect_dgram(self, address: bytes, task: Task) -> None:
        if address[:2] == struct.pack("<H", AF_UNSPEC) and len(address) >= 2:
            self._disconnect()
            return
        if len(address) > 2 and self._passes():
            self._autobind()
        other = self._find(address, task)
        if other.peer is not None and other.peer is not self:
            raise Errno(errno.EPERM)
        self._disconnect()
        self.peer = other
        other.callers[self] = None
        self.state = State.ESTABLISHED

    def _disconnect(self) -> None:
        other, self.peer = self.peer, None
        self.state = State.CLOSE
        if isinstance(other, UnixSocket):
            other.callers.pop(self, None)
        if other is not None and self.messages:
            while self.messages:
                self.drop()
            if other.peer is self:
                other.error = errno.ECONNRESET
                other.queue.wake_up()

    def _passes(self) -> bool:
        return bool(self.options.get((SOL_SOCKET, SO_PASSCRED)))

    def listen(self, backlog: int, task: Task) -> None:
        """Errno EOPNOTSUPP, EINVAL without an address or when connected."""
        if self.kind not in (SOCK_STREAM, SOCK_SEQPACKET):
            raise Errno(errno.EOPNOTSUPP)
        if self.name_ is None or self.state not in (State.CLOSE, State.LISTEN):
            raise Errno(errno.EINVAL)
        self.backlog = backlog if 0 <= backlog <= SOMAXCONN else SOMAXCONN
        self.state, self.creds = State.LISTEN, self.net.peer_creds(task)
        self.queue.wake_up()

    def shutdown(self, how: int) -> None:
        """The other side is shut the other way round."""
        self.shut |= how
        self.queue.wake_up()
        if self.peer is not None and self.kind != SOCK_DGRAM:
            mirrored = (SHUT_WR if how & SHUT_RD else 0) | (SHUT_RD if how & SHUT_WR else 0)
            self.peer.shut |= mirrored
            self.peer.queue.wake_up()

    # ---- sending and receiving --------------------------------------------

    def check_receive(self) -> None:
        """Errno EINVAL for a stream that is not connected, ENOTCONN for packets."""
        if self.kind == SOCK_STREAM and self.state is not State.ESTABLISHED:
            raise Errno(errno.EINVAL)
        if self.kind == SOCK_SEQPACKET and self.state is not State.ESTABLISHED:
            raise Errno(errno.ENOTCONN)

    def separate(self, first: Message, other: Message) -> bool:
        """Different senders are kept apart where somebody asks who they are."""
        if self._passes() and first.control.creds != other.control.creds:
            return True
        return super().separate(first, other)

    def check_send(self, dest: bytes | None) -> Socket | None:
        """Errno EISCONN, EOPNOTSUPP, EPIPE, ENOTCONN."""
        if dest is not None and self.kind == SOCK_STREAM:
            connected = self.state is State.ESTABLISHED
            raise Errno(errno.EISCONN if connected else errno.EOPNOTSUPP)
        if self.peer is None:
            raise Errno(errno.ENOTCONN)
        if self.shut & SHUT_WR:
            raise Errno(errno.EPIPE)
        return self.peer

    def send(
        self, data: bytes, flags: int, control: Control, dest: bytes | None, task: Task
    ) -> Blocking[int]:
        """Send to whom it is connected, or to a datagram's address."""
        if self._passes() and self.name_ is None:
            self._autobind()
        if self.kind == SOCK_STREAM:
            return (yield from self.send_stream(data, flags, control, dest))
        if self.kind == SOCK_SEQPACKET:
            self.check_error()
            if self.state is not State.ESTABLISHED:
                raise Errno(errno.ENOTCONN)
            dest = None
        return (yield from self._send_record(data, flags, control, dest, task))

    def _send_record(
        self, data: bytes, flags: int, control: Control, dest: bytes | None, task: Task
    ) -> Blocking[int]:
        if dest is None and self.shut & SHUT_WR:
            raise Errno(errno.EPIPE)
        found = self._find(dest, task) if dest is not None else self.check_peer()
        if len(data) > self.sndbuf - 32:
            raise Errno(errno.EMSGSIZE)

        def ready() -> bool:
            if self.error or self.shut & SHUT_WR or self._gone(found):
                return True
            return not self._crowded(found) and (not self.wmem or self.wmem < self.sndbuf)

        while True:
            self.check_error()
            if self.shut & SHUT_WR:
                raise Errno(errno.EPIPE)
            refused = self._refused(found)
            if not refused and ready():
                break
            self.wrote()  # the message was there and is freed
            if refused:
                raise Errno(refused)
            yield from self.sleep("room at", ready, flags, self.send_timeout, found)
        found.deliver(Message(self, data, control, self.sender_address()))
        return len(data)

    def _refused(self, found: UnixSocket) -> int:
        """Why a message cannot be sent to somebody, or 0."""
        seq = self.kind == SOCK_SEQPACKET
        if self._gone(found):
            if self.peer is found:
                self._disconnect()
            return errno.EPIPE if seq else errno.ECONNREFUSED
        if not seq and found.peer is not None and found.peer is not self:
            return errno.EPERM
        return errno.EPIPE if found.shut & SHUT_RD else 0

    def _crowded(self, found: Socket) -> bool:
        """No more datagrams may wait at the other side (unix_recvq_full)."""
        if self.kind != SOCK_DGRAM or found.peer is self:
            return False
        return len(found.messages) > DGRAM_QLEN

    def poll(self) -> int:
        """As of any socket; one whose peer has too many datagrams cannot send."""
        events = super().poll()
        if self.peer is not None and self._crowded(self.peer):
            events &= ~(POLLOUT | POLLWRBAND)
        return events

    def check_peer(self) -> UnixSocket:
        """Errno ENOTCONN, EPIPE."""
        if self.peer is None:
            raise Errno(errno.ENOTCONN)
        assert isinstance(self.peer, UnixSocket)
        return self.peer

    def _gone(self, found: UnixSocket) -> bool:
        return found not in self.net.sockets

    def drop(self) -> None:
        """Who waits for room in a queue of datagrams may go on."""
        crowded = len(self.messages) > DGRAM_QLEN
        super().drop()
        self.crowd.wake_up()
        for caller in tuple(self.callers) if crowded else ():
            caller.queue.wake_up(POLLOUT)

    def release(self) -> None:
        """The other side finds the end, or ECONNRESET if something was not received."""
        if self.name_ is not None and self.net.names.get(self.name_.key) is self:
            del self.net.names[self.name_.key]
        if self._node is not None:
            self._node.unpin()
            self._node = None
        listening, self.state = self.state is State.LISTEN, State.CLOSE
        peer, unread = self.peer, bool(self.messages) or self.embryo
        self.peer = None
        if isinstance(peer, UnixSocket):
            peer.callers.pop(self, None)
        super().release()
        if peer is not None and self.kind != SOCK_DGRAM:
            peer.shut = SHUT_RD | SHUT_WR
            if unread:
                peer.error = errno.ECONNRESET
            peer.queue.wake_up()
        self.queue.wake_up()
        self.crowd.wake_up()
        if listening:
            while self.pending:
                self.pending.popleft().release()
