"""The report of ``vmemu compare``: the table, and each scenario in bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vmemu.lab.compare import Comparison, comparison_table
from vmemu.lab.locks import BothWays, locks_table
from vmemu.report.bars import Bar, Panel, bars
from vmemu.report.page import Block, Figure, Page, Section, Tabular
from vmemu.report.settings import machine_settings

__all__ = ["comparisons_page"]


def comparisons_page(
    results: Sequence[Comparison], command: str, options: Mapping[str, Any]
) -> Page:
    """A page on what ``compare`` returned; ``options`` are those given to the Machine."""
    schemes = dict.fromkeys(scheme for result in results for scheme in result.measurements)
    own = "as each scenario asks"
    settings = {"schemes": ", ".join(schemes), **machine_settings(options, own, own)}
    about = (
        "pages to cmp/page are what try_to_unmap did while the lab paged out the area in "
        "question: page-table walks, and candidates rejected without one, for each page; ref "
        "is the same for page_referenced. copies are pages copied only because of the scheme; "
        "bytes are what the scheme's objects take, rounded their share of full slabs."
    )
    sections = [Section("All measurements", [Tabular(comparison_table(results))], about)]
    sections += [_section(result) for result in results]
    names = ", ".join(result.scenario.name for result in results)
    title = f"vmemu compare: {names if len(results) < 6 else f'{len(results)} scenarios'}"
    return Page(title, command, settings, sections)


def _section(result: Comparison) -> Section:
    values = "".join(f" {name}={value}" for name, value in result.params.items())
    blocks: list[Block] = [Figure(bars(_panels(result)))]
    if result.both_ways:
        blocks.append(
            Tabular(
                locks_table(result.both_ways),
                "Acquisitions of page_table_lock for each call before and after rmap 34",
            )
        )
        blocks.append(Figure(bars([_acquisitions(ways) for ways in result.both_ways])))
    summary = result.scenario.summary.rstrip(".")
    wrong = not result.same_output or any(map(result.deviations, result.measurements))
    wrong = wrong or not all(ways.exact for ways in result.both_ways)
    return Section(result.scenario.name + values, blocks, f"{summary}.", bad=wrong)


def _panels(result: Comparison) -> list[Panel]:
    measured = result.measurements.items()
    probes = [
        Bar(scheme, m.figures["unmap_probes"] / pages, scheme)
        for scheme, m in measured
        if (pages := m.figures["unmap_pages"])
    ]
    copies = [Bar(scheme, m.figures["copies"], scheme) for scheme, m in measured]
    sizes = []
    for scheme, m in measured:
        exact, rounded = m.cost
        sizes.append(Bar(scheme, round(exact), scheme))
        sizes.append(Bar("slab-rounded", round(rounded), scheme, faint=True))
    panels = [Panel("pages copied", copies), Panel("bytes of objects", sizes)]
    if probes:
        panels.insert(0, Panel("walks for each page unmapped", probes))
    return panels


def _acquisitions(ways: BothWays) -> Panel:
    found = []
    for phase in ways.phases[:-1]:  # the whole run would dwarf its parts
        before, after = (
            reading.page_table_locks / phase.calls for reading in (phase.before, phase.after)
        )
        found.append(Bar(f"{phase.name}, before", before, ways.scheme, faint=True))
        found.append(Bar("after", after, ways.scheme))
    return Panel(f"{ways.scheme}: page_table_lock for each call", found)
