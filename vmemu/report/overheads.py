"""The report of ``vmemu overhead``: bytes for each vma and mm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vmemu.lab.overhead import BASELINE, MODES, Overhead, overhead_table
from vmemu.report.bars import Bar, Panel, bars
from vmemu.report.page import Figure, Page, Section, Tabular
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
    panels = [
        Panel(f"bytes for each vma, {title}", _bars(results, mode)) for mode, title in MODES.items()
    ]
    panels.append(Panel("bytes for each mm", _bars(results, None)))
    most = max(bar.value for panel in panels for bar in panel.bars)
    pictures = [Figure(bars(panels[i : i + 2], most=most)) for i in range(0, len(panels), 2)]
    about = (
        f"What a scheme adds to the same run without a reverse map (scheme {BASELINE}): bytes "
        "of its objects, and their share of full slabs."
    )
    section = Section("Bytes", [Tabular(overhead_table(results)), *pictures], about)
    return Page("vmemu overhead", command, settings, [section])


def _bars(results: Sequence[Overhead], mode: str | None) -> list[Bar]:
    found = []
    for result in results:
        cost = result.per_mm if mode is None else result.per_vma[mode]
        found.append(Bar(result.scheme, cost.exact, result.scheme))
        found.append(Bar("slab-rounded", cost.rounded, result.scheme, faint=True))
    return found
