"""Every scenario under every scheme shows what is derived for it, with any parameters."""

from __future__ import annotations

import dataclasses

import pytest

from vmemu.errors import ConfigError
from vmemu.lab.compare import Comparison, Deviation, compare
from vmemu.lab.experiment import ScenarioError
from vmemu.lab.scenario import Formula, expect
from vmemu.lab.scenarios import SCENARIOS, find_scenario
from vmemu.rmap import builtin

SCHEMES = tuple(name for name, scheme in builtin().items() if scheme.swaps())

# Besides the defaults: smallest, odd, lopsided.
SETTINGS = [
    "private-pages PAGES=1",
    "swap-storm PAGES=1024 PASSES=2",
    "overhead K=33 mode=unwritten",
    "overhead K=34 mode=shared",
    "fork-server R=1 N=1",
    "fork-server R=3 N=7",
    "fork-readers R=5 N=3",
    "late-subfamily R=7 N=5",
    "late-subfamily R=3 N=1",
    "late-subfamily R=3 N=4 GRAND=0",
    "orphans R=2 N=1",
    "orphans R=5 N=7",
    "fork-chain G=1",
    "fork-chain G=17",
    "fork-depth D=1 R=1",
    "fork-depth D=1 R=1 WRITE=1",
    "fork-depth D=9 R=3",
    "fork-depth D=9 R=3 WRITE=1",
    "fork-bench LEVEL=1 R=1",
    "fork-bench LEVEL=5 R=7",
    "exec-family R=1 N=1",
    "exec-family R=3 N=7",
    "zygote R=1 N=1 V=1",
    "zygote R=3 N=5 V=7",
    "process-tree DEPTH=1",
    "process-tree SEED=3 R=64 WHO=5",
    "process-tree SEED=4294967295 DEPTH=6 CHILDREN=2",
    "hole R=1 N=1",
    "hole R=3 N=7",
    "merge-order R=1 N=1",
    "merge-order R=3 N=7",
    "fork-brk R=1",
    "mremap-exclusive R=1",
    "mremap-exclusive R=1030",
    "mremap-shared R=3",
    "mremap-then-fork R=3",
    "mremap-swapclash R=5",
    "merge-arena R=3 WRITTEN=0",
    "merge-arena R=1",
    "efault K=2",
    "efault K=7",
    "efault K=2 mode=checkerboard",
    "efault K=3 mode=checkerboard",
    "efault K=8 mode=checkerboard",
    "mprotect-halves R=1",
    "mprotect-stripes K=5 R=1",
    "mprotect-checkerboard K=1",
    "mprotect-checkerboard K=9",
    "vm-flags-locking N=1 V=1 H=1",
    "vm-flags-locking N=3 V=5 R=2",
    "windows W=1 S=1",
    "nonlinear R=2",
    "nonlinear R=3",
    "nonlinear R=33",
    "nonlinear R=64",
    "windows W=33 S=3",
    "windows-tasks T=1 W=3 S=2",
    "windows-tasks T=5 W=9 S=1",
    "windows-fork W=1 FORKS=1",
    "windows-fork W=17 FORKS=4",
    "cut-vma K=1",
    "cut-vma K=9",
    "cut-vma-fork K=7 N=3",
    "cut-vma-fork K=8 N=1",
    "busy-server N=1 R=300",
    "busy-server N=31 R=16 WRITES=100 W=2",
    "busy-zygote N=3 A=1 OWN=128",
    "busy-zygote OWN=0 R=256",
    "busy-arenas R=600 V=300 CUT=1",
    "busy-arenas R=1 V=1",
    "busy-moves N=0 R=400",
    "busy-moves MOVES=0 WRITES=50",
    "busy-mates N=1 OWN=300",
    "busy-mates OWN=0 R=64",
]


@pytest.mark.parametrize("command", [*SCENARIOS, *SETTINGS])
def test_as_derived(command: str, compared: dict[str, Comparison]) -> None:
    name, *settings = command.split()
    result = compared[name]
    if settings:
        (result,) = compare([find_scenario(name)], dict(s.split("=") for s in settings), SCHEMES)
    for scheme in SCHEMES:
        assert result.predictions(scheme)
        assert result.deviations(scheme) == []
    assert result.same_output


