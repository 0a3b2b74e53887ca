"""futex()."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.process.futex import ANY, Key, Waiter
from vmemu.kernel.process.wait import Blocking, Interrupted, Wait
from vmemu.kernel.syscalls.table import s32, syscall
from vmemu.kernel.syscalls.time import clock_now, read_timespec

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

WAIT, WAKE = 0, 1
REQUEUE, CMP_REQUEUE = 3, 4
WAIT_BITSET, WAKE_BITSET = 9, 10
_PRIVATE, _CLOCK_REALTIME = 0x80, 0x100


def _key(task: Task, address: int) -> Key:
    """What a word is known by (get_futex_key); Errno EINVAL when odd, EFAULT."""
    if address & 3:
        raise Errno(errno.EINVAL)
    if address > task.kernel.core.task_size - 4:
        raise Errno(errno.EFAULT)
    return task.mm.kaddr, address


def _wait(task: Task, address: int, value: int, deadline: int | None, bits: int) -> Blocking[int]:
    """Sleep while nobody wakes the word (futex_wait); Errno EAGAIN if it has another value."""
    if not bits:
        raise Errno(errno.EINVAL)
    key = _key(task, address)
    if task.mm.read_u32(address) != value:
        raise Errno(errno.EAGAIN)
    kernel, waiter = task.kernel, Waiter(bits)
    kernel.futexes.add(key, waiter)
    try:
        while not waiter.woken:
            if deadline is not None and kernel.sched.now >= deadline:
                raise Errno(errno.ETIMEDOUT)
            yield Wait(
                f"the futex at {address:#x}", (waiter.queue,), lambda: waiter.woken, deadline
            )
    except Interrupted:
        raise Errno(errno.EINTR) from None
    finally:
        kernel.futexes.remove(waiter)
    return 0


def _deadline(task: Task, operation: int, pointer: int, wide: bool) -> int | None:
    """When a wait ends: so long from now, or for WAIT_BITSET at a time of a clock."""
    if not pointer:
        return None
    length = read_timespec(task, pointer, wide)
    if operation & 0x7F == WAIT_BITSET:
        length -= clock_now(task, 0 if operation & _CLOCK_REALTIME else 1)
    return task.kernel.sched.deadline(length)


def _futex(
    task: Task,
    address: int,
    operation: int,
    value: int,
    timeout: int,
    second: int,
    last: int,
    *,
    wide: bool,
) -> int | Blocking[int]:
    command = operation & ~(_PRIVATE | _CLOCK_REALTIME)
    if operation & _CLOCK_REALTIME and command != WAIT_BITSET:
        raise Errno(errno.ENOSYS)
    futexes = task.kernel.futexes
    if command in (WAIT, WAIT_BITSET):
        deadline = _deadline(task, operation, timeout, wide)
        return _wait(task, address, value, deadline, last if command == WAIT_BITSET else ANY)
    if command in (WAKE, WAKE_BITSET):
        bits = last if command == WAKE_BITSET else ANY
        if not bits:
            raise Errno(errno.EINVAL)
        return futexes.wake(_key(task, address), s32(value), bits)
    if command in (REQUEUE, CMP_REQUEUE):
        if s32(value) < 0 or s32(timeout) < 0:
            raise Errno(errno.EINVAL)
        key, target = _key(task, address), _key(task, second)
        if command == CMP_REQUEUE and task.mm.read_u32(address) != last:
            raise Errno(errno.EAGAIN)
        return futexes.requeue(key, value, timeout, target)
    raise Errno(errno.ENOSYS)


@syscall(240, "ptr", "uint", "uint", "ptr", "ptr", "uint", x64=202)
def sys_futex(
    task: Task, address: int, operation: int, value: int, timeout: int, second: int, last: int
) -> int | Blocking[int]:
    """Sleep on a word of memory and wake those who do: WAIT, WAKE, REQUEUE, the bit sets."""
    return _futex(task, address, operation, value, timeout, second, last, wide=False)


@syscall(422, "ptr", "uint", "uint", "ptr", "ptr", "uint")
def sys_futex_time64(
    task: Task, address: int, operation: int, value: int, timeout: int, second: int, last: int
) -> int | Blocking[int]:
    """The same with seconds of 64 bits."""
    return _futex(task, address, operation, value, timeout, second, last, wide=True)
