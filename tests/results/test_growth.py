"""Curves of a data set: which there are, what law each has, where measured and predicted part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.results.runs import family, write
from vmemu.errors import ConfigError
from vmemu.results.forecast import plain
from vmemu.results.growth import Growth, growth
from vmemu.results.query import Results


def record(scheme: str = "anon_vma", n: int = 1, **more: Any) -> dict[str, Any]:
    """A run of fork-server that went as predicted: R * N * (N + 1) // 2."""
    r = more.get("R", 4)
    probes = r * n * (n + 1) // 2
    found = {
        "scenario": "fork-server",
        "status": "ok",
        "scheme": scheme,
        "N": n,
        "R": r,
        "bits": 32,
        "ram": 1 << 20,
        "seed": 0,
        "disturbed": False,
        "unmap_probes": probes,
        "predicted_unmap_probes": probes,
        **more,
    }
    return found | {"key": str(sorted(found.items()))}


def curves(tmp_path: Path, records: list[dict[str, Any]], **asked: Any) -> list[Growth]:
    asked.setdefault("y", "unmap_probes")
    return growth(write(tmp_path / "runs", records), "N", **asked)


def test_each_scenario_and_scheme_has_its_law(tmp_path: Path) -> None:
    found = {
        (g.scenario, g.scheme): g
        for g in growth(write(tmp_path / "r", family()), "N", "unmap_probes")
    }
    laws = {key: (g.law.name, g.law.coefficient) for key, g in found.items() if g.law}
    assert len(laws) == 18
    assert laws["fork-server", "anon_vma"] == ("quadratic", 2)
    assert laws["fork-server", "anonmm"] == ("linear", 4)
    assert laws["late-subfamily", "anonmm"] == ("linear", 4)
    assert laws["late-subfamily", "anon_vma_chain"] == ("constant", 8)
    for g in found.values():
        assert g.predicted is not None
        assert g.law is not None
        assert g.law.same_as(g.predicted)
        assert g.verdict == "as predicted"
    assert list(found)[:6] == [("fork-readers", s) for s in (
        "scan", "pte_chain", "anonmm", "anon_vma", "anon_vma_chain", "cow_context"
    )]  # fmt: skip


def test_what_else_was_varied_has_curves_of_its_own(tmp_path: Path) -> None:
    records = [record(n=n, R=r, seed=s) for n in (1, 2, 4, 8) for r in (4, 8) for s in (0, 1)]
    first, second = curves(tmp_path, records)
    assert (first.settings, second.settings) == ("R=4", "R=8")
    assert first.law is not None
    assert second.law is not None
    assert (first.law.coefficient, second.law.coefficient) == (2, 4)
    assert len(first.points) == 8  # seeds are points of one curve
    (only,) = curves(tmp_path, records, where="R = 8 AND seed = 0 -- nothing else")
    assert (only.settings, len(only.points)) == ("", 4)


def test_ram_that_follows_from_the_parameters_is_no_curve(tmp_path: Path) -> None:
    records = [record(n=n, ram=4096 * n) for n in (1, 2, 4, 8)]
    assert [g.settings for g in curves(tmp_path, records)] == [""]
    records += [record(n=n, ram=99 * 4096) for n in (1, 2, 4, 8)]
    assert len(curves(tmp_path, records)) == 5


def test_parameters_that_go_together_have_no_formula_of_one(tmp_path: Path) -> None:
    (found,) = curves(tmp_path, [record(n=n, R=n) for n in (1, 2, 4, 8)])
    assert (found.forecast, found.predicted, found.verdict) == (None, None, "as predicted")


def test_where_they_part_is_told(tmp_path: Path) -> None:
    records = [record(n=n) for n in (1, 2, 4, 8, 16)]
    records[3] |= {"unmap_probes": 150}
    (found,) = curves(tmp_path, records)
    assert found.verdict == "parts at N=8: 150, predicted 144"
    assert found.parts is not None
    assert found.parts.x == 8
    assert found.law is not None
    assert not found.law.exact
    assert found.predicted is not None
    assert (found.predicted.name, found.predicted.coefficient) == ("quadratic", 2)


