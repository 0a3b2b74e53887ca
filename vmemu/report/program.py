"""The report of ``vmemu run``: one program's statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vmemu.core import PAGE_SIZE
from vmemu.lab.statistics import lock_table, slab_table, stats_lines
from vmemu.report.bars import Bar, Panel, panels
from vmemu.report.curves import curves
from vmemu.report.page import Facts, Figure, Mark, Page, Section, Tabular, Tone
from vmemu.report.settings import machine_settings

if TYPE_CHECKING:
    from vmemu.snapshot.series import Sample

__all__ = ["program_page"]


def program_page(
    facts: Mapping[str, Any],
    samples: Sequence[Sample],
    memory: str,
    command: str,
    options: Mapping[str, Any],
) -> Page:
    """A page on a run; ``facts`` are what ``vmemu run --json`` prints, ``options`` Machine's.

    ``samples`` are of its course, ``memory`` is a picture of its end.
    """
    stats = facts["stats"]
    swap = f"{stats['swap']['total_pages'] * PAGE_SIZE >> 10} kB"
    settings = {
        "scheme": stats["rmap"],
        **machine_settings(options, f"{stats['ram_bytes'] >> 10} kB", swap),
    }
    counted = {
        "virtual time": f"{stats['virtual_ns'] / 1e6:.3f} ms",
        **stats_lines(stats),
        "ended with": _ended(facts),
    }
    sections = [
        Section(
            "Over virtual time",
            [curves(samples)],
            text="Frames that are free, and those on the two lists that reclaim looks through; "
            "faults, of which major ones wait for a page that is read"
            + (
                "; what is in swap, and what goes there and comes back." if _swapped(stats) else "."
            ),
        ),
        Section(
            "Memory at the end",
            [Figure(memory)],
            text="The moment the program ended, while it still had its memory."
            if facts["limit"] is None
            else "The moment the run came to its limit; the program had not ended.",
        ),
        Section(
            "What was counted",
            [Facts(counted), *panels([_frames(stats), _faults(stats), _traffic(stats)])],
            text="Of the same moment.",
        ),
        Section(
            "Locks",
            [Tabular(lock_table(stats)), *panels([_locks(stats)])],
            text="A step held is an access to a pte or to vm_flags, or an allocation, that was "
            "made with a lock of the class taken.",
        ),
        Section("Slab caches", [Tabular(slab_table(stats))]),
    ]
    title = f"vmemu run: {facts['argv'][0].rpartition('/')[2]}"
    return Page(title, command, settings, _verdict(facts), sections)


def _ended(facts: Mapping[str, Any]) -> str:
    if facts["limit"] is not None:
        return str(facts["limit"])
    if facts["signal"] is not None:
        return f"killed by signal {facts['signal']}"
    return f"exit status {facts['exit_status']}"


def _swapped(stats: Mapping[str, Any]) -> bool:
    return bool(stats["swap"]["in"] or stats["swap"]["out"])


def _verdict(facts: Mapping[str, Any]) -> Mark:
    """How it ended, and the figures one looks for first."""
    stats = facts["stats"]
    faults, swap, ended = stats["faults"], stats["swap"], _ended(facts)
    note = (
        f"{stats['virtual_ns'] / 1e6:,.3f} ms of virtual time, "
        f"{faults['minor'] + faults['major']:,} faults, {faults['major']:,} of them major"
    )
    if faults["cow"]:
        note += f", {faults['cow']:,} pages copied on write"
    if _swapped(stats):
        note += f", {swap['out']:,} pages swapped out and {swap['in']:,} in"
    tone = Tone.GOOD if ended == "exit status 0" else Tone.BAD
    return Mark(f"{ended[0].upper()}{ended[1:]}.", f"{note}.", tone)


def _frames(stats: Mapping[str, Any]) -> Panel:
    frames = {name: n for name, n in stats["frames"].items() if n}
    return Panel(f"The {sum(frames.values()):,} frames", [Bar(*item) for item in frames.items()])


def _faults(stats: Mapping[str, Any]) -> Panel:
    faults = stats["faults"]
    found = {
        "minor": faults["minor"],
        "major": faults["major"],
        "copied on write": faults["cow"],
    }
    return Panel("Faults", [Bar(name, n) for name, n in found.items() if n])


def _traffic(stats: Mapping[str, Any]) -> Panel:
    """Pages that went to swap and came back."""
    swap = stats["swap"]
    return Panel("Pages swapped", [Bar("out", swap["out"]), Bar("in", swap["in"])])


def _locks(stats: Mapping[str, Any]) -> Panel:
    locks = {name: lock["acquired"] for name, lock in stats["locks"].items()}
    return Panel("Acquisitions by lock class", [Bar(*item) for item in locks.items()])
