"""Who has a frame, drawn: the page and the scheme's objects, and beside them the candidates.

A panel is a reverse map's: on the left the page, below it the objects that lead from it to
whoever maps it; on the right a row for each candidate, numbered in the order of the walk, with
its mm, its vma and its pte, and the verdict below.  Rows without a number are those that have
the page, or its place in swap, and that the walk has not come to.  All schemes are drawn alike,
so that panels can be laid side by side.  The same data gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from vmemu.snapshot.cells import LINE, units
from vmemu.snapshot.picture import MARGIN, WIDTH, Owners, document
from vmemu.who.tables import KINDS, fate, title

if TYPE_CHECKING:
    from vmemu.rmap.base import Node
    from vmemu.who.record import Candidate, Extent, FrameUse, Mapper, Space

__all__ = ["uses_picture"]

LEFT, LEFT_WIDTH = MARGIN + 8, 186
"""The page and the objects; wires between those that do not follow each other run left of them."""
DISC = 266
"""The middle of the numbers."""
MM, MM_WIDTH = 286, 76
VMA, VMA_WIDTH = 370, 136
PTE, PTE_WIDTH = 514, 110
BOX = 2 * LINE + 8
"""How high a row's boxes are."""
ROW = BOX + 2 * LINE + 14
GAP = 22
"""Between objects; there stands the name of the pointer."""
LANES = (8, 3, 13)
"""Where wires between objects that do not follow each other run."""
_TELLING = ("direct", "exclusive")
"""Flags of a page that say how a scheme has it."""
MOST = 40
"""Rows, and objects, of one panel."""
CODE, TEXT = 7.3, 7.0
"""The width of a letter."""
COLUMNS = 2
"""Panels side by side."""

_STYLE = """
.memory .box { fill: #f5f7f9; stroke: #8a95a1; stroke-width: 1; }
.memory .hit { fill: #dcefe8; stroke: #00684c; stroke-width: 1.6; }
.memory .none { fill: none; stroke: #8a95a1; stroke-width: 1; stroke-dasharray: 4 3; }
.memory .wire { fill: none; stroke: #5c6672; stroke-width: 1.3; }
.memory .tip { fill: #5c6672; }
.memory .found { fill: #00684c; }
.memory .passed { fill: #5c6672; }
.memory .number { fill: #ffffff; font-weight: bold; text-anchor: middle; }
@media (prefers-color-scheme: dark) { @media not print {
.memory .box { fill: #1d242c; stroke: #66707b; }
.memory .hit { fill: #10382d; stroke: #3fb28d; }
.memory .wire { stroke: #9aa5b1; }
.memory .tip { fill: #9aa5b1; }
} }
"""


@dataclass(frozen=True)
class _Row:
    """A candidate, or one that has the page and is none: ``number`` is empty then."""

    number: str
    space: Space | None
    area: Extent | None
    address: int | None
    pte: int
    entry: tuple[str, str]
    found: bool
    verdict: str
    why: str

    def leads_to(self, kptr: int) -> bool:
        """Whether a pointer is to something of it."""
        own = (self.space.mm if self.space else 0, self.area.vma if self.area else 0, self.pte)
        return kptr in own


def uses_picture(uses: Sequence[FrameUse], headings: Sequence[str] = ()) -> str:
    """A panel for each as an SVG document, two side by side; headed by its reverse map.

    Of one reverse map at several moments, ``headings`` say which.
    """
    heads = headings or [use.rmap for use in uses]
    columns = min(COLUMNS, len(uses))
    panels = [list(uses[at : at + columns]) for at in range(0, len(uses), columns)]
    drawn: list[_Panel] = []
    y = 0.0
    for line in panels:
        low = y
        for i, use in enumerate(line):
            panel = _Panel(use, heads[len(drawn)], i * WIDTH, y)
            drawn.append(panel)
            low = max(low, panel.y)
        y = low + MARGIN
    what = f"{uses[0].rmap}: a page" if headings else f"{title(uses[0])}, by"
    return document(
        f"{what} {', '.join(heads)}",
        "; ".join(map(_description, uses, heads)),
        y,
        [part for panel in drawn for part in panel.parts],
        columns * WIDTH,
        _STYLE,
    )


