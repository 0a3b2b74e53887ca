"""The law that is fitted to what is measured is the law of the closed form: its kind and factor.

Of each situation of `test_closed_forms`, for every scheme whose walks find pages; and of each
formula of a scenario that has children, for every scheme whose figures are predicted.
"""

from __future__ import annotations

from functools import cache

import pytest

from tests.scenarios.test_closed_forms import FORMS, KINDS, MEASURED, SCHEMES
from vmemu.lab.experiment import Measurement, run_scenario
from vmemu.lab.scenario import Formula
from vmemu.lab.scenarios import SCENARIOS, find_scenario
from vmemu.results.forecast import Forecast, forecast, law_of
from vmemu.results.law import Law, fit
from vmemu.rmap import builtin

SIZES = (1, 2, 4, 8, 16, 32)
FEW = SIZES[:5]
PRIVATE = "private copy of child I"

# The table of docs/schemes.md read as laws in N, each with its factor.  Of the private copies
# it is the sum over all children that grows: 1 each, or N - I + 1 of the I-th.
ONE, ALL, TWO = ("constant", 1), ("linear", 1), ("constant", 2)
LAWS = {
    PRIVATE: {"C": ALL, "M": ALL, "A": ("quadratic", 0.5), "AC": ALL, "X": ALL},
    "parent's, all children have copies": {"C": ONE, "M": ONE, "A": ALL, "AC": ONE, "X": ONE},
    "shared by all": dict.fromkeys(("C", "M", "A", "AC", "X"), ALL),
    "shared by child 1 and its child": {"C": TWO, "M": ALL, "A": TWO, "AC": TWO, "X": TWO},
    "of child 1, mapped after all forks": dict.fromkeys(("C", "M", "A", "AC", "X"), ONE),
}


def closed_form(row: str, kind: str) -> Law | None:
    form = Formula(FORMS[row][kind])
    if row != PRIVATE:
        return law_of(lambda n: form({"N": n}))
    first, last = (lambda n: form({"N": n, "I": 1})), (lambda n: form({"N": n, "I": n}))
    return law_of(lambda n: n * (first(n) + last(n)) // 2)  # it falls evenly from I to I


@pytest.mark.parametrize("row", FORMS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_fitted_law_is_that_of_the_closed_form(scheme: str, row: str) -> None:
    law = fit(SIZES, [sum(MEASURED[row](scheme, n)) for n in SIZES])
    predicted = closed_form(row, KINDS[scheme])
    assert predicted is not None
    assert law.exact
    assert law.same_as(predicted)
    assert (law.name, law.coefficient) == LAWS[row][KINDS[scheme]]


def test_every_closed_form_has_a_law() -> None:
    assert LAWS.keys() == FORMS.keys()
    for row, forms in FORMS.items():
        for kind in forms:
            law = closed_form(row, kind)
            assert law is not None
            assert (law.name, law.coefficient) == LAWS[row][kind], (row, kind)


FAMILIES = [
    name
    for name, scenario in SCENARIOS.items()
    if any(p.name == "N" for p in scenario.parameters)
    and not (scenario.pressure or scenario.phases)
]
PREDICTED = [name for name, scheme in builtin().items() if scheme.predicted_as]


@cache
def measured(name: str, scheme: str, n: int) -> Measurement:
    scenario = find_scenario(name)
    return run_scenario(scenario, scenario.settle({"N": str(n), "R": "4"}), scheme)


@pytest.mark.parametrize("scheme", PREDICTED)
@pytest.mark.parametrize("name", FAMILIES)
def test_every_formula_of_a_family_has_the_law_that_is_fitted(name: str, scheme: str) -> None:
    """Those that round are not of any law near the origin: then each point is the formula's."""
    expected = find_scenario(name).expected(scheme)
    params = {**find_scenario(name).settle({"R": "4"}), "bits": 32}
    for figure in expected:
        found = forecast(name, scheme, figure, "N", params)
        assert isinstance(found, Forecast)
        points = [measured(name, scheme, n).figures[figure] for n in FEW]
        if (predicted := found.law) is None:
            assert "sweep_collateral" in found.text, figure  # as it comes, with no formula
        elif predicted.exact and fit(FEW, points).exact:
            assert fit(FEW, points).same_as(predicted), f"{figure}: {found.text}"
        else:
            assert points == [found(n) for n in FEW], f"{figure}: {found.text}"
