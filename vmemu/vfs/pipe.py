"""Pipes.

The buffers of a pipe are host memory, not guest frames, and there are 16 of a page each, as
since Linux 2.6.11, so that programs of today do not block where they would not on the host.
A write of PIPE_BUF bytes or less is atomic.
"""

from __future__ import annotations

import errno
import stat
from collections import deque
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel import uaccess
from vmemu.kernel.hold import PIPE_BUFFER_BYTES, HostMemory
from vmemu.kernel.process.wait import Blocking, MayBlock, Wait, WaitQueue
from vmemu.vfs.file import (
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

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmemu.kernel.process.task import Task

PIPE_BUF = 4096
FIONREAD = 0x541B
PIPE_BUFFERS = 16
PIPE_MAX_SIZE = 1 << 20
BUFFER_SIZE = 4096


class Buffer(bytearray):
    """What is in a page of a pipe (struct pipe_buffer)."""

    offset = 0
    """Bytes of the page that have been read."""
    shared = False
    """The page is somebody else's as well: nothing is added to it."""

    def drop(self, count: int) -> None:
        """The first bytes have been read."""
        del self[:count]
        self.offset += count


class SharedBuffer(Buffer):
    """A buffer that was spliced."""

    shared = True


class Pipe:
    """What is between a read end and a write end (struct pipe_inode_info)."""

    def __init__(self, ino: int, hold: HostMemory) -> None:
        self.ino = ino
        self.hold = hold
        self.buffers: deque[Buffer] = deque()
        """At most as many as ``slots``, of 1 to BUFFER_SIZE bytes; a write goes to the last."""
        self.slots = PIPE_BUFFERS
        self.readers = 0
        self.writers = 0
        self.came_to_read = self.came_to_write = 0
        """How often an end was opened."""
        self.on_release: Callable[[], None] | None = None
        """Called when nobody has an end any more."""
        self.queue = WaitQueue()
        self.owner = (0, 0)
        """Whose user and group made it."""

    def stat(self) -> FileStat:
        """A FIFO without a name."""
        return FileStat(stat.S_IFIFO | 0o600, self.ino, uid=self.owner[0], gid=self.owner[1])

    @property
    def full(self) -> bool:
        """No further buffer can be had."""
        return len(self.buffers) >= self.slots

    def merge(self, data: bytes) -> int:
        """Add to the last buffer what would not fill one of its own, if it has room for that."""
        rest = self.mergeable(len(data))
        if rest:
            self.buffers[-1] += data[:rest]
        return rest

    def mergeable(self, count: int) -> int:
        """How many of so many bytes would go to the last buffer."""
        rest = count % BUFFER_SIZE
        if not self.buffers or self.buffers[-1].shared:
            return 0
        last = self.buffers[-1]
        return rest if last.offset + len(last) + rest <= BUFFER_SIZE else 0

    def fill(self, data: bytes, kind: type[Buffer] = Buffer) -> int:
        """Put data into new buffers of a kind, as far as there are any; how many bytes."""
        done = 0
        while done < len(data) and not self.full and self.hold.try_charge(PIPE_BUFFER_BYTES):
            piece = data[done : done + BUFFER_SIZE]
            self.buffers.append(kind(piece))
            done += len(piece)
        return done

    def pop(self) -> None:
        """The first buffer is empty."""
        self.buffers.popleft()
        self.hold.uncharge(PIPE_BUFFER_BYTES)

    def release(self) -> None:
        """An end is closed; with the last one goes what nobody has read (free_pipe_info)."""
        while not self.readers and not self.writers and self.buffers:
            self.pop()
        self.queue.wake_up()
        if not self.readers and not self.writers and self.on_release is not None:
            gone, self.on_release = self.on_release, None
            gone()

    def resize(self, size: int) -> int:
        """Have room for so many bytes, in pages by powers of two (F_SETPIPE_SZ).

        Errno EPERM beyond 1 MB, EBUSY when more is in it, EINVAL.
        """
        slots = 1 << (max(-(-size // BUFFER_SIZE), 1) - 1).bit_length()
        if not 0 <= size < 1 << 31:
            raise Errno(errno.EINVAL)
        if slots * BUFFER_SIZE > PIPE_MAX_SIZE:
            raise Errno(errno.EPERM)
        if slots < len(self.buffers):
            raise Errno(errno.EBUSY)
        self.slots = slots
        self.queue.wake_up(POLLOUT)
        return slots * BUFFER_SIZE

    def ioctl(self, task: Task, request: int, argument: int) -> int:
        """FIONREAD, of either end; Errno ENOTTY for all else (pipe_ioctl)."""
        if request != FIONREAD:
            raise Errno(errno.ENOTTY)
        uaccess.write_struct(task.mm, argument, "i", sum(map(len, self.buffers)))
        return 0


class PipeReader(File):
    """The end that is read."""

    pollable = notifies = True
    wakes = POLLIN | POLLHUP

    def __init__(self, pipe: Pipe, flags: int = 0) -> None:
        super().__init__(O_RDONLY | flags, f"pipe:[{pipe.ino}]")
        self.pipe = pipe
        self.queue = pipe.queue
        self._offered = 0
        """How many bytes the last read() asked for."""
        pipe.readers += 1
        pipe.came_to_read += 1
        self._seen = 0 if pipe.writers else pipe.came_to_write
        """As many had come to write when it was opened: there is no hang-up before the next."""

    def _ready(self) -> bool:
        return bool(self.pipe.buffers) or not self.pipe.writers

    def read(self, count: int) -> MayBlock[bytes]:
        """Wait for bytes; b"" when no writer is left (pipe_read)."""
        pipe = self.pipe
        if pipe.buffers:
            return self._look(count)
        if not pipe.writers:
            return b""
        if self.flags & O_NONBLOCK:
            raise Errno(errno.EAGAIN)
        return self._wait(count)

    def _wait(self, count: int) -> Blocking[bytes]:
        wait = Wait(f"data in {self.name}", (self.pipe.queue,), self._ready)
        while not self.pipe.buffers:
            if not self.pipe.writers:
                return b""
            if self.flags & O_NONBLOCK:
                raise Errno(errno.EAGAIN)
            yield wait
        return self._look(count)

    def _look(self, count: int) -> bytes:
        """The first count bytes, or all."""
        self._offered = count
        first = self.pipe.buffers[0]
        if count <= len(first) or len(self.pipe.buffers) == 1:
            return bytes(first[:count])
        pieces = []
        for buffer in self.pipe.buffers:
            pieces.append(bytes(buffer[:count]))
            count -= len(pieces[-1])
            if not count:
                break
        return b"".join(pieces)

    def ioctl(self, task: Task, request: int, argument: int) -> int:
        """FIONREAD alone; Errno ENOTTY."""
        return self.pipe.ioctl(task, request, argument)

    def take(self, count: int) -> int:
        """Of each buffer goes all that was asked for, or nothing if not all could be stored."""
        buffers, taken, full = self.pipe.buffers, 0, self.pipe.full
        while buffers and taken < self._offered:
            piece = min(len(buffers[0]), self._offered - taken)
            if taken + piece > count:
                break
            taken += piece
            if piece == len(buffers[0]):
                self.pipe.pop()
            else:
                buffers[0].drop(piece)
        if full and not self.pipe.full:
            self.pipe.queue.wake_up(POLLOUT)
        return taken

    def stat(self) -> FileStat:
        """A FIFO."""
        if self.node is not None:
            return self.node.stat()
        return self.pipe.stat()

    def poll(self) -> int:
        """POLLIN with data, POLLHUP without writers."""
        pipe = self.pipe
        over = not pipe.writers and (self.node is None or pipe.came_to_write != self._seen)
        return (POLLIN if pipe.buffers else 0) | (POLLHUP if over else 0)

    def release(self) -> None:
        """Writers get EPIPE from now on when it was the last reader."""
        if self.node is not None:
            self.node.unpin()
        self.pipe.readers -= 1
        self.pipe.release()


class PipeWriter(File):
    """The end that is written."""

    pollable = notifies = True
    wakes = POLLOUT | POLLERR

    def __init__(self, pipe: Pipe, flags: int = 0) -> None:
        super().__init__(O_WRONLY | flags, f"pipe:[{pipe.ino}]")
        self.pipe = pipe
        self.queue = pipe.queue
        pipe.writers += 1
        pipe.came_to_write += 1

    def room(self, count: int) -> Blocking[None]:
        """Wait for room for some of count bytes; Errno EPIPE when nobody can read, EAGAIN."""
        if not self.pipe.mergeable(count) or not self.pipe.readers:
            yield from self._free_buffer(0)

    def _free_buffer(self, count: int) -> Blocking[None]:
        """Wait for one, holding so many bytes meanwhile."""
        pipe = self.pipe
        while pipe.readers and pipe.full:
            if self.flags & O_NONBLOCK:
                raise Errno(errno.EAGAIN)
            with pipe.hold.holding(count):
                yield Wait(
                    f"room in {self.name}",
                    (pipe.queue,),
                    lambda: not pipe.full or not pipe.readers,
                )
        if not pipe.readers:
            raise Errno(errno.EPIPE)

    def write(self, data: bytes) -> MayBlock[int]:
        """Wait for room; Errno EPIPE when nobody can read it, ENOMEM (pipe_write)."""
        pipe = self.pipe
        if data and not pipe.readers:
            raise Errno(errno.EPIPE)
        done = pipe.merge(data)
        if done < len(data):
            if pipe.full or len(data) - done > BUFFER_SIZE:
                return self._write_on(data, done)
            if not pipe.fill(data[done:]):
                if done:
                    pipe.queue.wake_up(POLLIN)
                    return done
                raise Errno(errno.ENOMEM)
        if data:
            pipe.queue.wake_up(POLLIN)
        return len(data)

    def _write_on(self, data: bytes, done: int) -> Blocking[int]:
        """Go on with what was written in part."""
        pipe = self.pipe
        while done < len(data):
            try:
                if pipe.full or not pipe.readers:
                    yield from self._free_buffer(len(data) - done)
                filled = pipe.fill(data[done:])
                if not filled:
                    raise Errno(errno.ENOMEM)
            except Errno:
                if done:
                    break
                raise
            done += filled
            if done < len(data):
                pipe.queue.wake_up(POLLIN)
        if done:
            pipe.queue.wake_up(POLLIN)
        return done

    def stat(self) -> FileStat:
        """A FIFO."""
        if self.node is not None:
            return self.node.stat()
        return self.pipe.stat()

    def ioctl(self, task: Task, request: int, argument: int) -> int:
        """As of the end that is read."""
        return self.pipe.ioctl(task, request, argument)

    def poll(self) -> int:
        """POLLOUT with room for an atomic write, POLLERR without readers."""
        room = 0 if self.pipe.full else POLLOUT
        return room | (0 if self.pipe.readers else POLLERR)

    def release(self) -> None:
        """Readers see the end when it was the last writer."""
        if self.node is not None:
            self.node.unpin()
        self.pipe.writers -= 1
        self.pipe.release()
