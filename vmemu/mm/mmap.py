"""mmap, munmap, brk and the stack: where areas come from and go to.

After mm/mmap.c of 2.6.7.  Areas are placed bottom-up from TASK_UNMAPPED_BASE as 2.6.7 did
on i386, or top-down below the stack's limit as 2.6.9 and later.  Unlike 2.6.7, a length of
0 is EINVAL, as later kernels have it.
"""

from __future__ import annotations

import errno
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from vmemu.core import PAGE_SHIFT, PAGE_SIZE, lib
from vmemu.errors import Errno
from vmemu.mm.consts import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_GROWSDOWN,
    MAP_LOCKED,
    MAP_NONBLOCK,
    MAP_NORESERVE,
    MAP_POPULATE,
    MAP_PRIVATE,
    MAP_SHARED,
    MAP_TYPE,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
)
from vmemu.mm.mm import Mm, mmap_sem_write
from vmemu.mm.vma import find_vma_prev, new_vma, split_vma, vma_merge

if TYPE_CHECKING:
    from vmemu.file.inode import Inode

__all__ = [
    "do_brk",
    "do_mmap",
    "do_munmap",
    "get_unmapped_area",
    "munmap_locked",
    "page_align",
    "setup_stack",
    "sys_brk",
]

_MAY = lib.VM_MAYREAD | lib.VM_MAYWRITE | lib.VM_MAYEXEC
_DATA_FLAGS = lib.VM_READ | lib.VM_WRITE | lib.VM_EXEC | _MAY


def page_align(n: int) -> int:
    """Bytes rounded up to whole pages."""
    return (n + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1)


def prot_to_flags(prot: int) -> int:
    """PROT_* as VM_READ, VM_WRITE, VM_EXEC."""
    flags = lib.VM_READ if prot & PROT_READ else 0
    flags |= lib.VM_WRITE if prot & PROT_WRITE else 0
    flags |= lib.VM_EXEC if prot & PROT_EXEC else 0
    return flags


def get_unmapped_area(mm: Mm, hint: int, length: int) -> int:
    """A free range of ``length`` bytes (``arch_get_unmapped_area``); Errno ENOMEM."""
    m, ptr = mm.core.m, mm.ptr
    if length > mm.core.task_size:
        raise Errno(errno.ENOMEM)
    if hint:
        hint = page_align(hint)
        if hint + length <= mm.core.task_size:
            vma, _ = find_vma_prev(mm, hint)
            if vma is None or hint + length <= vma.vm_start:
                return hint
    found: int
    if mm.vm.topdown:
        gap = min(max(mm.rlimits.stack, 128 << 20), mm.core.task_size // 6 * 5)
        highest = mm.core.task_size - gap - mm.mmap_offset
        found = mm.core.lib.get_unmapped_area(m, ptr, PAGE_SIZE, highest, length, 1)
        if found:
            return found
    base, top = mm.core.unmapped_base + mm.mmap_offset, mm.core.task_size
    start = max(ptr.free_area_cache, base)
    found = mm.core.lib.get_unmapped_area(m, ptr, start, top, length, 0)
    if not found and start > base:
        found = mm.core.lib.get_unmapped_area(m, ptr, base, top, length, 0)
    if not found and mm.mmap_offset:
        found = mm.core.lib.get_unmapped_area(m, ptr, mm.core.unmapped_base, base, length, 0)
    if not found:
        raise Errno(errno.ENOMEM)
    ptr.free_area_cache = found + length
    return found


@mmap_sem_write
def do_mmap(
    mm: Mm,
    addr: int,
    length: int,
    prot: int,
    flags: int,
    file: Inode | None = None,
    pgoff: int = 0,
    *,
    may_write: bool = True,
) -> int:
    """Map memory, private or shared, or a file (``do_mmap_pgoff``); the address.

    may_write: the file may be written to, so that a shared area may become writable.

    Errno EINVAL, ENOMEM, EEXIST (MAP_FIXED_NOREPLACE), EPERM and EAGAIN (RLIMIT_MEMLOCK),
    EOVERFLOW (``pgoff``, in pages, comes to its end).
    """
    kind = flags & MAP_TYPE
    if file is None and not flags & MAP_ANONYMOUS:
        raise Errno(errno.EBADF)
    if length == 0:
        raise Errno(errno.EINVAL)
    length = page_align(length)
    if length > mm.core.task_size or length == 0:
        raise Errno(errno.ENOMEM)
    if pgoff + (length >> PAGE_SHIFT) > mm.core.mask:
        raise Errno(errno.EOVERFLOW)
    if mm.ptr.map_count > mm.vm.max_map_count:
        raise Errno(errno.ENOMEM)
    fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)
    if fixed:
        if addr & ~0xFFF != addr:
            raise Errno(errno.EINVAL)
        if addr > mm.core.task_size - length:
            raise Errno(errno.ENOMEM)
        if flags & MAP_FIXED_NOREPLACE:
            vma, _ = find_vma_prev(mm, addr)
            if vma is not None and vma.vm_start < addr + length:
                raise Errno(errno.EEXIST)
    else:
        addr = get_unmapped_area(mm, addr, length)
    vm_flags = prot_to_flags(prot) | _MAY | mm.ptr.def_flags
    if kind == MAP_SHARED:
        vm_flags |= lib.VM_MAYSHARE | lib.VM_SHARED
        if not may_write:
            vm_flags &= ~(lib.VM_MAYWRITE | lib.VM_SHARED)
    if flags & MAP_GROWSDOWN:
        vm_flags |= lib.VM_GROWSDOWN
    if flags & MAP_LOCKED:
        mm.can_do_mlock()
        vm_flags |= lib.VM_LOCKED
    pages = length >> PAGE_SHIFT
    if vm_flags & lib.VM_LOCKED and (mm.ptr.locked_vm + pages) << PAGE_SHIFT > mm.lock_limit:
        raise Errno(errno.EAGAIN)
    if kind not in (MAP_PRIVATE, MAP_SHARED):
        raise Errno(errno.EINVAL)
    if flags & MAP_GROWSDOWN and (file is not None or kind == MAP_SHARED):
        raise Errno(errno.EINVAL)  # its offsets would come to be below the file
    if fixed:
        munmap_locked(mm, addr, length)
    noreserve = bool(flags & MAP_NORESERVE) and mm.vm.commit.mode != lib.OVERCOMMIT_NEVER
    if file is None and kind == MAP_SHARED:
        _map_shmem(mm, addr, length, vm_flags, noreserve)
    else:
        _map_area(mm, addr, length, vm_flags, noreserve, file, pgoff)
    populate = flags & (MAP_POPULATE | MAP_NONBLOCK) == MAP_POPULATE
    if vm_flags & (lib.VM_LOCKED | lib.VM_LOCKONFAULT) == lib.VM_LOCKED or populate:
        mm.make_present(addr, addr + length, write=bool(prot & PROT_WRITE))
    return addr


