"""Names at the ends of a plot's lines, moved as little as keeps them from each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["GREY", "End", "apart", "name_ends"]

GREY = "#555f6a"
_LINE = 0.135
"""Of a name, in inches."""
_GAP = 0.03
_LOW, _HIGH = -0.04, 1.06
"""What names may take of the height of a diagram."""
_MOVED = 0.02
"""From here on a stroke leads from the line's end to the name."""


class End(NamedTuple):
    """Where a line ends, and the names that belong there with their colours."""

    height: float
    names: Sequence[tuple[str, str]]


def name_ends(axes: Axes, ends: Sequence[End], inches: float) -> None:
    """Write the names beside a diagram that is so many inches high and has its final scale."""
    if not ends:
        return
    axes.set_ylim(*axes.get_ylim())
    line = _LINE / inches
    ends = sorted(ends, key=lambda end: end.height)
    to_axes = axes.transData + axes.transAxes.inverted()
    wanted = [float(to_axes.transform((1, end.height))[1]) for end in ends]
    heights = [line * len(end.names) for end in ends]
    for end, at, middle in zip(ends, wanted, apart(wanted, heights, _GAP / inches), strict=True):
        place: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False}
        if abs(middle - at) > _MOVED:
            axes.plot([1.01, 1.035], [at, middle], color=GREY, lw=0.5, **place)
        top = middle + line * (len(end.names) - 1) / 2
        for number, (name, color) in enumerate(end.names):
            height = top - line * number
            axes.text(1.045, height, name, color=color, va="center", fontsize=7.5, **place)


def apart(wanted: Sequence[float], heights: Sequence[float], gap: float) -> list[float]:
    """The middles of blocks of these heights, near where they are wanted, in the same order.

    Blocks that would overlap stand in a row around the mean of what they want.
    """
    rows: list[list[int]] = []
    starts: list[float] = []
    for number in range(len(wanted)):
        rows.append([number])
        starts.append(_start(rows[-1], wanted, heights, gap))
        while len(rows) > 1 and starts[-2] + _tall(rows[-2], heights, gap) + gap > starts[-1]:
            above = rows.pop()
            rows[-1] += above
            starts.pop()
            starts[-1] = _start(rows[-1], wanted, heights, gap)
    middles = []
    for row, start in zip(rows, starts, strict=True):
        for number in row:
            middles.append(start + heights[number] / 2)
            start += heights[number] + gap
    return middles


def _tall(row: Sequence[int], heights: Sequence[float], gap: float) -> float:
    return sum(heights[number] for number in row) + gap * (len(row) - 1)


def _start(
    row: Sequence[int], wanted: Sequence[float], heights: Sequence[float], gap: float
) -> float:
    """The lower end of a row, within the diagram."""
    tall = _tall(row, heights, gap)
    below, starts = 0.0, []
    for number in row:
        starts.append(wanted[number] - heights[number] / 2 - below)
        below += heights[number] + gap
    return max(min(sum(starts) / len(starts), _HIGH - tall), _LOW)
