"""Whether reports can be read: by whom, on what, and what is seen first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markup import SVG, cells, classed, headings, said, words

from tests.command import Vmemu
from vmemu.lab.scenario import Formula, Scenario
from vmemu.report import bars, curves, figures
from vmemu.report import templates as templates_of_reports
from vmemu.rmap import builtin
from vmemu.snapshot.series import Sample

COMMANDS = {
    "run": "run --ram 2M --swap 16M --report {} swap-storm PAGES=600",
    "compare": "compare fork-server zero-page mremap-shared vm-flags-locking --report {}",
    "overhead": "overhead --set K=16 --set M=2 --report {}",
    "explore": "explore mlock-vs-unmap munlock --mutate b --rmap anonmm --report {}",
}
CSS = (Path(templates_of_reports.__file__).parent / "page.css").read_text()


@pytest.fixture(params=COMMANDS)
def page(
    request: pytest.FixtureRequest, vmemu: Vmemu, tmp_path: Path
) -> tuple[str, ElementTree.Element]:
    """A command and its report."""
    path = tmp_path / "report.html"
    vmemu(COMMANDS[request.param].format(path))
    return request.param, ElementTree.fromstring(path.read_text())


def svgs(root: ElementTree.Element) -> Iterator[ElementTree.Element]:
    return root.iter(f"{SVG}svg")


def test_a_report_says_what_axe_asks_for(page: tuple[str, ElementTree.Element]) -> None:
    _, root = page
    assert root.get("lang") == "en"
    assert said(root.find("head/title")) == said(root.find(".//h1"))
    assert list(svgs(root))
    names = []
    for svg in svgs(root):
        title = svg.find(f"{SVG}title")
        names.append(svg.get("aria-label") or said(title))
        assert svg.get("role") == "img"
    assert all(names)
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    links = [e.get("href", "") for e in root.iter("a")]
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)


def test_headings_are_in_order(page: tuple[str, ElementTree.Element]) -> None:
    _, root = page
    levels = [int(e.tag[1]) for e in root.iter() if re.fullmatch("h[1-6]", e.tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(said(e) for e in root.iter() if re.fullmatch("h[1-6]", e.tag))


def test_every_table_says_what_its_lines_and_columns_are(
    page: tuple[str, ElementTree.Element],
) -> None:
    _, root = page
    tables = list(root.iter("table"))
    assert tables
    for table in tables:
        scopes = [cell.get("scope") for row in table.iter("tr") for cell in row.iter("th")]
        assert scopes and set(scopes) <= {"row", "col"}
        for row in [*table.iterfind("tbody/tr"), *table.iterfind("tr")]:
            assert row[0].tag == "th" and row[0].get("scope") == "row"


def test_what_can_be_scrolled_can_be_reached(page: tuple[str, ElementTree.Element]) -> None:
    """By the keyboard, and each by a name of its own."""
    _, root = page
    wide = [*classed(root, "wide"), *(e for e in root.iter("pre") if e.get("class") != "command")]
    names = [e.get("aria-label") for e in wide]
    assert wide
    assert all(e.get("tabindex") == "0" and e.get("role") == "region" for e in wide)
    assert all(names) and len(set(names)) == len(names)
    inside = {id(svg) for e in classed(root, "wide") for svg in svgs(e)}
    shrink = [svg for svg in svgs(root) if id(svg) not in inside]
    assert {svg.get("class") for svg in shrink} <= {"drawn", "memory"}


def test_the_verdict_is_first_and_the_overview_follows(
    page: tuple[str, ElementTree.Element],
) -> None:
    command, root = page
    everything = list(root.iter())
    (verdict,) = [e for e in classed(root, "verdict") if e.tag == "p"]
    first_heading = next(e for e in everything if e.tag == "h2")
    assert everything.index(verdict) < everything.index(first_heading)
    begins = {
        "run": "Exit status 0. ",
        "compare": "All 8 runs were as predicted.",
        "overhead": "anonmm adds 0 bytes to a vma and 24 to an mm; anon_vma adds ",
        "explore": "A violation in mlock-vs-unmap under anonmm: the page at 0x40001000 ",
    }
    assert said(verdict).startswith(begins[command])
    if command != "run":
        (overview,) = classed(root, "overview")
        first_table = next(e for e in everything if e.tag == "table")
        assert overview is first_table


def test_no_figure_is_without_something_to_see(page: tuple[str, ElementTree.Element]) -> None:
    _, root = page
    assert all(list(svgs(figure)) for figure in root.iter("figure"))
    assert not any(len(row) == 0 for row in classed(root, "row"))
    for figure in root.iter("figure"):
        for svg in svgs(figure):
            assert any(e.tag.endswith(("path", "rect", "circle")) for e in svg.iter())
            numbers = re.findall(r" ([\d,.]+)(?=,|$)", svg.get("aria-label", "a 1"))
            assert not numbers or any(float(n.replace(",", "") or 0) for n in numbers)


def test_panels_of_nothing_but_zeros_are_left_out() -> None:
    empty = bars.Panel("copies", [bars.Bar("one", 0), bars.Bar("two", 0)])
    full = bars.Panel("walks", [bars.Bar("one", 0), bars.Bar("two", 3)])
    (row,) = bars.panels([empty, full])
    assert [figure.title for figure in row.figures] == ["walks"]
    assert bars.panels([empty]) == []


def test_the_overview_of_a_comparison(vmemu: Vmemu, tmp_path: Path) -> None:
    path = tmp_path / "compare.html"
    vmemu(f"compare fork-server zero-page --set N=8 --set R=4 --report {path}")
    root = ElementTree.fromstring(path.read_text())
    (overview,) = classed(root, "overview")
    assert headings(overview) == ["scenario", "anonmm", "anon_vma"]
    first, second = cells(overview)
    # N children of one parent: anonmm goes to the right one, anon_vma tries half of N + 1
    assert first[0].split() == ["fork-server", "R=4", "N=8"]
    assert first[1].startswith("as predicted 1.00 walks, ")
    assert first[2].startswith("as predicted 4.50 walks, ")
    assert "walks" not in second[1]
    anchors = [a.get("href") for a in overview.iter("a")]
    titles = [said(s.find("h2")) for s in root.iter("section") if f"#{s.get('id')}" in anchors]
    assert titles == ["fork-server R=4 N=8", "zero-page PAGES=64"]
    (table,) = classed(root, "figures")
    assert headings(table)[:4] == ["scenario", "parameters", "scheme", "as predicted"]
    assert "besides" not in headings(table)  # neither has anything there


def test_what_is_not_as_predicted_is_said_first(
    vmemu: Vmemu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = Scenario.expected

    def wrong(self: Scenario, scheme: str) -> dict[str, tuple[Formula, str]]:
        more = int(scheme == "anonmm")
        found = expected(self, scheme)
        return {
            name: (Formula(f"{each.text} + {more}"), why) for name, (each, why) in found.items()
        }

    monkeypatch.setattr(Scenario, "expected", wrong)
    path = tmp_path / "compare.html"
    vmemu(f"compare mremap-exclusive mremap-shared --report {path}")
    root = ElementTree.fromstring(path.read_text())
    (verdict,) = classed(root, "verdict")
    assert said(verdict) == (
        "2 of 4 runs were not as predicted: "
        "mremap-exclusive under anonmm, mremap-shared under anonmm."
    )
    assert "bad" in verdict.get("class", "")
    (overview,) = classed(root, "overview")
    assert [[" ".join(c.split()[:2]) for c in row[1:]] for row in cells(overview)] == [
        ["not as", "as predicted"],
        ["not as", "as predicted"],
    ]


def test_a_run_has_an_axis_of_time_and_the_map_of_memory(vmemu: Vmemu, tmp_path: Path) -> None:
    path = tmp_path / "run.html"
    done = vmemu(f"run --ram 2M --stats --report {path} swap-storm PAGES=600")
    root = ElementTree.fromstring(path.read_text())
    drawn = {said(f.find("h3")): f for f in root.iter("figure") if f.find("h3") is not None}
    titles = ["Frames", "Faults in each ms", "Pages in swap", "Pages swapped in each ms"]
    assert list(drawn)[:4] == titles
    assert all("virtual time, ms" in words(drawn[title]) for title in titles)
    assert {"free", "active", "inactive"} <= set(words(drawn["Frames"]))
    minor, major = (
        int(n) for n in re.findall(r"^faults +minor (\d+) +major (\d+)", done.err, re.M)[0]
    )
    name = next(svgs(drawn["Faults in each ms"])).get("aria-label", "")
    assert name.endswith(f"{minor + major:,} in all, {major:,} of them major")
    (memory,) = (svg for svg in svgs(root) if svg.get("class") == "memory")
    assert "swap-storm at exit" in words(memory)
    assert "Memory: 512 frames of 4 kB" in words(memory)


def test_a_run_that_came_to_a_limit_says_so(vmemu: Vmemu, tmp_path: Path) -> None:
    path = tmp_path / "run.html"
    command = f"run --bits 64 --levels 4 --max-time 0.01 --report {path} bench int N=100000000"
    assert vmemu(command).status == 124
    root = ElementTree.fromstring(path.read_text())
    assert "bench at the limit" in words(root)
    text = "The moment the run came to its limit; the program had not ended."
    assert text in [said(e) for e in root.iter("p")]
    (settings,) = classed(root, "settings")
    shown = {said(div.find("dt")): said(div.find("dd")) for div in settings}
    assert shown["machine"] == "x86-64, 64 bits"
    assert (shown["page tables"], shown["layout"]) == ("4 levels", "2.6.7")


def test_what_never_swaps_has_no_diagram_of_swap() -> None:
    samples = [Sample(n * 1000, 90 - n, n, 0, 0, n, 0, 0, 0) for n in range(9)]
    assert [f.title for f in curves.curves(samples).figures] == ["Frames", "Faults in each ms"]


def test_a_run_that_is_over_at_once_is_drawn() -> None:
    row = curves.curves([Sample(0, 9, 0, 0, 0, 0, 0, 0, 0)] * 2)
    assert len(row.figures) == 2


# ---- colours


def luminance(color: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def themes() -> list[dict[str, str]]:
    """The colours of a light screen, a dark one, and paper."""
    return [
        dict(re.findall(r"--(\w+): (#\w{6});", block))
        for block in re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    ]


def test_contrast_is_what_wcag_computes() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


def test_every_text_can_be_told_from_its_ground() -> None:
    assert len(themes()) == 3
    for theme in themes():
        for ground in ("ground", "raised"):
            for ink in ("text", "muted", "bad", "good", "link"):
                assert contrast(theme[ink], theme[ground]) >= 4.5, (ink, ground, theme)


def test_every_bar_and_line_can_be_told_from_its_ground() -> None:
    schemes = [scheme.color for scheme in builtin().values() if scheme.color]
    for theme in themes():
        for color in (*figures.PALETTE, *curves.COLORS.values(), *schemes):
            assert contrast(color, theme["ground"]) >= 3, (color, theme["ground"])


def test_paper_has_what_the_screen_scrolls() -> None:
    """Nothing is cut off: what scrolls does not, and tables are small."""
    paper = CSS.partition("@media print {")[2]
    assert ".wide { overflow: visible; }" in paper
    assert "pre { white-space: pre-wrap;" in paper
    assert re.search(r"table \{ font-size: \dpx; \}", paper)