def _description(use: FrameUse, heading: str) -> str:
    said = f"{heading}: {title(use)}"
    if use.walk is None:
        return f"{said}; {use.remark}"
    steps = [f"{each.number} {_whose(each)} {each.verdict}" for each in use.walk.candidates[:MOST]]
    return f"{said}; {use.walk.function}: {', '.join(steps) or 'no candidate'}; {use.walk.total}"


def _whose(candidate: Candidate) -> str:
    return f"process {candidate.pid}" if candidate.pid else "a process that has ended"


# ---- what there is to draw


def _rows(use: FrameUse) -> Iterator[_Row]:
    entries = {(each.space.mm, each.address): each for each in (*use.mappers, *use.swapped)}
    for each in use.walk.candidates if use.walk is not None else ():
        mapper = None
        if each.space is not None and each.address is not None:
            mapper = entries.pop((each.space.mm, each.address), None)
        yield _Row(
            str(each.number),
            each.space,
            each.area,
            each.address,
            each.pte,
            _entry(use, mapper, each),
            each.verdict == "match",
            f"{each.verdict}, {each.cost}",
            fate(each),
        )
    for mapper in entries.values():
        why = "has the page" if mapper in use.mappers else f"has it in swap, slot {use.slot}"
        verdict = "not tried" if use.walk is not None else why
        yield _Row(
            "",
            mapper.space,
            mapper.area,
            mapper.address,
            mapper.pte,
            _entry(use, mapper, None),
            False,
            verdict,
            why if verdict != why else "",
        )


def _entry(use: FrameUse, mapper: Mapper | None, candidate: Candidate | None) -> tuple[str, str]:
    """The two lines of a pte's box."""
    if mapper is not None:
        if mapper in use.swapped:
            return "in swap", f"slot {use.slot}"
        return mapper.flags, f"frame {use.pfn}"
    if candidate is None or candidate.address is None:
        return "", ""
    said = candidate.because.removeprefix("the pte ")
    for begin in ("has frame ", "is in swap, slot "):
        if said.startswith(begin):
            what = "frame" if "frame" in begin else "slot"
            return "another", f"{what} {said.removeprefix(begin)}"
    return ("empty", "") if said == "is empty" else ("", "")


