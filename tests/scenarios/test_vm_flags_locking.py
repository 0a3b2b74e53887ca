"""rmap 34 saves what it takes away, and changes nothing else."""

from __future__ import annotations

import dataclasses

import pytest

from vmemu.errors import ConfigError
from vmemu.lab.locks import BothWays, locks_table, run_both_ways
from vmemu.lab.scenarios import find_scenario
from vmemu.rmap import builtin

SCHEMES = tuple(builtin())
SCENARIO = find_scenario("vm-flags-locking")
CALLS = ("mlock", "munlock", "madvise", "mprotect")


def both_ways(scheme: str, **settings: int) -> BothWays:
    params = SCENARIO.settle({name: str(value) for name, value in settings.items()})
    return run_both_ways(SCENARIO, params, scheme)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("vmas", [1, 2, 3])
def test_one_acquisition_for_each_vma_and_call(scheme: str, vmas: int) -> None:
    result = both_ways(scheme, N=6, V=vmas, H=16 if scheme == "none" else 512)
    assert result.exact
    phases = {phase.name: phase for phase in result.phases}
    for name in CALLS:
        assert phases[name].calls == 6
        assert phases[name].saved == phases[name].writes == 6 * vmas
    for name in ("write-locked", "reclaim-locked", "write", "reclaim"):
        assert phases[name].saved == phases[name].writes == 0
    if scheme != "none":
        assert phases["write-locked"].after.counters["pgsteal"] > 0  # reclaim went on meanwhile
        assert phases["write-locked"].after.counters["pgscan"] > 0


@pytest.mark.parametrize("scheme", ["anonmm", "anon_vma"])
@pytest.mark.parametrize(
    "name",
    ["mprotect-stripes", "mprotect-checkerboard", "cut-vma-fork", "swap-storm", "merge-arena"],
)
def test_other_guests_save_only_their_writes(name: str, scheme: str) -> None:
    scenario = find_scenario(name)
    result = run_both_ways(scenario, scenario.settle({}), scheme, {"ram": "2M"})
    (whole,) = result.phases
    assert result.exact
    assert whole.saved == whole.after.counters["vm_flags_writes"]


def test_what_else_differs_is_told() -> None:
    result = both_ways("anon_vma", N=2, H=1)
    phase = result.phases[0]
    counters = {**phase.after.counters, "pgscan": 7}
    after = dataclasses.replace(phase.after, counters=counters)
    result.phases[0] = dataclasses.replace(phase, after=after)
    assert result.phases[0].differences() == ["pgscan 0 before, 7 after"]
    assert not result.exact
    assert "pgscan 0 before, 7 after" in locks_table([result]).text()


def test_an_acquisition_too_many_is_told() -> None:
    result = both_ways("anon_vma", N=2, H=1)
    phase = result.phases[0]
    locks = {**phase.after.locks}
    locks["page_table_lock"] = {**locks["page_table_lock"], "acquired": 99}
    after = dataclasses.replace(phase.after, locks=locks)
    result.phases[0] = dataclasses.replace(phase, after=after)
    assert not result.exact
    assert "page_table_lock acquired" in result.phases[0].differences()[0]


def test_its_part_of_the_record() -> None:
    both = both_ways("anonmm", N=2, H=1)
    shown = both.to_record()
    assert both.differences() == []
    assert shown["rmap34_mlock_times"] == 2
    assert shown["rmap34_mlock_page_table_locks_saved"] == 4
    assert shown["rmap34_mlock_vm_flags_writes"] == 4
    before, after = (shown[f"rmap34_mlock_page_table_locks_{when}"] for when in ("before", "after"))
    assert before - after == 4


def test_what_is_not_as_the_patch_says_is_told() -> None:
    both = both_ways("anonmm", N=2, H=1)
    (phase,) = [phase for phase in both.phases if phase.name == "mlock"]
    phase.after.counters["vm_flags_writes"] += 1  # type: ignore[index]
    both.same_output = False
    first, second, *_ = both.differences()
    assert (first, second) == ("the output differs", "mlock: 4 saved, 5 writes")


def test_both_ways_cannot_be_one() -> None:
    with pytest.raises(ConfigError, match="runs with both values of vm_flags_lock"):
        run_both_ways(SCENARIO, SCENARIO.settle({}), "anonmm", {"vm_flags_lock": "mmap_sem"})
