"""Whole explorations: a scenario by its name in, a report with the plainest run out."""

from __future__ import annotations

from typing import Any

from vmemu.core import I_MMAP
from vmemu.errors import ConfigError
from vmemu.explore.catalogue import find_scenario
from vmemu.explore.explorer import Explorer, Mode, Report, Violation
from vmemu.explore.scenario import Scenario, Settings
from vmemu.explore.schedule import Schedule
from vmemu.explore.timeline import table

__all__ = ["as_json", "explore", "heading", "replay", "schedule", "text", "vm_flags_locks"]

_PLAIN_RUNS = 4000  # that looking for a plainer counterexample may take


def explore(
    scenario: type[Scenario],
    settings: Settings,
    mode: Mode = Mode.REDUCED,
    *,
    preemptions: int = 255,
    seed: int = 0,
    limit: int = 0,
) -> Report:
    """Explore until nothing is left, a violation, or ``limit`` runs.

    The violation shown is one with as few preemptions as can be found soon, if at most 2.
    """
    with Explorer(scenario(settings), mode, preemptions=preemptions, seed=seed) as explorer:
        report = explorer.explore(limit)
    if report.violation is not None and mode is not Mode.ALL:
        report.violation = _plainer(scenario, settings) or report.violation
    return report


def _plainer(scenario: type[Scenario], settings: Settings) -> Violation | None:
    for preemptions in range(3):
        explorer = Explorer(scenario(settings), Mode.ALL, preemptions=preemptions)
        with explorer:
            found = explorer.explore(_PLAIN_RUNS)
        if found.violation is not None:
            return found.violation
    return None


def replay(recorded: Schedule) -> Report:
    """Run a schedule; ConfigError when the scenario no longer has these paths."""
    scenario = find_scenario(recorded.scenario)
    if scenario.path_names() != recorded.paths:
        raise ConfigError(
            f"the schedule is for the paths {', '.join(recorded.paths)} of {recorded.scenario}, "
            f"which now has {', '.join(scenario.path_names())}"
        )
    with Explorer(scenario(recorded.settings), Mode.ALL) as explorer:
        explorer.prescribe(recorded.choices)
        return explorer.explore(1)


def schedule(report: Report) -> Schedule:
    """What repeats a report's violation."""
    assert report.violation is not None
    violation = report.violation
    return Schedule(
        report.scenario, report.settings, report.paths, violation.choices, violation.problems
    )


def heading(report: Report, *, mutations: bool = True) -> str:
    """What was run, in one line."""
    settings = report.settings
    values = "".join(f" {name}={value}" for name, value in report.values.items())
    mutated = "".join(f", mutation {letter}" for letter in settings.mutations if mutations)
    under = f"vm_flags under {vm_flags_locks(settings)}"
    kept = f", {settings.i_mmap}" if settings.i_mmap != I_MMAP else ""
    return f"{report.scenario}{values}, {settings.rmap}{kept}, {under}{mutated}"


def vm_flags_locks(settings: Settings) -> str:
    """The locks that guard vm_flags."""
    both = settings.vm_flags_lock != "mmap_sem"
    return "mmap_sem and page_table_lock" if both else "mmap_sem"


def text(report: Report, *, full: bool = False) -> list[str]:
    """A report in lines."""
    violation = report.violation
    lines = [heading(report)]
    runs = f"  {report.interleavings:,} interleavings of {', '.join(report.paths)}"
    if report.redundant:
        runs += f" (and {report.redundant:,} that repeated one)"
    lines.append(f"{runs}, up to {report.longest} steps, {report.outcomes} outcomes")
    if violation is None:
        lines.append(f"  no violation{_scope(report)}")
        return lines
    lines += [f"  VIOLATION: {problem}" for problem in violation.problems]
    lines.append("")
    shown = violation.rows(full=full)
    lines += ["  " + line for line in table(report.paths, shown)]
    if len(shown) < len(violation.steps):
        lines.append(
            f"  ({len(violation.steps) - len(shown)} steps on what only one path touches "
            "are left out; --full shows them)"
        )
    return lines


def _scope(report: Report) -> str:
    if not report.complete:
        return " in these"
    return (
        ": these are all"
        if report.mode is Mode.ALL
        else ": every other order is equivalent to one of these"
    )


def as_json(report: Report) -> dict[str, Any]:
    """A report as plain values."""
    settings, violation = report.settings, report.violation
    return {
        "scenario": report.scenario,
        "paths": report.paths,
        "set": report.values,
        "rmap": settings.rmap,
        "vm_flags_lock": settings.vm_flags_lock,
        "mutations": settings.mutations,
        "i_mmap": settings.i_mmap,
        "mode": report.mode.name.lower(),
        "interleavings": report.interleavings,
        "redundant": report.redundant,
        "outcomes": report.outcomes,
        "longest": report.longest,
        "complete": report.complete,
        "violation": violation
        and {
            "problems": violation.problems,
            "choices": "".join(map(str, violation.choices)),
            "steps": [
                {"path": report.paths[row.path], "step": row.text} for row in violation.steps
            ],
        },
    }
