"""From samples to medians, spreads and ratios, and to a table."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.platforms import WIDE
from bench.process import NOT_THERE
from bench.rows import Row


@dataclass
class Cell:
    """One row on one platform: nanoseconds of one operation, of all rounds."""

    samples: list[float] = field(default_factory=list)
    reason: str = ""
    """Why there are none."""

    @property
    def median(self) -> float:
        """The middle of the samples."""
        return statistics.median(self.samples)

    @property
    def quartiles(self) -> tuple[float, float]:
        """Where the middle half of the samples begins and ends."""
        if len(self.samples) < 2:
            return self.median, self.median
        low, _, high = statistics.quantiles(self.samples, method="inclusive")
        return low, high


def is_wide(name: str) -> bool:
    """Whether a platform runs x86-64 programs."""
    return name.partition("@")[0].endswith(WIDE)


@dataclass
class Line:
    """One row on all platforms."""

    row: Row
    cells: dict[str, Cell]

    def baseline(self, name: str, order: Sequence[str]) -> str:
        """The platform that ratios are taken to: the first that runs the same program."""
        wide = is_wide(name)
        return next((other for other in order if is_wide(other) == wide), order[0])

    def ratio(self, name: str, order: Sequence[str]) -> float | None:
        """A platform's median in units of the baseline; None without one."""
        first = self.baseline(name, order)
        base, cell = self.cells[first], self.cells[name]
        if name == first or not cell.samples or not base.samples or not base.median:
            return None
        return cell.median / base.median

    def change(self, name: str, old: str) -> float | None:
        """A platform's median in units of another's; None without either."""
        new, before = self.cells[name], self.cells[old]
        if not new.samples or not before.samples or not before.median:
            return None
        return new.median / before.median


def per_forked_page(lines: Iterable[Line], order: Sequence[str]) -> Line | None:
    """A line made of two: what fork costs more for each of many pages."""
    pair = _pair(lines, "fork-16", "fork-16384")
    if pair is None:
        return None
    pages = pair[1].row.n - pair[0].row.n
    row = Row("fork-page", f"each of {pages} more pages of a fork")
    return _above(row, *pair, order, per=pages)


def dynamic_above_static(lines: Iterable[Line], order: Sequence[str]) -> Line | None:
    """A line made of two: what a dynamic program's start takes longer than a static one's."""
    pair = _pair(lines, "true-static", "true-dynamic")
    if pair is None:
        return None
    return _above(Row("true-more", "/bin/true: dynamic above static", unit="ms"), *pair, order)


def _pair(lines: Iterable[Line], *names: str) -> tuple[Line, Line] | None:
    """The lines of two rows, if both were measured."""
    by_name = {line.row.name: line for line in lines}
    less, more = (by_name.get(name) for name in names)
    return None if less is None or more is None else (less, more)


def _above(row: Row, less: Line, more: Line, order: Sequence[str], per: int = 1) -> Line:
    """What the samples of one line are more than the other's median, divided."""
    cells = {}
    for name in order:
        low, high = less.cells[name], more.cells[name]
        if low.samples and high.samples:
            cells[name] = Cell([(sample - low.median) / per for sample in high.samples])
        else:
            cells[name] = Cell(reason=low.reason or high.reason)
    return Line(row, cells)


def as_json(
    machine: dict[str, Any], settings: dict[str, Any], lines: Iterable[Line], order: Sequence[str]
) -> dict[str, Any]:
    """Everything that was measured, times in nanoseconds."""
    rows: dict[str, dict[str, Any]] = {}
    for line in lines:
        cells: dict[str, Any] = {}
        for name in order:
            cell = line.cells[name]
            if not cell.samples:
                cells[name] = {"skipped": cell.reason}
                continue
            low, high = cell.quartiles
            cells[name] = {
                "median": round(cell.median, 3),
                "min": round(min(cell.samples), 3),
                "q1": round(low, 3),
                "q3": round(high, 3),
                "n": len(cell.samples),
                "ratio": line.ratio(name, order),
            }
        rows[line.row.name] = {"what": line.row.what, "platforms": cells}
        changes = {name: line.change(name, old) for name, old in older(order)}
        if changes:
            rows[line.row.name]["change"] = changes
    return {"machine": machine, "settings": settings, "platforms": list(order), "rows": rows}


def number(value: float) -> str:
    """Three significant digits, and no exponent."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _cell_text(line: Line, name: str, order: Sequence[str]) -> tuple[str, str, str]:
    """Median, spread and ratio as the table shows them."""
    cell = line.cells[name]
    if not cell.samples:
        return "-", "", ""
    low, high = cell.quartiles
    spread = f"±{(high - low) / 2 / cell.median:.0%}" if cell.median > 0 else ""
    ratio = line.ratio(name, order)
    return (
        number(cell.median / line.row.scale),
        spread,
        f"×{number(ratio)}" if ratio is not None else "",
    )


def table(lines: Sequence[Line], order: Sequence[str]) -> str:
    """Medians; behind each ± half the interquartile range and × the ratio to the first
    column of the same width.

    A platform NAME that runs beside NAME@COMMIT gets a column at the end: its median in
    units of the older one's.
    """
    grid = [["row", "unit", *(part for name in order for part in (name, "", ""))]]
    for line in lines:
        parts = [part for name in order for part in _cell_text(line, name, order)]
        grid.append([line.row.name, line.row.unit, *parts])
    # the names head three columns each: they must not widen the first of them
    widths = [max(len(row[i]) for row in grid[1:]) for i in range(len(grid[0]))]
    out = []
    head = [grid[0][0].ljust(widths[0]), grid[0][1].ljust(widths[1])]
    for i, name in enumerate(order):
        at = 2 + 3 * i
        width = sum(widths[at : at + 3]) + 2
        if len(name) > width:
            widths[at] += len(name) - width
            width = len(name)
        head.append(name.rjust(width))
    pairs = older(order)
    head += [f"{name}:{old.partition('@')[2]}" for name, old in pairs]
    out.append("  ".join(head).rstrip())
    for line, row in zip(lines, grid[1:], strict=True):
        cells = [row[0].ljust(widths[0]), row[1].ljust(widths[1])]
        for i in range(len(order)):
            at = 2 + 3 * i
            cells.append(" ".join(row[at + j].rjust(widths[at + j]) for j in range(3)))
        for at, (name, old) in enumerate(pairs, len(head) - len(pairs)):
            change = line.change(name, old)
            cells.append(("-" if change is None else f"{change:.2f}").rjust(len(head[at])))
        out.append("  ".join(cells).rstrip())
    return "\n".join(out)


def older(order: Sequence[str]) -> list[tuple[str, str]]:
    """The platforms that run beside an older commit of themselves."""
    return [(old.partition("@")[0], old) for old in order if "@" in old]


def skipped(lines: Iterable[Line], order: Sequence[str]) -> list[str]:
    """A sentence for the empty cells of a platform that have the same reason, but for those that
    could not have anything.
    """
    lines = list(lines)
    empty: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        for name in order:
            cell = line.cells[name]
            if not cell.samples and cell.reason != NOT_THERE:
                empty.setdefault((name, cell.reason), []).append(line.row.name)
    return [
        f"{name}: {reason}"
        if len(rows) == len(lines) > 1
        else f"{', '.join(rows)} on {name}: {reason}"
        for (name, reason), rows in empty.items()
    ]
