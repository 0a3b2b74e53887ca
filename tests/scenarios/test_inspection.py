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
EXPECT = 'expect("unmap_probes", "N")'
FRAMES = 'Formula("N")'
NAME = 'name="S"'
ACT = "act=act"
GUEST = 'guest="mine.c"'
R = 'Parameter("R", 2),\n'


def nothing(formula: str, of: str, name: str) -> str:
    """What is said of a formula that names something that there is not."""
    return f"the formula {formula!r} of {of} names {name}: S has the parameters N, R"


FORMULAS = [
    (22, EXPECT, 'expect("unmap_probes", "Q * 2")', nothing("Q * 2", "unmap_probes", "Q")),
    (22, EXPECT, 'expect("vmas", anonmm="N + Q")', nothing("N + Q", "vmas", "Q")),
    (22, EXPECT, 'expect("vmas", {"pte_chain:line=64": "Q"})', nothing("Q", "vmas", "Q")),
    (25, EXPECT, 'expect(\n"vmas",\n\n"max(N, R)")', nothing("max(N, R)", "vmas", "max")),
    (22, EXPECT, 'expect("vmas", "N *")', "the formula 'N *' has no value: invalid syntax"),
    (25, EXPECT, 'expect(\n"vmas",\n\n"1 + *")', "the formula '1 + *' has no value: invalid"),
    (22, EXPECT, 'expect("vmas", 3)', "the formula 3 has no value: expected str"),
    (
        22,
        EXPECT,
        'expect("unmap_prbes", "N")',
        "S: there is no figure 'unmap_prbes': did you ",
    ),
    (22, EXPECT, 'expect("Q", "Q")', "S: there is no figure 'Q'"),
    (18, FRAMES, 'Formula("N * X")', nothing("N * X", "frames", "X")),
    (18, FRAMES, 'Formula("vmas")', nothing("vmas", "frames", "vmas")),
]
FIELDS = [
    (10, NAME, 'name="S s"', "the name of a scenario is one word, not 'S s'"),
    (0, NAME, "name=3", "the name of a scenario is one word, not 3"),
    (0, NAME, 'name=""', "the name of a scenario is one word, not ''"),
    (10, 'section=""', "section=None", "S: section is a string, not None"),
    (10, GUEST, "guest=3", "S: guest is a string, not 3"),
    (10, FRAMES, '"N"', "S: frames is a Formula, not 'N'"),
    (10, ACT, 'act="act"', "S: act is a function of a Visit, not 'act'"),
    (10, ACT, "pressure=1", "S: pressure is True or False, not 1"),
    (10, ACT, 'tells=("a",)', "S: tells is a dict of marks and figures, not ('a',)"),
    (10, ACT, 'tells={"a": 3}', "S: tells is a dict of marks and figures, not {'a': 3}"),
    (10, ACT, 'arguments="one"', "S: arguments is a tuple of str, not 'one'"),
    (10, ACT, "arguments=(1,)", "S: arguments are each a string, not 1"),
    (19, ACT, 'watch=("pgfualt",)', "S watches 'pgfualt': there is no counter 'pgfualt': did you "),
    (19, ACT, 'ram="lots"', "S: ram must be a size such as 512K, 32M or 1G, not 'lots'"),
    (10, ACT, "swap=None", "S: swap must be a size in bytes or such as 32M, not None"),
    (10, R, R + '"N",\n', "S: parameters are each a Parameter, not 'N'"),
    (14, R, 'Parameter("N", 2),\n', "S has two parameters N"),
    (15, R, 'Parameter("n", 2),\n', "S has the parameters N and n, which are one column in SQL"),
    (15, R, 'Parameter("R-R", 2),\n', "a parameter is called 'R-R', which no formula can name"),
    (15, R, 'Parameter("R", 0),\n', "the default of S: R must be 1 to 131072, not 0"),
    (15, R, 'Parameter("R", "x"),\n', "the default of S: R is a whole number of pages, not 'x'"),
    (15, R, 'Parameter("R", 2, least="a"),\n', "the parameter R of S has a field of a wrong type"),
    (15, R, 'Parameter("R", "c", choices=("a", "b")),\n', "the default of S: R is a or b, not 'c'"),
    (
        15,
        R,
        'Parameter("R", True),\n',
        "the default of S: R is a whole number of pages, not ",
    ),
    (17, GUEST, 'guest="absent.c"', "S: there is no guest 'absent.c' in {}"),
    (17, GUEST, 'guest="./absent"', "S: there is no guest './absent' in {}"),
    (
        17,
        GUEST,
        'guest="hole2"',
        "S: there is no guest 'hole2' and no hole2.c in {} (",
    ),
]


@pytest.mark.parametrize(("line", "old", "new", "said"), FORMULAS + FIELDS)
def test_what_cannot_be(
    line: int, old: str, new: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.write(tmp_path, own.changed(old, new))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        find_scenario("mine.py")
    told = str(caught.value)
    at = f"mine.py, line {line}: " if line else "mine.py: "
    assert told.startswith(at + said.replace("in {}", f"in {tmp_path}")), told
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


def test_lists_are_as_good_as_tuples(tmp_path: Path) -> None:
    text = own.changed(ACT, 'watch=["pgfault"],\n    arguments=["-v"]')
    scenario = find_scenario(own.write(tmp_path, text))
    assert (scenario.watch, scenario.arguments) == (("pgfault",), ("-v",))
    assert scenario.argv({"N": 3}) == ["mine", "-v", "N=3"]


def test_without_parameters(tmp_path: Path) -> None:
    scenario = Scenario("S", "", "", (), (expect("vmas", "Q"),), guest="touch", frames=Formula("1"))
    with pytest.raises(ConfigError, match="the formula 'Q' of vmas names Q: S has no parameters"):
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
