"""A generated mutant: one small change to one source file, and what it is known by."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Change:
    """Bytes `start` to `end` of a file become `new`; `operator` says what kind of change that is.

    A change is known by everything but its place: `text` is the source line, without indent,
    and `nth` tells changes apart that are the same in all else.
    """

    file: str
    function: str
    operator: str
    text: str
    old: str
    new: str
    start: int
    end: int
    line: int
    nth: int = 1

    @property
    def key(self) -> tuple[str, ...]:
        """What stays the same while the rest of the file changes."""
        return (
            self.file, self.function, self.operator, self.text, self.old, self.new, str(self.nth)
        )  # fmt: skip

    @property
    def name(self) -> str:
        """A short name that stays with the key."""
        return hashlib.sha256("\0".join(self.key).encode()).hexdigest()[:10]

    def __str__(self) -> str:
        what = f"{self.old!r} -> {self.new!r}" if self.new.strip(" \n;") else f"no {self.old!r}"
        where = f"{self.file}:{self.line} {self.function}"
        return f"{self.name} {where}: {what}\n    {self.text}"

    def apply(self, text: bytes) -> bytes:
        """The file's text with the change; ValueError when it is another text."""
        found = text[self.start : self.end].decode(errors="replace")
        if " ".join(found.split()) != self.old:
            raise ValueError(f"{self.file}:{self.line}: {found!r} is not {self.old!r}")
        return text[: self.start] + self.new.encode() + text[self.end :]


class Maker:
    """Makes the changes of one file."""

    def __init__(self, file: str, source: bytes) -> None:
        self.file = file
        self.source = source
        self.lines = source.decode().splitlines()
        self.made: list[Change] = []

    def add(self, function: str, operator: str, start: int, end: int, new: str) -> None:
        """One more; lines that go leave empty ones, so that no other line gets a new number."""
        old = self.source[start:end].decode()
        new += "\n" * (old.count("\n") - new.count("\n"))
        line = self.source.count(b"\n", 0, start) + 1
        change = Change(
            self.file,
            function,
            operator,
            self.lines[line - 1].strip(),
            " ".join(old.split()),
            new,
            start,
            end,
            line,
        )
        self.made.append(change)

    def changes(self) -> list[Change]:
        """All of them, in the file's order, each with a key of its own."""
        seen: Counter[tuple[str, ...]] = Counter()
        numbered = []
        for change in sorted(self.made, key=lambda one: (one.start, one.end, one.new)):
            seen[change.key] += 1
            numbered.append(replace(change, nth=seen[change.key]))
        return numbered


def generate(root: Path, files: Iterable[str]) -> list[Change]:
    """All changes to these files of the tree `root`."""
    from . import operators_c, operators_python

    made: list[Change] = []
    for file in files:
        maker = Maker(file, (root / file).read_bytes())
        if file.endswith(".py"):
            operators_python.mutate(maker)
        else:
            operators_c.mutate(maker)
        made += maker.changes()
    return made
