"""FIFOs: pipes with a name."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.process.wait import Blocking, MayBlock, Wait
from vmemu.vfs.file import (
    O_ACCMODE,
    O_NONBLOCK,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    File,
    FileStat,
)
from vmemu.vfs.node import node_key
from vmemu.vfs.pipe import Pipe, PipeReader, PipeWriter

if TYPE_CHECKING:
    from vmemu.kernel.kernel import Kernel
    from vmemu.kernel.process.task import Task
    from vmemu.vfs.node import Node

__all__ = ["FifoBoth", "Fifos"]


class Fifos:
    """The pipes of FIFOs that somebody has open, or waits to open."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.pipes: dict[object, Pipe] = {}

    def _pipe(self, node: Node) -> Pipe:
        key = node_key(node)
        found = self.pipes.get(key)
        if found is None:
            found = self.pipes[key] = Pipe(node.stat().ino, self.kernel.hold)
            node.pin()

            def gone() -> None:
                del self.pipes[key]
                node.unpin()

            found.on_release = gone
        return found

    def open(self, node: Node, flags: int, name: str) -> File | Blocking[File]:
        """Open a FIFO (fifo_open); Errno ENXIO where nobody reads and nobody must wait."""
        access, pipe = flags & O_ACCMODE, self._pipe(node)
        if access == O_WRONLY and flags & O_NONBLOCK and not pipe.readers:
            pipe.release()
            raise Errno(errno.ENXIO)
        file: File
        if access == O_RDWR:
            file = FifoBoth(pipe, flags)
        elif access == O_WRONLY:
            file = PipeWriter(pipe, flags & O_NONBLOCK)
        elif access == O_RDONLY:
            file = PipeReader(pipe, flags & O_NONBLOCK)
        else:
            pipe.release()
            raise Errno(errno.EINVAL)
        file.node, file.name = node, name
        node.pin()
        pipe.queue.wake_up()
        partner = pipe.writers if access == O_RDONLY else pipe.readers
        if flags & O_NONBLOCK or partner:
            return file
        return self._wait(file, pipe, reading=access == O_RDONLY)

    @staticmethod
    def _wait(file: File, pipe: Pipe, *, reading: bool) -> Blocking[File]:
        """Wait until somebody opens the other end, though he may have closed it again."""
        before = pipe.came_to_write if reading else pipe.came_to_read

        def came() -> bool:
            return before != (pipe.came_to_write if reading else pipe.came_to_read)

        try:
            while not came():
                yield Wait(f"the other end of {file.name}", (pipe.queue,), came)
        except BaseException:
            file.release()
            raise
        return file


class FifoBoth(File):
    """Both ends at once."""

    pollable = notifies = True

    def __init__(self, pipe: Pipe, flags: int) -> None:
        super().__init__(O_RDWR | flags & O_NONBLOCK, f"pipe:[{pipe.ino}]")
        self.pipe = pipe
        self.queue = pipe.queue
        self._reader, self._writer = PipeReader(pipe), PipeWriter(pipe)

    def _ends(self) -> tuple[PipeReader, PipeWriter]:
        status = self.flags & O_NONBLOCK
        for end in (self._reader, self._writer):
            end.flags = end.flags & ~O_NONBLOCK | status
        return self._reader, self._writer

    def read(self, count: int) -> MayBlock[bytes]:
        """As of the end that is read."""
        return self._ends()[0].read(count)

    def take(self, count: int) -> int:
        """The same."""
        return self._reader.take(count)

    def room(self, count: int) -> Blocking[None]:
        """As of the end that is written."""
        return self._ends()[1].room(count)

    def write(self, data: bytes) -> MayBlock[int]:
        """The same."""
        return self._ends()[1].write(data)

    def ioctl(self, task: Task, request: int, argument: int) -> int:
        """As of the end that is read."""
        return self._reader.ioctl(task, request, argument)

    def poll(self) -> int:
        """Both."""
        return (self._reader.poll() | self._writer.poll()) & (POLLIN | POLLOUT | POLLERR | POLLHUP)

    def stat(self) -> FileStat:
        """The name's."""
        return self.node.stat() if self.node is not None else self._reader.stat()

    def release(self) -> None:
        """Both are closed."""
        if self.node is not None:
            self.node.unpin()
        self._reader.release()
        self._writer.release()
