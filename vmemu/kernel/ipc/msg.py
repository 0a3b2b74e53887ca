"""Queues of messages of System V (ipc/msg.c).

A message goes to the first receiver that waits for its kind, or else into the queue.  Whoever
finds no room sleeps until there is some, and tries again.
"""

from __future__ import annotations

import enum
import errno
from typing import TYPE_CHECKING, NamedTuple

from vmemu.errors import KernelBug
from vmemu.kernel.hold import MESSAGE_BYTES, NODE_BYTES
from vmemu.kernel.ipc.perm import Ids, Perm
from vmemu.kernel.process.wait import NSEC_PER_SEC, WaitQueue

if TYPE_CHECKING:
    from vmemu.kernel.kernel import Kernel
    from vmemu.kernel.process.cred import Cred

__all__ = ["Message", "MessageQueue", "MessageQueues", "Receiver", "Search"]

MSGMAX, MSGMNB, MSGMNI = 8192, 16384, 32000
"""Bytes of a message, of a queue; queues: the defaults since 3.19."""


class Message(NamedTuple):
    """struct msg_msg."""

    type: int
    text: bytes

    @property
    def held(self) -> int:
        """Bytes that the host holds for it."""
        return MESSAGE_BYTES + len(self.text)


class Search(enum.Enum):
    """Which messages a receiver wants (SEARCH_*)."""

    ANY = enum.auto()
    EQUAL = enum.auto()
    NOTEQUAL = enum.auto()
    LESSEQUAL = enum.auto()
    """The one of the lowest type, which is at most so high."""
    NUMBER = enum.auto()
    """The one of this place in the queue."""


class Receiver:
    """Somebody who waits for a message (struct msg_receiver)."""

    __slots__ = ("got", "pid", "queue", "room", "search", "status", "type")

    def __init__(self, search: Search, kind: int, room: int | None, pid: int) -> None:
        self.search = search
        self.type = kind
        self.room = room
        """Bytes that it has room for; None: it takes what fits of any message."""
        self.pid = pid
        self.got: Message | None = None
        self.status = 0
        """Errno that it is woken with: E2BIG, EIDRM, or EAGAIN to look again."""
        self.queue = WaitQueue()

    def wants(self, message: Message) -> bool:
        """It would take this one (testmsg)."""
        return (
            self.search in (Search.ANY, Search.NUMBER)
            or (self.search is Search.EQUAL and message.type == self.type)
            or (self.search is Search.NOTEQUAL and message.type != self.type)
            or (self.search is Search.LESSEQUAL and message.type <= self.type)
        )

    @property
    def woken(self) -> bool:
        """It need not wait any more."""
        return self.got is not None or self.status != 0

    def finish(self, status: int = 0, message: Message | None = None) -> None:
        """Wake it with a message or an errno."""
        self.got, self.status = message, status
        self.queue.wake_up()


