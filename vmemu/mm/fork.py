"""fork's half of memory: a second mm with the same areas (kernel/fork.c, 2.6.7)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.core import PAGE_SHIFT, lib
from vmemu.errors import Errno
from vmemu.mm.mm import Mm, mmap_sem_write

if TYPE_CHECKING:
    from typing import Any

__all__ = ["dup_mmap"]

_COPIED = (
    *("start_code", "end_code", "start_data", "end_data", "start_brk", "brk", "start_stack"),
    *("arg_start", "arg_end", "env_start", "env_end", "free_area_cache"),
)


@mmap_sem_write
def dup_mmap(parent: Mm) -> Mm:
    """The child's mm: every vma and, by ``copy_page_range``, every pte.  Errno ENOMEM.

    VM_LOCKED is not inherited.  The scheme sees the child before its first pte, so that
    reclaim finds each pte as soon as it exists.
    """
    vm, core = parent.vm, parent.core
    mm = Mm.allocate(vm, parent.rlimits)
    if not vm.rmap.mm_dup(mm.ptr, parent.ptr):
        mm.release()
        raise Errno(errno.ENOMEM)
    for field in _COPIED:
        setattr(mm.ptr, field, getattr(parent.ptr, field))
    try:
        for vma in parent.vmas():
            if not vma.vm_flags & lib.VM_DONTCOPY:
                _dup_vma(mm, parent, vma)
    except Errno:
        mm.put()
        core.check_bug()
        raise
    core.check_bug()
    return mm


def _dup_vma(mm: Mm, parent: Mm, vma: Any) -> None:
    m, vm = mm.core.m, mm.vm
    pages = (vma.vm_end - vma.vm_start) >> PAGE_SHIFT
    if vma.vm_flags & lib.VM_ACCOUNT:
        vm.acct_memory(pages)
    copy = lib.vma_alloc(m)
    if not copy:
        if vma.vm_flags & lib.VM_ACCOUNT:
            vm.unacct_memory(pages)
        raise Errno(errno.ENOMEM)
    lib.vma_copy(m, copy, vma)
    copy.vm_flags &= ~lib.VM_LOCKED
    lib.vma_link(m, mm.ptr, copy)
    vm.rmap.vma_dup(copy, vma)
    mm.ptr.total_vm += pages
    if lib.copy_page_range(m, mm.ptr, parent.ptr, vma):
        raise Errno(errno.ENOMEM)
