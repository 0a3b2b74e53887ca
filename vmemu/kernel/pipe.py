"""Pipes.

Bytes in a pipe are host memory, not guest frames, and a pipe holds 65536 of
them as since Linux 2.6.11, so that programs of today do not block where they
would not on the host.  A write of PIPE_BUF bytes or less is atomic.
"""

from __future__ import annotations

import errno
import stat

from vmemu.errors import Errno
from vmemu.kernel.file import (
    O_NONBLOCK,
    O_RDONLY,
    O_WRONLY,
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    File,
    FileStat,
)
from vmemu.kernel.wait import Blocking, Interrupted, Wait, WaitQueue

PIPE_BUF = 4096
PIPE_SIZE = 65536


class Pipe:
    """The buffer between a read end and a write end (struct pipe_inode_info)."""

    def __init__(self, ino: int) -> None:
        self.ino = ino
        self.buffer = bytearray()
        self.readers = 0
        self.writers = 0
        self.queue = WaitQueue()

    @property
    def room(self) -> int:
        """Bytes that can be written without waiting."""
        return PIPE_SIZE - len(self.buffer)


class PipeReader(File):
    """The end that is read."""

    def __init__(self, pipe: Pipe, flags: int = 0) -> None:
        super().__init__(O_RDONLY | flags, f"pipe:[{pipe.ino}]")
        self.pipe = pipe
        self.queue = pipe.queue
        pipe.readers += 1

    def _ready(self) -> bool:
        return bool(self.pipe.buffer) or not self.pipe.writers

    def read(self, count: int) -> Blocking[bytes]:
        """Wait for bytes; b"" when no writer is left (pipe_read)."""
        pipe = self.pipe
        while not pipe.buffer:
            if not pipe.writers:
                return b""
            if self.flags & O_NONBLOCK:
                raise Errno(errno.EAGAIN)
            yield Wait(f"data in {self.name}", (pipe.queue,), self._ready)
        data = bytes(pipe.buffer[:count])
        del pipe.buffer[:count]
        pipe.queue.wake_up()
        return data

    def stat(self) -> FileStat:
        """A FIFO."""
        return FileStat(stat.S_IFIFO | 0o600, self.pipe.ino)

    def poll(self) -> int:
        """POLLIN with data, POLLHUP without writers."""
        return (POLLIN if self.pipe.buffer else 0) | (0 if self.pipe.writers else POLLHUP)

    def release(self) -> None:
        """Writers get EPIPE from now on when it was the last reader."""
        self.pipe.readers -= 1
        self.pipe.queue.wake_up()


class PipeWriter(File):
    """The end that is written."""

    def __init__(self, pipe: Pipe, flags: int = 0) -> None:
        super().__init__(O_WRONLY | flags, f"pipe:[{pipe.ino}]")
        self.pipe = pipe
        self.queue = pipe.queue
        pipe.writers += 1

    def write(self, data: bytes) -> Blocking[int]:
        """Wait for room; Errno EPIPE when nobody can read it (pipe_write)."""
        pipe = self.pipe
        done = 0
        while done < len(data):
            if not pipe.readers:
                if done:
                    break
                raise Errno(errno.EPIPE)
            left = len(data) - done
            needed = left if len(data) <= PIPE_BUF else 1
            if pipe.room >= needed:
                piece = data[done : done + pipe.room]
                pipe.buffer += piece
                done += len(piece)
                pipe.queue.wake_up()
                continue
            if self.flags & O_NONBLOCK:
                if done:
                    break
                raise Errno(errno.EAGAIN)
            try:
                yield Wait(
                    f"room in {self.name}",
                    (pipe.queue,),
                    lambda needed=needed: pipe.room >= needed or not pipe.readers,  # type: ignore[misc]
                )
            except Interrupted:
                if done:
                    break
                raise
        return done

    def stat(self) -> FileStat:
        """A FIFO."""
        return FileStat(stat.S_IFIFO | 0o600, self.pipe.ino)

    def poll(self) -> int:
        """POLLOUT with room for an atomic write, POLLERR without readers."""
        room = POLLOUT if self.pipe.room >= PIPE_BUF else 0
        return room | (0 if self.pipe.readers else POLLERR)

    def release(self) -> None:
        """Readers see the end when it was the last writer."""
        self.pipe.writers -= 1
        self.pipe.queue.wake_up()
