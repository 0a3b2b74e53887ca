"""Which vmas merge, split and slide: rmap 36's single merge engine.

After mm/mmap.c of 2.6.7 (``vma_merge``, ``vma_adjust``, ``split_vma``).  With P the vma
before, N the one behind and A the area that changes:

    1  A fills the gap P..N          all three become one
    2  A follows P                   P grows up
    3  A precedes N                  N grows down
    4  A is P's tail, next to N      the boundary moves down: P shrinks, N grows
    5  A is N's head, next to P      the boundary moves up: P grows, N shrinks
    6  A is all of N, X follows      P, N and X become one
    7  A is all of N                 P swallows N
    8  A is all of N, X follows      N's struct is extended over X; the caller must give it
                                     X's flags

The scheme says which anonymous areas may become one, and whether offsets matter.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from vmemu.core import PAGE_SHIFT, ffi, lib
from vmemu.errors import Errno

if TYPE_CHECKING:
    from vmemu.mm.mm import Mm

__all__ = ["cut_out", "find_vma_prev", "new_vma", "split_vma", "vma_merge"]


def find_vma_prev(mm: Mm, address: int) -> tuple[Any, Any]:
    """``(vma, prev)``: the first vma that ends above ``address`` and the one before it."""
    out = mm.vm.vma_out
    vma = mm.core.lib.find_vma_prev(mm.core.m, mm.ptr, address, out)
    return (vma or None), (out[0] or None)


def new_vma(mm: Mm, start: int, end: int, flags: int, file: int = 0, pgoff: int = -1) -> Any:
    """Allocate and link a vma; ``pgoff`` defaults to the address.  Errno ENOMEM."""
    m = mm.core.m
    vma = mm.core.lib.vma_alloc(m)
    if not vma:
        raise Errno(errno.ENOMEM)
    vma.vm_start, vma.vm_end = start, end
    vma.vm_flags = flags
    vma.vm_page_prot = mm.core.lib.vm_page_prot(flags)
    vma.vm_file = file
    vma.vm_pgoff = start >> PAGE_SHIFT if pgoff < 0 else pgoff
    mm.core.lib.vma_link(m, mm.ptr, vma)
    return vma


def split_vma(mm: Mm, vma: Any, address: int, *, new_below: bool) -> Any:
    """Cut ``vma`` in two at ``address``; returns the new part.  Errno ENOMEM.

    ``vma`` keeps the upper part if ``new_below``, else the lower one.
    """
    m = mm.core.m
    if mm.ptr.map_count >= mm.vm.max_map_count:
        raise Errno(errno.ENOMEM)
    new = mm.core.lib.vma_alloc(m)
    if not new:
        raise Errno(errno.ENOMEM)
    mm.core.lib.vma_copy(m, new, vma)
    if new_below:
        new.vm_end = address
    else:
        new.vm_start = address
        new.vm_pgoff = (vma.vm_pgoff + ((address - vma.vm_start) >> PAGE_SHIFT)) & mm.core.mask
    if not mm.vm.rmap.vma_clone(new, vma):
        mm.core.lib.vma_free(m, new)
        raise Errno(errno.ENOMEM)
    if new_below:
        mm.core.lib.vma_adjust(m, vma, address, vma.vm_end, new)
    else:
        mm.core.lib.vma_adjust(m, vma, vma.vm_start, address, new)
    return new


def cut_out(mm: Mm, vma: Any, start: int, end: int) -> None:
    """Leave ``vma`` with [start, end) alone, for new flags that never merge it back.

    As mlock and madvise do; Errno EAGAIN when there is no memory for the other parts.
    """
    try:
        if start != vma.vm_start:
            split_vma(mm, vma, start, new_below=True)
        if end != vma.vm_end:
            split_vma(mm, vma, end, new_below=False)
    except Errno:
        raise Errno(errno.EAGAIN) from None


def _adjacent(mm: Mm, low: Any, high_flags: int, high_file: int, high_pgoff: int) -> bool:
    """``low`` may be continued by an area with these attributes, the scheme apart."""
    if low.vm_flags != high_flags or low.vm_file != high_file:
        return False
    if not high_file and not mm.vm.rmap.anon_pgoff_matters:
        return True
    pages = (low.vm_end - low.vm_start) >> PAGE_SHIFT
    joined: int = (low.vm_pgoff + pages) & mm.core.mask
    return joined == high_pgoff & mm.core.mask


def _before(mm: Mm, high: Any, flags: int, file: int, pgoff_end: int) -> bool:
    """An area with these attributes, ending at ``pgoff_end``, may precede ``high``."""
    if high.vm_flags != flags or high.vm_file != file:
        return False
    if not file and not mm.vm.rmap.anon_pgoff_matters:
        return True
    same: bool = high.vm_pgoff == pgoff_end & mm.core.mask
    return same


def vma_merge(
    mm: Mm,
    prev: Any,
    start: int,
    end: int,
    flags: int,
    anon_from: Any = None,
    file: int = 0,
    pgoff: int = 0,
) -> Any:
    """Give [start, end) with these attributes to a neighbour; the resulting vma or None.

    ``prev`` is the vma before ``start``, or the one whose tail the area is (case 4), or
    None; ``anon_from`` the vma whose anonymous pages the area holds, or None when it holds
    none; ``pgoff`` in pages.  After case 8 the caller writes flags and protection.  None, too,
    where the scheme has no memory for it.
    """
    if flags & lib.VM_RESERVED or (file and mm.vm.inodes.never_merges(file)):
        return None
    rmap = mm.vm.rmap
    area = nxt = mm.next_vma(prev)
    if nxt is not None and nxt.vm_end == end:
        nxt = mm.next_vma(nxt)
    pages = (end - start) >> PAGE_SHIFT
    joins_next = (
        nxt is not None
        and nxt.vm_start == end
        and _before(mm, nxt, flags, file, pgoff + pages)
        and rmap.can_merge(nxt, anon_from)
    )
    if (
        prev is not None
        and prev.vm_end == start
        and _adjacent(mm, prev, flags, file, pgoff)
        and rmap.can_merge(prev, anon_from)
    ):
        if joins_next and rmap.can_merge(prev, nxt):
            return _extend_up(mm, prev, nxt.vm_end, anon_from)  # cases 1, 6
        return _extend_up(mm, prev, end, anon_from)  # cases 2, 5, 7
    if not joins_next:
        return None
    if prev is not None and start < prev.vm_end:  # case 4
        if not rmap.vma_absorb(nxt, prev):
            return None
        mm.core.lib.vma_adjust(mm.core.m, prev, prev.vm_start, start, ffi.NULL)
        return nxt
    if area.vm_start == nxt.vm_start:  # case 3
        if anon_from is not None and not rmap.vma_absorb(nxt, anon_from):
            return None
        mm.core.lib.vma_adjust(mm.core.m, nxt, start, nxt.vm_end, ffi.NULL)
        return nxt
    return _extend_up(mm, area, nxt.vm_end, anon_from)  # case 8


def _extend_up(mm: Mm, vma: Any, end: int, anon_from: Any) -> Any:
    """Let ``vma`` reach up to ``end``, over any vma that stands there; it, or None.

    ``anon_from`` may be none of these: mremap brings pages from elsewhere.
    """
    m, rmap = mm.core.m, mm.vm.rmap
    swallowed = []
    nxt = mm.next_vma(vma)
    while nxt is not None and nxt.vm_start < end:  # what may fail, before anything moves
        whole = nxt.vm_end <= end
        if not (rmap.vma_merge if whole else rmap.vma_absorb)(vma, nxt):
            return None
        if not whole:
            break  # case 5: only its head
        swallowed.append(nxt)
        nxt = mm.next_vma(nxt)
    if anon_from is not None and not rmap.vma_absorb(vma, anon_from):
        return None
    for nxt in swallowed:
        mm.core.lib.vma_adjust(m, vma, vma.vm_start, nxt.vm_end, ffi.NULL)
        rmap.vma_free(nxt)
        mm.core.lib.vma_free(m, nxt)
    if vma.vm_end < end:
        mm.core.lib.vma_adjust(m, vma, vma.vm_start, end, ffi.NULL)
    return vma
