"""Experiment files: what they come to, and that each error tells file, line and key."""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vmemu.errors import ConfigError
from vmemu.lab import actions
from vmemu.lab.scenario import Formula, Parameter
from vmemu.lab.scenarios import find_scenario
from vmemu.sweep.experiment_file import definition, read_plan, scenario_in
from vmemu.sweep.settings import Limits
from vmemu.sweep.toml import read_document
from vmemu.sweep.words import plan_from_words

WHOLE = """\
rmap = ["anonmm", "anon_vma"]
seed = "0..3"

[parameters]
R = 16
N = [1, "2..8*2"]

[limits]
time = 60
memory = "1G"

[[experiment]]
scenario = "fork-server"
ram = ["16M", "32M"]

[[experiment]]
scenarios = ["mine", "fork-readers"]
rmap = "scan,pte_chain"
seed = 7
parameters = { N = 4, MODE = "own,shared" }
limits.time = 5

[scenarios.mine]
program = "fork-server"
summary = "a family of mine"
mark = "here"
parameters.N = 4
parameters.R = { default = 64, least = 2, most = 4096, counted = "sheets" }
parameters.MODE = { default = "own", choices = ["own", "shared"] }
frames = "R * (N + 1)"
act = "reclaim_children"
ram = "16M"
swap = 0
pressure = true
whole_run = true
watch = ["pgfault", "pswpin"]
arguments = ["fast"]
tells = { end = "ended" }

[scenarios.mine.expect]
unmap_pages = "R * N"
unmap_cmp = 0
ended = { everywhere = "N", why = "one each" }
unmap_probes = { anonmm = "R * N", anon_vma = "R * N * (N + 1) // 2", "my.own:Scheme" = "ANY" }
"""


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to work in, with a file of that name to write."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "exp.toml"


def test_a_whole_file(written: Path) -> None:
    written.write_text(WHOLE)
    plan = read_plan("exp.toml")
    first, second = plan.experiments
    assert first.scenarios == ("fork-server",)
    assert first.schemes == ("anonmm", "anon_vma")
    assert first.parameters == (("R", ("16",)), ("N", ("1", "2", "4", "8")))
    assert first.settings == (("ram", (16 << 20, 32 << 20)), ("seed", (0, 1, 2, 3)))
    assert first.limits == Limits(60, 1 << 30)
    assert second.scenarios == (f"{written}:mine", "fork-readers")
    assert second.schemes == ("scan", "pte_chain")
    assert dict(second.parameters) == {"R": ("16",), "N": ("4",), "MODE": ("own", "shared")}
    assert second.settings == (("seed", (7,)),)
    assert second.limits == Limits(5, 1 << 30)
    assert len(plan) == 4 * 2 * 4 * 2 + 2 * 2 + 2
    cells = list(plan.cells())
    assert len(set(cells)) == len(cells) == len(plan)
    assert cells[-1].settings == (("seed", 7),)
    assert cells[64].params == (("N", 4), ("R", 16), ("MODE", "own"))


def test_a_scenario_of_a_file(written: Path) -> None:
    written.write_text(WHOLE)
    found = find_scenario("exp.toml:mine")
    assert found == scenario_in("exp.toml") == scenario_in(str(written), "mine")
    assert (found.origin, found.home) == (f"{written}:mine", str(written.parent))
    assert (found.name, found.guest, found.mark) == ("mine", "fork-server", "here")
    assert found.summary == "a family of mine"
    assert found.parameters == (
        Parameter("N", 4),
        Parameter("R", 64, "sheets", 2, 4096),
        Parameter("MODE", "own", choices=("own", "shared")),
    )
    assert found.frames == Formula("R * (N + 1)")
    assert found.act is actions.reclaim_children
    assert (found.ram, found.swap, found.pressure, found.whole_run) == ("16M", "0", True, True)
    assert (found.watch, found.arguments) == (("pgfault", "pswpin"), ("fast",))
    assert found.tells == {"end": "ended"}
    expected = {each.figure: each.formulas for each in found.expectations}
    assert expected["unmap_cmp"] == {None: Formula("0")}
    assert expected["ended"] == {None: Formula("N")}
    assert set(expected["unmap_probes"]) == {"anonmm", "anon_vma", "my.own:Scheme"}
    assert found.expectations[2].why == "one each"


