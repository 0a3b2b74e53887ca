"""The growths run, and what they print says how much was taken and what was promised."""

from __future__ import annotations

import json

import pytest

from bench import scale
from bench.growth import LOOPS
from bench.report import Cell, Line
from bench.rows import ROWS
from bench.targets import TARGETS, Target

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
        assert found["beside_ram_kb"][growth.name][str(growth.sizes[0])] > 0


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


def test_a_promise_is_kept_broken_or_unknown() -> None:
    rows = {row.name: row for row in ROWS}

    def verdict(target: Target, **medians: float) -> bool | None:
        cells = {name: Cell([ns]) for name, ns in medians.items()}
        return target.measured(Line(rows[target.row], cells), "anon_vma")[1]

    touch, getpid = Target("touch", 0.35), Target("getpid", 1.0, value=1000)
    assert verdict(touch, anon_vma=3, native=10) is True
    assert verdict(touch, anon_vma=4, native=10) is False
    assert verdict(touch, anon_vma=4) is None
    assert verdict(getpid, anon_vma=900, native=1000) is True
    assert verdict(getpid, anon_vma=900, native=800) is False
    assert verdict(getpid, anon_vma=1100) is False


def test_a_promise_about_x86_64_is_about_i386_too() -> None:
    rows = {row.name: row for row in ROWS}

    def verdict(target: Target, **medians: float) -> bool | None:
        cells = {name.replace("_64", "-64"): Cell([ns]) for name, ns in medians.items()}
        return target.measured(Line(rows[target.row], cells), "none-64")[1]

    touch = Target("touch", 0.35)
    assert verdict(touch, none_64=114, none=100, native_64=1000, native=1) is True
    assert verdict(touch, none_64=116, none=100, native_64=1000, native=1) is False
    assert verdict(touch, none_64=114, none=100, native_64=100, native=1000) is False
    assert verdict(touch, none_64=114, none=100) is None
    assert verdict(touch, none_64=116, none=100) is False
    getpid = Target("getpid", 1.0, value=1000, wide_ratio=1.5, widths=None)
    assert verdict(getpid, none_64=149, none=1, native_64=100) is True
    assert verdict(getpid, none_64=151, none=1, native_64=100) is False


def test_promises_are_about_rows() -> None:
    """Or about what is derived from others, which are rows."""
    rows = {row.name for row in ROWS}
    for target in TARGETS:
        assert set(target.of or (target.row,)) <= rows
