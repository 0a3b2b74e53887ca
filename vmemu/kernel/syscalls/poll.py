"""poll() and select(), with a mask of signals or without."""

from __future__ import annotations

import contextlib
import errno
import struct
from typing import TYPE_CHECKING, NamedTuple

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.hold import WAITER_BYTES
from vmemu.kernel.process.wait import (
    ERESTART_RESTARTBLOCK,
    ERESTARTNOHAND,
    NSEC_PER_SEC,
    Blocking,
    Interrupted,
    Wait,
    WaitQueue,
)
from vmemu.kernel.syscalls.table import s32, syscall
from vmemu.kernel.syscalls.time import read_timespec
from vmemu.vfs.file import (
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLNVAL,
    POLLOUT,
    POLLPRI,
    POLLRDBAND,
    POLLRDNORM,
    POLLWRBAND,
    POLLWRNORM,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vmemu.kernel.process.task import Task

_SIGSET_SIZE = 8
_POLLFD = struct.Struct("<iHH")
_SELECTED = (
    POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR,
    POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR,
    POLLPRI,
)
"""What select() calls readable, writable, and an exception."""
_FIRST_FDS = 64
"""A table of descriptors begins with so many (NR_OPEN_DEFAULT)."""


def with_mask(task: Task, pointer: int, size: int, call: Blocking[int]) -> Blocking[int]:
    """Make a call under another mask, which a signal's handler finds; NULL: one's own.

    Errno EINVAL, EFAULT.
    """
    if not pointer:
        return (yield from call)
    if size != _SIGSET_SIZE:
        raise Errno(errno.EINVAL)
    mask, state = uaccess.read_struct(task.mm, pointer, "Q")[0], task.signals
    own = state.blocked
    state.set_blocked(mask)
    try:
        result = yield from call
    except Errno as error:
        if isinstance(error, Interrupted) or error.errno == errno.EINTR:
            state.saved_mask = own  # it is restored when the handler's frame is made
        else:
            state.set_blocked(own)
        raise
    state.set_blocked(own)
    return result


def queues_of(task: Task, fds: Iterable[int]) -> tuple[WaitQueue, ...]:
    """The queues that wake those who wait for one of these descriptors."""
    queues = {}
    for fd in fds:
        entry = task.files.entries.get(fd)
        queue = entry.file.queue_for(task) if entry is not None else None
        if queue is not None:
            queues[id(queue)] = queue
    return tuple(queues.values())


def _until(
    task: Task, queues: tuple[WaitQueue, ...], ready: Callable[[], bool], deadline: int | None
) -> Blocking[None]:
    """Wait until something is ready, or the deadline; Errno ENOMEM, Interrupted."""
    sched = task.kernel.sched
    while not ready() and not (deadline is not None and sched.now >= deadline):
        with task.kernel.hold.holding(len(queues) * WAITER_BYTES):
            yield Wait("a descriptor to become ready", queues, ready, deadline)


def _poll_once(task: Task, fds: bytes) -> list[int]:
    """Give the revents of each struct pollfd."""
    result = []
    for fd, events, _ in _POLLFD.iter_unpack(fds):
        if fd < 0:
            result.append(0)
            continue
        entry = task.files.entries.get(fd)
        ready = POLLNVAL if entry is None else entry.file.polled(task)
        result.append(ready & (events | POLLERR | POLLHUP | POLLNVAL))
    return result


def _read_fds(task: Task, pointer: int, count: int) -> bytes:
    if count > task.limits.nofile:
        raise Errno(errno.EINVAL)
    return uaccess.read(task.mm, pointer, _POLLFD.size * count) if count else b""


def _poll(task: Task, pointer: int, fds: bytes, deadline: int | None) -> Blocking[int]:
    """Wait for a descriptor until the deadline."""
    queues = queues_of(task, (fd for fd, _, _ in _POLLFD.iter_unpack(fds)))
    yield from _until(task, queues, lambda: any(_poll_once(task, fds)), deadline)
    revents = _poll_once(task, fds)
    for index, events in enumerate(revents):
        uaccess.write_struct(task.mm, pointer + 8 * index + 6, "H", events)
    return sum(1 for events in revents if events)


def _poll_again(task: Task, pointer: int, fds: bytes, deadline: int | None) -> Blocking[int]:
    """The same; a signal without a handler only delays it."""
    try:
        return (yield from _poll(task, pointer, fds, deadline))
    except Interrupted:
        task.restart_block = lambda: _poll_again(task, pointer, fds, deadline)
        raise Interrupted(ERESTART_RESTARTBLOCK) from None


@syscall(168, "ptr", "uint", "int", x64=7)
def sys_poll(task: Task, pointer: int, count: int, timeout: int) -> Blocking[int]:
    """Wait until a descriptor is ready; timeout in milliseconds, negative = for ever."""
    fds, sched = _read_fds(task, pointer, count), task.kernel.sched
    deadline = sched.deadline(timeout * 1_000_000) if timeout >= 0 else None
    return (yield from _poll_again(task, pointer, fds, deadline))


class Timeout(NamedTuple):
    """How long a call waits, and where it tells what is left of that."""

    deadline: int | None
    pointer: int = 0
    layout: str = ""
    unit: int = 1
    """Nanoseconds that the second field counts by."""

    @staticmethod
    def timespec(task: Task, pointer: int, *, wide: bool) -> Timeout:
        """From a struct timespec; NULL: for ever.  Errno EFAULT, EINVAL."""
        if not pointer:
            return Timeout(None)
        deadline = task.kernel.sched.deadline(read_timespec(task, pointer, wide))
        return Timeout(deadline, pointer, "2Q" if wide else "2N")

    @staticmethod
    def timeval(task: Task, pointer: int) -> Timeout:
        """From a struct timeval, whose microseconds may be seconds; Errno EFAULT, EINVAL."""
        if not pointer:
            return Timeout(None)
        seconds, micro = uaccess.read_struct(task.mm, pointer, "2n")
        more, micro = divmod(micro, 1_000_000)
        seconds += more
        if seconds < 0 or more < 0:
            raise Errno(errno.EINVAL)
        deadline = task.kernel.sched.deadline(seconds * NSEC_PER_SEC + micro * 1000)
        return Timeout(deadline, pointer, "2N", 1000)

    def tell(self, task: Task) -> None:
        """Store what is left; where it cannot be stored nobody cares."""
        if self.deadline is None:
            return
        seconds, rest = divmod(max(self.deadline - task.kernel.sched.now, 0), NSEC_PER_SEC)
        with contextlib.suppress(Errno):
            uaccess.write_struct(task.mm, self.pointer, self.layout, seconds, rest // self.unit)


def _timed(task: Task, timeout: Timeout, call: Blocking[int]) -> Blocking[int]:
    """A call that tells what is left of its time, and is made again unless a handler ran.

    It tells nothing when the task ends in it: for want of memory, there may be none for that.
    """
    try:
        result = yield from call
    except Errno as error:
        timeout.tell(task)
        if isinstance(error, Interrupted):
            raise Interrupted(ERESTARTNOHAND) from None
        raise
    timeout.tell(task)
    return result


def _ppoll(
    task: Task, pointer: int, count: int, timespec: int, mask: int, size: int, *, wide: bool
) -> Blocking[int]:
    timeout = Timeout.timespec(task, timespec, wide=wide)

    def polled() -> Blocking[int]:
        fds = _read_fds(task, pointer, count)
        return (yield from _poll(task, pointer, fds, timeout.deadline))

    return (yield from with_mask(task, mask, size, _timed(task, timeout, polled())))


@syscall(309, "ptr", "uint", "timespec", "ptr", "size", x64=271)
def sys_ppoll(
    task: Task, pointer: int, count: int, timespec: int, mask: int, size: int
) -> Blocking[int]:
    """Like poll(), under a mask of signals."""
    return (yield from _ppoll(task, pointer, count, timespec, mask, size, wide=False))


@syscall(414, "ptr", "uint", "ptr", "ptr", "size")
def sys_ppoll_time64(
    task: Task, pointer: int, count: int, timespec: int, mask: int, size: int
) -> Blocking[int]:
    """The same with seconds of 64 bits."""
    return (yield from _ppoll(task, pointer, count, timespec, mask, size, wide=True))


class _Selected(NamedTuple):
    """The three sets of a select(), as numbers with a bit for each descriptor."""

    task: Task
    limit: int
    """Descriptors below this number."""
    sets: tuple[int, int, int]

    @staticmethod
    def read(task: Task, count: int, pointers: tuple[int, int, int]) -> _Selected:
        """Errno EINVAL, EFAULT, EBADF."""
        if count < 0:
            raise Errno(errno.EINVAL)
        entries, known = task.files.entries, _FIRST_FDS
        while entries and known <= max(entries):
            known *= 2
        count = min(count, known)
        size = _Selected.size(task, count)
        asked = (1 << count) - 1
        read, write, other = (
            int.from_bytes(uaccess.read(task.mm, pointer, size), "little") & asked
            if pointer and size
            else 0
            for pointer in pointers
        )
        found = _Selected(task, count, (read, write, other))
        if any(fd not in entries for fd in found.fds()):
            raise Errno(errno.EBADF)
        return found

    @staticmethod
    def size(task: Task, count: int) -> int:
        """Bytes of a set, which is of whole longs."""
        word = task.mm.core.word
        return -(-count // (8 * word)) * word

    def fds(self) -> list[int]:
        """The descriptors in any of the sets."""
        sets = self.sets[0] | self.sets[1] | self.sets[2]
        return [fd for fd in range(sets.bit_length()) if sets >> fd & 1]

    def ready(self) -> tuple[int, int, int]:
        """Of each set, those that are."""
        found = [0, 0, 0]
        for fd in self.fds():
            entry = self.task.files.entries.get(fd)
            events = POLLNVAL if entry is None else entry.file.polled(self.task)
            for index, wanted in enumerate(_SELECTED):
                if self.sets[index] >> fd & 1 and events & wanted:
                    found[index] |= 1 << fd
        return found[0], found[1], found[2]


def _select(
    task: Task, count: int, pointers: tuple[int, int, int], deadline: int | None
) -> Blocking[int]:
    selected = _Selected.read(task, count, pointers)
    queues = queues_of(task, selected.fds())
    yield from _until(task, queues, lambda: any(selected.ready()), deadline)
    found, size = selected.ready(), _Selected.size(task, selected.limit)
    for pointer, bits in zip(pointers, found, strict=True):
        if pointer:
            uaccess.write(task.mm, pointer, bits.to_bytes(size, "little"))
    return sum(bits.bit_count() for bits in found)


@syscall(142, "int", "ptr", "ptr", "ptr", "ptr", x64=23, name="_newselect", name64="select")
def sys_select(
    task: Task, count: int, read: int, write: int, other: int, timeval: int
) -> Blocking[int]:
    """Wait until a descriptor of a set is ready, and leave those in the sets."""
    timeout = Timeout.timeval(task, timeval)
    call = _select(task, count, (read, write, other), timeout.deadline)
    return (yield from _timed(task, timeout, call))


@syscall(82, "ptr", name="old_select")
def sys_old_select(task: Task, pointer: int) -> Blocking[int]:
    """The same with its arguments in memory."""
    count, *pointers = uaccess.read_struct(task.mm, pointer, "5I")
    return (yield from sys_select(task, s32(count), *pointers))


def _pselect(
    task: Task, count: int, pointers: tuple[int, int, int], timespec: int, sigset: int, wide: bool
) -> Blocking[int]:
    mask, size = uaccess.read_struct(task.mm, sigset, "2N") if sigset else (0, 0)
    timeout = Timeout.timespec(task, timespec, wide=wide)
    call = _timed(task, timeout, _select(task, count, pointers, timeout.deadline))
    return (yield from with_mask(task, mask, size, call))


@syscall(308, "int", "ptr", "ptr", "ptr", "timespec", "ptr", x64=270)
def sys_pselect6(
    task: Task, count: int, read: int, write: int, other: int, timespec: int, sigset: int
) -> Blocking[int]:
    """Like select(), under a mask of signals."""
    return (yield from _pselect(task, count, (read, write, other), timespec, sigset, False))


@syscall(413, "int", "ptr", "ptr", "ptr", "ptr", "ptr")
def sys_pselect6_time64(
    task: Task, count: int, read: int, write: int, other: int, timespec: int, sigset: int
) -> Blocking[int]:
    """The same with seconds of 64 bits."""
    return (yield from _pselect(task, count, (read, write, other), timespec, sigset, True))
