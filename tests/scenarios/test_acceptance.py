"""The figures the project promises, each derived here by hand, not by the scenarios' formulas."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pytest

from vmemu import Machine
from vmemu.lab.compare import compare
from vmemu.lab.guests import guest_path
from vmemu.lab.scenarios import find_scenario
from vmemu.rmap import compared

DEFAULT_SCHEMES = compared()
SCHEMES39 = ("anonmm", "anon_vma", "anon_vma39")


def run(name: str, schemes: tuple[str, ...] = DEFAULT_SCHEMES, **settings: Any) -> dict[str, Any]:
    """The ``schemes`` part of a comparison's JSON."""
    texts = {key: str(value) for key, value in settings.items()}
    (result,) = compare([find_scenario(name)], texts, schemes)
    outputs = {m.output_sha256 for m in result.measurements.values()}
    assert len(outputs) == 1
    return {outcome.scheme: outcome.to_record() for outcome in result.outcomes()}


def unmap(record: Mapping[str, Any]) -> dict[str, int]:
    return {key: record[f"unmap_{key}"] for key in ("probes", "cmp", "pages")}


def test_fork_server() -> None:
    r, n = 64, 16
    shown = run("fork-server", R=r, N=n)
    assert unmap(shown["anonmm"]) == {"probes": r * n, "cmp": 0, "pages": r * n}
    # Newest first: the copy of the i-th child is found behind those of N - i younger ones.
    places = [n - i + 1 for i in range(1, n + 1)]
    assert r * sum(places) == 8704
    assert unmap(shown["anon_vma"]) == {"probes": 8704, "cmp": 0, "pages": r * n}


def test_fork_readers() -> None:
    shown = run("fork-readers", R=64, N=16)
    for scheme in DEFAULT_SCHEMES:
        assert unmap(shown[scheme]) == {"probes": 64 * 17, "cmp": 0, "pages": 64}


def test_late_subfamily() -> None:
    shown = run("late-subfamily", N=16)
    # Child 1, its 15 younger siblings who have no such area, and the grandchild at the end.
    assert shown["anonmm"]["unmap_probes"] == 64 * (1 + 15 + 1)
    assert shown["anon_vma"]["unmap_probes"] == 64 * 2


def test_mremap() -> None:
    shared = run("mremap-shared", R=64)
    assert (shared["anonmm"]["copies"], shared["anon_vma"]["copies"]) == (64, 0)
    for name in ("mremap-exclusive", "mremap-then-fork"):
        assert [run(name)[scheme]["copies"] for scheme in DEFAULT_SCHEMES] == [0, 0]
    clash = run("mremap-swapclash", R=64)
    assert (clash["anonmm"]["copies"], clash["anon_vma"]["copies"]) == (64, 0)


def test_mprotect_halves() -> None:
    shown = run("mprotect-halves", SCHEMES39)
    assert {scheme: shown[scheme]["vmas"] for scheme in SCHEMES39} == {
        "anonmm": 1,
        "anon_vma": 1,
        "anon_vma39": 2,
    }


def test_mprotect_checkerboard() -> None:
    shown = run("mprotect-checkerboard", SCHEMES39, K=8)
    assert {scheme: shown[scheme]["vmas"] for scheme in SCHEMES39} == {
        "anonmm": 1,
        "anon_vma": 8,
        "anon_vma39": 8,
    }


def test_efault_is_what_the_guest_gets() -> None:
    halves = run("efault", SCHEMES39)
    assert [halves[scheme]["errno"] for scheme in SCHEMES39] == [0, 0, 14]
    board = run("efault", SCHEMES39, mode="checkerboard")
    assert [board[scheme]["errno"] for scheme in SCHEMES39] == [0, 14, 14]


@pytest.mark.parametrize("generations", [20, 200])
def test_fork_chain(generations: int) -> None:
    shown = run("fork-chain", G=generations)
    # The first process waits; of G generations all but the last are extinct, and pinned.
    assert shown["anonmm"]["objects_anonmm"] == 1 + generations
    assert shown["anonmm"]["objects_mm_struct"] == 2
    # The area's and the stack's, whatever the number of generations.
    assert shown["anon_vma"]["objects_anon_vma"] == 2


def test_swap_storm_is_four_times_the_ram_and_verified() -> None:
    scenario = find_scenario("swap-storm")
    pages = next(p.default for p in scenario.parameters if p.name == "PAGES")
    assert isinstance(pages, int)
    assert pages * 4096 == 4 * (2 << 20)
    assert scenario.ram == "2M"
    shown = run("swap-storm")  # the guest dies at the first wrong word
    for scheme in DEFAULT_SCHEMES:
        assert shown[scheme]["pswpout"] > pages
        assert shown[scheme]["pswpin"] > pages


@pytest.mark.i386  # its sizes
def test_bytes_of_a_family() -> None:
    """fork-server: 17 processes of 5 areas each; only the marked one and the stack written."""
    shown = run("fork-server", N=16)
    anonmm, anon_vma = (shown[scheme] for scheme in DEFAULT_SCHEMES)
    assert anonmm["bytes_exact"] == 17 * 24
    assert anonmm["objects_anonmm"] == 17
    assert (anonmm["bytes_anonmm"], anonmm["rounded_anonmm"]) == (408, 4096)
    vmas = anon_vma["objects_vm_area_struct"]
    assert vmas == anonmm["objects_vm_area_struct"]
    assert anon_vma["objects_anon_vma"] == 2
    assert anon_vma["bytes_exact"] == 12 * vmas + 12 * 2


@pytest.mark.parametrize("bits", [32, 64])
def test_a_sweep_detaches_more_than_it_frees(bits: int) -> None:
    """The storm ends as under a reverse map; what the sweeps did besides is told and bounded.

    No page is shared, so each has one pte.  A page that reclaim frees has lost it to a sweep,
    unless it was read ahead and never mapped.  What a sweep detached and nobody freed is found
    in the swap cache by a fault, or stays there until the process ends.
    """
    pages = 1024
    told = {}
    for scheme in ("anon_vma", "scan"):
        output = io.BytesIO()
        with Machine(ram="1M", swap="16M", rmap=scheme, bits=bits) as machine:
            guest = guest_path("swap-storm", bits)
            machine.spawn(guest, ["swap-storm", f"PAGES={pages}"], stdout=output)
            assert str(machine.run()) == "exited with 0"
            machine.check()
            stats = machine.stats()
        told[scheme] = (output.getvalue(), stats["faults"]["minor"], stats["counters"])
    (expected, _, walked), (got, minor, swept) = told["anon_vma"], told["scan"]
    assert got == expected
    assert all(n == 0 for name, n in walked.items() if name.startswith("sweep_"))
    assert walked["swap_cache_hit"] == 0  # a walk takes the pages that are freed next
    assert swept["unmap_pages"] == 0
    unused = swept["swap_ra"] - swept["swap_ra_hit"]
    unfreed = swept["sweep_unmapped"] - (swept["pgsteal"] - unused)
    assert 0 < swept["swap_cache_hit"] <= unfreed < swept["sweep_unmapped"]
    assert swept["sweep_collateral"] <= swept["sweep_unmapped"] <= swept["sweep_ptes"]
    # first writes, pages read ahead, and those that came back without being read
    assert minor >= pages + swept["swap_ra_hit"] + swept["swap_cache_hit"]
    # a pte was looked at and found old before it went, unless fork had made it so
    assert swept["sweep_ptes"] >= 2 * swept["sweep_unmapped"]
