"""A file that a command writes to: that it cannot be is seen early, and told in one sentence."""

from __future__ import annotations

import errno
import os
import stat
from typing import TextIO

from vmemu.errors import ConfigError

__all__ = ["Output"]


class Output:
    """A file by its path; whatever keeps it from being written is a ConfigError."""

    def __init__(self, path: str) -> None:
        self.path = path

    def probe(self) -> None:
        """See whether it is plain that it cannot be written; it is not touched."""
        if number := _obstacle(self.path):
            raise self._failure(number)

    def open(self) -> TextIO:
        """It, empty; what is written may fail yet."""
        try:
            return open(self.path, "w", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise self._failure(error.errno) from None

    def write(self, text: str) -> None:
        """All that is to be in it."""
        try:
            with self.open() as file:
                file.write(text)
        except OSError as error:
            raise self._failure(error.errno) from None

    def _failure(self, number: int | None) -> ConfigError:
        path = self.path if len(self.path) <= 300 else f"{self.path[:60]}..."
        return ConfigError(f"cannot write {path}: {os.strerror(number or errno.EIO).lower()}")


def _obstacle(path: str) -> int:
    """The errno with which writing would fail, as far as can be told; else 0."""
    parent = os.path.dirname(path) or "."
    try:
        if stat.S_ISDIR(os.stat(path).st_mode):
            return errno.EISDIR
        return 0 if os.access(path, os.W_OK) else errno.EACCES
    except FileNotFoundError:
        if not os.path.isdir(parent):
            return errno.ENOENT
        return 0 if os.access(parent, os.W_OK | os.X_OK) else errno.EACCES
    except OSError as error:
        return error.errno or errno.EIO
