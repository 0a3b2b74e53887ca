"""The columns of a data set: those of the flat record, as far as they hold anything."""

from __future__ import annotations

from vmemu.lab.record import Column, Records, by_name

__all__ = ["filled", "parameter_name"]


def filled(records: Records) -> list[Column]:
    """The columns of which any record has a value; their order depends on no record."""
    known = {
        name for record in records.records for name, value in record.items() if value is not None
    }
    return [column for column in by_name(records.columns()) if column.name in known]


def parameter_name(column: str) -> str:
    """The parameter whose values a column holds: ``param_SEED`` is that of SEED."""
    return column.removeprefix("param_")
