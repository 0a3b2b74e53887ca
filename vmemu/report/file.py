"""The file a report goes to."""

from __future__ import annotations

import errno
import importlib
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vmemu.errors import ConfigError

if TYPE_CHECKING:
    from vmemu.report.page import Page

__all__ = ["ReportFile", "obstacle"]

_PACKAGES = ("jinja2", "matplotlib")


class ReportFile:
    """Where a report will be written, seen before anything is run.

    ConfigError when a package is missing, or when it is plain that the file cannot be
    written; the file is not touched yet.
    """

    def __init__(self, path: str) -> None:
        for package in _PACKAGES:
            try:
                importlib.import_module(package)
            except ImportError:
                raise ConfigError(
                    f"--report needs the package {package}, which is not installed: "
                    f"{shlex.quote(sys.executable)} -m pip install {' '.join(_PACKAGES)}"
                ) from None
        self._path = Path(path)
        if number := obstacle(self._path):
            raise self._failure(number)

    def write(self, page: Page) -> None:
        """Write a page; ConfigError when that fails all the same."""
        try:
            self._path.write_text(page.html(), encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise self._failure(error.errno or errno.EIO) from None

    def _failure(self, number: int) -> ConfigError:
        return ConfigError(f"cannot write {self._path}: {os.strerror(number).lower()}")


def obstacle(path: Path) -> int:
    """The errno with which writing would fail, as far as can be told; else 0."""
    if path.is_dir():
        return errno.EISDIR
    if path.exists():
        return 0 if os.access(path, os.W_OK) else errno.EACCES
    if not path.parent.exists():
        return errno.ENOENT
    if not path.parent.is_dir():
        return errno.ENOTDIR
    return 0 if os.access(path.parent, os.W_OK | os.X_OK) else errno.EACCES
