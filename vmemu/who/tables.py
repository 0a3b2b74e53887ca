"""Who has a frame, and the walk for it, as tables: text of at most 100 columns, or HTML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vmemu.lab.table import Cell, Table

if TYPE_CHECKING:
    from vmemu.who.record import Candidate, FrameUse, Mapper, Walk

__all__ = ["KINDS", "about", "fate", "sections", "title", "use_text"]

KINDS = {
    "anon": "anonymous",
    "file": "of a file",
    "swapcache": "in the swap cache",
    "swap": "only in swap",
    "reserved": "reserved at boot",
    "slab": "of a slab",
    "pagetable": "a page table",
    "swapmap": "of a swap map",
    "free": "free",
    "other": "on its way to be free",
}
"""What a frame is, in words."""

_OUTCOMES = {
    "old": "old",
    "young": "young, made old",
    "gone": "taken away",
    "locked": "stays: locked in memory",
    "held": "stays: somebody holds the page",
}


def title(use: FrameUse) -> str:
    """Which page it is, in a few words."""
    where = f"frame {use.pfn}" if use.pfn is not None else f"swap slot {use.slot}"
    said = f"{where}: {KINDS[use.kind]}"
    if use.mappers:
        n = len(use.mappers)
        said += f", mapped {n} time{'s' * (n != 1)}"
    if use.swapped:
        n = len(use.swapped)
        said += f", {n} entr{'y' if n == 1 else 'ies'}" + " in swap" * (use.kind != "swap")
    return said


def about(use: FrameUse) -> str:
    """What its struct page says."""
    parts = [f"_count {use.count}", f"mapcount {use.mapcount}"]
    if use.mapping:
        parts += [f"mapping {use.mapping:#x}", f"index {use.index:#x}"]
    if use.slot is not None:
        parts.append(f"slot {use.slot}")
    if use.holds and not use.holds.startswith("slot "):
        parts.append(use.holds)
    return ", ".join(parts)


def fate(candidate: Candidate) -> str:
    """What was compared, and what becomes of the entry."""
    outcome = _OUTCOMES.get(candidate.outcome)
    return f"{candidate.because}: {outcome}" if outcome else candidate.because


def use_text(use: FrameUse) -> str:
    """All tables, each under its title."""
    parts = [f"{use.moment}: {use.machine}, {use.rmap}\n{title(use)}\n"]
    if use.asked:
        parts[0] += f"the page at {use.asked}\n"
    if use.pfn is not None:
        parts[0] += f"{about(use)}\n"
    parts += [f"{heading}\n{table.text()}" for heading, table in sections(use)]
    if use.walk is not None:
        parts[-1] += f"{_total(use.walk)}\n"
    if use.remark:
        parts.append(f"{use.remark}\n")
    return "\n".join(parts)


def sections(use: FrameUse) -> list[tuple[str, Table]]:
    """The tables and what they are called."""
    found = []
    if use.mappers:
        found.append(("mapped by", mappers_table(use.mappers)))
    if use.swapped:
        found.append((f"have its place in swap, slot {use.slot}", mappers_table(use.swapped)))
    if use.walk is not None:
        by_file = use.kind != "anon" and use.i_mmap
        how = f"i_mmap, a {use.i_mmap}" if by_file else use.rmap
        found.append((f"{use.walk.function} by {how}", walk_table(use.walk)))
    return found


def mappers_table(mappers: Sequence[Mapper]) -> Table:
    """A line for each page-table entry."""
    head = ("pid", "command", "area", "perms", "address", "entry", "locked")
    return Table(
        head,
        [
            (
                each.pid,
                each.space.command or None,
                str(each.area),
                each.area.perms,
                f"{each.address:08x}",
                each.flags,
                "yes" if each.area.locked else None,
            )
            for each in mappers
        ],
    )


def walk_table(walk: Walk) -> Table:
    """A line for each candidate, in the order of the walk."""
    head = ("#", "pid", "vma from", "address", "verdict", "because", "cost")
    return Table(head, [_candidate(each) for each in walk.candidates])


def _candidate(candidate: Candidate) -> list[Cell]:
    area, address = candidate.area, candidate.address
    return [
        candidate.number,
        candidate.pid,
        f"{area.start:08x}" if area is not None else None,
        f"{address:08x}" if address is not None else None,
        candidate.verdict,
        fate(candidate),
        candidate.cost,
    ]


def _total(walk: Walk) -> str:
    counted = ", ".join(f"{name} {n}" for name, n in walk.counted.items()) or "nothing"
    return f"{walk.total}; counted: {counted}\n{walk.result}"
