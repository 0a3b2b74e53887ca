"""``python docs/figures.py``: measure again whatever the documentation shows.

Rewrites the tables between ``<!-- figures: NAME -->`` and ``<!-- end -->``, the output below
each command and each Python block (unless part of it is left open by ``...``), and the
pictures, which need matplotlib and jinja2 (the extra ``report``).  ``--check`` changes
nothing and says what is out of date; the tests do that.  A plot keeps its figures inside, so
they can be checked without drawing it; a counterexample is drawn and compared.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from typing import Any

from blocks import END, GENERATED, ROOT, Runner, examples, pages
from tables import TABLES

from vmemu.core import lib
from vmemu.explore import Settings, runner
from vmemu.explore.catalogue import find_scenario as find_exploration
from vmemu.frames import mem_map
from vmemu.lab.compare import compare
from vmemu.lab.guests import guest_path
from vmemu.lab.scenarios import find_scenario
from vmemu.machine import Machine
from vmemu.report.explorations import drawing

PROBES = ROOT / "docs" / "probes.svg"
FRAMES = ROOT / "docs" / "frames.svg"
COUNTEREXAMPLE = ROOT / "docs" / "counterexample.svg"
CHILDREN = (1, 2, 4, 8, 16, 24, 32, 48, 64)
PAGES = 16
KINDS = ("reserved", "page tables", "slabs", "swap map", "file", "anonymous", "swap cache", "free")
COLORS = {"anonmm": "#0b6fa4", "anon_vma": "#c1440e"}
KIND_COLORS = (
    *("#333333", "#c1440e", "#e69f00", "#8a6d3b", "#56b4e9", "#0b6fa4", "#9fc5e8", "#f0f0f0"),
)


# ---- what the pictures show


def probes() -> dict[str, Any]:
    """Probes for each unmapped page against N, as `vmemu compare SCENARIO --json` counts them."""
    found: dict[str, Any] = {"R": PAGES, "N": CHILDREN}
    for name in ("fork-server", "late-subfamily"):
        found[name] = {scheme: [] for scheme in COLORS}
        for n in CHILDREN:
            settings = {"R": str(PAGES), "N": str(n)}
            (result,) = compare([find_scenario(name)], settings, tuple(COLORS))
            for scheme, shown in result.as_json()["schemes"].items():
                unmap = shown["unmap"]
                found[name][scheme].append(unmap["probes"] / unmap["pages"])
    return found


def frames() -> dict[str, Any]:
    """The kind of every frame of a machine of 2 MB that has begun to swap."""
    kinds: list[int] = []

    def look(task: object, name: str, a: int, b: int) -> None:
        if name != "measure" or kinds:
            return
        flags = mem_map(machine.core)["flags"]
        bits = (lib.PG_reserved, lib.PG_pgtable, lib.PG_slab, lib.PG_vmalloc)
        for flag in flags.tolist():
            kind = next((i for i, bit in enumerate(bits) if flag & bit), -1)
            if kind < 0 and flag & lib.PG_lru:
                kind = 5 if flag & lib.PG_anon else 6 if flag & lib.PG_swapcache else 4
            kinds.append(7 if kind < 0 else kind)

    with Machine(ram="2M", swap="16M") as machine:
        machine.kernel.on_mark = look
        argv = ["swap-storm", "PAGES=1024"]
        machine.spawn(guest_path("swap-storm"), argv, stdout=None)
        machine.run()
    return {"kinds": kinds}


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


def draw_frames(data: dict[str, Any]) -> None:
    """docs/frames.svg"""
    from matplotlib.patches import Patch, Rectangle

    plot = _plot()
    kinds, width = data["kinds"], 64
    height = -(-len(kinds) // width)
    figure, axis = plot.subplots(figsize=(9, 1.9))
    pfn = 0
    while pfn < len(kinds):  # one rectangle for a run of frames in one row
        run, kind = 1, kinds[pfn]
        while (pfn + run) % width and pfn + run < len(kinds) and kinds[pfn + run] == kind:
            run += 1
        corner = (pfn % width, height - 1 - pfn // width)
        axis.add_patch(
            Rectangle(corner, run, 1, facecolor=KIND_COLORS[kind], edgecolor="white", linewidth=0.6)
        )
        pfn += run
    axis.set_xlim(0, width)
    axis.set_ylim(0, height)
    axis.set_aspect("equal")
    axis.axis("off")
    names = [
        Patch(facecolor=color, edgecolor="#999999", label=f"{name} {kinds.count(kind)}")
        for kind, (name, color) in enumerate(zip(KINDS, KIND_COLORS, strict=True))
    ]
    axis.legend(
        handles=names, ncols=8, loc="upper center", bbox_to_anchor=(0.5, -0.02), frameon=False,
        fontsize=8, handlelength=1, columnspacing=1, handletextpad=0.4,
    )  # fmt: skip
    _save(figure, FRAMES, "What the 512 frames of a machine of 2 MB serve as", data)


PICTURES = {PROBES: (probes, draw_probes), FRAMES: (frames, draw_frames)}


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
    drawn = counterexample()
    if not COUNTEREXAMPLE.exists() or COUNTEREXAMPLE.read_text() != drawn:
        stale.append(f"{COUNTEREXAMPLE.relative_to(ROOT)} shows another run")
        if not check:
            COUNTEREXAMPLE.write_text(drawn)
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
    stale = refresh_pictures(args.check)
    for path in pages():
        stale += refresh_tables(path, args.check) + refresh_examples(path, args.check)
    for what in stale:
        print(what)
    return int(bool(stale) and args.check)


if __name__ == "__main__":
    sys.exit(main())
