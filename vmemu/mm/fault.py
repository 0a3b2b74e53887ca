"""What a page fault means: the decisions; the C core does the work.

After ``do_page_fault`` (arch/i386/mm/fault.c) and ``handle_mm_fault`` (mm/memory.c),
2.6.7.  Unlike 2.6.7, a write-only mapping may be read, as later kernels allow, and the
stack may be touched any distance below the stack pointer.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from vmemu.core import PAGE_SHIFT, lib
from vmemu.errors import Errno

if TYPE_CHECKING:
    from vmemu.mm.manager import MemoryManager

__all__ = ["do_page_fault"]

_ACCESSIBLE = lib.VM_READ | lib.VM_WRITE | lib.VM_EXEC
_WRITE: int = lib.ACCESS_WRITE
_VM_WRITE: int = lib.VM_WRITE
_VM_GROWSDOWN: int = lib.VM_GROWSDOWN
_NONE: int = lib.PTE_NONE
_SWAP: int = lib.PTE_SWAP
_MINOR: int = lib.FAULT_MINOR
_MAPERR: int = lib.FAULT_MAPERR
_ACCERR: int = lib.FAULT_ACCERR


def do_page_fault(vm: MemoryManager, mm: Any, address: int, access: int) -> int:
    """Resolve one fault of a ``struct mm_struct *``: ``enum fault_result``.

    ``access`` is ``enum fault_access``.  Called from inside the TLB-fill hook (where
    nothing may reclaim: FAULT_OUTSIDE), from copies to and from user memory, and from the
    run loop.
    """
    m = vm.core.m
    vma = lib.find_vma(m, mm, address)
    if not vma:
        return _MAPERR
    flags = vma.vm_flags
    write = access == _WRITE
    if vma.vm_start > address:
        if not flags & _VM_GROWSDOWN:
            return _MAPERR
        result = _expand_stack(vm, mm, vma, address & ~0xFFF)
        if result != _MINOR:
            return result
    if not flags & (_VM_WRITE if write else _ACCESSIBLE):
        return _ACCERR
    kind = lib.pte_kind_at(m, mm, address)
    if kind == _NONE:
        if write and not vm.rmap.prepare(mm, vma):
            return _no_memory(m)
        if vma.vm_file:
            return int(lib.do_no_page(m, mm, vma, address, write))
        return int(lib.do_anonymous_page(m, mm, vma, address, write))
    if kind == _SWAP:
        return int(lib.do_swap_page(m, mm, vma, address, write))
    if write:
        if not vm.rmap.prepare(mm, vma):
            return _no_memory(m)
        return int(lib.do_wp_page(m, mm, vma, address))
    return _MINOR  # present by now


def _no_memory(m: Any) -> int:
    result: int = lib.FAULT_OUTSIDE if m.in_hook else lib.FAULT_OOM
    return result


def _expand_stack(vm: MemoryManager, mm: Any, vma: Any, start: int) -> int:
    """Grow a VM_GROWSDOWN vma down to ``start`` (``expand_stack``, mm/mmap.c)."""
    m = vm.core.m
    if not vm.rmap.prepare(mm, vma):
        return _no_memory(m)
    owner = vm.mms[vm.core.kaddr(mm)]
    pages = (vma.vm_start - start) >> PAGE_SHIFT
    limits = owner.rlimits
    locked = vma.vm_flags & lib.VM_LOCKED
    if (
        vma.vm_end - start > limits.stack
        or (mm.total_vm + pages) << PAGE_SHIFT > limits.as_
        or (locked and (mm.locked_vm + pages) << PAGE_SHIFT > limits.memlock)
    ):
        return _MAPERR
    try:
        vm.acct_memory(pages)
    except Errno as error:
        if error.errno != errno.ENOMEM:
            raise
        return _MAPERR
    vma.vm_start = start
    vma.vm_pgoff -= pages
    mm.total_vm += pages
    if locked:
        mm.locked_vm += pages
    return _MINOR
