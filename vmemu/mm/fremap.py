"""remap_file_pages: which pages of its file an area maps where (mm/fremap.c of 2.6.7)."""

from __future__ import annotations

import errno

from vmemu.core import PAGE_SHIFT, PAGE_SIZE, lib
from vmemu.errors import Errno
from vmemu.mm.mm import Mm, mmap_sem_write
from vmemu.mm.vma import find_vma_prev

__all__ = ["do_remap_file_pages"]


@mmap_sem_write
def do_remap_file_pages(
    mm: Mm, start: int, size: int, prot: int, pgoff: int, *, nonblock: bool
) -> None:
    """Map pages of the file from ``pgoff`` on at ``start``, in a shared area of it.

    The area becomes nonlinear, unless that is what it maps there anyway.  ``nonblock``: what is
    not in memory is read when it is used.  2.6.7 took mmap_sem for read where the area was
    nonlinear already.  Errno EINVAL; ENOMEM when there is no memory for the pages.
    """
    start &= -PAGE_SIZE
    end = start + (size & -PAGE_SIZE)
    pages = end - start >> PAGE_SHIFT
    if prot or end <= start or end > mm.core.task_size:
        raise Errno(errno.EINVAL)
    if pgoff + pages >= 1 << min(mm.core.lib.PTE_FILE_MAX_BITS, mm.core.bits):
        raise Errno(errno.EINVAL)
    vma, _ = find_vma_prev(mm, start)
    if (
        vma is None
        or not vma.vm_file
        or not vma.vm_flags & lib.VM_SHARED
        or start < vma.vm_start
        or end > vma.vm_end
    ):
        raise Errno(errno.EINVAL)
    core = mm.core
    mapping = core.ffi.cast("struct address_space *", core.base + vma.vm_file)
    if pgoff + pages > -(-int(core.lib.i_size_read(core.m, mapping)) // PAGE_SIZE):
        raise Errno(errno.EINVAL)
    linear = vma.vm_pgoff + (start - vma.vm_start >> PAGE_SHIFT)
    m = mm.core.m
    if linear != pgoff and not vma.vm_flags & lib.VM_NONLINEAR:
        mm.core.lib.vma_set_nonlinear(m, vma)
    result = mm.core.lib.filemap_populate(m, vma, start, end, pgoff, nonblock)
    mm.core.check_bug()
    if result == lib.FAULT_OOM:
        raise Errno(errno.ENOMEM)
    if result > lib.FAULT_MAJOR:
        raise Errno(errno.EINVAL)
