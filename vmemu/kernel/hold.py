"""What guests make the host hold beside guest RAM, counted and bounded.

The sizes are fixed amounts, upper bounds of what Python and Unicorn take for each object, so
that a run meets its limit at the same place on every host.  Not counted, because a guest
cannot make them grow: guest RAM, the swap file, Unicorn's code buffer, the event ring, and
what whoever runs the machine keeps of its output.
"""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "DESCRIPTOR_BYTES",
    "ENTRY_BYTES",
    "EPITEM_BYTES",
    "FILE_BYTES",
    "LOCK_BYTES",
    "MESSAGE_BYTES",
    "NODE_BYTES",
    "PIPE_BUFFER_BYTES",
    "PTY_BYTES",
    "SEMAPHORE_BYTES",
    "SOCKET_BYTES",
    "TASK_BYTES",
    "TIMER_BYTES",
    "UNDO_BYTES",
    "WAITER_BYTES",
    "HostMemory",
]

TASK_BYTES = 32 << 10
"""A task with its CPU context, until it is reaped; its pending signals and timers included."""
TIMER_BYTES = 1 << 10
"""A timer of timer_create() with its signal."""
DESCRIPTOR_BYTES = 160
"""An entry of a descriptor table."""
FILE_BYTES = 1 << 10
"""An open file; an end of a pipe.  What a file of /proc held when it was opened comes to it."""
PIPE_BUFFER_BYTES = 4096 + 128
"""A buffer of a pipe that has something in it."""
PTY_BYTES = 32 << 10
"""A pair of terminals, with what was typed and printed and is not yet read."""
WAITER_BYTES = 160
"""A descriptor of a poll() that waits."""
EPITEM_BYTES = 512
"""A file that an epoll file watches."""
SOCKET_BYTES = 2 << 10
"""A socket, besides its open file."""
MESSAGE_BYTES = 512
"""A message between sockets or in a queue, besides its bytes."""
SEMAPHORE_BYTES = 128
"""A semaphore of a set; the same for what a process takes back, or waits for."""
UNDO_BYTES = 512
"""What a process takes back of a set, besides."""
LOCK_BYTES = 512
"""A lock on a file, or on a range of it."""
NODE_BYTES = 1 << 10
"""A file, a directory or a link of tmpfs."""
ENTRY_BYTES = 512
"""A name in tmpfs, or in a directory that is being read."""


class HostMemory:
    """How many bytes the guests make the host hold; nothing goes beyond ``limit``."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self.waiting = 0
        """Of these, what sleeping calls hold."""
        self.peak = 0

    def try_charge(self, size: int) -> bool:
        """Count so many bytes; False, and nothing is counted, if they are too many."""
        held = self.held + size
        if held > self.limit:
            return False
        self.held = held
        self.peak = max(self.peak, held)
        return True

    def charge(self, size: int) -> None:
        """Count so many bytes; Errno ENOMEM if they are too many."""
        if not self.try_charge(size):
            raise Errno(errno.ENOMEM)

    def uncharge(self, size: int) -> None:
        """So many bytes are held no longer."""
        self.held -= size

    @contextlib.contextmanager
    def holding(self, size: int) -> Iterator[None]:
        """Count so many bytes as long as it lasts; Errno ENOMEM."""
        self.charge(size)
        self.waiting += size
        try:
            yield
        finally:
            self.waiting -= size
            self.uncharge(size)
