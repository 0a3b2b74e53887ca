"""Scenarios that do not come with vmemu: where they are found, what guest they run, pickling."""

from __future__ import annotations

import dataclasses
import os
import pickle
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import EntryPoint
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import own
import pytest

from vmemu.errors import ConfigError, VmemuError
from vmemu.lab import compiling
from vmemu.lab.compare import Comparison, compare
from vmemu.lab.compiling import CompileError, compile_guest
from vmemu.lab.guests import guest_file, guest_path
from vmemu.lab.scenario import Scenario, expect
from vmemu.lab.scenarios import SCENARIOS, files_of, find_scenario, scenario_names, scenarios
from vmemu.rmap import files_of as scheme_files
from vmemu.rmap import predicted
from vmemu.rmap.python import PythonScheme

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    directory = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(directory))
    for name in ("CC", "CFLAGS"):
        monkeypatch.delenv(name, raising=False)
    return directory


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package with a scenario in a module of its, on the path; the module's name."""
    package = tmp_path / "own_package"
    own.write(package, own.SCENARIO.replace("N pages of", "N pages in"), "inner.py")
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "own_package.inner"
    for name in ("own_package", "own_package.inner"):
        sys.modules.pop(name, None)


def entry(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Let a package be installed with an entry point."""
    there = [EntryPoint(name, value, "vmemu.scenario")]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: there)


# ---- references


@pytest.mark.parametrize("bits", [32, 64])
def test_a_file_with_its_guest_beside_it(tmp_path: Path, bits: int) -> None:
    scenario = find_scenario(own.write(tmp_path))
    assert (scenario.name, scenario.home) == ("S", str(tmp_path))
    assert scenario.origin == f"{tmp_path}/mine.py:S"
    (result,) = compare([scenario], {"N": "3"}, ["anonmm", "anon_vma"], {"bits": bits})
    for scheme, measurement in result.measurements.items():
        assert result.verdict(scheme) == "yes"
        assert measurement.figures["unmap_pages"] == 3


@pytest.mark.parametrize("way", ["mine.py", "./mine.py", "mine.py:S", "../here/mine.py:S", "{}:S"])
def test_every_way_to_a_file_is_the_same_scenario(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = own.write(tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    assert find_scenario(way.format(path)) is find_scenario(path)


def test_a_variable_or_what_the_scenario_is_called(tmp_path: Path) -> None:
    both = own.SCENARIO + '\nimport dataclasses\nT = dataclasses.replace(S, name="other-one")\n'
    path = own.write(tmp_path, both)
    assert find_scenario(f"{path}:T").name == "other-one"
    assert find_scenario(f"{path}:other-one") is find_scenario(f"{path}:T")
    with pytest.raises(ConfigError, match=r"has 2 scenarios, S, other-one: say which, as in "):
        find_scenario(path)


def test_one_that_is_only_used_is_not_the_files_own(tmp_path: Path) -> None:
    text = f"from vmemu.lab.scenarios import SCENARIOS\nBASE = SCENARIOS['hole']\n{own.SCENARIO}"
    assert find_scenario(own.write(tmp_path, text)).name == "S"


def test_a_module(module: str) -> None:
    scenario = find_scenario(f"{module}:S")
    assert scenario.summary == "N pages in one process"
    assert scenario.origin == "own_package.inner:S"
    assert Path(scenario.home).name == "own_package"
    (result,) = compare([scenario], {}, ["anonmm"])
    assert result.verdict("anonmm") == "yes"


def test_an_entry_point(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entry(monkeypatch, "of-a-package", f"{module}:S")
    assert scenario_names() == [*SCENARIOS, "of-a-package"]
    assert module not in sys.modules  # listed without being loaded
    scenario = find_scenario("of-a-package")
    assert scenario.origin == "of-a-package"
    assert scenarios()["of-a-package"] is scenario
    assert pickle.loads(pickle.dumps(scenario)) is scenario
    assert f"{scenario.home}/inner.py" in files_of(scenario)


def test_vmemus_names_stay_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    entry(monkeypatch, "hole", "nowhere:S")
    assert scenario_names() == list(SCENARIOS)
    assert find_scenario("hole") is SCENARIOS["hole"]


def test_a_broken_entry_point_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    entry(monkeypatch, "broken", "nowhere_at_all:S")
    with pytest.raises(ConfigError, match=r"^cannot load the scenario 'broken': there is no "):
        find_scenario("broken")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("absent.py", "there is no file absent.py"),
        ("mien.py:S", "there is no file mien.py: did you mean mine.py?"),
        ("./mien.py", "there is no file ./mien.py: did you mean ./mine.py?"),
        ("/nowhere/at/all.py", "there is no file /nowhere/at/all.py"),
        ("sub/x", "there is no file sub/x"),
        ("./mine.c", "./mine.c is neither a Python file (.py) nor an experiment file (.toml)"),
        ("mine.py:T", "mine.py has no scenario 'T': choose from S"),
        ("mine.py:", "mine.py: names no scenario behind the colon"),
        ("mine.py:act", "act in mine.py is not a Scenario, but of type function"),
        ("empty.py", "empty.py has no Scenario in a variable of its own"),
        ("empty.py:S", "empty.py has no scenario 'S': it has none"),
        ("mine", "unknown scenario 'mine': did you mean ./mine.py?"),
        ("fork-sever", "unknown scenario 'fork-sever': did you mean fork-server?"),
        (":S", "':S' names no module before the colon"),
        ("json:S", "json has no scenario 'S': it has none"),
        ("json:dumps", "dumps in json is not a Scenario, but of type function"),
        (
            "nowhere.at:S",
            "cannot load the scenario 'nowhere.at:S': there is no module 'nowhere' (PYTHONPATH ",
        ),
        ("absent.toml:S", "there is no file absent.toml"),
        ("dir.py", "there is no file dir.py"),
    ],
)
def test_what_is_not_there(
    typed: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.write(tmp_path)
    (tmp_path / "empty.py").write_text("x = 1\n")
    (tmp_path / "dir.py").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        find_scenario(typed)
    told = str(caught.value).partition(": did you mean dir")[0]
    assert told == said or (len(said) > 80 and told.startswith(said))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("S = (\n", "mine.py, line 1: '(' was never closed"),
        ("x = 1\n  y\n", "mine.py, line 2: unexpected indent"),
        ("x = 1\n\nnothing\n", "mine.py, line 3: NameError: name 'nothing' is not defined"),
        ("import nowhere_at_all\n", "mine.py, line 1: ModuleNotFoundError: No module named"),
        ("import json\n\njson.loads('')\n", "mine.py, line 3: JSONDecodeError: Expecting value"),
        ("raise SystemExit(3)\n", "mine.py, line 1: SystemExit: 3"),
        ("class E(BaseException): pass\nraise ValueError\n", "mine.py, line 2: ValueError"),
        ("raise ValueError('two\\n  lines')\n", "mine.py, line 1: ValueError: two lines"),
        ("import beside\n", "beside.py, line 2: NameError: name 'nothing' is not defined"),
        ("\0", "mine.py: source code string cannot contain null bytes"),
        ("x = '\xe9'\n", "mine.py, line 1: (unicode error) 'utf-8' codec can't decode byte"),
        (
            own.changed('    section="",\n', ""),
            "mine.py, line 9: TypeError: Scenario.__init__() missing 1 required positional arg",
        ),
    ],
)
def test_whatever_a_file_raises_is_a_sentence_with_its_line(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "beside.py").write_text("x = 1\nnothing\n")
    (tmp_path / "mine.py").write_text(text, encoding="latin-1")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    for _ in range(2):  # it is not kept half loaded
        with pytest.raises(ConfigError) as caught:
            find_scenario("mine.py")
        assert str(caught.value).startswith(said)
        assert "\n" not in str(caught.value)
    assert sys.path == before
    sys.modules.pop("beside", None)


def test_what_a_module_raises_is_a_sentence_with_file_and_line(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_package" / "inner.py").write_text("\nnothing\n")
    with pytest.raises(ConfigError) as caught:
        find_scenario(f"{module}:S")
    assert str(caught.value) == (
        f"cannot load the scenario '{module}:S': own_package/inner.py, line 2: "
        "NameError: name 'nothing' is not defined"
    )


def test_experiment_files_are_anothers_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What that finds gets its origin and its home here."""
    import types

    found = SCENARIOS["hole"]
    asked = []

    def scenario_in(path: str, name: str | None) -> Scenario:
        asked.append((path, name))
        return dataclasses.replace(found, origin="")

    module = types.ModuleType("vmemu.sweep.experiment_file")
    module.__dict__["scenario_in"] = scenario_in
    monkeypatch.setitem(sys.modules, "vmemu.sweep", types.ModuleType("vmemu.sweep"))
    monkeypatch.setitem(sys.modules, "vmemu.sweep.experiment_file", module)
    (tmp_path / "exp.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    scenario = find_scenario("exp.toml:hole")
    assert asked == [(f"{tmp_path}/exp.toml", "hole")]
    assert (scenario.origin, scenario.home) == (f"{tmp_path}/exp.toml:hole", str(tmp_path))
    assert files_of(scenario) == [f"{tmp_path}/exp.toml"]


# ---- guests


def test_a_guest_is_compiled_once_for_each_content(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.write(tmp_path)
    source = str(tmp_path / "mine.c")
    runs: list[str] = []
    really = compiling._compile
    monkeypatch.setattr(
        compiling, "_compile", lambda *what: runs.append(str(what[1])) or really(*what)
    )
    first = compile_guest(source, 32)
    assert compile_guest(source, 32) == first
    assert len(runs) == 1
    assert compile_guest(source, 64) != first
    (tmp_path / "pages.h").write_text("enum { PAGES = 7 };\n")
    other = compile_guest(source, 32)
    assert other != first
    assert len(runs) == 3
    monkeypatch.setenv("CFLAGS", "-O0")
    assert compile_guest(source, 32) not in (first, other)
    monkeypatch.delenv("CFLAGS")
    (tmp_path / "pages.h").write_text(own.HEADER)
    shutil.copytree(tmp_path, tmp_path / "copy", ignore=shutil.ignore_patterns("copy"))
    assert compile_guest(str(tmp_path / "copy" / "mine.c"), 32) == first
    assert len(runs) == 4
    assert Path(first).is_relative_to(cache / "vmemu" / "guests")
    assert not [path for path in cache.rglob(".*") if path.is_file()]  # what was half done


def test_several_compile_at_a_time(tmp_path: Path, cache: Path) -> None:
    own.write(tmp_path)
    with ProcessPoolExecutor(4, get_context("fork")) as pool:
        made = list(pool.map(compile_guest, [str(tmp_path / "mine.c")] * 8, [32] * 8))
    assert len(set(made)) == 1
    assert Path(made[0]).stat().st_mode & stat.S_IXUSR
    threads = [
        threading.Thread(target=compile_guest, args=(str(tmp_path / "mine.c"), 64))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([path for path in cache.rglob("*") if path.is_file()]) == 2


def test_an_elf_file_is_a_guest(tmp_path: Path) -> None:
    shutil.copy(guest_path("touch"), tmp_path / "program")
    text = own.changed('"mine.c"', '"./program"').replace('"N"', '"PAGES"').replace("= N", "= P")
    scenario = find_scenario(own.write(tmp_path, text.replace('"N', '"PAGES')))
    (result,) = compare([scenario], {}, ["anonmm"])
    assert result.verdict("anonmm") == "yes"
    assert files_of(scenario) == [f"{tmp_path}/mine.py", f"{tmp_path}/program"]


def test_a_guest_of_the_scenarios_name_lies_beside_it(tmp_path: Path) -> None:
    path = own.write(tmp_path, own.changed('    guest="mine.c",\n', "").replace('"S"', '"mine"'))
    assert guest_file("mine", str(tmp_path)) == f"{tmp_path}/mine.c"
    (result,) = compare([find_scenario(path)], {}, ["anonmm"])
    assert result.verdict("anonmm") == "yes"


def test_shipped_guests_go_before_files_and_paths_are_files(tmp_path: Path) -> None:
    (tmp_path / "touch").write_text("")
    assert guest_file("touch", str(tmp_path)) == ""
    assert guest_file("./touch", str(tmp_path)) == f"{tmp_path}/touch"
    with pytest.raises(ConfigError, match=r"^there is no guest 'tuoch' \(see vmemu list guests\)"):
        guest_file("tuoch", "")
    with pytest.raises(ConfigError, match=r"and no tuoch\.c in /"):
        guest_file("tuoch", str(tmp_path))


def test_a_guest_that_does_not_compile(tmp_path: Path) -> None:
    scenario = find_scenario(own.write(tmp_path, guest='#include "guest.h"\nint main() { x; }\n'))
    with pytest.raises(CompileError, match=r"mine\.c does not compile: ") as caught:
        compare([scenario], {}, workers=2)
    assert "error: 'x' undeclared" in caught.value.output.replace("‘", "'").replace("’", "'")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.output) == (str(caught.value), caught.value.output)


@pytest.mark.parametrize("bits", [32, 64])
def test_a_program_of_the_wrong_kind(tmp_path: Path, bits: int) -> None:
    path = own.write(tmp_path, own.changed('"mine.c"', '"./pages.h"'))
    with pytest.raises(VmemuError, match=r"pages\.h"):
        compare([find_scenario(path)], {}, ["anonmm"], {"bits": bits})


def test_results_do_not_depend_on_where_the_scenario_lies(tmp_path: Path) -> None:
    """The path of the program is not on its stack."""
    deep = tmp_path.joinpath(*["deep" * 40] * 22)
    found = []
    for place in (tmp_path / "a", deep):
        path = own.write(place, own.changed('"mine.c"', '"./mine"'))
        shutil.copy(compile_guest(f"{place}/mine.c", 32), place / "mine")
        scenario = find_scenario(path)
        scenario = dataclasses.replace(scenario, watch=("pgfault", "pgalloc", "pgzero"))
        (result,) = compare([scenario], {}, ["anonmm"])
        found.append(result.measurements["anonmm"])
    assert found[0] == found[1]


# ---- pickling


@pytest.mark.parametrize("name", SCENARIOS)
def test_everything_that_is_a_result_can_be_pickled(
    name: str, compared: dict[str, Comparison]
) -> None:
    result = compared[name]
    again = pickle.loads(pickle.dumps(result))
    assert again == result
    assert again.scenario is SCENARIOS[name]
    assert again.table() == result.table()
    for scheme in predicted():
        assert again.verdict(scheme) == result.verdict(scheme)
        assert again.predictions(scheme) == result.predictions(scheme)
    plain = dataclasses.replace(result.scenario, origin="")
    assert pickle.loads(pickle.dumps(plain)) == plain


def test_a_scenario_that_was_changed_keeps_the_change() -> None:
    changed = dataclasses.replace(SCENARIOS["hole"], expectations=(expect("vmas", "7"),))
    assert list(changed.changed()) == ["expectations"]
    again = pickle.loads(pickle.dumps(changed))
    assert again == changed
    assert again.origin == "hole"


READ = "import pickle, sys; s = pickle.load(sys.stdin.buffer); print(s.name, s.act.__name__, s.ram)"


@pytest.mark.parametrize("change", [{}, {"ram": "20M"}, {"ram": "20M", "act": "act"}])
def test_a_users_scenario_is_found_again_elsewhere(tmp_path: Path, change: dict[str, str]) -> None:
    """In a process that knows nothing of the file, in another directory; its functions too."""
    scenario = find_scenario(
        own.write(tmp_path, own.SCENARIO + "\n\ndef other(visit):\n    pass\n")
    )
    fields: dict[str, Any] = dict(change)
    if "act" in change:
        fields["act"] = sys.modules[scenario.act.__module__].__dict__["other"]
    data = pickle.dumps(dataclasses.replace(scenario, **fields))
    if not change:  # its origin and nothing else
        assert data == pickle.dumps(scenario)
        assert b"32M" not in data
    done = subprocess.run(
        [sys.executable, "-c", READ], input=data, capture_output=True, check=True, cwd="/"
    )
    act = "other" if "act" in change else "act"
    assert done.stdout.decode() == f"S {act} {change.get('ram', '32M')}\n"


def test_a_worker_that_was_not_forked_runs_it(tmp_path: Path) -> None:
    scenario = find_scenario(own.write(tmp_path))
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        (result,) = pool.submit(compare, [scenario], {}, ["anonmm"]).result()
    assert result.scenario is scenario
    assert result.verdict("anonmm") == "yes"


def test_a_file_is_loaded_once(tmp_path: Path) -> None:
    text = own.SCENARIO + "\nimport sys\nsys.own_loads = getattr(sys, 'own_loads', 0) + 1\n"
    path = own.write(tmp_path, text)
    (tmp_path / "link.py").symlink_to("mine.py")
    try:
        acts = {id(find_scenario(each).act) for each in (path, f"{path}:S", f"{tmp_path}/link.py")}
        assert len(acts) == 1
        assert sys.__dict__["own_loads"] == 1
    finally:
        del sys.__dict__["own_loads"]


# ---- files


def test_the_files_that_a_scenario_depends_on(tmp_path: Path) -> None:
    text = f"import helper, json\nfrom parts import one\n{own.SCENARIO}"
    path = own.write(tmp_path, text)
    (tmp_path / "helper.py").write_text("def f():\n    import deeper\n")
    (tmp_path / "deeper.py").write_text("from helper import f\n")
    (tmp_path / "unused.py").write_text("")
    header = tmp_path / "pages.h"
    header.write_text(f'#include "within.h"\n{header.read_text()}')
    (tmp_path / "within.h").write_text("")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "__init__.py").write_text("")
    (tmp_path / "parts" / "one.py").write_text("from . import two\n")
    (tmp_path / "parts" / "two.py").write_text("")
    try:
        found = files_of(find_scenario(path))
    finally:
        for name in ("helper", "parts", "parts.one", "parts.two"):
            sys.modules.pop(name, None)
    names = {os.path.relpath(file, tmp_path) for file in found}
    parts = {f"parts/{name}.py" for name in ("__init__", "one", "two")}
    assert names == {"mine.py", "helper.py", "deeper.py", "mine.c", "pages.h", "within.h"} | parts
    assert len(found) == len(names)


@pytest.mark.parametrize("name", SCENARIOS)
def test_those_that_come_with_vmemu_depend_on_no_files(name: str) -> None:
    assert files_of(SCENARIOS[name]) == []
    assert files_of(dataclasses.replace(SCENARIOS[name], ram="64M")) == []


def test_the_files_that_a_scheme_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert scheme_files("anon_vma") == scheme_files("pte_chain:line=64") == []
    place = ROOT / "examples" / "vmemu-rmap-families"
    monkeypatch.syspath_prepend(str(place))
    module = str(place / "vmemu_rmap_families.py")
    assert scheme_files("vmemu_rmap_families:Families") == [module]
    assert scheme_files("vmemu_rmap_families:Families:stop=none") == [module]
    with pytest.raises(ConfigError, match="unknown rmap scheme"):
        scheme_files("nobodys")


# ---- formulas by name


class Named(PythonScheme):
    """A scheme that is not vmemu's own."""

    name = "named-so"

    def candidates(self, page: Any) -> list[Any]:
        return []


@pytest.mark.parametrize(
    ("formulas", "everywhere", "scheme", "expected"),
    [
        ({}, "1", "anon_vma", "1"),
        ({}, "1", "none", None),
        ({"none": "2"}, None, "none", "2"),
        ({"pte_chain": "2"}, None, "pte_chain:line=64", "2"),
        ({"pte_chain": "2", "pte_chain:line=64": "3"}, None, "pte_chain:line=64", "3"),
        ({"pte_chain:line=64": "3"}, None, "pte_chain", None),
        ({"anon_vma": "2"}, None, "anon_vma39", "2"),
        # one that vmemu does not bring
        ({}, "1", "{}:Named", None),
        ({"anon_vma": "2"}, None, "{}:Named", None),
        ({"{}:Named": "4"}, None, "{}:Named", "4"),
        ({"named-so": "5"}, None, "{}:Named", "5"),
        ({"named-so": "5", "{}:Named": "4"}, None, "{}:Named", "4"),
        ({"named-so": "5"}, None, "{}:Named:stop=mapcount", "5"),
        ({"named-so": "5"}, None, "{}:Named:stop=none", None),
        ({"named-so": "5", "{}:Named:stop=none": "6"}, None, "{}:Named:stop=none", "6"),
    ],
)
def test_for_whom_a_formula_holds(
    formulas: dict[str, str], everywhere: str | None, scheme: str, expected: str | None
) -> None:
    named = {name.format(__name__): text for name, text in formulas.items()}
    expectation = expect("copies", everywhere)
    expectation = dataclasses.replace(
        expectation, formulas={**expectation.formulas, **expect("copies", named).formulas}
    )
    found = expectation.formula(scheme.format(__name__))
    assert (found.text if found else None) == expected


def test_a_scheme_may_say_whose_formulas_hold_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Named, "predicted_as", "anon_vma")
    assert expect("copies", "1").formula(f"{__name__}:Named") is not None
    assert expect("copies", anon_vma="2").formula(f"{__name__}:Named") is not None


def test_names_and_keywords_may_stand_together() -> None:
    found = expect("copies", {"my-scheme": "1", "anonmm": "2"}, "because", anon_vma="3")
    assert {name: formula.text for name, formula in found.formulas.items()} == {
        "my-scheme": "1",
        "anonmm": "2",
        "anon_vma": "3",
    }
    assert found.why == "because"
