"""The memory manager of one machine: what its address spaces share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vmemu.core import Core, lib
from vmemu.file.inode import Inodes
from vmemu.mm.commit import Commit
from vmemu.mm.consts import MAX_MAP_COUNT
from vmemu.mm.fault import Faults
from vmemu.mm.mm import Mm
from vmemu.reclaim.vmscan import Reclaim
from vmemu.rmap.base import RmapScheme
from vmemu.swap.area import SwapAreas

__all__ = ["MemoryManager"]


class MemoryManager:
    """Policy over one :class:`~vmemu.core.Core`: scheme, swap, reclaim, overcommit.

    ``overcommit`` and ``overcommit_ratio`` (percent) are sysctl vm.overcommit_memory and
    vm.overcommit_ratio; ``topdown`` places mappings below the stack instead of above
    TASK_UNMAPPED_BASE; ``swappiness`` 0..100.
    """

    def __init__(
        self,
        core: Core,
        rmap: RmapScheme,
        *,
        swappiness: int = 60,
        overcommit: int = lib.OVERCOMMIT_GUESS,
        overcommit_ratio: int = 50,
        topdown: bool = False,
    ) -> None:
        self.core = core
        self.rmap = rmap
        self.topdown = topdown
        self.mms: dict[int, Mm] = {}  # by kptr, in order of creation
        self.vma_out: Any = core.ffi.new("struct vm_area_struct **")
        self.commit = Commit(core, overcommit, overcommit_ratio)
        self.inodes = Inodes(core)
        self.swap = SwapAreas(core, self.commit, self.mms)
        self.reclaim = Reclaim(core, swappiness)
        self.max_map_count = MAX_MAP_COUNT  # sysctl vm.max_map_count: areas of an mm
        self.oom: Callable[[MemoryManager], bool] | None = None
        core.on_fault = Faults(core, rmap, self.commit, self.mms).do_page_fault
        core.on_reclaim = self._on_reclaim

    # ---- faults

    def fault(self, mm: Mm, address: int, access: int) -> int:
        """Resolve one fault of ``mm`` outside the TLB-fill hook: ``enum fault_result``."""
        result: int = self.core.lib.page_fault(self.core.m, mm.ptr, address, access)
        self.core.check_bug()
        return result

    # ---- memory pressure

    def _on_reclaim(self, gfp: int) -> int:
        """An allocation found too little memory: how hard something was freed (0 = not)."""
        freed = self.reclaim.try_to_free_pages()
        if freed:
            return freed
        if self.oom is not None and self.oom(self):
            return 1
        return 0

    def kswapd_if_wanted(self) -> None:
        """Run kswapd when an allocation found memory below pages_low."""
        if self.core.m.pages.want_kswapd:
            self.reclaim.balance_pgdat()
            self.core.check_bug()

    def reclaim_range(self, mm: Mm, start: int, end: int) -> int:
        """Evict every page of [start, end) in ``mm``, for the lab: ptes unmapped."""
        start &= ~0xFFF
        gone: int = self.core.lib.pageout_range(self.core.m, mm.ptr, start, end)
        self.core.check_bug()
        return gone
