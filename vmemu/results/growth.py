"""How a figure grows with a parameter: by scenario and scheme, held against what was predicted.

A curve is what was measured where nothing but ``x`` differs; different seeds are more points of
the same curve.  What else was varied makes curves of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vmemu.errors import ConfigError
from vmemu.results.columns import parameter_name
from vmemu.results.forecast import Forecast, forecast
from vmemu.results.law import Law, fit, too_few
from vmemu.results.query import Results
from vmemu.results.views import identifier, quoted

__all__ = ["Growth", "Law", "Point", "fit", "growth"]

_NOT_SPLIT = ("seed",)


@dataclass(frozen=True)
class Point:
    """One run: where, what was measured, and what was predicted there."""

    x: float
    measured: float
    predicted: float | None = None


@dataclass(frozen=True)
class Growth:
    """How ``y`` grows with ``x`` in one scenario under one scheme.

    ``beside``: the other parameters and settings that were varied, at their values here;
    ``fixed``: the parameters that were not.
    ``law`` is fitted, None where there are too few points; ``forecast`` is the formula, if there
    is one, as a function of x, and ``predicted`` its law far beyond what was measured, None for
    none of those known.
    """

    scenario: str
    scheme: str
    beside: Mapping[str, Any]
    fixed: Mapping[str, Any]
    x: str
    y: str
    points: Sequence[Point]
    law: Law | None
    forecast: Forecast | None
    predicted: Law | None

    @property
    def parts(self) -> Point | None:
        """The first point where what was measured is not what was predicted."""
        return next((p for p in self.points if p.predicted not in (None, p.measured)), None)

    @property
    def few(self) -> str:
        """Why there is no law, or ""."""
        return too_few([point.x for point in self.points])

    @property
    def verdict(self) -> str:
        """In words: "as predicted", where they part, or what is missing."""
        if (part := self.parts) is not None:
            assert part.predicted is not None
            return (
                f"parts at {self.x}={part.x:g}: {part.measured:.10g}, predicted "
                f"{part.predicted:.10g}"
            )
        if all(point.predicted is None for point in self.points) and self.forecast is None:
            return "not predicted"
        if self.law is None or self.predicted is None or self.law.same_as(self.predicted):
            return "as predicted"
        last = max(point.x for point in self.points)
        return f"as predicted up to {self.x}={last:g}, {self.predicted.name} beyond"

    @property
    def settings(self) -> str:
        """``beside`` as text."""
        return " ".join(f"{name}={value}" for name, value in self.beside.items())

    def as_json(self) -> dict[str, Any]:
        """What ``vmemu growth --json`` shows of it."""
        part = self.parts
        return {
            "scenario": self.scenario,
            "scheme": self.scheme,
            "beside": dict(self.beside),
            "fixed": dict(self.fixed),
            "x": self.x,
            "y": self.y,
            "points": [[point.x, point.measured, point.predicted] for point in self.points],
            "law": self.law and self.law.as_json(),
            "formula": self.forecast and self.forecast.text,
            "predicted": self.predicted and self.predicted.as_json(),
            "parts": part and {"x": part.x, "measured": part.measured, "predicted": part.predicted},
            "verdict": self.verdict,
        }


def growth(
    dataset: Results | str | os.PathLike[str],
    x: str,
    y: str,
    *,
    where: str = "",
    scenarios: Iterable[str] = (),
    schemes: Iterable[str] = (),
) -> list[Growth]:
    """How ``y`` grows with ``x`` in each scenario under each scheme, of runs that succeeded.

    ``where`` is a condition in SQL.  Runs for which memory was short are left out, unless the
    condition names ``disturbed``.  ConfigError for columns that there are not, or that are
    not numbers, and where no run is left.
    """
    if not isinstance(dataset, Results):
        with Results(dataset) as opened:
            return growth(opened, x, y, where=where, scenarios=scenarios, schemes=schemes)
    over = _numeric(dataset, x)
    of = _numeric(dataset, y)
    varied = [
        name
        for name in [*dataset.names("parameter"), *_settings(dataset)]
        if name not in (over, *_NOT_SPLIT)
    ]
    condition = _condition(dataset, where, scenarios, schemes)
    rows = _rows(dataset, over, of, varied, condition)
    if not rows:
        raise ConfigError(f"no run that succeeded has both {x} and {y}, of those asked for")
    formulas = _formulas(dataset, condition)
    return [
        curve
        for scenario, within in _grouped(rows, ["scenario"])
        for curve in _curves(scenario[0], within, over, of, dataset, formulas)
    ]


def _settings(results: Results) -> list[str]:
    """What a machine may differ in."""
    return [name for name in ("bits",) if name in results.types] + results.names("setting")


def _numeric(results: Results, name: str) -> str:
    """The column of that name; ConfigError unless it holds numbers."""
    column = name if name in results.types else f"param_{name}"
    if column not in results.types:
        from difflib import get_close_matches

        near = get_close_matches(name, results.types, 3)
        parameters = ", ".join(map(parameter_name, results.names("parameter")))
        hint = f"did you mean {' or '.join(near)}?" if near else f"parameters are {parameters}"
        raise ConfigError(f"there is no column {name!r}: {hint}")
    if results.types[column] not in ("BIGINT", "DOUBLE", "INTEGER"):
        raise ConfigError(f"{name!r} holds no numbers")
    return column


def _condition(
    results: Results, where: str, scenarios: Iterable[str], schemes: Iterable[str]
) -> str:
    parts = ["status = 'ok'"]
    if "disturbed" in results.types and "disturbed" not in where:
        parts.append("disturbed IS NOT TRUE")
    for name, values in (("scenario", [*scenarios]), ("scheme", [*schemes])):
        if values and "all" not in values:
            parts.append(f"{name} IN ({', '.join(map(quoted, values))})")
    if where:
        parts.append(f"(\n{where}\n)")  # whatever it ends with, a comment too
    return " AND ".join(parts)


def _rows(
    results: Results, x: str, y: str, varied: Sequence[str], condition: str
) -> list[dict[str, Any]]:
    predicted = f"predicted_{y}"
    names = ["scenario", "scheme", *varied]
    columns = [identifier(name) for name in names]
    columns += [f"{identifier(x)} AS x_", f"{identifier(y)} AS y_"]
    shown = identifier(predicted) if predicted in results.types else "NULL"
    answer = results.query(
        f"SELECT {', '.join(columns)}, {shown} AS predicted_ FROM runs WHERE {condition} "
        f"AND {identifier(x)} IS NOT NULL AND {identifier(y)} IS NOT NULL ORDER BY ALL"
    )
    return [*answer.records()]


Formulas = Mapping[tuple[str, str], Mapping[str, str]]


def _formulas(results: Results, condition: str) -> Formulas:
    """By scenario and scheme, the formulas that the runs were held against, by figure."""
    columns = results.names("formula")
    if not columns:
        return {}
    shown = ", ".join(f"any_value({name}) AS {name}" for name in map(identifier, columns))
    answer = results.query(
        f"SELECT scenario, scheme, {shown} FROM runs WHERE {condition} GROUP BY scenario, scheme"
    )
    return {
        (row["scenario"], row["scheme"]): {
            name.removeprefix("formula_"): row[name] for name in columns if row[name] is not None
        }
        for row in answer.records()
    }


def _grouped(
    rows: Iterable[Mapping[str, Any]], names: Sequence[str]
) -> Iterator[tuple[tuple[Any, ...], list[Mapping[str, Any]]]]:
    """The rows by their values of these columns, in the order of the first of each."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    yield from groups.items()


