"""Linear or logarithmic: which axis of a plot is which, and how it is marked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmemu.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from vmemu.results.growth import Point

__all__ = ["LOGS", "Scales", "scales"]

LOGS = ("auto", "x", "y", "both", "none")
"""What ``--log`` may be."""
_WIDE_X, _WIDE_Y = 10, 50
"""From the smallest value to the largest, so many times: then a logarithm serves."""


@dataclass(frozen=True)
class Scales:
    """Each axis: "linear", "log", or "symlog", which has a place for 0; the values of x."""

    x: str
    y: str
    values: Sequence[float]
    heights: tuple[float, float] = (0, 0)
    """The least that is above 0, and the greatest."""

    def apply(self, axes: Axes) -> None:
        """Make them the scales of a diagram."""
        if self.x == "log":
            axes.set_xscale("log", base=2)
        if self.y == "symlog":
            axes.set_yscale("symlog", linthresh=self._decade(), linscale=0.35)
        elif self.y == "log":
            axes.set_yscale("log")
        if self.y != "linear":
            axes.set_yticks(self._marked_heights())
        else:
            axes.margins(y=0.08)
        if len(self.values) <= 10:
            axes.set_xticks(self._marked())
        axes.minorticks_off()
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value:,.10g}")

    def _decade(self) -> float:
        """The power of ten at or below the least height above 0."""
        return float(10 ** math.floor(math.log10(self.heights[0])))

    def _marked_heights(self) -> list[float]:
        """Powers of ten, between them 2 and 5 times these where there are few; and 0."""
        marked = [0.0] if self.y == "symlog" else []
        least, greatest = self.heights
        steps = (1, 2, 5) if greatest < 200 * least else (1,)
        decade = self._decade()
        while decade <= greatest:
            marked += [s * decade for s in steps if least * 0.5 <= s * decade <= greatest * 1.5]
            decade *= 10
        return marked

    def _marked(self) -> list[float]:
        """The values of x that have room for their numbers."""
        if self.x == "log":
            return list(self.values)
        least = (self.values[-1] - self.values[0]) / 12
        marked: list[float] = []
        for value in reversed(self.values):
            if not marked or marked[-1] - value >= least:
                marked.append(value)
        return marked

    def between(self, first: float, last: float, most: int) -> list[int]:
        """Whole numbers from one to the other, in steps that look even; not more than ``most``."""
        low, high = math.ceil(first), math.floor(last)
        if high - low < most:
            return list(range(low, high + 1))
        return sorted({round(x) for x in self.steps(low, high, most)})

    def steps(self, first: float, last: float, count: int) -> list[float]:
        """Values from one to the other that are evenly spaced on the axis."""
        if self.x == "linear":
            return [first + (last - first) * i / count for i in range(count + 1)]
        return [first * (last / first) ** (i / count) for i in range(count + 1)]


def scales(points: Sequence[Point], log: str = "auto") -> Scales:
    """The scales that serve for these points, or those asked for.

    ConfigError for a logarithm of what is below 0.
    """
    if log not in LOGS:
        raise ConfigError(f"--log is one of {', '.join(LOGS)}, not {log!r}")
    values = sorted({point.x for point in points})
    heights = [y for p in points for y in (p.measured, p.predicted) if y is not None]
    x_log = _wide(values, _WIDE_X) and values[0] > 0 if log == "auto" else log in ("x", "both")
    y_log = _wide(heights, _WIDE_Y) if log == "auto" else log in ("y", "both")
    if x_log and values[0] <= 0:
        raise ConfigError(f"--log {log}: x has the value {values[0]:g}, which has no logarithm")
    if y_log and min(heights) < 0:
        raise ConfigError(f"--log {log}: y has the value {min(heights):g}, which has no logarithm")
    y = ("symlog" if min(heights) <= 0 else "log") if y_log else "linear"
    positive = [height for height in heights if height > 0] or [1.0]
    ends = min(positive), max(positive)
    return Scales("log" if x_log else "linear", y, values, ends)


def _wide(values: Sequence[float], times: float) -> bool:
    """Whether the values that are not 0 lie so far apart, and none is below 0."""
    positive = [value for value in values if value > 0]
    return bool(positive) and min(values) >= 0 and max(positive) >= times * min(positive)
