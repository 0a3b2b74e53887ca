"""AF_NETLINK: sockets that ask the kernel, and only about routes, links and addresses."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.process.wait import Blocking
from vmemu.net.const import AF_NETLINK, MESSAGE_OVERHEAD
from vmemu.net.message import Control, Credentials, Message
from vmemu.net.rtnetlink import answers
from vmemu.net.socket import Socket
from vmemu.vfs.file import POLLERR, POLLIN, POLLOUT, POLLWRBAND

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task
    from vmemu.net.network import Network

__all__ = ["NetlinkSocket"]

_ADDRESS = struct.Struct("<HHII")
"""struct sockaddr_nl: the family, nothing, the port, groups."""
_KERNEL = _ADDRESS.pack(AF_NETLINK, 0, 0, 0)
_FIRST_FREE = 0xFFFFF000
"""Ports of those whose process has its own number taken, downward (netlink_autobind)."""


class NetlinkSocket(Socket):
    """A socket of NETLINK_ROUTE."""

    family = AF_NETLINK

    def __init__(self, net: Network, kind: int, protocol: int, flags: int) -> None:
        super().__init__(net, kind, protocol, flags)
        self.portid = self.groups = 0

    # ---- addresses --------------------------------------------------------

    def _taken(self) -> set[int]:
        return {each.portid for each in self.net.sockets if isinstance(each, NetlinkSocket)}

    def _autobind(self, task: Task) -> None:
        portid, taken = task.tgid, self._taken()
        if portid in taken:
            portid = _FIRST_FREE
            while portid in taken:
                portid -= 1
        self.portid = portid

    def _parse(self, address: bytes) -> tuple[int, int]:
        """Port and groups; Errno EINVAL."""
        if len(address) < _ADDRESS.size:
            raise Errno(errno.EINVAL)
        family, _, portid, groups = _ADDRESS.unpack_from(address)
        if family != AF_NETLINK:
            raise Errno(errno.EINVAL)
        return portid, groups

    def bind(self, address: bytes, task: Task) -> None:
        """Have a port, the process's number if it is 0; Errno EINVAL, EADDRINUSE."""
        portid, groups = self._parse(address)
        if self.portid and portid != self.portid:
            raise Errno(errno.EINVAL)
        if not self.portid:
            if portid and portid in self._taken():
                raise Errno(errno.EADDRINUSE)
            if portid:
                self.portid = portid
            else:
                self._autobind(task)
        self.groups = groups

    def connect(self, address: bytes, task: Task) -> Blocking[int]:
        """To the kernel, or to nobody; Errno EINVAL, ECONNREFUSED for another process."""
        if len(address) < 2:
            raise Errno(errno.EINVAL)
        if address[:2] != b"\0\0":
            self._kernel(address)
            if not self.portid:
                self._autobind(task)
        yield from ()
        return 0

    def _kernel(self, address: bytes) -> None:
        """Nobody but the kernel is to be reached."""
        portid, _ = self._parse(address)
        if portid:
            raise Errno(errno.ECONNREFUSED)

    def told_address(self) -> bytes:
        """Its own."""
        return _ADDRESS.pack(AF_NETLINK, 0, self.portid, self.groups)

    def peer_address(self) -> bytes:
        """The kernel's."""
        return _KERNEL

    def most(self) -> int:
        """What fits into the buffer."""
        return self.sndbuf - 32

    # ---- requests ---------------------------------------------------------

    def send(
        self, data: bytes, flags: int, control: Control, dest: bytes | None, task: Task
    ) -> Blocking[int]:
        """Ask, and be answered at once."""
        if dest:
            self._kernel(dest)
        if not self.portid:
            self._autobind(task)
        for answer in answers(data, self.portid):
            self.tell(answer)
        yield from ()
        return len(data)

    def tell(self, answer: bytes) -> None:
        """An answer that finds no room is lost, and the next call is told (netlink_overrun)."""
        message = Message(self, answer, Control(Credentials(0, 0, 0)), _KERNEL)
        queued = sum(len(each.data) + MESSAGE_OVERHEAD for each in self.messages)
        if queued > self.rcvbuf:
            self.error = errno.ENOBUFS
            self.queue.wake_up(POLLERR)
            return
        message.size = 0  # it is the kernel's, not of what this socket sends
        self.deliver(message)

    # ---- what there is not ------------------------------------------------

    def listen(self, backlog: int, task: Task) -> None:
        """Errno EOPNOTSUPP."""
        raise Errno(errno.EOPNOTSUPP)

    def accept(self, flags: int) -> Blocking[Socket]:
        """Errno EOPNOTSUPP."""
        raise Errno(errno.EOPNOTSUPP)

    def shutdown(self, how: int) -> None:
        """Errno EOPNOTSUPP."""
        raise Errno(errno.EOPNOTSUPP)

    def poll(self) -> int:
        """It can always be asked."""
        events = self.poll_shut() | POLLOUT | POLLWRBAND
        return events | POLLIN if self.messages else events
