"""What cannot be in a scenario of a user's is told with its line, before anything runs."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path

import own
import pytest

from vmemu.errors import ConfigError
from vmemu.lab.compare import Comparison
from vmemu.lab.figures import LOCKS, SHARING, WALKS, figures_of, options_of
from vmemu.lab.inspection import inspect
from vmemu.lab.scenario import Formula, Scenario, expect
from vmemu.lab.scenarios import SCENARIOS, find_scenario
from vmemu.rmap import builtin, scheme_class

ROOT = Path(__file__).parents[2]
HAS = "S has the parameters N, R"
EXPECT = 'expect("unmap_probes", "N")'  # line 22 of the scenario's text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        # formulas
        (EXPECT, 'expect("unmap_probes", "Q * 2")', f"line 22: the formula 'Q * 2' of unmap_probes names Q: {HAS}"),
        (EXPECT, 'expect("unmap_probes", anonmm="N + Q")', f"line 22: the formula 'N + Q' of unmap_probes names Q: {HAS}"),
        (EXPECT, 'expect("unmap_probes", {"pte_chain:line=64": "Q"})', f"line 22: the formula 'Q' of unmap_probes names Q: {HAS}"),
        (EXPECT, 'expect(\n"unmap_probes",\n\n"max(N, R)")', f"line 25: the formula 'max(N, R)' of unmap_probes names max: {HAS}"),
        (EXPECT, 'expect("unmap_probes", "N *")', "line 22: the formula 'N *' has no value: invalid syntax"),
        (EXPECT, 'expect(\n"copies",\n\n"1 + + *")', "line 25: the formula '1 + + *' has no value: invalid syntax"),
        (EXPECT, 'expect("unmap_probes", 3)', "line 22: the formula 3 has no value: expected str"),
        (EXPECT, 'expect("unmap_prbes", "N")', "line 22: S: there is no figure 'unmap_prbes': did you mean unmap_probes?"),
        (EXPECT, 'expect("Q", "Q")', "line 22: S: there is no figure 'Q'"),
        ('Formula("N")', 'Formula("N * X")', f"line 18: the formula 'N * X' of frames names X: {HAS}"),
        ('Formula("N")', 'Formula("unmap_pages")', f"line 18: the formula 'unmap_pages' of frames names unmap_pages: {HAS}"),
        # fields
        ('name="S"', 'name="S s"', "line 10: the name of a scenario is one word, not 'S s'"),
        ('name="S"', "name=3", "the name of a scenario is one word, not 3"),
        ('name="S"', 'name=""', "the name of a scenario is one word, not ''"),
        ('section=""', "section=None", "line 10: S: section is a string, not None"),
        ('guest="mine.c"', "guest=3", "line 10: S: guest is a string, not 3"),
        ('frames=Formula("N")', 'frames="N"', "line 10: S: frames is a Formula, not 'N'"),
        ("act=act", 'act="act"', "line 10: S: act is a function of a Visit, not 'act'"),
        ("act=act", "pressure=1", "line 10: S: pressure is True or False, not 1"),
        ("act=act", 'tells=("a", "b")', "line 10: S: tells is a dict of marks and figures, not ('a', 'b')"),
        ("act=act", 'tells={"a": 3}', "line 10: S: tells is a dict of marks and figures, not {"),
        ("act=act", 'arguments="one"', "line 10: S: arguments is a tuple of str, not 'one'"),
        ("act=act", "arguments=(1,)", "line 10: S: arguments are each a string, not 1"),
        ("act=act", 'watch=("pgfualt",)', "line 19: S watches 'pgfualt': there is no counter 'pgfualt': did you mean pgfault?"),
        ("act=act", 'ram="lots"', "line 19: S: "),
        ("act=act", 'swap="1X"', "line 19: S: "),
        ("act=act", "swap=None", "line 10: S: swap must be a size in bytes or such as 32M, not None"),
        ('Parameter("R", 2),\n', 'Parameter("R", 2), "N",\n', "line 10: S: parameters are each a Parameter, not 'N'"),
        ('Parameter("R", 2),\n', 'Parameter("N", 2),\n', "line 14: S has two parameters N"),
        ('Parameter("R", 2),\n', 'Parameter("R-R", 2),\n', "line 15: a parameter is called 'R-R', which no formula can name"),
        ('Parameter("R", 2),\n', 'Parameter("R", 0),\n', "line 15: the default of S: R must be 1 to 131072, not 0"),
        ('Parameter("R", 2),\n', 'Parameter("R", "x"),\n', "line 15: the default of S: R is a whole number of pages, not 'x'"),
        ('Parameter("R", 2),\n', 'Parameter("R", 2, least="a"),\n', "line 15: the parameter R of S has a field of a wrong type"),
        ('Parameter("R", 2),\n', 'Parameter("R", "c", choices=("a", "b")),\n', "line 15: the default of S: R is a or b, not 'c'"),
        ('Parameter("R", 2),\n', 'Parameter("R", True),\n', "line 15: "),
        # the guest
        ('guest="mine.c"', 'guest="absent.c"', "line 17: S: there is no guest 'absent.c' in {}"),
        ('guest="mine.c"', 'guest="./absent"', "line 17: S: there is no guest './absent' in {}"),
        ('guest="mine.c"', 'guest="fork-sever"', "line 17: S: there is no guest 'fork-sever' and no fork-sever.c in {} (see vmemu list guests)"),
    ],
)  # fmt: skip
def test_what_cannot_be(
    old: str, new: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = own.SCENARIO.replace(old, new)
    assert text != own.SCENARIO
    own.write(tmp_path, text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        find_scenario("mine.py")
    told = str(caught.value)
    assert re.sub("^mine.py(, |: )", "", told).startswith(
        said.replace("in {}", f"in {tmp_path}")
    ), told
    assert "\n" not in told


def test_a_comma_that_is_missing(tmp_path: Path) -> None:
    one = own.SCENARIO.replace(
        '(\n        Parameter("N", 4),\n        Parameter("R", 2),\n    )', '(Parameter("N", 4))'
    )
    with pytest.raises(ConfigError, match="line 10: S: parameters is a tuple of Parameter, not P"):
        find_scenario(own.write(tmp_path, one))


@pytest.mark.parametrize(
    "formula",
    [
        "N if R > 1 else BITS // 32",
        "unmap_pages + objects_anon_vma + rmap_locks",
        "[k for k in (N, R)][0]",
        "LINE + (0 if STOP == 'none' else N)",
        "pgfault + errno",
        "rmap_chain_slots",
    ],
)
def test_what_formulas_may_name(formula: str, tmp_path: Path) -> None:
    text = own.changed("act=act", 'watch=("pgfault",),\n    tells={"end": "errno"}')
    text = text.replace(EXPECT, f'expect("unmap_probes", {{"pte_chain:line=64": "{formula}"}})')
    assert find_scenario(own.write(tmp_path, text)).name == "S"


def test_figures_and_options_of_schemes_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is here is asked; one that is not may have anything."""
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "vmemu-rmap-families"))
    families = "vmemu_rmap_families:Families"
    for n, (scheme, formula, fits) in enumerate(
        [
            (families, "objects_family + N", True),
            (families, "OPTION_IT_HAS_NOT", False),
            ("not-installed-here", "ITS_OPTION * N", True),
        ]
    ):
        text = own.changed(EXPECT, f'expect("unmap_probes", {{"{scheme}": "{formula}"}})')
        path = own.write(tmp_path, text, f"mine{n}.py")
        if fits:
            assert find_scenario(path).name == "S"
        else:
            with pytest.raises(ConfigError, match="names OPTION_IT_HAS_NOT: S has the parameters"):
                find_scenario(path)


