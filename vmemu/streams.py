"""Descriptors 0 to 2 of the process: they stay what their names say.

Whoever starts vmemu may have closed them.  The next file opened would then get the number,
and a guest's output would be written into it.
"""

from __future__ import annotations

import fcntl
import os
import sys

__all__ = ["above_streams", "fill_streams"]


def fill_streams() -> None:
    """Open /dev/null in place of each standard stream that is closed."""
    for fd, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
            setattr(sys, name, open(fd, mode, closefd=False))  # noqa: SIM115


def above_streams(fd: int) -> int:
    """The descriptor, or a copy in place of it if it took the number of a standard stream."""
    if fd > 2:
        return fd
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(fd)
