"""How memory stood over virtual time, drawn by matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from vmemu.report.figures import INK, drawn
from vmemu.report.page import Figure, Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

    from vmemu.snapshot.series import Sample

__all__ = ["COLORS", "curves"]

_WIDTH, _HEIGHT = 5.2, 1.9
"""Of a diagram, in inches."""
COLORS = {
    "free": "#2d8a4e",
    "active": "#2f78c4",
    "inactive": "#c2487a",
    "in swap": "#8d55bb",
    "minor": "#6b7785",
    "major": "#d0471f",
    "out": "#8d55bb",
    "in": "#b97700",
}


def curves(samples: Sequence[Sample]) -> Row:
    """Frames, faults and swap over virtual milliseconds, a diagram each.

    Without those of swap where nothing went there.
    """
    times = [sample.virtual_ns / 1e6 for sample in samples]
    last = samples[-1]
    levels = {name: [getattr(s, name) for s in samples] for name in ("free", "active", "inactive")}
    faults = {"minor": [s.faults - s.major for s in samples], "major": [s.major for s in samples]}
    free = levels["free"]
    diagrams = [
        _Diagram(
            "Frames",
            f"{free[0]:,} free at first, {min(free):,} at the least, {free[-1]:,} in the end",
            levels,
        ),
        _Diagram(
            "Faults in each ms",
            f"{last.faults:,} in all, {last.major:,} of them major",
            _rates(times, faults),
            flows=True,
        ),
    ]
    if last.si or last.so:
        used = [s.swapped for s in samples]
        moved = {"out": [s.so for s in samples], "in": [s.si for s in samples]}
        diagrams += [
            _Diagram(
                "Pages in swap",
                f"{max(used):,} at the most, {used[-1]:,} in the end",
                {"in swap": used},
            ),
            _Diagram(
                "Pages swapped in each ms",
                f"{last.so:,} out and {last.si:,} in, in all",
                _rates(times, moved),
                flows=True,
            ),
        ]
    return Row([Figure(diagram.svg(times), title=diagram.title) for diagram in diagrams], True)


def _rates(
    times: Sequence[float], counts: Mapping[str, Sequence[int]]
) -> dict[str, Sequence[float]]:
    """How much is added in each millisecond from one sample to the next."""
    return {
        name: [
            (after - before) / (end - begin) if end > begin else 0.0
            for (begin, end), (before, after) in zip(pairwise(times), pairwise(found), strict=True)
        ]
        for name, found in counts.items()
    }


@dataclass(frozen=True)
class _Diagram:
    """Lines on one scale: at each time, or from each time to the next if they are ``flows``."""

    title: str
    said: str
    lines: Mapping[str, Sequence[float]]
    flows: bool = False

    def svg(self, times: Sequence[float]) -> str:
        """The diagram as an SVG document, named in words."""
        name = f"{self.title} over {times[-1]:.3f} ms of virtual time: {self.said}"
        return drawn(name, _WIDTH, _HEIGHT, lambda figure: self._draw(figure, times))

    def _draw(self, figure: Drawing, times: Sequence[float]) -> None:
        axes = figure.subplots()
        for name, values in self.lines.items():
            look: dict[str, Any] = {
                "label": name,
                "color": COLORS[name],
                "lw": 1.3,
                "clip_on": False,
            }
            if self.flows:
                axes.stairs(values, times, baseline=None, **look)
            else:
                axes.step(times, values, where="post", **look)
        axes.set_xlim(times[0], max(times[-1], times[0] + 1e-3))
        axes.set_ylim(bottom=0)
        axes.tick_params(length=0, labelcolor=INK)
        axes.locator_params(axis="y", nbins=4, integer=True)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set_xlabel("virtual time, ms", color=INK)
        axes.grid(axis="y", color="#8a949e", alpha=0.35, lw=0.6, clip_on=False)
        axes.spines[:].set_visible(False)
        if len(self.lines) > 1:
            axes.legend(
                loc="lower right",
                bbox_to_anchor=(1, 1),
                ncols=len(self.lines),
                frameon=False,
                labelcolor=INK,
                borderaxespad=0.1,
                handlelength=1.4,
            )
