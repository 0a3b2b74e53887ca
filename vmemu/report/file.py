"""The file a report goes to."""

from __future__ import annotations

import importlib
import shlex
import sys
from typing import TYPE_CHECKING

from vmemu.errors import ConfigError
from vmemu.output import Output

if TYPE_CHECKING:
    from vmemu.report.page import Page

__all__ = ["ReportFile"]

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
        self._file = Output(path)
        self._file.probe()

    def write(self, page: Page) -> None:
        """Write a page; ConfigError when that fails all the same."""
        self._file.write(page.html())
