"""The example of docs/sweeps.md works, and its tables have every key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vmemu.lab import actions
from vmemu.lab.cell import run_cell
from vmemu.sweep.defined import DEFINED
from vmemu.sweep.experiment_file import KEYS, read_plan
from vmemu.sweep.plan import Plan

PAGE = (Path(__file__).parents[2] / "docs/sweeps.md").read_text()


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def keys(title: str) -> set[str]:
    """The first column of a section's table."""
    cells = re.findall(r"^\| (`.*?) \|", section(title), re.M)
    return {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
    (tmp_path / "family.toml").write_text(block)
    return read_plan(str(tmp_path / "family.toml"))


def test_every_key_is_told() -> None:
    assert keys("The experiment file") == {*KEYS, "experiment"}
    assert keys("A scenario in an experiment file") == set(DEFINED)
    assert set(re.findall(r"`(\w+)`", section("A scenario in an experiment file"))) >= {
        *actions.__all__
    }


def test_the_example_has_the_cells_that_are_told(plan: Plan) -> None:
    counts = [len(Plan((each,))) for each in plan.experiments]
    assert counts == [28, 144]
    assert len(plan) == sum(counts)


def test_the_error_is_told_as_it_is_shown(tmp_path: Path) -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
    (tmp_path / "family.toml").write_text(block.replace("1..64*2", "1..x"))
    with pytest.raises(Exception, match=r"family\.toml, line 13") as caught:
        read_plan(str(tmp_path / "family.toml"))
    said = re.search(r"`(family\.toml, line [^`]*)`", PAGE)
    assert said is not None
    assert str(caught.value) == f"{tmp_path}/{said[1]}".replace("\n", " ")


def test_the_example_comes_out_as_it_expects(plan: Plan) -> None:
    first, second = (list(Plan((each,)).cells()) for each in plan.experiments)
    own = [cell for cell in first if cell.scenario.endswith(":family")]
    four = [run_cell(cell) for cell in own if dict(cell.params)["N"] == 4]
    assert [record["scheme"] for record in four] == ["anonmm", "anon_vma"]
    assert [record["unmap_probes"] for record in four] == [16 * 4, 16 * 4 * 5 // 2]
    ample = [run_cell(cell) for cell in second if cell.settings == (("ram", 2 << 20),)]
    assert len(ample) == 18
    assert {record["verdict"] for record in four + ample} == {"yes"}
