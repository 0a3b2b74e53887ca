"""The mutants fit the tree, and planting one works; ``python -m tests.mutants`` plants all."""

from __future__ import annotations

import pytest

from .catalogue import MUTANTS, REQUIRED, Mutant
from .forge import ROOT, Forge, mutate, reason, split


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_tree_has_what_the_mutant_changes(mutant: Mutant) -> None:
    path = ROOT / mutant.file
    assert mutate(mutant, path.read_text()) != path.read_text()
    for word in split(mutant.test):
        if word.startswith("tests/"):
            assert (ROOT / word.partition("::")[0]).exists(), word


def test_names_differ() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def test_a_place_that_is_gone_is_told() -> None:
    mutant = Mutant("name", "file", "old", "new", "test", times=2)
    with pytest.raises(ValueError, match="name: file has 1 such places"):
        mutate(mutant, "old text")


def test_selections_and_reasons() -> None:
    assert split("a.py -k 'x and y'") == ["a.py", "-k", "x and y"]
    assert split("a.py::test[b-copy on write] c.py") == ["a.py::test[b-copy on write]", "c.py"]
    assert reason("E  \nE   Error: this\nE   that\n", 1) == "Error: this"
    assert reason("", -11) == "killed by signal 11"


def test_two_are_planted_and_caught() -> None:
    """One in C, one in Python; the tree is as it was afterwards, and passes."""
    in_python = next(mutant for mutant in MUTANTS if mutant.file.endswith(".py"))
    with Forge() as forge:
        for mutant in (REQUIRED[0], in_python):
            caught, why = forge.catch(mutant)
            assert caught, mutant.name
            assert why
        forge.build()
        assert forge.test(REQUIRED[0].test) == (True, "")
