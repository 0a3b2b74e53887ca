"""A whole sweep: a plan, a directory, whoever runs the cells; and proof that it can be repeated."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vmemu.build_id import build_id, provenance
from vmemu.errors import ConfigError
from vmemu.lab.record import Records, comparable, parameters_of
from vmemu.sweep.engine import Tally, again, run_cells
from vmemu.sweep.journal import Entry, Journal, latest, read_journal

if TYPE_CHECKING:
    from vmemu.sweep.plan import Plan

__all__ = ["PARQUET", "Result", "Verified", "sweep", "verify", "write_results"]

PARQUET = "runs.parquet"
"""The file that a sweep's directory has its records in."""


class Result(NamedTuple):
    """How a sweep ended, and where its records are."""

    tally: Tally
    parquet: Path


class Verified(NamedTuple):
    """A cell that was run again, and the columns in which the records differ."""

    entry: Entry
    columns: list[str]


def sweep(
    plan: Plan,
    out: str | Path,
    *,
    executor: Executor | None = None,
    scheduler: str | None = None,
    jobs: int | None = None,
    retry: bool = False,
    progress: Callable[[Tally], None] = lambda tally: None,
) -> Result:
    """Run what the directory ``out`` lacks of a plan, then write its Parquet file anew.

    Cells go to ``executor``, to a cluster of dask at the address ``scheduler``, or to ``jobs``
    local processes, as many as there are cores unless it is told.  What ends a sweep half way,
    an interrupt or an executor that breaks, loses no finished cell.  ConfigError where there
    can be no results, OtherBuild for a worker with another vmemu.
    """
    from vmemu.results.dataset import needed

    needed("pyarrow")
    directory = Path(out)
    tally = Tally(len(plan))
    with Journal.open(directory, build_id()) as journal:
        try:
            with _runners(executor, scheduler, jobs) as (runners, ahead):
                run_cells(
                    plan.limited_cells(),
                    tally,
                    journal,
                    runners,
                    failures_again=retry,
                    ahead=ahead,
                    progress=progress,
                )
        finally:
            if journal.entries:
                write_results(directory, latest(journal.entries.values()))
    return Result(tally, directory / PARQUET)


def write_results(directory: Path, entries: list[Entry]) -> Path:
    """Write the Parquet file of a directory; the same cells give the same rows."""
    from vmemu.lab.scenarios import find_scenario
    from vmemu.results.dataset import write_parquet

    counted: dict[str, str] = {}
    for reference in dict.fromkeys(entry.cell.scenario for entry in entries):
        counted |= parameters_of(find_scenario(reference))
    records = Records(({"key": entry.key, **entry.record} for entry in entries), counted)
    target = directory / PARQUET
    write_parquet(records, target, provenance())
    return target


def verify(
    out: str | Path,
    n: int,
    *,
    executor: Executor | None = None,
    scheduler: str | None = None,
    jobs: int | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Verified]:
    """Run ``n`` finished cells of a directory again, any of them; how their records compare.

    All are compared byte for byte but for the host's time.  ConfigError where another build of
    vmemu ran them, or none is finished.
    """
    directory = Path(out)
    finished = [e for e in read_journal(directory) if e.record["status"] == "ok"]
    if not finished:
        raise ConfigError(f"{directory} has no finished cell that could be run again")
    build = str(finished[0].record["build"])
    if build != build_id():
        raise ConfigError(
            f"{directory} has results of another build of vmemu ({build}, and this is {build_id()})"
        )
    chosen = random.sample(finished, min(n, len(finished)))
    found = []
    with _runners(executor, scheduler, jobs) as (runners, _):
        for entry, record in again(chosen, runners):
            found.append(Verified(entry, _differing(entry.record, record)))
            progress(len(found))
    return found


def _differing(before: object, after: object) -> list[str]:
    assert isinstance(before, dict) and isinstance(after, dict)
    one, other = comparable(before), comparable(after)
    return [
        name
        for name in dict.fromkeys([*one, *other])
        if json.dumps(one.get(name)) != json.dumps(other.get(name))
    ]


@contextmanager
def _runners(
    executor: Executor | None, scheduler: str | None, jobs: int | None
) -> Iterator[tuple[Executor, int]]:
    """Who runs the cells, and how many they should have at a time."""
    if executor is not None:
        workers = getattr(executor, "_max_workers", None) or 16
        yield executor, 2 * workers
    elif scheduler is not None:
        from vmemu.sweep.distributed import cluster

        with cluster(scheduler, build_id()) as found:
            yield found
    else:
        from vmemu.sweep.local import LocalExecutor, cores

        workers = jobs or cores()
        with LocalExecutor(workers) as local:
            yield local, 2 * workers
