"""The mutants fit the tree, and planting one works; ``python -m tests.mutants`` plants all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from .catalogue import MUTANTS, REQUIRED, Mutant
from .change import generate
from .forge import ROOT, Forge, mutate, reason, split
from .reach import current, measure
from .score import LEAST, Journal, Sample, equivalents, quotas, sources
from .trial import CFLAGS, NOTICED, SAME, Trial, Verdict, code_of


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


@pytest.fixture(scope="module")
def forge() -> Iterator[Forge]:
    with Forge(CFLAGS) as one:
        yield one


def test_two_are_planted_and_caught(forge: Forge) -> None:
    """One in C, one in Python; the tree is as it was afterwards, and passes."""
    in_python = next(mutant for mutant in MUTANTS if mutant.file.endswith(".py"))
    for mutant in (REQUIRED[0], in_python):
        caught, why = forge.catch(mutant)
        assert caught, mutant.name
        assert why
    forge.build()
    assert forge.test(REQUIRED[0].test) == (True, "")


C = """\
static bool f(struct vmemu *m, int n)
{
\tBUG_ON(m, n < 0);
\tBUG_ON(m, take(m));
\tif (BUG_ON(m, !n))
\t\treturn n > 0;
\tif (n >= 8 && !g)
\t\tlist_add(m, a, b);
\treturn n;
}
"""
PYTHON = '''\
def f(n: int = 1) -> bool:
    """Not 2."""
    assert n != 7
    if n is None or not n:
        g(n - 3)
    return True
'''


def made(tmp_path: Path, name: str, text: str) -> list[tuple[str, str, str]]:
    (tmp_path / name).write_text(text)
    changes = generate(tmp_path, [name])
    assert {change.function for change in changes} == {"f"}
    for change in changes:
        mutated = change.apply(text.encode()).decode()
        assert mutated != text
        assert mutated.count("\n") == text.count("\n")
    return [(change.operator, change.old, change.new) for change in changes]


def test_what_is_made_of_c(tmp_path: Path) -> None:
    condition, call = "(n >= 8 && !g)", "list_add(m, a, b);"
    assert (
        sorted(made(tmp_path, "a.c", C))
        == sorted(
            [
                ("deletion", "BUG_ON(m, take(m));", ";"),  # its argument does something
                ("condition", condition, "(0)"),
                ("condition", condition, "(1)"),
                ("operand", condition[1:-1], "n >= 8"),
                ("operand", condition[1:-1], "!g"),
                ("binary", "&&", "||"),
                ("binary", ">=", ">"),
                ("binary", ">=", "<"),
                ("constant", "8", "7"),
                ("constant", "8", "9"),
                ("negation", "!", ""),
                ("deletion", call, ";"),
                ("name", "list_add", "list_add_tail"),
                ("negation", "n", "!(n)"),
            ]
        )
    )


def test_what_is_made_of_python(tmp_path: Path) -> None:
    test = "n is None or not n"
    assert sorted(made(tmp_path, "a.py", PYTHON)) == sorted(
        [
            ("constant", "1", "0"),
            ("constant", "1", "2"),
            ("condition", test, "True"),
            ("condition", test, "False"),
            ("binary", "or", "and"),
            ("binary", "is", "is not"),
            ("operand", "n is None", "False"),
            ("operand", "not n", "False"),
            ("negation", "not n", "(n)"),
            ("deletion", "g(n - 3)", "pass"),
            ("binary", "-", "+"),
            ("operand", "n - 3", "n"),
            ("constant", "3", "2"),
            ("constant", "3", "4"),
            ("constant", "True", "False"),
        ]
    )


def test_every_mutant_of_the_tree_can_be_told_from_the_others() -> None:
    changes = generate(ROOT, sources())
    assert len(changes) > 4000
    assert len({change.name for change in changes}) == len(changes)
    for change in changes:
        if change.file.endswith(".py"):
            compile(change.apply((ROOT / change.file).read_bytes()), change.file, "exec")


def test_a_sample_is_drawn_by_its_seed_from_every_file() -> None:
    names = [{change.name for change, _ in Sample(400, seed).drawn({})} for seed in (1, 1, 2)]
    assert names[0] == names[1] != names[2]
    assert len(names[0]) == 400
    sample = Sample(400, 1)
    assert all(sample.quota[file] >= min(LEAST, len(all_)) for file, all_ in sample.by_file.items())
    # One that compiles to the same code makes room for another.
    first = next(iter(sample.drawn({})))[0]
    again = {change.name for change, _ in sample.drawn({first.name: Verdict(SAME)})}
    assert first.name in again
    assert len(again) == 401


def test_a_sample_of_chosen_files() -> None:
    chosen = sources(only=["csrc/rmap/*.c", "vmemu/who/take.py"])
    assert "vmemu/who/take.py" in chosen
    assert set(chosen) < set(sources())
    assert {Path(file).parent.name for file in chosen} == {"rmap", "who"}
    assert set(Sample(20, 1, only=["csrc/rmap/*.c"]).by_file) == set(chosen) - {"vmemu/who/take.py"}
    with pytest.raises(ValueError, match="no source fits csrc/rmap/no_such"):
        sources(only=["csrc/rmap/no_such.c"])
    with pytest.raises(ValueError, match="no file of tests fits tests/no_such"):
        current(None, chosen, tests=["tests/no_such.py"])


def test_tests_that_cannot_be_run_are_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Forge, "build", lambda self: None)
    with pytest.raises(ValueError, match="tests cannot be run"):
        measure(["tests/unit/no_such_test.py"])


def test_no_two_files_of_tests_have_one_name() -> None:
    """pytest takes no two of them in one run."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert max(names.values()) == 1


