"""Sending to sockets and receiving from them."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING, NamedTuple

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.wait import Blocking
from vmemu.kernel.signal.state import SI_USER, SigInfo, Signal, send_signal
from vmemu.kernel.syscalls.fd import MAX_RW_COUNT, store_vector
from vmemu.kernel.syscalls.socket import read_address, socket_of, tell_address
from vmemu.kernel.syscalls.table import syscall
from vmemu.kernel.syscalls.time import read_timespec
from vmemu.net import ancillary, cmsg, scm
from vmemu.net.const import (
    AF_UNIX,
    MSG_CMSG_CLOEXEC,
    MSG_CTRUNC,
    MSG_DONTWAIT,
    MSG_ERRQUEUE,
    MSG_NOSIGNAL,
    MSG_OOB,
    MSG_PEEK,
    MSG_TRUNC,
    MSG_WAITALL,
    MSG_WAITFORONE,
    SCM_CREDENTIALS,
    SCM_RIGHTS,
    SO_PASSCRED,
    SOL_SOCKET,
)
from vmemu.net.message import Control, Received

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task
    from vmemu.net.socket import Socket
    from vmemu.vfs.file import File

_MOST_CONTROL = 131072
_MOST_AT_ONCE = 1024
_PIECE = 1 << 20
"""What a stream takes from memory, or gives to it, at a time."""
Pairs = list[tuple[int, int]]


class Header(NamedTuple):
    """struct msghdr."""

    name: int
    name_length: int
    pairs: Pairs
    control: int
    control_length: int
    at: int

    @staticmethod
    def read(task: Task, pointer: int) -> Header:
        """Errno EFAULT, EINVAL, EMSGSIZE."""
        layout = "QI4xQQQQI4x" if task.mm.core.bits == 64 else "7I"
        name, length, iov, count, control, control_length, _ = uaccess.read_struct(
            task.mm, pointer, layout
        )
        if name and length >> 31:
            raise Errno(errno.EINVAL)
        if count > uaccess.UIO_MAXIOV:
            raise Errno(errno.EMSGSIZE)
        pairs = uaccess.read_iovec(task.mm, iov, count)
        length = min(length, 128) if name else 0
        return Header(name, length, pairs, control, control_length, pointer)

    @property
    def total(self) -> int:
        """Bytes in all."""
        return min(sum(length for _, length in self.pairs), MAX_RW_COUNT)

    def tell(self, task: Task, name: bytes, control_length: int, flags: int) -> None:
        """Store what recvmsg() gives back; Errno EFAULT."""
        mm, wide = task.mm, task.mm.core.bits == 64
        if self.name:
            if name[: self.name_length]:
                uaccess.write(mm, self.name, name[: self.name_length])
            uaccess.write_struct(mm, self.at + mm.core.word, "I", len(name))
        uaccess.write_struct(mm, self.at + (48 if wide else 24), "I", flags)
        uaccess.write_struct(mm, self.at + (40 if wide else 20), "N", control_length)


# ---- sending --------------------------------------------------------------


def _gather(task: Task, pairs: Pairs, start: int, most: int) -> bytes:
    """Bytes of several buffers from a place on; Errno EFAULT."""
    pieces = []
    for base, length in pairs:
        if start >= length:
            start -= length
            continue
        piece = min(length - start, most)
        pieces.append(uaccess.read(task.mm, base + start, piece))
        start, most = 0, most - piece
        if not most:
            break
    return b"".join(pieces)


def _send(
    task: Task, socket: Socket, pairs: Pairs, flags: int, control: Control, dest: bytes | None
) -> Blocking[int]:
    if flags & MSG_OOB:
        raise Errno(errno.EOPNOTSUPP)
    total = min(sum(length for _, length in pairs), MAX_RW_COUNT)
    done = 0
    try:
        if socket.record and total > socket.most():
            raise Errno(errno.EMSGSIZE)
        while True:
            data = _gather(task, pairs, done, total if socket.record else _PIECE)
            sent = yield from socket.send(data, flags, control, dest, task)
            done += sent
            control = control._replace(files=())
            if sent < len(data) or done >= total:
                return done
    except Errno as error:
        if done:
            return done
        if error.errno == errno.EPIPE and socket.sigpipe and not flags & MSG_NOSIGNAL:
            send_signal(task, SigInfo(Signal.SIGPIPE, SI_USER, pid=task.tgid))
        raise


@syscall(369, "fd", "buf", "size", "hex", "ptr", "int", x64=44)
def sys_sendto(
    task: Task, fd: int, buf: int, count: int, flags: int, pointer: int, length: int
) -> Blocking[int]:
    """Send, to an address if there is one."""
    uaccess.access_ok(task.mm, buf, count)
    socket = socket_of(task, fd)
    dest = read_address(task, pointer, length) if pointer else None
    control = Control(task.kernel.net.creds(task))
    return (yield from _send(task, socket, [(buf, count)], flags, control, dest))


def _sendmsg(task: Task, socket: Socket, pointer: int, flags: int) -> Blocking[int]:
    header = Header.read(task, pointer)
    dest = read_address(task, header.name, header.name_length) if header.name_length else None
    control = Control(task.kernel.net.creds(task))
    if header.control_length:
        if header.control_length > _MOST_CONTROL:
            raise Errno(errno.ENOBUFS)
        data = uaccess.read(task.mm, header.control, header.control_length)
        control = scm.parse(task, socket, data)
    socket.net.flies(control.files)  # who closes them meanwhile does not release them
    try:
        return (yield from _send(task, socket, header.pairs, flags, control, dest))
    finally:
        socket.net.landed(control.files)


@syscall(370, "fd", "ptr", "hex", x64=46)
def sys_sendmsg(task: Task, fd: int, pointer: int, flags: int) -> Blocking[int]:
    """Send several buffers, with descriptors or credentials."""
    return (yield from _sendmsg(task, socket_of(task, fd), pointer, flags))


@syscall(345, "fd", "ptr", "uint", "hex", x64=307)
def sys_sendmmsg(task: Task, fd: int, pointer: int, count: int, flags: int) -> Blocking[int]:
    """Send several messages; an error counts where it is the first one's."""
    socket, done = socket_of(task, fd), 0
    each, at = (64, 56) if task.mm.core.bits == 64 else (32, 28)
    while done < min(count, _MOST_AT_ONCE):
        try:
            sent = yield from _sendmsg(task, socket, pointer + each * done, flags)
            uaccess.write_struct(task.mm, pointer + each * done + at, "I", sent)
        except Errno:
            if done:
                break
            raise
        done += 1
    return done


