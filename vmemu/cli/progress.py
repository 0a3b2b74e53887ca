"""A progress bar, for those who sit before a terminal and wait."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import ProgressColumn, TaskID

__all__ = ["Counted", "Progress"]

PATIENCE = 2.0  # seconds


class _Shown:
    """What both have: a bar that is there once it takes over two seconds on a terminal."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._began = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        """The progress itself."""
        return self

    def _update(self, done: int, told: str) -> None:
        """So many steps are done."""
        if not self._terminal:
            return
        if self._bar is None:
            if time.monotonic() - self._began <= PATIENCE:
                return
            self._bar = self._made()
            self._task = self._bar.add_task("", total=self.total, completed=done)
            self._bar.start()
        assert self._task is not None
        self._bar.update(self._task, completed=done, description=told)

    def _made(self) -> Bar:
        from rich.console import Console
        from rich.progress import Progress as Bar

        return Bar(*self._parts(), console=Console(stderr=True), transient=True)

    def _parts(self) -> tuple[ProgressColumn, ...]:
        """What stands in the line; rich's own choice if it is empty."""
        return ()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()


class Progress(_Shown):
    """Counts ``total`` steps; shows a bar once they take over two seconds on a terminal."""

    def __init__(self, total: int) -> None:
        super().__init__(total)
        self.done = -1

    def step(self, what: str) -> None:
        """The next step begins: ``what`` it is."""
        self.done += 1
        self._update(self.done, what)


class Counted(_Shown):
    """A bar with how many are done, what else is to be said, and the time that is left.

    Like `Progress` it shows once that takes over two seconds on a terminal.
    """

    def __init__(self, total: int, what: str) -> None:
        super().__init__(total)
        self.what = what

    def show(self, done: int, told: str = "") -> None:
        """So many are done."""
        self._update(done, told)

    def _parts(self) -> tuple[ProgressColumn, ...]:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        return (
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(self.what),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TextColumn("gone,"),
            TimeRemainingColumn(),
            TextColumn("left"),
        )