def test_bugs_of_kernels_stand_in_the_table_with_their_tests() -> None:
    """docs/mutants.md: a row for each, by its name, with its commit and the test that notices."""
    rows = [
        [cell.strip() for cell in line.strip("| ").split(" | ")]
        for line in (ROOT / "docs" / "mutants.md").read_text().splitlines()
        if line.startswith("| *")
    ]
    table = {row[0].strip("*"): (row[1], row[2]) for row in rows}
    catalogue = {mutant.name: mutant for mutant in MUTANTS if mutant.bug}
    assert table.keys() == catalogue.keys()
    for name, (commit, test) in table.items():
        assert commit == catalogue[name].bug
        assert test.strip("`") == catalogue[name].test.replace("|", "\\|")


def test_quotas() -> None:
    assert quotas({"a": 60, "b": 30, "c": 1}, 20) == {"a": 13, "b": 6, "c": 1}
    assert quotas({"a": 3}, 20) == {"a": 3}


def test_python_that_compiles_to_the_same_code() -> None:
    assert code_of(b"def f():\n  return 1 + 1") == code_of(b"def f():\n\n  return 2")
    assert code_of(b"def f():\n  return 1 + 1") != code_of(b"def f():\n  return 3")


def test_a_journal_goes_on_where_it_was(tmp_path: Path) -> None:
    change = generate(ROOT, ["vmemu/mm/fork.py"])[0]
    path = tmp_path / "journal"
    Journal.open(path, {"seed": 1}).add(change, Verdict(NOTICED, "a test", "why", 3))
    journal = Journal.open(path, {"seed": 1})
    assert journal.verdicts == {change.name: Verdict(NOTICED, "a test", "why", 3)}
    with pytest.raises(ValueError, match=r'is the journal of \{"seed": 1\}, not of'):
        Journal.open(path, {"seed": 2})


def test_reviewed_mutants_have_a_reason_each() -> None:
    made = {change.key for change in generate(ROOT, sources())}
    for key, why in equivalents().items():
        assert key in made
        assert len(why.split()) > 3


def test_a_generated_mutant_is_reached_and_noticed(forge: Forge) -> None:
    """One in C, one in Python, from measuring to the verdict, with the tests of one file."""
    reach, failed = measure(["tests/unit/test_vma_merge.py"])
    assert not failed
    changes = generate(ROOT, ["csrc/mm/vma.c", "vmemu/mm/vma.py"])
    trial = Trial(reach, Counter(), 60, forge)
    forge.build()
    sound = trial.compiled()
    for function, old in (("find_vma_prev", ">"), ("split_vma", "vm_start")):
        change = next(c for c in changes if (c.function, c.old) == (function, old))
        tests = {reach.tests[n] for n in reach.of(change)}
        assert any("test_vma_merge" in test for test in tests)
        verdict = trial.judge(change)
        assert verdict.result == NOTICED
        assert verdict.test in tests
    assert trial.compiled() == sound  # the second one was not tried with the first one still in
    same = next(c for c in changes if (c.function, c.old) == ("vma_expand_down", "<"))
    assert trial.judge(replace(same, new="<\t")).result == SAME
    unreached = generate(ROOT, ["csrc/rmap/none.c"])[0]
    assert trial.judge(unreached).why == "no test reaches it"
