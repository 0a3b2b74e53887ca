"""signalfd: signals that are read from a file."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.process.wait import Blocking, Wait
from vmemu.vfs.eventfd import AnonFile
from vmemu.vfs.file import O_NONBLOCK, POLLIN

if TYPE_CHECKING:
    from vmemu.kernel.kernel import Kernel
    from vmemu.kernel.process.task import Task
    from vmemu.kernel.signal.state import SigInfo

__all__ = ["SignalFile"]

_SIZE = 128
_KILL_STOP = 1 << 8 | 1 << 18


def encode(info: SigInfo) -> bytes:
    """Lay out struct signalfd_siginfo."""
    data = bytearray(_SIZE)
    struct.pack_into("<I3iI", data, 0, info.signo, 0, info.code, info.pid, info.uid)
    numbers = (info.timer_id, 0, info.overrun, 0, info.status, info.value & 0xFFFFFFFF)
    struct.pack_into("<iIIIiI", data, 24, *numbers)
    if info.band:
        struct.pack_into("<iII", data, 20, info.fd, 0, info.band)
    struct.pack_into("<Q", data, 48, info.value)
    struct.pack_into("<Q", data, 72, info.address)
    return bytes(data)


class SignalFile(AnonFile):
    """What is pending for whoever reads it, of a set of signals (struct signalfd_ctx)."""

    least = _SIZE

    def __init__(self, kernel: Kernel, mask: int, flags: int) -> None:
        super().__init__(flags, "[signalfd]")
        self.kernel = kernel
        self.queue = kernel.signalled
        self.mask = mask & ~_KILL_STOP

    def set_mask(self, mask: int) -> None:
        """Read others from now on."""
        self.mask = mask & ~_KILL_STOP
        self.queue.wake_up(POLLIN)

    def read(self, count: int) -> Blocking[bytes]:
        """Wait for a signal; as many as are pending.  Errno EAGAIN."""
        task = self.kernel.current
        assert task is not None
        while not self.polled(task):
            if self.flags & O_NONBLOCK:
                raise Errno(errno.EAGAIN)
            yield Wait("a signal to be read", (self.queue,), lambda: bool(self.polled(task)))
        found: list[bytes] = []
        while len(found) < count // _SIZE:
            info = task.signals.dequeue(self.mask)
            if info is None:
                break
            found.append(encode(info))
        return b"".join(found)

    def take(self, count: int) -> int:
        """They are gone even where they could not be stored."""
        return count // _SIZE * _SIZE

    def polled(self, task: Task) -> int:
        """Whether one is pending for the task."""
        return POLLIN if task.signals.pending_mask() & self.mask else 0

    def poll(self) -> int:
        """The same for the task that runs."""
        task = self.kernel.current
        return self.polled(task) if task is not None else 0