class _Panel:
    """One use, drawn from (x, y) on; ``y`` is then where it ends."""

    def __init__(self, use: FrameUse, heading: str, x: float, y: float) -> None:
        self.use, self.x, self.y = use, x, y + MARGIN
        self.parts: list[str] = []
        walk = use.walk
        self.text(MARGIN, heading, "title", LINE + 4)
        self.text(MARGIN, _cut(title(use), WIDTH - 2 * MARGIN, TEXT), "head")
        said = use.remark if walk is None else f"{walk.function}: {walk.total}"
        for line in _wrapped(said, 84):
            self.text(MARGIN, line, "quiet")
        if walk is not None:
            self.text(MARGIN, walk.result, "quiet")
        self.y += 10
        top = self.y
        rows = list(_rows(use))
        pids = (each.pid for each in (*use.mappers, *use.swapped) if each.pid)
        whose = (row.space.pid for row in rows if row.space is not None and row.space.pid)
        self.owners = Owners(dict.fromkeys(sorted({*pids, *whose})))
        wires: list[str] = []
        middles = self.left(top, wires)
        low = self.y
        self.y = top
        for i, row in enumerate(rows[:MOST]):
            self.wires(middles, row, wires, top + i * ROW + BOX / 2)
            self.row(row)
        if len(rows) > MOST:
            self.text(MM, f"and {len(rows) - MOST} more", "quiet")
        self.parts += wires
        self.y = max(low, self.y)

    # ---- left: the page, and the objects

    def left(self, top: float, wires: list[str]) -> list[tuple[Node | None, float]]:
        """The page and the objects; each with the height of its middle, the page as None."""
        use = self.use
        lines = [KINDS[use.kind], f"mapcount {use.mapcount}"]
        if use.mapping:
            lines.append(f"index {use.index:#x}")
        lines += [f"PG_{flag}" for flag in _TELLING if flag in use.flags]
        if use.slot is not None:
            lines.append(f"slot {use.slot}")
        head = f"frame {use.pfn}" if use.pfn is not None else "no frame"
        tops = [top]
        self.box(LEFT, LEFT_WIDTH, top, [head, *lines], "box")
        low = self.y
        for node in use.objects[:MOST]:
            tops.append(low + GAP)
            fields = [f"{name} {value}" for name, value in node.fields]
            self.box(
                LEFT,
                LEFT_WIDTH,
                low + GAP,
                [f"{node.kind} {node.label}".strip(), f"{node.kptr:#x}", *_packed(fields)],
                "box",
            )
            low = self.y
        if len(use.objects) > MOST:
            self.text(LEFT, f"and {len(use.objects) - MOST} more", "quiet")
        nodes: list[Node | None] = [None, *use.objects[:MOST]]
        middles = [top + BOX / 2 for top in tops]
        if use.objects:
            wires.append(self.down(tops[1], "mapping"))
        self.between(use.objects[:MOST], tops[1:], wires)
        return list(zip(nodes, middles, strict=True))

    def between(self, nodes: Sequence[Node], tops: Sequence[float], wires: list[str]) -> None:
        """The pointers from object to object."""
        places = {node.kptr: i for i, node in enumerate(nodes)}
        taken: list[tuple[int, int, int]] = []
        for i, node in enumerate(nodes):
            for name, to in node.edges:
                if to not in places:
                    continue
                j = places[to]
                if j == i + 1:
                    wires.append(self.down(tops[j], name))
                else:
                    lane = _free_lane(taken, min(i, j), max(i, j))
                    wires.append(self.around(tops[i] + BOX / 2, tops[j] + BOX / 2 + 8, lane))

    def down(self, low: float, name: str) -> str:
        """An arrow to the box below, with a name."""
        x, y = self.x + LEFT + 20, low
        text = f'<text class="quiet" x="{units(x + 9)}" y="{units(y - 7)}">{escape(name)}</text>'
        line = f'<path class="wire" d="M{units(x)} {units(y - GAP)}V{units(y - 6)}"/>'
        tip = f'<path class="tip" d="M{units(x - 4)} {units(y - 7)}h8l-4 7z"/>'
        return line + tip + (text if name else "")

    def around(self, start: float, end: float, lane: int) -> str:
        """An arrow left of the boxes."""
        x, out = self.x + LEFT, self.x + LANES[lane]
        d = f"M{units(x)} {units(start)}H{units(out)}V{units(end)}H{units(x - 6)}"
        tip = f'<path class="tip" d="M{units(x - 7)} {units(end - 4)}v8l7 -4z"/>'
        return f'<path class="wire" d="{d}"/>{tip}'

    # ---- right: the candidates

    def wires(
        self,
        middles: Sequence[tuple[Node | None, float]],
        row: _Row,
        wires: list[str],
        y: float,
    ) -> None:
        """From whatever has a pointer to something of a row; without objects from the page."""
        for node, middle in middles:
            if node is None:
                leads = not self.use.objects and bool(row.number)
            else:
                leads = any(to and row.leads_to(to) for _, to in node.edges)
            if leads:
                x, to = self.x + LEFT + LEFT_WIDTH, self.x + DISC - 17
                bend = units((x + to) / 2)
                d = f"M{units(x)} {units(middle)}C{bend} {units(middle)} {bend} {units(y)} "
                wires.append(
                    f'<path class="wire" d="{d}{units(to)} {units(y)}"/>'
                    f'<path class="tip" d="M{units(to)} {units(y - 4)}v8l6 -4z"/>'
                )

    def row(self, row: _Row) -> None:
        """One candidate: its number, its boxes, its verdict."""
        y = self.y
        if row.number:
            kind = "found" if row.found else "passed"
            at = f'cx="{units(self.x + DISC)}" cy="{units(y + BOX / 2)}" r="11"'
            self.parts.append(f'<circle class="{kind}" {at}/>')
            at = f'x="{units(self.x + DISC)}" y="{units(y + BOX / 2 + 4.5)}"'
            self.parts.append(f'<text class="number" {at}>{row.number}</text>')
        who = ["ended"] if row.space is None else _whose_lines(row.space)
        self.box(MM, MM_WIDTH, y, who, "box" if row.space is not None else "none")
        if row.space is not None and row.space.pid:
            color = self.owners.of([row.space.pid])[0]
            self.parts.append(
                f'<rect class="o{color} fill" x="{units(self.x + MM)}" y="{units(y)}" width="4" '
                f'height="{BOX}"/>'
            )
        if row.area is not None:
            area = [f"{row.area.start:08x}-", f"{row.area.end:08x} {row.area.perms}"]
            self.box(VMA, VMA_WIDTH, y, area, "box", code=True)
        elif row.address is not None:
            area = ["no area at", f"{row.address:08x}"]
            self.box(VMA, VMA_WIDTH, y, area, "none", code=True)
        if any(row.entry):
            self.box(PTE, PTE_WIDTH, y, list(row.entry), "hit" if row.found else "box", code=True)
        self.y = y + BOX
        self.text(MM, row.verdict, "head")
        self.text(MM, _cut(row.why, WIDTH - MARGIN - MM, TEXT), "quiet")
        self.y = y + ROW

    # ---- shapes

    def box(
        self,
        x: float,
        width: float,
        y: float,
        lines: Sequence[str],
        css: str,
        *,
        code: bool = False,
    ) -> None:
        """A box with lines of text; in code all are, else all but the first of a left one."""
        height = max(BOX, len(lines) * LINE + 8)
        self.parts.append(
            f'<rect class="{css}" x="{units(self.x + x)}" y="{units(y)}" width="{units(width)}" '
            f'height="{units(height)}" rx="3"/>'
        )
        self.y = y + 4
        for i, line in enumerate(lines):
            kind = "code" if code else ("head" if not i else "")
            self.text(x + 8, _cut(line, width - 12, CODE if code else TEXT), kind)
        self.y = y + height

    def text(self, x: float, text: str, css: str = "", high: float = LINE) -> None:
        """A line of text."""
        kind = f' class="{css}"' if css else ""
        at = f'x="{units(self.x + x)}" y="{units(self.y + high - 4)}"'
        self.parts.append(f"<text {at}{kind}>{escape(text)}</text>")
        self.y += high


def _free_lane(taken: list[tuple[int, int, int]], low: int, high: int) -> int:
    """The first lane without a wire beside objects ``low`` to ``high``; the last if all have."""
    busy = {lane for lane, first, last in taken if first <= high and last >= low}
    lane = next((each for each in range(len(LANES)) if each not in busy), len(LANES) - 1)
    taken.append((lane, low, high))
    return lane


def _whose_lines(space: Space) -> list[str]:
    return [str(space.pid), space.command] if space.pid else ["nobody's", "now"]


def _packed(fields: Sequence[str]) -> list[str]:
    """As many in a line as fit."""
    lines: list[str] = []
    for field in fields:
        if lines and len(lines[-1]) + len(field) + 2 <= 24:
            lines[-1] += f", {field}"
        else:
            lines.append(field)
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _cut(text: str, width: float, letter: float) -> str:
    most = int(width / letter)
    return text if len(text) <= most else f"{text[: most - 1]}…"
