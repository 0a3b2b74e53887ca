"""Run the cells of a plan on an executor, write each one down, go on where it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from vmemu.build_id import build_id
from vmemu.errors import VmemuError
from vmemu.lab.cell import Cell, failed
from vmemu.lab.experiment import settings_record
from vmemu.lab.record import of_json
from vmemu.sweep.isolated import Limits, Result, run_isolated
from vmemu.sweep.journal import Entry

if TYPE_CHECKING:
    from vmemu.lab.record import Record
    from vmemu.sweep.journal import Journal
    from vmemu.sweep.settings import Limits as Told

__all__ = ["OtherBuild", "Tally", "again", "run_cells", "run_here"]

DEFAULT_TIME, DEFAULT_MEMORY = 600.0, 4 << 30
"""Seconds and bytes of the host that a cell may take when nothing else is told."""

_TRIES = 4
"""How often a cell is handed out whose worker is lost."""


class OtherBuild(VmemuError):
    """A worker has another build of vmemu than who sent the cell."""

    def __init__(self, worker: str, build: str, wanted: str) -> None:
        super().__init__(worker, build, wanted)
        self.worker, self.build, self.wanted = worker, build, wanted

    def __str__(self) -> str:
        return (
            f"the worker {self.worker} has another build of vmemu ({self.build}; this is "
            f"{self.wanted}): install the same there"
        )


def run_here(told: bytes, limits: Limits, build: str) -> Result:
    """What an executor's worker runs: one cell, in a process of its own.

    Raises OtherBuild where vmemu is another one.
    """
    if build_id() != build:
        import platform

        raise OtherBuild(platform.node(), build_id(), build)
    return run_isolated("vmemu.lab.cell:run_cell_bytes", told, limits)


@dataclass
class Tally:
    """How far a sweep has come: cells that were found finished, that ran, that failed."""

    total: int
    found: int = 0
    ran: int = 0
    deviating: int = 0
    failures: list[Entry] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Cells of which there is a record."""
        return self.found + self.ran

    def count(self, entry: Entry) -> None:
        """Take a record into account."""
        if entry.record["status"] != "ok":
            self.failures.append(entry)
        elif entry.record["verdict"] == "no":
            self.deviating += 1


def run_cells(
    cells: Iterable[tuple[Cell, Told]],
    tally: Tally,
    journal: Journal,
    executor: Executor,
    *,
    failures_again: bool = False,
    ahead: int = 8,
    progress: Callable[[Tally], None] = lambda tally: None,
) -> None:
    """Run those that the journal does not have; ``failures_again``: those that failed, too.

    ``ahead`` is how many an executor has at a time.  What raises is what cannot be the cell's
    fault: OtherBuild, an executor that is broken, an interrupt.
    """
    build = build_id()
    waiting: dict[Future[Result], _Sent] = {}

    def submit(sent: _Sent) -> None:
        waiting[executor.submit(run_here, sent.cell.as_bytes(), sent.limits, build)] = sent

    left = _missing(cells, journal, tally, build, failures_again)
    try:
        for sent in islice(left, ahead):
            submit(sent)
        progress(tally)
        while waiting:
            ended, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in ended:
                sent = waiting.pop(future)
                record = _record(sent, future)
                if record is None:
                    submit(sent._replace(tries=sent.tries + 1))
                    continue
                entry = Entry(sent.key, sent.cell, record)
                journal.add(entry)
                tally.ran += 1
                tally.count(entry)
                for following in islice(left, 1):
                    submit(following)
                progress(tally)
    finally:
        for future in waiting:
            future.cancel()


def again(entries: Iterable[Entry], executor: Executor) -> Iterator[tuple[Entry, Record]]:
    """Run cells again that are written down, and what each of them gives now."""
    build = build_id()
    waiting = {
        executor.submit(run_here, entry.cell.as_bytes(), _allowed(entry.cell), build): entry
        for entry in entries
    }
    while waiting:
        ended, _ = wait(waiting, return_when=FIRST_COMPLETED)
        for future in ended:
            entry = waiting.pop(future)
            record = _record(_Sent(entry.cell, entry.key, Limits(), _TRIES), future)
            assert record is not None
            yield entry, record


class _Sent(NamedTuple):
    """A cell that is on its way, for which time."""

    cell: Cell
    key: str
    limits: Limits
    tries: int = 1


def _missing(
    cells: Iterable[tuple[Cell, Told]],
    journal: Journal,
    tally: Tally,
    build: str,
    failures_again: bool,
) -> Iterator[_Sent]:
    """The cells that are to be run; others are counted."""
    for cell, limits in cells:
        key = cell.key(build)
        entry = journal.entries.get(key)
        if entry is None or (failures_again and entry.record["status"] != "ok"):
            yield _Sent(cell, key, _allowed(cell, limits))
        else:
            tally.found += 1
            tally.count(entry)


def _allowed(cell: Cell, limits: Told | None = None) -> Limits:
    """What a cell may take of the host: what was told, and the memory of its machine."""
    from vmemu.lab.scenarios import find_scenario

    time = None if limits is None else limits.time
    memory = None if limits is None else limits.memory
    settings = settings_record(find_scenario(cell.scenario), dict(cell.params), dict(cell.settings))
    machine = sum(size for size in (settings["ram"], settings["swap"]) if isinstance(size, int))
    return Limits(time or DEFAULT_TIME, memory or DEFAULT_MEMORY, machine)


def _record(sent: _Sent, future: Future[Result]) -> Record | None:
    """What a cell gave, or why it gave nothing; None if it is to be run again."""
    try:
        isolated = future.result()
    except CancelledError:
        raise VmemuError(
            "whoever runs the cells has given them up: start the sweep again with the same --out, "
            "and it goes on"
        ) from None
    except Exception as error:
        if type(error).__name__ != "KilledWorker":  # what dask calls it
            raise
        if sent.tries < _TRIES:
            return None
        return failed(sent.cell, "died", "every worker that ran it was lost")
    if isolated.failure:
        return failed(sent.cell, isolated.failure, isolated.reason)
    record: Record = of_json(isolated.value)
    return record
