"""The views that every directory of results has besides ``runs``, as SQL.

``growth``: a line for each figure of a run and each parameter that varies, in its scenario.
``deviations``: a line for each figure that is not as predicted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from vmemu.lab.record import Column
from vmemu.results.columns import parameter_name

__all__ = ["ABOUT", "VIEWS", "Described", "identifier", "quoted"]

ABOUT = {
    "runs": "a row for each run",
    "growth": "a row for each run, parameter x that varies, and figure: measured and predicted",
    "deviations": "a row for each figure that is not as predicted",
}
"""What each view holds."""


class Described(NamedTuple):
    """What a view depends on: columns with their types, scenarios, and what varies in these."""

    types: Mapping[str, str]
    columns: Mapping[str, Column]
    scenarios: Sequence[str]
    varying: Callable[[str, Sequence[str]], list[str]]

    def names(self, *kinds: str) -> list[str]:
        """The columns of these kinds."""
        return [name for name, column in self.columns.items() if column.kind in kinds]

    def column(self, name: str, of_type: str = "VARCHAR") -> str:
        """A column, or null where there is none."""
        return identifier(name) if name in self.types else f"CAST(NULL AS {of_type})"

    def numeric(self, name: str) -> bool:
        """Whether a column holds numbers."""
        return self.types[name] in ("BIGINT", "DOUBLE", "INTEGER", "FLOAT", "HUGEINT")


def identifier(name: str) -> str:
    """A column's name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def quoted(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def _text(name: str) -> str:
    return f"{quoted(parameter_name(name) + '=')} || {identifier(name)}"


def _params(described: Described) -> str:
    """All parameters of a run as ``N=4 R=16``."""
    params = [_text(name) for name in described.names("parameter")]
    return f"concat_ws(' ', {', '.join(params)})" if params else "''"


def _figures(described: Described, names: Sequence[str]) -> str:
    """A list of what was measured and predicted, for each of the columns."""
    structs = []
    for name in names:
        predicted = described.column(f"predicted_{name}", "DOUBLE")
        structs.append(
            f"{{'figure': {quoted(name)}, 'measured': CAST({identifier(name)} AS DOUBLE), "
            f"'predicted': CAST({predicted} AS DOUBLE)}}"
        )
    return f"unnest([{', '.join(structs)}])"


_NO_FIGURES = "unnest([{'figure': '', 'measured': NULL::DOUBLE, 'predicted': NULL::DOUBLE}])"


def growth(described: Described) -> str:
    """Long: what varies is ``x``, its value ``value``; ``beside`` is what else varies."""
    over: dict[str, list[str]] = {}
    beside: dict[tuple[str, ...], list[str]] = {}
    for scenario in described.scenarios:
        varying = described.varying(scenario, described.names("parameter"))
        for name in varying:
            if described.numeric(name):
                over.setdefault(name, []).append(scenario)
                beside.setdefault((name, *varying), []).append(scenario)
    structs = []
    for (name, *varying), scenarios in beside.items():
        others = ", ".join(_text(other) for other in varying if other != name) or "''"
        within = ", ".join(map(quoted, scenarios))
        structs.append(
            f"{{'x': CASE WHEN scenario IN ({within}) THEN {quoted(parameter_name(name))} END, "
            f"'value': CAST({identifier(name)} AS DOUBLE), 'beside': concat_ws(' ', {others})}}"
        )
    none = "{'x': NULL::VARCHAR, 'value': NULL::DOUBLE, 'beside': ''}"
    figures = [name for name in described.names("figure", "bytes") if described.numeric(name)]
    shown = _figures(described, figures) if figures else _NO_FIGURES
    keys = ", ".join(
        f"{described.column(name, of_type)} AS {name}"
        for name, of_type in (("ram", "BIGINT"), ("seed", "BIGINT"), ("key", "VARCHAR"))
    )
    return (
        "SELECT scenario, p.x AS x, p.value AS value, p.beside AS beside, scheme, f.figure AS "
        f"figure, f.measured AS measured, f.predicted AS predicted, {keys} FROM ("
        f"SELECT *, {shown} AS f FROM (SELECT *, unnest([{', '.join(structs) or none}]) AS p "
        "FROM runs WHERE status = 'ok')) WHERE p.x IS NOT NULL AND f.measured IS NOT NULL"
    )


def deviations(described: Described) -> str:
    """A figure each: ``reason`` is what the record says of it."""
    figures = [
        name.removeprefix("predicted_")
        for name in described.names("prediction")
        if name.removeprefix("predicted_") in described.types
    ]
    shown = _figures(described, figures) if figures else _NO_FIGURES
    told = described.column("deviations")
    # a reason may hold a semicolon itself: it ends where the next figure begins
    reason = (
        f"coalesce(nullif(regexp_extract({told}, '(?:^|; )(' || f.figure || "
        r"' -?\d+, predicted .*?)(?:; \w+ -?\d+, predicted |; locks: |$)', 1), ''), "
        f"{told})"
    )
    key = f"{described.column('key')}"
    return (
        f"SELECT scenario, {_params(described)} AS params, scheme, f.figure AS figure, "
        f"f.measured AS measured, f.predicted AS predicted, {reason} AS reason, {key} AS key "
        f"FROM (SELECT *, {shown} AS f FROM runs WHERE status = 'ok') "
        "WHERE f.measured <> f.predicted"
    )


VIEWS: dict[str, Callable[[Described], str]] = {"growth": growth, "deviations": deviations}