# ---- receiving ------------------------------------------------------------


class _Taken(NamedTuple):
    """What recvmsg() got."""

    size: int
    address: bytes = b""
    flags: int = 0
    control: Control | None = None


def _receive(task: Task, socket: Socket, pairs: Pairs, flags: int) -> Blocking[_Taken]:
    """Receive into several buffers; descriptors have been taken out of the message."""
    if flags & MSG_OOB:
        raise Errno(errno.EOPNOTSUPP if socket.family == AF_UNIX else errno.EINVAL)
    if flags & MSG_ERRQUEUE:
        raise Errno(errno.EAGAIN)
    total = min(sum(length for _, length in pairs), MAX_RW_COUNT)
    if socket.record:
        return (yield from _receive_record(task, socket, pairs, total, flags))
    done, first = 0, None
    while done < total or not total:
        try:
            least = total if flags & MSG_WAITALL and flags & MSG_PEEK else 0
            got = yield from socket.look(min(total - done, _PIECE), flags, least)
            stored = 0
            if got.data:
                stored = store_vector(task, _rest(pairs, done), got.data)
        except Errno:
            if done:
                break
            raise
        first = first or got
        if flags & MSG_PEEK or not total:
            return _Taken(stored, first.address, 0, _held(socket, first))
        control = _held(socket, got)
        if got.data:
            socket.consume(stored)
        done += stored
        if done > stored and control is not None:
            first = first._replace(control=control)
        if got.last or not flags & MSG_WAITALL or stored < len(got.data):
            break
    assert first is not None
    return _Taken(done, first.address, 0, first.control)


def _held(socket: Socket, got: Received) -> Control | None:
    """What goes with it, whose files somebody refers to until they are installed."""
    if got.control is not None and got.control.files:
        socket.net.flies(got.control.files)
    return got.control


def _receive_record(
    task: Task, socket: Socket, pairs: Pairs, total: int, flags: int
) -> Blocking[_Taken]:
    got = yield from socket.look(total, flags)
    if not socket.messages:
        return _Taken(0)
    stored = 0
    try:
        if got.data:
            stored = store_vector(task, pairs, got.data)
        if stored < len(got.data):
            raise Errno(errno.EFAULT)
    except Errno:
        if not flags & MSG_PEEK:
            socket.consume(0)
        raise
    control = _held(socket, got)
    if not flags & MSG_PEEK:
        socket.consume(0)
    told = MSG_TRUNC if got.full > len(got.data) else 0
    count = got.full if flags & MSG_TRUNC else len(got.data)
    return _Taken(count, got.address, told, control)


def _rest(pairs: Pairs, done: int) -> Pairs:
    """Buffers less what is filled."""
    left = []
    for base, length in pairs:
        skip = min(done, length)
        done -= skip
        if length > skip:
            left.append((base + skip, length - skip))
    return left


