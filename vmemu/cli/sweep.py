"""``vmemu sweep``: many runs of scenarios, written down as they end."""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vmemu.cli import names
from vmemu.cli.options import MACHINE, examples
from vmemu.errors import ConfigError

if TYPE_CHECKING:
    from vmemu.sweep.engine import Tally
    from vmemu.sweep.journal import Entry
    from vmemu.sweep.plan import Plan
    from vmemu.sweep.sweep import Verified

__all__ = ["command"]

F = TypeVar("F", bound=Callable[..., Any])

_HELP = {
    "--swap": "Swap: sizes for temporary files, or none.",
    "--bits": "The machine: 32 is i386, 64 x86-64; by default 32.",
}
_SHOWN = 20  # failures, or cells that differ


def _settings(command: F) -> F:
    """Add the machine's settings, each as a list or a range."""
    for declared in reversed(MACHINE):
        if declared.name == "max_host_time":
            continue  # --time-limit is that of a cell
        words = [word.partition("/")[0] for word in declared.words if word.startswith("--")]
        name = max(words, key=len)
        command = click.option(
            name,
            declared.name,
            metavar="VALUES",
            help=_HELP.get(name) or re.split(r"(?<=\.)\s", declared.settings["help"])[0],
        )(command)
    return command


@click.command(
    "sweep",
    epilog=examples(
        "vmemu sweep fork-server N=1..64*2 R=16 --rmap all --out runs",
        "vmemu sweep private-pages swap-storm --ram 2M,4M --seed 0..9 --out runs",
        "vmemu sweep experiment.toml --out runs",
        "vmemu sweep experiment.toml --dry-run",
        "vmemu sweep --verify 20 --out runs",
    ),
    short_help="Run scenarios with many parameters and settings, on all cores or a cluster.",
)
@click.option(
    "--rmap",
    "rmaps",
    multiple=True,
    metavar="SCHEME",
    shell_complete=names.schemes_or_all,
    help="A reverse map, several with commas between them, or all; may be repeated.",
)
@_settings
@click.option(
    "--out",
    metavar="DIR",
    shell_complete=names.files,
    help="Where results go, and where a sweep that was stopped goes on.",
)
@click.option(
    "--jobs", type=int, metavar="N", help="So many cells at a time; by default all cores."
)
@click.option(
    "--scheduler",
    metavar="tcp://HOST:PORT",
    help="Run the cells on a cluster of dask.distributed instead.",
)
@click.option(
    "--time-limit",
    type=float,
    metavar="SECONDS",
    help="The host's time for a cell.  [default: 600]",
)
@click.option("--memory-limit", metavar="SIZE", help="The host's memory for a cell.  [default: 4G]")
@click.option("--retry", is_flag=True, help="Run cells again that failed.")
@click.option(
    "--verify", type=int, metavar="N", help="Run N finished cells again and compare each byte."
)
@click.option("--dry-run", is_flag=True, help="Show how many cells there are, and run none.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
@click.argument(
    "words", nargs=-1, metavar="[SCENARIO|FILE.toml|NAME=VALUES]...", shell_complete=names.scenarios
)
def command(
    words: tuple[str, ...],
    rmaps: tuple[str, ...],
    out: str | None,
    jobs: int | None,
    scheduler: str | None,
    time_limit: str | None,
    memory_limit: str | None,
    retry: bool,
    verify: int | None,
    dry_run: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Run each SCENARIO, or what an experiment file says, once for every combination of values.

    VALUES are a list, 1,2,4, or a range: 0..9, 10..100+10, 1..256*2, which doubles. They may be
    given for every parameter of a scenario and for every setting of the machine.

    Each cell runs in a process of its own, within limits. One that fails is written down with
    its reason and stops nothing; the status is then 1. A sweep that was killed goes on where it
    was when it is started again with the same --out. vmemu results queries what is there.
    """
    from vmemu.sweep.words import plan_from_words

    given = {name: value for name, value in settings.items() if value is not None}
    if jobs is not None and not 1 <= jobs <= 4096:
        raise ConfigError(f"--jobs must be 1 to 4096, not {jobs}")
    if verify is not None:
        if words or given or rmaps:
            raise ConfigError("--verify takes the cells of --out: name no scenarios and settings")
        if verify < 1:
            raise ConfigError(f"--verify must be 1 or more, not {verify}")
        _verify(_directory(out), verify, jobs, scheduler, as_json)
        return
    limits = {"time": time_limit, "memory": memory_limit}
    plan = plan_from_words(words, {**given, **limits, "rmap": rmaps})
    if dry_run:
        _show_plan(plan, as_json)
        return
    _run(plan, _directory(out), jobs, scheduler, retry, as_json)


def _directory(out: str | None) -> Path:
    if not out:  # nor "", as of a variable that is not set
        raise ConfigError("say where the results go: --out runs")
    return Path(out)


def _show_plan(plan: Plan, as_json: bool) -> None:
    if as_json:
        import json

        click.echo(json.dumps({"cells": len(plan)}))
        return
    click.echo(plan.describe().text(), nl=False)


def _run(
    plan: Plan, out: Path, jobs: int | None, scheduler: str | None, retry: bool, as_json: bool
) -> None:
    from vmemu.cli.progress import Counted
    from vmemu.sweep.sweep import sweep

    with Counted(len(plan), "cells") as bar, _terminated_as_interrupted():

        def progress(tally: Tally) -> None:
            bar.show(tally.done, f"{len(tally.failures)} failed")

        result = sweep(plan, out, jobs=jobs, scheduler=scheduler, retry=retry, progress=progress)
    tally = result.tally
    if as_json:
        import json

        click.echo(
            json.dumps(
                {
                    "cells": tally.done,
                    "ran": tally.ran,
                    "found": tally.found,
                    "not_as_predicted": tally.deviating,
                    "failures": [_failure(entry) for entry in tally.failures],
                    "parquet": str(result.parquet),
                },
                indent=2,
            )
        )
    else:
        _show_tally(tally, result.parquet)
    if tally.failures:
        click.get_current_context().exit(1)


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM, which batch systems send before they kill, ends a sweep as Ctrl-C does."""
    before = signal.getsignal(signal.SIGTERM)
    if before is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _show_tally(tally: Tally, parquet: Path) -> None:
    told = [f"{tally.done} cells in {parquet}"]
    if tally.found:
        told.append(f"{tally.found} of them were there")
    if tally.deviating:
        told.append(f"{tally.deviating} not as predicted")
    if tally.failures:
        told.append(f"{len(tally.failures)} failed:")
    click.echo(", ".join(told))
    for entry in tally.failures[:_SHOWN]:
        found = _failure(entry)
        click.echo(f"  {found['cell']}: {found['failure']}: {found['reason']}")
    if len(tally.failures) > _SHOWN:
        click.echo(f"  and {len(tally.failures) - _SHOWN} more")


def _failure(entry: Entry) -> dict[str, str]:
    record = entry.record
    return {
        "cell": str(entry.cell),
        "failure": str(record["failure"]),
        "reason": str(record["reason"]),
    }


def _verify(out: Path, n: int, jobs: int | None, scheduler: str | None, as_json: bool) -> None:
    from vmemu.cli.progress import Counted
    from vmemu.sweep.sweep import verify

    with Counted(n, "cells") as bar:
        found = verify(out, n, jobs=jobs, scheduler=scheduler, progress=bar.show)
    if as_json:
        import json

        differing = {str(each.entry.cell): each.columns for each in found if each.columns}
        click.echo(json.dumps({"cells": len(found), "differing": differing}, indent=2))
    else:
        _show_verified(found)
    if any(each.columns for each in found):
        click.get_current_context().exit(1)


def _show_verified(found: list[Verified]) -> None:
    differing = [each for each in found if each.columns]
    same = len(found) - len(differing)
    click.echo(f"{same} of {len(found)} cells gave the same record again, byte for byte")
    for each in differing[:_SHOWN]:
        click.echo(f"  {each.entry.cell}: another {', '.join(each.columns[:6])}")
