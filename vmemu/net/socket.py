"""Sockets: what all families have alike (struct sock)."""

from __future__ import annotations

import enum
import errno
import stat
from collections import deque
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.process.wait import Blocking, Interrupted, Wait, WaitQueue
from vmemu.kernel.uaccess import write_struct
from vmemu.net import interface
from vmemu.net.const import (
    BUFFER,
    MSG_DONTWAIT,
    SHUT_RD,
    SHUT_WR,
    SO_RCVLOWAT,
    SOCK_DGRAM,
    SOCK_STREAM,
    SOL_SOCKET,
)
from vmemu.net.message import Control, Credentials, Message, Received
from vmemu.vfs.file import (
    O_NONBLOCK,
    O_RDWR,
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLRDHUP,
    POLLWRBAND,
    File,
    FileStat,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmemu.kernel.process.task import Task
    from vmemu.net.network import Network

__all__ = ["Socket", "State"]

_FIONREAD, _SIOCOUTQ = 0x541B, 0x5411
NOBODY = Credentials(0, 0xFFFFFFFF, 0xFFFFFFFF)


class State(enum.Enum):
    """As far as it is connected."""

    CLOSE = enum.auto()
    LISTEN = enum.auto()
    CONNECTING = enum.auto()
    ESTABLISHED = enum.auto()


class Socket(File):
    """A socket; subclasses know addresses, and who is at them."""

    pollable = notifies = True
    family = 0
    tells_space = wants_space = False
    merges = False
    """What is sent to it is a stream of bytes, not of messages."""
    queue: WaitQueue

    def __init__(self, net: Network, kind: int, protocol: int, flags: int) -> None:
        self.net, self.kind, self.protocol = net, kind, protocol
        self.ino = net.new_ino()
        self.made_by = net.current_owner()
        super().__init__(O_RDWR | flags, f"socket:[{self.ino}]")
        self.record = kind != SOCK_STREAM
        self.sigpipe = kind == SOCK_STREAM
        self.queue = WaitQueue()
        self.crowd = WaitQueue()
        """Who waits for room in its queue of messages or connections (peer_wait)."""
        self.state = State.CLOSE
        self.peer: Socket | None = None
        self.messages: deque[Message] = deque()
        """What has been sent to it (sk_receive_queue)."""
        self.wmem = 0
        """What it has sent and nobody has received, with overhead (sk_wmem_alloc)."""
        self.sndbuf = self.rcvbuf = BUFFER
        self.shut = 0
        self.error = 0
        """What the next call is told (sk_err)."""
        self.options: dict[tuple[int, int], int] = {}
        self.receive_timeout: int | None = None
        """Nanoseconds."""
        self.send_timeout: int | None = None
        self.backlog = 0
        self.pending: deque[Socket] = deque()
        """Connections that wait for accept()."""
        self.creds = self.peer_creds = NOBODY
        self.embryo = False
        """Nobody has accepted it."""
        net.add(self)

    # ---- waiting ----------------------------------------------------------

    def sleep(
        self,
        what: str,
        ready: Callable[[], bool],
        flags: int,
        timeout: int | None,
        other: Socket | None = None,
    ) -> Blocking[None]:
        """Wait until it is ready, or another one; Errno EAGAIN when it must not, or too long."""
        if ready():
            return
        if flags & MSG_DONTWAIT or self.flags & O_NONBLOCK:
            self.wants_space = not self.has_room()
            raise Errno(errno.EAGAIN)
        sched = self.net.kernel.sched
        deadline = None if timeout is None else sched.deadline(timeout)
        queues = (self.queue,) if other is None else (self.queue, other.crowd)
        while not ready():
            if deadline is not None and sched.now >= deadline:
                raise Errno(errno.EAGAIN)
            try:
                yield Wait(f"{what} {self.name}", queues, ready, deadline)
            except Interrupted:
                if timeout is not None:
                    raise Errno(errno.EINTR) from None
                raise

    def take_error(self) -> int:
        """The pending error, which is told once (sock_error)."""
        error, self.error = self.error, 0
        return error

    def check_error(self) -> None:
        """Raise the pending error."""
        if self.error:
            raise Errno(self.take_error())

    # ---- receiving --------------------------------------------------------

    def available(self) -> int:
        """Bytes that can be received."""
        return sum(len(message.data) for message in self.messages)

    def check_receive(self) -> None:
        """Errno for a socket in no state to receive."""

    def look(self, count: int, flags: int, least: int = 0) -> Blocking[Received]:
        """Wait for something to receive; it stays until consume() is called.

        Of a stream, up to count bytes that go together, at least so many if they come.
        """
        self.check_receive()
        low = max(self.options.get((SOL_SOCKET, SO_RCVLOWAT), 1), 1)
        wanted = least or max(min(low, count), 1)

        def ready() -> bool:
            if self.error or self.shut & SHUT_RD:
                return True
            return bool(self.messages) if self.record else self.available() >= wanted

        yield from self.sleep("data at", ready, flags, self.receive_timeout)
        if self.record:
            self.check_error()
        if not self.messages:
            self.check_error()
            if self.kind == SOCK_DGRAM and (flags & MSG_DONTWAIT or self.flags & O_NONBLOCK):
                raise Errno(errno.EAGAIN)
            return Received(b"", last=True)
        return self._look_record(count) if self.record else self._look_stream(count)

    def _look_record(self, count: int) -> Received:
        message = self.messages[0]
        return Received(
            bytes(message.data[:count]), len(message.data), message.control, message.address, True
        )

    def separate(self, first: Message, other: Message) -> bool:
        """Whether two messages are not to be received by one call."""
        return bool(first.control.files or other.control.files)

    def _look_stream(self, count: int) -> Received:
        first, pieces, last = self.messages[0], [], False
        for message in self.messages:
            if message is not first and self.separate(first, message):
                last = True
                break
            pieces.append(bytes(message.data[:count]))
            count -= len(pieces[-1])
            if not count:
                break
        data = b"".join(pieces)
        last = last or bool(first.control.files)
        return Received(data, len(data), first.control, first.address, last)

    def consume(self, count: int) -> None:
        """So many bytes have been received, or the first message."""
        if self.record:
            self.drop()
            return
        while count:
            message = self.messages[0]
            piece = min(count, len(message.data))
            count -= piece
            if piece == len(message.data):
                self.drop()
                continue
            self.net.kernel.hold.uncharge(piece)
            del message.data[:piece]
            if message.control.files:
                self.net.landed(message.control.files)
                message.control = message.control._replace(files=())
            if self.merges:
                message.size -= piece
                message.sender.wmem -= piece
                message.sender.wrote()

    def drop(self) -> None:
        """The first message goes (kfree_skb)."""
        message = self.messages.popleft()
        self.net.kernel.hold.uncharge(message.held)
        message.sender.wmem -= message.size
        if message.control.files:
            self.net.landed(message.control.files)
        message.sender.wrote()

    def wrote(self) -> None:
        """There is more room for what it sends (sock_def_write_space)."""
        if self.has_room():
            self.queue.wake_up(POLLOUT)

    def deliver(self, message: Message) -> None:
        """A message arrives; Errno ENOBUFS."""
        hold, last = self.net.kernel.hold, self.messages[-1] if self.messages else None
        if (
            last is not None
            and self.merges
            and last.sender is message.sender
            and last.control == message.control
            and not message.control.files
        ):
            if not hold.try_charge(len(message.data)):
                raise Errno(errno.ENOBUFS)
            last.data += message.data
            last.size += len(message.data)
            last.sender.wmem += len(message.data)
        else:
            if not hold.try_charge(message.held):
                raise Errno(errno.ENOBUFS)
            message.sender.wmem += message.size
            self.messages.append(message)
            if message.control.files:
                self.net.flies(message.control.files)
        self.queue.wake_up(POLLIN)

    # ---- sending ----------------------------------------------------------

    def room_left(self) -> int:
        """Bytes that a stream can send now."""
        return max(0, self.sndbuf - self.wmem - 1)

    def has_room(self) -> bool:
        """poll() says POLLOUT (sock_writeable)."""
        return self.wmem * 2 < self.sndbuf

    def check_send(self, dest: bytes | None) -> Socket | None:
        """Whoever receives what a stream sends; Errno EPIPE, ENOTCONN, EISCONN."""
        raise NotImplementedError

    def send(
        self, data: bytes, flags: int, control: Control, dest: bytes | None, task: Task
    ) -> Blocking[int]:
        """Send; to whom it is connected unless there is an address.  How many bytes went."""
        raise NotImplementedError

    def send_stream(
        self, data: bytes, flags: int, control: Control, dest: bytes | None
    ) -> Blocking[int]:
        """Send bytes as there is room for them."""
        self.check_send(dest)
        done = 0

        def ready() -> bool:
            return bool(self.error or self.shut & SHUT_WR or self.room_left())

        while done < len(data):
            try:
                yield from self.sleep("room at", ready, flags, self.send_timeout)
                self.check_error()
                peer = self.check_send(dest)
                piece = data[done : done + min(self.room_left(), 32768)]
                if peer is None:
                    self.unheard()
                else:
                    peer.deliver(Message(self, piece, control, self.sender_address()))
            except Errno:
                if done:
                    return done
                raise
            control = control._replace(files=())
            done += len(piece)
        return done

    def unheard(self) -> None:
        """What it sent arrives nowhere."""

    # ---- addresses, overridden --------------------------------------------

    def told_address(self) -> bytes:
        """Its own address as struct sockaddr."""
        raise NotImplementedError

    def sender_address(self) -> bytes:
        """What recvfrom() tells of it."""
        return b""

    def most(self) -> int:
        """Bytes of a message at most."""
        raise NotImplementedError

    def peer_address(self) -> bytes:
        """That of the other side; Errno ENOTCONN."""
        raise NotImplementedError

    def accepted_from(self) -> bytes:
        """Whom accept() tells of: the other side, as it was when it came."""
        raise NotImplementedError

    def bind(self, address: bytes, task: Task) -> None:
        """Have an address."""
        raise NotImplementedError

    def connect(self, address: bytes, task: Task) -> Blocking[int]:
        """Be connected."""
        raise NotImplementedError

    def listen(self, backlog: int, task: Task) -> None:
        """Take connections."""
        raise NotImplementedError

    def shutdown(self, how: int) -> None:
        """Receive no more, or send no more: SHUT_RD, SHUT_WR."""
        raise NotImplementedError

    # ---- accepting --------------------------------------------------------

    def accept(self, flags: int) -> Blocking[Socket]:
        """Wait for a connection; Errno EOPNOTSUPP, EINVAL, EAGAIN."""
        if self.kind == SOCK_DGRAM:
            raise Errno(errno.EOPNOTSUPP)
        if self.state is not State.LISTEN:
            raise Errno(errno.EINVAL)

        def ready() -> bool:
            return bool(self.pending) or self.state is not State.LISTEN

        yield from self.sleep("a connection at", ready, 0, self.receive_timeout)
        if not self.pending:
            raise Errno(errno.EINVAL)
        return self.pending[0]

    def accepted(self) -> None:
        """The first connection has a descriptor."""
        made = self.pending.popleft()
        made.embryo = False
        self.let_in()

    def let_in(self) -> None:
        """There is room for another connection."""
        self.crowd.wake_up()

    # ---- as a file --------------------------------------------------------

    def read(self, count: int) -> Blocking[bytes]:
        """Receive, of a message what fits."""
        return (yield from self.look(count, 0)).data

    def take(self, count: int) -> int:
        """It has been stored; the rest of a message is lost."""
        if self.messages:
            self.consume(count)
        return count

    def write(self, data: bytes) -> Blocking[int]:
        """Send to whom it is connected."""
        task = self.net.kernel.current
        assert task is not None
        return (yield from self.send(data, 0, Control(self.net.creds(task)), None, task))

    def ioctl(self, task: Task, request: int, argument: int) -> int:
        """FIONREAD, SIOCOUTQ, what is asked of interfaces; Errno ENOTTY for all else."""
        if request == _FIONREAD:
            value = len(self.messages[0].data) if self.record and self.messages else 0
            value = value if self.record else self.available()
        elif request == _SIOCOUTQ:
            value = self.wmem
        else:
            interface.ioctl(task, self.family, request, argument)
            return 0
        write_struct(task.mm, argument, "i", value)
        return 0

    def stat(self) -> FileStat:
        """A socket."""
        return FileStat(stat.S_IFSOCK | 0o777, self.ino, uid=self.made_by[0], gid=self.made_by[1])

    def poll_shut(self) -> int:
        """What poll() tells of what is shut down, and of errors."""
        events = POLLERR if self.error else 0
        if self.shut & SHUT_RD:
            events |= POLLIN | POLLRDHUP
        if self.shut == SHUT_RD | SHUT_WR:
            events |= POLLHUP
        return events

    def poll(self) -> int:
        """POLLIN with something to receive, POLLOUT with room, POLLHUP when all is over."""
        events = self.poll_shut() | (POLLIN if self.messages or self.pending else 0)
        if self.kind != SOCK_DGRAM and self.state is State.CLOSE:
            events |= POLLHUP
        if self.has_room() and self.state is not State.LISTEN:
            events |= POLLOUT | POLLWRBAND
        return events

    def release(self) -> None:
        """Nobody has it any more (sock_release)."""
        while self.messages:
            self.drop()
        self.net.remove(self)
