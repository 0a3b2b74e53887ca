"""A counterexample drawn: time downwards, a lane for each path.

Beside a lane stand the locks its path holds, and behind its mark each step in words, in the
rows and with the numbers of the printed table.  Lines lead from a step to the one of another
path that depends on it.  They run in a gutter to the right of the words of a lane, and each
row has words in one lane only, so no line crosses any.

The lay-out counts characters: it is drawn in a monospaced font.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmemu.explore.timeline import Access, Row
from vmemu.report import legend
from vmemu.report.conflicts import conflicts
from vmemu.report.links import Line, Link, line, route
from vmemu.report.spans import Span, spans
from vmemu.report.templates import render

if TYPE_CHECKING:
    from vmemu.explore.explorer import Report, Violation

__all__ = ["draw"]

# CSS pixels
ROW = 20
TRACK = 13
CHAR = 7.3
SMALL_CHAR = 5.5
TITLE_CHAR = 8.5
LINE = 17
NUMBERS = 26
MARGIN = 14
GAP = 10
WORDS = 13
"""From a lane to its words."""


@dataclass(frozen=True)
class _Lane:
    """One path's column: where its line stands, its words and its gutter end, it runs."""

    name: str
    x: float
    right: float
    end: float
    stretches: list[tuple[float, float]]


@dataclass(frozen=True)
class _Held:
    """A lock that is held, as a bar with its name."""

    span: Span
    x: float
    y: float
    height: float
    label: str
    label_y: float


@dataclass(frozen=True)
class _Mark:
    """A step: ``kind`` is a shape, ``fatal`` says that the violated property is about it."""

    kind: str
    path: int
    lock: str
    x: float
    y: float
    text: str
    fatal: bool


def draw(report: Report, title: Sequence[str], *, full: bool = False) -> str:
    """A report's violation as an SVG document with these lines above it.

    The steps are those of the table, all with ``full``.
    """
    violation = report.violation
    assert violation is not None
    rows = violation.rows(full=full)
    return _Drawing(report.paths, violation, rows, title).svg()


