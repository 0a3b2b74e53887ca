"""The report of ``vmemu overhead``: bytes for each vma, mm, page and level of forks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vmemu.lab.overhead import BASELINE, PARAMETERS, Cost, Overhead, overhead_table
from vmemu.report.bars import Bar, Panel, number, panels
from vmemu.report.page import Line, Mark, Overview, Page, Section, Tabular
from vmemu.report.settings import machine_settings

__all__ = ["overheads_page"]


def overheads_page(
    results: Sequence[Overhead],
    params: Mapping[str, int],
    command: str,
    options: Mapping[str, Any],
) -> Page:
    """A page on schemes weighed with ``params``, K and others; ``options`` are Machine's."""
    levels = params["D"]
    settings = {
        "schemes": ", ".join(result.scheme for result in results),
        **machine_settings(options, "as much as it takes", "none"),
        **{p.name: f"{params[p.name]} {p.counted}" for p in PARAMETERS},
    }
    by_use = {
        what: {result.scheme: result.costs(levels)[what] for result in results}
        for what in results[0].costs(levels)
    }
    lines = [Line(what, [_mark(cost) for cost in costs.values()]) for what, costs in by_use.items()]
    found = [Panel(f"Bytes for each {what}", _bars(costs)) for what, costs in by_use.items()]
    most = max(bar.value for panel in found for bar in panel.bars)
    about = (
        f"What a scheme adds to the same run without a reverse map (scheme {BASELINE}): bytes "
        "of its objects, and their share of full slabs."
    )
    schemes = [result.scheme for result in results]
    sections = [
        Section("Bytes for each", [Overview("for each", schemes, lines)], about),
        Section("In bars", panels(found, most=most), "All of them on one scale.")
        if most
        else Section("In bars", [], "There is nothing to draw: no scheme adds a byte."),
        Section("All measurements", [Tabular(overhead_table(results, levels))]),
    ]
    return Page("vmemu overhead", command, settings, _verdict(results), sections)


def _verdict(results: Sequence[Overhead]) -> Mark:
    """What each scheme adds, in a sentence."""
    said = []
    for result in results:
        bytes_ = [cost.exact for cost in result.per_vma.values()]
        low, high = (number(n) for n in (min(bytes_), max(bytes_)))
        vma = low if low == high else f"{low} to {high}"
        said.append(
            f"{result.scheme} adds {vma} bytes to a vma and {number(result.per_mm.exact)} to an mm"
        )
    return Mark(f"{'; '.join(said)}.")


def _mark(cost: Cost) -> Mark:
    return Mark(f"{number(cost.exact)} bytes", f"{number(cost.rounded)} slab-rounded")


def _bars(costs: Mapping[str, Cost]) -> list[Bar]:
    found = []
    for scheme, cost in costs.items():
        found.append(Bar(scheme, cost.exact, scheme))
        found.append(Bar("slab-rounded", cost.rounded, scheme, faint=True))
    return found
