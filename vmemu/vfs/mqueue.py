"""Queues of messages of POSIX (ipc/mqueue.c): files of a file system of their own.

A queue gives out the message of the highest priority that has waited longest.  Who waits for a
message is given one by whoever sends it; who waits for room has it put in by whoever receives.
"""

from __future__ import annotations

import errno
import stat
from bisect import insort
from typing import TYPE_CHECKING, NamedTuple

from vmemu.errors import Errno, KernelBug
from vmemu.kernel.hold import MESSAGE_BYTES, NODE_BYTES
from vmemu.kernel.process.cred import Cap
from vmemu.kernel.process.wait import WaitQueue
from vmemu.vfs.file import O_ACCMODE, O_NONBLOCK, POLLIN, POLLOUT, File, FileStat
from vmemu.vfs.node import Directory, FsStat, Node, Services
from vmemu.vfs.tmpdir import TmpDirectory
from vmemu.vfs.tmpfs import TmpFs, TmpNode

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmemu.kernel.process.group import ThreadGroup

__all__ = ["HARD_MSGMAX", "HARD_MSGSIZEMAX", "Attributes", "MqFs", "MqNode", "Note", "QueueFile"]

HARD_MSGMAX, HARD_MSGSIZEMAX = 65536, 16 << 20
MQ_PRIO_MAX = 32768
_QUEUES, _MESSAGES, _MESSAGE_SIZE = 256, 10, 8192
_FILE_SIZE = 80
"""What stat() says: as many bytes as read() gives at most."""


class Message(NamedTuple):
    """A message, in the order in which messages leave their queue."""

    rank: int
    """The priority, negated."""
    number: int
    """How many came before."""
    data: bytes

    @property
    def held(self) -> int:
        """Bytes that the host holds for it."""
        return MESSAGE_BYTES + len(self.data)


class Attributes(NamedTuple):
    """How many messages a queue has room for, and of how many bytes each (struct mq_attr)."""

    messages: int
    size: int


class Note(NamedTuple):
    """Who is to be told of the first message, and how (mq_notify)."""

    owner: ThreadGroup
    kind: int
    signal: int
    tell: Callable[[bool], None]
    """Told whether there is a message; False: it will never be."""


class Waiter:
    """Who waits for a message, or with one for room (struct ext_wait_queue)."""

    __slots__ = ("done", "message", "queue")

    def __init__(self, message: Message | None = None) -> None:
        self.message = message
        self.done = False
        self.queue = WaitQueue()

    def finish(self, message: Message | None) -> None:
        """It has what it waited for."""
        self.message, self.done = message, True
        self.queue.wake_up()


class MqFs(TmpFs):
    """All queues of a machine, and their limits (struct ipc_namespace)."""

    name = "mqueue"
    kind = 0x19800202

    def __init__(self, services: Services, dev: int, bits: int) -> None:
        super().__init__(services, dev, 0o1777)
        self._word = bits // 8
        self.queues_max = _QUEUES
        self.msg_max = self.msg_default = _MESSAGES
        self.msgsize_max = self.msgsize_default = _MESSAGE_SIZE
        self.count = 0
        """Queues there are, also those without a name that somebody has open."""
        self.used: dict[int, int] = {}
        """Bytes of each user's queues, for RLIMIT_MSGQUEUE."""

    def make_root(self, mode: int) -> MqDirectory:
        """A directory of queues."""
        self.queues = MqDirectory(self, mode)
        return self.queues

    def statfs(self) -> FsStat:
        """There is nothing to tell."""
        return FsStat(self.kind)

    def cost(self, wanted: Attributes) -> int:
        """What counts for RLIMIT_MSGQUEUE: messages as long as they may be, and nodes."""
        each, node = 6 * self._word, 6 * self._word
        return wanted.messages * (wanted.size + each) + min(wanted.messages, MQ_PRIO_MAX) * node

    def check(self) -> None:
        """KernelBug unless what users have adds up, and nobody waits for what is there."""
        queues = [node for node in self.nodes.values() if isinstance(node, MqNode)]
        used = sum(self.cost(node.attributes) for node in queues)
        if (self.count, sum(self.used.values())) != (len(queues), used):
            raise KernelBug(f"{self.count} queues of messages are counted, {used} bytes")
        for node in queues:
            room = len(node.messages) < node.attributes.messages
            if (node.receivers and node.messages) or (node.senders and room):
                raise KernelBug(f"somebody waits for what is in the queue of messages {node.ino}")
            if len(node.messages) > node.attributes.messages:
                raise KernelBug(f"there are too many messages in the queue {node.ino}")

    def check_room(self, wanted: Attributes, limit: int, cap: bool, user: int) -> None:
        """Errno EINVAL, EOVERFLOW, EMFILE for a queue that cannot be (mqueue_get_inode)."""
        most = (HARD_MSGMAX, HARD_MSGSIZEMAX) if cap else (self.msg_max, self.msgsize_max)
        if not 0 < wanted.messages <= most[0] or not 0 < wanted.size <= most[1]:
            raise Errno(errno.EINVAL)
        if self.cost(wanted) >> 8 * self._word:
            raise Errno(errno.EOVERFLOW)
        if self.used.get(user, 0) + self.cost(wanted) > limit:
            raise Errno(errno.EMFILE)


