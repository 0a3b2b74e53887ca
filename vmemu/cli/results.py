"""``vmemu results``: questions to the records of a directory."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from vmemu.cli.names import directories
from vmemu.cli.options import examples, json_option
from vmemu.cli.terminal import columns
from vmemu.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from vmemu.lab.table import Cell
    from vmemu.results.query import Answer, Results

__all__ = ["command"]


@click.command(
    "results",
    epilog=examples(
        "vmemu results runs/",
        'vmemu results runs/ "SELECT scheme, sum(unmap_probes) FROM runs GROUP BY scheme"',
        'vmemu results runs/ "SELECT * FROM deviations" --csv',
        "vmemu results runs/ \"FROM growth WHERE figure = 'bytes_exact'\" --json",
    ),
    short_help="Ask what a sweep has found, in SQL.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@json_option
@click.option("--markdown", "as_markdown", is_flag=True, help="Print a table of Markdown.")
@click.argument("directory", metavar="DIR", shell_complete=directories)
@click.argument("sql", metavar="[SQL]", required=False)
def command(
    directory: str, sql: str | None, as_csv: bool, as_json: bool, as_markdown: bool
) -> None:
    """Answer a question in SQL to the records in DIR, or, without one, show what there is to ask:
    views, and columns with their units (with --csv, --json, --markdown every column).

    DuckDB answers, reading only: one SELECT, or WITH, DESCRIBE, SHOW, SUMMARIZE, PIVOT.  The
    view runs has a row for each run; growth one for each run, parameter that varies, and
    figure; deviations one for each figure that is not as predicted.
    """
    from vmemu.results.query import Results

    form = _form({"csv": as_csv, "json": as_json, "markdown": as_markdown})
    with Results(directory) as results:
        if sql is not None:
            _show(results.query(sql), form)
        elif form:
            _show(_described(results), form)
        else:
            _describe(results)


def _form(asked: Mapping[str, bool]) -> str:
    """The one that is asked for, or ""; ConfigError for more than one."""
    forms = [form for form, wanted in asked.items() if wanted]
    if len(forms) > 1:
        raise ConfigError(f"--{forms[0]} and --{forms[1]} cannot both be")
    return forms[0] if forms else ""


def _described(results: Results) -> Answer:
    from vmemu.results.query import Answer

    rows = [
        (name, column.kind, results.types[name].lower(), column.unit, column.doc)
        for name, column in results.columns.items()
    ]
    return Answer(("column", "is", "type", "unit", "what"), rows)


_MANY = {
    "prediction": ("predicted_FIGURE", "what is derived for a figure"),
    "formula": ("formula_FIGURE", "the formula that predicts it"),
    "run": ("run_COUNTER", "a counter over the whole run"),
}
"""Kinds of columns that are too many for a line each."""


def _describe(results: Results) -> None:
    from vmemu.lab.table import Table
    from vmemu.results.views import ABOUT

    views: list[list[Cell]] = [[name, results.count(name), about] for name, about in ABOUT.items()]
    click.echo(Table(("view", "rows", "what it has"), views).text(), nl=False)
    shown = _described(results)
    rows: list[list[Cell]] = []
    for kind, alike in groupby(_cells(shown.rows), lambda row: row[1]):
        found = [*alike]
        if kind in _MANY and len(found) > 1:
            name, what = _MANY[str(kind)]
            found = [[name, kind, str(found[0][2]), "", f"{what}: {len(found)} columns"]]
        rows += found
    click.echo("\n" + Table(shown.head, rows).text(), nl=False)


def _show(answer: Answer, form: str) -> None:
    from vmemu.lab.table import Table

    if form == "json":
        click.echo(json.dumps(_in_json(list(answer.records())), indent=2, allow_nan=False))
    elif form == "csv":
        import csv
        import sys

        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(answer.head)
        writer.writerows(
            [str(value).lower() if isinstance(value, bool) else value for value in row]
            for row in answer.rows
        )
    else:
        table = Table(answer.head, _cells(answer.rows), floats=".6g")
        text = table.markdown() if form == "markdown" else table.text(columns())
        click.echo(text, nl=False)


def _cells(rows: Iterable[Sequence[Any]]) -> list[list[Cell]]:
    """Values as a table shows them: yes and no, and whatever is no number as text."""
    return [[_cell(value) for value in row] for row in rows]


def _cell(value: Any) -> Cell:
    if isinstance(value, bool):
        return "yes" if value else "no"
    value = _plain(value)
    return value if value is None or isinstance(value, int | float) else str(value)


def _in_json(value: Any) -> Any:
    """A value as JSON has it, which knows neither NaN nor infinity, and no keys but text."""
    if isinstance(value, dict):
        return {str(key): _in_json(inside) for key, inside in value.items()}
    if isinstance(value, list | tuple):
        return [_in_json(inside) for inside in value]
    value = _plain(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: Any) -> Any:
    """A decimal as a number, what is none as text."""
    if value is None or isinstance(value, int | float):
        return value
    return float(value) if isinstance(value, Decimal) else str(value)
