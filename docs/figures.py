"""``python docs/figures.py``: measure again whatever the documentation shows.

Rewrites the tables between ``<!-- figures: NAME -->`` and ``<!-- end -->``, the output below
each command, each Python block (unless part of it is left open by ``...``) and each cell of the
notebook, and the pictures, which need matplotlib and jinja2 (the extra ``report``).
``--check`` changes nothing and says what is out of date; the tests do that.  A plot keeps its
figures inside, so they can be checked without drawing it; other pictures are drawn and compared.
"""

from __future__ import annotations

import argparse
import functools
import json
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from html import unescape
from pathlib import Path
from typing import Any

import notebook
from blocks import END, GENERATED, ROOT, Runner, examples, pages
from cases import CASE_PICTURES
from tables import TABLES

from vmemu.explore import Settings, runner
from vmemu.explore.catalogue import find_scenario as find_exploration
from vmemu.lab.compare import compare
from vmemu.lab.guests import guest_path
from vmemu.lab.scenarios import find_scenario
from vmemu.machine import Machine
from vmemu.report.explorations import drawing
from vmemu.who.picture import uses_picture
from vmemu.who.take import take_address

PROBES = ROOT / "docs" / "probes.svg"
FRAMES = ROOT / "docs" / "frames.svg"
FORKED = ROOT / "docs" / "forked.svg"
WRITTEN = ROOT / "docs" / "written.svg"
MEMORY = ROOT / "docs" / "memory.svg"
GROWTH = ROOT / "docs" / "growth.svg"
FAMILY = {mark: ROOT / "docs" / f"family-{mark}.svg" for mark in ("forked", "copied", "evicted")}
WHO = ROOT / "docs" / "who.svg"
COUNTEREXAMPLE = ROOT / "docs" / "counterexample.svg"
NOTEBOOK = ROOT / "docs" / "tour.ipynb"
CHILDREN = (1, 2, 4, 8, 16, 24, 32, 48, 64)
PAGES = 16
COLORS = {"anonmm": "#0b6fa4", "anon_vma": "#c1440e"}


# ---- what the pictures show


def probes() -> dict[str, Any]:
    """Probes for each unmapped page against N, as `vmemu compare SCENARIO --json` counts them."""
    found: dict[str, Any] = {"R": PAGES, "N": CHILDREN}
    for name in ("fork-server", "late-subfamily"):
        found[name] = {scheme: [] for scheme in COLORS}
        for n in CHILDREN:
            settings = {"R": str(PAGES), "N": str(n)}
            (result,) = compare([find_scenario(name)], settings, tuple(COLORS))
            for scheme, measured in result.measurements.items():
                unmap = measured.walks("unmap")
                found[name][scheme].append(unmap["probes"] / unmap["pages"])
    return found


@functools.cache
def grown() -> tuple[Any, ...]:
    """The curves that docs/results.md draws: `vmemu plot runs --x N -o growth.svg`."""
    from vmemu.lab.record import Records
    from vmemu.results.dataset import write_parquet
    from vmemu.results.growth import growth

    scenarios = [find_scenario(name) for name in ("fork-server", "late-subfamily")]
    schemes = ("anonmm", "anon_vma", "anon_vma_chain")
    found = [
        result
        for n in (1, 2, 4, 8, 16)
        for result in compare(scenarios, {"N": str(n), "R": "16"}, schemes)
    ]
    with tempfile.TemporaryDirectory() as directory:
        write_parquet(Records.of(found), Path(directory) / "runs.parquet", {})
        return tuple(growth(directory, "N", "unmap_probes"))


def curves() -> list[dict[str, Any]]:
    """The figures of these."""
    from vmemu.results.plot import figures

    return figures(grown())


def draw_curves(data: Any) -> None:
    """docs/growth.svg"""
    from vmemu.results.plot import write_plot

    write_plot(grown(), GROWTH, unit="probes")


def memory(moment: str, guest: str, *arguments: str, **options: Any) -> str:
    """`vmemu show --at MOMENT --svg FILE GUEST ARGUMENTS` with these options of a machine."""
    with Machine(**options) as machine:
        machine.spawn(guest_path(guest), [guest, *arguments], stdout=None)
        snapshot = machine.run_to(moment)
    assert snapshot is not None
    return snapshot.svg()


def family(mark: str) -> Callable[[], str]:
    """The pictures of docs/tour.md."""
    return lambda: memory(mark, "family", ram="1M", swap="1M")


def who() -> str:
    """`vmemu who --at measure --addr 40001000 --ram 1M --svg FILE --rmap ... cousins`"""
    uses = []
    for scheme in COLORS:
        with Machine(ram="1M", swap="1M", rmap=scheme) as machine:
            machine.spawn(guest_path("cousins"), ["cousins"], stdout=None)
            look = functools.partial(take_address, machine.kernel, 0x40001000)
            uses.append(machine.run_to("measure", lambda when, look=look: look(moment=when)))
    return uses_picture(uses)


def counterexample() -> str:
    """`vmemu explore mlock-vs-unmap --rmap anonmm --mutate b --set PAGES=1 --report b.html`"""
    settings = Settings("anonmm", mutations="b", values={"PAGES": 1})
    return drawing(runner.explore(find_exploration("mlock-vs-unmap"), settings))


# ---- drawing


