"""futex(), and the lists of robust ones."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.hold import WAITER_BYTES
from vmemu.kernel.process.futex import ANY, Key, Waiter, futex_key
from vmemu.kernel.process.wait import (
    ERESTART_RESTARTBLOCK,
    Blocking,
    Deadline,
    Interrupted,
    wait_until,
)
from vmemu.kernel.syscalls.table import s32, syscall
from vmemu.kernel.syscalls.time import read_timespec, time_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmemu.kernel.process.task import Task

WAIT, WAKE = 0, 1
REQUEUE, CMP_REQUEUE, WAKE_OP = 3, 4, 5
WAIT_BITSET, WAKE_BITSET = 9, 10
_PRIVATE, _CLOCK_REALTIME = 0x80, 0x100


def _wait(task: Task, address: int, key: Key, value: int, bits: int) -> Blocking[int]:
    """Sleep for ever, or until a signal; with a handler that wants it, again (ERESTARTSYS)."""
    return (yield from _sleep(task, address, key, value, bits, None))


def _wait_until(
    task: Task, address: int, key: Key, value: int, bits: int, deadline: Deadline
) -> Blocking[int]:
    """Sleep until a deadline; what a signal interrupted goes on with the same one."""
    try:
        return (yield from _sleep(task, address, key, value, bits, deadline))
    except Interrupted:
        task.restart_block = lambda: _wait_until(task, address, key, value, bits, deadline)
        raise Interrupted(ERESTART_RESTARTBLOCK) from None


def _sleep(
    task: Task, address: int, key: Key, value: int, bits: int, deadline: Deadline | None
) -> Blocking[int]:
    """Sleep while nobody wakes the word (futex_wait); Errno EAGAIN if it has another value."""
    if uaccess.read_struct(task.mm, address, "I")[0] != value:
        raise Errno(errno.EAGAIN)
    kernel, waiter = task.kernel, Waiter(task, key, bits)
    kernel.futexes.add(waiter)
    try:
        while not waiter.woken:
            if Deadline.passed(deadline, kernel.sched):
                raise Errno(errno.ETIMEDOUT)
            what = f"the futex at {address:#x}"
            yield wait_until(deadline, what, (waiter.queue,), lambda: waiter.woken)
    finally:
        kernel.futexes.remove(waiter)
    return 0


def _deadline(task: Task, operation: int, pointer: int, wide: bool) -> Deadline | None:
    """When a wait ends: so long from now, or for WAIT_BITSET at a time of a clock."""
    if not pointer:
        return None
    length = read_timespec(task, pointer, wide)
    if operation & 0x7F == WAIT_BITSET:
        return time_of(task, 0 if operation & _CLOCK_REALTIME else 1, length)
    return Deadline(task.kernel.sched.deadline(length))


_OPERATIONS: tuple[Callable[[int, int], int], ...] = (
    lambda old, new: new,
    lambda old, new: old + new,
    lambda old, new: old | new,
    lambda old, new: old & ~new,
    lambda old, new: old ^ new,
)
_COMPARISONS: tuple[Callable[[int, int], bool], ...] = (
    lambda old, new: old == new,
    lambda old, new: old != new,
    lambda old, new: old < new,
    lambda old, new: old <= new,
    lambda old, new: old > new,
    lambda old, new: old >= new,
)


def _s12(value: int) -> int:
    """Twelve bits as a signed number."""
    return (value & 0xFFF ^ 0x800) - 0x800


def _wake_op(
    task: Task, key: Key, wake: int, address: int, other: Key, wake_other: int, code: int
) -> int:
    """Change the second word, wake the first and, if the second was so and so, it too.

    code has operation, comparison, and an operand of each (FUTEX_OP); ENOSYS for others.
    """
    operation, comparison = code >> 28 & 7, code >> 24 & 15
    operand = _s12(code >> 12)
    if code >> 31:  # FUTEX_OP_OPARG_SHIFT
        operand = 1 << (operand & 31)
    if operation >= len(_OPERATIONS):
        raise Errno(errno.ENOSYS)
    old = s32(uaccess.read_struct(task.mm, address, "I")[0])
    uaccess.write_struct(task.mm, address, "I", _OPERATIONS[operation](old, operand))
    if comparison >= len(_COMPARISONS):
        raise Errno(errno.ENOSYS)
    woken = task.kernel.futexes.wake(key, wake)
    if _COMPARISONS[comparison](old, _s12(code)):
        woken += task.kernel.futexes.wake(other, wake_other)
    return woken


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
    private = bool(operation & _PRIVATE)
    if operation & _CLOCK_REALTIME and command != WAIT_BITSET:
        raise Errno(errno.ENOSYS)
    futexes, bits = task.kernel.futexes, last if command in (WAIT_BITSET, WAKE_BITSET) else ANY
    if command in (WAIT, WAIT_BITSET):
        deadline = _deadline(task, operation, timeout, wide)
        if not bits:
            raise Errno(errno.EINVAL)
        key = futex_key(task.mm, address, private)
        if deadline is None:
            return _wait(task, address, key, value, bits)
        return _wait_until(task, address, key, value, bits, deadline)
    if command in (WAKE, WAKE_BITSET):
        if not bits:
            raise Errno(errno.EINVAL)
        return futexes.wake(futex_key(task.mm, address, private), s32(value), bits)
    if command in (REQUEUE, CMP_REQUEUE):
        if s32(value) < 0 or s32(timeout) < 0:
            raise Errno(errno.EINVAL)
        key, target = (futex_key(task.mm, at, private) for at in (address, second))
        if command == CMP_REQUEUE and uaccess.read_struct(task.mm, address, "I")[0] != last:
            raise Errno(errno.EAGAIN)
        return futexes.requeue(key, value, s32(timeout), target)
    if command == WAKE_OP:
        key, target = (futex_key(task.mm, at, private) for at in (address, second))
        return _wake_op(task, key, s32(value), second, target, s32(timeout), last)
    raise Errno(errno.ENOSYS)


@syscall(240, "ptr", "uint", "uint", "ptr", "ptr", "uint", x64=202)
def sys_futex(
    task: Task, address: int, operation: int, value: int, timeout: int, second: int, last: int
) -> int | Blocking[int]:
    """Sleep on a word of memory and wake those who do: WAIT, WAKE, REQUEUE, WAKE_OP, bit sets."""
    return _futex(task, address, operation, value, timeout, second, last, wide=False)


@syscall(422, "ptr", "uint", "uint", "ptr", "ptr", "uint")
def sys_futex_time64(
    task: Task, address: int, operation: int, value: int, timeout: int, second: int, last: int
) -> int | Blocking[int]:
    """The same with seconds of 64 bits."""
    return _futex(task, address, operation, value, timeout, second, last, wide=True)


_FUTEX_32 = 2
_WAITV_MAX = 128
_WAITV = struct.Struct("<2Q2I")
"""struct futex_waitv: value, address, flags, nothing."""


@syscall(449, "ptr", "uint", "hex", "ptr", "clock", x64=449)
def sys_futex_waitv(
    task: Task, pointer: int, count: int, flags: int, timeout: int, clock: int
) -> Blocking[int]:
    """Sleep on up to 128 words until one of them is woken; which (since 5.16).

    The timeout is a time of the clock, with 64 bits of seconds.  Errno EINVAL, EFAULT, EAGAIN when
    a word has another value, ETIMEDOUT, EINTR.
    """
    if flags or not 0 < count <= _WAITV_MAX or not pointer:
        raise Errno(errno.EINVAL)
    deadline = None
    if timeout:
        if clock not in (0, 1):
            raise Errno(errno.EINVAL)
        deadline = time_of(task, clock, read_timespec(task, timeout, True))
    wanted = []
    for at in range(pointer, pointer + count * _WAITV.size, _WAITV.size):
        value, address, kind, nothing = _WAITV.unpack(uaccess.read(task.mm, at, _WAITV.size))
        if kind & ~_PRIVATE != _FUTEX_32 or nothing or value >> 32:
            raise Errno(errno.EINVAL)
        wanted.append((value, address & task.kernel.core.mask, bool(kind & _PRIVATE)))
    keys = [futex_key(task.mm, address, private) for _, address, private in wanted]
    for value, address, _ in wanted:
        if uaccess.read_struct(task.mm, address, "I")[0] != value:
            raise Errno(errno.EAGAIN)
    return (yield from _sleep_on_all(task, [Waiter(task, key, ANY) for key in keys], deadline))


def _sleep_on_all(task: Task, waiters: list[Waiter], deadline: Deadline | None) -> Blocking[int]:
    """Sleep until one is woken (futex_wait_multiple): the last one that was."""
    kernel, queue = task.kernel, waiters[0].queue
    with kernel.hold.holding(len(waiters) * WAITER_BYTES):
        for waiter in waiters:
            waiter.queue = queue
            kernel.futexes.add(waiter)
        try:
            while not any(waiter.woken for waiter in waiters):
                if Deadline.passed(deadline, kernel.sched):
                    raise Errno(errno.ETIMEDOUT)
                ready = lambda: any(waiter.woken for waiter in waiters)  # noqa: E731
                yield wait_until(deadline, f"one of {len(waiters)} futexes", (queue,), ready)
        finally:
            for waiter in waiters:
                kernel.futexes.remove(waiter)
    return max(index for index, waiter in enumerate(waiters) if waiter.woken)


@syscall(311, "ptr", "size", x64=273)
def sys_set_robust_list(task: Task, head: int, length: int) -> int:
    """Say where the list of locks begins that are to be marked when the thread ends."""
    if length != 3 * task.kernel.core.word:
        raise Errno(errno.EINVAL)
    task.robust_list = head
    return 0


@syscall(312, "pid", "ptr", "ptr", x64=274)
def sys_get_robust_list(task: Task, tid: int, head: int, length: int) -> int:
    """Tell where a thread's list begins, and how long its head is."""
    target = task.kernel.tasks.get(tid) if tid else task
    if target is None:
        raise Errno(errno.ESRCH)
    uaccess.write_struct(task.mm, length, "N", 3 * task.kernel.core.word)
    uaccess.write_struct(task.mm, head, "N", target.robust_list)
    return 0
