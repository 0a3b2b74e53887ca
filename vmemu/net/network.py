"""All sockets of a machine: their names, their ports, and descriptors that are under way."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.hold import SOCKET_BYTES
from vmemu.net.message import Credentials
from vmemu.net.socket import Socket
from vmemu.vfs.file import put_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmemu.kernel.kernel import Kernel
    from vmemu.kernel.process.task import Task
    from vmemu.net.unix import UnixSocket
    from vmemu.vfs.file import File

__all__ = ["Network"]

FIRST_PORT, LAST_PORT = 32768, 60999
"""Ports for those who do not ask for one (ip_local_port_range)."""


class Network:
    """What sockets know of one another."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.sockets: dict[Socket, None] = {}
        """Those that exist, accepted or not, in the order of their making."""
        self.names: dict[object, UnixSocket] = {}
        """AF_UNIX sockets by abstract name, or by what their path stands for."""
        self.ports: dict[tuple[int, int], list[Socket]] = {}
        """Those of the internet by kind and port."""
        self.flying: dict[File, int] = {}
        """How often a file is in a message."""
        self._next_port = FIRST_PORT
        self._next_name = 0
        self._collecting = False

    def new_ino(self) -> int:
        """A number for a socket."""
        self.kernel.next_ino += 1
        return self.kernel.next_ino

    def current_owner(self) -> tuple[int, int]:
        """Whose user and group a new socket has."""
        task = self.kernel.current
        return (0, 0) if task is None else (task.cred.user.fs, task.cred.group.fs)

    def creds(self, task: Task) -> Credentials:
        """Who a task is that sends: its real ids (scm_set_cred)."""
        return Credentials(task.tgid, task.cred.user.real, task.cred.group.real)

    def peer_creds(self, task: Task) -> Credentials:
        """Who a task is that connects or listens: its effective ids (init_peercred)."""
        return Credentials(task.tgid, task.cred.user.effective, task.cred.group.effective)

    # ---- their lives ------------------------------------------------------

    def add(self, socket: Socket) -> None:
        """One more; Errno ENFILE, ENOBUFS if the host may hold no more."""
        self.kernel.hold.charge(SOCKET_BYTES)
        self.sockets[socket] = None

    def remove(self, socket: Socket) -> None:
        """It is gone."""
        if socket in self.sockets:
            del self.sockets[socket]
            self.kernel.hold.uncharge(SOCKET_BYTES)
        self.collect()

    @property
    def held(self) -> int:
        """Bytes that the host holds for sockets, recomputed, without their files."""
        return sum(
            SOCKET_BYTES + sum(message.held for message in socket.messages)
            for socket in self.sockets
        )

    # ---- descriptors under way --------------------------------------------

    def flies(self, files: Iterable[File]) -> None:
        """A message with these has been sent; Errno is not possible any more."""
        for file in files:
            file.count += 1
            self.flying[file] = self.flying.get(file, 0) + 1

    def landed(self, files: Iterable[File]) -> None:
        """It has been received, or is gone: they live on only where somebody has them."""
        for file in files:
            self.flying[file] -= 1
            if not self.flying[file]:
                del self.flying[file]
            put_file(self.kernel.hold, file)

    def collect(self) -> None:
        """Free sockets that are nowhere but in one another's messages (unix_gc)."""
        if self._collecting:
            return
        lost = {
            file: count
            for file, count in self.flying.items()
            if isinstance(file, Socket) and file.count == count
        }
        if not lost:
            return
        self._collecting = True
        try:
            for file in self._unreachable(lost):
                for each in (file, *file.pending):
                    while each.messages:
                        each.drop()
        finally:
            self._collecting = False

    def _unreachable(self, lost: dict[Socket, int]) -> list[Socket]:
        """Those of these that are only in the messages of one another."""
        left = dict(lost)
        for socket in lost:
            for inner in self._carried(socket):
                if inner in left:
                    left[inner] -= 1
        reached = [socket for socket, count in left.items() if count > 0]
        alive = set(reached)
        while reached:
            for inner in self._carried(reached.pop()):
                if inner in left and inner not in alive:
                    alive.add(inner)
                    reached.append(inner)
        return [socket for socket in lost if socket not in alive]

    @staticmethod
    def _carried(socket: Socket) -> list[Socket]:
        """Sockets in the messages for a socket, or for its connections that nobody accepted."""
        return [
            file
            for each in (socket, *socket.pending)
            for message in each.messages
            for file in message.control.files
            if isinstance(file, Socket)
        ]

    # ---- ports ------------------------------------------------------------

    def bound(self, kind: int, port: int) -> list[Socket]:
        """Who is at a port."""
        return self.ports.get((kind, port), [])

    def free_port(self, kind: int) -> int:
        """One that nobody has; Errno EADDRINUSE."""
        for _ in range(LAST_PORT - FIRST_PORT + 1):
            port = self._next_port
            self._next_port = FIRST_PORT if port == LAST_PORT else port + 1
            if not self.bound(kind, port):
                return port
        raise Errno(errno.EADDRINUSE)

    def take_port(self, socket: Socket, kind: int, port: int) -> None:
        """A socket has a port."""
        self.ports.setdefault((kind, port), []).append(socket)

    def leave_port(self, socket: Socket, kind: int, port: int) -> None:
        """And no longer."""
        there = self.ports.get((kind, port), [])
        if socket in there:
            there.remove(socket)
        if not there:
            self.ports.pop((kind, port), None)

    def free_name(self, kind: int) -> bytes:
        """An abstract name that nobody has (unix_autobind)."""
        while True:
            name = b"\0%05x" % (self._next_name & 0xFFFFF)
            self._next_name += 1
            if (kind, name) not in self.names:
                return name
