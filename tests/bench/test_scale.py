"""The growths run, and what they print says how much was taken and what was promised."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("bench.scale", reason="the bench is not beside the tests")
from bench import scale
from bench.growth import LOOPS

SMALL = tuple(
    scale.Growth(g.name, g.what, g.unit, g.sizes[:2], g.operations, g.schemes)
    for g in scale.GROWTHS
    if g.name != "ram"
)


@pytest.fixture
def small_growths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "GROWTHS", SMALL)


@pytest.mark.usefixtures("small_growths")
def test_every_operation_is_measured_at_every_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert scale.main(["--rounds", "1", "--rmap", "anon_vma", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    curves = {(curve["growth"], curve["operation"]): curve for curve in found["curves"]}
    assert set(curves) == {(g.name, o.name) for g in SMALL for o in g.operations}
    for growth in SMALL:
        for operation in growth.operations:
            assert set(curves[growth.name, operation.name]["ns"]) == set(map(str, growth.sizes))
        assert found["beside_ram_kb"][growth.name][str(growth.sizes[0])] < 80 << 10


def test_a_growth_is_told_as_a_table() -> None:
    growth = scale.GROWTHS[0]
    curve = scale.Curve(growth, growth.operations[0], "anon_vma")
    for size in growth.sizes:
        curve.samples[size] = [size * 10.0]
    lines = scale.table(scale.Scale([curve], {growth.name: {2000: 40 << 10}})).splitlines()
    assert "  100.00  constant: at most 1.5" in lines[2]
    assert lines[3].endswith("40.0 MB (at most 85.9 MB)")


def test_a_wrong_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        scale.main(["--only", "nonsense"])
    assert "no growth is called 'nonsense'" in capsys.readouterr().err


def test_all_loops_are_growths() -> None:
    assert set(LOOPS) == {growth.name for growth in scale.GROWTHS}
