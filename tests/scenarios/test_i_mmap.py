"""Scenarios about files are as predicted, whatever areas are kept in; as few steps as published."""

from __future__ import annotations

import pytest

from vmemu.core import I_MMAPS
from vmemu.lab.compare import compare
from vmemu.lab.scenarios import SCENARIOS, files, find_scenario
from vmemu.results.forecast import forecast

CHAINS = "pte_chain:files=chains"
AREAS = "pte_chain:files=areas"
NAMES = [scenario.name for scenario in files.SCENARIOS]


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("scheme", [AREAS, CHAINS, "anonmm", "cow_context"])
def test_every_prediction_holds(scheme: str, bits: int) -> None:
    found = compare(
        [find_scenario(name) for name in NAMES], {}, [scheme], {"bits": bits}, i_mmaps=I_MMAPS
    )
    assert len(found) == len(NAMES) * len(I_MMAPS)
    for comparison in found:
        assert comparison.verdict(scheme) == "yes", comparison.called
        assert comparison.to_records()[0]["i_mmap"] == comparison.i_mmap


@pytest.mark.parametrize("i_mmap", I_MMAPS)
def test_windows_of_one_task(i_mmap: str) -> None:
    """A list is as long as there are windows, for the two walks together; trees are not."""
    windows = 1000
    (found,) = compare(
        [find_scenario("windows")], {"W": str(windows)}, ["anon_vma"], {"i_mmap": i_mmap}
    )
    figures = found.measurements["anon_vma"].figures
    pages = figures["file_unmap_pages"]
    assert pages == 7 * windows
    cmps = figures["file_unmap_cmp"] + figures["file_referenced_cmp"]
    assert cmps == (pages * (windows - 1) if i_mmap == "list" else 0)
    assert figures["i_mmap_nodes"] <= 2 * pages * 2 * 13
    assert found.verdict("anon_vma") == "yes"


@pytest.mark.parametrize("i_mmap", I_MMAPS)
@pytest.mark.parametrize("tasks", [1, 3, 20])
def test_lists_of_ptes_need_no_areas(tasks: int, i_mmap: str) -> None:
    """As many probes as tasks map a page, no cmp, no node; a list for each page."""
    settings = {"T": str(tasks), "W": "40", "S": "3"}
    (found,) = compare([find_scenario("windows-tasks")], settings, [CHAINS], {"i_mmap": i_mmap})
    figures = found.measurements[CHAINS].figures
    for walk in ("unmap", "referenced"):
        assert figures[f"file_{walk}_pages"] == 120
        assert figures[f"file_{walk}_probes"] == 120 * tasks
        assert figures[f"file_{walk}_cmp"] == 0
    assert figures["i_mmap_nodes"] == 0
    assert figures["file_chains"] == (122 if tasks > 1 else 0)  # two pages are the program's
    assert found.verdict(CHAINS) == "yes"


def test_a_nonlinear_page_is_asked_for_alone() -> None:
    (found,) = compare([find_scenario("nonlinear")], {"R": "300"}, [CHAINS, AREAS])
    swept = found.measurements[AREAS].figures
    exact = found.measurements[CHAINS].figures
    assert swept["nonlinear_collateral"] == 31
    assert (exact["file_unmap_probes"], exact["nonlinear_ptes"]) == (1, 0)
    assert exact["nonlinear_collateral"] == exact["nonlinear_unmapped"] == 0


def test_every_scenario_holds_where_files_have_lists() -> None:
    schemes = [AREAS, CHAINS, f"{CHAINS}:line=32"]
    for bits in (32, 64):
        for result in compare(SCENARIOS.values(), {}, schemes, {"bits": bits}):
            for scheme in result.measurements:
                assert result.deviations(scheme) == [], result.scenario.name


@pytest.mark.parametrize("files_are", [AREAS, CHAINS])
def test_what_lists_cost_is_known_without_a_run(files_are: str) -> None:
    """The pages of the program are two more that all N + 1 processes map."""
    law = forecast("fork-readers", files_are, "objects_pte_chain", "N", {"R": 64, "bits": 32})
    assert law is not None
    pages = 64 + 2 * (files_are == CHAINS)
    assert [law(n) for n in (1, 30, 31, 61, 62)] == [pages + 1] * 2 + [2 * pages + 1] * 2 + [
        3 * pages + 1
    ]


def test_a_vm_set_is_one_node() -> None:
    """So forks do not make the way to a page longer, and in an interval tree they do."""
    nodes = {}
    for i_mmap in I_MMAPS[1:]:
        for forks in ("1", "31"):
            (found,) = compare(
                [find_scenario("windows-fork")], {"FORKS": forks}, ["anonmm"], {"i_mmap": i_mmap}
            )
            nodes[i_mmap, forks] = found.measurements["anonmm"].figures["i_mmap_nodes"]
    assert nodes["prio_tree", "1"] == nodes["prio_tree", "31"]
    assert nodes["interval_tree", "31"] > nodes["interval_tree", "1"] + 30 * 2 * 32


def test_a_wrong_prediction_is_told() -> None:
    """The lists' formula is not that of the trees."""
    (found,) = compare([find_scenario("windows")], {"W": "4"}, ["anonmm"], {"i_mmap": "list"})
    figures = found.measurements["anonmm"].figures
    assert found.predictions("anonmm")["file_unmap_cmp"] == 7 * 6 == figures["file_unmap_cmp"]
    (other,) = compare([find_scenario("windows")], {"W": "4"}, ["anonmm"], {"i_mmap": "prio_tree"})
    assert other.predictions("anonmm")["file_unmap_cmp"] == 0


def test_growth_knows_what_areas_are_kept_in() -> None:
    for i_mmap, value in (("list", 7 * 45), ("prio_tree", 0)):
        names = {"S": 7, "bits": 32, "i_mmap": i_mmap}
        law = forecast("windows", "anon_vma", "file_unmap_cmp", "W", names)
        assert law is not None
        assert law(10) == value
