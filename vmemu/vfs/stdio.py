"""Standard streams: descriptors of the host, or buffers that capture output."""

from __future__ import annotations

import errno
import io
import os
import select
import stat
import time
from collections.abc import Callable
from typing import BinaryIO

from vmemu.errors import Errno, LimitReached
from vmemu.kernel.process.wait import MayBlock
from vmemu.vfs.file import O_RDONLY, O_RDWR, O_WRONLY, POLLIN, POLLOUT, SEEK_CUR, File, FileStat

Stream = int | bytes | BinaryIO | None
"""A host descriptor, input given as bytes, a binary file or BytesIO, or None for /dev/null."""


Deadline = Callable[[], float | None]
"""Gives the time.monotonic() until which the host may keep a guest waiting."""


def host_time_is_over() -> LimitReached:
    """What ends a run that has taken as much of the host's time as it may."""
    return LimitReached("the machine has run for as long as it may (max_host_time)")


class HostFile(File):
    """A descriptor of the host, passed through.

    Reading one that has no data yet stops the whole machine, virtual time
    included; the guest cannot tell.
    """

    def __init__(self, fd: int, flags: int, name: str, deadline: Deadline = lambda: None) -> None:
        super().__init__(flags, name)
        self.fd = fd
        self._deadline = deadline
        self._unread = b""
        """What the host gave and no guest could store."""

    @property
    def pollable(self) -> bool:  # type: ignore[override]
        """Whether the host's file is."""
        return stat.S_IFMT(self.stat().mode) not in (stat.S_IFREG, stat.S_IFDIR)

    @property
    def notifies(self) -> bool:  # type: ignore[override]
        """So do pipes, sockets and terminals."""
        return self.pollable and (not stat.S_ISCHR(self.stat().mode) or os.isatty(self.fd))

    def poll(self) -> int:
        """A pipe is ready for what its end is for, all else for everything."""
        return _end(self) if stat.S_ISFIFO(self.stat().mode) else super().poll()

    def read(self, count: int) -> MayBlock[bytes]:
        """Read from the host; what the host refuses the guest sees as the same errno."""
        if not self._unread:
            self._unread = self._read_host(count)
        return self._unread[:count]

    def _read_host(self, count: int) -> bytes:
        try:
            while True:
                if self._deadline() is not None:
                    self._wait(select.POLLIN)
                try:
                    return os.read(self.fd, count)
                except BlockingIOError:
                    self._wait(select.POLLIN)
        except OSError as error:
            raise Errno(error.errno or errno.EIO) from None

    def _wait(self, events: int) -> None:
        """Wait for the host; LimitReached when that takes longer than it may."""
        deadline = self._deadline()
        poll = select.poll()
        poll.register(self.fd, events)
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        if not poll.poll(left):
            raise host_time_is_over()

    def take(self, count: int) -> int:
        """Forget what the guest has."""
        self._unread = self._unread[count:]
        return count

    def write(self, data: bytes) -> MayBlock[int]:
        """Write all to the host; Errno EPIPE when its reader has gone."""
        done = 0
        try:
            while done < len(data):
                if self._deadline() is not None:
                    self._wait(select.POLLOUT)
                try:
                    done += os.write(self.fd, data[done:])
                except BlockingIOError:
                    self._wait(select.POLLOUT)
        except OSError as error:
            if not done:
                raise Errno(error.errno or errno.EIO) from None
        return done

    def seek(self, offset: int, whence: int) -> int:
        """Seek the host's descriptor."""
        try:
            if whence == SEEK_CUR:
                offset -= len(self._unread)
            position = os.lseek(self.fd, offset, whence)
        except OverflowError:
            raise Errno(errno.EINVAL) from None
        except OSError as error:
            raise Errno(error.errno or errno.EIO) from None
        self._unread = b""
        return position

    def stat(self) -> FileStat:
        """The host's type, mode and size."""
        try:
            host = os.fstat(self.fd)
        except OSError as error:
            raise Errno(error.errno or errno.EIO) from None
        return FileStat(host.st_mode, 1, host.st_size, host.st_rdev & 0xFFFF)


class StreamFile(File):
    """A Python binary stream: captured output, or input from bytes."""

    pollable = notifies = True

    def __init__(self, stream: BinaryIO, flags: int, name: str) -> None:
        super().__init__(flags, name)
        self.stream = stream
        self._unread = b""

    def read(self, count: int) -> MayBlock[bytes]:
        """Read from the stream."""
        if not self._unread:
            self._unread = self.stream.read(count)
        return self._unread[:count]

    def take(self, count: int) -> int:
        """Forget what the guest has."""
        self._unread = self._unread[count:]
        return count

    def write(self, data: bytes) -> MayBlock[int]:
        """Write to the stream and flush it, so that order is kept with other output."""
        try:
            self.stream.write(data)
            self.stream.flush()
        except BrokenPipeError:
            raise Errno(errno.EPIPE) from None
        return len(data)

    def poll(self) -> int:
        """As a pipe."""
        return _end(self)

    def stat(self) -> FileStat:
        """Look like a pipe."""
        return FileStat(stat.S_IFIFO | 0o600)


def _end(file: File) -> int:
    """What an end of a pipe is ready for, as data and room count as being there always."""
    return (POLLIN if file.readable else 0) | (POLLOUT if file.writable else 0)


def open_stream(stream: Stream, fd: int, deadline: Deadline = lambda: None) -> File:
    """Make the file behind descriptor 0, 1 or 2 of the first program."""
    name = ("stdin", "stdout", "stderr")[fd]
    flags = O_RDONLY if fd == 0 else O_WRONLY
    if isinstance(stream, int):
        return HostFile(stream, O_RDWR if os.isatty(stream) else flags, name, deadline)
    if stream is None:
        stream = io.BytesIO()
    if isinstance(stream, bytes):
        stream = io.BytesIO(stream)
    return StreamFile(stream, flags, name)
