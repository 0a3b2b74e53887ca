"""Which path of a counterexample holds which lock, from where to where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vmemu.explore.timeline import LEAF_LOCKS, Access, Row

__all__ = ["Span", "spans"]


@dataclass(frozen=True)
class Span:
    """A lock held by a path.

    ``lock``: its class; ``name``: which of its class, and how it is taken.  ``begin`` and
    ``end`` count the rows that are shown, from 0: 2 is the row itself, 1.5 lies between
    two.  ``released``: whether it was given back.  ``track``: 0 for the outermost.
    """

    path: int
    lock: str
    name: str
    begin: float
    end: float
    released: bool
    track: int


def spans(steps: Sequence[Row], shown: Sequence[Row]) -> list[Span]:
    """Every lock that is held while a row is shown, in the order of taking.

    Leaf locks are passed over: a reduced run does not tell when they are given back.
    """
    place: dict[int, float] = {}
    passed = 0
    for row in steps:
        visible = passed < len(shown) and shown[passed].number == row.number
        place[row.number] = passed if visible else passed - 0.5
        passed += visible
    taken = [row for row in steps if row.access is Access.LOCK and row.lock not in LEAF_LOCKS]
    found: list[Span] = []
    for row in taken:
        released = next(
            (
                later.number
                for later in steps[row.number + 1 :]
                if later.access is Access.UNLOCK
                and (later.path, later.what) == (row.path, row.what)
            ),
            None,
        )
        begin = place[row.number]
        end = len(shown) - 0.5 if released is None else place[released]
        if begin == end:
            continue
        track = _free_track([s for s in found if s.path == row.path and s.end > begin])
        found.append(Span(row.path, row.lock, row.thing, begin, end, released is not None, track))
    return found


def _free_track(busy: Sequence[Span]) -> int:
    tracks = {span.track for span in busy}
    return next(track for track in range(len(tracks) + 1) if track not in tracks)
