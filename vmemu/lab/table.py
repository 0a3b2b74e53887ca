"""Tables, and how they are printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Cell", "Table", "cell_text"]

Cell = str | int | float | None


def cell_text(cell: Cell) -> str:
    """A cell as it is shown: floats with two decimals, None as a dash."""
    if cell is None:
        return "-"
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)


@dataclass(frozen=True)
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
