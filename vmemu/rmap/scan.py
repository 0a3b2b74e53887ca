"""scan, Linux 2.4: no reverse map; reclaim sweeps page tables (csrc/rmap/scan.c)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from vmemu.core import PAGE_SIZE
from vmemu.rmap.base import RmapScheme

if TYPE_CHECKING:
    from vmemu.check import Survey

__all__ = ["SCHEMES", "Scan"]


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
        "swap_cache_hit",
    )
    predicted_as: ClassVar[str] = "scan"
    color: ClassVar[str] = "#7a5c2e"

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
