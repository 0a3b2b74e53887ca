"""/proc/PID/maps: one line a vma (fs/proc/task_mmu.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmemu.core import PAGE_SHIFT, lib

if TYPE_CHECKING:
    from vmemu.mm.mm import Mm

__all__ = ["proc_maps"]


def proc_maps(mm: Mm) -> str:
    """Every area in the kernel's format: range, permissions, offset, device, inode, name."""
    lines, column = [], 6 * mm.core.word + 25
    for vma in mm.vmas():
        flags = vma.vm_flags
        perms = "".join(
            letter if flags & bit else "-"
            for letter, bit in (("r", lib.VM_READ), ("w", lib.VM_WRITE), ("x", lib.VM_EXEC))
        )
        perms += "s" if flags & lib.VM_MAYSHARE else "p"
        inode = mm.vm.inodes.find(vma.vm_file)
        offset = vma.vm_pgoff << PAGE_SHIFT if vma.vm_file else 0
        name = inode.path if inode is not None else _name(mm, vma.vm_start, vma.vm_end)
        line = f"{vma.vm_start:08x}-{vma.vm_end:08x} {perms} {offset:08x} 00:00 "
        line += str(inode.number if inode is not None else 0)
        lines.append(f"{line:<{column}}{name}" if name else line)
    return "".join(line.rstrip() + "\n" for line in lines)


def _name(mm: Mm, start: int, end: int) -> str:
    if start <= mm.ptr.start_brk < end or (start < mm.ptr.brk and end > mm.ptr.start_brk):
        return "[heap]"
    if start <= mm.ptr.start_stack < end:
        return "[stack]"
    return ""
