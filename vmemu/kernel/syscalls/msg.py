"""System calls of System V's queues of messages."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.ipc.msg import Message, Receiver, Search
from vmemu.kernel.ipc.perm import IPC_NOWAIT, R_ALL, W_ALL
from vmemu.kernel.process.cred import Cap
from vmemu.kernel.process.wait import ERESTARTNOHAND, Blocking, Interrupted, Wait
from vmemu.kernel.syscalls.ipcperm import (
    IPC_INFO,
    IPC_RMID,
    IPC_SET,
    IPC_STAT,
    put_stat,
    read_stat,
    times,
)
from vmemu.kernel.syscalls.table import syscall

if TYPE_CHECKING:
    from vmemu.kernel.ipc.msg import MessageQueue
    from vmemu.kernel.process.task import Task

_NOERROR, _EXCEPT, _COPY = 0o10000, 0o20000, 0o40000
_MSG_STAT, _MSG_INFO, _MSG_STAT_ANY = 11, 12, 13
_REST = {32: "9N2i2N", 64: "6N2i2N"}
"""What follows the permissions in struct msqid64_ds."""
_OLD_REST = "II3iII3H2H2x"
"""And in struct msqid_ds."""
_MSGSSZ, _USHRT_MAX = 16, 0xFFFF


@syscall(399, "int", "oct", x64=68)
def sys_msgget(task: Task, key: int, flags: int) -> int:
    """Find or make a queue; its id."""
    return task.kernel.msg.msgget(key & 0xFFFFFFFF, flags, task.cred).id


@syscall(400, "int", "ptr", "size", "int", x64=69)
def sys_msgsnd(task: Task, number: int, pointer: int, size: int, flags: int) -> Blocking[int]:
    """Send a message, once there is room for it.

    Errno EFAULT, EINVAL, ENOMEM, EACCES, EAGAIN, EIDRM, EINTR.
    """
    kind = uaccess.read_struct(task.mm, pointer, "n")[0]
    msg = task.kernel.msg
    if size > msg.msgmax or number < 0 or kind < 1:
        raise Errno(errno.EINVAL)
    text = uaccess.read(task.mm, pointer + task.kernel.core.word, size)
    queue, message = msg.get(number), Message(kind, text)
    while True:
        queue.permit(W_ALL, task.cred)
        if queue.removed:
            raise Errno(errno.EIDRM)
        if queue.fits(size):
            break
        if flags & IPC_NOWAIT:
            raise Errno(errno.EAGAIN)
        with task.kernel.hold.holding(message.held):
            yield from _wait_for_room(queue, size)
    queue.send(message, task.tgid)
    return 0


def _wait_for_room(queue: MessageQueue, size: int) -> Blocking[None]:
    """Sleep until a message fits, or somebody sees to it that one may try again."""
    try:
        yield Wait(
            f"room in the queue of messages {queue.id}",
            (queue.senders,),
            lambda: queue.removed or queue.fits(size),
        )
    except Interrupted:
        raise Interrupted(ERESTARTNOHAND) from None


def _search(task: Task, kind: int, flags: int) -> tuple[Search, int]:
    """What is looked for, and the type or place (convert_mode)."""
    if flags & _COPY:
        return Search.NUMBER, kind
    if not kind:
        return Search.ANY, 0
    if kind < 0:
        return Search.LESSEQUAL, min(-kind, task.kernel.core.mask >> 1)
    return (Search.NOTEQUAL if flags & _EXCEPT else Search.EQUAL), kind


@syscall(401, "int", "ptr", "size", "long", "int", x64=70)
def sys_msgrcv(
    task: Task, number: int, pointer: int, size: int, kind: int, flags: int
) -> Blocking[int]:
    """Receive a message, or copy one; how many bytes it has.

    Errno EINVAL, EFAULT, EACCES, E2BIG, ENOMSG, EIDRM, EINTR.
    """
    msg, core = task.kernel.msg, task.kernel.core
    if number < 0 or size > core.mask >> 1:
        raise Errno(errno.EINVAL)
    copied = min(size, msg.msgmax)
    if flags & _COPY:
        if flags & _EXCEPT or not flags & IPC_NOWAIT:
            raise Errno(errno.EINVAL)
        uaccess.read(task.mm, pointer, copied)  # as today's kernel does, into the copy
    search, wanted = _search(task, kind, flags)
    queue = msg.get(number)
    while True:
        queue.permit(R_ALL, task.cred)
        if queue.removed:
            raise Errno(errno.EIDRM)
        place = queue.find(search, wanted)
        if place is not None:
            message = queue.messages[place]
            if size < len(message.text) and not flags & _NOERROR:
                raise Errno(errno.E2BIG)
            if flags & _COPY and copied < len(message.text):
                raise Errno(errno.EINVAL)
            if not flags & _COPY:
                queue.take(place, task.tgid)
            break
        if flags & IPC_NOWAIT:
            raise Errno(errno.ENOMSG)
        room = None if flags & _NOERROR else size
        receiver = Receiver(search, wanted, room, task.tgid)
        yield from _wait_for_message(queue, receiver)
        if receiver.got is not None:
            message = receiver.got
            break
        if receiver.status != errno.EAGAIN:
            raise Errno(receiver.status)
    text = message.text[:size]
    uaccess.write_struct(task.mm, pointer, "n", message.type)
    uaccess.write(task.mm, pointer + core.word, text)
    return len(text)


def _wait_for_message(queue: MessageQueue, receiver: Receiver) -> Blocking[None]:
    """Sleep until somebody gives one a message, or a reason to wake up."""
    queue.receivers.append(receiver)
    try:
        yield Wait(f"a message in the queue {queue.id}", (receiver.queue,), lambda: receiver.woken)
    except Interrupted:
        raise Interrupted(ERESTARTNOHAND) from None
    finally:
        if not receiver.woken:
            queue.receivers.remove(receiver)


@syscall(402, "int", "int", "ptr", x64=71)
def sys_msgctl(task: Task, number: int, command: int, pointer: int) -> int:
    """Ask, change or remove a queue, the structures those of IPC_64."""
    return msgctl(task, number, command, pointer, old=False)


def msgctl(task: Task, number: int, command: int, pointer: int, *, old: bool) -> int:
    """Ask, change or remove a queue; Errno EINVAL, EFAULT, EACCES, EPERM."""
    if number < 0 or command < 0:
        raise Errno(errno.EINVAL)
    msg = task.kernel.msg
    if command in (IPC_INFO, _MSG_INFO):
        return _put_limits(task, pointer, in_use=command == _MSG_INFO)
    if command in (IPC_STAT, _MSG_STAT, _MSG_STAT_ANY):
        by_index, anyone = command != IPC_STAT, command == _MSG_STAT_ANY
        queue = msg.told(number, task.cred, by_index=by_index, anyone=anyone)
        _put_queue(task, pointer, queue, old)
        return queue.id if by_index else 0
    if command == IPC_SET:
        _set(task, number, pointer, old)
    elif command == IPC_RMID:
        msg.destroy(msg.owned(number, task.cred))
    else:
        raise Errno(errno.EINVAL)
    return 0


def _set(task: Task, number: int, pointer: int, old: bool) -> None:
    """IPC_SET: owner, mode and room; who waits looks again whether it may and can."""
    msg = task.kernel.msg
    layout = _OLD_REST if old else _REST[task.kernel.abi.bits]
    told, rest = read_stat(task, pointer, layout, old=old)
    if old:
        size = rest[9] or rest[6]
    else:
        size = rest[8] if task.kernel.abi.bits == 32 else rest[5]
    queue = msg.owned(number, task.cred)
    if size > msg.msgmnb and not task.cred.capable(Cap.SYS_RESOURCE):
        raise Errno(errno.EPERM)
    queue.update_perm(told)
    queue.qbytes = size
    queue.ctime = msg.now
    queue.expunge(errno.EAGAIN)
    queue.senders.wake_up()


def _put_limits(task: Task, pointer: int, *, in_use: bool) -> int:
    """struct msginfo; the highest index in use."""
    msg = task.kernel.msg
    pool = msg.limit * msg.msgmnb // 1024
    used = (len(msg), msg.headers, msg.bytes) if in_use else (pool, msg.msgmnb, msg.msgmnb)
    uaccess.write_struct(
        task.mm, pointer, "7iH2x", used[0], used[1], msg.msgmax, msg.msgmnb, msg.limit, _MSGSSZ,
        used[2], _USHRT_MAX,
    )  # fmt: skip
    return msg.max_index


def _put_queue(task: Task, pointer: int, queue: MessageQueue, old: bool) -> None:
    """struct msqid64_ds, or struct msqid_ds."""
    stamps, pids = (queue.stime, queue.rtime, queue.ctime), (queue.lspid, queue.lrpid)
    sizes = (queue.cbytes, len(queue.messages), queue.qbytes)
    rest: tuple[int, ...]
    if old:
        short = tuple(min(each, _USHRT_MAX) for each in sizes)
        rest = (0, 0, *stamps, queue.cbytes, queue.qbytes, *short, *pids)
        put_stat(task, pointer, queue, queue.mode, _OLD_REST, rest, old=True)
        return
    rest = (*times(task, *stamps), *sizes, *pids, 0, 0)
    put_stat(task, pointer, queue, queue.mode, _REST[task.kernel.abi.bits], rest, old=False)
