"""The report of ``vmemu explore``: what was found, and counterexamples drawn."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from vmemu.core import PAGE_SIZE
from vmemu.explore import runner
from vmemu.explore.catalogue import find_scenario
from vmemu.explore.explorer import Mode, Report
from vmemu.explore.mutation import MUTATIONS
from vmemu.explore.scenario import FRAMES, SWAP_PAGES
from vmemu.explore.timeline import table
from vmemu.report.page import (
    Block,
    Facts,
    Figure,
    Line,
    Listing,
    Mark,
    Overview,
    Page,
    Section,
    Tone,
)
from vmemu.report.timeline import draw

__all__ = ["drawing", "explorations_page"]


def explorations_page(
    reports: Sequence[Report], command: str, *, full: bool = False, saved: str | None = None
) -> Page:
    """A page on these explorations; ``saved``: where the first schedule was written.

    Timelines show the steps that matter, or all with ``full``.
    """
    settings = reports[0].settings
    shown = {
        "RAM": f"{FRAMES * PAGE_SIZE >> 10} kB",
        "swap": f"{SWAP_PAGES * PAGE_SIZE >> 10} kB",
        "schemes": ", ".join(dict.fromkeys(report.settings.rmap for report in reports)),
        "vm_flags under": runner.vm_flags_locks(settings),
    }
    if settings.mutations:
        shown["mutations"] = ", ".join(settings.mutations)
    if reports[0].mode is Mode.RANDOM:
        shown["seed"] = str(reports[0].seed)
    sections = [Section("Outcomes", [_overview(reports)])]
    broken = [report for report in reports if report.violation is not None]
    for i, report in enumerate(reports, 1):
        first = bool(broken) and report is broken[0]
        sections.append(_section(report, f"exploration-{i}", full, saved if first else None))
    names = ", ".join(dict.fromkeys(report.scenario for report in reports))
    return Page(f"vmemu explore: {names}", command, shown, _verdict(reports), sections)


def drawing(report: Report, *, full: bool = False) -> str:
    """The counterexample of a report as an SVG document."""
    mutations = [f"mutation {m}: {MUTATIONS[m]}" for m in report.settings.mutations]
    return draw(report, [runner.heading(report, mutations=False), *mutations], full=full)


def _overview(reports: Sequence[Report]) -> Overview:
    """A line for each scenario, a column for each scheme: whether the properties hold."""
    schemes = list(dict.fromkeys(report.settings.rmap for report in reports))
    lines = []
    for name in dict.fromkeys(report.scenario for report in reports):
        found = {report.settings.rmap: report for report in reports if report.scenario == name}
        link = 1 + reports.index(next(iter(found.values())))
        marks = [_mark(found[scheme]) if scheme in found else None for scheme in schemes]
        lines.append(Line(name, marks, link=f"exploration-{link}"))
    return Overview("scenario", schemes, lines)


def _mark(report: Report) -> Mark:
    note = (
        f"{report.interleavings:,} interleavings ({_which(report)}), "
        f"{report.outcomes:,} outcome{'s' * (report.outcomes != 1)}, "
        f"{report.longest:,} steps at the most"
    )
    if report.violation is not None:
        return Mark("violation", f"{report.violation.problems[0]}; {note}", Tone.BAD)
    return Mark("holds", note, Tone.GOOD)


def _verdict(reports: Sequence[Report]) -> Mark:
    """Whether what must hold does, in all orders or in those that were tried."""
    broken = [report for report in reports if report.violation is not None]
    if broken:
        first = broken[0]
        assert first.violation is not None
        count = "A violation" if len(broken) == 1 else f"{len(broken)} violations, the first"
        return Mark(
            f"{count} in {first.scenario} under {first.settings.rmap}:",
            f"{first.violation.problems[0]}.",
            Tone.BAD,
        )
    total = sum(report.interleavings for report in reports)
    if all(report.complete for report in reports):
        note = f"None of {total:,} interleavings, all that matter, breaks it."
        return Mark("What must hold holds.", note, Tone.GOOD)
    return Mark("No violation was found.", f"{total:,} interleavings were tried, not all.")


def _which(report: Report) -> str:
    if report.complete:
        return "all" if report.mode is Mode.ALL else "all that matter"
    return "up to the violation" if report.violation else "some"


def _section(report: Report, anchor: str, full: bool, saved: str | None) -> Section:
    scenario = find_scenario(report.scenario)
    facts = {
        "paths": ", ".join(report.paths),
        "must hold": inspect.cleandoc(scenario.check.__doc__ or "").partition("\n")[0],
        "interleavings": f"{report.interleavings:,} ({_which(report)})"
        + (f", and {report.redundant:,} that repeated one" if report.redundant else ""),
        "different outcomes": str(report.outcomes),
        "longest": f"{report.longest} steps",
        "violation": "; ".join(report.violation.problems) if report.violation else "none",
    }
    return Section(
        runner.heading(report),
        [Facts(facts), *_counterexample(report, full, saved)],
        text=f"{scenario.summary()}.",
        bad=report.violation is not None,
        anchor=anchor,
    )


def _counterexample(report: Report, full: bool, saved: str | None) -> Iterator[Block]:
    if report.violation is None:
        return
    settings, rows = report.settings, report.violation.rows(full=full)
    name = "-".join(filter(None, (report.scenario, settings.rmap, settings.mutations)))
    hidden = len(report.violation.steps) - len(rows)
    left_out = f"{hidden} steps on what only one path touches are left out; --full shows them."
    yield Figure(
        drawing(report, full=full),
        "Time runs downwards; the numbers are those of the table." + f" {left_out}" * (hidden > 0),
        f"{name}.svg",
        scrolls=True,
    )
    yield Listing("\n".join(table(report.paths, rows)), "The same as text:")
    file = PurePath(saved).name if saved else f"{name}.json"
    yield Listing(
        f"vmemu explore --replay {file}" + " --full" * full,
        f"This command runs it again; {file} is the schedule:",
    )
    schedule = json.dumps(runner.schedule(report).as_json(), indent=2)
    yield Listing(schedule, f"The schedule, {file}", folded=True)
