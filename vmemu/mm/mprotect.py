"""mprotect: one range, its flags, its merges (mm/mprotect.c after rmap 36)."""

from __future__ import annotations

import errno
from typing import Any

from vmemu.core import PAGE_SHIFT, lib
from vmemu.errors import Errno
from vmemu.mm.consts import PROT_EXEC, PROT_GROWSDOWN, PROT_READ, PROT_WRITE
from vmemu.mm.mm import Mm, mmap_sem_write
from vmemu.mm.mmap import page_align, prot_to_flags
from vmemu.mm.vma import find_vma_prev, split_vma, vma_merge

__all__ = ["do_mprotect"]

_RWX = lib.VM_READ | lib.VM_WRITE | lib.VM_EXEC


@mmap_sem_write
def do_mprotect(mm: Mm, addr: int, length: int, prot: int) -> None:
    """Set PROT_* for a range (``sys_mprotect``).

    Errno EINVAL, ENOMEM (a hole in the range, or no memory), EACCES.  As in Linux, what
    precedes the hole is changed nevertheless.
    """
    growsdown = prot & PROT_GROWSDOWN
    prot &= ~PROT_GROWSDOWN
    if addr & 0xFFF or prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC):
        raise Errno(errno.EINVAL)
    end = addr + page_align(length)
    if end > mm.core.mask or end < addr:
        raise Errno(errno.ENOMEM)
    if end == addr:
        return
    vma, prev = find_vma_prev(mm, addr)
    if vma is None:
        raise Errno(errno.ENOMEM)
    if growsdown:
        if vma.vm_start >= end:
            raise Errno(errno.ENOMEM)
        if not vma.vm_flags & lib.VM_GROWSDOWN:
            raise Errno(errno.EINVAL)
        addr = vma.vm_start
    elif vma.vm_start > addr:
        raise Errno(errno.ENOMEM)
    if addr > vma.vm_start:
        prev = vma
    start = addr
    while True:
        flags = prot_to_flags(prot) | (vma.vm_flags & ~_RWX)
        if (flags & ~(flags >> 4)) & _RWX:  # wants what VM_MAY* does not grant
            raise Errno(errno.EACCES)
        stop = min(vma.vm_end, end)
        prev = _fixup(mm, vma, prev, start, stop, flags)
        start = max(stop, prev.vm_end)
        if start >= end:
            break
        vma = mm.next_vma(prev)
        if vma is None or vma.vm_start != start:
            raise Errno(errno.ENOMEM)
    mm.core.event(lib.EV_mprotect, addr, end, prot_to_flags(prot))
    mm.core.check_bug()


def _fixup(mm: Mm, vma: Any, prev: Any, start: int, end: int, flags: int) -> Any:
    """Change [start, end), part of ``vma``; the vma that holds it afterwards."""
    if flags == vma.vm_flags:
        return vma
    pages = (end - start) >> PAGE_SHIFT
    if flags & lib.VM_WRITE and not vma.vm_flags & (lib.VM_ACCOUNT | lib.VM_WRITE | lib.VM_SHARED):
        flags |= lib.VM_ACCOUNT
        with mm.vm.commit.promise(pages):
            vma = _set_apart(mm, vma, prev, start, end, flags)
    else:
        vma = _set_apart(mm, vma, prev, start, end, flags)
    m, prot = mm.core.m, mm.core.lib.vm_page_prot(flags)
    too_early = bool(m.watch.mutations & lib.MUTATE_g)
    if too_early:
        mm.core.lib.change_protection(m, mm.ptr, vma, start, end, prot)
    mm.core.lib.vma_set_flags(m, vma, flags)
    if not too_early:  # what was mapped with the old protection meanwhile is put right
        mm.core.lib.change_protection(m, mm.ptr, vma, start, end, prot)
    return vma


def _set_apart(mm: Mm, vma: Any, prev: Any, start: int, end: int, flags: int) -> Any:
    """Merge [start, end) with what will be like it, or cut it out of ``vma``; where it is now."""
    pgoff = vma.vm_pgoff + ((start - vma.vm_start) >> PAGE_SHIFT)
    merged = vma_merge(mm, prev, start, end, flags, vma, vma.vm_file, pgoff)
    if merged is not None:
        return merged
    if start != vma.vm_start:
        split_vma(mm, vma, start, new_below=True)
    if end != vma.vm_end:
        split_vma(mm, vma, end, new_below=False)
    return vma
