"""mlock, munlock, mlockall, munlockall (mm/mlock.c of 2.6.7, after rmap 34).

vm_flags is written under mmap_sem for write alone; a page that reclaim takes away just
after VM_LOCKED is set comes back in make_present.
"""

from __future__ import annotations

import contextlib
import errno
from typing import Any

from vmemu.core import PAGE_SHIFT, PAGE_SIZE, lib
from vmemu.errors import Errno
from vmemu.mm.consts import MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT
from vmemu.mm.mm import Mm, mmap_sem_write
from vmemu.mm.mmap import page_align
from vmemu.mm.vma import cut_out, find_vma_prev

__all__ = ["do_mlock", "do_mlockall", "do_munlock", "do_munlockall"]


_FLAGS = lib.VM_LOCKED | lib.VM_LOCKONFAULT


@mmap_sem_write
def do_mlock(mm: Mm, addr: int, length: int, *, onfault: bool = False) -> None:
    """Keep a range in memory (``sys_mlock``); ``onfault``: each page from its first use on.

    Errno EPERM where nothing may be locked; EINVAL; ENOMEM for a hole, a limit, an area that
    may not be accessed, or pages that find no memory; EAGAIN when a split finds no memory.
    What precedes stays locked.
    """
    mm.can_do_mlock()
    start, end = _range(mm, addr, length)
    if mm.ptr.locked_vm * PAGE_SIZE + (end - start) > mm.lock_limit:
        raise Errno(errno.ENOMEM)
    _set_locked(mm, start, end, _locked(onfault=onfault))


@mmap_sem_write
def do_munlock(mm: Mm, addr: int, length: int) -> None:
    """Let a range be reclaimed again (``sys_munlock``); Errno EINVAL, ENOMEM, EAGAIN."""
    start, end = _range(mm, addr, length)
    _set_locked(mm, start, end, 0)


def _locked(*, onfault: bool) -> int:
    """The flags of an area that is locked, at once or page by page."""
    return lib.VM_LOCKED | (lib.VM_LOCKONFAULT if onfault else 0)


@mmap_sem_write
def do_mlockall(mm: Mm, flags: int) -> None:
    """Lock what is mapped (MCL_CURRENT), what will be (MCL_FUTURE), or both (``do_mlockall``).

    Without MCL_CURRENT what was locked is locked no longer.  Areas that cannot be filled are
    locked empty.  Errno EINVAL, EPERM, ENOMEM (RLIMIT_MEMLOCK).
    """
    if not flags & (MCL_CURRENT | MCL_FUTURE) or flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT):
        raise Errno(errno.EINVAL)
    mm.can_do_mlock()
    if flags & MCL_CURRENT and mm.ptr.total_vm * PAGE_SIZE > mm.lock_limit:
        raise Errno(errno.ENOMEM)
    locked = _locked(onfault=bool(flags & MCL_ONFAULT))
    mm.ptr.def_flags = locked if flags & MCL_FUTURE else 0
    _set_all(mm, locked if flags & MCL_CURRENT else 0)


@mmap_sem_write
def do_munlockall(mm: Mm) -> None:
    """Undo every lock and MCL_FUTURE."""
    mm.ptr.def_flags = 0
    _set_all(mm, 0)


def _range(mm: Mm, addr: int, length: int) -> tuple[int, int]:
    length = page_align(length + (addr & 0xFFF)) & mm.core.mask  # a length that wraps is none
    start = addr & ~0xFFF
    if start + length > mm.core.mask:
        raise Errno(errno.EINVAL)
    return start, start + length


def _set_all(mm: Mm, locked: int) -> None:
    for vma in list(mm.vmas()):
        with contextlib.suppress(Errno):
            _fixup(mm, vma, vma.vm_start, vma.vm_end, locked)
    mm.core.check_bug()


def _set_locked(mm: Mm, start: int, end: int, locked: int) -> None:
    """Change every vma of the range; ENOMEM at a hole, after what precedes it."""
    if start == end:
        return
    if end > mm.core.task_size:
        raise Errno(errno.ENOMEM)
    at = start
    while at < end:
        vma, _ = find_vma_prev(mm, at)
        if vma is None or vma.vm_start > at:
            raise Errno(errno.ENOMEM)
        stop = min(vma.vm_end, end)
        _fixup(mm, vma, at, stop, locked)
        at = stop
    mm.core.check_bug()


def _fixup(mm: Mm, vma: Any, start: int, end: int, locked: int) -> None:
    """Set or clear VM_LOCKED and VM_LOCKONFAULT in part of a vma, splitting it.

    It never merges back.

    After ``mlock_fixup``: Errno EAGAIN when there is no memory to split it, and what
    ``make_pages_present`` says.
    """
    flags = vma.vm_flags & ~_FLAGS | locked
    if flags == vma.vm_flags:
        return
    change = bool(locked) - bool(vma.vm_flags & lib.VM_LOCKED)
    cut_out(mm, vma, start, end)
    m, write = mm.core.m, bool(flags & lib.VM_WRITE)
    on = locked == lib.VM_LOCKED
    if on and m.watch.mutations & lib.MUTATE_a:
        mm.make_present(start, end, write=write)
    mm.core.lib.vma_set_flags(m, vma, flags)
    pages = (end - start) >> PAGE_SHIFT
    mm.core.lib.mm_account(m, mm.ptr, 0, change * pages)
    if on and not m.watch.mutations & lib.MUTATE_a:
        holds_lock = bool(m.watch.mutations & lib.MUTATE_h)
        if holds_lock:
            mm.core.lib.lock_page_table(m, mm.ptr)
        result = mm.make_present(start, end, write=write)
        if holds_lock:
            mm.core.lib.unlock_page_table(m, mm.ptr)
        if result > lib.FAULT_MAJOR:
            raise Errno(errno.ENOMEM)  # __mlock_posix_error_return()
