"""/proc/PID/smaps and smaps_rollup: what of each area is where (fs/proc/task_mmu.c).

Counted from the page tables, struct page and the swap map whenever somebody reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vmemu.core import PAGE_SHIFT, PAGE_SIZE, Core, lib
from vmemu.frames import PTE_PRESENT, mem_map, swap_map, user_ptes
from vmemu.mm import area_line

if TYPE_CHECKING:
    from vmemu.mm import Mm
    from vmemu.typed import vm_area_struct

__all__ = ["Usage", "smaps", "smaps_rollup", "usage"]

_PSS_SHIFT = 12
"""Fractions of a byte that a share of a page is kept to."""
_PTE_FILE = getattr(lib, "_PAGE_FILE", 0)

_FLAGS = {
    lib.VM_READ: "rd", lib.VM_WRITE: "wr", lib.VM_EXEC: "ex", lib.VM_SHARED: "sh",
    lib.VM_MAYREAD: "mr", lib.VM_MAYWRITE: "mw", lib.VM_MAYEXEC: "me", lib.VM_MAYSHARE: "ms",
    lib.VM_GROWSDOWN: "gd", lib.VM_LOCKED: "lo", lib.VM_SEQ_READ: "sr", lib.VM_RAND_READ: "rr",
    lib.VM_DONTCOPY: "dc", lib.VM_DONTEXPAND: "de", lib.VM_ACCOUNT: "ac",
    lib.VM_LOCKONFAULT: "lf", lib.VM_WIPEONFORK: "wf", lib.VM_DONTDUMP: "dd",
}  # fmt: skip


def _shift(name: str) -> int:
    """Shares are kept to fractions of a byte."""
    return _PSS_SHIFT if name.startswith("pss") or name in ("swap_pss", "locked") else 0


class Usage:
    """Bytes of an area, or of many, by what they are; shares in bytes << 12."""

    NAMES = (
        "rss", "pss", "pss_anon", "pss_file", "pss_shmem", "shmem", "pss_dirty",
        "shared_clean", "shared_dirty", "private_clean", "private_dirty", "referenced", "anonymous",
        "swap", "swap_pss", "locked",
    )  # fmt: skip

    def __init__(self) -> None:
        self.of = dict.fromkeys(self.NAMES, 0)

    def __getitem__(self, name: str) -> int:
        return self.of[name]

    def add(self, other: Usage) -> None:
        """With another's."""
        for name, value in other.of.items():
            self.of[name] += value


def _swap_users(core: Core, entries: Any) -> Any:
    """How many ptes have each of these swap entries: what the swap cache holds is no pte."""
    users = np.ones(len(entries), dtype=np.int64)
    pages = mem_map(core)
    cached = pages["private"][(pages["flags"] & lib.PG_swapcache) != 0]
    area, slot = entries >> 1 & 31, (entries >> 8).astype(np.int64)
    for kind in np.unique(area).tolist():
        slots, its = swap_map(core, kind), area == kind
        users[its] = slots[slot[its]]
    users -= np.isin(entries, cached)
    return np.maximum(users, 1)


