"""Pictures of growth: what is drawn, on which axes, and the same bytes each time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.results.runs import family, write
from vmemu.errors import ConfigError
from vmemu.results.growth import Growth, Point, growth
from vmemu.results.names import apart
from vmemu.results.plot import FORMATS, MOST, _coinciding, picture, write_plot
from vmemu.results.scales import scales

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data") / "runs", family())


@pytest.fixture(scope="module")
def curves(directory: Path) -> list[Growth]:
    return growth(directory, "N", "unmap_probes")


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_same_bytes_in_another_process(
    suffix: str, directory: Path, curves: list[Growth], tmp_path: Path
) -> None:
    there = tmp_path / f"a{suffix}"
    command = [sys.executable, "-m", "vmemu", "plot", str(directory), "--x", "N", "-o", str(there)]
    environment = {**os.environ, "PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "1000000"}
    environment |= {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc")}
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nlines.linewidth: 9\n")
    subprocess.run(command, check=True, cwd=ROOT, env=environment)
    drawn = picture(curves, suffix, unit="probes")
    assert there.read_bytes() == drawn
    assert b"Date" not in drawn
    assert drawn[:4] in (b"%PDF", b"\x89PNG", b"<?xm")


def test_the_users_style_makes_no_other_file(
    curves: list[Growth], monkeypatch: pytest.MonkeyPatch
) -> None:
    import matplotlib as mpl

    drawn = picture(curves)
    monkeypatch.setitem(mpl.rcParams, "lines.linewidth", 9)
    monkeypatch.setitem(mpl.rcParams, "axes.facecolor", "red")
    assert picture(curves) == drawn
    assert mpl.rcParams["lines.linewidth"] == 9


def test_an_svg_has_a_diagram_for_each_scenario(curves: list[Growth]) -> None:
    root = ElementTree.fromstring(picture(curves))
    groups = [element.get("id", "") for element in root.iter() if element.tag.endswith("}g")]
    assert len([name for name in groups if name.startswith("axes_")]) == 3
    text = picture(curves).decode()
    # glyphs stand as paths, each text in a comment before them
    for said in ("fork-server", "late-subfamily", "anon_vma_chain", "R=4", "points: measured"):
        assert f"<!-- {said}" in text, said
    assert "<!-- dark points" not in text


def test_a_picture_keeps_its_figures(curves: list[Growth]) -> None:
    root = ElementTree.fromstring(picture(curves))
    told = next(e.text for e in root.iter() if e.tag.endswith("}description"))
    first, *others = json.loads(told or "")
    assert first == {
        "scenario": "fork-readers",
        "scheme": "scan",
        "settings": {"R": 4},
        "N": [1, 2, 4, 8, 16],
        "unmap_probes": [0, 0, 0, 0, 0],
        "formula": "0",
    }
    assert len(others) == 17


def test_schemes_with_the_same_points_are_one_line(curves: list[Growth]) -> None:
    server = [curve for curve in curves if curve.scenario == "fork-server"]
    names = [[curve.scheme for curve in group] for group in _coinciding(server)]
    assert names == [
        ["scan"],
        ["pte_chain", "anonmm", "anon_vma_chain", "cow_context"],
        ["anon_vma"],
    ]


def test_logarithms_where_they_serve() -> None:
    def of(xs: list[float], ys: list[float], log: str = "auto") -> tuple[str, str]:
        found = scales([Point(x, y, None) for x, y in zip(xs, ys, strict=True)], log)
        return found.x, found.y

    assert of([1, 2, 4, 64], [4, 10, 36, 8320]) == ("log", "log")
    assert of([1, 2, 3, 4], [4, 8, 12, 16]) == ("linear", "linear")
    assert of([1, 2, 4, 64], [0, 1, 1, 900]) == ("log", "symlog")  # 0 has a place of its own
    assert of([0, 1, 64], [0, 0, 0]) == ("linear", "linear")
    assert of([1, 2], [1, -900]) == ("linear", "linear")
    assert of([1, 2], [1, 2], "both") == ("log", "log")
    assert of([1, 64], [1, 64], "none") == ("linear", "linear")
    assert of([1, 64], [1, 6400], "x") == ("log", "linear")
    with pytest.raises(ConfigError, match="--log x: x has the value 0"):
        of([0, 1], [1, 2], "x")
    with pytest.raises(ConfigError, match="--log y: y has the value -1"):
        of([0, 1], [-1, 2], "y")
    with pytest.raises(ConfigError, match="--log is one of auto, x, y, both, none, not 'z'"):
        of([0, 1], [1, 2], "z")


def test_a_line_has_the_whole_numbers_between() -> None:
    few = scales([Point(x, x) for x in (1, 2, 40)], "none")
    assert few.between(1, 40, 300) == list(range(1, 41))
    many = scales([Point(x, x) for x in (1, 1 << 20)], "both")
    found = many.between(1, 1 << 20, 300)
    assert (found[0], found[-1]) == (1, 1 << 20)
    assert 100 < len(found) <= 302


def test_names_keep_from_each_other_and_move_little() -> None:
    assert apart([0.2, 0.8], [0.1, 0.1], 0.02) == pytest.approx([0.2, 0.8])
    assert apart([0.5, 0.5], [0.1, 0.1], 0.02) == pytest.approx([0.44, 0.56])
    for wanted in ([0.0, 0.01, 0.02, 0.9], [0.9, 0.95, 1.0, 1.0], [0.5] * 4):
        found = apart(wanted, [0.1, 0.2, 0.1, 0.1], 0.02)
        tops = [m + h / 2 for m, h in zip(found, [0.1, 0.2, 0.1, 0.1], strict=True)]
        starts = [m - h / 2 for m, h in zip(found, [0.1, 0.2, 0.1, 0.1], strict=True)]
        assert all(s > t + 0.0199 for s, t in zip(starts[1:], tops, strict=False))
        assert starts[0] >= -0.041
        assert tops[-1] <= 1.061


def test_too_many_diagrams_are_told(tmp_path: Path, directory: Path) -> None:
    first = [r for r in family() if r["scenario"] == "fork-server" and r["scheme"] == "anonmm"]
    records = [{**r, "R": n, "key": f"{n} {r['key']}"} for r in first for n in range(MOST + 1)]
    found = growth(write(tmp_path / "runs", records), "N", "unmap_probes")
    with pytest.raises(ConfigError, match=r"that makes 13 diagrams, .* --where among R"):
        picture(found)


def test_files_that_cannot_be_are_told(curves: list[Growth], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ends with one of .svg, .pdf, .png, not 'a.jpg'"):
        write_plot(curves, tmp_path / "a.jpg")
    with pytest.raises(ConfigError, match=r"cannot write .*no such file or directory"):
        write_plot(curves, tmp_path / "none" / "a.svg")
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib(
    curves: list[Growth], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match=r"pip install 'vmemu\[report\]'"):
        write_plot(curves, tmp_path / "a.svg")


def test_what_nothing_is_predicted_of_has_the_law_that_fits(directory: Path) -> None:
    found = growth(directory, "N", "bytes_exact", scenarios=["fork-server"])
    text = picture(found, unit="bytes").decode()
    assert "<!-- points: measured; broken lines: the law that fits -->" in text
    few = growth(directory, "N", "bytes_exact", where="N < 3")
    assert "<!-- points: measured -->" in picture(few).decode()
