"""A run's statistics as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vmemu.lab.table import format_table

__all__ = ["stats_report"]


def stats_report(stats: Mapping[str, Any]) -> str:
    """What ``Machine.stats()`` returned, as aligned tables with a line of headings each."""
    counters = stats["counters"]
    ram, virtual = stats["ram_bytes"] >> 10, stats["virtual_ns"] / 1e6
    lines = [
        f"rmap {stats['rmap']}, {ram} kB RAM, {virtual:.3f} ms of virtual time\n",
        _line("faults", stats["faults"]),
        _line("unmap", stats["unmap"]),
        _line("referenced", stats["referenced"]),
        _line("rmap copies", {"": stats["copies"]}),
        _line("swap pages", stats["swap"]),
        _line(
            "calls", {k: counters[k] for k in ("syscalls", "context_switch", "signals", "enosys")}
        ),
        _line("at exit", {"vmas": stats["vmas"], "mms": stats["mms"]}),
        _line("frames", stats["frames"]),
        "\n",
        format_table(
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
        ),
        "\n",
        format_table(
            ("lock", "acquired", "trylocks failed", "steps held"),
            [(name, *lock.values()) for name, lock in stats["locks"].items()],
        ),
    ]
    return "".join(lines)


def _line(title: str, values: Mapping[str, int]) -> str:
    return f"{title:<12}" + "  ".join(f"{k} {v}".strip() for k, v in values.items()) + "\n"
