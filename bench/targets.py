"""What is promised of the rows, and a Markdown table that says whether it is kept.

A promise is about medians of one run: in units of another platform's, in the row's unit, or
both.  The platform that ratios are taken to may be missing; then the table says so.  x86-64 is
compared with i386 as well.
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
    wide_ratio: float | None = None
    """In place of `ratio` where the program is of x86-64."""
    widths: float | None = 1.15
    """x86-64: at most so many times the same scheme's i386; None: the two do not do the same."""
    of: tuple[str, ...] = ()
    """The rows that its row is made of, if it is made of others."""

    def words(self, unit: str) -> str:
        """The promise, for a table."""
        parts = []
        if self.value is not None:
            parts.append(f"{self.value:g} {unit}")
        if self.ratio == 1.0 and self.value is not None:
            parts.append(f"less than {self.to}")
        elif self.ratio is not None:
            parts.append(f"{self.ratio:g} × {self.to}")
        if self.wide_ratio is not None:
            parts.append(f"in 64 bits {self.wide_ratio:g} × {self.to}")
        return ", ".join(parts)

    def measured(self, line: Line, name: str) -> tuple[str, bool | None]:
        """What a platform reached, and whether that keeps the promise; None: who knows."""
        cell = line.cells[name]
        if not cell.samples:
            return "not measured", None
        value = cell.median / line.row.scale
        parts = [f"{number(value)} {line.row.unit}"]
        kept: list[bool | None] = []
        if self.value is not None:
            kept.append(value <= self.value)
        ratio = self.wide_ratio if is_wide(name) and self.wide_ratio else self.ratio
        if ratio is not None:
            to = self.to + (WIDE if is_wide(name) else "")
            times = _times(line, name, to)
            parts.append(f"no {to}" if times is None else f"× {number(times)}")
            kept.append(None if times is None else times <= ratio)
        if is_wide(name) and self.widths is not None:
            times = _times(line, name, name.removesuffix(WIDE))
            if times is not None:
                parts.append(f"{number(times)} × i386")
                kept.append(times <= self.widths)
        verdict = False if False in kept else None if None in kept else True
        return ", ".join(parts), verdict


def _times(line: Line, name: str, other: str) -> float | None:
    """A platform's median in units of another's; None without that."""
    base = line.cells.get(other)
    return line.cells[name].median / base.median if base and base.samples else None


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
    # natively `syscall` takes a fifth of `int 0x80`, which the emulator does in half the time
    Target("getpid", 1.0, value=1000, wide_ratio=1.5, widths=None),
    Target("sieve", 1.15, to=UNICORN),
    Target("memcpy", 1.15, to=UNICORN),
    Target("start-up", 1.0, to=QILING, value=70),
    Target("warm", value=6),
    Target("true-more", value=20, widths=None, of=("true-static", "true-dynamic")),
    Target("loop", value=15, widths=None),
    Target("pipeline", value=15, widths=None),
    Target("results", value=1000, widths=None),
    Target("core-zap", value=6),
    Target("core-copy", value=6),
    Target("core-protect", value=6),
    Target("core-probe", value=25),
)


def needed() -> list[str]:
    """The rows that promises are about."""
    return [row for target in TARGETS for row in target.of or (target.row,)]


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


SAID = ("true-more", "loop", "pipeline")
"""Promises whose rows few runs measure: they are told below the table."""


def sentences(lines: Sequence[Line], schemes: Sequence[str]) -> list[str]:
    """What was measured beside what is promised, for each scheme."""
    by_name = {line.row.name: line for line in lines}
    kept = {True: "kept", False: "not kept", None: "not known"}
    found = []
    for target in TARGETS:
        line = by_name.get(target.row)
        if line is None or target.row not in SAID:
            continue
        for name in schemes:
            if line.cells[name].samples:
                text, verdict = target.measured(line, name)
                promise = target.words(line.row.unit)
                found.append(f"{line.row.what}, {name}: {text}; at most {promise}: {kept[verdict]}")
    return found
