"""Areas and pages of a process, as they are read from outside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from vmemu.core import PAGE_SHIFT, lib
from vmemu.mm.maps import permissions
from vmemu.mm.mm import Mm

__all__ = ["Page", "Vma", "pages_of", "vmas_of"]


class Vma(NamedTuple):
    """One area of a process: addresses in bytes, ``pgoff`` in pages, ``flags`` VM_*."""

    start: int
    end: int
    flags: int
    pgoff: int
    perms: str

    def __repr__(self) -> str:
        pages = self.end - self.start >> PAGE_SHIFT
        return f"<Vma {self.start:08x}-{self.end:08x} {self.perms}, {pages} pages>"

    def _repr_html_(self) -> str:
        return f"<code>{repr(self)[1:-1]}</code>"


class Page(NamedTuple):
    """One mapped or swapped page of a process: ``pfn`` is None while it is swapped out."""

    address: int
    pfn: int | None
    mapcount: int
    anon: bool
    dirty: bool
    accessed: bool
    swap_entry: int

    def __repr__(self) -> str:
        if self.pfn is None:
            return f"<Page {self.address:08x} in swap, entry {self.swap_entry:#x}>"
        kinds = {"anon": self.anon, "dirty": self.dirty, "accessed": self.accessed}
        told = " ".join(["", *(name for name, so in kinds.items() if so)])
        return f"<Page {self.address:08x} in frame {self.pfn}, mapped {self.mapcount} times{told}>"

    def _repr_html_(self) -> str:
        return f"<code>{repr(self)[1:-1]}</code>"


def vmas_of(mm: Mm) -> Iterator[Vma]:
    """The areas, by address."""
    for vma in mm.vmas():
        flags = vma.vm_flags
        yield Vma(vma.vm_start, vma.vm_end, flags, vma.vm_pgoff, permissions(flags))


def pages_of(mm: Mm) -> Iterator[Page]:
    """Every page that is in memory or swapped out, by address."""
    from vmemu.frames import PTE_FILE, PTE_PRESENT, mem_map, user_ptes

    frames = mem_map(mm.core)
    addresses, ptes = user_ptes(mm.core, mm.ptr)
    for address, pte in zip(addresses.tolist(), ptes.tolist(), strict=True):
        if not pte & PTE_PRESENT:
            if not pte & PTE_FILE:
                yield Page(address, None, 0, True, False, False, pte)
            continue
        frame = frames[pte >> PAGE_SHIFT]
        yield Page(
            address,
            pte >> PAGE_SHIFT,
            int(frame["mapcount"]),
            bool(frame["flags"] & lib.PG_anon),
            bool(pte & lib._PAGE_DIRTY),
            bool(pte & lib._PAGE_ACCESSED),
            0,
        )
