"""Who puts the host's terminal in order when vmemu cannot: a process that waits for its end."""

from __future__ import annotations

import contextlib
import os
import signal
import termios
from collections.abc import Iterator
from typing import Any

__all__ = ["guarded"]


@contextlib.contextmanager
def guarded(fd: int, attributes: list[Any]) -> Iterator[None]:
    """For as long as it lasts, an end of this process gives a terminal these attributes.

    The kernel closes the pipe of whoever ends, in whatever way: by a crash or SIGKILL as well.
    """
    reader, writer = os.pipe()
    guard = os.fork()
    if not guard:
        try:
            os.close(writer)
            _guard(reader, fd, attributes)
        finally:
            os._exit(0)
    os.close(reader)
    try:
        yield
    finally:
        with contextlib.suppress(BrokenPipeError):  # somebody has killed it
            os.write(writer, b"\0")
        os.close(writer)
        os.waitpid(guard, 0)


def _guard(reader: int, fd: int, attributes: list[Any]) -> None:
    # a job in the background may set a terminal if it ignores SIGTTOU; what ends the other is not
    # to end this
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    low, high = sorted((reader, fd))
    for first, behind in ((0, low), (low + 1, high), (high + 1, os.sysconf("SC_OPEN_MAX"))):
        if first < behind:
            os.closerange(first, behind)  # nobody is to wait for what this one has open
    if not os.read(reader, 1):
        termios.tcsetattr(fd, termios.TCSANOW, attributes)
