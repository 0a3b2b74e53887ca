"""What the shapes and lines of a drawn counterexample mean."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from vmemu.report.conflicts import Kind

__all__ = ["LINKS", "MARKS", "Key", "keys", "place"]

MARKS = {
    "lock": "takes a lock",
    "fail": "finds it taken",
    "unlock": "gives it back",
    "read": "reads",
    "write": "writes",
    "add": "adds",
    "change": "writes another value",
    "wait": "waits for ever",
    "none": "starts, or allocates",
    "fatal": "last store to what the property is about",
}
LINKS = {kind.name.lower(): kind.value for kind in Kind} | {
    "awaits": "waits for what was taken there"
}

INDENT = 22
SPACE = 20


@dataclass(frozen=True)
class Key:
    """A line of the legend; ``sort`` is "lock", "mark" or "link", ``kind`` a style."""

    sort: str
    kind: str
    text: str
    x: float = 0
    y: float = 0


def keys(locks: Iterable[str], marks: Collection[str], links: Collection[str]) -> list[Key]:
    """What has to be explained when these occur."""
    return [
        *(Key("lock", lock, f"{lock} held") for lock in locks),
        *(Key("mark", kind, text) for kind, text in MARKS.items() if kind in marks),
        *(Key("link", kind, text) for kind, text in LINKS.items() if kind in links),
    ]


def place(
    keys: Iterable[Key], left: float, top: float, width: float, char: float, line: float
) -> tuple[list[Key], float]:
    """Put keys into lines of at most ``width`` pixels; each sort begins one.  And their end."""
    placed: list[Key] = []
    x, y = left, top
    for key in keys:
        wide = INDENT + len(key.text) * char + SPACE
        if placed and (x + wide > width or placed[-1].sort != key.sort):
            x, y = left, y + line
        placed.append(Key(key.sort, key.kind, key.text, x, y))
        x += wide
    return placed, y + line
