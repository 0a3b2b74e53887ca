"""Curves of growth as a picture for print: points that were measured, lines that were predicted.

Schemes whose points are the same share them: rings around one point, or a dark point of many, and
a line in turns of their colours.  A name stands where its line ends.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmemu.errors import ConfigError, VmemuError
from vmemu.report.figures import colors_of
from vmemu.results.growth import Growth
from vmemu.results.names import GREY, End, name_ends
from vmemu.results.scales import Scales, scales

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "MOST", "check_path", "figures", "picture", "write_plot"]

FORMATS = {
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    ".png": {"Software": None},
}
"""What a file's name may end with, and what is to be left out of such a file: it would be
another one tomorrow, or elsewhere."""
MOST = 12
"""Diagrams of one picture."""
_COLUMNS = 3
_WIDTH, _HEIGHT = 3.3, 2.6
"""Of a diagram, in inches; one alone is larger."""
_ALONE = (5.2, 3.4)
_RINGS = 3
"""At most so many schemes have rings around a point that they share."""
_INK = "#30363d"
"""Of points that more share."""
_STEPS, _FINE = 300, 100
"""At most so many points of a formula's line, and those of a law's, which has no steps."""


def check_path(path: str | os.PathLike[str]) -> str:
    """How the file's name ends; ConfigError for what cannot be drawn, or where it cannot be."""
    from vmemu.output import Output

    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        known = ", ".join(FORMATS)
        raise ConfigError(f"a plot's file ends with one of {known}, not {Path(path).name!r}")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ConfigError(
            "plots need the package matplotlib, which is not installed: pip install 'vmemu[report]'"
        ) from None
    Output(os.fspath(path)).probe()
    return suffix


def write_plot(
    curves: Sequence[Growth],
    path: str | os.PathLike[str],
    *,
    log: str = "auto",
    unit: str = "",
) -> None:
    """Draw curves into an SVG, PDF or PNG file, of the same bytes each time.

    ``log``: "x", "y", "both", "none", or "auto" for where it serves; ``unit`` is that of y.
    """
    suffix = check_path(path)
    Path(path).write_bytes(picture(curves, suffix, log=log, unit=unit))


