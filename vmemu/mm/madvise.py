"""madvise and mincore (mm/madvise.c, mm/mincore.c of 2.6.7, and the advice of later kernels).

mincore answers for anonymous memory too, as kernels since 2.6.21 do.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from vmemu.core import PAGE_SHIFT, PAGE_SIZE, ffi, lib
from vmemu.errors import Errno
from vmemu.mm.consts import (
    MADV_COLD,
    MADV_DODUMP,
    MADV_DOFORK,
    MADV_DONTDUMP,
    MADV_DONTFORK,
    MADV_DONTNEED,
    MADV_DONTNEED_LOCKED,
    MADV_FREE,
    MADV_KEEPONFORK,
    MADV_NORMAL,
    MADV_PAGEOUT,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MADV_RANDOM,
    MADV_REMOVE,
    MADV_SEQUENTIAL,
    MADV_WILLNEED,
    MADV_WIPEONFORK,
)
from vmemu.mm.mm import Mm, mmap_sem_read, mmap_sem_write
from vmemu.mm.mmap import page_align
from vmemu.mm.vma import cut_out, find_vma_prev

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["do_madvise", "do_mincore"]

_FLAGS = {
    MADV_NORMAL: (lib.VM_SEQ_READ | lib.VM_RAND_READ, 0),
    MADV_SEQUENTIAL: (lib.VM_RAND_READ, lib.VM_SEQ_READ),
    MADV_RANDOM: (lib.VM_SEQ_READ, lib.VM_RAND_READ),
    MADV_DONTFORK: (0, lib.VM_DONTCOPY),
    MADV_DOFORK: (lib.VM_DONTCOPY, 0),
    MADV_WIPEONFORK: (0, lib.VM_WIPEONFORK),
    MADV_KEEPONFORK: (lib.VM_WIPEONFORK, 0),
    MADV_DONTDUMP: (0, lib.VM_DONTDUMP),
    MADV_DODUMP: (lib.VM_DONTDUMP, 0),
}
"""Advice that changes an area's flags: those that go, and those that come."""
_TAKES_PAGES = (MADV_DONTNEED, MADV_FREE, MADV_COLD, MADV_PAGEOUT)
"""Advice that locked areas refuse."""
_POPULATES = (MADV_POPULATE_READ, MADV_POPULATE_WRITE)
_ZAPS = (MADV_DONTNEED, MADV_DONTNEED_LOCKED, MADV_FREE)
_KNOWN = {*_FLAGS, *_TAKES_PAGES, *_POPULATES, *_ZAPS, MADV_WILLNEED, MADV_REMOVE}


@mmap_sem_write
def do_madvise(mm: Mm, addr: int, length: int, advice: int) -> None:
    """Apply advice to a range (``sys_madvise``).

    Errno EINVAL (bad advice, locked area, one that is not for it), ENOMEM (holes; the rest is
    done nevertheless, unless pages were to be brought in), EAGAIN (no memory to split an area),
    EFAULT (MADV_POPULATE_READ and _WRITE: an access would be SIGBUS).
    """
    if addr & 0xFFF or advice not in _KNOWN:
        raise Errno(errno.EINVAL)
    end = addr + page_align(length)
    if end > mm.core.mask or (length and end == addr):
        raise Errno(errno.EINVAL)
    unmapped = False
    at = addr
    while at < end:
        vma, _ = find_vma_prev(mm, at)
        if vma is None or vma.vm_start >= end:
            unmapped = True
            break
        if vma.vm_start > at:
            unmapped = True
            if advice in _POPULATES:
                break
            at = vma.vm_start
        stop = min(vma.vm_end, end)
        _advise(mm, vma, at, stop, advice)
        at = stop
    mm.core.check_bug()
    if unmapped:
        raise Errno(errno.ENOMEM)


def _advise(mm: Mm, vma: Any, start: int, end: int, advice: int) -> None:
    m, core = mm.core.m, mm.core.lib
    if advice in _TAKES_PAGES and vma.vm_flags & (lib.VM_LOCKED | lib.VM_RESERVED):
        raise Errno(errno.EINVAL)
    anonymous = not vma.vm_file and not vma.vm_flags & lib.VM_SHARED
    if advice in (MADV_FREE, MADV_WIPEONFORK) and not anonymous:
        raise Errno(errno.EINVAL)
    if advice in _ZAPS:
        core.zap_page_range(m, mm.ptr, vma, start, end)
    elif advice == MADV_REMOVE:
        _remove(mm, vma, start, end)
    elif advice == MADV_WILLNEED:
        if vma.vm_file:
            first = vma.vm_pgoff + ((start - vma.vm_start) >> PAGE_SHIFT)
            last = first + ((end - start) >> PAGE_SHIFT) - 1
            file = _file_of(mm, vma)
            mm.core.lib.force_page_cache_readahead(m, file, first, last)
        _read_ahead(mm, start, end)
    elif advice == MADV_COLD:
        core.madvise_cold(m, mm.ptr, start, end)
    elif advice == MADV_PAGEOUT:
        core.madvise_pageout(m, mm.ptr, start, end)
    elif advice in _POPULATES:
        _populate(mm, vma, start, end, write=advice == MADV_POPULATE_WRITE)
    else:
        less, more = _FLAGS[advice]
        flags = vma.vm_flags & ~less | more
        if flags == vma.vm_flags:
            return
        cut_out(mm, vma, start, end)
        core.vma_set_flags(m, vma, flags)