def test_one_experiment_needs_no_table(written: Path) -> None:
    written.write_text('scenario = "fork-server"\nrmap = "all"\n')
    (experiment,) = read_plan("exp.toml").experiments
    assert len(experiment.schemes) == len(plan_from_words(["fork-server"], {"rmap": ["all"]}))


def test_paths_are_relative_to_the_file(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = written.parent / "there"
    (there / "guests").mkdir(parents=True)
    (there / "guests/mine.c").write_text("int main(void) { return 0; }\n")
    (there / "defs.toml").write_text('[scenarios.mine]\nprogram = "guests/mine.c"\nsummary = ""\n')
    (there / "own.py").write_text(
        "from vmemu.lab.scenario import Scenario\n"
        'S = Scenario("own", "", "", (), (), guest="guests/mine.c")\n'
    )
    (there / "exp.toml").write_text('scenario = ["defs.toml:mine", "./own.py:S"]\n')
    plan = read_plan("there/exp.toml")
    (experiment,) = plan.experiments
    assert experiment.scenarios == (f"{there}/defs.toml:mine", f"{there}/own.py:S")
    assert 'scenario = ["./defs.toml:mine", "./own.py:S"]' in plan.as_toml(str(there))
    for directory in (written.parent, there / "guests"):
        (directory / "kept.toml").write_text(plan.as_toml(str(directory)))
        monkeypatch.chdir(directory)
        assert read_plan("kept.toml") == plan


def test_words_go_before_what_a_file_says(written: Path) -> None:
    written.write_text(WHOLE)
    plan = plan_from_words(["exp.toml", "N=2", "MODE=own"], {"seed": "5,6", "time": "9"})
    first, second = plan.experiments
    assert dict(first.parameters) == {"N": ("2",), "R": ("16",)}  # it has no MODE
    assert dict(second.parameters) == {"N": ("2",), "R": ("16",), "MODE": ("own",)}
    assert dict(first.settings)["seed"] == dict(second.settings)["seed"] == (5, 6)
    assert first.limits == second.limits == Limits(9, 1 << 30)


def test_a_word_is_what_is_wrong_not_the_file(written: Path) -> None:
    written.write_text(WHOLE)
    with pytest.raises(ConfigError) as caught:
        plan_from_words(["exp.toml", "N=5000"])
    assert str(caught.value) == "N=5000: fork-server: N must be 1 to 4096, not 5000"


NO_RANGE = "is no range: a range is written 0..9, 10..100+10 or 1..256*2"
NO_NUMBER = "'x' is not a whole number; a range is written 0..9, 10..100+10 or 1..256*2"

# each: the file, the line and what is said behind it
PLANS = {
    "syntax": ("seed = 1\nram = \n", 2, "this is no TOML: invalid value"),
    "an open string": ('seed = 1\n\nram = "16M\n', 3, "this is no TOML: illegal character '\\n'"),
    "an open array": ("seed = [\n1\n", 2, "this is no TOML: unclosed array"),
    "a key twice": (
        'seed = 1\nram = [\n  "16M",\n]\nscenario = "fork-server"\nseed = [\n  2,\n]\n',
        6,
        "seed stands here a second time, line 1 has it already",
    ),
    "a table twice": (
        "[parameters]\nN = 1\n\n[limits]\ntime = 1\n[parameters]\nR = 1\n",
        6,
        "parameters stands here a second time, line 1 has it already",
    ),
    "an inline key twice": (
        "\nparameters = { N = 1, N = 2 }\n",
        2,
        "parameters.N stands here a second time, line 2 has it already",
    ),
    "unknown key": ("ram = 4096\n\nsede = 1\n", 3, "unknown key 'sede': did you mean seed?"),
    "a key that is called otherwise": (
        'scenario = "fork-server"\nschemes = "all"\n',
        2,
        "unknown key 'schemes': did you mean rmap?",
    ),
    "a parameter at the top": (
        'scenario = "fork-server"\nN = 1\n',
        2,
        "unknown key 'N': a parameter stands in the table [parameters]",
    ),
    "a limit at the top": ("time = 1\n", 1, "unknown key 'time': it stands in the table [limits]"),
    "a scenario's key at the top": (
        "\nprogram = 'x'\n",
        2,
        "unknown key 'program': it stands in a table [scenarios.NAME]",
    ),
    "unknown key in an experiment": (
        'scenario = "fork-server"\n[[experiment]]\nseed = 1\n[[experiment]]\n\nswapines = 3\n',
        6,
        "unknown key 'swapines': did you mean swappiness?",
    ),
    "unknown limit": (
        "[limits]\ntime = 1\nmemroy = 3\n",
        3,
        "limits.memroy: unknown limit 'memroy': did you mean memory?",
    ),
    "experiments in experiments": (
        '[[experiment]]\nscenario = "fork-server"\n[[experiment.experiment]]\n',
        3,
        "unknown key 'experiment': a parameter stands in the table [parameters]",
    ),
    "an experiment that is no array": (
        '\n[experiment]\nscenario = "fork-server"\n',
        2,
        "an experiment is a table: write [[experiment]]",
    ),
    "parameters that are no table": (
        'scenario = "fork-server"\nparameters = 3\n',
        2,
        "parameters takes NAME = VALUE in a table, not 3",
    ),
    "limits that are no table": (
        'scenario = "fork-server"\nlimits = [1]\n',
        2,
        "limits takes a table with time and memory, not a list",
    ),
    "no scenario": ("\nseed = 1\n", 1, "an experiment needs a scenario, such as fork-server"),
    "an experiment without": (
        'seed = 1\n[[experiment]]\nscenario = "fork-server"\n\n[[experiment]]\nseed = 2\n',
        5,
        "an experiment needs a scenario, such as fork-server",
    ),
    "two words for one thing": (
        '[[experiment]]\nscenario = "fork-server"\nscenarios = ["fork-server"]\n',
        3,
        "give scenario or scenarios, not both",
    ),
    "scenarios defined in an experiment": (
        "[[experiment]]\n[experiment.scenarios.mine]\n",
        2,
        "scenarios are defined at the top of a file, not in an experiment",
    ),
    "unknown scenario": (
        'scenario = [\n  "fork-server",\n  "fork-serer",\n]\n',
        3,
        "unknown scenario 'fork-serer': did you mean fork-server?",
    ),
    "a scenario that is a number": (
        "scenario = 3\n",
        1,
        "scenario takes text or a list of texts, not 3",
    ),
    "no scenario in the list": (
        "seed = 1\nscenario = []\n",
        2,
        "scenario: the list is empty: it needs one value at least",
    ),
    "unknown scheme": (
        'scenario = "fork-server"\n\n[[experiment]]\nrmap = ["anonmm",\n  "pte_chain:line=65"]\n',
        5,
        "rmap: line of pte_chain is 128 or 64 or 32, not '65'",
    ),
    "a scheme that is a number": (
        'scenario = "fork-server"\nrmap = 1\n',
        2,
        "rmap takes text or a list of texts, not 1",
    ),
    "bad range": (
        'scenario = "fork-server"\n[parameters]\nR = 1\n\n\n\nN = "1..x"\n',
        7,
        f"N: '1..x' is no range: {NO_NUMBER}",
    ),
    "bad range within a list": (
        'scenario = "fork-server"\n[parameters]\nN = [ # some\n  1,\n\n  "2..", # here\n  3 ]\n',
        6,
        f"N: '2..' {NO_RANGE}",
    ),
    "bad range in a dotted key": (
        'scenario = "fork-server"\nseed = 1\nparameters.R = 4\nparameters."N" = "9..1"\n',
        4,
        "N: '9..1' goes down: write 1..9",
    ),
    "bad range in an inline table": (
        '[[experiment]]\nscenario = "fork-server"\nparameters = { R = 1, N = "1..8*1" }\n',
        3,
        "N: '1..8*1' does not go up: the step behind * is 2 or more",
    ),
    "a comma too many": (
        'scenario = "fork-server"\nseed = "1,,2"\n',
        2,
        "seed: '1,,2' has a comma too many: a list is written 1,2,4",
    ),
    "too many values": (
        'scenario = "fork-server"\nseed = "0..9999999"\n',
        2,
        "seed: '0..9999999' lists 10000000 values: 1000000 are the most",
    ),
    "an empty list": (
        'scenario = "fork-server"\nram = []\n',
        2,
        "ram: the list is empty: it needs one value at least",
    ),
    "out of bounds": (
        'scenario = "fork-server"\n[parameters]\nN = [\n  1,\n  5000,\n]\n',
        5,
        "fork-server: N must be 1 to 4096, not 5000",
    ),
    "out of bounds of one of two": (
        '[parameters]\nN = "1..5000+4999"\n[[experiment]]\nscenario = "fork-server"\n',
        2,
        "fork-server: N must be 1 to 4096, not 5000",
    ),
    "a word for a number": (
        'scenario = "fork-server"\nparameters = { N = "many" }\n',
        2,
        "fork-server: N is a whole number of children, not 'many'",
    ),
    "a truth for a number": (
        'scenario = "fork-server"\nparameters = { N = true }\n',
        2,
        "N takes a whole number, a word, a list or a range such as 1..256*2, not true",
    ),
    "a parameter that its scenarios have not": (
        '[[experiment]]\nscenario = "fork-server"\n[experiment.parameters]\nX = 1\n',
        4,
        "scenario fork-server has no parameter 'X', it has R, N",
    ),
    "a parameter that no scenario has": (
        '[parameters]\nR = 1\nCHILDREN = 3\n[[experiment]]\nscenario = "fork-server"\n',
        3,
        "no scenario here has a parameter 'CHILDREN': choose from R, N",
    ),
    "a float for a number": (
        'scenario = "fork-server"\nseed = 1.5\n',
        2,
        'seed takes a whole number, a list or a range such as "0..9", not 1.5',
    ),
    "a date": (
        'scenario = "fork-server"\nseed = 2004-05-01\n',
        2,
        'seed takes a whole number, a list or a range such as "0..9", not 2004-05-01',
    ),
    "a list in a list": (
        'scenario = "fork-server"\nseed = [1, [2]]\n',
        2,
        'seed takes a whole number, a list or a range such as "0..9", not a list',
    ),
    "a layout that is a number": (
        'scenario = "fork-server"\nlayout = 6.18\n',
        2,
        "layout takes text, not 6.18",
    ),
    "a layout of the other width": (
        'scenario = "fork-server"\nlayout = "6.18"\n',
        2,
        "there is no layout '6.18' of 32 bits: choose one of 2.6.7, 2.6.34",
    ),
    "a size": (
        'scenario = "fork-server"\nram = ["16M", "lots"]\n',
        2,
        "ram: 'lots' is not a size such as 512K, 32M or 1G",
    ),
    "a size in bytes": (
        'scenario = "fork-server"\nram = 4097\n',
        2,
        "ram must be a multiple of 4096 bytes, not 4097",
    ),
    "more RAM than there can be": (
        'scenario = "fork-server"\nram = "1G"\n',
        2,
        "ram may be at most 896M (no highmem), not 1073741824",
    ),
    "a swap file": (
        'scenario = "fork-server"\nswap = "./swapfile"\n',
        2,
        "swap: './swapfile' is not a size such as 512K, 32M or 1G",
    ),
    "little swap": (
        'scenario = "fork-server"\nswap = ["none", "4K"]\n',
        2,
        "swap of 4096 bytes is too small: at least 40960 needed",
    ),
    "levels of the other width": (
        'scenario = "fork-server"\nbits = [32, 64]\nlevels = 4\n',
        3,
        "page tables of 4 levels: 32 bits have 2",
    ),
    "bits": (
        'scenario = "fork-server"\nbits = 16\n',
        2,
        "bits must be 32 (i386) or 64 (x86-64), not 16",
    ),
    "page_cluster": (
        'scenario = "fork-server"\npage_cluster = "0..9"\n',
        2,
        "page_cluster must be 0 to 8, not 9",
    ),
    "swappiness": (
        'scenario = "fork-server"\nswappiness = 101\n',
        2,
        "swappiness must be 0 to 100, not 101",
    ),
    "overcommit": (
        'scenario = "fork-server"\novercommit = 3\n',
        2,
        "overcommit must be 0, 1 or 2, not 3",
    ),
    "vm_flags_lock": (
        'scenario = "fork-server"\nvm_flags_lock = "both"\n',
        2,
        "vm_flags_lock must be mmap_sem or page_table_lock, not 'both'",
    ),
    "topdown": (
        'scenario = "fork-server"\ntopdown = 1\n',
        2,
        "topdown takes true, false or both in a list, not 1",
    ),
    "max_time": (
        'scenario = "fork-server"\nmax_time = 0\n',
        2,
        "max_time must be seconds above 0, up to 9.2e9, not 0.0",
    ),
    "max_tasks": (
        'scenario = "fork-server"\nmax_tasks = 0\n',
        2,
        "max_tasks must be 1 to 32768, not 0",
    ),
    "two limits": (
        'scenario = "fork-server"\n[limits]\ntime = "1,2"\n',
        3,
        "limits.time: time is one limit for every cell, not 2",
    ),
    "a limit of nothing": (
        'scenario = "fork-server"\n[limits]\n\nmemory = 0\n',
        4,
        "limits.memory: memory must be above 0",
    ),
}

MINE = '[scenarios.mine]\nprogram = "fork-server"\n'  # two lines
BEGUN = MINE + "parameters = { N = 4, R = 16 }\n"  # three

DEFINITIONS = {
    "no table": ("[scenarios]\nseed = 1\nmine = 3\n", 2, "scenarios.seed: it takes a table with"),
    "unknown key": (
        MINE + 'sumary = ""\n',
        3,
        "scenarios.mine.sumary: unknown key 'sumary': did you mean summary?",
    ),
    "wrong type": (
        MINE + "whole_run = 1\n",
        3,
        "scenarios.mine.whole_run: whole_run takes true or false, not 1",
    ),
    "wrong type in a list": (
        MINE + 'watch = ["pgfault", 3]\n',
        3,
        "scenarios.mine.watch: watch takes a list of texts, not a list",
    ),
    "a name that vmemu has": (
        '\n[scenarios.fork-server]\nsummary = ""\n',
        2,
        "scenarios.fork-server: vmemu has a scenario 'fork-server' already: choose another name",
    ),
    "a name that cannot be": (
        "[scenarios.'my own']\nprogram = 'fork-server'\n",
        1,
        "scenarios.my own: a scenario's name is one word without / and :, not 'my own'",
    ),
    "missing program": (
        '[scenarios.mine]\nsummary = ""\nprogram = "./mine.c"\n',
        3,
        "scenarios.mine.program: there is no guest './mine.c' in HERE",
    ),
    "a guest that vmemu has not": (
        '[scenarios.mine]\nprogram = "fork-serer"\n',
        2,
        "scenarios.mine.program: there is no guest 'fork-serer'",
    ),
    "no program": (
        'seed = 1\n[scenarios.mine]\nsummary = ""\n',
        2,
        'scenarios.mine: it needs a program, such as program = "fork-server" or "./mine.c"',
    ),
    "an action": (
        MINE + 'act = "reclaim_childs"\n',
        3,
        "scenarios.mine.act: there is no action 'reclaim_childs': did you mean reclaim_children?",
    ),
    "a counter": (
        MINE + 'watch = [\n  "pgfault",\n  "pgfalt",\n]\n',
        5,
        "mine watches 'pgfalt': there is no counter 'pgfalt': did you mean pgfault?",
    ),
    "a size": (MINE + 'swap = "much"\n', 3, "mine: swap must be a size such as 512K, 32M or 1G"),
    "a default that is out of bounds": (
        MINE + "[scenarios.mine.parameters]\nR = 1\nN = { default = 9, most = 8 }\n",
        5,
        "the default of mine: N must be 1 to 8, not 9",
    ),
    "a default that is a word": (
        MINE + 'parameters.N = "many"\n',
        3,
        "the default of mine: N is a whole number of pages, not 'many'",
    ),
    "no default": (MINE + "\nparameters.N = { least = 9 }\n", 4, "N needs a default"),
    "bounds": (
        MINE + "[scenarios.mine.parameters.N]\ndefault = 3\nleast = 4\nmost = 2\n",
        6,
        "N.most: most is below least",
    ),
    "unknown key of a parameter": (
        MINE + "parameters.N = { default = 3, max = 2 }\n",
        3,
        "N.max: unknown key 'max': choose from default, least, most,",
    ),
    "a parameter's name": (
        MINE + 'parameters.N = 1\nparameters."N-1" = 3\n',
        4,
        "a parameter is called 'N-1', which no formula can name",
    ),
    "a formula that is none": (
        BEGUN + 'expect.unmap_pages = "R *"\n',
        4,
        "scenarios.mine.expect.unmap_pages: the formula 'R *' has no value: invalid syntax",
    ),
    "a formula that is a list": (
        BEGUN + "expect.unmap_pages = [1]\n",
        4,
        "scenarios.mine.expect.unmap_pages: a formula is text or a whole number, not a list",
    ),
    "a formula that names no parameter": (
        BEGUN + '\n[scenarios.mine.expect]\nunmap_pages = "R * N"\nvmas = "R * M"\n',
        7,
        "the formula 'R * M' of vmas names M: mine has the parameters N, R",
    ),
    "one of a scheme": (
        BEGUN + '[scenarios.mine.expect.vmas]\nanon_vma = "R"\nanonmm = "M"\nwhy = "so"\n',
        6,
        "the formula 'M' of vmas names M: mine has the parameters N, R",
    ),
    "one in an inline table": (
        BEGUN + 'summary = "R * M"\nexpect = { copies = "0", vmas = { anonmm = "R * M" } }\n',
        5,
        "the formula 'R * M' of vmas names M: mine has the parameters N, R",
    ),
    "frames that name no parameter": (
        BEGUN + 'frames = "R * unmap_pages"\n',
        4,
        "the formula 'R * unmap_pages' of frames names unmap_pages: mine has",
    ),
    "no figure": (
        BEGUN + "[scenarios.mine.expect]\nunmap_prbes = 0\n",
        5,
        "mine: there is no figure 'unmap_prbes': did you mean unmap_probes?",
    ),
    "no scheme": (
        BEGUN + "[scenarios.mine.expect]\nvmas = { anonm = 1 }\n",
        5,
        "scenarios.mine.expect.vmas.anonm: there is no scheme 'anonm': did you mean anonmm?",
    ),
    "a why that is none": (
        BEGUN + "[scenarios.mine.expect]\nvmas = { anonmm = 1, why = 1 }\n",
        5,
        "scenarios.mine.expect.vmas.why: why takes text, not 1",
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_errors(name: str, written: Path) -> None:
    text, line, problem = PLANS[name]
    written.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_plan("exp.toml")
    assert str(caught.value) == f"exp.toml, line {line}: {problem}"


@pytest.mark.parametrize("name", DEFINITIONS)
def test_errors_of_definitions(name: str, written: Path) -> None:
    text, line, problem = DEFINITIONS[name]
    written.write_text(text)
    begin = f"exp.toml, line {line}: {problem}".replace("HERE", str(written.parent))
    with pytest.raises(ConfigError, match=f"^{re.escape(begin)}"):
        read_plan("exp.toml")
    defined = next(iter(tomllib.loads(text)["scenarios"]))
    with pytest.raises(ConfigError, match=f"^{re.escape(begin)}"):
        scenario_in("exp.toml", defined)


def test_files_that_cannot_be_read(written: Path) -> None:
    written.write_bytes(b'seed = 1\nscenario = "fork-\xff"\n')
    with pytest.raises(ConfigError) as caught:
        read_plan("exp.toml")
    assert str(caught.value) == "exp.toml, line 2: the file is not UTF-8"
    written.unlink()
    with pytest.raises(ConfigError) as caught:
        read_plan("exp.toml")
    assert str(caught.value) == (
        "cannot read the experiment file exp.toml: No such file or directory"
    )
    written.mkdir()
    with pytest.raises(ConfigError) as caught:
        read_plan("exp.toml")
    assert str(caught.value) == "exp.toml is a directory, not an experiment file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(written: Path) -> None:
    written.write_text("")
    written.chmod(0)
    with pytest.raises(ConfigError, match=r"cannot read .* exp\.toml: Permission denied"):
        read_plan("exp.toml")


def test_brackets_without_end(written: Path) -> None:
    written.write_text("seed = " + "[" * 100_000)
    with pytest.raises(ConfigError, match=r"^exp\.toml"):
        read_plan("exp.toml")


def test_scenarios_that_a_file_has_not(written: Path) -> None:
    written.write_text("seed = 1\n")
    with pytest.raises(ConfigError) as caught:
        scenario_in("exp.toml")
    assert str(caught.value) == "exp.toml defines no scenario: it has no table [scenarios.NAME]"
    written.write_text(MINE + MINE.replace("mine", "other"))
    with pytest.raises(ConfigError) as caught:
        scenario_in("exp.toml")
    assert str(caught.value) == (
        "exp.toml has 2 scenarios, mine, other: say which, as in exp.toml:mine"
    )
    with pytest.raises(ConfigError) as caught:
        scenario_in("exp.toml", "mien")
    assert str(caught.value) == "exp.toml has no scenario 'mien': did you mean mine?"


def paths_of(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every key and element that tomllib finds."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)  # type: ignore
    for key, each in inside:
        yield (*path, key)
        if isinstance(each, dict | list):
            yield from paths_of(each, (*path, key))


def test_every_key_and_element_has_a_line(written: Path) -> None:
    text = WHOLE + "\n[a.b]\n[[a.b.c]]\n[[a.b.c]]\n[a.b.c.d]\nx = [[1, 2], [{ y = 1, z.z = 2 }]]\n"
    written.write_text(text)
    document = read_document("exp.toml")
    end = text.count("\n")
    found = {path: document.line(path) for path in paths_of(document.data)}
    assert found == {path: document._lines[path] for path in found}
    assert found["a", "b", "c", 1, "d", "x", 1, 0, "z", "z"] == end
    assert found["a", "b", "c", 1, "d"] == end - 1
    assert (found["a", "b", "c", 1], found["a", "b", "c", 0]) == (end - 2, end - 3)
    lines = text.splitlines()
    for path, line in found.items():
        if isinstance(path[-1], str):
            assert path[-1] in lines[line - 1]


def test_scenarios_that_are_defined_but_not(written: Path) -> None:
    written.write_text('scenario = "fork-server"\n[scenarios]\n')
    assert len(read_plan("exp.toml").experiments) == 1


def test_a_definition_is_the_same_wherever_it_stands(written: Path) -> None:
    written.write_text(WHOLE)
    before = definition("exp.toml", "mine")
    _, _, mine = WHOLE.partition("[scenarios.mine]")
    written.write_text('scenario = "mine"\n[scenarios.mine]' + mine)
    assert definition("exp.toml", "mine") == before
    written.write_text(WHOLE.replace("a family of mine", "another"))
    assert definition("exp.toml", "mine") != before


def test_lines_count_in_every_way_to_write(written: Path) -> None:
    """Windows' line ends, quoted keys, strings and arrays over lines, comments with brackets."""
    written.write_bytes(
        b'# [[experiment]]\r\nscenario = [ "fork-server", # ]\r\n]\r\n'
        b'[[ experiment ]]\r\n"ram" = """\\\r\n  16M,\\\r\n  32M"""\r\n'
        b"[experiment . 'parameters']\r\n\"N\" = '''0..3'''\r\n"
    )
    with pytest.raises(ConfigError) as caught:
        read_plan("exp.toml")
    assert str(caught.value) == "exp.toml, line 9: fork-server: N must be 1 to 4096, not 0"


ODD = [
    *("1", "-1", "1.5", "nan", "inf", "true", "[]", "{}", "[[]]", "[{}]", "2004-05-01", "12:00:00"),
    *(
        '""',
        '"x"',
        '"1..4"',
        '"all"',
        '"\\u0000"',
        '"1G"',
        '"none"',
        '["a", "b"]',
        '"N +"',
        '"N.x"',
    ),
    *('"lambda: N"', "99999999999999999999", '{ default = "x", choices = [] }', '"[x for x in N]"'),
]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(range(WHOLE.count("\n"))), st.sampled_from(ODD), st.booleans())
def test_whatever_stands_there_is_taken_or_told(number: int, value: str, first: bool) -> None:
    lines = WHOLE.splitlines()
    key, equals, rest = lines[number].partition("=")
    if not first and "=" in rest:
        inner, equals, _ = rest.rpartition("=")
        key, value = f"{key}={inner}", f"{value} }}"
    if equals:
        lines[number] = f"{key}= {value}"
    else:
        del lines[number]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "exp.toml")
        path.write_text("\n".join(lines))
        try:
            read_plan(str(path))
        except ConfigError as error:
            told = str(error)
        else:
            return
    assert re.fullmatch(rf"{re.escape(str(path))}, line \d+: .+", told)
