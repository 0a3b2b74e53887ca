"""fork's half of memory: a second mm with the same areas (kernel/fork.c, 2.6.7)."""

from __future__ import annotations

import errno

from vmemu.errors import Errno
from vmemu.mm.mm import Mm, mmap_sem_write

__all__ = ["dup_mmap"]


@mmap_sem_write
def dup_mmap(parent: Mm) -> Mm:
    """The child's mm: every vma and, by ``copy_page_range``, every pte.  Errno ENOMEM.

    VM_LOCKED is not inherited.  The scheme sees the child before its first pte, so that
    reclaim finds each pte as soon as it exists.
    """
    vm, core = parent.vm, parent.core
    mm = Mm.allocate(vm, parent.rlimits)
    mm.mmap_offset = parent.mmap_offset
    if not vm.rmap.mm_dup(mm.ptr, parent.ptr):
        mm.release()
        raise Errno(errno.ENOMEM)
    if core.lib.dup_mmap(core.m, mm.ptr, parent.ptr):
        mm.put()
        core.check_bug()
        raise Errno(errno.ENOMEM)
    core.check_bug()
    mm.clean = list(parent.clean)
    return mm