class MqDirectory(TmpDirectory):
    """/dev/mqueue: nothing but queues, each with one name."""

    fs: MqFs

    def create(self, name: bytes, mode: int) -> Node:
        """Make a queue; Errno ENOSPC, EINVAL, EOVERFLOW, EMFILE (mqueue_create_attr)."""
        return self.make(name, mode, None, None)

    def make(self, name: bytes, mode: int, wanted: Attributes | None, limit: int | None) -> MqNode:
        """The same with attributes and RLIMIT_MSGQUEUE."""
        fs, cred = self.fs, self.fs.services.cred()
        cap = cred.capable(Cap.SYS_RESOURCE)
        if fs.count >= fs.queues_max and not cap:
            raise Errno(errno.ENOSPC)
        if wanted is None:
            wanted = Attributes(
                min(fs.msg_max, fs.msg_default), min(fs.msgsize_max, fs.msgsize_default)
            )
        fs.check_room(wanted, 1 << 64 if limit is None else limit, cap, cred.user.real)
        node = self._init(MqNode(fs, mode, wanted, cred.user.real))
        self.add(name, node)
        return node

    def unnamed(self, mode: int, *, linkable: bool) -> TmpNode:
        """There is no O_TMPFILE."""
        raise Errno(errno.EOPNOTSUPP)

    def mknod(self, name: bytes, mode: int, rdev: int) -> None:
        """Errno EPERM."""
        raise Errno(errno.EPERM)

    def mkdir(self, name: bytes, mode: int) -> None:
        """Errno EPERM."""
        raise Errno(errno.EPERM)

    def symlink(self, name: bytes, target: bytes) -> None:
        """Errno EPERM."""
        raise Errno(errno.EPERM)

    def hardlink(self, name: bytes, node: Node) -> None:
        """Errno EPERM."""
        raise Errno(errno.EPERM)

    def rename(self, name: bytes, other: Directory, new: bytes, *, exchange: bool) -> None:
        """Errno EPERM."""
        raise Errno(errno.EPERM)


