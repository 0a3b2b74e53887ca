"""System calls of POSIX's queues of messages."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.process.wait import Blocking, Deadline, MayBlock, wait_until
from vmemu.kernel.signal.state import NSIG, SI_MESGQ, SigInfo, send_group_signal
from vmemu.kernel.syscalls.table import syscall
from vmemu.kernel.syscalls.time import read_timespec, time_of
from vmemu.vfs.file import O_ACCMODE, O_CREAT, O_EXCL, O_NONBLOCK
from vmemu.vfs.mqueue import MQ_PRIO_MAX, Attributes, Message, MqNode, Note, QueueFile, Waiter
from vmemu.vfs.node import NAME_MAX
from vmemu.vfs.permission import MAY_EXEC, MAY_READ, MAY_WRITE, may_create, may_delete, permission

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmemu.kernel.process.task import Task
    from vmemu.vfs.mqueue import MqDirectory
    from vmemu.vfs.node import Node

_ATTR = "8n"
"""struct mq_attr: flags, messages, size of each, how many there are, nothing."""
_SIGEVENT = "N2i"
_SIGEV_SIGNAL, _SIGEV_NONE, _SIGEV_THREAD = range(3)
_ACCESS = (MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE)
_COOKIE = 32
"""Bytes that a socket is sent for SIGEV_THREAD; the last says which news it is."""
_WOKENUP, _REMOVED = 1, 2


def _directory(task: Task) -> MqDirectory:
    return task.kernel.world.mqueues.queues


def _lookup(task: Task, name: bytes) -> Node | None:
    """What has a name, without a slash before it (lookup_one_len); Errno EACCES, ENAMETOOLONG."""
    if name in (b".", b"..") or b"/" in name:
        raise Errno(errno.EACCES)
    permission(_directory(task), MAY_EXEC, task.cred)
    if len(name) > NAME_MAX:
        raise Errno(errno.ENAMETOOLONG)
    try:
        return _directory(task).lookup(name)
    except Errno:
        return None


@syscall(277, "str", "openfl", "oct", "ptr", x64=240)
def sys_mq_open(task: Task, pointer: int, flags: int, mode: int, attributes: int) -> int:
    """Open a queue, or make one.

    Errno EFAULT, ENOENT, ENAMETOOLONG, EMFILE, EACCES, EEXIST, EINVAL, ENOSPC, EOVERFLOW, ENFILE.
    """
    wanted = None
    if attributes:
        words = uaccess.read_struct(task.mm, attributes, _ATTR)
        wanted = Attributes(words[1], words[2])
    name = uaccess.read_path(task.mm, pointer)
    fd = task.files.alloc(0, task.limits.nofile)
    node = _lookup(task, name)
    if node is None:
        if not flags & O_CREAT:
            raise Errno(errno.ENOENT)
        may_create(_directory(task), task.cred)
        masked = mode & ~task.fs.umask & 0o7777
        node = _directory(task).make(name, masked, wanted, task.limits.msgqueue)
    else:
        if flags & O_CREAT and flags & O_EXCL:
            raise Errno(errno.EEXIST)
        if flags & O_ACCMODE == O_ACCMODE:
            raise Errno(errno.EINVAL)
        permission(node, _ACCESS[flags & O_ACCMODE], task.cred)
    file = node.open(flags & (O_ACCMODE | O_NONBLOCK), "/" + name.decode(errors="surrogateescape"))
    return task.files.install(fd, file, True)


@syscall(278, "str", x64=241)
def sys_mq_unlink(task: Task, pointer: int) -> int:
    """Take a queue's name away; Errno EFAULT, ENOENT, ENAMETOOLONG, EACCES, EPERM."""
    name = uaccess.read_path(task.mm, pointer)
    node = _lookup(task, name)
    if node is None:
        raise Errno(errno.ENOENT)
    may_delete(_directory(task), node, task.cred)
    _directory(task).unlink(name)
    return 0


def _file(task: Task, fd: int) -> QueueFile:
    """An open queue; Errno EBADF."""
    file = task.files.get(fd)
    if not isinstance(file, QueueFile):
        raise Errno(errno.EBADF)
    return file


