"""The rows that a reverse map can change, for every scheme: a Markdown table of times and ratios.

Times are lower quartiles, which other work on the computer moves least.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.report import Line, number

ROWS = (
    *("touch", "cow", "fork-16", "fork-4096", "fork-wait", "mremap"),
    *("core-zap", "core-copy", "core-move", "core-probe"),
)
BASE = "anon_vma"
"""Whom the others are compared with, where it was measured."""


def every_scheme() -> str:
    """All that can swap, by commas."""
    from vmemu.rmap import builtin

    return ",".join(name for name, scheme in builtin().items() if scheme.swaps())


def markdown(lines: Sequence[Line], schemes: Sequence[str], commit: str | None) -> str:
    """A line for each scheme, a column for each row; against another commit, ratios to it."""
    head = ["scheme", *(f"{line.row.name}, {line.row.unit}" for line in lines)]
    if commit is not None:
        head = ["times as long as before", *(line.row.name for line in lines)]
    table = [head, ["---", *["---:"] * len(lines)]]
    for scheme in schemes:
        cells = [
            _cell(line, scheme) if commit is None else _change(line, scheme, commit)
            for line in lines
        ]
        table.append([scheme, *cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in table)


def _low(line: Line, name: str) -> float | None:
    cell = line.cells.get(name)
    return cell.quartiles[0] if cell and cell.samples else None


def _cell(line: Line, scheme: str) -> str:
    """A time, and how many times the base's it is."""
    mine, base = _low(line, scheme), _low(line, BASE)
    if mine is None:
        return "-"
    text = number(mine / line.row.scale)
    return text if scheme == BASE or not base else f"{text}, × {number(mine / base)}"


def _change(line: Line, scheme: str, commit: str) -> str:
    """How many times another commit's it is."""
    now, before = _low(line, scheme), _low(line, f"{scheme}@{commit}")
    return f"× {number(now / before)}" if now and before else "-"
