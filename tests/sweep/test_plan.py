"""Plans: their cells, how many there are, and what is said of words that are wrong."""

from __future__ import annotations

import inspect
import itertools
import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmemu.cli.options import MACHINE
from vmemu.errors import ConfigError
from vmemu.lab.cell import Cell
from vmemu.machine import Machine
from vmemu.rmap import compared
from vmemu.sweep.draft import experiment
from vmemu.sweep.experiment_file import read_plan
from vmemu.sweep.plan import Plan
from vmemu.sweep.references import anchored
from vmemu.sweep.settings import SETTINGS, Limits
from vmemu.sweep.words import plan_from_words

M = 1 << 20


def test_cells_in_their_order() -> None:
    plan = plan_from_words(
        ["fork-server", "N=1..2", "R=16,8"],
        {"rmap": ("anonmm", "anon_vma"), "seed": "1,2", "ram": "16M"},
    )
    expected = [
        Cell("fork-server", (("R", r), ("N", n)), scheme, (("ram", 16 * M), ("seed", seed)))
        for r in (16, 8)
        for n in (1, 2)
        for seed in (1, 2)
        for scheme in ("anonmm", "anon_vma")
    ]
    assert list(plan.cells()) == expected
    assert len(plan) == 16


def test_what_is_not_told_is_not_in_a_cell() -> None:
    """A parameter has its default; a setting that has Machine's default is not mentioned."""
    plan = plan_from_words(["fork-server"], {"rmap": ("anonmm",), "seed": "0,1", "topdown": None})
    bare = Cell("fork-server", (("R", 64), ("N", 16)), "anonmm")
    assert list(plan.cells()) == [bare, Cell(bare.scenario, bare.params, "anonmm", (("seed", 1),))]


def test_settings_are_as_machine_takes_them() -> None:
    told = {
        "ram": "32M",
        "swap": "none",
        "bits": "64",
        "levels": "4",
        "layout": "6.18",
        "i_mmap": "interval_tree",
        "seed": "-1",
        "page_cluster": "0",
        "swappiness": "10",
        "topdown": "true",
        "vm_flags_lock": "page_table_lock",
        "overcommit": "2",
        "max_time": "3.5",
        "max_host_time": "60",
        "max_tasks": "100",
        "max_host_memory": "1G",
    }
    assert set(told) == set(SETTINGS)
    (cell,) = plan_from_words(["fork-server"], told | {"rmap": ("anonmm",)}).cells()
    options = dict(cell.settings)
    assert options == {
        "ram": 32 * M,
        "swap": 0,
        "bits": 64,
        "levels": 4,
        "i_mmap": "interval_tree",
        "layout": "6.18",
        "seed": -1,
        "page_cluster": 0,
        "swappiness": 10,
        "topdown": True,
        "vm_flags_lock": "page_table_lock",
        "overcommit": 2,
        "max_time": 3.5,
        "max_host_time": 60.0,
        "max_tasks": 100,
        "max_host_memory": 1 << 30,
    }
    with Machine(rmap=cell.scheme, **options) as machine:
        assert machine.core.ram_bytes == 32 * M


def test_settings_are_those_of_the_command_line() -> None:
    names = {option.name for option in MACHINE}
    assert set(SETTINGS) == names
    parameters = inspect.signature(Machine.__init__).parameters
    for name, setting in SETTINGS.items():
        default = parameters[name].default
        if name == "max_host_memory":
            assert (default, setting.default) == ("2G", 2 << 30)
        elif name in ("ram", "swap", "bits", "levels"):  # the scenario or the width decides
            assert setting.default is None
        else:
            assert setting.default == default
    (told,) = experiment("fork-server", settings={"bits": 32, "ram": "32M"}).grids
    assert told.settings == (("bits", (32,)), ("ram", (32 * M,)))


def test_every_value_once() -> None:
    plan = Plan((experiment("fork-server", {"N": "1,2,1..3", "R": [4, "4"]}, "anonmm,anonmm"),))
    assert len(plan) == len(list(plan.cells())) == 3


def test_a_parameter_holds_where_a_scenario_has_it() -> None:
    plan = plan_from_words(["fork-server", "mprotect-halves", "N=3"], {"rmap": ("anonmm",)})
    first, second = plan.cells()
    assert dict(first.params)["N"] == 3
    assert "N" not in dict(second.params)


