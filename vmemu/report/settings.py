"""The machine's settings as the head of a report shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vmemu.arguments import WIDTHS
from vmemu.core import I_MMAP, core_of
from vmemu.layouts import DEFAULT

__all__ = ["machine_settings"]


def machine_settings(options: Mapping[str, Any], ram: str, swap: str) -> dict[str, str]:
    """What was given (keywords of Machine), else ``ram`` and ``swap`` and the defaults."""
    bits = options.get("bits", 32)
    levels = options.get("levels", core_of(bits)[1].DEFAULT_LEVELS)
    shown = {
        "machine": f"{WIDTHS[bits]}, {bits} bits",
        "page tables": f"{levels} levels",
        "layout": str(options.get("layout", DEFAULT)),
        "i_mmap": str(options.get("i_mmap", I_MMAP)),
        "RAM": str(options.get("ram", ram)),
        "swap": str(options.get("swap", swap)).rpartition("/")[2],
        "seed": str(options.get("seed", 0)),
        "vm_flags under": {"page_table_lock": "mmap_sem and page_table_lock"}.get(
            options.get("vm_flags_lock", ""), "mmap_sem"
        ),
    }
    rest = ("page_cluster", "swappiness", "topdown", "overcommit")
    return shown | {name: str(options[name]) for name in rest if name in options}
