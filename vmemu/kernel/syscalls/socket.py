"""Sockets: making them, their addresses, connections."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.wait import Blocking
from vmemu.kernel.syscalls.fd import install_new
from vmemu.kernel.syscalls.table import SYSCALLS, arguments, syscall
from vmemu.net.const import (
    AF_INET,
    AF_INET6,
    AF_MAX,
    AF_NETLINK,
    AF_UNIX,
    IPPROTO_IP,
    IPPROTO_TCP,
    IPPROTO_UDP,
    SOCK_DGRAM,
    SOCK_MAX,
    SOCK_RAW,
    SOCK_SEQPACKET,
    SOCK_STREAM,
)
from vmemu.net.inet import InetSocket
from vmemu.net.netlink import NetlinkSocket
from vmemu.net.socket import Socket
from vmemu.net.unix import UnixSocket
from vmemu.vfs.file import O_CLOEXEC, O_NONBLOCK

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

_STORAGE = 128
"""Bytes of struct sockaddr_storage."""


def socket_of(task: Task, fd: int) -> Socket:
    """The socket behind a descriptor; Errno EBADF, ENOTSOCK."""
    file = task.files.get(fd)
    if not isinstance(file, Socket):
        raise Errno(errno.ENOTSOCK)
    return file


def read_address(task: Task, pointer: int, length: int) -> bytes:
    """Read struct sockaddr (move_addr_to_kernel); Errno EINVAL, EFAULT."""
    if not 0 <= length <= _STORAGE:
        raise Errno(errno.EINVAL)
    return uaccess.read(task.mm, pointer, length) if length else b""


def tell_address(task: Task, address: bytes, pointer: int, length: int) -> None:
    """Store struct sockaddr as far as there is room, and its length; Errno EFAULT, EINVAL."""
    room = uaccess.read_struct(task.mm, length, "i")[0]
    if room < 0:
        raise Errno(errno.EINVAL)
    if address[:room]:
        uaccess.write(task.mm, pointer, address[:room])
    uaccess.write_struct(task.mm, length, "i", len(address))


def _make(task: Task, family: int, kind: int, protocol: int) -> Socket:
    """Errno EINVAL, EAFNOSUPPORT, ESOCKTNOSUPPORT, EPROTONOSUPPORT."""
    flags, kind = kind & ~0xF, kind & 0xF
    if flags & ~(O_CLOEXEC | O_NONBLOCK):
        raise Errno(errno.EINVAL)
    if not 0 <= family < AF_MAX:
        raise Errno(errno.EAFNOSUPPORT)
    if kind >= SOCK_MAX:
        raise Errno(errno.EINVAL)
    net, status = task.kernel.net, flags & O_NONBLOCK
    if family == AF_UNIX:
        if protocol not in (0, AF_UNIX):
            raise Errno(errno.EPROTONOSUPPORT)
        kind = SOCK_DGRAM if kind == SOCK_RAW else kind
        if kind not in (SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET):
            raise Errno(errno.ESOCKTNOSUPPORT)
        return UnixSocket(net, kind, 0, status)
    if family == AF_NETLINK:
        if kind not in (SOCK_RAW, SOCK_DGRAM):
            raise Errno(errno.ESOCKTNOSUPPORT)
        if protocol:  # all but NETLINK_ROUTE
            raise Errno(errno.EPROTONOSUPPORT)
        return NetlinkSocket(net, kind, 0, status)
    if family not in (AF_INET, AF_INET6):
        raise Errno(errno.EAFNOSUPPORT)
    own = {SOCK_STREAM: IPPROTO_TCP, SOCK_DGRAM: IPPROTO_UDP}.get(kind)
    if not 0 <= protocol < 256:
        raise Errno(errno.EINVAL)
    if own is None and kind != SOCK_RAW:
        raise Errno(errno.ESOCKTNOSUPPORT)
    if own is None or protocol not in (IPPROTO_IP, own):
        raise Errno(errno.EPROTONOSUPPORT)
    return InetSocket(net, family, kind, own, status)


@syscall(359, "int", "hex", "int", x64=41)
def sys_socket(task: Task, family: int, kind: int, protocol: int) -> int:
    """Make a socket."""
    return install_new(task, _make(task, family, kind, protocol), kind)


@syscall(360, "int", "hex", "int", "pipefd", x64=53)
def sys_socketpair(task: Task, family: int, kind: int, protocol: int, pointer: int) -> int:
    """Make two that are connected."""
    flags, files = kind & ~0xF, task.files
    if flags & ~(O_CLOEXEC | O_NONBLOCK):
        raise Errno(errno.EINVAL)
    limit = task.limits.nofile
    first = files.alloc(0, limit)
    second = files.alloc(first + 1, limit)
    uaccess.write_struct(task.mm, pointer, "2i", first, second)
    left = _make(task, family, kind, protocol)
    try:
        right = _make(task, family, kind, protocol)
    except Errno:
        left.release()
        raise
    if not isinstance(left, UnixSocket) or not isinstance(right, UnixSocket):
        left.release()
        right.release()
        raise Errno(errno.EOPNOTSUPP)
    left.pair(right, task)
    try:
        files.install(first, left, bool(flags & O_CLOEXEC))
    except Errno:
        right.release()
        raise
    try:
        files.install(second, right, bool(flags & O_CLOEXEC))
    except Errno:
        files.close(first)
        raise
    return 0


@syscall(361, "fd", "ptr", "int", x64=49)
def sys_bind(task: Task, fd: int, pointer: int, length: int) -> int:
    """Give a socket an address."""
    socket = socket_of(task, fd)
    socket.bind(read_address(task, pointer, length), task)
    return 0


@syscall(362, "fd", "ptr", "int", x64=42)
def sys_connect(task: Task, fd: int, pointer: int, length: int) -> Blocking[int]:
    """Connect to an address."""
    socket = socket_of(task, fd)
    address = read_address(task, pointer, length)
    return (yield from socket.connect(address, task))


@syscall(363, "fd", "int", x64=50)
def sys_listen(task: Task, fd: int, backlog: int) -> int:
    """Take connections."""
    socket_of(task, fd).listen(backlog, task)
    return 0


@syscall(None, "fd", "ptr", "ptr", x64=43)
def sys_accept(task: Task, fd: int, pointer: int, length: int) -> Blocking[int]:
    """Wait for a connection and give it a descriptor."""
    return (yield from sys_accept4(task, fd, pointer, length, 0))


@syscall(364, "fd", "ptr", "ptr", "hex", x64=288)
def sys_accept4(task: Task, fd: int, pointer: int, length: int, flags: int) -> Blocking[int]:
    """The same with SOCK_CLOEXEC and SOCK_NONBLOCK."""
    task.files.get(fd)
    if flags & ~(O_CLOEXEC | O_NONBLOCK):
        raise Errno(errno.EINVAL)
    task.files.alloc(0, task.limits.nofile)
    socket = socket_of(task, fd)
    made = yield from socket.accept(0)
    new = task.files.alloc(0, task.limits.nofile)
    socket.accepted()
    made.flags |= flags & O_NONBLOCK
    task.files.install(new, made, bool(flags & O_CLOEXEC))
    if pointer:
        try:
            tell_address(task, made.accepted_from(), pointer, length)
        except Errno:
            task.files.close(new)
            raise
    return new


@syscall(367, "fd", "ptr", "ptr", x64=51)
def sys_getsockname(task: Task, fd: int, pointer: int, length: int) -> int:
    """Its own address."""
    tell_address(task, socket_of(task, fd).told_address(), pointer, length)
    return 0


@syscall(368, "fd", "ptr", "ptr", x64=52)
def sys_getpeername(task: Task, fd: int, pointer: int, length: int) -> int:
    """The other side's address."""
    tell_address(task, socket_of(task, fd).peer_address(), pointer, length)
    return 0