def _deadline(task: Task, pointer: int, wide: bool) -> Deadline | None:
    """When a wait ends, by the clock on the wall; Errno EFAULT, EINVAL."""
    if not pointer:
        return None
    return time_of(task, 0, read_timespec(task, pointer, wide))


def _sleep(task: Task, waiter: Waiter, what: str, deadline: Deadline | None) -> Blocking[None]:
    """Until somebody has done what is waited for (wq_sleep); Errno ETIMEDOUT."""
    while not waiter.done:
        if Deadline.passed(deadline, task.kernel.sched):
            raise Errno(errno.ETIMEDOUT)
        yield wait_until(deadline, what, (waiter.queue,), lambda: waiter.done)


def _send(
    task: Task, fd: int, pointer: int, size: int, priority: int, timeout: int, *, wide: bool
) -> MayBlock[int]:
    deadline = _deadline(task, timeout, wide)
    if priority >= MQ_PRIO_MAX:
        raise Errno(errno.EINVAL)
    file = _file(task, fd)
    if not file.writable:
        raise Errno(errno.EBADF)
    if size > file.node.attributes.size:
        raise Errno(errno.EMSGSIZE)
    message = file.node.message(priority, uaccess.read(task.mm, pointer, size))
    if not file.node.full:
        file.node.send(message)
        return 0
    if file.flags & O_NONBLOCK:
        task.kernel.hold.uncharge(message.held)
        raise Errno(errno.EAGAIN)
    return _send_later(task, file.node, message, deadline)


def _send_later(
    task: Task, node: MqNode, message: Message, deadline: Deadline | None
) -> Blocking[int]:
    """Wait until somebody makes room and puts the message in; a signal lets it be sent again."""
    waiter, hold = Waiter(message), task.kernel.hold
    hold.waiting += message.held
    node.senders.append(waiter)
    node.pin()
    try:
        yield from _sleep(task, waiter, "room in a queue of messages", deadline)
    finally:
        if not waiter.done:
            node.senders.remove(waiter)
            hold.waiting -= message.held
            hold.uncharge(message.held)
        node.unpin()
    return 0


@syscall(279, "fd", "buf", "size", "uint", "timespec", x64=242)
def sys_mq_timedsend(
    task: Task, fd: int, pointer: int, size: int, priority: int, timeout: int
) -> MayBlock[int]:
    """Send a message, once there is room, until a time of the clock.

    Errno EFAULT, EINVAL, EBADF, EMSGSIZE, ENOMEM, EAGAIN, ETIMEDOUT, EINTR.
    """
    return _send(task, fd, pointer, size, priority, timeout, wide=False)


@syscall(418, "fd", "buf", "size", "uint", "ptr")
def sys_mq_timedsend_time64(
    task: Task, fd: int, pointer: int, size: int, priority: int, timeout: int
) -> MayBlock[int]:
    """The same with seconds of 64 bits."""
    return _send(task, fd, pointer, size, priority, timeout, wide=True)


def _receive(
    task: Task, fd: int, pointer: int, size: int, priority: int, timeout: int, *, wide: bool
) -> MayBlock[int]:
    deadline = _deadline(task, timeout, wide)
    file = _file(task, fd)
    if not file.readable:
        raise Errno(errno.EBADF)
    if size < file.node.attributes.size:
        raise Errno(errno.EMSGSIZE)
    if file.node.messages:
        return _store(task, file.node.receive(), pointer, priority)
    if file.flags & O_NONBLOCK:
        raise Errno(errno.EAGAIN)
    return _receive_later(task, file.node, pointer, priority, deadline)


def _receive_later(
    task: Task, node: MqNode, pointer: int, priority: int, deadline: Deadline | None
) -> Blocking[int]:
    """Wait until somebody sends something."""
    waiter = Waiter()
    node.receivers.append(waiter)
    node.pin()
    try:
        yield from _sleep(task, waiter, "a message in a queue", deadline)
    finally:
        if not waiter.done:
            node.receivers.remove(waiter)
        node.unpin()
    assert waiter.message is not None
    return _store(task, waiter.message, pointer, priority)


