"""Figures as horizontal bars, drawn by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmemu.report.figures import INK, colors_of, drawn
from vmemu.report.page import Figure, Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

__all__ = ["Bar", "Panel", "bars", "number", "panels"]

_BAR = 0.23  # inches
_WIDTH = 4.0
"""Three side by side in 1280 pixels, one in 400."""


@dataclass(frozen=True)
class Bar:
    """A value; bars of one ``series`` have one colour, ``faint`` ones are pale."""

    label: str
    value: float
    series: str = ""
    faint: bool = False


@dataclass(frozen=True)
class Panel:
    """Bars on one scale; the title says what they count, and its unit."""

    title: str
    bars: Sequence[Bar]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to be seen, because all is 0."""
        return not any(bar.value for bar in self.bars)


def panels(found: Sequence[Panel], *, most: float | None = None) -> list[Row]:
    """Panels side by side, those that show something.

    Each has a scale of its own, unless all reach to ``most``.
    """
    figures = [Figure(bars(panel, most), title=panel.title) for panel in found if not panel.empty]
    return [Row(figures)] if figures else []


def bars(panel: Panel, most: float | None = None) -> str:
    """A panel as an SVG document without its title; the text has the colour of the page's."""
    values = ", ".join(f"{bar.label} {number(bar.value)}" for bar in panel.bars)
    height = _BAR * len(panel.bars) + 0.1
    return drawn(
        f"{panel.title}: {values}", _WIDTH, height, lambda figure: _draw(figure, panel, most)
    )


def _draw(figure: Drawing, panel: Panel, most: float | None) -> None:
    axes = figure.subplots()
    colors = colors_of(bar.series for bar in panel.bars)
    shapes = axes.barh(
        range(len(panel.bars)),
        [bar.value for bar in panel.bars],
        height=0.72,
        color=[colors[bar.series] for bar in panel.bars],
        clip_on=False,
    )
    for patch, bar in zip(shapes.patches, panel.bars, strict=True):
        patch.set_alpha(0.5 if bar.faint else 1)
    axes.bar_label(shapes, [number(bar.value) for bar in panel.bars], padding=3, color=INK)
    axes.set_yticks(range(len(panel.bars)), [bar.label for bar in panel.bars], color=INK)
    longest = max((bar.value for bar in panel.bars), default=0) if most is None else most
    axes.set_xlim(0, longest * 1.25 or 1)
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)


def number(value: float) -> str:
    """A figure with commas, and two decimals unless it is whole."""
    return f"{value:,.0f}" if value == round(value) else f"{value:,.2f}"
