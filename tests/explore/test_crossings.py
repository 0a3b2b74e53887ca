"""Paths against paths: a sample of all crossings, and those that once found something."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest
from click.testing import CliRunner

from vmemu.cli.main import cli
from vmemu.errors import ConfigError
from vmemu.explore import crossings
from vmemu.explore.crossings import PATHS, STATES, crossing, explore_all, triples
from vmemu.explore.explorer import Explorer
from vmemu.explore.scenario import Settings
from vmemu.rmap import builtin

SCHEMES = tuple(builtin())

FOUND = {
    "stack+stack@resident": "two faults below one stack promised memory twice",
    "mremap+swapoff@swapped": "anonmm: a clash was asked before the index was rewritten",
    "kidrd+mremap@swapped": "the same by a fault of the child",
    "kidrd+kidmove@swapped": "the same within one mm",
    "evict+mremap@resident": "the page table was gone when the result was counted",
    "swapoff+swapoff@swapped": "an area was given up twice",
    "swapoff+swapoff@resident": "the same without a page",
}


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_stays_mended(name: str) -> None:
    schemes = [one for one in SCHEMES if one != "none" or name.endswith("resident")]
    results = list(explore_all([name], schemes, limit=400, workers=1))
    assert [result.problem for result in results] == [""] * len(schemes)
    assert all(result.runs > 0 for result in results)


def test_a_sample_of_all() -> None:
    """`vmemu explore --pairs` runs every one."""
    names = random.Random(20040519).sample(crossings.crossings(), 60)
    results = list(explore_all(names, SCHEMES, limit=20, workers=1))
    assert [result for result in results if result.problem] == []
    assert len(results) > 180


def test_every_path_does_something() -> None:
    """Alone, in a state where it can: it changes the machine or says why not."""
    for name in PATHS:
        other = "mincore" if name != "mincore" else "rd"
        with Explorer(crossing(f"{name}+{other}@half")(Settings("anon_vma"))) as explorer:
            report = explorer.explore(5)
        assert report.violation is None, name
        assert report.longest > 2, name


def test_how_many_there_are() -> None:
    """Pairs with repetition, less those in which an exited child would go on."""
    n = len(PATHS)
    kids = sum(name.startswith("kid") for name in PATHS)
    assert len(crossings.crossings()) == len(STATES) * (n * (n + 1) // 2 - kids)
    assert len(set(crossings.crossings())) == len(crossings.crossings())


def test_triples_are_drawn_by_their_seed() -> None:
    assert triples(20, 1) == triples(20, 1) != triples(20, 2)
    results = list(explore_all(triples(20, 3), ["anonmm"], limit=10, workers=1))
    assert [result.problem for result in results] == [""] * 20


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rd+wr", "ends with @ and one of resident"),
        ("rd+wr@nowhere", "ends with @ and one of resident"),
        ("rd+jump@half", "there is no path 'jump'"),
        ("rd@half", "cannot be run against each other"),
        ("kidexit+kidrd@half", "cannot be run against each other"),
    ],
)
def test_names_that_are_none(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        crossing(name)


def test_a_broken_kernel_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that promises memory and does not say so."""

    def leak(scenario: crossings.Crossing) -> None:
        scenario.vm.commit.acct(1)

    paths: dict[str, Callable[[crossings.Crossing], object]] = {**PATHS, "rd": leak}
    monkeypatch.setattr(crossings, "PATHS", paths)
    with Explorer(crossing("rd+wr@resident")(Settings("anon_vma"))) as explorer:
        report = explorer.explore(5)
    assert report.violation is not None
    assert "committed pages" in report.violation.problems[0]


def test_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossings, "crossings", lambda: ["rd+wr@resident", "wr+wr@copied"])
    run = CliRunner().invoke(cli, ["explore", "--pairs", "--rmap", "anonmm", "--json"])
    assert run.exit_code == 0, run.output
    said = json.loads(run.output)
    assert said["crossings"] == 2
    assert said["violations"] == []
    assert said["runs"] >= 2
    run = CliRunner().invoke(cli, ["explore", "rd+wr@resident", "--rmap", "anonmm"])
    assert run.exit_code == 0
    assert "no violation" in run.output


@pytest.mark.parametrize("rmap", [name for name in SCHEMES if name != "none"])
def test_reclaim_takes_a_page_that_is_marked_as_used(rmap: str) -> None:
    """mark_page_accessed looks again under lru_lock: the page was on no list any more."""
    (result,) = explore_all(["wr+kidrd+reclaim@cached"], [rmap], limit=40, workers=1)
    assert result.problem == ""
    assert result.runs > 0
