"""mremap: shrink, grow in place, move (mm/mremap.c of 2.6.7).

A range that spans vmas is -EFAULT: whether areas merged before is thus visible to the
program, and depends on the reverse map.
"""

from __future__ import annotations

import contextlib
import errno
from typing import Any

from vmemu.core import PAGE_SHIFT, ffi, lib
from vmemu.errors import Errno
from vmemu.mm.consts import MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE
from vmemu.mm.mm import Mm, mmap_sem_write
from vmemu.mm.mmap import get_unmapped_area, munmap_locked, page_align
from vmemu.mm.vma import cut_out, find_vma_prev, vma_merge

__all__ = ["do_mremap"]

_LOCKED = lib.VM_LOCKED | lib.VM_LOCKONFAULT
_FLAGS = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP


@mmap_sem_write
def do_mremap(mm: Mm, old: int, old_length: int, new_length: int, flags: int, new: int = 0) -> int:
    """Resize or move a mapping (``do_mremap``); its address.

    With an old length of 0 shared memory is mapped once more.

    Errno EINVAL, EFAULT (no mapping, or more than one vma), ENOMEM, EAGAIN.
    """
    address = _mremap(mm, old, old_length, new_length, flags, new)
    mm.core.event(lib.EV_mremap, old, address, page_align(new_length))
    mm.core.check_bug()
    return address


def _mremap(mm: Mm, old: int, old_length: int, new_length: int, flags: int, new: int) -> int:
    fixed = bool(flags & MREMAP_FIXED)
    stays = bool(flags & MREMAP_DONTUNMAP)
    if flags & ~_FLAGS or old & 0xFFF or (stays and not flags & MREMAP_MAYMOVE):
        raise Errno(errno.EINVAL)
    old_length, new_length = (
        page_align(old_length) & mm.core.mask,
        page_align(new_length) & mm.core.mask,
    )
    if not new_length or (stays and old_length != new_length):
        raise Errno(errno.EINVAL)
    if fixed or stays:
        if new & 0xFFF or not flags & MREMAP_MAYMOVE:
            raise Errno(errno.EINVAL)
        if new_length > mm.core.task_size or new > mm.core.task_size - new_length:
            raise Errno(errno.EINVAL)
        if new <= old < new + new_length or old <= new < (old + old_length) & mm.core.mask:
            raise Errno(errno.EINVAL)
    if fixed:
        munmap_locked(mm, new, new_length)
    if old_length >= new_length:
        if old_length > new_length:
            munmap_locked(mm, old + new_length, old_length - new_length)
        if not stays and (not fixed or new == old):
            return old
        old_length = new_length
    vma, _ = find_vma_prev(mm, old)
    _check_area(mm, vma, old, old_length, new_length, stays=stays)
    grown = new_length - (0 if stays else old_length) >> PAGE_SHIFT
    accounted = bool(vma.vm_flags & lib.VM_ACCOUNT)
    with mm.vm.commit.promise(grown) if accounted else contextlib.nullcontext():
        whole = old_length == vma.vm_end - old
        if not (fixed or stays) and whole and _grow(mm, vma, old, new_length):
            return old
        if not flags & MREMAP_MAYMOVE:
            raise Errno(errno.ENOMEM)
        if not fixed:
            new = get_unmapped_area(mm, new if stays else 0, new_length)
        _move_vma(mm, vma, old, old_length, new, new_length, stays=stays)
    return new


def _check_area(
    mm: Mm, vma: Any, old: int, old_length: int, new_length: int, *, stays: bool
) -> None:
    if vma is None or vma.vm_start > old or old_length > vma.vm_end - old:
        raise Errno(errno.EFAULT)
    if not old_length and not vma.vm_flags & lib.VM_MAYSHARE:
        raise Errno(errno.EINVAL)
    if vma.vm_flags & lib.VM_DONTEXPAND and new_length > old_length:
        raise Errno(errno.EFAULT)
    last = vma.vm_pgoff + (old - vma.vm_start + new_length >> PAGE_SHIFT)
    if vma.vm_file and last > mm.core.mask:
        raise Errno(errno.EINVAL)
    grown = new_length - (0 if stays else old_length) >> PAGE_SHIFT
    locked = mm.ptr.locked_vm + grown if vma.vm_flags & lib.VM_LOCKED else 0
    if locked << PAGE_SHIFT > mm.lock_limit:
        raise Errno(errno.EAGAIN)
    mm.may_expand(grown)


