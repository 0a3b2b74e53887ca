"""Page tables, frames and memory as files: pagemap, kpagecount, kpageflags, mem.

The first three are tables of 64-bit entries, one for each page of an address space or each
frame (fs/proc/task_mmu.c, fs/proc/page.c).
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from vmemu.core import PAGE_SHIFT, PAGE_SIZE, Core, lib
from vmemu.errors import Errno
from vmemu.frames import PTE_FILE, PTE_PRESENT, mem_map, page_tables, ptes

if TYPE_CHECKING:
    from vmemu.mm import Mm
    from vmemu.typed import mm_struct

__all__ = ["KPageCount", "KPageFlags", "Memory", "PageMap"]

_ENTRY = 8
_PRESENT, _SWAP, _FILE, _EXCLUSIVE, _SOFT_DIRTY = (1 << bit for bit in (63, 62, 61, 56, 55))
_MAX_COUNT = 1 << 20
"""Bytes of entries that are made at once."""

_KPF = {
    lib.PG_locked: 0, lib.PG_referenced: 2, lib.PG_uptodate: 3, lib.PG_dirty: 4, lib.PG_lru: 5,
    lib.PG_active: 6, lib.PG_slab: 7, lib.PG_reclaim: 9, lib.PG_buddy: 10, lib.PG_anon: 12,
    lib.PG_swapcache: 13, lib.PG_pgtable: 26, lib.PG_reserved: 32,
}  # fmt: skip
"""Bits of struct page's flags, and which bit of an entry of kpageflags each is."""
_KPF_MMAP, _KPF_SWAPBACKED, _KPF_ZERO_PAGE = 11, 14, 24


class _Entries:
    """A table of 64-bit entries that is only read."""

    def read(self, offset: int, count: int) -> bytes:
        """Whole entries; Errno EINVAL for parts of one."""
        if offset % _ENTRY or count % _ENTRY:
            raise Errno(errno.EINVAL)
        first, last = offset // _ENTRY, self.length()
        last = min(last, first + min(count, _MAX_COUNT) // _ENTRY)
        return self.entries(first, last).astype("<u8").tobytes() if first < last else b""

    def write(self, offset: int, data: bytes) -> int:
        """Errno EINVAL."""
        raise Errno(errno.EINVAL)

    def length(self) -> int:
        """How many there are."""
        raise NotImplementedError

    def entries(self, first: int, last: int) -> Any:
        """Those from first up to, and without, last, as an array."""
        raise NotImplementedError


class PageMap(_Entries):
    """/proc/PID/pagemap: where each page of an address space is (pagemap_read)."""

    def __init__(self, memory: Callable[[], Mm | None]) -> None:
        self._memory = memory

    def length(self) -> int:
        """Pages below the end of user space."""
        mm = self._memory()
        return 0 if mm is None else mm.core.task_size >> PAGE_SHIFT

    def entries(self, first: int, last: int) -> Any:
        """Present, swapped, of a file, mapped once, soft-dirty; the frame, or the swap slot."""
        mm = self._memory()
        assert mm is not None
        core = mm.core
        start, end = first << PAGE_SHIFT, last << PAGE_SHIFT
        found = np.zeros(last - first, dtype=np.uint64)
        values = _range(core, mm.ptr, first, last)
        present = (values & PTE_PRESENT) != 0
        pfn = values >> PAGE_SHIFT
        pages = mem_map(core)[np.where(present, pfn, 0)]
        found[present] = pfn[present] | _PRESENT
        mapped = present & ((pages["flags"] & lib.PG_reserved) == 0)
        found[mapped & ((pages["flags"] & lib.PG_anon) == 0)] |= _FILE
        found[mapped & (pages["mapcount"] == 1)] |= _EXCLUSIVE
        swapped = ~present & (values != 0) & ((values & PTE_FILE) == 0)
        found[swapped] = _SWAP | values[swapped] >> 1 & 31 | values[swapped] >> 8 << 5
        clean = np.zeros(last - first, dtype=bool)
        for low, high in mm.clean:
            clean[_places(low, high, start, end)] = True
        soft_dirty = swapped | ((values & lib._PAGE_SOFT_DIRTY) != 0)
        for vma in mm.vmas():
            its = _places(vma.vm_start, vma.vm_end, start, end)
            if vma.vm_flags & lib.VM_SHARED:
                found[its][swapped[its]] |= _FILE
            soft_dirty[its] |= ~clean[its]
        found[soft_dirty] |= _SOFT_DIRTY
        return found


def _places(low: int, high: int, start: int, end: int) -> slice:
    """Where the pages of a range of addresses are among those of [start, end)."""
    low, high = max(low, start), min(high, end)
    return slice(low - start >> PAGE_SHIFT, max(low, high) - start >> PAGE_SHIFT)


def _range(core: Core, mm: mm_struct, first: int, last: int) -> Any:
    """The ptes of pages, 0 where there is none or no table, as an array of 64 bits."""
    values = np.zeros(last - first, dtype=np.uint64)
    per_table = 1 << core.lib.TABLE_BITS
    for table in page_tables(core, mm):
        at = table.address >> PAGE_SHIFT
        if table.level or at >= last or at + per_table <= first:
            continue
        low, high = max(at, first), min(at + per_table, last)
        values[low - first : high - first] = ptes(core, table.frame)[low - at : high - at]
    return values


class KPageCount(_Entries):
    """/proc/kpagecount: how many ptes map each frame (kpagecount_read)."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def length(self) -> int:
        """Frames."""
        return int(self._core.m.nr_frames)

    def entries(self, first: int, last: int) -> Any:
        """Their mapcounts."""
        return mem_map(self._core)["mapcount"][first:last]


class KPageFlags(KPageCount):
    """/proc/kpageflags: what each frame is (kpageflags_read)."""

    def entries(self, first: int, last: int) -> Any:
        """KPF_* bits."""
        pages = mem_map(self._core)[first:last]
        flags = pages["flags"]
        found = np.zeros(last - first, dtype=np.uint64)
        for bit, told in _KPF.items():
            found[(flags & bit) != 0] |= 1 << told
        found[pages["mapcount"] > 0] |= 1 << _KPF_MMAP
        found[(flags & (lib.PG_anon | lib.PG_swapcache)) != 0] |= 1 << _KPF_SWAPBACKED
        zero = lib.ZERO_PAGE_PFN - first
        if 0 <= zero < len(found):
            found[zero] |= 1 << _KPF_ZERO_PAGE
        return found


class Memory:
    """/proc/PID/mem: the memory of a task at its addresses (mem_rw)."""

    def __init__(self, memory: Callable[[], Mm | None]) -> None:
        self._memory = memory

    def read(self, offset: int, count: int) -> bytes:
        """Bytes as far as they can be read; Errno EIO when none can."""
        mm = self._memory()
        found = b""
        while mm is not None and len(found) < count:
            at = offset + len(found)
            piece = min(count - len(found), PAGE_SIZE - at % PAGE_SIZE)
            try:
                if at + piece > mm.core.task_size:
                    raise Errno(errno.EFAULT)
                found += mm.read(at, piece)
            except Errno:
                if not found:
                    raise Errno(errno.EIO) from None
                break
        return found

    def write(self, offset: int, data: bytes) -> int:
        """Store bytes as far as they can be written; Errno EIO when none can."""
        mm = self._memory()
        if mm is None:
            return 0
        fits = max(0, min(len(data), mm.core.task_size - offset))
        done = mm.write_some(offset, data[:fits]) if fits else 0
        if not done:
            raise Errno(errno.EIO)
        return done
