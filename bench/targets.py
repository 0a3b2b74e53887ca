"""What is promised of the rows, and a Markdown table that says whether it is kept.

A promise is about medians of one run: in units of another platform's, in the row's unit, or
both.  The platform that ratios are taken to may be missing; then the table says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.platforms import WIDE
from bench.report import Line, is_wide, number

NATIVE, UNICORN, QILING = "native", "unicorn", "qiling"


@dataclass(frozen=True)
class Target:
    """One promise: at most `ratio` times `to`, and at most `value` in the row's unit."""

    row: str
    ratio: float | None = None
    to: str = NATIVE
    value: float | None = None

    def words(self, unit: str) -> str:
        """The promise, for a table."""
        parts = []
        if self.value is not None:
            parts.append(f"{self.value:g} {unit}")
        if self.ratio == 1.0 and self.value is not None:
            parts.append(f"less than {self.to}")
        elif self.ratio is not None:
            parts.append(f"{self.ratio:g} × {self.to}")
        return ", ".join(parts)

    def measured(self, line: Line, name: str) -> tuple[str, bool | None]:
        """What a platform reached, and whether that keeps the promise; None: who knows."""
        to = self.to + (WIDE if is_wide(name) else "")
        cell, base = line.cells[name], line.cells.get(to)
        if not cell.samples:
            return "not measured", None
        value = cell.median / line.row.scale
        parts: list[str] = []
        kept: bool | None = True
        if self.value is not None:
            kept = value <= self.value
        if self.ratio is not None:
            if base is None or not base.samples:
                parts.append(f"no {to}")
                kept = None if kept else False
            else:
                times = cell.median / base.median
                parts.append(f"× {number(times)}")
                kept = bool(kept) and times <= self.ratio
        return ", ".join([f"{number(value)} {line.row.unit}", *parts]), kept


TARGETS = (
    Target("touch", 0.35),
    Target("touch-map", 0.35),
    Target("read-map", 0.5),
    Target("cow", 0.35),
    Target("fork-4096", 0.4),
    Target("fork-16", 1.5),
    Target("fork-wait", 0.5),
    Target("mremap", 1.0),
    Target("mprotect", 0.3),
    Target("swap", 1.0),
    Target("getpid", 1.0, value=1000),
    Target("sieve", 1.15, to=UNICORN),
    Target("memcpy", 1.15, to=UNICORN),
    Target("start-up", 1.0, to=QILING, value=70),
    Target("warm", value=6),
    Target("core-zap", value=6),
    Target("core-copy", value=6),
    Target("core-protect", value=6),
    Target("core-probe", value=25),
)

MARKS = {True: "yes", False: "**no**", None: "?"}


def markdown(lines: Sequence[Line], schemes: Sequence[str]) -> str:
    """Row, promise, and per scheme the median (± half the interquartile range) and the verdict."""
    by_name = {line.row.name: line for line in lines}
    out = [
        "| row | what | at most | " + " | ".join(f"{s} | kept" for s in schemes) + " |",
        "|" + " --- |" * (3 + 2 * len(schemes)),
    ]
    for target in TARGETS:
        line = by_name.get(target.row)
        if line is None:
            continue
        cells = []
        for scheme in schemes:
            text, kept = target.measured(line, scheme)
            cell = line.cells[scheme]
            if cell.samples and cell.median:
                low, high = cell.quartiles
                text += f" (± {(high - low) / 2 / cell.median:.0%})"
            cells += [text, MARKS[kept]]
        promise = target.words(line.row.unit)
        out.append(f"| {target.row} | {line.row.what} | {promise} | " + " | ".join(cells) + " |")
    return "\n".join(out)
