"""Tables, and how they are printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from vmemu.errors import VmemuError

__all__ = ["Cell", "Table", "cell_text", "pandas"]

Cell = str | int | float | None


def cell_text(cell: Cell, floats: str = ".2f") -> str:
    """A cell as it is shown: floats with two decimals or as told, None as a dash."""
    if cell is None:
        return "-"
    return format(cell, floats) if isinstance(cell, float) else str(cell)


def pandas() -> Any:
    """The package; VmemuError where it is not installed."""
    try:
        return import_module("pandas")
    except ImportError:
        raise VmemuError(
            "to_frame() needs the package pandas, which is not installed (pip install pandas)"
        ) from None


@dataclass(frozen=True, repr=False)
class Table:
    """One line of headings and the lines below it; ``keys`` are the columns that say whose.

    ``floats``: how they are formatted.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    keys: Sequence[int] = (0,)
    floats: str = ".2f"

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold nothing but numbers, or nothing; they are aligned to the right."""
        return [
            all(isinstance(row[i], int | float) or row[i] in (None, "") for row in self.rows)
            for i in range(len(self.head))
        ]

    def text(self, width: int | None = None) -> str:
        """Aligned plain text, a newline behind each line.

        What would be wider than ``width`` characters goes on below, the keys repeated.
        """
        lines = [list(self.head), *map(self._texts, self.rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.head))]
        numeric = self.numeric
        aligned = [
            [
                cell.rjust(widths[i]) if numeric[i] else cell.ljust(widths[i])
                for i, cell in enumerate(line)
            ]
            for line in lines
        ]
        return "\n".join(
            "".join("  ".join(line[i] for i in part).rstrip() + "\n" for line in aligned)
            for part in self._parts(widths, width)
        )

    def _texts(self, row: Sequence[Cell]) -> list[str]:
        return [cell_text(cell, self.floats) for cell in row]

    def _parts(self, widths: Sequence[int], width: int | None) -> list[list[int]]:
        """The columns of each part: all in one where they fit."""
        everything = list(range(len(widths)))
        if width is None or sum(widths) + 2 * (len(widths) - 1) <= width:
            return [everything]
        keys = list(self.keys)
        parts = [list(keys)]
        for column in everything:
            if column in keys:
                continue
            if parts[-1] != keys and sum(widths[i] + 2 for i in [*parts[-1], column]) - 2 > width:
                parts.append(list(keys))
            parts[-1].append(column)
        return parts

    def markdown(self) -> str:
        """A table of Markdown, a newline behind each line."""
        rules = ["---:" if right else "---" for right in self.numeric]
        lines = [list(self.head), rules, *map(self._texts, self.rows)]
        return "".join(
            "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |\n"
            for line in lines
        )

    def html(self) -> str:
        """A ``<table>``."""
        from html import escape  # names two thousand characters

        numeric = [" style='text-align: right'" if right else "" for right in self.numeric]
        head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in self.head)
        rows = "".join(
            "<tr>"
            + "".join(
                f"<td{style}>{escape(cell)}</td>"
                for cell, style in zip(self._texts(row), numeric, strict=True)
            )
            + "</tr>\n"
            for row in self.rows
        )
        return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>"

    def to_frame(self) -> Any:
        """The same as a pandas DataFrame; VmemuError without pandas."""
        return pandas().DataFrame([list(row) for row in self.rows], columns=list(self.head))

    def __repr__(self) -> str:
        return self.text().rstrip("\n")

    def _repr_html_(self) -> str:
        return self.html()
