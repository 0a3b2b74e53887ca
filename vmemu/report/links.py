"""Lines between steps that depend on each other, and their places in the gutters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Line", "Link", "line", "route"]

CURVE = 5
HEAD = 6


@dataclass(frozen=True)
class Link:
    """A line from one entry down to another, by index.

    ``kind`` is a style; ``gutter``: the path to the right of whose words it runs; ``track``:
    its place there, 0 the nearest; ``shift``: of both ends, in pixels, beside other lines'.
    """

    earlier: int
    later: int
    kind: str
    gutter: int
    track: int
    shift: tuple[int, int]


@dataclass(frozen=True)
class Line:
    """A link as it is drawn: SVG path data of the line and of its head."""

    kind: str
    data: str
    head: str


def route(pairs: Iterable[tuple[int, int, str]], owners: Sequence[int]) -> Iterator[Link]:
    """Find room for lines; ``owners``: the path of each entry.  Short ones are innermost."""
    taken: dict[int, list[tuple[int, int, int]]] = {}
    ends: dict[int, int] = {}
    for earlier, later, kind in sorted(pairs, key=lambda pair: (pair[1] - pair[0], pair)):
        gutter = min(owners[earlier], owners[later])
        beside = taken.setdefault(gutter, [])
        busy = {track for begin, end, track in beside if begin <= later and earlier <= end}
        track = next(t for t in range(len(busy) + 1) if t not in busy)
        beside.append((earlier, later, track))
        shift = []
        for entry in (earlier, later):
            n = ends[entry] = ends.get(entry, -1) + 1
            shift.append((n + 1) // 2 * (4 if n % 2 else -4))
        yield Link(earlier, later, kind, gutter, track, (shift[0], shift[1]))


def line(kind: str, begin: tuple[float, float], end: tuple[float, float], x: float) -> Line:
    """A line from ``begin`` down the gutter at ``x`` to ``end``, where it has its head."""
    (x1, y1), (x2, y2) = begin, end
    into = CURVE if x1 < x else -CURVE
    out = CURVE if x2 > x else -CURVE
    tip = HEAD if out > 0 else -HEAD
    data = (
        f"M{x1:g} {y1:g}H{x - into:g}Q{x:g} {y1:g} {x:g} {y1 + CURVE:g}"
        f"V{y2 - CURVE:g}Q{x:g} {y2:g} {x + out:g} {y2:g}H{x2 - tip:g}"
    )
    head = f"M{x2:g} {y2:g}l{-tip:g} -3.5v7z"
    return Line(kind, data, head)