def _grow(mm: Mm, vma: Any, old: int, new_length: int) -> bool:
    """Extend the vma's end in place, if nothing stands there."""
    nxt = mm.next_vma(vma)
    room = (nxt.vm_start if nxt is not None else mm.core.task_size) - old
    if room < new_length:
        return False
    end, pages = old + new_length, (old + new_length - vma.vm_end) >> PAGE_SHIFT
    before = vma.vm_end
    mm.core.lib.vma_adjust(mm.core.m, vma, vma.vm_start, end, ffi.NULL)
    mm.account(pages, vma.vm_flags)
    if vma.vm_flags & _LOCKED == lib.VM_LOCKED:
        mm.make_present(before, end, write=bool(vma.vm_flags & lib.VM_WRITE))
    return True


def _copy_vma(mm: Mm, vma: Any, new: int, length: int, pgoff: int) -> tuple[Any, Any]:
    """The vma at the new place, and the one the old range is in now (``copy_vma``)."""
    m, rmap = mm.core.m, mm.vm.rmap
    if not vma.vm_file and not rmap.has_anon(vma):
        pgoff = new >> PAGE_SHIFT  # nothing depends on the old one: merge better
    _, prev = find_vma_prev(mm, new)
    source = vma.vm_start
    merged = vma_merge(mm, prev, new, new + length, vma.vm_flags, vma, vma.vm_file, pgoff)
    if merged is not None:
        if merged.vm_start <= source < merged.vm_end:
            vma = merged  # it reached the source and took it in
        return merged, vma
    copy = mm.core.lib.vma_alloc(m)
    if not copy:
        raise Errno(errno.ENOMEM)
    mm.core.lib.vma_copy(m, copy, vma)
    copy.vm_start, copy.vm_end, copy.vm_pgoff = new, new + length, pgoff & mm.core.mask
    if not rmap.vma_clone(copy, vma):
        mm.core.lib.vma_free(m, copy)
        raise Errno(errno.ENOMEM)
    mm.core.lib.vma_came_from(m, copy, lib.CAME_MOVED, vma.vm_start)
    mm.core.lib.vma_link(m, mm.ptr, copy)
    rmap.vma_split(copy, vma)
    return copy, vma


def _move_vma(
    mm: Mm, vma: Any, old: int, old_length: int, new: int, new_length: int, *, stays: bool = False
) -> None:
    """Move page tables to a new vma and unmap the old range (``move_vma``).

    ``stays``: it is empty then, but not unmapped, and not locked.
    """
    m, ptr = mm.core.m, mm.ptr
    if ptr.map_count >= mm.vm.max_map_count - 3:
        raise Errno(errno.ENOMEM)
    flags = vma.vm_flags
    pgoff = vma.vm_pgoff + ((old - vma.vm_start) >> PAGE_SHIFT)
    target, vma = _copy_vma(mm, vma, new, new_length, pgoff)
    moved = 0
    if old_length and mm.vm.rmap.area_moves(ptr, old, old_length, new, new_length):
        moved = mm.core.lib.move_page_tables(m, ptr, vma, old, target, new, old_length)
    failed = moved < old_length
    if failed:  # no memory on the way: bring back what went
        mm.core.lib.move_page_tables(m, ptr, target, new, vma, old, moved)
    pages = new_length >> PAGE_SHIFT
    mm.account(pages, flags)
    if flags & lib.VM_ACCOUNT and (failed or not stays):
        # munmap takes back what the area that goes has promised: the promise moves.
        mm.vm.commit.move((new_length if failed else old_length) >> PAGE_SHIFT)
    if failed:
        with contextlib.suppress(Errno):
            munmap_locked(mm, new, new_length)
        raise Errno(errno.ENOMEM)
    mm.forget_clean(old, old + old_length)
    if stays:
        _left_behind(mm, old, old_length)
        return
    with contextlib.suppress(Errno):  # no memory to split it: it stays, empty
        munmap_locked(mm, old, old_length)
    if flags & _LOCKED == lib.VM_LOCKED and new_length > old_length:
        mm.make_present(new + old_length, new + new_length, write=bool(flags & lib.VM_WRITE))


def _left_behind(mm: Mm, old: int, length: int) -> None:
    """The old range is empty, and as if it had never been locked (MREMAP_DONTUNMAP)."""
    vma, _ = find_vma_prev(mm, old)
    if vma is None or not vma.vm_flags & lib.VM_LOCKED:
        return
    with contextlib.suppress(Errno):  # no memory to split it: it stays locked
        cut_out(mm, vma, old, old + length)
        mm.core.lib.vma_set_flags(mm.core.m, vma, vma.vm_flags & ~_LOCKED)
        mm.core.lib.mm_account(mm.core.m, mm.ptr, 0, -(length >> PAGE_SHIFT))