@syscall(373, "fd", "int", x64=48)
def sys_shutdown(task: Task, fd: int, how: int) -> int:
    """Receive no more, send no more, or both."""
    socket = socket_of(task, fd)
    if not 0 <= how <= 2:
        raise Errno(errno.EINVAL)
    socket.shutdown(how + 1)
    return 0


_CALLS = (
    ("socket", 3), ("bind", 3), ("connect", 3), ("listen", 2), ("accept", 3), ("getsockname", 3),
    ("getpeername", 3), ("socketpair", 4), ("send", 4), ("recv", 4), ("sendto", 6),
    ("recvfrom", 6), ("shutdown", 2), ("setsockopt", 5), ("getsockopt", 5), ("sendmsg", 3),
    ("recvmsg", 3), ("accept4", 4), ("recvmmsg", 5), ("sendmmsg", 4),
)  # fmt: skip
"""Those of socketcall(), from 1 on, and how many arguments each takes."""
_OTHER_NAME = {"accept": "accept4", "send": "sendto", "recv": "recvfrom"}


@syscall(102, "int", "ptr")
def sys_socketcall(task: Task, call: int, pointer: int) -> int | Blocking[int]:
    """All calls of sockets, with their arguments in memory."""
    if not 1 <= call <= len(_CALLS):
        raise Errno(errno.EINVAL)
    name, count = _CALLS[call - 1]
    words = uaccess.read(task.mm, pointer, 4 * count)
    name = _OTHER_NAME.get(name, name)
    entry = next(entry for entry in SYSCALLS.values() if entry.name == name)
    args = arguments(32, entry.kinds)(words.ljust(4 * len(entry.kinds), b"\0"))
    result: int | Blocking[int] = entry.handler(task, *args)
    return result
