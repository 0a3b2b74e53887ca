"""What a snapshot's picture is drawn of: cells in rows, lines of text, and their styles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import groupby
from typing import NamedTuple

__all__ = [
    "FREE",
    "LARGE",
    "LINE",
    "NONE",
    "OTHERS",
    "PROCESSES",
    "SMALL",
    "STYLE",
    "Canvas",
    "Cell",
    "Look",
    "units",
]

CELLS = 256
"""What a row of cells takes."""
LARGE, SMALL = 16, 8
"""How large a cell is: large where there are few."""
LINE = 17
PROCESSES = 6
"""That have a colour, and whose page tables are drawn."""
OTHERS = PROCESSES

STYLE = """
.memory .ground { fill: #ffffff; }
.memory text { fill: #1c2430; font: 13px "DejaVu Sans", "Liberation Sans", Arial, sans-serif; }
.memory .code { font-family: "DejaVu Sans Mono", "Liberation Mono", Menlo, monospace; }
.memory .code { font-size: 12px; }
.memory .title { font-size: 17px; font-weight: bold; }
.memory .head { font-weight: bold; }
.memory .small { font-size: 10px; text-anchor: end; }
.memory .small, .memory .quiet { fill: #5c6672; }
.memory .lines { stroke: #ffffff; stroke-width: 1; fill: none; }
.memory .reserved { fill: #3d434b; }
.memory .slab { fill: #79828d; }
.memory .swapmap { fill: #b39b7d; }
.memory .other { fill: #e5c3c8; }
.memory .free { fill: #e9edf1; }
.memory .o0 { fill: #0072b2; stroke: #0072b2; }
.memory .o1 { fill: #d55e00; stroke: #d55e00; }
.memory .o2 { fill: #009e73; stroke: #009e73; }
.memory .o3 { fill: #b8538c; stroke: #b8538c; }
.memory .o4 { fill: #c99700; stroke: #c99700; }
.memory .o5 { fill: #56a8dd; stroke: #56a8dd; }
.memory .o6 { fill: #5a6470; stroke: #5a6470; }
.memory .nobody { fill: #98a3ae; stroke: #98a3ae; }
.memory .fill { stroke: none; }
.memory .light { fill-opacity: 0.42; }
.memory .faint { fill-opacity: 0.16; }
.memory .edge { fill: none; stroke-width: 1.4; }
.memory .write { fill: #1c2430; }
.memory .rule { stroke: #c3cad2; stroke-width: 1; }
@media (prefers-color-scheme: dark) { @media not print {
.memory .ground { fill: #14181d; }
.memory text { fill: #e4e8ed; }
.memory .small, .memory .quiet { fill: #9aa5b1; }
.memory .lines { stroke: #14181d; }
.memory .reserved { fill: #8b95a1; }
.memory .slab { fill: #66707b; }
.memory .free { fill: #222931; }
.memory .write { fill: #ffffff; }
.memory .rule { stroke: #38424d; }
} }
"""


class Look(NamedTuple):
    """How a cell is drawn: ``style`` is a kind of the kernel's, or solid, light, hatch, table.

    ``owners`` are colours; ``write``: with the mark of what may be written.
    """

    style: str
    owners: tuple[int, ...] = ()
    write: bool = False


FREE = Look("free")
NONE = Look("none")
"""Of an entry that is empty."""


class Cell(NamedTuple):
    """A cell's look, and what it says when it is pointed at."""

    look: Look
    note: str


@dataclass
class Canvas:
    """What has been drawn, downwards; ``y`` is where the next thing goes."""

    x: float
    y: float
    pitch: int = SMALL
    """Of its cells."""
    parts: list[str] = field(default_factory=list)

    @property
    def columns(self) -> int:
        """Cells in a row."""
        return CELLS // self.pitch

    def text(self, text: str, kind: str = "", dx: float = 0) -> None:
        """A line of text."""
        css = f' class="{kind}"' if kind else ""
        self.parts.append(
            f'<text x="{units(self.x + dx)}" y="{units(self.y + 12)}"{css}>{escape(text)}</text>'
        )
        self.y += LINE

    def row(self, dx: float, cells: Sequence[Cell]) -> None:
        """A row of cells; neighbours that look alike are one shape."""
        at = 0
        for (look, note), group in groupby(cells):
            n = len(list(group))
            x = self.x + dx + at * self.pitch
            shapes = "".join(_shapes(x, self.y, n, self.pitch, look))
            if note:
                shapes = f"<g><title>{escape(note)}</title>{shapes}</g>"
            self.parts.append(shapes)
            at += n
        self.y += self.pitch

    def grid(self, dx: float, top: float) -> None:
        """Lines between cells, from ``top`` down to here."""
        pitch, left = self.pitch, self.x + dx
        down = "".join(
            f"M{units(left + i * pitch)} {units(top)}V{units(self.y)}"
            for i in range(self.columns + 1)
        )
        rows = range(round((self.y - top) / pitch) + 1)
        across = "".join(f"M{units(left)} {units(top + i * pitch)}h{CELLS}" for i in rows)
        self.parts.append(f'<path class="lines" d="{down}{across}"/>')

    def key(self, look: Look, text: str, dx: float = 0, kind: str = "") -> None:
        """A line of the legend."""
        top = self.y
        self.parts.append("".join(_shapes(self.x + dx, top + 2, 1, 12, look)))
        self.text(text, kind, dx + 18)


def units(value: float) -> str:
    """A length, without a needless point."""
    return f"{value:.1f}".removesuffix(".0")


def _shapes(x: float, y: float, n: int, p: int, look: Look) -> Iterator[str]:
    """``n`` cells of ``p`` units side by side."""
    style, owners = look.style, look.owners

    def each(inset: float, d: str) -> str:
        """A path in every cell, from a point so far inside."""
        at = (x + i * p + inset for i in range(n))
        return "".join(f"M{units(left)} {units(y + inset)}{d}" for left in at)

    def square(share: float) -> str:
        """A square in the middle of every cell, of a share of it."""
        side = units(p * share)
        return each(p * (1 - share) / 2, f"h{side}v{side}h-{side}z")

    if style == "none":
        yield f'<path class="nobody fill" d="{square(0.2)}"/>'
    elif style == "zero":
        yield f'<path class="edge o6" d="{square(0.5)}"/>'
    elif style == "table":
        side, half = units(p * 0.6), units(p * 0.3)
        d = each(p * 0.2, f"h{side}v{side}h-{side}zm0 {half}h{side}")
        yield f'<path class="edge {_css(owners)[0]}" d="{d}"/>'
    elif style in _OWNED:
        yield from _stripes(x, y, n, p, style, _css(owners))
        if style == "hatch":
            length = units(p * 0.75)
            d = "".join(
                f"M{units(x + i * p + p * 0.125)} {units(y + p * 0.875)}l{length} -{length}"
                for i in range(n)
            )
            yield f'<path class="edge {_css(owners)[0]}" d="{d}"/>'
        if look.write:
            yield f'<path class="write" d="{square(0.375)}"/>'
    else:
        yield f'<path class="{style}" d="M{units(x)} {units(y)}h{n * p}v{p}h-{n * p}z"/>'


_OWNED = {"solid": "", "light": " light", "hatch": " faint"}
"""Styles in the colours of processes, and their class."""


def _css(owners: Sequence[int]) -> list[str]:
    """The classes of at most four stripes; grey for nobody, and for more."""
    colors = [f"o{owner}" for owner in owners] or ["nobody"]
    return colors if len(colors) <= 4 else [*colors[:3], f"o{OTHERS}"]


def _stripes(
    x: float, y: float, n: int, p: int, style: str, colors: Sequence[str]
) -> Iterator[str]:
    wide = units(p / len(colors))
    for i, color in enumerate(colors):
        if len(colors) == 1:
            d = f"M{units(x)} {units(y)}h{n * p}v{p}h-{n * p}z"
        else:
            d = "".join(
                f"M{units(x + j * p + i * p / len(colors))} {units(y)}h{wide}v{p}h-{wide}z"
                for j in range(n)
            )
        yield f'<path class="{color} fill{_OWNED[style]}" d="{d}"/>'
