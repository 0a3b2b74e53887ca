"""vmemu results: what it prints, in each form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import Vmemu
from tests.results.runs import family, write

SQL = "SELECT scheme, unmap_probes / 8 AS each FROM runs WHERE scenario = 'fork-server' "
SQL += "AND N = 2 AND scheme LIKE 'anon_v%a' ORDER BY scheme"


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return str(write(tmp_path / "runs", family()))


def test_a_table(vmemu: Vmemu, directory: str) -> None:
    done = vmemu("results", directory, SQL)
    assert done == (0, "scheme    each\nanon_vma   1.5\n", "")


def test_csv_json_and_markdown(vmemu: Vmemu, directory: str) -> None:
    assert vmemu("results", directory, SQL, "--csv").out == "scheme,each\nanon_vma,1.5\n"
    assert json.loads(vmemu("results", directory, "--json", SQL).out) == [
        {"scheme": "anon_vma", "each": 1.5}
    ]
    assert vmemu("results", "--markdown", directory, SQL).out.splitlines() == [
        "| scheme | each |",
        "| --- | ---: |",
        "| anon_vma | 1.5 |",
    ]
    assert vmemu("results", directory, SQL, "--csv", "--json").err == (
        "vmemu: --csv and --json cannot both be\n"
    )
    assert vmemu("results", directory, "SELECT true AS a, NULL AS b, 1.5 AS c", "--csv").out == (
        "a,b,c\ntrue,,1.5\n"
    )
    assert vmemu("results", directory, "SELECT true AS a, NULL AS b, 1.5 AS c").out == (
        "a    b    c\nyes  -  1.5\n"
    )


def test_whatever_an_answer_holds_is_json(vmemu: Vmemu, directory: str) -> None:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    sql = "SELECT 1 AS a, 2 AS a, 'nan'::DOUBLE AS b, [1.5, 'inf'::DOUBLE] AS c, "
    sql += "MAP {DATE '2004-05-01': 1.5::DECIMAL(4, 2)} AS d, {'e': TRUE} AS f, INTERVAL 1 DAY AS g"
    assert json.loads(vmemu("results", directory, "--json", sql).out, parse_constant=refuse) == [
        {
            "a": 1,
            "a_1": 2,
            "b": None,
            "c": [1.5, None],
            "d": {"2004-05-01": 1.5},
            "f": {"e": True},
            "g": "1 day, 0:00:00",
        }
    ]


def test_without_a_question_it_tells_what_there_is(vmemu: Vmemu, directory: str) -> None:
    lines = vmemu("results", directory).out.splitlines()
    counts = dict(line.split()[:2] for line in lines[1:4])
    assert (counts["runs"], counts["deviations"]) == ("90", "0")
    assert int(counts["growth"]) > 90 * 10
    assert any(line.split()[:4] == ["ram", "setting", "bigint", "bytes"] for line in lines)
    told = {row["column"]: row for row in json.loads(vmemu("results", directory, "--json").out)}
    assert (told["N"]["is"], told["ram"]["unit"]) == ("parameter", "bytes")


def test_mistakes_have_status_2(vmemu: Vmemu, directory: str, tmp_path: Path) -> None:
    done = vmemu("results", directory, "SELECT nope FROM runs")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith('vmemu: Binder Error: Referenced column "nope" not found')
    assert vmemu("results", str(tmp_path / "none")).status == 2