def _figures(core: Core, values: Any, shmems: list[int]) -> dict[str, Any]:
    """What each pte contributes to each figure of a Usage but locked.

    shmems are the kptrs of what is shared memory, whose pages are a file's otherwise.
    """
    none = values != values
    present = (values & PTE_PRESENT) != 0
    pages = mem_map(core)[np.where(present, values >> PAGE_SHIFT, 0)]
    flags, mapcount = pages["flags"], pages["mapcount"].astype(np.int64)
    mapped = present & ((flags & lib.PG_reserved) == 0) & (mapcount > 0)
    anon = mapped & ((flags & lib.PG_anon) != 0)
    shmem = mapped & ~anon & np.isin(pages["mapping"], shmems)
    dirty = mapped & (((values & lib._PAGE_DIRTY) != 0) | ((flags & lib.PG_dirty) != 0))
    young = ((values & lib._PAGE_ACCESSED) != 0) | ((flags & lib.PG_referenced) != 0)
    shared = mapped & (mapcount > 1)
    share = np.where(mapped, (PAGE_SIZE << _PSS_SHIFT) // np.maximum(mapcount, 1), 0)
    swapped = ~present & (values != 0) & ((values & _PTE_FILE) == 0 if _PTE_FILE else ~none)
    swap_share = np.zeros(len(values), dtype=np.int64)
    if swapped.any():
        users = _swap_users(core, values[swapped])
        swap_share[swapped] = (PAGE_SIZE << _PSS_SHIFT) // users
    whole = {
        "rss": mapped, "shared_clean": shared & ~dirty, "shared_dirty": shared & dirty,
        "private_clean": mapped & ~shared & ~dirty, "private_dirty": mapped & ~shared & dirty,
        "referenced": mapped & young, "anonymous": anon, "swap": swapped, "shmem": shmem,
    }  # fmt: skip
    figures: dict[str, Any] = {name: each * PAGE_SIZE for name, each in whole.items()}
    figures |= {
        "pss": share, "pss_anon": share * anon, "pss_file": share * (mapped & ~anon & ~shmem),
        "pss_shmem": share * shmem,
        "pss_dirty": share * dirty, "swap_pss": swap_share,
    }  # fmt: skip
    return figures


def usage(mm: Mm) -> list[tuple[vm_area_struct, Usage]]:
    """Each area with what its pages are."""
    addresses, values = user_ptes(mm.core, mm.ptr)
    vmas, values = list(mm.vmas()), values.astype(np.uint64)
    starts = np.searchsorted(addresses, np.array([v.vm_start for v in vmas], dtype=np.int64))
    ends = np.searchsorted(addresses, np.array([v.vm_end for v in vmas], dtype=np.int64))
    found = [Usage() for _ in vmas]
    shmems = [shmem.kaddr for shmem in mm.vm.inodes.shmems()]
    for name, each in _figures(mm.core, values, shmems).items():
        sums = np.concatenate([[0], np.cumsum(each, dtype=np.int64)])
        for one, total in zip(found, (sums[ends] - sums[starts]).tolist(), strict=True):
            one.of[name] = total
    for vma, one in zip(vmas, found, strict=True):
        if vma.vm_flags & lib.VM_LOCKED:
            one.of["locked"] = one["pss"]
    return list(zip(vmas, found, strict=True))


def total(mm: Mm) -> Usage:
    """All areas together."""
    whole = Usage()
    for _, each in usage(mm):
        whole.add(each)
    return whole


def _row(name: str, unit: str = " kB") -> str:
    return f"{name + ':':<16}%8d{unit}\n"


def _format(rows: tuple[tuple[str, str], ...]) -> tuple[str, tuple[tuple[str, int], ...]]:
    """What `%` fills in, and what with: names of a Usage, and by how much they are shifted.

    A program may read smaps after each of many calls, with an area for every page.
    """
    columns = tuple((name, 10 + _shift(name)) for _, name in rows if name)
    return "".join(_row(row) if name else _row(row) % 0 for row, name in rows), columns


_PSS_BY_KIND = (("Pss_Anon", "pss_anon"), ("Pss_File", "pss_file"), ("Pss_Shmem", "pss_shmem"))
_FIRST = (("Rss", "rss"), ("Pss", "pss"), ("Pss_Dirty", "pss_dirty"))
_OTHERS = (
    ("Shared_Clean", "shared_clean"), ("Shared_Dirty", "shared_dirty"),
    ("Private_Clean", "private_clean"), ("Private_Dirty", "private_dirty"),
    ("Referenced", "referenced"), ("Anonymous", "anonymous"), ("LazyFree", ""),
    ("AnonHugePages", ""), ("ShmemPmdMapped", ""), ("FilePmdMapped", ""), ("Shared_Hugetlb", ""),
    ("Private_Hugetlb", ""), ("Swap", "swap"), ("SwapPss", "swap_pss"), ("Locked", "locked"),
)  # fmt: skip
_AREA = _format((*_FIRST, *_OTHERS))
_ROLLUP = _format((*_FIRST, *_PSS_BY_KIND, *_OTHERS))
_HEAD = _row("Size") + _row("KernelPageSize") % 4 + _row("MMUPageSize") % 4
_TAIL = _row("THPeligible", "") % 0


def _lines(of: Usage, form: tuple[str, tuple[tuple[str, int], ...]]) -> str:
    text, columns = form
    values = of.of
    return text % tuple([values[name] >> shift for name, shift in columns])


def smaps(mm: Mm) -> str:
    """/proc/PID/smaps: for each area its line of maps, and what of it is where (show_smap)."""
    lines: list[str] = []
    for vma, of in usage(mm):
        vm_flags = vma.vm_flags
        names = [name for bit, name in _FLAGS.items() if vm_flags & bit]
        lines += [
            area_line(mm, vma),
            _HEAD % (vma.vm_end - vma.vm_start >> 10),
            _lines(of, _AREA),
            _TAIL,
            f"VmFlags: {' '.join(names)} \n",
        ]
    return "".join(lines)


def smaps_rollup(mm: Mm) -> str:
    """/proc/PID/smaps_rollup: all areas together (show_smaps_rollup)."""
    vmas = list(mm.vmas())
    start, end = (vmas[0].vm_start, vmas[-1].vm_end) if vmas else (0, 0)
    column = 6 * mm.core.word + 25
    head = f"{f'{start:08x}-{end:08x} ---p 00000000 00:00 0':<{column}}[rollup]\n"
    return head + _lines(total(mm), _ROLLUP)
