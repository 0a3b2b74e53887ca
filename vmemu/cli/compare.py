"""``vmemu compare``: scenarios under several reverse maps."""

from __future__ import annotations

import os
from typing import Any

import click

from vmemu.cli.declare import option
from vmemu.cli.names import files
from vmemu.cli.names import scenarios as scenario_names
from vmemu.cli.options import (
    every_i_mmap,
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
from vmemu.output import Output
from vmemu.rmap import DEFAULT, compared

__all__ = ["command"]


@click.command(
    "compare",
    epilog=examples(
        "vmemu compare",
        "vmemu compare fork-server --set R=64 --set N=16",
        f"vmemu compare mprotect-halves --rmap none --rmap {DEFAULT}",
        "vmemu compare fork-server --rmap all",
        "vmemu compare late-subfamily --json",
        "vmemu compare fork-server hole --csv",
        "vmemu compare windows --i-mmap all",
        "vmemu compare ./mine.py:S --set N=4",
    ),
    short_help="Run scenarios under the schemes, print one table.",
)
@rmaps_option
@set_option
@machine_options
@option("--wide", is_flag=True, help="Print every column, however wide that is.")
@json_option
@option("--csv", "as_csv", is_flag=True, help="Print CSV instead.")
@option(
    "--parquet",
    metavar="FILE",
    shell_complete=files,
    help="Also write the records to a Parquet file, with the host's time.",
)
@report_option
@click.argument("scenarios", nargs=-1, metavar="[SCENARIO]...", shell_complete=scenario_names)
def command(
    scenarios: tuple[str, ...],
    rmaps: tuple[str, ...],
    settings: tuple[str, ...],
    wide: bool,
    as_json: bool,
    as_csv: bool,
    parquet: str | None,
    report_path: str | None,
    **options: Any,
) -> None:
    """Run each SCENARIO (default: all) under each reverse map and print one table.

    pages, probes and cmp are what try_to_unmap did while the lab paged out the area in
    question: page-table walks, and candidates rejected without one, for each page; ref is
    the same for page_referenced.  copies are pages copied only because of the scheme, vmas
    those of the area.  bytes are what the scheme's objects take, rounded their share of full
    slabs.  The third column holds it all against what is derived for each scheme, which vmemu
    list scenarios shows; what differs stands below the table, as do figures that only one
    scenario has.

    vm-flags-locking also runs before and after rmap 34: named alone or among others it prints
    a second table, how often page_table_lock was acquired for each system call.

    SCENARIO is a name (see vmemu list scenarios), FILE.py:NAME, FILE.toml:NAME or MODULE:NAME; a
    file's only scenario need not be named.  vmemu help write-a-scenario tells how to write one.

    A --set holds for every scenario that has such a parameter. Its value may be a list or a range,
    as in --set N=1,2,4 or --set N=1..64*2; vmemu sweep is for many of them. --i-mmap may be a list,
    or all: each scenario is run with each.

    --json prints one object: records, a flat one for each run with its settings, figures,
    predictions, verdict and every counter, and the units of their columns; --csv and --parquet
    have the same records.  What is printed is the same each time; the host's time is in Parquet
    only.  The status is 1 if a prediction does not hold or the output of a guest differs by
    scheme.
    """
    from vmemu.cli.progress import Progress
    from vmemu.lab.compare import (
        besides,
        check_settings,
        compare,
        comparison_table,
        summary_table,
    )
    from vmemu.lab.locks import locks_table
    from vmemu.lab.record import Records
    from vmemu.lab.scenarios import SCENARIOS, find_scenario

    if as_json and as_csv:
        raise ConfigError("give --json or --csv, not both")
    file = open_report(report_path)
    table = Output(parquet) if parquet is not None else None
    if table is not None:
        table.probe()
    chosen = [find_scenario(name) for name in scenarios or SCENARIOS]
    schemes = rmaps or compared()
    values = parse_settings(settings)
    check_settings(chosen, values)
    i_mmaps = every_i_mmap(options.pop("i_mmap"))
    runs = sum(len(list(scenario.settle_each(values))) for scenario in chosen) * len(schemes)
    with Progress(runs * max(len(i_mmaps), 1)) as progress:
        results = compare(
            chosen, values, schemes, given(options), progress.step, os.cpu_count() or 1, i_mmaps
        )
    records = Records.of(results)
    if as_json:
        click.echo(records.repeatable().as_json())
    elif as_csv:
        click.echo(records.repeatable().as_csv(), nl=False)
    else:
        width = columns()
        if wide:
            click.echo(comparison_table(results).text(width), nl=False)
        else:
            click.echo(summary_table(results).text(width), nl=False)
            for line in besides(results):
                click.echo(line)
        for result in results:
            if result.both_ways and scenarios:
                click.echo("\n" + locks_table(result.both_ways).text(width), nl=False)
    if parquet is not None:
        from vmemu.build_id import provenance
        from vmemu.results.dataset import write_parquet

        write_parquet(records, parquet, provenance())
    if file is not None:
        from vmemu.report.comparisons import comparisons_page

        file.write(comparisons_page(results, command_line(), given(options)))
    differing = [result.scenario.name for result in results if not result.same_output]
    if differing:
        click.echo(f"vmemu: guests' output differs by scheme: {', '.join(differing)}", err=True)
    if differing or any(result.wrong(s) for result in results for s in result.measurements):
        click.get_current_context().exit(1)