def picture(
    curves: Sequence[Growth], suffix: str = ".svg", *, log: str = "auto", unit: str = ""
) -> bytes:
    """The same as the bytes of a file whose name ends with ``suffix``."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    panels = _panels(curves)
    chosen = scales([p for curve in curves for p in curve.points], log)
    with mpl.rc_context():
        mpl.rcdefaults()  # the user's own would make another file
        mpl.rcParams.update({"svg.hashsalt": "vmemu", "pdf.fonttype": 42, "font.size": 8})
        columns = min(len(panels), _COLUMNS)
        rows = -(-len(panels) // columns)
        size = _ALONE if len(panels) == 1 else (_WIDTH * columns, _HEIGHT * rows + 0.2)
        figure = Figure(figsize=size, layout="constrained", dpi=200)
        grid = figure.subplots(
            rows, columns, squeeze=False, sharex=True, sharey=chosen.y != "linear"
        )
        flat = list(grid.flat)
        ends = [
            _draw(axes, title, within, chosen)
            for axes, (title, within) in zip(flat, panels, strict=False)
        ]
        for axes, found in zip(flat, ends, strict=False):  # when all have their final scale
            name_ends(axes, found, size[1] / rows - 0.85)
        for axes in flat[len(panels) :]:
            axes.remove()
        _label(figure, flat[: len(panels)], columns, curves, unit)
        out = io.BytesIO()
        metadata = {**FORMATS[suffix], "Title": f"{curves[0].y} by {curves[0].x}"}
        if suffix != ".pdf":  # which has no place for so much
            metadata["Description"] = json.dumps(figures(curves))
        figure.savefig(out, format=suffix[1:], metadata=metadata)
    return out.getvalue()


def figures(curves: Sequence[Growth]) -> list[dict[str, Any]]:
    """What a picture shows, as its description has it: a picture keeps its figures."""
    return [
        {
            "scenario": curve.scenario,
            "scheme": curve.scheme,
            "settings": {**curve.beside, **curve.fixed},
            curve.x: [point.x for point in curve.points],
            curve.y: [point.measured for point in curve.points],
            "formula": curve.forecast.text if curve.forecast else None,
        }
        for curve in curves
    ]


def _panels(curves: Sequence[Growth]) -> list[tuple[tuple[str, str], list[Growth]]]:
    """The curves of each diagram, with its two titles; ConfigError if they are too many."""
    panels: dict[tuple[str, str], list[Growth]] = {}
    for curve in curves:
        panels.setdefault((curve.scenario, curve.settings), []).append(curve)
    if len(panels) > MOST:
        varied = ", ".join(dict.fromkeys(name for curve in curves for name in curve.beside))
        raise ConfigError(
            f"that makes {len(panels)} diagrams, a picture has up to {MOST}: choose with "
            f"--scenario, or with --where{f' among {varied}' if varied else ''}"
        )
    titled = []
    for (scenario, settings), within in panels.items():
        fixed = [f"{name}={value}" for name, value in within[0].fixed.items()]
        titled.append(((scenario, " ".join([*settings.split(), *fixed])), within))
    return titled


def _label(
    figure: Figure, axes: Sequence[Axes], columns: int, curves: Sequence[Growth], unit: str
) -> None:
    """The names of the axes, at the left and below, and what lines and points are."""
    y = curves[0].y
    for number, each in enumerate(axes):
        if number % columns == 0:
            each.set_ylabel(f"{y}, {unit}" if unit and unit not in y else y)
        if number + columns >= len(axes):
            each.set_xlabel(curves[0].x)
            each.tick_params(labelbottom=True)
    said = ["points: measured"]
    if any(curve.forecast for curve in curves):
        said.append("lines: as the formula says")
    if any(curve.forecast is None and curve.law for curve in curves):
        said.append("broken lines: the law that fits")
    panels = [_coinciding(within) for _, within in _panels(curves)]
    if any(len(group) > _RINGS for groups in panels for group in groups):
        said.append("dark points: of all schemes named beside them")
    figure.supxlabel("; ".join(said), x=0.01, ha="left", fontsize=7, color=GREY)


def _draw(
    axes: Axes, title: tuple[str, str], curves: Sequence[Growth], chosen: Scales
) -> list[End]:
    """A diagram but for the names, and where these belong."""
    colors = colors_of(curve.scheme for curve in curves)
    chosen.apply(axes)
    ends = []
    for group in _coinciding(curves):
        for place, curve in enumerate(group):
            _draw_curve(axes, curve, colors[curve.scheme], place, len(group), chosen)
        line = _line(group[0], chosen)
        height = line[-1][1] if line else group[0].points[-1].measured
        ends.append(End(height, [(curve.scheme, colors[curve.scheme]) for curve in group]))
    axes.set_title(title[0], loc="left", fontsize=9, fontweight="bold", pad=15)
    axes.text(0, 1.03, title[1], transform=axes.transAxes, fontsize=7.5, color=GREY)
    axes.grid(color="#8a949e", alpha=0.25, lw=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=2.5, color=GREY)
    return ends


def _coinciding(curves: Iterable[Growth]) -> list[list[Growth]]:
    """Curves by their points: those that lie upon each other together."""
    groups: dict[tuple[tuple[float, float], ...], list[Growth]] = {}
    for curve in curves:
        points = tuple((point.x, point.measured) for point in curve.points)
        groups.setdefault(points, []).append(curve)
    return list(groups.values())


def _draw_curve(
    axes: Axes, curve: Growth, color: str, place: int, count: int, chosen: Scales
) -> None:
    """One scheme's points and line, of ``count`` that coincide the one at ``place``."""
    dash = 4.0
    style: Any = (dash * place, (dash, dash * (count - 1))) if count > 1 else "-"
    if curve.forecast is None:
        style = (3.2 * place, (2.2, 1.0 + 3.2 * (count - 1)))
    if line := _line(curve, chosen):
        axes.plot(*zip(*line, strict=True), ls=style, dash_capstyle="butt", color=color, lw=1.3)
    if count > _RINGS:
        color, place = _INK, count - 1
    size = 3.2 + 1.9 * (count - 1 - place)  # the first is the outermost ring
    axes.plot(
        [point.x for point in curve.points],
        [point.measured for point in curve.points],
        "o",
        ms=size,
        mew=0.9,
        color=color,
        mfc=color if place == count - 1 else "white",
        clip_on=False,
        zorder=3 + place / 100,
    )


def _line(curve: Growth, chosen: Scales) -> list[tuple[float, float]]:
    """The formula between the first point and the last, or the law that fits."""
    first, last = curve.points[0].x, curve.points[-1].x
    if curve.forecast is None:
        law = curve.law
        return [(x, law(x)) for x in chosen.steps(first, last, _FINE)] if law else []
    found: list[tuple[float, float]] = []
    for x in chosen.between(first, last, _STEPS):
        try:
            found.append((x, float(curve.forecast(x))))
        except VmemuError:  # it has no value there
            continue
    return found
