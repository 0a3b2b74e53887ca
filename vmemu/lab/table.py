"""Tables, and how they are printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import import_module
from typing import Any

from vmemu.errors import VmemuError

__all__ = ["Cell", "Table", "cell_text"]

Cell = str | int | float | None


def cell_text(cell: Cell) -> str:
    """A cell as it is shown: floats with two decimals, None as a dash."""
    if cell is None:
        return "-"
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)


@dataclass(frozen=True, repr=False)
class Table:
    """One line of headings and the lines below it."""

    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold nothing but numbers; they are aligned to the right."""
        return [
            all(isinstance(row[i], int | float) or row[i] is None for row in self.rows)
            for i in range(len(self.head))
        ]

    def text(self) -> str:
        """Aligned plain text, a newline behind each line."""
        lines = [list(self.head), *([cell_text(cell) for cell in row] for row in self.rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.head))]
        return "".join(
            "  ".join(
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(line, widths, self.numeric, strict=True)
            ).rstrip()
            + "\n"
            for line in lines
        )

    def html(self) -> str:
        """A ``<table>``."""
        numeric = [" style='text-align: right'" if right else "" for right in self.numeric]
        head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in self.head)
        rows = "".join(
            "<tr>"
            + "".join(
                f"<td{style}>{escape(cell_text(cell))}</td>"
                for cell, style in zip(row, numeric, strict=True)
            )
            + "</tr>\n"
            for row in self.rows
        )
        return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>"

    def to_frame(self) -> Any:
        """The same as a pandas DataFrame; VmemuError without pandas."""
        try:
            pandas = import_module("pandas")
        except ImportError:
            raise VmemuError(
                "to_frame() needs the package pandas, which is not installed (pip install pandas)"
            ) from None
        return pandas.DataFrame([list(row) for row in self.rows], columns=list(self.head))

    def __repr__(self) -> str:
        return self.text().rstrip("\n")

    def _repr_html_(self) -> str:
        return self.html()