def _plot() -> Any:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update(
        {
            "svg.hashsalt": "vmemu",
            "svg.fonttype": "none",
            "font.family": "sans-serif",
            "font.size": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )
    from matplotlib import pyplot

    return pyplot


def _save(figure: Any, path: Path, title: str, data: dict[str, Any]) -> None:
    metadata = {"Date": None, "Creator": None, "Title": title, "Description": json.dumps(data)}
    figure.savefig(path, facecolor="white", bbox_inches="tight", metadata=metadata)
    lines = [line.rstrip() for line in path.read_text().splitlines()]
    path.write_text("\n".join(lines) + "\n")


def draw_probes(data: dict[str, Any]) -> None:
    """docs/probes.svg"""
    plot = _plot()
    figure, axes = plot.subplots(1, 2, figsize=(9, 3.4), sharey=True)
    titles = {
        "fork-server": "fork-server: N children, each wrote its own copies",
        "late-subfamily": "late-subfamily: 2 of N + 2 processes share pages",
    }
    for axis, (name, title) in zip(axes, titles.items(), strict=True):
        for scheme, color in COLORS.items():
            heights = data[name][scheme]
            axis.plot(data["N"], heights, "o-", color=color, markersize=4, linewidth=1.5)
            label = {"x": data["N"][-1], "y": heights[-1]}
            axis.annotate(
                f" {scheme} {heights[-1]:g}", (label["x"], label["y"]), color=color, va="bottom",
                ha="right", xytext=(0, 5), textcoords="offset points",
            )  # fmt: skip
        axis.set_title(title, fontsize=10, loc="left")
        axis.set_xlabel("N, forked children")
        axis.set_xticks([n for n in data["N"] if n % 8 == 0 or n == 1])
        axis.grid(axis="y", color="#dddddd", linewidth=0.6)
        axis.set_axisbelow(True)
    axes[0].set_ylabel("walks for each page unmapped")
    axes[0].set_ylim(0, 72)
    figure.tight_layout()
    _save(figure, PROBES, "Page-table walks for each page unmapped, against N", data)


PICTURES = {PROBES: (probes, draw_probes), GROWTH: (curves, draw_curves)}
"""What is measured, and how it is drawn."""
DRAWN = {
    COUNTEREXAMPLE: counterexample,
    WHO: who,
    FRAMES: lambda: memory("measure", "swap-storm", "PAGES=1024", ram="2M", swap="16M"),
    MEMORY: lambda: memory("event:cow:60", "fork-server", "R=40", "N=2", ram="512K", swap="256K"),
    FORKED: lambda: memory("event:fork:2", "fork-server", "R=6", "N=2", ram="4M", swap="1M"),
    WRITTEN: lambda: memory("measure", "fork-server", "R=6", "N=2", ram="4M", swap="1M"),
    **{path: family(mark) for mark, path in FAMILY.items()},
    **CASE_PICTURES,
}
"""Pictures that are made without measuring, and compared as they are."""


def shown(picture: Path) -> Any:
    """The figures that a picture was drawn from, kept in its description."""
    found = re.search(r"<dc:description>(.*?)</dc:description>", picture.read_text(), re.S)
    return json.loads(unescape(found[1])) if found else None


def plain(data: Any) -> Any:
    """The same figures as JSON gives them back."""
    return json.loads(json.dumps(data))


def refresh_pictures(check: bool) -> list[str]:
    """Draw what has changed; the pictures that were out of date."""
    stale = []
    for path, (measure, draw) in PICTURES.items():
        data = plain(measure())
        if path.exists() and shown(path) == data:
            continue
        stale.append(f"{path.relative_to(ROOT)} shows other figures")
        if not check:
            draw(data)
    for path, make in DRAWN.items():
        drawn = make()
        if path.exists() and path.read_text() == drawn:
            continue
        stale.append(f"{path.relative_to(ROOT)} shows another run")
        if not check:
            path.write_text(drawn)
    return stale


# ---- the pages


def refresh_tables(path: Path, check: bool) -> list[str]:
    """Write measured tables anew; those that were out of date."""
    lines = path.read_text().splitlines()
    stale: list[str] = []
    written: list[str] = []
    while lines:
        line = lines.pop(0)
        written.append(line)
        if marker := GENERATED.match(line):
            end = lines.index(END)
            table = TABLES[marker[1]]()
            if lines[:end] != table:
                stale.append(
                    f"{path.relative_to(ROOT)}: table {marker[1]} is not what was measured"
                )
            lines[:end] = table
    if stale and not check:
        path.write_text("\n".join(written) + "\n")
    return stale


def refresh_examples(path: Path, check: bool) -> list[str]:
    """Run a page's examples and write what they print; those that were out of date."""
    lines = path.read_text().splitlines()
    stale: list[str] = []
    shift = 0
    with Runner(path) as runner:
        for example in examples(path):
            printed = runner.run(example)
            if example.holds(printed):
                continue
            stale.append(f"{path.relative_to(ROOT)}:{example.first}: prints something else")
            if example.first and not example.elliptic:
                at = example.first - 1 + shift
                new = printed.splitlines()
                lines[at : at + len(example.expected)] = new
                shift += len(new) - len(example.expected)
    if stale and not check:
        path.write_text("\n".join(lines) + "\n")
    return stale


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python docs/figures.py", description="Measure what the documentation shows."
    )
    parser.add_argument("--check", action="store_true", help="change nothing; status 1 if stale")
    args = parser.parse_args(argv)
    stale = refresh_pictures(args.check) + notebook.refresh(NOTEBOOK, args.check)
    for path in pages():
        stale += refresh_tables(path, args.check) + refresh_examples(path, args.check)
    for what in stale:
        print(what)
    return int(bool(stale) and args.check)


if __name__ == "__main__":
    sys.exit(main())
