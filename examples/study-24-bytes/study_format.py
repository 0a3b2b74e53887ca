"""How tables and sentences of the study write their figures."""

from __future__ import annotations

from collections.abc import Sequence

from study_queries import Beside

__all__ = ["markdown", "number", "percent", "price_text", "spread"]


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]], left: int = 1) -> list[str]:
    """A table whose first columns are aligned to the left, all others to the right."""
    rule = ["---" if at < left else "---:" for at in range(len(head))]
    return ["| " + " | ".join(map(str, line)) + " |" for line in (head, rule, *rows)]


def number(value: float, digits: int = 0) -> str:
    """With commas; no digits behind the point where there are many before it."""
    if digits and abs(value) >= 100:
        digits = 0
    text = f"{value:,.{digits}f}"
    return text[1:] if text.strip("-0.,") == "" and text.startswith("-") else text


def percent(value: float) -> str:
    """A difference with its sign."""
    return "0" if abs(value) < 0.05 else f"{value:+,.1f}" if abs(value) < 100 else f"{value:+,.0f}"


def spread(each: Beside) -> str:
    """The median of the differences, and between what half of them are."""
    if each.same:
        return "0"
    return f"{percent(each.middle)} ({percent(each.low)} to {percent(each.high)})"


def price_text(ns: float, saved: float) -> str:
    """From how many ns a probe on the scheme that is slower and saves probes is the better one."""
    if saved <= 0:
        return "never"
    return "any" if ns <= 0 else number(ns / saved, 1 if ns / saved < 100 else 0)
