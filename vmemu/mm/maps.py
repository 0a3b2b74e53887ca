"""/proc/PID/maps: one line a vma (fs/proc/task_mmu.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmemu.core import PAGE_SHIFT, lib

if TYPE_CHECKING:
    from vmemu.mm.mm import Mm
    from vmemu.typed import vm_area_struct

__all__ = ["area_line", "area_name", "permissions", "proc_maps"]


def proc_maps(mm: Mm) -> str:
    """Every area in the kernel's format: range, permissions, offset, device, inode, name."""
    return "".join(area_line(mm, vma) for vma in mm.vmas())


def area_line(mm: Mm, vma: vm_area_struct) -> str:
    """One area's line (show_map_vma)."""
    column = 6 * mm.core.word + 25
    perms = permissions(vma.vm_flags)
    inode = mm.vm.inodes.find(vma.vm_file)
    offset = vma.vm_pgoff << PAGE_SHIFT if vma.vm_file else 0
    name = area_name(mm, vma)
    line = f"{vma.vm_start:08x}-{vma.vm_end:08x} {perms} {offset:08x} 00:00 "
    line += str(inode.number if inode is not None else 0)
    return (f"{line:<{column}}{name}" if name else line).rstrip() + "\n"


def permissions(vm_flags: int) -> str:
    """``rwxp``: a dash for what is not permitted; s for what is shared, p for private."""
    perms = "".join(
        letter if vm_flags & bit else "-"
        for letter, bit in (("r", lib.VM_READ), ("w", lib.VM_WRITE), ("x", lib.VM_EXEC))
    )
    return perms + ("s" if vm_flags & lib.VM_MAYSHARE else "p")


def area_name(mm: Mm, vma: vm_area_struct) -> str:
    """The file's path, ``[heap]``, ``[stack]``, or nothing."""
    inode = mm.vm.inodes.find(vma.vm_file)
    if inode is not None:
        return inode.path
    start, end = vma.vm_start, vma.vm_end
    if start <= mm.ptr.start_brk < end or (start < mm.ptr.brk and end > mm.ptr.start_brk):
        return "[heap]"
    if start <= mm.ptr.start_stack < end:
        return "[stack]"
    return ""