def test_few_points_are_told_and_the_formula_is_known_all_the_same(tmp_path: Path) -> None:
    (found,) = curves(tmp_path, [record(n=n) for n in (1, 2, 4)])
    assert (found.law, found.few) == (None, "3 different values, a fit needs 4")
    assert found.predicted is not None
    assert found.predicted.name == "quadratic"


def test_failed_runs_and_those_short_of_memory_are_left_out(tmp_path: Path) -> None:
    records = [record(n=n) for n in (1, 2, 4, 8)]
    records.append(record(n=16, status="failed", unmap_probes=1))
    records.append(record(n=32, disturbed=True, unmap_probes=1, predicted_unmap_probes=None))
    (found,) = curves(tmp_path, records)
    assert [p.x for p in found.points] == [1, 2, 4, 8]
    (found,) = curves(tmp_path, records, where="disturbed OR NOT disturbed")
    assert [p.x for p in found.points] == [1, 2, 4, 8, 32]


def test_scenarios_of_others_have_laws_too(tmp_path: Path) -> None:
    records = [record(n=n, scenario="./mine.py:S") for n in (1, 2, 4, 8)]
    (found,) = curves(tmp_path, records)
    assert found.law is not None
    assert (found.law.name, found.forecast, found.verdict) == ("quadratic", None, "as predicted")
    (found,) = curves(tmp_path, records, y="ram")
    assert found.verdict == "not predicted"


def test_any_column_of_numbers(tmp_path: Path) -> None:
    directory = write(tmp_path / "runs", family())
    with Results(directory) as results:
        asked = {"scenarios": ["fork-server"], "schemes": ["anonmm"]}
        (found,) = growth(results, "N", "bytes_exact", **asked)
        assert found.law is not None
        assert (found.law.text("N"), found.verdict) == ("24 N + 24", "not predicted")
        for x, y, said in (
            ("M", "copies", "there is no column 'M': parameters are GRAND, N, R"),
            ("N", "copis", "there is no column 'copis': did you mean copies"),
            ("N", "scheme", "'scheme' holds no numbers"),
        ):
            with pytest.raises(ConfigError, match=said):
                growth(results, x, y)
        with pytest.raises(ConfigError, match="no run that succeeded has both N and copies"):
            growth(results, "N", "copies", where="N > 1000")
        with pytest.raises(ConfigError, match="Parser Error"):
            growth(results, "N", "copies", where="N >")


def test_a_parameter_whose_name_was_taken(tmp_path: Path) -> None:
    records = [record(n=1, param_SEED=s, unmap_probes=3 * s) for s in (1, 2, 3, 4)]
    (found,) = growth(write(tmp_path / "runs", records), "SEED", "unmap_probes")
    assert (found.x, found.law and found.law.text(found.x)) == ("SEED", "3 SEED")


def test_formulas_of_a_scenario_that_is_not_known_here(tmp_path: Path) -> None:
    """The data set has them."""
    quadratic = [r for r in family() if r["formula_unmap_probes"] == "R * N * (N + 1) // 2"]
    records = [{**record, "scenario": "somebody-s"} for record in quadratic]
    (curve,) = growth(write(tmp_path / "runs", records), "N", "unmap_probes")
    assert (curve.scenario, curve.scheme) == ("somebody-s", "anon_vma")
    assert curve.predicted is not None
    assert curve.predicted.name == "quadratic"


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("R * N * (N + 1) // 2", True),
        ("R if GRAND else -N", True),
        ("N > 3 and 2 ** N", True),
        ("9 ** 9 ** 9", False),
        ("().__class__", False),
        ("open('x')", False),
        ("[N for N in R]", False),
        ("R *", False),
        ("(" * 500 + "1" + ")" * 500, False),
    ],
)
def test_formulas_of_a_file_are_arithmetic(text: str, fine: bool) -> None:
    assert plain(text) == fine