@syscall(371, "fd", "rbuf", "size", "hex", "ptr", "ptr", x64=45)
def sys_recvfrom(
    task: Task, fd: int, buf: int, count: int, flags: int, pointer: int, length: int
) -> Blocking[int]:
    """Receive, and tell from whom."""
    uaccess.access_ok(task.mm, buf, count)
    socket = socket_of(task, fd)
    taken = yield from _receive(task, socket, [(buf, count)], flags)
    _forget(socket, taken)
    if pointer:
        tell_address(task, _told(socket, taken), pointer, length)
    return taken.size


def _told(socket: Socket, taken: _Taken) -> bytes:
    """The address that is told: none of a stream of the internet."""
    return taken.address if socket.record or socket.family == AF_UNIX else b""


def _forget(socket: Socket, taken: _Taken) -> None:
    if taken.control is not None and taken.control.files:
        socket.net.landed(taken.control.files)


def _controls(
    task: Task, socket: Socket, taken: _Taken, room: int, cloexec: bool
) -> tuple[bytes, int]:
    """The struct cmsghdr that fit, and MSG_CTRUNC; descriptors are installed."""
    bits, data, flags, control = task.mm.core.bits, b"", 0, taken.control
    if control is None:
        return data, flags
    if socket.options.get((SOL_SOCKET, SO_PASSCRED)):
        data, flags = cmsg.put(bits, room, SOL_SOCKET, SCM_CREDENTIALS, control.creds.pack())
    if control.packet is not None:
        entries, told = ancillary.controls(socket, control.packet, bits, room - len(data))
        data, flags = data + entries, flags | told
    if control.files:
        room -= len(data)
        numbers = _install(task, control.files, max(0, room - cmsg.header(bits).size) // 4, cloexec)
        if len(numbers) < len(control.files):
            flags |= MSG_CTRUNC
        if numbers:
            body = struct.pack(f"<{len(numbers)}i", *numbers)
            data += cmsg.put(bits, room, SOL_SOCKET, SCM_RIGHTS, body)[0]
    return data, flags


def _install(task: Task, files: tuple[File, ...], most: int, cloexec: bool) -> list[int]:
    """Give so many of them descriptors, or as many as there are left for (scm_detach_fds)."""
    numbers: list[int] = []
    for file in files[:most]:
        try:
            fd = task.files.alloc(0, task.limits.nofile)
            numbers.append(task.files.install(fd, file, cloexec))
        except Errno:
            break
    return numbers


def _recvmsg(task: Task, socket: Socket, pointer: int, flags: int) -> Blocking[tuple[int, int]]:
    """How much was received, and the flags that were stored."""
    header = Header.read(task, pointer)
    taken = yield from _receive(task, socket, header.pairs, flags)
    room = header.control_length if header.control else 0
    data, truncated = _controls(task, socket, taken, room, bool(flags & MSG_CMSG_CLOEXEC))
    _forget(socket, taken)
    told = taken.flags | truncated | flags & MSG_CMSG_CLOEXEC
    if data:
        uaccess.write(task.mm, header.control, data)
    header.tell(task, _told(socket, taken), len(data), told)
    return taken.size, told


@syscall(372, "fd", "ptr", "hex", x64=47)
def sys_recvmsg(task: Task, fd: int, pointer: int, flags: int) -> Blocking[int]:
    """Receive into several buffers, with descriptors or credentials."""
    return (yield from _recvmsg(task, socket_of(task, fd), pointer, flags))[0]


def _recvmmsg(
    task: Task, fd: int, pointer: int, count: int, flags: int, timespec: int, *, wide: bool
) -> Blocking[int]:
    done, sched = 0, task.kernel.sched
    deadline = None
    if timespec:
        deadline = sched.deadline(read_timespec(task, timespec, wide))
    socket = socket_of(task, fd)
    socket.check_error()
    each, at = (64, 56) if task.mm.core.bits == 64 else (32, 28)
    while done < min(count, _MOST_AT_ONCE):
        try:
            here = pointer + each * done
            got, _ = yield from _recvmsg(task, socket, here, flags & ~MSG_WAITFORONE)
            uaccess.write_struct(task.mm, here + at, "I", got)
        except Errno:
            if done:
                break
            raise
        done += 1
        if flags & MSG_WAITFORONE:
            flags |= MSG_DONTWAIT
        if deadline is not None and sched.now >= deadline:
            break
    return done


@syscall(337, "fd", "ptr", "uint", "hex", "ptr", x64=299)
def sys_recvmmsg(
    task: Task, fd: int, pointer: int, count: int, flags: int, timespec: int
) -> Blocking[int]:
    """Receive several messages, until a time that is looked at after each."""
    return (yield from _recvmmsg(task, fd, pointer, count, flags, timespec, wide=False))


@syscall(417, "fd", "ptr", "uint", "hex", "ptr")
def sys_recvmmsg_time64(
    task: Task, fd: int, pointer: int, count: int, flags: int, timespec: int
) -> Blocking[int]:
    """The same with seconds of 64 bits."""
    return (yield from _recvmmsg(task, fd, pointer, count, flags, timespec, wide=True))
