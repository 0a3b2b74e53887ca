"""Records as Parquet: typed, with units, the same bytes, read by whoever reads Parquet."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas
import polars
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from tests.results.runs import COUNTED, PROVENANCE, family, write
from vmemu.errors import ConfigError
from vmemu.lab.record import Records
from vmemu.results.dataset import open_dataset, write_parquet

RECORD = {
    "scenario": "fork-server",
    "scheme": "anonmm",
    "status": "ok",
    "key": "k",
    "N": 3,
    "mode": "own",
    "ram": 4096,
    "bytes_rounded": 1.5,
    "disturbed": False,
}


def test_columns_have_types_units_and_docs(tmp_path: Path) -> None:
    write_parquet(Records([RECORD], COUNTED), tmp_path / "a.parquet", PROVENANCE)
    schema = pq.read_schema(tmp_path / "a.parquet")
    assert {field.name: str(field.type) for field in schema} == {
        "key": "string",
        "status": "string",
        "scenario": "string",
        "scheme": "string",
        "N": "int64",
        "mode": "string",
        "ram": "int64",
        "disturbed": "bool",
        "bytes_rounded": "double",
    }
    assert [field.name for field in schema][:4] == ["key", "status", "scenario", "scheme"]
    assert schema.field("ram").metadata == {
        b"unit": b"bytes",
        b"doc": b"guest RAM",
        b"kind": b"setting",
    }
    assert schema.field("mode").metadata[b"kind"] == b"parameter"
    assert b'"build": "of the tests"' in schema.metadata[b"vmemu"]


def test_the_order_of_records_does_not_matter(tmp_path: Path) -> None:
    records = family()
    write(tmp_path / "a", records)
    write(tmp_path / "b", records[::-1])
    one, other = (tmp_path / name / "runs-0.parquet" for name in "ab")
    assert one.read_bytes() == other.read_bytes()
    rows = pq.read_table(one).to_pylist()
    place = [(row["scenario"], row["N"], row["scheme"]) for row in rows]
    assert place == sorted(place)
    assert sorted(path.name for path in one.parent.iterdir()) == ["_journal.jsonl", one.name]


def test_records_that_differ_in_little_have_an_order_too(tmp_path: Path) -> None:
    records = [{**RECORD, "bits": bits, "key": key} for bits in (32, 64) for key in ("a", "b")]
    for at, order in enumerate([records, records[::-1]]):
        write_parquet(Records(order), tmp_path / f"{at}", PROVENANCE)
    assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes()
    table = pq.read_table(tmp_path / "1").select(["bits", "key"]).to_pylist()
    assert [tuple(row.values()) for row in table] == [(32, "a"), (32, "b"), (64, "a"), (64, "b")]


def test_what_is_absent_is_null(tmp_path: Path) -> None:
    records = [RECORD, {**RECORD, "key": "l", "N": None, "copies": 7, "reason": None}]
    write_parquet(Records(records), tmp_path / "a.parquet", {})
    first, second = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert (first["N"], first["copies"]) == (None, 7)
    assert (second["N"], second["copies"]) == (3, None)
    assert "reason" not in first


def test_integers_and_fractions_are_fractions(tmp_path: Path) -> None:
    records = [{**RECORD, "key": key, "copies": n} for key, n in (("a", 1), ("b", 0.5))]
    write_parquet(Records(records), tmp_path / "a.parquet", {})
    assert str(pq.read_schema(tmp_path / "a.parquet").field("copies").type) == "double"


def test_text_and_numbers_do_not_mix(tmp_path: Path) -> None:
    records = [RECORD, {**RECORD, "mode": 3}]
    with pytest.raises(ConfigError, match="'mode' holds int and str"):
        write_parquet(Records(records), tmp_path / "a.parquet", {})
    assert list(tmp_path.iterdir()) == []


def test_the_usual_readers_read_a_directory(tmp_path: Path) -> None:
    records = family()
    directory = write(tmp_path / "runs", records)
    shape = (len(records), len(open_dataset(directory).schema))
    assert pandas.read_parquet(directory).shape == shape
    assert polars.read_parquet(directory / "*.parquet").shape == shape
    assert ds.dataset(directory).to_table().shape == shape


def test_files_whose_columns_differ_are_one(tmp_path: Path) -> None:
    records = family()
    readers = [record for record in records if record["scenario"] == "fork-readers"]
    late = [record for record in records if record["scenario"] == "late-subfamily"]
    directory = write(tmp_path / "runs", readers, "runs-0")
    write(directory, late, "runs-1")
    table = open_dataset(directory).to_table()
    assert table.num_rows == len(readers) + len(late)
    assert table["GRAND"].null_count == len(readers)
    assert table.schema.field("ram").metadata[b"unit"] == b"bytes"


def test_types_that_cannot_be_one_are_told(tmp_path: Path) -> None:
    directory = write(tmp_path / "runs", [RECORD], "runs-0")
    write(directory, [{**RECORD, "N": "three"}], "runs-1")
    with pytest.raises(ConfigError, match="do not agree"):
        open_dataset(directory)


def test_what_is_no_data_set_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no directory"):
        open_dataset(tmp_path / "none")
    with pytest.raises(ConfigError, match="no Parquet file"):
        open_dataset(tmp_path)
    foreign = tmp_path / "a.parquet"
    foreign.write_text("nothing")
    with pytest.raises(ConfigError, match="is not a Parquet file"):
        open_dataset(tmp_path)
    pandas.DataFrame({"a": [1]}).to_parquet(foreign)
    with pytest.raises(ConfigError, match="holds no results of vmemu"):
        open_dataset(foreign)


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "runs-0.parquet").mkdir()
    with pytest.raises(ConfigError, match=r"cannot write .*/runs-0\.parquet: is a directory"):
        write(tmp_path, [RECORD])
    with pytest.raises(ConfigError, match=r"cannot write .*/no/runs\.parquet: no such file"):
        write_parquet(Records([RECORD]), tmp_path / "no" / "runs.parquet", {})
    assert [path.name for path in tmp_path.iterdir()] == ["runs-0.parquet"]


def test_a_sweep_that_has_not_ended_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "_journal.jsonl").write_text("{}\n")
    with pytest.raises(ConfigError, match="no Parquet file; the sweep there has not ended: start"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("package", ["pyarrow", "pyarrow.dataset"])
def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=r"pip install 'vmemu\[results\]'"):
        open_dataset(tmp_path)