def test_as_derived_wherever_mappings_lie_and_swap_is_read() -> None:
    options = {"topdown": True, "page_cluster": 0, "seed": 9, "swappiness": 100}
    for result in compare(SCENARIOS.values(), {}, options=options):
        for scheme in result.measurements:
            assert result.deviations(scheme) == [], result.scenario.name


def test_every_scenario_tells_schemes_apart_or_is_a_control() -> None:
    same = {
        scenario.name
        for scenario in SCENARIOS.values()
        if all(set(e.formulas) == {None} for e in scenario.expectations)
    }
    assert same == {"private-pages", "swap-storm", "overhead", "fork-brk", "mremap-then-fork"}


def test_a_wrong_prediction_is_told() -> None:
    wrong = dataclasses.replace(
        find_scenario("private-pages"),
        expectations=(expect("unmap_probes", "PAGES + 1"), expect("vmas", "1")),
    )
    (result,) = compare([wrong], {"PAGES": "5"}, ["anonmm"])
    assert result.deviations("anonmm") == [Deviation("unmap_probes", 5, 6, "PAGES + 1")]


def test_formula_sees_parameters_and_nothing_else() -> None:
    assert Formula("R * N * (N + 1) // 2")({"R": 64, "N": 16}) == 8704
    with pytest.raises(ConfigError, match="name 'open' is not defined"):
        Formula("open('/etc/passwd')")({})


def test_without_reverse_map_nothing_can_be_unmapped() -> None:
    (result,) = compare([find_scenario("private-pages")], {}, ["none"])
    measurement = result.measurements["none"]
    assert measurement.figures["unmap_pages"] == 64
    assert measurement.figures["unmap_probes"] == 0
    assert measurement.cost == (0, 0)
    assert result.predictions("none") == {}


def test_short_memory_is_noticed_and_changes_no_output() -> None:
    scenario = find_scenario("fork-server")
    (short,) = compare([scenario], {}, options={"ram": "1M"})
    (ample,) = compare([scenario], {})
    for scheme in ("anonmm", "anon_vma"):
        assert short.measurements[scheme].disturbed
        assert short.predictions(scheme) == {}
        assert not ample.measurements[scheme].disturbed
        assert short.measurements[scheme].output_sha256 == ample.measurements[scheme].output_sha256


def test_a_guest_that_dies_is_an_error() -> None:
    with pytest.raises(ScenarioError, match=r"private-pages under anonmm: its guest .*SIGKILL"):
        compare(
            [find_scenario("private-pages")],
            {"PAGES": "2000"},
            ["anonmm"],
            {"ram": "1M", "swap": None, "overcommit": 1},
        )


@pytest.mark.parametrize(
    ("name", "settings", "complaint"),
    [
        ("fork-server", {"R": "many"}, "R is a whole number of pages, not 'many'"),
        ("fork-server", {"N": "0"}, "N must be 1 to 4096, not 0"),
        ("efault", {"mode": "odd"}, "mode is halves or checkerboard, not 'odd'"),
    ],
)
def test_impossible_parameters(name: str, settings: dict[str, str], complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compare([find_scenario(name)], settings)
    assert str(caught.value) == f"{name}: {complaint}"


def test_unknown_scenario_suggests_one() -> None:
    with pytest.raises(ConfigError, match="did you mean late-subfamily"):
        find_scenario("late-family")


def without_times(results: list[Comparison]) -> list[Comparison]:
    return [
        dataclasses.replace(
            result,
            measurements={
                scheme: dataclasses.replace(measured, host_ns=0)
                for scheme, measured in result.measurements.items()
            },
        )
        for result in results
    ]


def test_two_workers_measure_what_one_does() -> None:
    """In the order that was asked for, with locks before and after rmap 34."""
    chosen = [find_scenario(name) for name in ("vm-flags-locking", "fork-brk", "mremap-shared")]
    settings = {"R": "2", "N": "2", "H": "9"}
    one, two = (compare(chosen, settings, workers=n) for n in (1, 2))
    assert [each.to_records() for each in without_times(one)] == [
        each.to_records() for each in without_times(two)
    ]


def test_a_failure_in_a_worker_is_told() -> None:
    with pytest.raises(ConfigError, match="too small to boot"):
        compare([find_scenario("fork-brk")], {}, options={"ram": "64K"}, workers=2)