def test_a_cell_of_two_experiments_counts_for_the_first() -> None:
    first = experiment("fork-server", {"N": "1..4"}, "anonmm", {"seed": "0,1"}, {"time": 1})
    other = experiment("fork-server", {"N": "3..6"}, "anonmm,scan", {"swap": "64M"}, {"time": 2})
    second = experiment("fork-server", {"N": "3..6"}, "anonmm,scan", limits={"time": 2})
    assert len(Plan((first, other))) == 8 + 8  # what is told of swap, is told
    plan = Plan((first, second))
    cells = list(plan.limited_cells())
    assert len(plan) == len(cells) == len({cell for cell, _ in cells}) == 8 + 8 - 2
    three = Cell("fork-server", (("R", 64), ("N", 3)), "anonmm")
    assert dict(cells)[three] == Limits(1)
    assert [row[2] for row in plan.describe().rows] == [8, 6, 14]


AXIS = st.lists(st.integers(1, 4), min_size=1, max_size=3, unique=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(AXIS, AXIS, AXIS, st.booleans()), min_size=1, max_size=5))
def test_as_many_cells_as_there_are(
    axes: list[tuple[list[int], list[int], list[int], bool]],
) -> None:
    plan = Plan(
        tuple(
            experiment(
                "fork-server", {"N": n, "R": r}, "anonmm", {"seed": seeds} if told else {"swap": 0}
            )
            for n, r, seeds, told in axes
        )
    )
    every = [cell for each in plan.experiments for cell in Plan((each,)).cells()]
    cells = list(plan.cells())
    assert cells == list(dict.fromkeys(every))
    assert len(plan) == len(cells)
    rows = [row[2] for row in plan.describe().rows][: len(axes)]
    assert sum(rows) == len(plan)


def test_cells_are_counted_without_being_made() -> None:
    plan = plan_from_words(
        ["fork-server", "N=1..1000", "R=1..100"], {"rmap": ("anonmm",), "seed": "1..1000"}
    )
    assert len(plan) == 100_000_000  # half an hour, if they were made
    assert next(iter(plan.cells())).params == (("R", 1), ("N", 1))


def test_schemes() -> None:
    assert plan_from_words(["fork-server"]).experiments[0].schemes == compared()
    every = plan_from_words(["fork-server"], {"rmap": ("all",)}).experiments[0].schemes
    assert set(compared()) <= set(every)
    assert "none" not in every  # it cannot swap
    (with_options,) = experiment("fork-server", schemes="pte_chain:line=64").schemes
    assert with_options == "pte_chain:line=64"


def test_plans_are_plain_values() -> None:
    plan = plan_from_words(["fork-server", "N=1..3"], {"ram": "16M,32M"})
    assert pickle.loads(pickle.dumps(plan)) == plan


@pytest.mark.parametrize(
    "words",
    [
        ["fork-server"],
        ["fork-server", "fork-readers", "N=1..100", "R=1,2"],
    ],
)
def test_written_as_a_file_and_read_again(words: list[str], tmp_path: Path) -> None:
    options = {
        "rmap": ("anonmm", "pte_chain:line=64"),
        "seed": "0..9,20",
        "ram": "1M..64M*2,1028K",
        "swap": "none,64M",
        "topdown": "true,false",
        "max_time": "0.5,2",
        "time": "2.5",
        "memory": "512M",
    }
    for told in ({}, options):
        plan = plan_from_words(words, told)
        kept = tmp_path / "kept.toml"
        kept.write_text(plan.as_toml(str(tmp_path)))
        assert read_plan(str(kept)) == plan


def test_description() -> None:
    plan = plan_from_words(
        ["fork-server", "fork-readers", "N=1..256*2", "R=16"],
        {"rmap": ("anonmm", "anon_vma"), "ram": "16M,32M", "seed": "0..9"},
    )
    assert plan.describe().text() == (
        "experiment  scenario      cells  schemes  varied\n"
        "1           fork-server     360        2  N: 9 × ram: 2 × seed: 10\n"
        "1           fork-readers    360        2  N: 9 × ram: 2 × seed: 10\n"
        "all                         720\n"
    )


WRITTEN = "a range is written 0..9, 10..100+10 or 1..256*2"

