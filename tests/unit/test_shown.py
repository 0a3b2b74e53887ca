"""Tables, comparisons and reports of explorations show themselves, as text and in notebooks."""

from __future__ import annotations

import sys
from xml.etree import ElementTree

import pytest

from vmemu.errors import VmemuError
from vmemu.explore import Settings, runner
from vmemu.explore.catalogue import find_scenario as find_exploration
from vmemu.lab.compare import compare
from vmemu.lab.scenarios import find_scenario
from vmemu.lab.table import Table

TABLE = Table(("name", "n"), [("a<b", 1), ("c", None)])


def parsed(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(f"<div>{text}</div>")


def test_a_table() -> None:
    assert repr(TABLE) == "name  n\na<b   1\nc     -"
    cells = [cell.text for cell in parsed(TABLE._repr_html_()).iter("td")]
    assert cells == ["a<b", "1", "c", "-"]
    assert [cell.get("scope") for cell in parsed(TABLE.html()).iter("th")] == ["col", "col"]


def test_a_table_that_is_too_wide_goes_on_below() -> None:
    table = Table(
        ("whose", "one", "what", "number"), [("a", 1, "xy", 200), ("b", 22, "z", 3)], (0, 2)
    )
    whole = "whose  one  what  number\na        1  xy       200\nb       22  z          3\n"
    assert table.text() == whole
    assert table.text(24) == whole  # 5 + 3 + 4 + 6 and three gaps of two
    assert table.text(23) == (
        "whose  what  one\na      xy      1\nb      z      22\n"
        "\nwhose  what  number\na      xy       200\nb      z          3\n"
    )
    assert table.text(5) == table.text(23)  # never less than a column beside its keys


def test_a_table_without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(VmemuError, match=r"to_frame\(\) needs the package pandas, which is not"):
        TABLE.to_frame()


def test_a_comparison() -> None:
    (result,) = compare([find_scenario("mprotect-checkerboard")], {"K": "2"}, ("anonmm",))
    assert repr(result) == "<Comparison mprotect-checkerboard K=2: anonmm, as predicted>"
    rows = [[cell.text for cell in row] for row in parsed(result._repr_html_()).iter("tr")]
    assert rows[0] == list(result.table().head)
    assert rows[1][:3] == ["mprotect-checkerboard", "K=2", "anonmm"]


def test_a_report_of_an_exploration() -> None:
    settings = Settings("anonmm", mutations="b", values={"PAGES": 1})
    broken = runner.explore(find_exploration("mlock-vs-unmap"), settings)
    assert repr(broken).startswith("<Report of mlock-vs-unmap under anonmm: ")
    assert ", violation: " in repr(broken)
    assert broken._repr_svg_() is not None
    assert len(list(parsed(broken._repr_html_()).iter("{http://www.w3.org/2000/svg}svg"))) == 1
    sound = runner.explore(
        find_exploration("mlock-vs-unmap"), Settings("anonmm", values={"PAGES": 1})
    )
    assert sound._repr_svg_() is None
    assert repr(sound).endswith("interleavings, no violation>")
    parsed(sound._repr_html_())


def test_a_report_without_jinja2(monkeypatch: pytest.MonkeyPatch) -> None:
    """It then shows itself in words."""
    settings = Settings("anonmm", mutations="b", values={"PAGES": 1})
    broken = runner.explore(find_exploration("mlock-vs-unmap"), settings)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert broken._repr_svg_() is None
    assert "violation" in broken._repr_html_()
