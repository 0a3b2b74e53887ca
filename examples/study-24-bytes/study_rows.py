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
"""What says which run a row is of."""
FIGURES = (
    *("unmap_pages", "unmap_probes", "unmap_cmp"),
    *("referenced_pages", "referenced_probes", "referenced_cmp"),
    *("copies", "vmas", "bytes_exact", "bytes_rounded"),
    *("run_pgfault", "run_pgmajfault", "run_pgcow", "run_pswpin", "run_pswpout"),
    *("run_pgscan", "run_sweep_ptes", "virtual_ns"),
)
TEXTS = ("status", "verdict", "output_sha256")
COLUMNS = (*CELL, *FIGURES, *TEXTS)

Row = tuple[Any, ...]


def row(record: Mapping[str, Any]) -> Row:
    """What is kept of a record."""
    return tuple(record.get(name) for name in COLUMNS)


def key(kept: Row) -> Row:
    """Which run a row is of."""
    return kept[: len(CELL)]


def save(rows: Iterable[Row], path: Path = RESULTS) -> None:
    """Write rows as results of vmemu, with units, which `vmemu results` reads as well."""
    from vmemu.build_id import provenance
    from vmemu.lab.record import Records, parameters_of
    from vmemu.lab.scenarios import find_scenario
    from vmemu.results.dataset import write_parquet

    records = [dict(zip(COLUMNS, each, strict=True)) for each in rows]
    counted: dict[str, str] = {}
    for name in dict.fromkeys(record["scenario"] for record in records):
        counted |= parameters_of(find_scenario(name))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_parquet(Records(records, counted), path, provenance())


def load(path: Path = RESULTS) -> list[Row]:
    """The rows that were kept."""
    import pyarrow.parquet as pq

    return [row(record) for record in pq.read_table(path).to_pylist()]


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