WRONG = [
    (
        ["fork-server", "N=1..4096", "R=1..4096"],
        {"rmap": ("anonmm",), "seed": "0..99"},
        "the sweep has 1677721600 cells: 1000000000 are the most",
    ),
    (["fork-serer"], {}, "unknown scenario 'fork-serer': did you mean fork-server?"),
    ([], {}, "a sweep needs a scenario, such as fork-server, or an experiment file"),
    (["N=1"], {}, "a sweep needs a scenario, such as fork-server, or an experiment file"),
    (
        ["fork-server", "N=1..x"],
        {},
        f"N=1..x: '1..x' is no range: 'x' is not a whole number; {WRITTEN}",
    ),
    (["fork-server", "N=0..3"], {}, "N=0..3: fork-server: N must be 1 to 4096, not 0"),
    (
        ["fork-server", "N=many"],
        {},
        "N=many: fork-server: N is a whole number of children, not 'many'",
    ),
    (
        ["fork-server", "N="],
        {},
        "N=: nothing is listed: give a value, a list such as 1,2,4 or a range",
    ),
    (["fork-server", "N=1", "N=2"], {}, "N=2: N is told twice: give one list, as in N=1,2,4"),
    (["fork-server", "X=1"], {}, "X=1: scenario fork-server has no parameter 'X', it has R, N"),
    (
        ["fork-server", "fork-readers", "X=1"],
        {},
        "X=1: none of the scenarios has a parameter 'X'",
    ),
    (
        ["a.toml", "fork-server"],
        {},
        "fork-server: a sweep is told one experiment file, or scenarios",
    ),
    (["a.toml", "a.toml"], {}, "a.toml: a sweep is told one experiment file, or scenarios"),
    (["a.toml"], {}, "cannot read the experiment file a.toml: No such file or directory"),
    (
        ["fork-server"],
        {"ram": "16M,lots"},
        "--ram: 'lots' is not a size such as 512K, 32M or 1G",
    ),
    (["fork-server"], {"page_cluster": "9"}, "--page-cluster: page_cluster must be 0 to 8, not 9"),
    (["fork-server"], {"rmap": ("anonmm", "x:y=z")}, "--rmap: unknown rmap scheme 'x': choose"),
    (["fork-server"], {"time": "soon"}, "--time-limit: 'soon' is not a number"),
    (
        ["fork-server"],
        {"topdown": "maybe"},
        '--topdown: topdown takes true, false or both in a list, not "maybe"',
    ),
]


@pytest.mark.parametrize(("words", "options", "problem"), WRONG)
def test_errors_name_the_word(words: list[str], options: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_from_words(words, options)
    assert str(caught.value).startswith(problem)
    assert "\n" not in str(caught.value)


def test_errors_from_python() -> None:
    with pytest.raises(ConfigError, match="unknown setting 'seeds': did you mean seed"):
        experiment("fork-server", settings={"seeds": 1})
    with pytest.raises(ConfigError, match="unknown limit 'tim': did you mean time"):
        experiment("fork-server", limits={"tim": 1})
    with pytest.raises(ConfigError, match="scenario: the list is empty"):
        experiment([])


def test_no_axis_is_lost() -> None:
    """Every combination, as itertools has them."""
    plan = plan_from_words(
        ["late-subfamily", "R=1,2", "N=2,3", "GRAND=0,1"],
        {"rmap": ("anonmm", "scan"), "swappiness": "60,70", "overcommit": "0,1"},
    )
    combinations = set(
        itertools.product((1, 2), (2, 3), (0, 1), (60, 70), (0, 1), ("anonmm", "scan"))
    )
    found = {
        (
            *(value for _, value in cell.params),
            dict(cell.settings).get("swappiness", 60),
            dict(cell.settings).get("overcommit", 0),
            cell.scheme,
        )
        for cell in plan.cells()
    }
    assert found == combinations
    assert len(plan) == len(combinations)


def test_every_way_to_a_file_is_one_reference() -> None:
    for path in ("b.py:S", "./b.py:S", "../a/b.py:S", "/x/a/b.py:S"):
        assert anchored(path, "/x/a") == "/x/a/b.py:S"
    assert anchored("hole", "/x") == "hole"
    assert anchored("module.b:S", "/x") == "module.b:S"


def test_two_scenarios_of_one_name_are_refused(tmp_path: Path) -> None:
    text = (
        "from dataclasses import replace\n"
        "from vmemu.lab.scenarios import SCENARIOS\n"
        "S = replace(SCENARIOS['hole'], name='mine', guest='hole', origin='')\n"
    )
    for name in ("one.py", "two.py"):
        (tmp_path / name).write_text(text)
    words = [f"{tmp_path}/{name}:S" for name in ("one.py", "two.py")]
    assert len(plan_from_words(words[:1])) > 0
    with pytest.raises(
        ConfigError, match=r"two scenarios are called 'mine': \S+one.py:S and \S+two"
    ):
        plan_from_words(words)
