"""Functions of the host's C library that Python has no name for."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

__all__ = ["libc"]


@functools.cache
def libc(function: str, *kinds: str) -> Callable[..., int]:
    """A function with arguments of these kinds of ctypes; it raises OSError.  Made once."""
    import ctypes

    call = getattr(ctypes.CDLL(None, use_errno=True), function)
    call.argtypes = [getattr(ctypes, kind) for kind in kinds]

    def checked(*arguments: object) -> int:
        result: int = call(*arguments)
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result

    return checked
