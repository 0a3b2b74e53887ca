"""The report of ``vmemu compare``: an overview, the table, and each scenario in bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vmemu.lab.compare import Comparison, comparison_table
from vmemu.lab.locks import BothWays, locks_table
from vmemu.lab.table import Table
from vmemu.report.bars import Bar, Panel, panels
from vmemu.report.page import Block, Line, Mark, Overview, Page, Section, Tabular, Tone
from vmemu.report.settings import machine_settings

__all__ = ["comparisons_page"]

_FIRST = ("scenario", "parameters", "scheme", "as predicted")
"""Columns of the table that stand before all others, so that nobody has to look for them."""


def comparisons_page(
    results: Sequence[Comparison], command: str, options: Mapping[str, Any]
) -> Page:
    """A page on what ``compare`` returned; ``options`` are those given to the Machine."""
    schemes = list(dict.fromkeys(scheme for result in results for scheme in result.measurements))
    own = "as each scenario asks"
    settings = {"schemes": ", ".join(schemes), **machine_settings(options, own, own)}
    lines = [
        Line(
            result.scenario.name,
            [_mark(result, scheme) for scheme in schemes],
            note=result.values,
            link=f"scenario-{i}",
        )
        for i, result in enumerate(results, 1)
    ]
    sections = [
        Section(
            "Scenarios and schemes",
            [Overview("scenario", schemes, lines)],
            "Whether each scheme did what was derived for it from its source; with it, "
            "page-table walks for each page that was unmapped, and bytes of the scheme's objects.",
        ),
        Section(
            "All measurements",
            [Tabular(_table(results))],
            "pages to cmp/page are what try_to_unmap did while the lab paged out the area in "
            "question: page-table walks, and candidates rejected without one, for each page; ref "
            "is the same for page_referenced. copies are pages copied only because of the "
            "scheme; bytes are what the scheme's objects take, rounded their share of full slabs.",
        ),
        *(_section(result, f"scenario-{i}") for i, result in enumerate(results, 1)),
    ]
    names = ", ".join(result.scenario.name for result in results)
    title = f"vmemu compare: {names if len(results) < 6 else f'{len(results)} scenarios'}"
    return Page(title, command, settings, _verdict(results), sections)


def _verdict(results: Sequence[Comparison]) -> Mark:
    """How many runs were as predicted, and which were not."""
    runs = [(result, scheme) for result in results for scheme in result.measurements]
    wrong = [f"{r.scenario.name} under {scheme}" for r, scheme in runs if r.wrong(scheme)]
    other = [result.scenario.name for result in results if not result.same_output]
    open_ = sum(not r.wrong(scheme) and not r.predictions(scheme) for r, scheme in runs)
    predicted = len(runs) - open_
    note = f"{open_} more could not be held against a prediction." if open_ else ""
    if other:
        said = f"The schemes changed what the program wrote: {', '.join(other)}."
        return Mark(said, note, Tone.BAD)
    if wrong:
        said = f"{len(wrong)} of {predicted} runs were not as predicted: {', '.join(wrong)}."
        return Mark(said, note, Tone.BAD)
    if not predicted:
        return Mark("There was no prediction to hold a run against.")
    runs_were = "The one run was" if predicted == 1 else f"All {predicted} runs were"
    return Mark(f"{runs_were} as predicted.", note, Tone.GOOD)


def _mark(result: Comparison, scheme: str) -> Mark | None:
    measurement = result.measurements.get(scheme)
    if measurement is None:
        return None
    figures, (exact, _) = measurement.figures, measurement.cost
    note = f"{round(exact):,}\N{NO-BREAK SPACE}bytes"
    if pages := figures["unmap_pages"]:
        note = f"{figures['unmap_probes'] / pages:.2f}\N{NO-BREAK SPACE}walks, {note}"
    if not result.same_output:
        return Mark("another output", note, Tone.BAD)
    if result.wrong(scheme):
        return Mark("not as predicted", note, Tone.BAD)
    if measurement.disturbed:
        return Mark("memory was short", note)
    if not result.predictions(scheme):
        return Mark("not predicted", note)
    return Mark("as predicted", note, Tone.GOOD)


def _table(results: Sequence[Comparison]) -> Table:
    """What the command prints, with the verdict where it is in sight; no empty column."""
    whole = comparison_table(results)
    full = [
        name for i, name in enumerate(whole.head) if any(row[i] is not None for row in whole.rows)
    ]
    names = [*_FIRST, *(name for name in full if name not in _FIRST)]
    order = [list(whole.head).index(name) for name in names]
    return Table(names, [[row[i] for i in order] for row in whole.rows])


def _section(result: Comparison, anchor: str) -> Section:
    blocks: list[Block] = [*panels(_panels(result))]
    if result.both_ways:
        blocks.append(
            Tabular(
                locks_table(result.both_ways),
                "Acquisitions of page_table_lock for each call before and after rmap 34",
            )
        )
        blocks += panels([_acquisitions(ways) for ways in result.both_ways])
    summary = result.scenario.summary.rstrip(".")
    wrong = not result.same_output or any(result.wrong(scheme) for scheme in result.measurements)
    return Section(
        f"{result.scenario.name} {result.values}".rstrip(),
        blocks,
        " ".join([f"{summary}.", *_told(result)]),
        bad=wrong,
        anchor=anchor,
    )


def _told(result: Comparison) -> list[str]:
    """What is not drawn because there is nothing to draw, and what is not as predicted."""
    said = []
    figures = [measurement.figures for measurement in result.measurements.values()]
    nothing = [
        *(["no page was unmapped"] if not any(f["unmap_pages"] for f in figures) else []),
        *(["no page was copied"] if not any(f["copies"] for f in figures) else []),
    ]
    if nothing:
        text = " and ".join(nothing)
        said.append(f"{text[0].upper()}{text[1:]}.")
    for scheme in result.measurements:
        said += [f"Under {scheme}: {what}." for what in result.wrong(scheme)]
    return said


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
    return [
        Panel("Walks for each page unmapped", probes),
        Panel("Bytes of objects", sizes),
        Panel("Pages copied", copies),
    ]


def _acquisitions(ways: BothWays) -> Panel:
    found = []
    for phase in ways.phases[:-1]:  # the whole run would dwarf its parts
        before, after = (
            reading.page_table_locks / phase.calls for reading in (phase.before, phase.after)
        )
        found.append(Bar(f"{phase.name}, before", before, ways.scheme, faint=True))
        found.append(Bar("after", after, ways.scheme))
    return Panel(f"{ways.scheme}: page_table_lock for each call", found)
