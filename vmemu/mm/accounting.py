"""Overcommit: may this much more memory be promised?"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from vmemu.core import lib
from vmemu.errors import Errno

if TYPE_CHECKING:
    from vmemu.mm.manager import MemoryManager

__all__ = ["OVERCOMMIT_ALWAYS", "OVERCOMMIT_GUESS", "OVERCOMMIT_NEVER", "charge"]

OVERCOMMIT_GUESS, OVERCOMMIT_ALWAYS, OVERCOMMIT_NEVER = range(3)


def charge(vm: MemoryManager, pages: int) -> None:
    """Promise ``pages`` more, or Errno ENOMEM.

    Models ``cap_vm_enough_memory`` (security/commoncap.c, 2.6.7) for a root process:
    0 refuses only what free memory, page cache and free swap could never hold; 1 refuses
    nothing; 2 keeps the sum of all promises below swap plus a share of RAM.
    """
    m = vm.core.m
    if vm.overcommit == OVERCOMMIT_GUESS:
        free = m.k.zone.free_pages + m.nr_pagecache
        free += lib.swap_total(m) - lib.swap_used(m)
        # Pages that reclaim can swap out are not counted, as in 2.6.7.
        if pages > free:
            raise Errno(errno.ENOMEM)
    elif vm.overcommit == OVERCOMMIT_NEVER:
        allowed = m.k.zone.present_pages * vm.overcommit_ratio // 100 + lib.swap_total(m)
        if vm.committed + pages > allowed:
            raise Errno(errno.ENOMEM)
    vm.committed += pages