def _map_shmem(mm: Mm, addr: int, length: int, vm_flags: int, noreserve: bool) -> None:
    """Map shared memory that has no name (``shmem_zero_setup``).

    The object makes the promise, and lasts as long as it is mapped.
    """
    mm.may_expand(length >> PAGE_SHIFT)
    shmem = mm.vm.inodes.shmem("/dev/zero (deleted)", length, account=not noreserve)
    try:
        _map_area(mm, addr, length, vm_flags, noreserve, shmem, 0)
    finally:
        shmem.put()


def _map_area(
    mm: Mm, addr: int, length: int, vm_flags: int, noreserve: bool, file: Inode | None, pgoff: int
) -> None:
    """Account, merge or make the vma of a range that is free."""
    commit, pages = mm.vm.commit, length >> PAGE_SHIFT
    mm.may_expand(pages)
    private = vm_flags & (lib.VM_WRITE | lib.VM_SHARED) == lib.VM_WRITE
    if private and not noreserve:
        vm_flags |= lib.VM_ACCOUNT
    kfile = file.kaddr if file is not None else 0
    if file is None:
        pgoff = addr >> PAGE_SHIFT
    with commit.promise(pages) if vm_flags & lib.VM_ACCOUNT else nullcontext():
        _, prev = find_vma_prev(mm, addr)
        if not vma_merge(mm, prev, addr, addr + length, vm_flags, None, kfile, pgoff):
            new_vma(mm, addr, addr + length, vm_flags, kfile, pgoff)
    mm.account(pages, vm_flags)
    mm.core.event(lib.EV_mmap, addr, addr + length, vm_flags)


@mmap_sem_write
def do_munmap(mm: Mm, addr: int, length: int) -> None:
    """Unmap a range (``sys_munmap``); Errno EINVAL, or ENOMEM when a split finds no memory."""
    munmap_locked(mm, addr, length)


