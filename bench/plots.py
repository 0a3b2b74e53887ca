"""Growth curves as SVG files, by matplotlib (the extra ``report``)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.scale import Scale

STYLES = {"anon_vma": "-", "anonmm": "--", "-": ":"}
COLOURS = ("#1f5fa8", "#c8571b", "#2d8a4e", "#8d3b9e", "#a88c14", "#4f5b66", "#b3263a")


def plot_growths(scale: Scale, directory: Path) -> Iterator[Path]:
    """Draw each growth, cost against size on logarithmic axes; the files written."""
    import matplotlib

    matplotlib.use("svg")
    # the same figures give the same file
    matplotlib.rcParams.update({"svg.hashsalt": "vmemu", "svg.fonttype": "none"})
    from matplotlib import pyplot

    for growth in dict.fromkeys(curve.growth for curve in scale.curves):
        figure, axes = pyplot.subplots(figsize=(6.4, 4.0))
        names = [operation.name for operation in growth.operations]
        for curve in scale.curves:
            if curve.growth is not growth:
                continue
            sizes = sorted(curve.samples)
            axes.plot(
                sizes,
                [curve.median(size) for size in sizes],
                STYLES.get(curve.scheme, "-."),
                marker=".",
                color=COLOURS[names.index(curve.operation.name) % len(COLOURS)],
                label=curve.operation.name
                if curve.scheme == "-"
                else f"{curve.operation.name} ({curve.scheme})",
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        axes.set_ylim(low / 1.6, high * 1.6)
        axes.set_xlabel(growth.what)
        axes.set_ylabel("CPU ns an operation")
        axes.grid(True, which="major", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize="x-small", loc="center left", bbox_to_anchor=(1.0, 0.5))
        path = directory / f"scale-{growth.name}.svg"
        figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
        pyplot.close(figure)
        yield path