class _Drawing:
    def __init__(
        self, paths: Sequence[str], violation: Violation, rows: list[Row], title: Sequence[str]
    ) -> None:
        self.paths, self.violation, self.rows, self.title = paths, violation, rows, title
        self.spans = spans(violation.steps, rows)
        waiting = [(wait.path, f"waits for {wait.lock}") for wait in violation.waiting]
        self.entries = [*((row.path, row.text) for row in rows), *waiting]
        self.links = self._links()
        self.top = MARGIN + LINE * len(title) + 44
        self.end = self.top + ROW * len(self.entries) + 4
        self.lanes = self._lanes()
        widest = max(map(len, title), default=0) * TITLE_CHAR
        self.width = max(self.lanes[-1].end, widest + MARGIN, 560) + MARGIN

    def y(self, row: float) -> float:
        """The middle of a row."""
        return self.top + ROW * (row + 0.5)

    def _links(self) -> list[Link]:
        pairs = [(c.earlier, c.later, c.kind.name.lower()) for c in conflicts(self.rows)]
        index = {row.number: i for i, row in enumerate(self.rows)}
        for i, wait in enumerate(self.violation.waiting, len(self.rows)):
            if wait.since in index:
                pairs.append((index[wait.since], i, "awaits"))
        return list(route(pairs, [path for path, _ in self.entries]))

    def _lanes(self) -> list[_Lane]:
        lanes = []
        left = float(MARGIN + NUMBERS)
        for path, name in enumerate(self.paths):
            x = left + self._tracks(path) * TRACK + 10
            words = max(len(text) for i, text in (*self.entries, (path, name)) if i == path)
            right = x + WORDS + words * CHAR + 6
            lines = max((link.track + 1 for link in self.links if link.gutter == path), default=0)
            lanes.append(_Lane(name, x, right, right + (lines + 1) * GAP, self._stretches(path)))
            left = lanes[-1].end + GAP
        return lanes

    def _tracks(self, path: int) -> int:
        return max((span.track + 1 for span in self.spans if span.path == path), default=0)

    def _stretches(self, path: int) -> list[tuple[float, float]]:
        """From where to where a path runs with no other in between."""
        found: list[tuple[float, float]] = []
        for i, row in enumerate(self.rows):
            top, bottom = self.y(i) - ROW / 2, self.y(i) + ROW / 2
            if row.path == path and found and found[-1][1] == top:
                found[-1] = (found[-1][0], bottom)
            elif row.path == path:
                found.append((top, bottom))
        return found

    def _held(self) -> Iterator[_Held]:
        for span in self.spans:
            left = self.lanes[span.path].x - 10 - (self._tracks(span.path) - span.track) * TRACK
            top = self.y(span.begin) + (0 if span.begin % 1 == 0 else 1)
            bottom = self.y(span.end) - (0 if span.end % 1 == 0 else 1)
            if not span.released:
                bottom = self.end - 2
            yield _Held(span, left, top, bottom - top, *self._label(span, top, bottom))

    def _label(self, span: Span, top: float, bottom: float) -> tuple[str, float]:
        """As much of a lock's name as fits beside its bar, and where no line crosses it."""
        crossed = [self.y(entry) for link in self.links for entry in (link.earlier, link.later)
                   if self.entries[entry][0] == span.path != link.gutter]  # fmt: skip
        for text in (span.name, span.lock):
            half = len(text) * SMALL_CHAR / 2 + 3
            room = int(bottom - top - 2 * half)
            places = [top + half + n for n in range(0, room + 1, max(1, room // 200))]
            free = [y for y in places if all(abs(y - at) > half + 2 for at in crossed)]
            if free:
                middle = (top + bottom) / 2
                return text, min(free, key=lambda y: abs(y - middle))
        return "", 0

    def _marks(self) -> Iterator[_Mark]:
        fatal = _fatal(self.violation.problems, self.rows)
        for i, (path, text) in enumerate(self.entries):
            kind, lock = "wait", ""
            if i < len(self.rows):
                row = self.rows[i]
                kind, lock = "change" if row.changed else row.access.name.lower(), row.lock
            yield _Mark(kind, path, lock, self.lanes[path].x, self.y(i), text, i in fatal)

    def _lines(self, marks: Sequence[_Mark]) -> Iterator[Line]:
        for link in self.links:
            ends = []
            for entry, shift in zip((link.earlier, link.later), link.shift, strict=True):
                mark = marks[entry]
                beside = mark.x + WORDS + len(mark.text) * CHAR + 3
                x = beside if mark.path == link.gutter else mark.x - 8
                ends.append((x, mark.y + shift))
            gutter = self.lanes[link.gutter].right + (link.track + 1) * GAP
            yield line(link.kind, ends[0], ends[1], gutter)

    def _verdict(self) -> list[str]:
        """The violated properties, in lines that fit into the box."""
        when = "no path can go on" if self.violation.waiting else "every path has ended"
        columns = int((self.width - 2 * MARGIN - 24) / CHAR)
        told = [f"VIOLATION, seen when {when}:"]
        for problem in self.violation.problems:
            told += textwrap.wrap(problem, columns, subsequent_indent="  ")
        return told

    def svg(self) -> str:
        """The whole picture."""
        marks, verdict = list(self._marks()), self._verdict()
        kinds = {mark.kind for mark in marks} | (
            {"fatal"} if any(m.fatal for m in marks) else set()
        )
        held = dict.fromkeys(span.lock for span in self.spans)
        keys = legend.keys(held, kinds, {link.kind for link in self.links})
        below = self.end + LINE * len(verdict) + 40
        placed, bottom = legend.place(keys, MARGIN, below, self.width - MARGIN, CHAR, LINE + 2)
        return render(
            "timeline.svg",
            title=self.title,
            problems=self.violation.problems,
            lanes=self.lanes,
            held=list(self._held()),
            marks=marks,
            lines=list(self._lines(marks)),
            verdict=verdict,
            keys=placed,
            width=self.width,
            height=bottom + MARGIN,
            top=self.top,
            end=self.end,
            numbered=len(self.rows),
            row=ROW,
            track=TRACK,
            line=LINE,
            margin=MARGIN,
            words=WORDS,
        )


def _fatal(problems: Sequence[str], rows: Sequence[Row]) -> set[int]:
    """Rows that stored last to what the violated properties name: a page, or vm_flags."""
    told = " ".join(problems)
    named = {f"pte {address}" for address in re.findall(r"0x[0-9a-f]+", told)}
    last: dict[str, int] = {}
    for i, row in enumerate(rows):
        about = row.thing in named or ("VM_" in told and row.thing.startswith("vm_flags"))
        if row.changed and about and row.access is not Access.READ:
            last[row.thing] = i
    return set(last.values())
