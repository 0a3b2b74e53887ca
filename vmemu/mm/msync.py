"""msync: what was written through shared areas reaches the files (mm/msync.c of 2.6.7)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.core import lib
from vmemu.errors import Errno
from vmemu.mm.mm import Mm, mmap_sem_read
from vmemu.mm.vma import find_vma_prev

if TYPE_CHECKING:
    from vmemu.file.inode import Inode

__all__ = ["do_msync"]


@mmap_sem_read
def do_msync(mm: Mm, start: int, end: int, *, wait: bool, invalidate: bool) -> None:
    """Let the files have what is written in [start, end); ``wait`` until they do (MS_SYNC).

    Errno ENOMEM for a hole, after the rest is done; EBUSY where what is locked in memory is to
    be invalidated; EIO, ENOSPC when a file cannot be written.
    """
    unmapped = False
    while start < end:
        vma, _ = find_vma_prev(mm, start)
        if vma is None:
            raise Errno(errno.ENOMEM)
        if vma.vm_start > start:
            unmapped = True
            start = vma.vm_start
            if start >= end:
                break
        if invalidate and vma.vm_flags & lib.VM_LOCKED:
            raise Errno(errno.EBUSY)
        stop = min(vma.vm_end, end)
        if vma.vm_file and vma.vm_flags & lib.VM_SHARED:
            mm.core.lib.filemap_sync(mm.core.m, mm.ptr, start, stop)
            inode: Inode | None = mm.vm.inodes.find(vma.vm_file)
            if wait and inode is not None:
                inode.fsync()
        start = stop
    mm.core.check_bug()
    if unmapped:
        raise Errno(errno.ENOMEM)
