"""Aligned plain-text tables."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["format_table"]

Cell = str | int | float | None


def _text(cell: Cell) -> str:
    if cell is None:
        return "-"
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)


def format_table(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A table with one line of headings; columns of numbers are aligned to the right.

    Floats get two decimals, None is shown as a dash.
    """
    numeric = [
        all(isinstance(row[i], int | float) or row[i] is None for row in rows)
        for i in range(len(head))
    ]
    lines = [list(head), *([_text(cell) for cell in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        + "\n"
        for line in lines
    )
