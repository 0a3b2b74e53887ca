"""The flat record of a run: its columns, their units, and what it promises."""

from __future__ import annotations

import pickle

import pytest

from tests.width import BITS
from vmemu.core import COUNTERS
from vmemu.lab.cell import Cell, failed, run_cell
from vmemu.lab.compare import Comparison, compare
from vmemu.lab.record import KINDS, column, columns_of, comparable, parameter_column
from vmemu.lab.scenario import Formula, Scenario, expect
from vmemu.lab.scenarios import SCENARIOS, find_scenario

HOST_COUNTERS = {"tlb_fill", "tlb_grow"}  # their size follows the host's clock


@pytest.fixture(scope="module")
def found() -> Comparison:
    scenario = find_scenario("fork-server")
    (found,) = compare([scenario], {"R": "4", "N": "3"}, ["anonmm", "scan"], {"bits": BITS})
    return found


def test_every_counter_has_a_column(found: Comparison) -> None:
    for record in found.to_records():
        counters = {name.removeprefix("run_") for name in record if name.startswith("run_")}
        assert counters == set(COUNTERS) - HOST_COUNTERS


def test_predictions_stand_beside_their_formulas(found: Comparison) -> None:
    for outcome in found.outcomes():
        record = outcome.to_record()
        predicted = {n.removeprefix("predicted_") for n in record if n.startswith("predicted_")}
        formulas = {n.removeprefix("formula_") for n in record if n.startswith("formula_")}
        assert predicted == formulas == set(outcome.predictions())
        assert all(record[f"predicted_{figure}"] == record[figure] for figure in predicted)


def test_a_deviation_tells_the_formula_and_the_reason() -> None:
    wrong = expect("unmap_probes", "R + 7", "seven too many")
    scenario = Scenario(
        "fork-server",
        "",
        "",
        find_scenario("fork-server").parameters,
        (wrong,),
        frames=Formula("R * N"),
    )
    (found,) = compare([scenario], {"R": "2", "N": "1"}, ["anonmm"], {"bits": BITS})
    (record,) = found.to_records()
    assert record["verdict"] == "no"
    assert record["deviations"] == "unmap_probes 2, predicted 9 (R + 7: seven too many)"


def test_nothing_is_predicted_of_a_run_that_memory_was_short_for() -> None:
    scenario = find_scenario("fork-server")
    (found,) = compare([scenario], {}, ["anonmm"], {"bits": BITS, "ram": "1M"})
    (record,) = found.to_records()
    assert (record["verdict"], record["disturbed"]) == ("short", True)
    assert not [name for name in record if name.startswith("predicted_")]


@pytest.mark.parametrize(
    ("name", "unit", "kind"),
    [
        ("R", "pages", "parameter"),
        ("mode", "", "parameter"),
        ("Q", "", "parameter"),
        ("unmap_probes", "probes", "figure"),
        ("predicted_unmap_probes", "probes", "prediction"),
        ("formula_unmap_probes", "", "formula"),
        ("objects_anon_vma", "objects", "figure"),
        ("run_pswpin", "pages", "run"),
        ("run_unmap_cmp", "candidates", "run"),
        ("run_syscalls", "times", "run"),
        ("run_pgmajfault", "faults", "run"),
        ("bytes_anon_vma", "bytes", "bytes"),
        ("bytes_exact", "bytes", "bytes"),
        ("ram", "bytes", "setting"),
        ("verdict", "", "verdict"),
        ("host_ns", "ns", "host"),
    ],
)
def test_units_and_kinds(name: str, unit: str, kind: str) -> None:
    found = column(name, {"R": "pages", "mode": ""})
    assert (found.unit, found.kind) == (unit, kind)
    assert found.doc


def test_where_programs_lie_and_what_release_they_are_told_are_settings(found: Comparison) -> None:
    scenario = find_scenario("fork-server")
    options = {"bits": BITS, "aslr": True, "uname": "6.1.0"}
    (other,) = compare([scenario], {"R": "4", "N": "3"}, ["anonmm"], options)
    for record, told in (
        (found.to_records()[0], {"aslr": False, "uname": "2.6.7-vmemu"}),
        (other.to_records()[0], {"aslr": True, "uname": "6.1.0"}),
    ):
        assert {name: record[name] for name in told} == told
        assert {column(name).kind for name in told} == {"setting"}


def test_columns_are_in_the_order_of_their_kinds(found: Comparison) -> None:
    columns = columns_of(found.to_records(), {"R": "pages", "N": "children"})
    kinds = [KINDS.index(each.kind) for each in columns]
    assert kinds == sorted(kinds)
    assert [each.name for each in columns][:6] == ["status", "scenario", "scheme", "bits", "R", "N"]
    assert columns[-1].name == "host_ns"


def test_no_parameter_takes_another_column_s_name() -> None:
    """Names that differ in capitals only are the same to SQL."""
    assert parameter_column("SEED") == "param_SEED"
    assert parameter_column("pgfault") == "param_pgfault"
    for scenario in SCENARIOS.values():
        names = [parameter_column(each.name) for each in scenario.parameters]
        assert len({name.lower() for name in names}) == len(names)


def test_the_same_cell_gives_the_same_record() -> None:
    cell = Cell("hole", (("R", 3), ("N", 2)), "pte_chain:line=64", (("bits", BITS), ("seed", 5)))
    first, second = run_cell(cell), run_cell(cell)
    assert comparable(first) == comparable(second)
    assert set(first) - set(comparable(first)) == {"host_ns"}


def test_results_can_be_pickled(found: Comparison) -> None:
    again = pickle.loads(pickle.dumps(found))
    assert again == found
    assert again.to_records() == found.to_records()


def test_a_failed_cell_s_record_has_the_columns_of_what_was_asked_for() -> None:
    cell = Cell("fork-server", (("R", 4), ("N", 3)), "scan", (("bits", BITS), ("ram", "2M")))
    record = failed(cell, "time", "it took longer than 1 s")
    ran = run_cell(cell)
    asked = [
        c.name for c in columns_of([record], {}) if c.kind in ("identity", "parameter", "setting")
    ]
    told = ("status", "failure", "reason")
    assert {n: record[n] for n in asked if n not in (*told, "swap", "levels")} == {
        n: ran[n] for n in asked if n not in (*told, "swap", "levels")
    }
    assert record["failure"] == "time"
    assert record["ram"] == 2 << 20
