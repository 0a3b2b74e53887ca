"""Which law of growth explains points: constant, logarithmic, linear, n log n or quadratic.

Figures of vmemu are counts, mostly without noise, so the simplest law that explains every point
exactly is taken, provided that there are more points than it has coefficients.  If none does, the
points are noisy, or follow no law of these: then a law with one more coefficient is taken only
where it is much the better one: Schwarz's criterion, BIC, is lower by `MARGIN`, and by as many
times that as there are points for each point that it leaves free.  Of constants with noise a few
in a hundred are then taken for more, with four points one in ten.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from vmemu.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["LAWS", "LEAST", "Law", "fit", "too_few"]

LAWS = ("constant", "logarithmic", "linear", "n log n", "quadratic")
"""Simple ones first."""
_TERMS = {
    "constant": ("1",),
    "logarithmic": ("1", "log2"),
    "linear": ("1", "x"),
    "n log n": ("1", "x", "x log2"),
    "quadratic": ("1", "x", "x²"),
}
"""What each is a sum of, the term that it is named after last."""
LEAST = 4
"""Different values of x that a fit needs."""
EXACT = 1e-9
"""How far from a point an exact law may be, relative to it: what rounding of doubles makes."""
MARGIN = 6.0
"""What a further coefficient has to lower BIC by: strong evidence, as Kass and Raftery (1995)
call it."""
_LEVEL = 0.05
"""Points count by their distance relative to their size, those below this share of the largest as
if they were of that size."""


@dataclass(frozen=True)
class Law:
    """A law and its coefficients, the constant first, the leading one last.

    ``exact``: it explains every point.  ``r2`` is the share of the points' variance that it
    explains, ``worst`` its greatest distance from a point, relative to the largest point.
    """

    name: str
    coefficients: tuple[float, ...]
    exact: bool
    r2: float
    worst: float
    points: int

    @property
    def coefficient(self) -> float:
        """That of the term which the law is named after."""
        return self.coefficients[-1]

    def __call__(self, x: float) -> float:
        """Its value."""
        terms = _values(x)
        return sum(
            c * terms[term] for c, term in zip(self.coefficients, _TERMS[self.name], strict=True)
        )

    def text(self, x: str = "x") -> str:
        """The law as a sum, the leading term first: ``2 N² + 2 N``."""
        written = {"1": "", "log2": f"log2 {x}", "x": x, "x log2": f"{x} log2 {x}", "x²": f"{x}²"}
        parts = []
        pairs = zip(self.coefficients, _TERMS[self.name], strict=True)
        for coefficient, term in reversed(list(pairs)):
            if not coefficient:
                continue
            size, what = number(abs(coefficient)), written[term]
            sign = "-" if coefficient < 0 else "+"
            parts.append(f"{sign} {what if what and size == '1' else f'{size} {what}'.strip()}")
        joined = " ".join(parts) or "+ 0"
        return joined[2:] if joined[0] == "+" else f"-{joined[2:]}"

    @property
    def quality(self) -> str:
        """How well it explains the points."""
        return "exact" if self.exact else f"R² {math.floor(self.r2 * 1e4) / 1e4:.4f}"

    def same_as(self, other: Law) -> bool:
        """Whether it is the same law with the same leading coefficient, as far as both say."""
        if self.name != other.name:
            return False
        within = 1e-6 if self.exact and other.exact else 0.1
        return math.isclose(self.coefficient, other.coefficient, rel_tol=within, abs_tol=EXACT)

    def as_json(self) -> dict[str, Any]:
        """Its numbers by name."""
        return {
            "law": self.name,
            "coefficient": self.coefficient,
            "coefficients": dict(zip(_TERMS[self.name], self.coefficients, strict=True)),
            "exact": self.exact,
            "r2": self.r2,
            "worst": self.worst,
            "points": self.points,
        }


def number(value: float) -> str:
    """A coefficient: a whole number as such, others with four digits."""
    return f"{value:.0f}" if value == round(value) and value < 1e15 else f"{value:.4g}"


def too_few(xs: Sequence[float]) -> str:
    """Why these do not tell a law, or ""."""
    count = len(set(xs))
    several = "value" if count == 1 else "different values"
    return f"{count} {several}, a fit needs {LEAST}" if count < LEAST else ""


def fit(xs: Sequence[float], ys: Sequence[float]) -> Law:
    """The law that these points follow; ConfigError if there are too few.

    Logarithms are tried only where every x is above 0.
    """
    if reason := too_few(xs):
        raise ConfigError(f"too few points: {reason}")
    import numpy as np

    x, y = np.array(xs, float), np.array(ys, float)
    names = [name for name in LAWS if x.min() > 0 or "log" not in name]
    for name in names:
        if (law := _exact(name, x, y)) is not None:
            return law
    weights = 1 / np.maximum(np.abs(y), _LEVEL * np.abs(y).max())
    best: tuple[float, Law] | None = None
    for name in names:
        law, score = _noisy(name, x, y, weights)
        more = best is not None and len(law.coefficients) > len(best[1].coefficients)
        free = len(x) - len(law.coefficients)  # the fewer, the easier is a good fit by chance
        margin = MARGIN * len(x) / free if more else 0
        if best is None or score < best[0] - margin:
            best = score, law
    assert best is not None
    return best[1]


def _values(x: float) -> dict[str, float]:
    log = math.log2(x) if x > 0 else math.nan
    return {"1": 1.0, "log2": log, "x": x, "x log2": x * log if x > 0 else math.nan, "x²": x * x}


def _solve(name: str, x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Least squares of weighted distances; columns are scaled, as x² may be huge."""
    import numpy as np

    columns = np.array([[_values(v)[term] for term in _TERMS[name]] for v in x]) * weights[:, None]
    scale = np.abs(columns).max(axis=0)
    found = np.linalg.lstsq(columns / scale, y * weights, rcond=None)[0]
    solution: np.ndarray = found / scale
    return solution


def _exact(name: str, x: np.ndarray, y: np.ndarray) -> Law | None:
    """The law, if it explains every point and there are more of these than coefficients."""
    import numpy as np

    if len(set(x)) <= len(_TERMS[name]):
        return None
    weights = 1 / np.maximum(np.abs(y), 1e-300 + EXACT * np.abs(y).max())
    found = _solve(name, x, y, weights)
    for plain in (_plain(found), found):
        law = Law(name, tuple(map(float, plain)), True, 1.0, 0.0, len(x))
        wrong = np.abs(np.array([law(v) for v in x]) - y)
        if (wrong <= EXACT * np.maximum(np.abs(y), 1)).all():
            return law
    return None


def _plain(coefficients: np.ndarray) -> list[float]:
    """The fractions with small denominators that these are nearly."""
    return [float(Fraction(float(c)).limit_denominator(720)) for c in coefficients]


def _noisy(name: str, x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[Law, float]:
    """The law that is nearest to the points, and its BIC."""
    import numpy as np

    found = _solve(name, x, y, weights)
    law = Law(name, tuple(map(float, found)), False, 0.0, 0.0, len(x))
    wrong = y - np.array([law(v) for v in x])
    squares = float(((wrong * weights) ** 2).sum())
    count, terms = len(x), len(found)
    score = count * math.log(max(squares / count, EXACT**2)) + terms * math.log(count)
    spread = float(((y - y.mean()) ** 2).sum())
    r2 = 1 - float((wrong**2).sum()) / spread if spread else 1.0
    worst = float(np.abs(wrong).max() / np.abs(y).max())
    return Law(name, law.coefficients, False, max(r2, 0.0), worst, count), score