class MessageQueue(Perm):
    """struct msg_queue: times in seconds, who sent and who received last."""

    def __init__(self, home: MessageQueues, key: int, mode: int, cred: Cred) -> None:
        super().__init__(key, mode, cred)
        self._home = home
        self.messages: list[Message] = []
        self.cbytes = 0
        """Bytes in it."""
        self.qbytes = home.msgmnb
        """Bytes, and messages, that it has room for."""
        self.stime = self.rtime = 0
        self.ctime = home.now
        self.lspid = self.lrpid = 0
        self.receivers: list[Receiver] = []
        """In the order of their coming."""
        self.senders = WaitQueue()
        self.removed = False

    def fits(self, size: int) -> bool:
        """There is room for one more message (msg_fits_inqueue)."""
        return self.cbytes + size <= self.qbytes and len(self.messages) < self.qbytes

    def send(self, message: Message, pid: int) -> None:
        """Give a message to whoever waits for it, or keep it; Errno ENOMEM."""
        self._home.charge(message)
        self.lspid, self.stime = pid, self._home.now
        for receiver in tuple(self.receivers):
            if not receiver.wants(message):
                continue
            self.receivers.remove(receiver)
            if receiver.room is not None and receiver.room < len(message.text):
                receiver.finish(errno.E2BIG)
                continue
            self._home.uncharge(message)
            self.lrpid, self.rtime = receiver.pid, self._home.now
            receiver.finish(message=message)
            return
        self.messages.append(message)
        self.cbytes += len(message.text)

    def find(self, search: Search, kind: int) -> int | None:
        """The place of the message that is wanted, or None (find_msg)."""
        messages = self.messages
        if search is Search.NUMBER:
            return kind if 0 <= kind < len(messages) else None
        wanted = Receiver(search, kind, None, 0).wants
        found = [place for place, message in enumerate(messages) if wanted(message)]
        if search is Search.LESSEQUAL:
            found.sort(key=lambda place: messages[place].type)
        return found[0] if found else None

    def take(self, place: int, pid: int) -> Message:
        """Take a message out of the queue; there may be room for a sender now."""
        message = self.messages.pop(place)
        self.cbytes -= len(message.text)
        self._home.uncharge(message)
        self.lrpid, self.rtime = pid, self._home.now
        self.senders.wake_up()
        return message

    def expunge(self, status: int) -> None:
        """Wake all who wait for a message (expunge_all)."""
        receivers, self.receivers = self.receivers, []
        for receiver in receivers:
            receiver.finish(status)


class MessageQueues(Ids[MessageQueue]):
    """All queues of a machine."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(MSGMNI)
        self._kernel = kernel
        self.msgmax, self.msgmnb = MSGMAX, MSGMNB
        """Bytes of a message; bytes that a new queue has room for."""

    @property
    def now(self) -> int:
        """Seconds since 1970, virtual."""
        return self._kernel.sched.realtime // NSEC_PER_SEC

    @property
    def bytes(self) -> int:
        """Bytes in all queues (msg_bytes)."""
        return sum(each.cbytes for each in self)

    @property
    def headers(self) -> int:
        """Messages in all queues (msg_hdrs)."""
        return sum(len(each.messages) for each in self)

    @property
    def held(self) -> int:
        """Bytes that the host holds for them, recomputed."""
        return sum(NODE_BYTES + sum(message.held for message in each.messages) for each in self)

    def charge(self, message: Message) -> None:
        """Count what a message holds; Errno ENOMEM."""
        self._kernel.hold.charge(message.held)

    def uncharge(self, message: Message) -> None:
        """It is in no queue any more."""
        self._kernel.hold.uncharge(message.held)

    def msgget(self, key: int, flags: int, cred: Cred) -> MessageQueue:
        """Find the queue of a key, or make one; Errno EEXIST, ENOENT, ENOSPC, ENOMEM, EACCES."""
        return self.open(key, flags, cred, lambda: self._make(key, flags, cred), lambda _: None)

    def _make(self, key: int, flags: int, cred: Cred) -> MessageQueue:
        """newque()."""
        self.check_room()
        self._kernel.hold.charge(NODE_BYTES)
        made = MessageQueue(self, key, flags & 0o777, cred)
        self.add(made)
        return made

    def destroy(self, queue: MessageQueue) -> None:
        """A queue goes with its messages; who waits there learns that (freeque)."""
        self.remove(queue)
        queue.removed = True
        for message in queue.messages:
            self.uncharge(message)
        queue.messages.clear()
        queue.cbytes = 0
        self._kernel.hold.uncharge(NODE_BYTES)
        queue.expunge(errno.EIDRM)
        queue.senders.wake_up()

    def check(self) -> None:
        """KernelBug unless bytes add up, and nobody waits for what is there."""
        for each in self:
            if each.cbytes != sum(len(message.text) for message in each.messages):
                raise KernelBug(f"queue {each.id} says that it holds {each.cbytes} bytes")
            for receiver in each.receivers:
                if receiver.woken or each.find(receiver.search, receiver.type) is not None:
                    raise KernelBug(f"somebody waits for a message that is in queue {each.id}")
