"""``vmemu explore``: kernel paths in every order that matters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vmemu.cli import names
from vmemu.cli.options import every_scheme, examples, json_option, parse_settings, set_option
from vmemu.cli.reporting import command_line, open_report, report_option
from vmemu.errors import ConfigError
from vmemu.output import Output

if TYPE_CHECKING:
    from vmemu.explore.explorer import Report

__all__ = ["command"]


@click.command(
    "explore",
    epilog=examples(
        "vmemu explore --list",
        "vmemu explore mlock-vs-unmap",
        "vmemu explore mlock-vs-unmap --vm-flags-lock page_table_lock",
        "vmemu explore mlock-vs-unmap --mutate b --save b.json",
        "vmemu explore --replay b.json --full",
        "vmemu explore mlock-vs-unmap --mutate b --report b.html",
        "vmemu explore exit-vs-reclaim --set PAGES=3 --random 100000 --seed 1",
        "vmemu explore wr+reclaim@swapped",
        "vmemu explore --pairs",
        "vmemu explore --triples 500 --seed 7",
    ),
    short_help="Run kernel paths in every order that matters.",
)
@click.option("--list", "list_them", is_flag=True, help="Show the scenarios and the mutations.")
@click.option(
    "--rmap",
    "rmaps",
    metavar="SCHEME",
    multiple=True,
    callback=lambda ctx, param, rmaps: every_scheme(rmaps),
    shell_complete=names.schemes,
    help="A reverse map, or all; may be repeated.  [default: every one that can swap]",
)
@click.option(
    "--vm-flags-lock",
    metavar="mmap_sem|page_table_lock",
    default="mmap_sem",
    shell_complete=names.one_of("mmap_sem", "page_table_lock"),
    help="What guards vm_flags: as after rmap 34, or as before.  [default: mmap_sem]",
)
@click.option(
    "--i-mmap",
    metavar="list|prio_tree|interval_tree",
    shell_complete=names.one_of("list", "prio_tree", "interval_tree"),
    help="What a file's areas are kept in.  [default: prio_tree]",
)
@set_option
@click.option("--mutate", metavar="LETTERS", default="", help="Break the kernel so; see --list.")
@click.option(
    "--preemptions",
    type=click.IntRange(0, 254),
    metavar="N",
    help="Every order with at most N preemptions, without reduction.",
)
@click.option("--no-reduction", is_flag=True, help="Every order; they are soon too many.")
@click.option(
    "--random", "runs", type=click.IntRange(1), metavar="N", help="N orders drawn at random."
)
@click.option("--seed", type=int, default=0, metavar="N", help="Of --random.  [default: 0]")
@click.option(
    "--limit", type=click.IntRange(1), metavar="N", help="Stop after N runs, explored or not."
)
@click.option(
    "--pairs",
    is_flag=True,
    help="Every path against every other, in each state of the pages, --limit runs each.",
)
@click.option(
    "--triples", type=click.IntRange(1), metavar="N", help="N times three paths, by --seed."
)
@click.option(
    "--save",
    metavar="FILE",
    shell_complete=names.files,
    help="Write the first counterexample's schedule.",
)
@click.option(
    "--replay",
    "replayed",
    metavar="FILE",
    shell_complete=names.files,
    help="Run a saved schedule again.",
)
@click.option("--full", is_flag=True, help="Show every step of a counterexample.")
@json_option
@report_option
@click.argument("scenarios", nargs=-1, metavar="[SCENARIO]...", shell_complete=names.explorations)
@click.pass_context
def command(ctx: click.Context, /, scenarios: tuple[str, ...], **options: Any) -> None:
    """Run two or more paths of the kernel (system calls, faults, reclaim, swapoff) against each
    other in every order that matters, and see that a property holds.

    The paths are the memory manager's own code, which may switch at every lock operation, at
    every access to something shared and at every allocation.  Orders that differ only in steps
    that have nothing to do with each other count as one (dynamic partial-order reduction).

    A counterexample is shown as a table, a column for each path; --save keeps it, --replay runs
    it again, --report draws it.  Exit status: 0 no violation, 1 a violation, 2 bad usage.
    """
    if options["list_them"]:
        if options["report_path"] is not None:
            raise ConfigError("--list runs nothing that a report could show")
        _list(as_json=options["as_json"])
        return
    if options["pairs"] or options["triples"]:
        if scenarios or options["replayed"] or options["report_path"] or options["mutate"]:
            raise ConfigError("--pairs and --triples take --rmap, --limit, --seed and --json only")
        if _cross(options):
            ctx.exit(1)
        return
    if options["replayed"] is None and not scenarios:
        raise click.UsageError("missing SCENARIO; --list shows them", ctx)
    file = open_report(options["report_path"])
    if options["save"] is not None:
        Output(options["save"]).probe()
    replayed = options["replayed"] is not None
    reports = (_replay if replayed else _explore)(scenarios, options)
    if file is not None:
        from vmemu.report.explorations import explorations_page

        full, saved = options["full"], options["save"] or options["replayed"]
        file.write(explorations_page(reports, command_line(), full=full, saved=saved))
    if any(report.violation is not None for report in reports):
        ctx.exit(1)


def _explore(scenarios: tuple[str, ...], options: dict[str, Any]) -> list[Report]:
    from vmemu.core import I_MMAP
    from vmemu.explore import runner
    from vmemu.explore.catalogue import default_schemes, find_scenario
    from vmemu.explore.explorer import Mode
    from vmemu.explore.scenario import Settings

    chosen = [find_scenario(name) for name in scenarios]
    values = _numbers(options["settings"])
    mode, preemptions, limit = Mode.REDUCED, 255, options["limit"] or 0
    if options["runs"] is not None:
        mode, limit = Mode.RANDOM, options["runs"]
    if options["no_reduction"] or options["preemptions"] is not None:
        if mode is Mode.RANDOM:
            raise ConfigError("--random cannot be combined with --preemptions or --no-reduction")
        mode = Mode.ALL
        preemptions = 255 if options["preemptions"] is None else options["preemptions"]
    reports = []
    for scenario in chosen:
        for rmap in options["rmaps"] or default_schemes():
            kept = options["i_mmap"] or I_MMAP
            settings = Settings(rmap, options["vm_flags_lock"], options["mutate"], values, kept)
            report = runner.explore(
                scenario,
                settings,
                mode,
                preemptions=preemptions,
                seed=options["seed"] & 0xFFFFFFFFFFFFFFFF,
                limit=limit,
            )
            reports.append(report)
            if not options["as_json"]:
                click.echo("\n".join(runner.text(report, full=options["full"])))
    if options["as_json"]:
        _print_json([runner.as_json(report) for report in reports])
    broken = [report for report in reports if report.violation is not None]
    if broken and options["save"]:
        runner.schedule(broken[0]).save(options["save"])
    return reports


_CROSSING_RUNS = 60
"""Of a crossing, unless --limit says otherwise: nearly all have shown all they have by then."""


def _cross(options: dict[str, Any]) -> bool:
    """Explore crossings of paths; whether something was found."""
    import time

    from vmemu.cli.progress import Progress
    from vmemu.explore.crossings import crossings, explore_all, triples
    from vmemu.rmap import builtin

    crossed_paths = crossings() if options["pairs"] else []
    crossed_paths += triples(options["triples"], options["seed"]) if options["triples"] else []
    rmaps = options["rmaps"] or tuple(builtin())
    began, crossed, runs, found = time.monotonic(), 0, 0, []
    with Progress(len(crossed_paths) * len(rmaps)) as bar:
        for result in explore_all(crossed_paths, rmaps, options["limit"] or _CROSSING_RUNS):
            bar.step(result.name)
            crossed += 1
            runs += result.runs
            if result.problem:
                found.append(result)
    if options["as_json"]:
        findings = [result._asdict() for result in found]
        _print_json([{"crossings": crossed, "runs": runs, "violations": findings}])
        return bool(found)
    for result in found:
        click.echo(f"{result.name} under {result.rmap}, {result.runs} runs: {result.problem}")
        click.echo(f"    vmemu explore {result.name} --rmap {result.rmap}")
    seconds = time.monotonic() - began
    click.echo(
        f"{crossed:,} crossings of paths, {runs:,} runs, {seconds:.0f} s, {len(found)} violations"
    )
    return bool(found)


def _replay(scenarios: tuple[str, ...], options: dict[str, Any]) -> list[Report]:
    from vmemu.explore import runner
    from vmemu.explore.schedule import Schedule

    if scenarios:
        raise ConfigError("--replay takes scenario and settings from its file")
    report = runner.replay(Schedule.load(options["replayed"]))
    if options["as_json"]:
        _print_json([runner.as_json(report)])
    else:
        click.echo("\n".join(runner.text(report, full=options["full"])))
    if report.violation is not None and options["save"]:
        runner.schedule(report).save(options["save"])
    return [report]


def _numbers(settings: tuple[str, ...]) -> dict[str, int]:
    values = {}
    for name, text in parse_settings(settings).items():
        if not text.isdecimal():
            raise ConfigError(f"--set {name} takes a number, not {text!r}")
        values[name] = int(text)
    return values


def _print_json(objects: list[dict[str, Any]]) -> None:
    import json

    click.echo(json.dumps(objects[0] if len(objects) == 1 else objects, indent=2))


def _list(*, as_json: bool) -> None:
    from vmemu.explore.catalogue import SCENARIOS
    from vmemu.explore.mutation import MUTATIONS

    if as_json:
        _print_json(
            [
                {
                    "scenarios": {
                        name: {
                            "summary": scenario.summary(),
                            "paths": scenario.path_names(),
                            "parameters": scenario.parameters,
                        }
                        for name, scenario in SCENARIOS.items()
                    },
                    "mutations": MUTATIONS,
                }
            ]
        )
        return
    for name, scenario in SCENARIOS.items():
        values = "".join(f" {key}={value}" for key, value in scenario.parameters.items())
        click.echo(f"{name}{values}: {', '.join(scenario.path_names())}")
        click.echo(f"    {scenario.summary()}")
    click.echo("\nmutations (--mutate)")
    for letter, what in MUTATIONS.items():
        click.echo(f"  {letter}  {what}")
