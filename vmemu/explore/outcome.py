"""What a run left behind, without what only the order of allocations decides.

Two runs have the same outcome when a program, and the kernel's own bookkeeping, could not
tell them apart: frames, swap slots and objects are numbered in the order in which the page
tables lead to them, and the order of lists does not count.
"""

from __future__ import annotations

import os
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from vmemu.core import PAGE_SHIFT, PAGE_SIZE, lib
from vmemu.frames import PTE_FILE, PTE_PRESENT, mem_map, user_ptes

if TYPE_CHECKING:
    from vmemu.explore.scenario import Scenario
    from vmemu.mm import Mm

__all__ = ["outcome"]

_FLAGS = lib.PG_referenced | lib.PG_uptodate | lib.PG_dirty | lib.PG_lru | lib.PG_active
_FLAGS |= lib.PG_reserved | lib.PG_swapcache | lib.PG_anon | lib.PG_locked | lib.PG_maplock


def outcome(scenario: Scenario) -> Hashable:
    """The state of a scenario's machine, comparable between runs."""
    survey = _Survey(scenario)
    mms = tuple(survey.mm(mm) for mm in scenario.vm.mms.values())
    results = tuple(
        result if isinstance(result, int) else type(result).__name__
        for result in scenario.results.values()
    )
    m = scenario.m
    caches = tuple(cache.nr_active for cache in m.k.caches)
    return (mms, results, survey.unmapped(), caches, m.k.zone.free_pages, m.vm_committed)


class _Survey:
    def __init__(self, scenario: Scenario) -> None:
        self.core, self.m = scenario.core, scenario.m
        self.rmap = scenario.vm.rmap
        self.pages = mem_map(scenario.core)
        self.numbers: dict[Any, int] = {}
        self.described: dict[int, Hashable] = {}  # frames, by pfn

    def number(self, kind: str, thing: int) -> int:
        """The rank of a thing among those of its kind, by when it was met."""
        if not thing:
            return -1
        return self.numbers.setdefault((kind, thing), len(self.numbers))

    def mm(self, mm: Mm) -> Hashable:
        ptr = mm.ptr
        vmas = tuple(
            (
                *(vma.vm_start, vma.vm_end, vma.vm_flags, vma.vm_page_prot, vma.vm_pgoff),
                self.number("rmap", self.rmap.object_of(vma)),
            )
            for vma in mm.vmas()
        )
        addresses, values = user_ptes(self.core, ptr)
        ptes = tuple(
            (address, self.pte(pte))
            for address, pte in zip(addresses.tolist(), values.tolist(), strict=True)
        )
        return (vmas, ptes, ptr.rss, ptr.total_vm, ptr.locked_vm, ptr.def_flags, ptr.mm_users)

    def pte(self, pte: int) -> Hashable:
        if pte & PTE_PRESENT:
            return (pte & 0xFFF, self.page(pte >> PAGE_SHIFT))
        if pte & PTE_FILE:
            return ("file", pte)
        return self.slot(pte)

    def page(self, pfn: int) -> Hashable:
        if pfn not in self.described:
            number = self.number("page", pfn)
            page = self.pages[pfn]
            swap = int(page["private"]) if page["flags"] & lib.PG_swapcache else 0
            users = self.core.lib.swap_count
            self.described[pfn] = (
                number,
                int(page["flags"]) & _FLAGS,
                int(page["count"]),
                int(page["mapcount"]),
                bytes(self.core.ffi.buffer(self.m.ram + (pfn << PAGE_SHIFT), PAGE_SIZE)),
                (self.number("slot", swap), users(self.m, swap)) if swap else None,
            )
            return self.described[pfn]
        return self.number("page", pfn)

    def slot(self, entry: int) -> Hashable:
        number = self.number("slot", entry)
        users = self.core.lib.swap_count(self.m, entry)
        page = self.core.lib.lookup_swap_cache(self.m, entry)
        if page:
            self.core.lib.put_page(self.m, page)
            return (number, users, self.page(self.core.lib.page_to_pfn(self.m, page)))
        info = self.m.swap.info[entry >> 1 & 0x1F]
        return (number, users, os.pread(info.fd, PAGE_SIZE, (entry >> 8) * PAGE_SIZE))

    def unmapped(self) -> Hashable:
        """Frames on an LRU list that no page table led to."""
        flags = self.pages["flags"]
        left = [
            pfn
            for pfn in ((flags & lib.PG_lru) != 0).nonzero()[0].tolist()
            if pfn not in self.described
        ]
        return tuple(
            sorted((int(flags[pfn]) & _FLAGS, int(self.pages["count"][pfn])) for pfn in left)
        )
