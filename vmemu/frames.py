"""Guest RAM as numpy arrays: whole tables at once, without copying."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vmemu.core import PAGE_SHIFT, PAGE_SIZE, Core, core_of, lib

__all__ = [
    "PTE_FILE",
    "PTE_PRESENT",
    "Table",
    "mem_map",
    "page_dtype",
    "page_tables",
    "ptes",
    "swap_map",
    "table_entries",
    "user_ptes",
]

PTE_PRESENT = lib._PAGE_PRESENT | lib._PAGE_PROTNONE
PTE_FILE: int = lib._PAGE_FILE
"""Of an entry that is not present: it says which page of a file is mapped there."""

Array = npt.NDArray[Any]


@functools.cache
def page_dtype(bits: int) -> np.dtype[Any]:
    """``struct page`` of a width; the two links of ``lru`` are lru_next and lru_prev."""
    ffi, _ = core_of(bits)
    word = f"<u{bits // 8}"
    kinds = {"flags": word, "_count": "<i4", "mapcount": "<u4", "private": word, "mapping": word}
    kinds["index"] = word
    names = [name.strip("_") for name in kinds]
    offsets = [ffi.offsetof("struct page", name) for name in kinds]
    lru = ffi.offsetof("struct page", "lru")
    return np.dtype(
        {
            "names": [*names, "lru_next", "lru_prev"],
            "formats": [*kinds.values(), word, word],
            "offsets": [*offsets, lru, lru + bits // 8],
            "itemsize": ffi.sizeof("struct page"),
        }
    )


def mem_map(core: Core) -> Array:
    """Every frame's ``struct page``, a writable view of shape (frames,)."""
    dtype = page_dtype(core.bits)
    buffer = core.ffi.buffer(core.m.mem_map, core.m.nr_frames * dtype.itemsize)
    return np.frombuffer(buffer, dtype=dtype)


def ptes(core: Core, frame: int) -> Array:
    """One table of any level, its entries as wide as a word."""
    at = core.m.ram + (frame << PAGE_SHIFT)
    return np.frombuffer(core.ffi.buffer(at, PAGE_SIZE), dtype=f"<u{core.word}")


class Table(NamedTuple):
    """A table of an mm: its level (0: a page table), the first address it maps, its frame."""

    level: int
    address: int
    frame: int


def table_entries(core: Core, table: Table) -> Array:
    """The entries of a table for user addresses: of the top one they are only the first."""
    entries = ptes(core, table.frame)
    return entries[: core.lib.TASK_SIZE_PGDS] if table.level == core.levels - 1 else entries


def page_tables(core: Core, mm: Any) -> Iterator[Table]:
    """The tables of a ``struct mm_struct *`` for user addresses, each before those below it."""
    bits = core.lib.TABLE_BITS

    def below(table: Table) -> Iterator[Table]:
        yield table
        if not table.level:
            return
        entries = table_entries(core, table)
        shift = PAGE_SHIFT + table.level * bits
        for i in np.flatnonzero(entries).tolist():
            frame = int(entries[i]) >> PAGE_SHIFT
            yield from below(Table(table.level - 1, table.address + (i << shift), frame))

    top = (int(mm.pgd) - core.page_offset) >> PAGE_SHIFT
    yield from below(Table(core.levels - 1, 0, top))


def user_ptes(core: Core, mm: Any) -> tuple[Array, Array]:
    """``(addresses, ptes)`` of every non-zero pte of a ``struct mm_struct *``."""
    addresses: list[Array] = []
    values: list[Array] = []
    for table in page_tables(core, mm):
        if table.level:
            continue
        entries = ptes(core, table.frame)
        used = np.flatnonzero(entries)
        addresses.append(table.address + (used << PAGE_SHIFT))
        values.append(entries[used])
    if not addresses:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=f"<u{core.word}")
    return np.concatenate(addresses), np.concatenate(values)


def swap_map(core: Core, area: int) -> Array:
    """The users of each slot of a swap area by its number (``swap_map``), a copy.

    0: free; SWAP_MAP_BAD: the header, or beyond the end.
    """
    info = core.swap_info(area)
    frames = [info.map_frames[i] for i in range(info.nr_map_frames)]
    pieces = [
        core.ffi.buffer(core.ffi.cast("uint8_t *", core.base + kptr), PAGE_SIZE) for kptr in frames
    ]
    return np.frombuffer(b"".join(pieces), dtype="<u2")
