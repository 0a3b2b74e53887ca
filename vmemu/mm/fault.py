"""What a page fault means: the decisions; the C core does the work.

Faults that a vma's record already decides never get here: ``page_fault`` in csrc/mm/fault.c
resolves them, unless the machine was made with ``fault_path="python"``.

After ``do_page_fault`` (arch/i386/mm/fault.c) and ``handle_mm_fault`` (mm/memory.c),
2.6.7.  Unlike 2.6.7, a write-only mapping may be read, as later kernels allow, and the
stack may be touched any distance below the stack pointer.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vmemu.core import PAGE_SHIFT, Core, lib
from vmemu.errors import Errno

if TYPE_CHECKING:
    from vmemu.mm.commit import Commit
    from vmemu.mm.mm import Mm
    from vmemu.rmap.base import RmapScheme

__all__ = ["Faults"]

_WRITE: int = lib.ACCESS_WRITE
_VM_GROWSDOWN: int = lib.VM_GROWSDOWN
_VM_SHARED: int = lib.VM_SHARED
_MINOR: int = lib.FAULT_MINOR
_MAPERR: int = lib.FAULT_MAPERR
_ACCERR: int = lib.FAULT_ACCERR


class Faults:
    """The decisions for the address spaces ``mms``, by the address of their ``mm_struct``."""

    def __init__(self, core: Core, rmap: RmapScheme, commit: Commit, mms: Mapping[int, Mm]) -> None:
        self._core, self._m = core, core.m
        self._rmap, self._commit, self._mms = rmap, commit, mms

    def do_page_fault(self, mm: Any, address: int, access: int) -> int:
        """Resolve one fault of a ``struct mm_struct *``: ``enum fault_result``.

        ``access`` is ``enum fault_access``.  Called from inside the TLB-fill hook (where
        nothing may reclaim: FAULT_OUTSIDE), from copies to and from user memory, and from the
        run loop.
        """
        m = self._m
        vma = self._core.lib.find_vma(m, mm, address)
        if not vma:
            return _MAPERR
        if vma.vm_start > address:
            if not vma.vm_flags & _VM_GROWSDOWN:
                return _MAPERR
            result = self._expand_stack(mm, vma, address & ~0xFFF)
            if result != _MINOR:
                return result
        if not self._core.lib.vma_permits(vma, access):
            return _ACCERR
        write = access == _WRITE
        private = write and not vma.vm_flags & _VM_SHARED  # a page of its own
        if private and not self._rmap.prepare(mm, vma):
            return self._no_memory()
        return int(self._core.lib.handle_pte_fault(m, mm, vma, address, write))

    def _no_memory(self) -> int:
        result: int = lib.FAULT_OUTSIDE if self._m.fault.in_hook else lib.FAULT_OOM
        return result

    def _expand_stack(self, mm: Any, vma: Any, start: int) -> int:
        """Grow a VM_GROWSDOWN vma down to ``start`` (``expand_stack``, mm/mmap.c)."""
        m = self._m
        if not self._rmap.prepare(mm, vma):
            return self._no_memory()
        owner = self._mms[self._core.kaddr(mm)]
        pages = (vma.vm_start - start) >> PAGE_SHIFT
        limits = owner.rlimits
        locked = vma.vm_flags & lib.VM_LOCKED
        if (
            vma.vm_end - start > limits.stack
            or (mm.total_vm + pages) << PAGE_SHIFT > limits.as_
            or (locked and (mm.locked_vm + pages) << PAGE_SHIFT > owner.lock_limit)
        ):
            return _MAPERR
        try:
            if vma.vm_flags & lib.VM_ACCOUNT:
                self._commit.acct(pages)
        except Errno as error:
            if error.errno != errno.ENOMEM:
                raise
            return _MAPERR
        grown = self._core.lib.vma_expand_down(m, vma, start)
        if vma.vm_flags & lib.VM_ACCOUNT:
            self._commit.unacct(pages - grown)  # what another fault has grown it by
        return _MINOR
