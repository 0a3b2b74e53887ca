"""The memory manager of one machine: what its address spaces share."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vmemu.core import PAGE_SHIFT, Core, lib
from vmemu.errors import Errno
from vmemu.mm.fault import do_page_fault
from vmemu.mm.mm import Mm
from vmemu.reclaim.vmscan import Reclaim
from vmemu.rmap.base import RmapScheme
from vmemu.swap.area import SwapAreas

if TYPE_CHECKING:
    from vmemu.file.inode import Inode

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
        core.m.overcommit_memory = overcommit
        core.m.overcommit_ratio = overcommit_ratio
        self.topdown = topdown
        self.mms: dict[int, Mm] = {}  # by kptr, in order of creation
        self.inodes: dict[int, Inode] = {}  # by kptr
        self.next_inode = 1
        self.vma_out: Any = core.ffi.new("struct vm_area_struct **")
        self.swap = SwapAreas(self)
        self.reclaim = Reclaim(self, swappiness)
        self.oom: Callable[[MemoryManager], bool] | None = None
        core.on_fault = self._on_fault
        core.on_reclaim = self._on_reclaim

    # ---- faults

    def _on_fault(self, mm: Any, address: int, access: int) -> int:
        return do_page_fault(self, mm, address, access)

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

    # ---- promises

    def acct_memory(self, pages: int) -> None:
        """Promise pages (``security_vm_enough_memory``); Errno ENOMEM."""
        if self.core.lib.vm_enough_memory(self.core.m, pages):
            raise Errno(errno.ENOMEM)

    def unacct_memory(self, pages: int) -> None:
        """Take back a promise (``vm_unacct_memory``)."""
        self.core.m.vm_committed -= pages

    @property
    def committed(self) -> int:
        """Pages promised by now."""
        return int(self.core.m.vm_committed)

    @property
    def overcommit(self) -> int:
        """sysctl vm.overcommit_memory."""
        return int(self.core.m.overcommit_memory)

    @property
    def overcommit_ratio(self) -> int:
        """sysctl vm.overcommit_ratio, percent."""
        return int(self.core.m.overcommit_ratio)

    def may_expand(self, mm: Mm, pages: int) -> None:
        """Errno ENOMEM when ``pages`` more would break RLIMIT_AS."""
        if (mm.ptr.total_vm + pages) << PAGE_SHIFT > mm.rlimits.as_:
            raise Errno(errno.ENOMEM)