def _curves(
    scenario: str,
    rows: list[Mapping[str, Any]],
    x: str,
    y: str,
    results: Results,
    formulas: Formulas,
) -> Iterator[Growth]:
    """The curves of one scenario, schemes that have the same settings beside each other."""
    parameters = [name for name in results.names("parameter") if name in rows[0]]
    settings = [name for name in _settings(results) if name in rows[0]]
    split = _independent(rows, parameters, ["scheme", "x_"])
    split += _independent(rows, settings, ["scheme", "x_", *parameters])
    for values, within in _grouped(rows, split):
        beside = dict(zip(map(parameter_name, split), values, strict=True))
        by_scheme = {scheme: found for (scheme,), found in _grouped(within, ["scheme"])}
        fixed = _same(within, [name for name in parameters if name not in split])
        for scheme in sorted(by_scheme, key=_known):
            found = by_scheme[scheme]
            points = sorted(
                (Point(row["x_"], row["y_"], row["predicted_"]) for row in found),
                key=lambda point: point.x,
            )
            told = formulas.get((scenario, scheme), {})
            yield _curve(scenario, scheme, beside, fixed, x, y, points, found, told)


def _same(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """The parameters that have one value in all rows, with it."""
    values = {name: {row[name] for row in rows} for name in names}
    return {
        parameter_name(name): next(iter(found))
        for name, found in values.items()
        if len(found) == 1 and found != {None}
    }


def _known(scheme: str) -> tuple[int, str]:
    """Schemes in the order in which they are listed, others behind them."""
    from vmemu.rmap import builtin

    names = list(builtin())
    plain = scheme.partition(":")[0]
    return names.index(plain) if plain in names else len(names), scheme


def _independent(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], given: Sequence[str]
) -> list[str]:
    """The columns that have several values where those that are ``given`` have one.

    What follows from x, as RAM does that was not asked for, is no setting of its own.
    """
    groups = [within for _, within in _grouped(rows, given)]
    return [
        name for name in names if any(len({row[name] for row in within}) > 1 for within in groups)
    ]


def _curve(
    scenario: str,
    scheme: str,
    beside: Mapping[str, Any],
    fixed: Mapping[str, Any],
    x: str,
    y: str,
    points: Sequence[Point],
    rows: Sequence[Mapping[str, Any]],
    told: Mapping[str, str],
) -> Growth:
    names = {parameter_name(name): value for name, value in rows[0].items() if value is not None}
    found = forecast(scenario, scheme, y, parameter_name(x), names, told)
    changing = [parameter_name(name) for name in rows[0] if len({row[name] for row in rows}) > 1]
    if found is not None and found.depends_on(changing):
        found = None  # a formula of more than x
    xs, ys = [point.x for point in points], [point.measured for point in points]
    return Growth(
        scenario,
        scheme,
        beside,
        fixed,
        parameter_name(x),
        y,
        points,
        None if too_few(xs) else fit(xs, ys),
        found,
        found.law if found else None,
    )
