"""Which law is fitted to points, and how well."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from vmemu.errors import ConfigError
from vmemu.lab.scenario import Formula
from vmemu.results.forecast import FAR, Forecast, law_of
from vmemu.results.law import LAWS, LEAST, fit

SIZES = (1, 2, 4, 8, 16, 32)
TRUE: dict[str, Callable[[float], float]] = {
    "constant": lambda x: 100,
    "logarithmic": lambda x: 50 + 20 * math.log2(x),
    "linear": lambda x: 30 + 5 * x,
    "n log n": lambda x: 10 + 3 * x * math.log2(x),
    "quadratic": lambda x: 20 + 4 * x + 2 * x * x,
}
LEADING = {"constant": 100, "logarithmic": 20, "linear": 5, "n log n": 3, "quadratic": 2}


@pytest.mark.parametrize("xs", [SIZES, (1, 2, 3, 4), (3, 5, 7, 11), (64, 4096, 1 << 18, 1 << 20)])
@pytest.mark.parametrize("name", LAWS)
def test_what_is_exact_is_found_exactly(name: str, xs: tuple[int, ...]) -> None:
    law = fit(xs, [TRUE[name](x) for x in xs])
    assert (law.name, law.exact, law.quality) == (name, True, "exact")
    assert law.coefficient == pytest.approx(LEADING[name], rel=1e-6)


def test_coefficients_that_are_fractions_are_so_exactly() -> None:
    law = fit(SIZES, [7 * n * (n + 1) // 2 for n in SIZES])
    assert law.coefficients == (0, 3.5, 3.5)
    assert law.text("N") == "3.5 N² + 3.5 N"


def test_zero_is_a_constant() -> None:
    law = fit(SIZES, [0] * 6)
    assert (law.name, law.coefficients, law.text()) == ("constant", (0,), "0")


def test_laws_as_text() -> None:
    assert fit(SIZES, [x * x - 3 * x - 1 for x in SIZES]).text("N") == "N² - 3 N - 1"
    assert fit(SIZES, [5 - x for x in SIZES]).text() == "-x + 5"
    assert fit(SIZES, [1 + math.log2(x) for x in SIZES]).text() == "log2 x + 1"
    assert fit(SIZES, [3 * x * math.log2(x) for x in SIZES]).text() == "3 x log2 x"


def test_no_logarithm_of_zero() -> None:
    assert fit((0, 1, 2, 3, 4), (1, 3, 5, 7, 9)).name == "linear"


def test_so_many_points_as_coefficients_prove_nothing() -> None:
    """Through any three points goes a parabola; x counts once however often it was measured."""
    for xs in ((1, 2, 3), (1, 1, 2, 2, 3, 3)):
        with pytest.raises(ConfigError, match="too few points: 3 different values"):
            fit(xs, [x * x for x in xs])
    assert not fit((1, 2, 3, 4), (1, 5, 2, 9)).exact
    assert LEAST == 4


def noisy(name: str, xs: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    ys = np.array([TRUE[name](x) for x in xs])
    noise = rng.normal(size=len(xs))
    return ys * (1 + 0.01 * noise) if kind == "relative" else ys + 0.003 * ys.max() * noise


@pytest.mark.parametrize("kind", ["relative", "additive"])
@pytest.mark.parametrize("name", LAWS)
def test_noise_does_not_hide_a_law(name: str, kind: str) -> None:
    rng = np.random.default_rng(1)
    xs = np.array([*SIZES, 64, 128] * 4, float)
    found = Counter(fit(xs, noisy(name, xs, kind, rng)).name for _ in range(40))
    assert found[name] >= 36, found


def test_noise_is_seldom_taken_for_growth() -> None:
    rng = np.random.default_rng(2)
    for xs, most in ((SIZES, 10), (SIZES * 4, 4), ((1, 2, 3, 4), 30)):
        found = Counter(fit(xs, 100 + 5 * rng.normal(size=len(xs))).name for _ in range(200))
        assert 200 - found["constant"] <= most, (xs, found)


def test_the_fit_is_told() -> None:
    law = fit(SIZES, [30 + 5 * x + (-1) ** i for i, x in enumerate(SIZES)])
    assert (law.name, law.exact) == ("linear", False)
    assert 0.99 < law.r2 < 1
    assert 0 < law.worst < 0.02
    assert law.quality.startswith("R² 0.99")


def formula(text: str, **others: str) -> Forecast:
    formulas = {"y": (Formula(text), ""), **{n: (Formula(t), "") for n, t in others.items()}}
    return Forecast(formulas, "y", "N", {"R": 16, "GRAND": 1})


@pytest.mark.parametrize(
    ("text", "law", "leading"),
    [
        ("R * N * (N + 1) // 2", "quadratic", 8),
        ("R * (N + 1 if GRAND else 1)", "linear", 16),
        ("R", "constant", 16),
        ("max(N, 4)", None, None),  # formulas have no functions
        ("N if N > 4 else 4", "linear", 1),
        ("N if N < 32 else 32", "constant", 32),
        ("N // 2", "linear", 0.5),
        ("2**N", None, None),
        ("N**3", None, None),
        ("N // (N - 1)", "constant", 1),
    ],
)
def test_a_formula_has_the_law_that_it_follows_far_out(
    text: str, law: str | None, leading: float | None
) -> None:
    found = law_of(formula(text))
    assert (found and found.name) == law
    if found is not None:
        assert found.coefficient == pytest.approx(leading, rel=1e-3)
    assert FAR[-1] == 1 << 20


def test_figures_in_a_formula_are_replaced_by_their_own() -> None:
    found = formula("2 * pages * (pages + 1)", pages="each * N", each="3")
    assert found(2) == 84
    assert found.law is not None
    assert (found.law.name, found.law.coefficient) == ("quadratic", 18)
    assert found.depends_on(["R", "N", "each"]) == ["N", "each"]


def test_formulas_in_a_circle_have_no_value() -> None:
    assert formula("a", a="b", b="a").law is None


@pytest.mark.parametrize("power", [0.5, 1.5, 3])
def test_a_formula_between_the_laws_has_none(power: float) -> None:
    assert law_of(lambda x: round(x**power)) is None
