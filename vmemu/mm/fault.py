"""What a page fault means: the decisions; the C core does the work.

Faults that a vma's record already decides never get here: ``page_fault`` in csrc/mm/fault.c
resolves them, unless the machine was made with ``fault_path="python"``.

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

_WRITE: int = lib.ACCESS_WRITE
_VM_GROWSDOWN: int = lib.VM_GROWSDOWN
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
    vma = vm.core.lib.find_vma(m, mm, address)
    if not vma:
        return _MAPERR
    if vma.vm_start > address:
        if not vma.vm_flags & _VM_GROWSDOWN:
            return _MAPERR
        result = _expand_stack(vm, mm, vma, address & ~0xFFF)
        if result != _MINOR:
            return result
    if not vm.core.lib.vma_permits(vma, access):
        return _ACCERR
    write = access == _WRITE
    if write and not vm.rmap.prepare(mm, vma):
        return _no_memory(m)
    return int(vm.core.lib.handle_pte_fault(m, mm, vma, address, write))


def _no_memory(m: Any) -> int:
    result: int = lib.FAULT_OUTSIDE if m.fault.in_hook else lib.FAULT_OOM
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
        if vma.vm_flags & lib.VM_ACCOUNT:
            vm.acct_memory(pages)
    except Errno as error:
        if error.errno != errno.ENOMEM:
            raise
        return _MAPERR
    grown = vm.core.lib.vma_expand_down(m, vma, start)
    if vma.vm_flags & lib.VM_ACCOUNT:
        vm.unacct_memory(pages - grown)  # what another fault has grown it by
    return _MINOR
