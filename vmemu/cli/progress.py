"""A progress bar, for those who sit before a terminal and wait."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

__all__ = ["Counted", "Progress"]

PATIENCE = 2.0  # seconds


class Progress:
    """Counts ``total`` steps; shows a bar once they take over two seconds on a terminal."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = -1
        self._began = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        """The progress itself."""
        return self

    def step(self, what: str) -> None:
        """The next step begins: ``what`` it is."""
        self.done += 1
        if self._bar is None and self._terminal and time.monotonic() - self._began > PATIENCE:
            self._show()
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self.done, description=what)

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import Progress as Bar

        self._bar = Bar(console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("", total=self.total)
        self._bar.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()


class Counted:
    """A bar with how many are done, what else is to be said, and the time that is left.

    Like `Progress` it shows once that takes over two seconds on a terminal.
    """

    def __init__(self, total: int, what: str) -> None:
        self.total, self.what = total, what
        self._began = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        """The progress itself."""
        return self

    def show(self, done: int, told: str = "") -> None:
        """So many are done."""
        if not self._terminal:
            return
        if self._bar is None:
            if time.monotonic() - self._began < PATIENCE:
                return
            self._begin(done)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, description=told)

    def _begin(self, done: int) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bar

        self._bar = Bar(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(self.what),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TextColumn("gone,"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=self.total, completed=done)
        self._bar.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