def _store(task: Task, message: Message, pointer: int, priority: int) -> int:
    """Give a message to the program; one that cannot be put down is lost."""
    if priority:
        uaccess.write_struct(task.mm, priority, "I", -message.rank)
    uaccess.write(task.mm, pointer, message.data)
    return len(message.data)


@syscall(280, "fd", "rbuf", "size", "ptr", "timespec", x64=243)
def sys_mq_timedreceive(
    task: Task, fd: int, pointer: int, size: int, priority: int, timeout: int
) -> MayBlock[int]:
    """Receive the oldest message of the highest priority, until a time of the clock.

    Errno EFAULT, EINVAL, EBADF, EMSGSIZE, EAGAIN, ETIMEDOUT, EINTR.
    """
    return _receive(task, fd, pointer, size, priority, timeout, wide=False)


@syscall(419, "fd", "rbuf", "size", "ptr", "ptr")
def sys_mq_timedreceive_time64(
    task: Task, fd: int, pointer: int, size: int, priority: int, timeout: int
) -> MayBlock[int]:
    """The same with seconds of 64 bits."""
    return _receive(task, fd, pointer, size, priority, timeout, wide=True)


def _teller(task: Task, kind: int, number: int, value: int) -> tuple[int, Callable[[bool], None]]:
    """The signal that is told, and what tells; Errno EINVAL, EFAULT, EBADF, ENOTSOCK."""
    kernel, group = task.kernel, task.group
    if kind == _SIGEV_SIGNAL:
        if not 0 <= number <= NSIG:
            raise Errno(errno.EINVAL)

        def signal(there: bool) -> None:
            sender = kernel.current
            if there and number and sender is not None:
                pid, uid = sender.tgid, sender.cred.user.real
                send_group_signal(group, SigInfo(number, SI_MESGQ, pid, uid, value=value))

        return number, signal
    if kind == _SIGEV_NONE:
        return 0, lambda there: None
    if kind != _SIGEV_THREAD:
        raise Errno(errno.EINVAL)
    from vmemu.net.netlink import NetlinkSocket
    from vmemu.net.socket import Socket

    cookie = uaccess.read(task.mm, value, _COOKIE)
    socket = task.files.get(number)
    if not isinstance(socket, NetlinkSocket):
        raise Errno(errno.EINVAL if isinstance(socket, Socket) else errno.ENOTSOCK)

    def message(there: bool) -> None:
        if socket.count:
            socket.tell(cookie[:-1] + bytes([_WOKENUP if there else _REMOVED]))

    return 0, message


@syscall(281, "fd", "ptr", x64=244)
def sys_mq_notify(task: Task, fd: int, event: int) -> int:
    """Ask to be told when a message comes into the empty queue, once, or no longer.

    Errno EFAULT, EINVAL, EBADF, EBUSY.
    """
    if not event:
        _file(task, fd).node.forget(task.group)
        return 0
    value, number, kind = uaccess.read_struct(task.mm, event, _SIGEVENT)
    signal, tell = _teller(task, kind, number, value)
    node = _file(task, fd).node
    if node.current_note() is not None:
        raise Errno(errno.EBUSY)
    node.note = Note(task.group, kind, signal, tell)
    return 0


@syscall(282, "fd", "ptr", "ptr", x64=245)
def sys_mq_getsetattr(task: Task, fd: int, new: int, old: int) -> int:
    """Tell what a queue is like, and set O_NONBLOCK; Errno EFAULT, EINVAL, EBADF."""
    flags = uaccess.read_struct(task.mm, new, _ATTR)[0] if new else None
    if flags is not None and flags & ~O_NONBLOCK:
        raise Errno(errno.EINVAL)
    file = _file(task, fd)
    node, before = file.node, file.flags & O_NONBLOCK
    if flags is not None:
        file.flags = file.flags & ~O_NONBLOCK | flags
    if old:
        told = (before, *node.attributes, len(node.messages), 0, 0, 0, 0)
        uaccess.write_struct(task.mm, old, _ATTR, *told)
    return 0
