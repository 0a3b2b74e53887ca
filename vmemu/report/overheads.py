"""The report of ``vmemu overhead``: bytes for each vma and mm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vmemu.lab.overhead import BASELINE, MODES, Cost, Overhead, overhead_table
from vmemu.report.bars import Bar, Panel, number, panels
from vmemu.report.page import Line, Mark, Overview, Page, Section, Tabular
from vmemu.report.settings import machine_settings

__all__ = ["overheads_page"]


def overheads_page(
    results: Sequence[Overhead], k: int, m: int, command: str, options: Mapping[str, Any]
) -> Page:
    """A page on schemes weighed with ``k`` vmas and ``m`` mms; ``options`` are Machine's."""
    settings = {
        "schemes": ", ".join(result.scheme for result in results),
        **machine_settings(options, "as much as it takes", "none"),
        "K": f"{k} vmas",
        "M": f"{m} processes",
    }
    costs: dict[str, str | None] = {f"vma, {title}": mode for mode, title in MODES.items()}
    costs["mm"] = None
    lines = [
        Line(what, [_mark(_cost(result, mode)) for result in results])
        for what, mode in costs.items()
    ]
    found = [Panel(f"Bytes for each {what}", _bars(results, mode)) for what, mode in costs.items()]
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
        Section("All measurements", [Tabular(overhead_table(results))]),
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


def _cost(result: Overhead, mode: str | None) -> Cost:
    return result.per_mm if mode is None else result.per_vma[mode]


def _mark(cost: Cost) -> Mark:
    return Mark(f"{number(cost.exact)} bytes", f"{number(cost.rounded)} slab-rounded")


def _bars(results: Sequence[Overhead], mode: str | None) -> list[Bar]:
    found = []
    for result in results:
        cost = _cost(result, mode)
        found.append(Bar(result.scheme, cost.exact, result.scheme))
        found.append(Bar("slab-rounded", cost.rounded, result.scheme, faint=True))
    return found