def _populate(mm: Mm, vma: Any, start: int, end: int, *, write: bool) -> None:
    """Bring pages in as an access would (``madvise_populate``); Errno EINVAL, EFAULT, ENOMEM."""
    if not vma.vm_flags & (lib.VM_WRITE if write else lib.VM_READ):
        raise Errno(errno.EINVAL)
    result = mm.make_present(start, end, write=write)
    if result == lib.FAULT_OOM:
        raise Errno(errno.ENOMEM)
    if result > lib.FAULT_MAJOR:
        raise Errno(errno.EFAULT)


def _remove(mm: Mm, vma: Any, start: int, end: int) -> None:
    """Make a hole in shared memory (``madvise_remove``); Errno EINVAL, EACCES, EOPNOTSUPP."""
    inode = mm.vm.inodes.find(vma.vm_file)
    if vma.vm_flags & lib.VM_LOCKED or inode is None:
        raise Errno(errno.EINVAL)
    writes = lib.VM_SHARED | lib.VM_MAYWRITE
    if vma.vm_flags & writes != writes:
        raise Errno(errno.EACCES)
    offset = (vma.vm_pgoff << PAGE_SHIFT) + start - vma.vm_start
    inode.punch(offset, end - start)


def _mapped(mm: Mm, start: int, end: int) -> Iterator[int]:
    """The pages of a range that have a page table: no more than there are tables for."""
    m, extent = mm.core.m, 1 << PAGE_SHIFT + mm.core.lib.TABLE_BITS
    while (start := int(mm.core.lib.next_mapped(m, mm.ptr, start, end))) < end:
        stop = min((start | extent - 1) + 1, end)
        yield from range(start, stop, PAGE_SIZE)
        start = stop


def _read_ahead(mm: Mm, start: int, end: int) -> None:
    """Bring swapped pages into the swap cache, as far as memory allows."""
    m, major = mm.core.m, ffi.new("int *")
    for address in _mapped(mm, start, end):
        if m.k.zone.free_pages <= m.k.zone.pages_low:
            return
        if mm.core.lib.pte_kind_at(m, mm.ptr, address) == lib.PTE_SWAP:
            entry = mm.core.lib.pte_value(m, mm.ptr, address)
            page = mm.core.lib.read_swap_cache(m, entry, 0, major)
            if page:
                mm.core.lib.put_page(m, page)


def do_mincore(mm: Mm, addr: int, length: int, vec: int) -> None:
    """One byte per page at ``vec``: 1 if its page is in memory.  Errno EINVAL, ENOMEM, EFAULT.

    The bytes are stored without mmap_sem, which a fault on ``vec`` takes itself; 2.6.7 kept
    it, and hung when a writer came in between (CVE-2006-4814).
    """
    if addr & 0xFFF:
        raise Errno(errno.EINVAL)
    if addr > mm.core.task_size or length > mm.core.task_size - addr:
        raise Errno(errno.ENOMEM)
    at, end = addr, addr + page_align(length)
    while at < end:
        resident = _resident(mm, at, end)
        mm.write(vec + ((at - addr) >> PAGE_SHIFT), resident)
        at += len(resident) << PAGE_SHIFT


@mmap_sem_read
def _resident(mm: Mm, start: int, end: int) -> bytes:
    """What mincore says of [start, end) as far as one vma goes, a page of answers at most.

    Errno ENOMEM without a vma.
    """
    vma, _ = find_vma_prev(mm, start)
    if vma is None or vma.vm_start > start:
        raise Errno(errno.ENOMEM)
    stop = min(vma.vm_end, end, start + (PAGE_SIZE << PAGE_SHIFT))
    answer = bytearray((stop - start) >> PAGE_SHIFT)
    if vma.vm_file:
        answer[:] = _cached(mm, vma, start, len(answer))
    for address in _mapped(mm, start, stop):
        answer[(address - start) >> PAGE_SHIFT] |= _page_resident(mm, address)
    return bytes(answer)


def _file_of(mm: Mm, vma: Any) -> Any:
    return mm.core.ffi.cast("struct address_space *", mm.core.base + vma.vm_file)


def _cached(mm: Mm, vma: Any, start: int, pages: int) -> Iterator[bool]:
    """Which pages of a file the page cache has up to date, mapped here or not."""
    core, file = mm.core, _file_of(mm, vma)
    first = vma.vm_pgoff + ((start - vma.vm_start) >> PAGE_SHIFT)
    for index in range(first, first + pages):
        page = core.lib.find_get_page(core.m, file, index & core.mask)
        if page:
            core.lib.put_page(core.m, page)
        yield bool(page) and bool(page.flags & lib.PG_uptodate)


def _page_resident(mm: Mm, address: int) -> bool:
    """Whether touching the page needs no I/O: it is mapped, or in the swap cache."""
    m = mm.core.m
    kind = mm.core.lib.pte_kind_at(m, mm.ptr, address)
    if kind != lib.PTE_SWAP:
        return bool(kind == lib.PTE_PRESENT)
    page = mm.core.lib.lookup_swap_cache(m, mm.core.lib.pte_value(m, mm.ptr, address))
    if page:
        mm.core.lib.put_page(m, page)
    return bool(page)
