"""What the documentation shows is what happens: every example is run, every table measured."""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import blocks  # noqa: E402
import tables  # noqa: E402

from vmemu.lab.compare import Comparison, compare  # noqa: E402
from vmemu.rmap import builtin  # noqa: E402

PAGES = blocks.pages()
COMMAND = re.compile(r"`(vmemu|python) [^`]+`")
NUMBER = re.compile(r"\**[\d.,]+\**")
DRAWN = ["counterexample", "frames", "forked", "written", "who"]
DRAWN += ["memory", "family-forked", "family-copied", "family-evicted"]
DRAWN += [f"cases/{name}" for name, scheme in builtin().items() if scheme.finds_anon]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_examples_print_what_is_shown(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with blocks.Runner(path) as runner:
        for example in blocks.examples(path):
            printed = runner.run(example)
            where = f"{name(path)}:{example.first or example.block.line}"
            assert example.holds(printed), f"{where}: {example.source} prints\n{printed}"


def generated(path: Path) -> dict[str, list[str]]:
    """The measured tables of a page, by name."""
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in path.read_text().splitlines():
        if marker := blocks.GENERATED.match(line):
            current = found[marker[1]] = []
        elif line == blocks.END:
            current = None
        elif current is not None:
            current.append(line)
    return found


@pytest.mark.parametrize("table", tables.TABLES)
def test_tables_show_what_is_measured(
    table: str, compared: dict[str, Comparison], monkeypatch: pytest.MonkeyPatch
) -> None:
    def once(
        chosen: object, settings: object, schemes: list[str], workers: int = 1, **others: object
    ) -> list[Comparison]:
        if others:  # of few scenarios, in a way that the figures at hand are not of
            return compare(chosen, settings, schemes, **others)  # type: ignore[arg-type]
        swapping = [name for name, scheme in builtin().items() if scheme.swaps()]
        assert (settings, schemes) == ({}, swapping)
        return [
            dataclasses.replace(
                result, measurements={name: result.measurements[name] for name in schemes}
            )
            for result in compared.values()
        ]

    monkeypatch.setattr(tables, "compare", once)
    shown = [found[table] for path in PAGES if table in (found := generated(path))]
    assert shown, f"no page has the table {table}"
    for lines in shown:
        assert lines == tables.TABLES[table](), "run `python docs/figures.py`"


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_figure_names_the_command_that_prints_it(path: Path) -> None:
    """A table with figures is measured, or a command stands beside it; output has its command."""
    text = path.read_text()
    for block in blocks.blocks(path):
        assert block.language, f"{block.where}: a block without a language"
    for part in re.split(r"^## ", text, flags=re.M):
        handmade = re.sub(r"<!-- figures: .*?<!-- end -->", "", part, flags=re.S)
        cells = [
            cell.strip()
            for line in handmade.splitlines()
            if line.startswith("|")
            for cell in line.split("|")
        ]
        if any(NUMBER.fullmatch(cell) for cell in cells):
            title = part.splitlines()[0]
            assert COMMAND.search(part), f"{name(path)}: figures of {title!r} name no command"


@pytest.mark.parametrize("picture", ["probes.svg", "growth.svg"])
def test_pictures_show_what_is_measured(picture: str) -> None:
    import figures

    path = ROOT / "docs" / picture
    measure, _ = figures.PICTURES[path]
    data: dict[str, Any] = figures.shown(path)
    assert data == figures.plain(measure()), "run `python docs/figures.py`"


@pytest.mark.parametrize("picture", DRAWN)
def test_pictures_are_those_that_are_drawn(picture: str) -> None:
    import figures

    path = ROOT / "docs" / f"{picture}.svg"
    assert path.read_text() == figures.DRAWN[path](), "run `python docs/figures.py`"


def test_the_tour_shows_the_program_that_it_runs() -> None:
    shown = [b for b in blocks.blocks(ROOT / "docs" / "tour.md") if b.language == "c"]
    program = (ROOT / "guests" / "family.c").read_text()
    assert len(shown) == 1
    assert "\n".join(shown[0].text) in program


def test_every_picture_is_shown_and_made() -> None:
    """No page shows a picture that nothing draws, and none is drawn that no page shows."""
    import figures

    shown = {
        (page.parent / target).resolve()
        for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
        for target in re.findall(r"!\[[^\]]*\]\(([^)]+\.svg)\)", page.read_text())
    }
    others = ("scale-", "study-")  # by python -m bench, by examples/study-24-bytes/make.py
    elsewhere = {path for path in shown if path.name.startswith(others)}
    assert shown - elsewhere == figures.PICTURES.keys() | figures.DRAWN.keys()
    drawn = {path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in figures.DRAWN}
    assert drawn == set(DRAWN)


def test_the_readme_is_short() -> None:
    """At most 150 lines, and its first table fits 100 columns."""
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 150
    table = [line for line in lines if line.startswith("|")]
    assert table
    assert max(map(len, table)) <= 100
