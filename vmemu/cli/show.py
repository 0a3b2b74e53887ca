"""``vmemu show``: a program's memory at one moment, or as it changes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from vmemu.cli import names
from vmemu.cli.moments import at_option, never_came
from vmemu.cli.options import (
    env_option,
    examples,
    file_options,
    given,
    json_option,
    machine_options,
    parse_settings,
    parse_variables,
    rmap_option,
    set_option,
)
from vmemu.errors import ConfigError
from vmemu.output import Output

if TYPE_CHECKING:
    from vmemu.machine import Machine
    from vmemu.snapshot.record import Snapshot

__all__ = ["command"]


@click.command(
    "show",
    epilog=examples(
        "vmemu show hello",
        "vmemu show --at measure fork-server R=4 N=2",
        "vmemu show --at event:fork ./a.out",
        "vmemu show --at write:2 --full ./a.out",
        "vmemu show --at measure --ram 2M --svg storm.svg swap-storm PAGES=700",
        "vmemu show --watch 0.02 --ram 2M swap-storm PAGES=700",
    ),
    context_settings={"ignore_unknown_options": True},
    short_help="Show a program's memory at one moment.",
)
@at_option
@json_option
@click.option(
    "--svg",
    metavar="FILE",
    shell_complete=names.files,
    help="Draw a picture into a file instead of printing.",
)
@click.option("--full", is_flag=True, help="Print each page-table entry in a line of its own.")
@click.option(
    "--watch",
    type=float,
    metavar="SECONDS",
    help="Print a line for each interval of virtual time, as vmstat does; without --at "
    "nothing else.",
)
@rmap_option
@machine_options
@file_options
@set_option
@env_option
@click.option("--check", is_flag=True, help="Check the machine at that moment.")
@click.argument("program", shell_complete=names.programs)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, shell_complete=names.files)
def command(
    program: str,
    arguments: tuple[str, ...],
    moment: str | None,
    as_json: bool,
    svg: str | None,
    full: bool,
    watch: float | None,
    settings: tuple[str, ...],
    env: tuple[str, ...],
    check: bool,
    **options: Any,
) -> None:
    """Run PROGRAM (as vmemu run does) to a moment and show what memory looks like then.

    For each process: its areas, its page tables with their entries decoded, and what it
    shares with whom; for the machine: what each frame serves as, and what is in swap.  The
    program is stopped there.  Its output goes to standard error, so that what is shown can be
    piped.  Where the program's own options could be taken for vmemu's, -- goes before them.

    Status 1 if the moment never comes.
    """
    from vmemu.cli.program import find
    from vmemu.machine import Machine

    interval = _interval(watch)
    if interval is not None and moment is None:
        for name, chosen in (("--svg", svg is not None), ("--full", full), ("--check", check)):
            if chosen:
                raise ConfigError(f"{name} is of one moment: give --at MOMENT as well")
    if svg is not None:
        Output(svg).probe()
    found = find(program, options["bits"], options["root"], options["binds"])
    options["bits"] = found.bits
    argv = [found.name, *arguments]
    argv += [f"{name}={value}" for name, value in parse_settings(settings).items()]
    with Machine(**given(options)) as machine:
        machine.spawn(found.path, argv, parse_variables(env), stdout=2, inside=found.inside)
        if interval is not None:
            watching = _watch(machine, interval, as_json)
            if moment is None:
                machine.run()
                watching.read()
                return
        marks: list[str] = []
        machine.kernel.on_mark = lambda task, name, a, b: marks.append(name)
        snapshot = machine.run_to(moment or "exit")
        if snapshot is None:
            never_came(machine, moment or "exit", marks)
        if check:
            machine.check()
    _show(snapshot, as_json, svg, full)


def _interval(seconds: float | None) -> int | None:
    """Virtual nanoseconds; ConfigError for what is no time."""
    if seconds is None:
        return None
    if not 1e-6 <= seconds <= 1e6:
        raise ConfigError(
            f"--watch takes seconds of virtual time, 0.000001 to 1000000, not {seconds:g}"
        )
    return round(seconds * 1e9)


def _watch(machine: Machine, interval: int, as_json: bool) -> Any:
    from vmemu.snapshot.watch import HEAD, Watch, line

    if not as_json:
        click.echo(HEAD)
    return Watch(
        machine,
        interval,
        lambda reading: click.echo(json.dumps(reading._asdict()) if as_json else line(reading)),
    )


def _show(snapshot: Snapshot, as_json: bool, svg: str | None, full: bool) -> None:
    if svg is not None:
        Output(svg).write(snapshot.svg())
    if as_json:
        click.echo(json.dumps(snapshot.as_json()))
    elif svg is None:
        click.echo(snapshot.text(full=full), nl=False)
