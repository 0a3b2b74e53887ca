"""Where the paths of a counterexample get in each other's way."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vmemu.explore.timeline import Access, Row

__all__ = ["Conflict", "Kind", "conflicts"]


class Kind(enum.Enum):
    """What the later of two steps on one thing means for the earlier."""

    SEES = "sees what the other path stored"
    OUTDATES = "changes what the other path has read"
    OVERWRITES = "stores over what the other path stored"
    REFUSED = "finds the lock taken"


@dataclass(frozen=True)
class Conflict:
    """Two of the rows shown, by index, of different paths and about one thing."""

    earlier: int
    later: int
    kind: Kind


def conflicts(rows: Sequence[Row]) -> Iterator[Conflict]:
    """Each pair of steps of which the later one is the first to depend on the earlier.

    That is: no third path's store lies between them, and the later path did nothing before
    that depends on the earlier step as well.
    """
    met: set[tuple[int, int]] = set()
    for j, row in enumerate(rows):
        for i in _sources(rows, j):
            kind = _kind(rows[i], row)
            if kind is not None and (i, row.path) not in met:
                met.add((i, row.path))
                yield Conflict(i, j, kind)


def _sources(rows: Sequence[Row], j: int) -> Iterator[int]:
    """The last step on the same thing of each other path, back to another path's store."""
    row, seen = rows[j], {rows[j].path}
    for i in range(j - 1, -1, -1):
        earlier = rows[i]
        if earlier.what != row.what or earlier.path in seen or _kind(earlier, row) is None:
            continue
        seen.add(earlier.path)
        yield i
        if earlier.access is not Access.READ:
            return


def _kind(earlier: Row, later: Row) -> Kind | None:
    match earlier.access, later.access:
        case Access.LOCK, Access.FAIL:
            return Kind.REFUSED
        case ((Access.WRITE | Access.ADD), Access.READ):
            return Kind.SEES
        case Access.READ, (Access.WRITE | Access.ADD):
            return Kind.OUTDATES
        case (Access.WRITE, Access.WRITE | Access.ADD) | (Access.ADD, Access.WRITE):
            return Kind.OVERWRITES
    return None
