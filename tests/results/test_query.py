"""SQL over records: what is answered, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import pytest

from tests.results.runs import family, runs, write
from vmemu.errors import ConfigError
from vmemu.results.query import Results


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    wrong = {
        **family()[0],
        "seed": 9,
        "key": "x",
        "unmap_probes": 5,
        "predicted_unmap_probes": 4,
        "deviations": "copies 1, predicted 0; unmap_probes 5, predicted 4 (R * N: one; no more)"
        "; vmas 2, predicted 1 (1)",
        "verdict": "no",
    }
    failed = {"status": "failed", "reason": "time", "scenario": "fork-server", "scheme": "scan"}
    records = [*family(), wrong, {**failed, "key": "y", "disturbed": False}]
    return write(tmp_path_factory.mktemp("data") / "runs", records)


@pytest.fixture
def results(directory: Path) -> Results:
    return Results(directory)


def test_an_answer_has_names_and_rows(results: Results) -> None:
    answer = results.query(
        "SELECT scheme, sum(unmap_probes) AS probes FROM runs "
        "WHERE scenario = 'fork-server' AND N = 8 AND scheme LIKE 'anon%' GROUP BY 1 ORDER BY 1"
    )
    assert answer.head == ["scheme", "probes"]
    # R * N * (N + 1) // 2 and R * N, of R = 4
    assert answer.rows == [("anon_vma", 144), ("anon_vma_chain", 32), ("anonmm", 32)]


def test_columns_tell_their_units(results: Results) -> None:
    assert results.columns["ram"][1:3] == ("bytes", "guest RAM")
    assert results.names("parameter") == ["GRAND", "N", "R"]


def test_growth_is_long(results: Results) -> None:
    answer = results.query(
        "SELECT value, measured, predicted FROM growth WHERE scenario = 'fork-server' "
        "AND x = 'N' AND figure = 'unmap_probes' AND scheme = 'anon_vma' ORDER BY 1"
    )
    assert answer.rows == [(n, 2 * n * (n + 1), 2 * n * (n + 1)) for n in (1, 2, 4, 8, 16)]
    assert results.query("SELECT DISTINCT x, beside FROM growth").rows == [("N", "")]


def test_growth_tells_what_varies_beside(tmp_path: Path) -> None:
    first = list(runs(["fork-server"], ["anonmm"], (1, 2)))
    more = [{**record, "R": 8, "key": record["key"] + "8"} for record in first]
    found = Results(write(tmp_path / "runs", first + more)).query(
        "SELECT x, value, beside FROM growth WHERE figure = 'copies' ORDER BY ALL"
    )
    assert found.rows == [
        *(("N", n, f"R={r}") for n in (1, 2) for r in (4, 8)),
        *(("R", r, f"N={n}") for r in (4, 8) for n in (1, 2)),
    ]


def test_deviations_have_a_row_for_each_figure(results: Results) -> None:
    (row,) = results.query("FROM deviations").records()
    assert row == {
        "scenario": "fork-server",
        "params": "N=1 R=4",
        "scheme": "scan",
        "figure": "unmap_probes",
        "measured": 5,
        "predicted": 4,
        "reason": "unmap_probes 5, predicted 4 (R * N: one; no more)",
        "key": "x",
    }


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_what_may_be_read_cannot_be_written(directory: Path, kind: str) -> None:
    with Results(directory) as results:
        (path,) = results._sealed.paths
        sql = f"COPY (SELECT 1) TO '{path}' (FORMAT {kind}, USE_TMP_FILE false)"
        with pytest.raises(duckdb.Error):
            results._connection.execute(sql)
        assert results.count("runs") == len(family()) + 2


@pytest.mark.parametrize("setting", ["enable_external_access = true", "threads = 1"])
def test_nothing_can_be_set_from_there_on(results: Results, setting: str) -> None:
    with pytest.raises(duckdb.Error):
        results._connection.execute(f"SET {setting}")


@pytest.mark.parametrize(
    "sql",
    [
        "WITH few AS (SELECT * FROM runs WHERE N < 4) SELECT count(*) FROM few",
        "FROM runs LIMIT 1",
        "DESCRIBE runs",
        "SHOW TABLES",
        "SUMMARIZE SELECT N, R FROM runs",
        "PIVOT runs ON scheme USING sum(unmap_probes) GROUP BY N",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE SELECT count(*) FROM runs",
        "EXPLAIN (FORMAT json) SELECT 1",
        "SELECT 1;",
        "SELECT 1 -- ; DROP VIEW runs",
    ],
)
def test_what_reads_is_answered(results: Results, sql: str) -> None:
    assert results.query(sql).rows


@pytest.mark.parametrize(
    "sql",
    [
        "COPY runs TO '{there}'",
        "COPY (SELECT 1) TO '{own}' (USE_TMP_FILE false)",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{own}' (FORMAT parquet, USE_TMP_FILE false)",
        "EXPLAIN (ANALYZE) COPY (SELECT 1) TO '{own}' (FORMAT parquet, USE_TMP_FILE false)",
        "EXPLAIN /* ( */ ANALYZE /* SELECT */ COPY (SELECT 1) TO '{own}' (USE_TMP_FILE false)",
        "WITH a AS (COPY (SELECT 1) TO '{own}' (USE_TMP_FILE false)) SELECT * FROM a",
        "EXPORT DATABASE '{there}'",
        "ATTACH '{there}'",
        "CREATE TABLE t AS SELECT 1",
        "CREATE OR REPLACE VIEW runs AS SELECT 1",
        "DROP VIEW runs",
        "INSERT INTO runs SELECT * FROM runs",
        "WITH a AS (INSERT INTO runs SELECT * FROM runs RETURNING *) SELECT * FROM a",
        "DELETE FROM runs",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "USE memory",
        "BEGIN",
        "PREPARE p AS SELECT 1",
        "SELECT 1; SELECT 2",
        "SELECT 1; COPY runs TO '{there}'",
        "SELECT * FROM read_csv('{other}')",
        "SELECT * FROM read_text('{other}')",
        "SELECT * FROM '{other}'",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM sniff_csv('{other}')",
        "SELECT getenv('HOME')",
        "",
        "-- nothing",
    ],
)
def test_what_does_not_is_refused(results: Results, tmp_path: Path, sql: str) -> None:
    (own,) = results.files
    before = Path(own).read_bytes()
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError) as told:
        results.query(sql.format(there=tmp_path / "there", own=own, other=other))
    assert "\n" not in str(told.value)
    assert list(tmp_path.iterdir()) == [other]
    assert Path(own).read_bytes() == before
    assert results.count("runs") == len(family()) + 2  # and it goes on


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELEC 1", 'Parser Error: syntax error at or near "SELEC"'),
        ("SELECT unmap_prbes FROM runs", 'clause: candidate bindings: "unmap_probes", '),
        ("FROM rnus", 'Table with name rnus does not exist: did you mean "runs"?'),
        ("COPY runs TO 'a'", "results only reads: .*, not COPY"),
        ("SELECT 1; SELECT 2", "not several statements"),
    ],
)
def test_mistakes_are_one_sentence(results: Results, sql: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("?", r"\?")):
        results.query(sql)


def test_without_the_package(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ConfigError, match=r"duckdb, .* pip install 'vmemu\[results\]'"):
        Results(directory)


def test_files_whose_columns_differ_are_one(tmp_path: Path) -> None:
    readers = [record for record in family() if record["scenario"] == "fork-readers"]
    late = [record for record in family() if record["scenario"] == "late-subfamily"]
    place = write(tmp_path / "it's", late, "runs-0")
    results = Results(write(place, readers, "runs-1"))
    assert results.query("SELECT count(*), count(GRAND) FROM runs").rows == [(60, 30)]
    assert results.scenarios == ["fork-readers", "late-subfamily"]


def test_what_is_no_data_set_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no Parquet file"):
        Results(tmp_path)
    foreign = tmp_path / "a.parquet"
    foreign.write_text("nothing")
    with pytest.raises(ConfigError, match="is not a Parquet file"):
        Results(tmp_path)
    import pandas

    pandas.DataFrame({"a": [1]}).to_parquet(foreign)
    with pytest.raises(ConfigError, match="holds no results of vmemu"):
        Results(tmp_path)
