"""The rows of the study: which columns of a record are kept, and how they are kept.

One row a run, in ``results/runs.parquet``: what the tables and figures use of a record, and
nothing that another host or day would change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "runs.parquet"

PARAMETERS = (
    "N",
    "R",
    "V",
    "K",
    "OWN",
    "A",
    "CUT",
    "MOVES",
    "GRAND",
    "LATE",
    "WRITES",
    "OWNWRITES",
)
CELL = ("scenario", *PARAMETERS, "bits", "ram", "seed", "scheme")
"""What says which run a row is of; rows stand in this order."""
FIGURES = (
    *("unmap_pages", "unmap_probes", "unmap_cmp"),
    *("referenced_pages", "referenced_probes", "referenced_cmp"),
    *("copies", "vmas", "bytes_exact", "bytes_rounded"),
    *("run_pgfault", "run_pgmajfault", "run_pgcow", "run_pswpin", "run_pswpout"),
    *("run_pgscan", "run_sweep_ptes", "virtual_ns"),
)
TEXTS = ("status", "verdict", "output")
COLUMNS = (*CELL, *FIGURES, *TEXTS)

Row = tuple[Any, ...]


def row(record: Mapping[str, Any]) -> Row:
    """What is kept of a record; of the output's digest as much as tells two apart."""
    kept = {**record, "output": (record.get("output_sha256") or "")[:12]}
    return tuple(kept.get(name) for name in COLUMNS)


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Rows in the order in which they are kept."""
    return sorted(rows, key=lambda each: [(x is not None, x) for x in each[: len(CELL)]])


def key(kept: Row) -> Row:
    """Which run a row is of."""
    return kept[: len(CELL)]


def save(rows: Iterable[Row], path: Path = RESULTS) -> None:
    """Write rows as Parquet; the same rows give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    ordered = in_order(rows)
    columns = {name: [each[at] for each in ordered] for at, name in enumerate(COLUMNS)}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        pa.table({name: pa.array(values, _kind(name)) for name, values in columns.items()}),
        path,
        compression="zstd",
        compression_level=19,
        store_schema=False,
    )


def _kind(name: str) -> Any:
    import pyarrow as pa

    if name in ("scenario", "scheme", *TEXTS):
        return pa.string()
    return pa.float64() if name == "bytes_rounded" else pa.int64()


def load(path: Path = RESULTS) -> list[Row]:
    """The rows that were kept."""
    import pyarrow.parquet as pq

    return [tuple(each[name] for name in COLUMNS) for each in pq.read_table(path).to_pylist()]


def differences(found: Iterable[Row], kept: Iterable[Row]) -> list[str]:
    """What runs gave now and what is kept of them, where the two are not the same."""
    known = {key(each): each for each in kept}
    told = []
    for each in found:
        before = known.get(key(each))
        what = " ".join(str(part) for part in key(each) if part is not None)
        if before is None:
            told.append(f"{what}: not among the results")
            continue
        told += [
            f"{what}: {name} is {now}, was {then}"
            for name, now, then in zip(COLUMNS, each, before, strict=True)
            if now != then
        ]
    return told
