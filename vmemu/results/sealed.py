"""Copies of files in memory that nobody can write, not even their owner."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

__all__ = ["Sealed"]

_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class Sealed:
    """Files as they are now; ``paths`` are what this process reads them by, until `close`."""

    def __init__(self, files: Sequence[str]) -> None:
        self._descriptors: list[int] = []
        try:
            for file in files:
                self._descriptors.append(os.memfd_create("results", _FLAGS))
                _copy(file, self._descriptors[-1])
                fcntl.fcntl(self._descriptors[-1], fcntl.F_ADD_SEALS, _SEALS)
        except BaseException:
            self.close()
            raise
        self.paths = [f"/proc/self/fd/{descriptor}" for descriptor in self._descriptors]

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget them."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    __del__ = close


_FLAGS = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING


def _copy(file: str, descriptor: int) -> None:
    with Path(file).open("rb") as source:
        at = 0
        while copied := os.sendfile(descriptor, source.fileno(), at, 1 << 30):
            at += copied
