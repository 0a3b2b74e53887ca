"""Which figures there are: what a run of a scenario can measure, and formulas can name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmemu.lab.scenario import Scenario
    from vmemu.rmap.base import RmapScheme

__all__ = [
    "COUNTS",
    "FILE_WALKS",
    "LOCKS",
    "OBJECTS",
    "SHARING",
    "WALKS",
    "figures_of",
    "options_of",
]

COUNTS = ("probes", "cmp", "pages")
"""What is counted of a walk."""
WALKS = tuple(f"{what}_{key}" for what in ("unmap", "referenced") for key in COUNTS)
"""Of the lab's action alone, or of the whole run (`Scenario.whole_run`)."""
FILE_WALKS = tuple(f"file_{name}" for name in WALKS)
"""The same of pages of files, of scenarios that ask for them (`Scenario.figures`)."""
LOCKS = {"rmap_locks": "rmap", "page_map_locks": "page_map"}
"""Acquisitions of these classes of locks."""
SHARING = ("wrongly_shared", "uss_error", "pss_error")
"""Where another rule than mapcount ends walks; ``rmap_wasted`` as well."""
OBJECTS = "objects_"
"""Before the name of a slab cache: its objects at the mark."""


def figures_of(scenario: Scenario, schemes: Iterable[type[RmapScheme]]) -> set[str]:
    """Every figure that a scenario can give under one of these schemes at least."""
    from vmemu.lab.slabs import SHARED

    found = {*WALKS, *LOCKS, *SHARING, "rmap_wasted", "copies", "vmas"}
    found |= {*scenario.figures, *scenario.watch, *scenario.tells.values()}
    found |= {OBJECTS + cache for cache in SHARED}
    for scheme in schemes:
        found |= {*scheme.counters, *scheme.watch, *scheme.mark_figures()}
        found |= {OBJECTS + cache for cache in scheme.caches}
    return found


def options_of(schemes: Iterable[type[RmapScheme]]) -> set[str]:
    """Every option of schemes, as formulas name them: LINE, STOP."""
    return {name.upper() for scheme in schemes for name in scheme.all_options()}
