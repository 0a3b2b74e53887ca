"""What a machine may be made with, other than sizes, times, layouts and files."""

from __future__ import annotations

from typing import Any

from vmemu import arguments
from vmemu.core import I_MMAPS
from vmemu.errors import ConfigError

__all__ = ["CHECKED", "VM_FLAGS_LOCKS", "check_setting"]

VM_FLAGS_LOCKS = ("mmap_sem", "page_table_lock")
_RANGES = {
    "seed": (-(1 << 63), (1 << 64) - 1),
    "slice_blocks": (1, (1 << 31) - 1),
    "page_cluster": (0, 8),
    "swappiness": (0, 100),
    "overcommit_ratio": (0, 1 << 20),
    "min_free_pages": (0, 1 << 18),
    "events": (0, 1 << 26),
    "max_tasks": (1, 1 << 15),
    "levels": (2, 4),
}
"""What the numbers a machine is made with may be."""
_CHOICES: dict[str, tuple[Any, ...]] = {
    "fault_path": ("c", "python"),
    "i_mmap": tuple(I_MMAPS),
    "vm_flags_lock": VM_FLAGS_LOCKS,
    "overcommit": (0, 1, 2),
    "cache_line": (16, 32, 64, 128),
}
_FLAGS = ("topdown", "aslr", "root_rw", "lock_checks")
CHECKED = (*_RANGES, "bits", *_FLAGS, *_CHOICES)
_OPTIONAL = ("min_free_pages", "max_tasks", "levels", "lock_checks")


def check_setting(what: str, value: object) -> None:
    """ConfigError unless ``value`` is one that the setting ``what`` of a machine may have.

    Not for sizes, times and layouts.
    """
    if value is None and what in _OPTIONAL:
        return
    if what in _RANGES:
        arguments.integer(what, value, *_RANGES[what])
    elif what in _FLAGS:
        arguments.flag(what, value)
    elif what == "bits":
        arguments.width(value)
    elif value not in _CHOICES[what]:
        *first, last = _CHOICES[what]
        unit = " bytes" if what == "cache_line" else ""
        raise ConfigError(
            f"{what} must be {', '.join(map(str, first))} or {last}{unit}, not {value!r}"
        )
