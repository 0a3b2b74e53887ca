"""What a scenario's formulas say of a figure while one parameter grows, measured or not."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from vmemu.core import I_MMAP
from vmemu.errors import ConfigError, VmemuError
from vmemu.lab.scenario import Formula
from vmemu.results.law import LEAST, Law, fit

__all__ = ["FAR", "Forecast", "forecast", "law_of", "plain"]

FAR = tuple(
    sorted({*range(1, 9), *(1 << k for k in range(3, 21)), *((3 << k) + 1 for k in range(2, 19))})
)
"""Where a formula's law is looked for: from 1 to 2^20, powers of two and numbers between them."""
_GREATEST = 1e18
_NEAR = 0.03
"""How far from its law a formula may be, relative: one that rounds is not exactly of any."""


class Forecast:
    """The formula of a figure, as a function of ``x``; ``names`` are the values of the rest.

    A formula may name figures that have formulas themselves; these are replaced.
    """

    def __init__(
        self,
        formulas: Mapping[str, tuple[Formula, str]],
        figure: str,
        x: str,
        names: Mapping[str, Any],
    ) -> None:
        self._formulas = formulas
        self._x = x
        self._names = names
        self.figure = figure
        self.text = formulas[figure][0].text
        self.why = formulas[figure][1]

    def __call__(self, value: int) -> int:
        """The figure where ``x`` is ``value``; ConfigError if there is none."""
        return self._evaluate(self.figure, {**self._names, self._x: value}, ())

    def _evaluate(self, figure: str, names: Mapping[str, Any], within: tuple[str, ...]) -> int:
        formula = self._formulas[figure][0]
        inner = {
            name: self._evaluate(name, names, (*within, figure))
            for name in names_in(formula) - names.keys()
            if name in self._formulas and name not in (*within, figure)
        }
        return formula({**names, **inner})

    def depends_on(self, names: Sequence[str]) -> list[str]:
        """Those of the names that the formula, or a figure's that it names, asks for."""
        seen: set[str] = set()
        waiting = [self.figure]
        while waiting:
            for name in names_in(self._formulas[waiting.pop()][0]) - seen:
                seen.add(name)
                if name in self._formulas:
                    waiting.append(name)
        return [name for name in names if name in seen]

    @property
    def law(self) -> Law | None:
        """The law that it follows far beyond what is measured; None for none of those known."""
        return law_of(self)


def names_in(formula: Formula) -> set[str]:
    """The names that a formula asks for."""
    tree = ast.parse(formula.text, mode="eval")
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def law_of(formula: Any) -> Law | None:
    """The law of a function of whole numbers, seen from 1 to 2^20, or to where it is huge.

    What holds exactly from somewhere on, and to the end, is its law: ``max(N, 4)`` is linear.
    One that rounds, such as ``K // 2``, has the law that it stays nearest to.
    """
    points = []
    for x in FAR:
        try:
            y = formula(x)
        except VmemuError:
            continue  # such as a division by N - 1
        if abs(y) > _GREATEST:
            break
        points.append((x, y))
    for start in range(0, len(points) // 2 + 1, LEAST):
        if len(rest := points[start:]) < LEAST:
            break
        law = fit(*zip(*rest, strict=True))
        if law.exact:
            return law
    if len(points) < LEAST:
        return None
    law = fit(*zip(*points[len(points) // 2 :], strict=True))
    return law if law.worst < _NEAR and points[-1][0] == FAR[-1] else None


_PLAIN = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp),
    *(ast.Name, ast.Load, ast.Constant, ast.operator, ast.unaryop, ast.boolop, ast.cmpop),
)
"""What a formula may be made of that somebody else has written into a file."""


def plain(text: str) -> bool:
    """Whether a formula is arithmetic and nothing else, so that it can do no harm."""
    try:
        nodes = [*ast.walk(ast.parse(text, mode="eval"))]
    except (SyntaxError, ValueError, RecursionError):
        return False
    powers = [node for node in nodes if isinstance(node, ast.Pow | ast.LShift)]
    return len(powers) < 2 and all(isinstance(node, _PLAIN) for node in nodes)


def forecast(
    scenario: str,
    scheme: str,
    figure: str,
    x: str,
    names: Mapping[str, Any],
    told: Mapping[str, str] | None = None,
) -> Forecast | None:
    """What is derived of a figure, if anything is.

    ``names`` are the settings of one run: parameters, and ``bits``.  ``told`` are the formulas
    that the data set has; without them, or where they are no plain arithmetic, the scenario
    and the scheme are asked, if they are known here.
    """
    from vmemu.rmap import scheme_class

    try:
        options = scheme_class(scheme).option_values()
    except ConfigError:  # it belongs to somebody who is not here
        options = {}
    formulas: Mapping[str, tuple[Formula, str]]
    if told and all(map(plain, told.values())):
        formulas = {name: (Formula(text), "") for name, text in told.items()}
    else:
        formulas = _known(scenario, scheme)
    if figure not in formulas:
        return None
    known = {**names, **options, "BITS": names.get("bits", 32)}
    known["I_MMAP"] = names.get("i_mmap", I_MMAP)
    return Forecast(formulas, figure, x, known)


def _known(scenario: str, scheme: str) -> Mapping[str, tuple[Formula, str]]:
    """What a scenario that is known here expects under a scheme that is."""
    from vmemu.lab.scenarios import find_scenario

    try:
        return find_scenario(scenario).expected(scheme)
    except ConfigError:
        return {}
