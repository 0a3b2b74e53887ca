"""The report of ``vmemu run``: one program's statistics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vmemu.core import PAGE_SIZE
from vmemu.lab.statistics import lock_table, slab_table, stats_lines
from vmemu.report.bars import Bar, Panel, bars
from vmemu.report.page import Facts, Figure, Page, Section, Tabular
from vmemu.report.settings import machine_settings

__all__ = ["program_page"]


def program_page(facts: Mapping[str, Any], command: str, options: Mapping[str, Any]) -> Page:
    """A page on a run; ``facts`` are what ``vmemu run --json`` prints, ``options`` Machine's."""
    stats = facts["stats"]
    swap = f"{stats['swap']['total_pages'] * PAGE_SIZE >> 10} kB"
    settings = {
        "scheme": stats["rmap"],
        **machine_settings(options, f"{stats['ram_bytes'] >> 10} kB", swap),
    }
    ended = f"exit status {facts['exit_status']}"
    if facts["signal"] is not None:
        ended = f"killed by signal {facts['signal']}"
    counted = {
        "virtual time": f"{stats['virtual_ns'] / 1e6:.3f} ms",
        **stats_lines(stats),
        "ended with": ended,
    }
    sections = [
        Section(
            "What was counted",
            [Facts(counted), Figure(bars([_frames(stats), _traffic(stats)]))],
            text="Of the moment the program ended, while it still had its memory.",
        ),
        Section(
            "Locks",
            [Tabular(lock_table(stats)), Figure(bars([_locks(stats)]))],
            text="A step held is an access to a pte or to vm_flags, or an allocation, that was "
            "made with a lock of the class taken.",
        ),
        Section("Slab caches", [Tabular(slab_table(stats))]),
    ]
    return Page(f"vmemu run: {facts['argv'][0].rpartition('/')[2]}", command, settings, sections)


def _frames(stats: Mapping[str, Any]) -> Panel:
    frames = {name: n for name, n in stats["frames"].items() if n}
    return Panel(f"the {sum(frames.values())} frames", [Bar(*item) for item in frames.items()])


def _traffic(stats: Mapping[str, Any]) -> Panel:
    """Faults by kind, and pages that went to swap and came back."""
    faults, swap = stats["faults"], stats["swap"]
    return Panel(
        "faults, and pages swapped",
        [
            Bar("minor faults", faults["minor"], "faults"),
            Bar("major faults", faults["major"], "faults"),
            Bar("pages copied on write", faults["cow"], "faults"),
            Bar("pages swapped out", swap["out"], "swap"),
            Bar("pages swapped in", swap["in"], "swap"),
        ],
    )


def _locks(stats: Mapping[str, Any]) -> Panel:
    locks = {name: lock["acquired"] for name, lock in stats["locks"].items()}
    return Panel("acquisitions by lock class", [Bar(*item) for item in locks.items()])
