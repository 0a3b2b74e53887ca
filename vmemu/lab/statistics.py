"""A run's statistics as lines and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vmemu.lab.table import Table

__all__ = ["lock_table", "slab_table", "stats_lines", "stats_text"]

Stats = Mapping[str, Any]


def stats_text(stats: Stats) -> str:
    """What ``Machine.stats()`` returned, as ``vmemu run --stats`` prints it."""
    ram, virtual = stats["ram_bytes"] >> 10, stats["virtual_ns"] / 1e6
    return "".join(
        (
            f"rmap {stats['rmap']}, {ram} kB RAM, {virtual:.3f} ms of virtual time\n",
            *(f"{title:<12}{figures}\n" for title, figures in stats_lines(stats).items()),
            "\n",
            slab_table(stats).text(),
            "\n",
            lock_table(stats).text(),
        )
    )


def stats_lines(stats: Stats) -> dict[str, str]:
    """The figures that come in no table: by title, names and numbers."""
    counters = stats["counters"]
    calls = ("syscalls", "context_switch", "signals", "enosys")
    figures = {
        "faults": stats["faults"],
        "unmap": stats["unmap"],
        "referenced": stats["referenced"],
        "rmap copies": {"": stats["copies"]},
        "swap pages": stats["swap"],
        "calls": {name: counters[name] for name in calls},
        "at exit": {"vmas": stats["vmas"], "mms": stats["mms"]},
        "frames": stats["frames"],
    }
    return {
        title: "  ".join(f"{name} {n}".strip() for name, n in values.items())
        for title, values in figures.items()
    }


def slab_table(stats: Stats) -> Table:
    """The slab caches that hold objects; sizes in bytes."""
    return Table(
        ("slab cache", "objects", "bytes each", "a slab", "slabs", "bytes", "slab bytes"),
        [
            (
                name,
                cache["objects"],
                cache["buffer_size"],
                cache["per_slab"],
                cache["slabs"],
                cache["objects"] * cache["buffer_size"],
                cache["slab_bytes"],
            )
            for name, cache in stats["slabs"].items()
            if cache["objects"]
        ],
    )


def lock_table(stats: Stats) -> Table:
    """Every lock class: acquisitions, trylocks that failed, steps held."""
    return Table(
        ("lock", "acquired", "trylocks failed", "steps held"),
        [(name, *lock.values()) for name, lock in stats["locks"].items()],
    )
