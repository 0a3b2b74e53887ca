"""Figures as horizontal bars, drawn by matplotlib."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from vmemu.rmap import builtin

__all__ = ["Bar", "Panel", "bars"]

_OTHERS = ("#2d8a4e", "#8d55bb", "#6b7785", "#a34a6b")
_INK = "#010203"  # stands for the page's text colour, which depends on the reader's screen
_SVG = "{http://www.w3.org/2000/svg}"
_XLINK = "{http://www.w3.org/1999/xlink}"
_BAR = 0.23  # inches
_WIDTH = 9.6


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


def bars(panels: Sequence[Panel], *, most: float | None = None) -> str:
    """Panels side by side as an SVG document; the text has the colour of the page's.

    Each has a scale of its own, unless all reach to ``most``.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()  # the user's own would make another file
        mpl.rcParams.update({"svg.hashsalt": "vmemu", "svg.fonttype": "none", "font.size": 9})
        height = _BAR * max(len(panel.bars) for panel in panels) + 0.5
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        FigureCanvasSVG(figure)
        for axes, panel in zip(
            figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
        ):
            _draw(axes, panel, most)
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return _plain(out.getvalue())


def _draw(axes: Any, panel: Panel, most: float | None) -> None:
    series = list(dict.fromkeys(bar.series for bar in panel.bars))
    own = {name: scheme.color for name, scheme in builtin().items() if scheme.color}
    names = [name for name in series if name not in own]
    colors = {name: _OTHERS[i % len(_OTHERS)] for i, name in enumerate(names)} | own
    drawn = axes.barh(
        range(len(panel.bars)),
        [bar.value for bar in panel.bars],
        height=0.72,
        color=[colors[bar.series] for bar in panel.bars],
        clip_on=False,
    )
    for patch, bar in zip(drawn.patches, panel.bars, strict=True):
        patch.set_alpha(0.5 if bar.faint else 1)
    axes.bar_label(drawn, [_number(bar.value) for bar in panel.bars], padding=3, color=_INK)
    axes.set_yticks(range(len(panel.bars)), [bar.label for bar in panel.bars], color=_INK)
    longest = max((bar.value for bar in panel.bars), default=0) if most is None else most
    axes.set_xlim(0, longest * 1.25 or 1)
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.set_xticks([])
    axes.set_title(panel.title, loc="left", fontsize=9.5, color=_INK)
    axes.spines[:].set_visible(False)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,.2f}"


def _plain(svg: str) -> str:
    """The document for use inside a page: no ids, no foreign names, the page's colour."""
    root = ElementTree.fromstring(svg)
    for element in root.iter():
        for child in list(element):
            if child.tag == f"{_SVG}metadata":
                element.remove(child)
        element.tag = element.tag.removeprefix(_SVG)
        element.attrib.pop("id", None)
        if element.tag == "style" and element.text:
            element.text = element.text.replace("*{", ".bars *{")
    assert not any(name.startswith(_XLINK) for e in root.iter() for name in e.attrib)
    root.attrib |= {"xmlns": _SVG[1:-1], "class": "bars", "role": "img"}
    return ElementTree.tostring(root, encoding="unicode").replace(_INK, "currentColor")
