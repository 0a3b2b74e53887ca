"""Whatever Python hands out shows itself, as text, in notebooks and to pandas."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType
from xml.etree import ElementTree

import pytest
from storm import Guest, storm

from tests.width import BITS
from vmemu import Machine
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
    assert result.verdict("anonmm") == "yes"
    rows = [[cell.text for cell in row] for row in parsed(result._repr_html_()).iter("tr")]
    assert rows[0] == list(result.table().head)
    assert rows[1][:3] == ["mprotect-checkerboard", "K=2", "anonmm"]


def test_a_comparison_of_which_not_all_is_as_predicted() -> None:
    """What was disturbed, or what nothing was derived for, is not called as predicted."""
    schemes = ("anonmm", "anon_vma39", "anon_vma")
    (good,) = compare([find_scenario("mremap-exclusive")], {}, schemes)
    assert repr(good).endswith(", as predicted>")
    first, second, third = good.measurements.values()
    copies = {**second.figures, "copies": second.figures["copies"] + 1}
    measured = {
        "anonmm": replace(first, disturbed=True),
        "anon_vma39": replace(second, figures=copies),
        "anon_vma": third,
    }
    result = replace(good, measurements=measured)
    assert result.verdict("anonmm") == "memory was short"
    assert result.verdict("anon_vma39").startswith("no: copies ")
    assert [bool(result.wrong(scheme)) for scheme in schemes] == [False, True, False]
    assert repr(result).endswith(
        ", not as predicted under anon_vma39; memory was short under anonmm>"
    )
    open_ = replace(good, scenario=replace(good.scenario, expectations=()))
    assert open_.verdict("anon_vma") == "-"
    assert repr(open_).endswith(f", not predicted under {', '.join(schemes)}>")


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


# ---- machines, and what is seen of them


def shown(thing: object) -> dict[str, str]:
    """As a notebook would ask it."""
    found = {"plain": repr(thing)}
    for kind in ("html", "svg"):
        show = getattr(thing, f"_repr_{kind}_", None)
        value = show() if show is not None else None
        if value is not None:
            found[kind] = value
    return found


def test_everything_shows_itself(guest: Guest) -> None:
    machine, snapshot = storm(guest, "event:cow:40", events=64)
    with machine:
        task = machine.processes[0]
        vma, page = next(machine.vmas(task)), next(machine.pages(task))
        swapped = next(page for page in machine.pages(task) if page.pfn is None)
        process = snapshot.processes[0]
        both = (machine, task, snapshot, snapshot.frames, process)
        for thing in both:
            parts = shown(thing)
            ElementTree.fromstring(parts["svg"])
            assert "<svg" in parts["html"]
        for thing in (vma, page, swapped, process.areas[0], machine.events()):
            ElementTree.fromstring(f"<div>{shown(thing)['html']}</div>")
        assert repr(vma) == f"<Vma {vma.start:08x}-{vma.end:08x} r--p, 1 pages>"
        assert "in frame" in repr(page)
        assert "in swap" in repr(swapped)
        assert repr(machine).startswith(f"<Machine {'i386' if BITS == 32 else 'x86-64'}, 2048 kB,")
        assert "2 processes" in repr(machine)
        assert repr(task.mm).startswith("<Mm 0x")
        assert len(repr(snapshot)) < 120
        events = machine.events()
        assert len(events) == 65  # one stands for those that were dropped
        kept = (snapshot, snapshot.frames, process, vma, page, events)
        before = [shown(thing) for thing in kept]
    assert [shown(thing) for thing in kept] == before
    assert shown(machine)["plain"].endswith("closed>")
    assert "slab cache" in shown(machine)["html"]
    assert set(shown(task)) == {"plain"}
    assert "the machine is closed" in repr(task.memory)


def test_frames_of_pandas(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in: pandas itself is large, and nothing but its constructor is used."""
    made = []

    class DataFrame:
        def __init__(self, rows: list[list[object]], columns: list[str]) -> None:
            made.append((rows, columns))

    pandas = ModuleType("pandas")
    pandas.DataFrame = DataFrame  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    machine, snapshot = storm(guest, "measure", events=64)
    with machine:
        events = machine.events()
    assert isinstance(events.to_frame(), DataFrame)
    rows, columns = made.pop()
    assert columns[:4] == ["seq", "time", "pid", "name"]
    assert [tuple(row) for row in rows] == list(events)
    assert isinstance(snapshot.to_frame(), DataFrame)
    rows, columns = made.pop()
    assert [row[columns.index("value")] for row in rows] == [
        entry.value for p in snapshot.spaces for area in p.areas for entry in area.entries
    ]
    assert isinstance(snapshot.frames.to_frame(), DataFrame)
    assert len(made.pop()[0]) == len(snapshot.frames.used)


def test_without_pandas_it_says_so(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with Machine(ram="4M") as machine, pytest.raises(VmemuError, match="needs the package pandas"):
        machine.frames().to_frame()
