"""Areas that touch and could be one, for schemes whose pages carry linear offsets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vmemu.core import PAGE_SHIFT, Core, lib

__all__ = ["mergeable_neighbours"]

_RWX = lib.VM_READ | lib.VM_WRITE | lib.VM_EXEC


def mergeable_neighbours(core: Core, mm: Any, vma: Any) -> Iterator[Any]:
    """The areas beside ``vma`` that mprotect alone could merge with it, the upper one first.

    After ``find_mergeable_anon_vma`` of 2.6.7 (rmap 40).
    """
    nxt = core.vma(vma.vm_next)
    if nxt is not None and _continues(core, vma, nxt):
        yield nxt
    out = core.ffi.new("struct vm_area_struct **")
    core.lib.find_vma_prev(core.m, mm, vma.vm_start, out)
    if out[0] and _continues(core, out[0], vma):
        yield out[0]


def _continues(core: Core, low: Any, high: Any) -> bool:
    pages = (low.vm_end - low.vm_start) >> PAGE_SHIFT
    return bool(
        low.vm_end == high.vm_start
        and not (low.vm_flags ^ high.vm_flags) & ~_RWX
        and low.vm_file == high.vm_file
        and (low.vm_pgoff + pages) & core.mask == high.vm_pgoff
    )
