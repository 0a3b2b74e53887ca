"""Every exploration of the catalogue ends well; every mutation that can do harm is caught."""

from __future__ import annotations

import pytest

from vmemu.explore import Explorer, Mode, Settings, runner
from vmemu.explore.catalogue import SCENARIOS, find_scenario
from vmemu.explore.mutation import MUTATIONS
from vmemu.rmap import builtin

SCHEMES = tuple(name for name, scheme in builtin().items() if scheme.swaps())
SMALL = {"mlock-vs-unmap": 2, "two-reclaimers": 1}

BOUNDED = {("mlockall-fork", "scan"): 40_000}
"""Of 294,187 and 319,332: a sweep goes to every pte of both processes, so hardly two steps commute.

The command ``vmemu explore mlockall-fork --rmap scan --set PAGES=1`` goes to the end.
"""


def settings(name: str, rmap: str, lock: str = "mmap_sem", mutations: str = "") -> Settings:
    pages = SMALL.get(name, 1)
    values = {"PAGES": pages} if SCENARIOS[name].parameters else {}
    return Settings(rmap, lock, mutations, values)


@pytest.mark.parametrize("lock", ["mmap_sem", "page_table_lock"])
@pytest.mark.parametrize("rmap", SCHEMES)
@pytest.mark.parametrize("name", SCENARIOS)
def test_catalogue(name: str, rmap: str, lock: str) -> None:
    limit = BOUNDED.get((name, rmap), 0)
    report = runner.explore(find_scenario(name), settings(name, rmap, lock), limit=limit)
    assert report.violation is None
    assert report.complete != bool(limit)
    assert report.interleavings >= 1
    assert report.outcomes >= 1


@pytest.mark.parametrize("lock", ["mmap_sem", "page_table_lock"])
@pytest.mark.parametrize("rmap", ["none", "anonmm", "anon_vma39", "anon_vma"])
def test_rmap_34_is_safe_under_every_scheme(rmap: str, lock: str) -> None:
    report = runner.explore(find_scenario("mlock-vs-unmap"), settings("mlock-vs-unmap", rmap, lock))
    assert report.violation is None
    assert report.complete
    assert (report.interleavings > 1000) == (rmap != "none")


CAUGHT = [
    ("a", "mlock-vs-unmap", "mmap_sem", "is locked and not in memory"),
    ("a", "mlock-vs-unmap", "page_table_lock", "is locked and not in memory"),
    ("b", "mlock-vs-unmap", "mmap_sem", "is locked and not in memory"),
    ("b", "mlock-vs-unmap", "page_table_lock", "is locked and not in memory"),
    ("c", "mlock-vs-nonlinear", "mmap_sem", "is locked and not in memory"),
    ("c", "mlock-vs-nonlinear", "page_table_lock", "is locked and not in memory"),
    ("d", "mlock-vs-unmap", "mmap_sem", "VM_LOCKED is lost"),
    ("f", "gup-vs-reclaim", "mmap_sem", "the process and the device write to different pages"),
    ("g", "mprotect-vs-swapoff", "mmap_sem", "stale protection"),
    ("h", "mlock-vs-unmap", "mmap_sem", "self-deadlock: mlock waits for page_table_lock"),
]


@pytest.mark.parametrize("rmap", ["anonmm", "scan"])  # a walk, a sweep
@pytest.mark.parametrize(("letter", "name", "lock", "complaint"), CAUGHT)
def test_mutations_are_caught(letter: str, name: str, lock: str, complaint: str, rmap: str) -> None:
    report = runner.explore(find_scenario(name), settings(name, rmap, lock, letter))
    if letter == "c" and rmap == "scan":  # its sweeps go through page tables, not through files
        assert report.violation is None
        return
    assert report.violation is not None
    assert any(complaint in problem for problem in report.violation.problems)
    again = runner.replay(runner.schedule(report))
    assert again.violation == report.violation


def test_every_mutation_is_in_the_table() -> None:
    assert {letter for letter, *_ in CAUGHT} == set(MUTATIONS)


@pytest.mark.parametrize("rmap", SCHEMES)
def test_d_did_no_harm_before_rmap_34(rmap: str) -> None:
    """Who changes vm_flags under page_table_lock only was safe while mlock took it as well."""
    chosen = settings("mlock-vs-unmap", rmap, "page_table_lock", "d")
    report = runner.explore(find_scenario("mlock-vs-unmap"), chosen)
    assert report.violation is None
    assert report.complete


def test_g_does_no_harm_where_swapoff_takes_mmap_sem() -> None:
    chosen = settings("mprotect-vs-swapoff", "anon_vma", mutations="g")
    report = runner.explore(find_scenario("mprotect-vs-swapoff"), chosen)
    assert report.violation is None
    assert report.complete


@pytest.mark.parametrize("mutations", ["", "b"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_reduction_loses_no_outcome(name: str, mutations: str) -> None:
    """What is met with two preemptions at most, or at random, the reduced run meets as well."""

    def outcomes(mode: Mode, limit: int, **options: int) -> set[object]:
        values = {"PAGES": 1} if SCENARIOS[name].parameters else {}
        scenario = SCENARIOS[name](Settings("anon_vma", "page_table_lock", mutations, values))
        met: set[object] = set()
        with Explorer(scenario, mode, **options) as explorer:
            for _ in range(limit):
                problems = explorer.judge(explorer.run())
                if problems:
                    met.add(tuple(problems))
                if mode is not Mode.RANDOM and not explorer.advance():
                    break
            else:
                assert mode is not Mode.REDUCED
            return met | explorer.outcomes

    reduced = outcomes(Mode.REDUCED, 20_000)
    assert outcomes(Mode.ALL, 3_000, preemptions=2) <= reduced
    assert outcomes(Mode.RANDOM, 500, seed=1) <= reduced


def test_a_scheme_written_in_python() -> None:
    """What it keeps in Python goes back to the snapshot as well."""
    from vmemu.explore.scenario import Scenario
    from vmemu.rmap.python import AddressBook

    class Book(SCENARIOS["mlock-vs-unmap"]):  # type: ignore[misc]
        name = "book"
        scheme = AddressBook

    assert issubclass(Book, Scenario)
    report = runner.explore(Book, Settings(values={"PAGES": 1}))
    assert report.violation is None
    assert report.complete


def test_the_same_twice() -> None:
    found = [
        runner.text(runner.explore(find_scenario(name), settings(name, "anonmm", mutations="b")))
        for name in ("mlock-vs-unmap", "mlock-vs-unmap")
    ]
    assert found[0] == found[1]