def munmap_locked(mm: Mm, addr: int, length: int) -> None:
    """The same with mmap_sem held for write already (``do_munmap``)."""
    if addr & 0xFFF or addr > mm.core.task_size or length > mm.core.task_size - addr:
        raise Errno(errno.EINVAL)
    length = page_align(length)
    if length == 0:
        raise Errno(errno.EINVAL)
    end = addr + length
    vma, prev = find_vma_prev(mm, addr)
    if vma is None or vma.vm_start >= end:
        return
    whole = vma.vm_start >= addr
    if not whole:
        split_vma(mm, vma, addr, new_below=False)
    if not whole or vma.vm_end != end:
        last, _ = find_vma_prev(mm, end)
        if last is not None and last.vm_start < end:
            split_vma(mm, last, end, new_below=True)
        vma, prev = find_vma_prev(mm, addr)
    mm.core.lib.unmap_vmas(mm.core.m, mm.ptr, addr, end)
    mm.forget_clean(addr, end)
    while vma is not None and vma.vm_start < end:
        nxt = mm.next_vma(vma)
        _unmap_vma(mm, vma)
        vma = nxt
    _free_tables(mm, addr, end, prev, vma)
    mm.core.event(lib.EV_munmap, addr, end)
    mm.vm.inodes.unmapped()


def _unmap_vma(mm: Mm, vma: Any) -> None:
    m, ptr = mm.core.m, mm.ptr
    pages = (vma.vm_end - vma.vm_start) >> PAGE_SHIFT
    mm.account(-pages, vma.vm_flags)
    if mm.core.unmapped_base <= vma.vm_start < ptr.free_area_cache:
        ptr.free_area_cache = vma.vm_start  # a new lowest hole
    if vma.vm_flags & lib.VM_ACCOUNT:
        mm.vm.commit.unacct(pages)
    mm.vm.rmap.vma_free(vma)
    mm.core.lib.vma_unlink(m, ptr, vma)
    mm.core.lib.vma_free(m, vma)


def _free_tables(mm: Mm, start: int, end: int, prev: Any, nxt: Any) -> None:
    """Page tables that no vma needs any more, around [start, end)."""
    directory = mm.core.pgdir_size
    low = max(prev.vm_end if prev is not None else 0, start & -directory)
    high = (end + directory - 1) & -directory
    high = min(nxt.vm_start if nxt is not None else mm.core.task_size, high)
    mm.core.lib.free_pgtables(mm.core.m, mm.ptr, low, high)


@mmap_sem_write
def sys_brk(mm: Mm, brk: int) -> int:
    """Move the end of the heap (``sys_brk``); the end as it is afterwards."""
    ptr, vm = mm.ptr, mm.vm
    if brk < ptr.end_code or brk < ptr.start_brk:
        return int(ptr.brk)
    old, new = page_align(ptr.brk), page_align(brk)
    if new > mm.core.task_size:
        return int(ptr.brk)
    if new <= old:
        try:
            if new < old:
                munmap_locked(mm, new, old - new)
        except Errno:
            return int(ptr.brk)
        ptr.brk = brk
        return brk
    if brk - ptr.start_data > mm.rlimits.data:
        return int(ptr.brk)
    vma, _ = find_vma_prev(mm, old)
    if vma is not None and vma.vm_start < new + PAGE_SIZE:
        return int(ptr.brk)
    try:
        _brk(mm, old, new - old)
    except Errno:
        return int(ptr.brk)
    ptr.brk = brk
    vm.core.check_bug()
    return brk


@mmap_sem_write
def do_brk(mm: Mm, addr: int, length: int) -> None:
    """Anonymous heap or bss memory at a fixed place (``do_brk``); Errno ENOMEM, EAGAIN."""
    _brk(mm, addr, length)


def _brk(mm: Mm, addr: int, length: int) -> None:
    length = page_align(length)
    if length == 0:
        return
    if addr > mm.core.task_size - length:
        raise Errno(errno.EINVAL)
    vm_flags = _DATA_FLAGS | mm.ptr.def_flags
    locked = vm_flags & lib.VM_LOCKED
    if locked and mm.ptr.locked_vm * PAGE_SIZE + length > mm.lock_limit:
        raise Errno(errno.EAGAIN)
    munmap_locked(mm, addr, length)
    if mm.ptr.map_count > mm.vm.max_map_count:
        raise Errno(errno.ENOMEM)
    _map_area(mm, addr, length, vm_flags, False, None, 0)
    if locked and not vm_flags & lib.VM_LOCKONFAULT:
        mm.make_present(addr, addr + length, write=True)


@mmap_sem_write
def setup_stack(mm: Mm) -> None:
    """The stack's vma, one page below TASK_SIZE (``setup_arg_pages``); Errno ENOMEM.

    Executable, as on i386 without NX; it grows as exec writes its strings.
    """
    flags = _DATA_FLAGS | lib.VM_GROWSDOWN | lib.VM_ACCOUNT
    mm.vm.commit.acct(1)
    top = mm.core.task_size
    new_vma(mm, top - PAGE_SIZE, top, flags)
    mm.account(1, flags)
