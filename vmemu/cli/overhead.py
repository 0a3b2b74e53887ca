"""``vmemu overhead``: what each scheme's objects weigh."""

from __future__ import annotations

import json
from typing import Any

import click

from vmemu.cli.options import (
    examples,
    given,
    json_option,
    machine_options,
    parse_settings,
    rmaps_option,
    set_option,
)
from vmemu.cli.reporting import command_line, open_report, report_option
from vmemu.cli.terminal import columns
from vmemu.errors import ConfigError
from vmemu.rmap import DEFAULT, compared

__all__ = ["command"]


@click.command(
    "overhead",
    epilog=examples(
        "vmemu overhead",
        "vmemu overhead --set K=8192 --json",
        f"vmemu overhead --rmap {DEFAULT}",
    ),
    short_help="Measure bytes for each vma, mm and page of each scheme.",
)
@rmaps_option
@set_option
@machine_options
@json_option
@report_option
def command(
    rmaps: tuple[str, ...],
    settings: tuple[str, ...],
    as_json: bool,
    report_path: str | None,
    **options: Any,
) -> None:
    """Measure on live guests what each scheme adds to a vma, an mm, a page, a level of forks.

    A guest makes K vmas: each with an rmap object of its own, never written, or all parts of
    one written area; another makes M processes, another P pages, of its own or shared with a
    child; another forks a line of D processes, of which the last is weighed.  Slab caches are
    read before and after, and compared with those of the same run without a reverse map (scheme
    none).  Bytes are those of the objects; slab-rounded, of their share of full slabs; the last
    column counts the frames that all of them took in this run.
    """
    from vmemu.cli.progress import Progress
    from vmemu.lab import overhead

    file = open_report(report_path)
    values = parse_settings(settings)
    params = {p.name: p for p in overhead.PARAMETERS}
    for name in values:
        if name not in params:
            raise ConfigError(f"overhead has no parameter {name!r}, it has {', '.join(params)}")
    numbers = {
        name: int(p.parse(values[name]) if name in values else p.default)
        for name, p in params.items()
    }
    k, m, p, d = numbers.values()
    schemes = rmaps or compared()
    runs = len({overhead.BASELINE, *schemes}) * (len(overhead.MODES) + len(overhead.PAGES) + 2)
    with Progress(runs) as progress:
        results = overhead.measure_overhead(schemes, k, m, given(options), progress.step, p=p, d=d)
    if as_json:
        click.echo(json.dumps(overhead.as_json(results, numbers), indent=2))
    else:
        click.echo(overhead.overhead_table(results, d).text(columns()), nl=False)
    if file is not None:
        from vmemu.report.overheads import overheads_page

        file.write(overheads_page(results, numbers, command_line(), given(options)))