def test_without_parameters(tmp_path: Path) -> None:
    scenario = Scenario("S", "", "", (), (expect("vmas", "Q"),), guest="touch", frames=Formula("1"))
    with pytest.raises(ConfigError, match="^the formula 'Q' of vmas names Q: S has no parameters$"):
        inspect(scenario)


def test_where_is_told_by_whoever_reads_another_kind_of_file() -> None:
    asked = []

    def where(text: str, near: str) -> str:
        asked.append((text, near))
        return "exp.toml, line 7: "

    scenario = dataclasses.replace(SCENARIOS["hole"], expectations=(expect("vmas", "Q"),))
    with pytest.raises(ConfigError, match=r"^exp\.toml, line 7: the formula 'Q' of vmas names Q"):
        inspect(scenario, where=where)
    assert asked == [("Q", "vmas")]


@pytest.mark.parametrize("name", SCENARIOS)
def test_vmemus_own_pass(name: str) -> None:
    inspect(SCENARIOS[name])


# ---- the list of figures


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_figure_that_is_measured_is_known(name: str, compared: dict[str, Comparison]) -> None:
    for scheme, measurement in compared[name].measurements.items():
        known = figures_of(SCENARIOS[name], [scheme_class(scheme)])
        assert set(measurement.figures) <= known
        assert known - set(measurement.figures) <= {*SHARING, "rmap_wasted"}


def test_every_option_is_known() -> None:
    for scheme in builtin().values():
        assert set(scheme.option_values()) == options_of([scheme])


def test_the_page_has_every_figure() -> None:
    text = (ROOT / "docs" / "write-a-scenario.md").read_text()
    section = text[text.index("## Figures") : text.index("## The fields")]
    told = re.findall(r"`(\w+)`", section)
    for name in (*WALKS, *LOCKS, *SHARING, "rmap_wasted", "copies", "vmas", "objects_CACHE"):
        assert name in told


def test_the_page_has_every_field() -> None:
    text = (ROOT / "docs" / "write-a-scenario.md").read_text()
    section = text[text.index("## The fields") : text.index("## Guests")]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    told = re.findall(r"`(\w+)`", " ".join(rows))
    fields = {each.name for each in dataclasses.fields(Scenario)} - {"origin", "home"}
    assert set(told) - {"Scenario"} == fields


def test_the_page_shows_the_package() -> None:
    """Its guest is that of the example, and its formulas are among the example's."""
    import sys

    sys.path.insert(0, str(ROOT / "docs"))
    import blocks

    shown = blocks.files(ROOT / "docs" / "write-a-scenario.md")
    package = ROOT / "examples" / "vmemu-scenario-snapshots" / "vmemu_scenario_snapshots"
    assert shown["snapshots.c"] == (package / "snapshots.c").read_text()

    def strings(text: str) -> set[str]:
        nodes = ast.walk(ast.parse(text))
        return {n.value for n in nodes if isinstance(n, ast.Constant) and "R *" in str(n.value)}

    assert strings(shown["mine.py"]) <= strings((package / "__init__.py").read_text())