class MqNode(TmpNode):
    """A queue (struct mqueue_inode_info)."""

    fs: MqFs

    def __init__(self, fs: MqFs, mode: int, attributes: Attributes, user: int) -> None:
        super().__init__(fs, stat.S_IFREG | mode & 0o7777)
        self.attributes = attributes
        self.user = user
        self.messages: list[Message] = []
        self.note: Note | None = None
        self.receivers: list[Waiter] = []
        self.senders: list[Waiter] = []
        self.polled = WaitQueue()
        self._sent = 0
        fs.count += 1
        fs.used[user] = fs.used.get(user, 0) + fs.cost(attributes)

    @property
    def held(self) -> int:
        """With its messages."""
        return NODE_BYTES + sum(message.held for message in self.messages)

    def stat(self) -> FileStat:
        """Its size is that of what read() gives."""
        return super().stat()._replace(size=_FILE_SIZE)

    def open(self, flags: int, name: str) -> File:
        """Open it."""
        return QueueFile(self, flags, name)

    def free(self) -> None:
        """It is gone, with its messages."""
        self.clear()
        self.fs.count -= 1
        self.fs.used[self.user] -= self.fs.cost(self.attributes)
        super().free()

    def clear(self) -> None:
        """Drop all messages."""
        self.fs.services.hold.uncharge(sum(message.held for message in self.messages))
        self.messages.clear()

    @property
    def full(self) -> bool:
        """There is no room."""
        return len(self.messages) >= self.attributes.messages

    def message(self, priority: int, data: bytes) -> Message:
        """Something to be sent, counted as held by the host; Errno ENOMEM."""
        made = Message(-priority, self._sent, data)
        self.fs.services.hold.charge(made.held)
        return made

    def put(self, message: Message) -> None:
        """Put a message in its place."""
        self._sent += 1
        insort(self.messages, message._replace(number=self._sent))

    def send(self, message: Message) -> None:
        """Give a message to whoever waits for one, or put it in and tell who wants to know."""
        self.changed(content=True)
        if self.receivers:
            self.fs.services.hold.uncharge(message.held)
            self.receivers.pop(0).finish(message)
            return
        self.put(message)
        self._notify()

    def _notify(self) -> None:
        """Tell of the first message, once (__do_notify)."""
        note = self.current_note()
        if note is not None and len(self.messages) == 1:
            self.note = None
            note.tell(True)
        self.polled.wake_up(POLLIN)

    def receive(self) -> Message:
        """Take the first message; who waits for room may send now (pipelined_receive)."""
        hold = self.fs.services.hold
        message = self.messages.pop(0)
        hold.uncharge(message.held)
        self.changed(content=True)
        if self.senders:
            sender = self.senders.pop(0)
            assert sender.message is not None
            hold.waiting -= sender.message.held  # now it is the queue's
            self.put(sender.message)
            sender.finish(None)
        else:
            self.polled.wake_up(POLLOUT)
        return message

    def current_note(self) -> Note | None:
        """Who is to be told, unless it has ended."""
        if self.note is not None and not self.note.owner.alive:
            self.note = None
        return self.note

    def forget(self, group: ThreadGroup) -> None:
        """A process need not be told any more (remove_notification)."""
        note = self.current_note()
        if note is not None and note.owner is group:
            self.note = None
            note.tell(False)
            self.polled.wake_up()


class QueueFile(File):
    """A descriptor of a queue."""

    pollable = flushes = True
    node: MqNode

    def __init__(self, node: MqNode, flags: int, name: str) -> None:
        super().__init__(flags & (O_ACCMODE | O_NONBLOCK), name)
        self.node = node
        self.queue = node.polled
        self.position = 0
        node.pin()

    def _text(self) -> bytes:
        """How much is in it, and who is to be told (mqueue_read_file)."""
        node, note = self.node, self.node.current_note()
        size = sum(len(message.data) for message in node.messages)
        kind, number, pid = (note.kind, note.signal, note.owner.tgid) if note else (0, 0, 0)
        line = f"QSIZE:{size:<10} NOTIFY:{kind:<5} SIGNO:{number:<5} NOTIFY_PID:{pid:<6}\n"
        return line.encode()

    def read(self, count: int) -> bytes:
        """Read what it tells of itself."""
        return self._text()[self.position : self.position + count]

    def take(self, count: int) -> int:
        """Move the position."""
        self.position += count
        return count

    def seek(self, offset: int, whence: int) -> int:
        """Move the position; Errno EINVAL."""
        place = {0: 0, 1: self.position, 2: _FILE_SIZE}.get(whence)
        if place is None or place + offset < 0:
            raise Errno(errno.EINVAL)
        self.position = place + offset
        return self.position

    def stat(self) -> FileStat:
        """Its queue's."""
        return self.node.stat()

    def poll(self) -> int:
        """POLLIN with a message, POLLOUT with room for one."""
        return (POLLIN if self.node.messages else 0) | (0 if self.node.full else POLLOUT)

    def flush(self) -> None:
        """A process closes a descriptor: it is not told any more (mqueue_flush_file)."""
        if self.node.note is not None and (closes := self.node.fs.services.jobs.closing):
            self.node.forget(closes)

    def release(self) -> None:
        """The last descriptor has gone."""
        self.node.unpin()
