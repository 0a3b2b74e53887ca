"""The table of docs/exploring.md is what exploring gives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vmemu.explore import Settings, runner
from vmemu.explore.catalogue import SCENARIOS, find_scenario

PAGE = Path(__file__).parents[2] / "docs" / "exploring.md"
SCHEMES = ("anonmm", "anon_vma")
FIGURES = re.compile(r"([\d,]+) → (\d+)")


def rows() -> dict[str, list[str]]:
    """Each scenario's cells: under anonmm, under anon_vma, both before rmap 34."""
    section = PAGE.read_text().partition("## What is explored")[2].partition("\n## ")[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("|")
    ]
    return {name.split()[0]: rest for name, *rest in cells[2:]}


def explored(name: str, rmap: str, lock: str) -> tuple[str, str]:
    report = runner.explore(find_scenario(name), Settings(rmap, lock))
    assert report.violation is None
    return f"{report.interleavings:,}", str(report.outcomes)


def test_every_scenario_has_a_row() -> None:
    assert rows().keys() == SCENARIOS.keys()


@pytest.mark.parametrize("name", SCENARIOS)
def test_row(name: str) -> None:
    now = [explored(name, rmap, "mmap_sem") for rmap in SCHEMES]
    before = [explored(name, rmap, "page_table_lock") for rmap in SCHEMES]
    *shown, earlier = rows()[name]
    assert [FIGURES.findall(cell) for cell in shown] == [[found] for found in now]
    told = FIGURES.findall(earlier)
    if earlier.endswith("the same"):
        told *= 2
    assert told == ([] if before == now else before)
