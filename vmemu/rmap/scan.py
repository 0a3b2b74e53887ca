"""scan, Linux 2.4: no reverse map; reclaim sweeps page tables (csrc/rmap/scan.c)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from vmemu.core import PAGE_SIZE
from vmemu.rmap.base import RmapScheme

if TYPE_CHECKING:
    from vmemu.check import Survey

__all__ = ["SCHEMES", "Scan"]

# Sweeps of the lab are for one page each and go on where the one before ended.  The first
# goes round all mms once and makes their ptes old, and then to the page; from then on a
# page takes one pass over what lies between one of its ptes and the last of them.  An mm
# stands on mmlist where it was made.  Ptes of a child are old until it uses the page.
_NO_WALK = "there are no walks"
_OWN = "once round, and to the first page; the next one is the next pte"
_PAIR = "round, and to the page: the child's pte is old, the parent's is not; then one more each"
_OTHERS = "the first to come back reads the page, the others find it"


def _swept(
    ptes: str, mms: str = "", mms_why: str = _OWN, hits: str = "0", hits_why: str = ""
) -> dict[str, tuple[str, str]]:
    """Of a scenario whose pages have so many ptes, which the lab wants gone."""
    figures = dict.fromkeys(("unmap_pages", "unmap_probes", "unmap_cmp"), ("0", _NO_WALK))
    figures["sweep_unmapped"] = (
        f"{ptes} + sweep_collateral",
        "each pte of a wanted page, and what it met on the way",
    )
    if mms:
        figures["sweep_mms"] = (mms, mms_why)
    figures["swap_cache_hit"] = (hits, hits_why or "nobody else has the pages")
    return figures


_NOTHING = dict.fromkeys(
    ("sweep_ptes", "sweep_mms", "sweep_unmapped"), ("0", "nothing is unmapped")
)

PREDICTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "private-pages": _swept("PAGES", "PAGES + 1"),
    "zero-page": _NOTHING,
    "swap-storm": {
        "unmap_pages": ("0", _NO_WALK),
        "unmap_probes": ("0", _NO_WALK),
        "referenced_probes": ("0", _NO_WALK),
    },
    "overhead": _NOTHING,
    "fork-server": _swept(
        "R * N",
        "R * N + 2 * N + 1",
        "once round N + 1; the parent's; then for each child R, and the one before's end",
    ),
    "fork-readers": _swept(
        "R * (N + 1)",
        "(R + 1) * (N + 1)",
        "once round, then once for each page, whose ptes lie in all mms",
        "R * N",
        _OTHERS,
    ),
    "late-subfamily": _swept(
        "R * (GRAND + 1)",
        "N + 4 + R // 2 * (N + 1) + (R - 1) // 2 * 3 if GRAND else N + R + 2",
        "the grandchild is the last: from child 1 past N - 1 idle ones to it, and for the "
        "next page past the root to child 1",
        "R * GRAND",
        _OTHERS,
    ),
    "orphans": {
        **_swept(
            "R * N",
            "R * (N + 1) - (R - 1) // N",
            "ptes are old from fork on: once for each page, past the first process, unless "
            "the page before ended with child 1",
            "R * (N - 1)",
            _OTHERS,
        ),
        "referenced_probes": ("0", _NO_WALK),
        "referenced_cmp": ("0", _NO_WALK),
    },
    "fork-chain": {
        **_NOTHING,
        "referenced_pages": ("0", _NO_WALK),
        "referenced_probes": ("0", _NO_WALK),
        "referenced_cmp": ("0", _NO_WALK),
    },
    "fork-brk": _swept("2 * R", "2 * R + 3", "twice past the parent"),
    "mremap-exclusive": _swept("R", "R + 1"),
    "mremap-shared": {
        **_swept("2 * R", "2 * R + 1", _PAIR, "R", _OTHERS),
        "copies": ("0", "no page says where it is"),
    },
    "mremap-then-fork": _swept("2 * R", "2 * R + 1", _PAIR, "R", _OTHERS),
    "mremap-swapclash": {**_NOTHING, "copies": ("0", "no page says where it is")},
    "mremap-data": {
        **_swept("32", "33", _PAIR, "16", _OTHERS),
        "copies": ("0", "no page says where it is"),
    },
    "merge-arena": {
        **_swept("R * (1 + WRITTEN)", "R * (1 + WRITTEN) + 1"),
        "vmas": ("1", "offsets of anonymous areas do not matter"),
    },
    "efault": {
        **_NOTHING,
        "errno": ("0", "the areas are one again"),
        "vmas": ("1", "areas merge whatever was written"),
    },
    "mprotect-halves": {
        **_swept("2 * R", "2 * R + 1"),
        "vmas": ("1", "areas merge whatever was written"),
    },
    "mprotect-stripes": {
        **_swept("K * R", "K * R + 1"),
        "vmas": ("1", "areas merge whatever was written"),
    },
    "mprotect-checkerboard": {
        **_swept("K", "K + 1"),
        "vmas": ("1", "areas merge whatever was written"),
    },
    "cut-vma": _swept("K", "K + 1"),
    "cut-vma-fork": _swept(
        "(K + 1) // 2 + K // 2 * (N + 1)",
        "N + 2 + K // 2 * (N + 1) + 2 * ((K + 1) // 2 - 1)",
        "once round and to the parent's first; a shared page takes all mms, the one behind "
        "it, the parent's own, two",
        "K // 2 * N",
        _OTHERS,
    ),
    "vm-flags-locking": _swept("V * R"),
    "fork-depth": _swept(
        "R * (1 if WRITE else D + 1)", hits="0 if WRITE else R * D", hits_why=_OTHERS
    ),
    "fork-bench": _swept("R * 2**LEVEL", hits="R * (2**LEVEL - 1)", hits_why=_OTHERS),
    "exec-family": _swept("R * N"),
    "zygote": _swept("V * N"),
    "process-tree": _swept("mappings", hits="mappings - R", hits_why=_OTHERS),
    "hole": _swept("2 * R * (N + 1)", hits="2 * R * N", hits_why=_OTHERS),
    "merge-order": _swept("R"),
}


class Scan(RmapScheme):
    """Nothing per page or vma; a cursor per mm, and one that says whose turn it is."""

    name: ClassVar[str] = "scan"
    walker: ClassVar[str] = "scan"
    summary: ClassVar[str] = "Linux 2.4: no reverse map, page tables are swept (to 2.5.26)"
    sweeps: ClassVar[bool] = True
    counters: ClassVar[tuple[str, ...]] = (
        "sweep_ptes",
        "sweep_mms",
        "sweep_unmapped",
        "sweep_collateral",
    )
    watch: ClassVar[tuple[str, ...]] = ("swap_cache_hit",)
    predicted_as: ClassVar[str] = "scan"
    predictions: ClassVar[Mapping[str, Mapping[str, tuple[str, str]]]] = PREDICTIONS
    color: ClassVar[str] = "#8a6d3b"

    def tail(self, mm: Any) -> Any:
        """``struct scan_tail *`` of an mm."""
        return self._ffi.cast("struct scan_tail *", mm + 1)

    def mm_fields(self, mm: Any) -> Mapping[str, int]:
        """Where the sweep goes on."""
        return {"swap_address": self.core.kaddr(self._ffi.addressof(self.tail(mm), "swap_address"))}

    def check(self, survey: Survey) -> None:
        """swap_mm is an mm; each cursor is a page of user memory, or its end."""
        cursor = self.core.m.k.rmap.cursor
        if cursor and cursor not in survey.vm.mms:
            survey.fail(f"swap_mm {cursor:#x} is no mm")
        for mm in survey.vm.mms.values():
            address = self.tail(mm.ptr).swap_address
            if address % PAGE_SIZE or address > self.core.m.task_size:
                survey.fail(f"the sweep of mm {mm.kaddr:#x} goes on at {address:#x}")


SCHEMES = (Scan,)
