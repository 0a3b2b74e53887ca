"""Guest RAM as numpy arrays: whole tables at once, without copying."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vmemu.core import PAGE_OFFSET, PAGE_SHIFT, PAGE_SIZE, Core, ffi, lib

__all__ = ["PAGE_DTYPE", "PTE_PRESENT", "mem_map", "page_kinds", "ptes", "user_ptes"]

#: ``struct page``
PAGE_DTYPE = np.dtype(
    [
        ("flags", "<u4"),
        ("count", "<i4"),
        ("mapcount", "<u4"),
        ("private", "<u4"),
        ("mapping", "<u4"),
        ("index", "<u4"),
        ("lru_next", "<u4"),
        ("lru_prev", "<u4"),
    ]
)
PTE_PRESENT = lib._PAGE_PRESENT | lib._PAGE_PROTNONE

Array = npt.NDArray[Any]


def mem_map(core: Core) -> Array:
    """Every frame's ``struct page``, a writable view of shape (frames,)."""
    buffer = ffi.buffer(core.m.mem_map, core.m.nr_frames * PAGE_DTYPE.itemsize)
    return np.frombuffer(buffer, dtype=PAGE_DTYPE)


def ptes(core: Core, frame: int) -> Array:
    """One page table or directory, shape (1024,), ``uint32``."""
    at = core.m.ram + (frame << PAGE_SHIFT)
    return np.frombuffer(ffi.buffer(at, PAGE_SIZE), dtype="<u4")


def user_ptes(core: Core, mm: Any) -> tuple[Array, Array]:
    """``(addresses, ptes)`` of every non-zero pte of a ``struct mm_struct *``."""
    directory = ptes(core, (mm.pgd - PAGE_OFFSET) >> PAGE_SHIFT)[: lib.TASK_SIZE_PGDS]
    addresses: list[Array] = []
    values: list[Array] = []
    for i in np.flatnonzero(directory):
        table = ptes(core, int(directory[i]) >> PAGE_SHIFT)
        used = np.flatnonzero(table)
        addresses.append((int(i) << lib.PGDIR_SHIFT) + (used << PAGE_SHIFT))
        values.append(table[used])
    if not addresses:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype="<u4")
    return np.concatenate(addresses), np.concatenate(values)


def page_kinds(core: Core) -> dict[str, int]:
    """How many frames serve as what; the kinds add up to all frames."""
    pages = mem_map(core)
    flags = pages["flags"]
    kinds: dict[str, int] = {}
    left = np.ones(len(pages), dtype=bool)
    for name, bit in (
        ("reserved", lib.PG_reserved),
        ("free", lib.PG_buddy),
        ("slab", lib.PG_slab),
        ("pagetable", lib.PG_pgtable),
        ("swapmap", lib.PG_vmalloc),
        ("anon", lib.PG_anon),
        ("swapcache", lib.PG_swapcache),
        ("file", lib.PG_lru),
    ):
        chosen = left & ((flags & bit) != 0)
        kinds[name] = int(chosen.sum())
        left &= ~chosen
    kinds["other"] = int(left.sum())
    return kinds
