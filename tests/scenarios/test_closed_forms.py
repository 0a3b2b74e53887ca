"""Probes for one page of a family of a parent and N children, none of which called exec.

The closed forms that docs/schemes.md gives, for every scheme whose form is known: in each row
the page's situation, in each column a kind of scheme.  Each process's page is asked for alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache

import pytest

from vmemu.lab.experiment import Visit, run_scenario
from vmemu.lab.scenario import Formula
from vmemu.lab.scenarios import find_scenario
from vmemu.rmap import builtin

CHILDREN = (1, 2, 7, 32)

# The kinds: C exact, by pte; M by mm, the page's own first, then all in the order of forks; A by
# area, the newest first; AC by area, lists of a child's own, the oldest first; X down the tree of
# forks from the page's own process, no further than the first if the page is exclusive.
KINDS = {
    "pte_chain": "C",
    "anonmm": "M",
    "anon_vma39": "A",
    "anon_vma": "A",
    "anon_vma_chain": "AC",
    "anon_vma_degree": "AC",
    "anon_vma_lazy": "AC",
    "cow_context": "X",
}
FORMS = {
    "private copy of child I": {"C": "1", "M": "1", "A": "N - I + 1", "AC": "1", "X": "1"},
    "parent's, all children have copies": {"C": "1", "M": "1", "A": "N + 1", "AC": "1", "X": "1"},
    "shared by all": dict.fromkeys(("C", "M", "A", "AC", "X"), "N + 1"),
    "shared by child 1 and its child": {"C": "2", "M": "N + 1", "A": "2", "AC": "2", "X": "2"},
    "of child 1, mapped after all forks": dict.fromkeys(("C", "M", "A", "AC", "X"), "1"),
}
SCHEMES = [name for name, scheme in builtin().items() if scheme.finds_anon]


@cache
def probes(scheme: str, guest: str, n: int, grand: int, of_children: bool) -> tuple[int, ...]:
    """For the area's one page, in each child in turn, oldest first, or in whoever marks."""
    found: list[int] = []

    def ask(visit: Visit) -> None:
        core = visit.machine.core
        for task in visit.children() if of_children else [visit.task]:
            before = core.counters()
            assert visit.reclaim(task) == 1
            after = core.counters()
            found.append(after["unmap_probes"] - before["unmap_probes"])
            # page_referenced, which reclaim asks first, goes the same way
            assert after["referenced_probes"] - before["referenced_probes"] == found[-1]

    scenario = dataclasses.replace(find_scenario(guest), act=ask)
    params = scenario.settle({"R": "1", "N": str(n), "GRAND": str(grand)})
    measured = run_scenario(scenario, params, scheme)
    assert not measured.disturbed
    return tuple(found)


MEASURED: dict[str, Callable[[str, int], tuple[int, ...]]] = {
    "private copy of child I": lambda scheme, n: probes(scheme, "fork-server", n, 0, True),
    "parent's, all children have copies": lambda scheme, n: probes(
        scheme, "fork-server", n, 0, False
    ),
    "shared by all": lambda scheme, n: probes(scheme, "fork-readers", n, 0, False),
    "shared by child 1 and its child": lambda scheme, n: probes(
        scheme, "late-subfamily", n, 1, False
    ),
    "of child 1, mapped after all forks": lambda scheme, n: probes(
        scheme, "late-subfamily", n, 0, False
    ),
}


@pytest.mark.parametrize("n", CHILDREN)
@pytest.mark.parametrize("row", FORMS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_probes_for_one_page(scheme: str, row: str, n: int) -> None:
    form = Formula(FORMS[row][KINDS[scheme]])
    found = MEASURED[row](scheme, n)
    assert len(found) == (n if "child I" in row else 1)
    assert [*found] == [form({"N": n, "I": i}) for i in range(1, len(found) + 1)]


def test_no_scheme_is_passed_over() -> None:
    """Every one whose walks find pages has its kind, and no other."""
    assert KINDS.keys() == set(SCHEMES)


def test_every_row_is_measured() -> None:
    assert FORMS.keys() == MEASURED.keys()
    assert all(forms.keys() == set(KINDS.values()) for forms in FORMS.values())
