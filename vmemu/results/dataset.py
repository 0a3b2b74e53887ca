"""Records as Parquet files, and a directory of them as one data set."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmemu.errors import ConfigError
from vmemu.results.columns import filled

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds

    from vmemu.lab.record import Column, Record, Records

__all__ = ["COLUMNS", "PROVENANCE", "needed", "open_dataset", "parquet_files", "write_parquet"]

PROVENANCE, COLUMNS = "vmemu", "vmemu_columns"
"""Keys of a schema's metadata: where the records come from; unit, doc and kind by column."""


def write_parquet(
    records: Records, path: str | os.PathLike[str], provenance: Mapping[str, Any]
) -> None:
    """Write records to a file, which is there in full or not at all; ConfigError if it cannot be.

    The same records give the same bytes in whatever order they come: columns and rows have an
    order of their own, and nothing tells when they were written.  A column without a value in
    any record is left out.
    """
    pa, pq = needed("pyarrow"), needed("pyarrow.parquet")
    columns = filled(records)
    rows = sorted(records.records, key=lambda record: _place(record, columns))
    fields, arrays = [], []
    for column in columns:
        values = [row.get(column.name) for row in rows]
        told = {key: getattr(column, key) for key in _KEYS}
        of_type = _type(pa, column.name, values)
        fields.append(pa.field(column.name, of_type, metadata=told))
        arrays.append(pa.array(values, of_type))
    metadata = {
        PROVENANCE: json.dumps(provenance, sort_keys=True),
        # as readers see it that know nothing of Arrow
        COLUMNS: json.dumps({c.name: [getattr(c, key) for key in _KEYS] for c in columns}),
    }
    table = pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=metadata))
    target = Path(path)
    temporary = target.with_name(f"_{target.name}.{os.getpid()}")  # data sets pass over a _
    try:
        pq.write_table(table, temporary, compression="zstd", use_dictionary=_repeating(table))
        temporary.replace(target)
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise ConfigError(f"cannot write {target}: {reason}") from None
    finally:
        temporary.unlink(missing_ok=True)


_KEYS = ("unit", "doc", "kind")


def _repeating(table: pa.Table) -> list[str]:
    """The columns whose values are worth a dictionary: text, but for digests."""
    return [
        field.name
        for field in table.schema
        if str(field.type) == "string" and field.name not in ("key", "output_sha256")
    ]


def _place(record: Record, columns: Sequence[Column]) -> list[tuple[int, Any]]:
    """Where a record stands among the rows: by scenario, parameters, settings, scheme."""
    first = [
        "scenario",
        *(column.name for column in columns if column.kind == "parameter"),
        *(column.name for column in columns if column.kind == "setting"),
        *("bits", "scheme", "key"),
    ]
    return [_comparable(record.get(name)) for name in first]


def _comparable(value: Any) -> tuple[int, Any]:
    if value is None:
        return 0, 0
    return (2, value) if isinstance(value, str) else (1, value)


def _type(pa: Any, name: str, values: Sequence[Any]) -> Any:
    """bool, int64, double or string: whatever holds them all; ConfigError if nothing does."""
    found = {type(value) for value in values if value is not None}
    for types, of_type in (
        ({bool}, pa.bool_()),
        ({int}, pa.int64()),
        ({int, float}, pa.float64()),
        ({str}, pa.string()),
    ):
        if found <= types:
            return of_type
    kinds = " and ".join(sorted(kind.__name__ for kind in found))
    raise ConfigError(f"a column holds text or numbers, but {name!r} holds {kinds}")


def needed(module: str) -> Any:
    """A module of the extra ``results``; ConfigError without it."""
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise ConfigError(
            f"results need the package {package}, which is not installed: "
            "pip install 'vmemu[results]'"
        ) from None


def parquet_files(directory: str | os.PathLike[str]) -> list[str]:
    """The Parquet files of a directory, or the one that is named; ConfigError if there is none."""
    place = Path(directory)
    if place.is_file():
        return [str(place)]
    if not place.is_dir():
        raise ConfigError(f"there is no directory {os.fspath(directory)!r}")
    found = [path for path in place.glob("*.parquet") if not path.name.startswith(("_", "."))]
    if not found:
        from vmemu.sweep.journal import JOURNAL

        begun = (place / JOURNAL).exists()
        hint = "; the sweep there has not ended: start it again, and it goes on" if begun else ""
        raise ConfigError(
            f"there are no results in {os.fspath(directory)!r}: no Parquet file{hint}"
        )
    return sorted(map(str, found))


def open_dataset(directory: str | os.PathLike[str]) -> ds.Dataset:
    """The records of a directory as a data set of pyarrow.

    It has every column that one of the files has; where a file lacks it, it is null.
    ConfigError for a directory without records, and a file that does not hold any.
    """
    pa, dataset = needed("pyarrow"), needed("pyarrow.dataset")
    files = parquet_files(directory)
    schemas = [_schema(file) for file in files]
    try:
        schema = pa.unify_schemas(
            [each.remove_metadata() for each in schemas], promote_options="permissive"
        )
    except pa.ArrowException as error:
        raise ConfigError(f"the files of {os.fspath(directory)!r} do not agree: {error}") from None
    first = {field.name: field.metadata for each in reversed(schemas) for field in each}
    fields = [field.with_metadata(first[field.name]) for field in schema]
    provenance = {PROVENANCE: schemas[0].metadata[PROVENANCE.encode()]}
    return dataset.dataset(files, schema=pa.schema(fields, metadata=provenance), format="parquet")


def _schema(file: str) -> pa.Schema:
    pa, pq = needed("pyarrow"), needed("pyarrow.parquet")
    try:
        schema = pq.read_schema(file)
    except pa.ArrowException:
        raise ConfigError(f"{file!r} is not a Parquet file") from None
    if PROVENANCE.encode() not in (schema.metadata or {}):
        raise ConfigError(f"{file!r} holds no results of vmemu")
    return schema
