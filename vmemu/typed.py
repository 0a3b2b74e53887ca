"""Types for annotations, for mypy and for editors; nothing that runs needs this module.

The kernel's structs, under the kernel's names, as ``Core.page()``, ``Mm.vmas()``, ``Mm.ptr``
and the hooks of a reverse map give them; and the shapes of ``Machine.stats()``.  Fields of
structs are those of i386, which x86-64 has as well, but for registers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NotRequired, TypedDict

if TYPE_CHECKING:
    from vmemu._core32 import (
        address_space,
        kernel_data,
        kmem_cache,
        mm_struct,
        page,
        slab,
        swap_info,
        vm_area_struct,
        zone,
    )
else:  # where they are asked for at run time: what all of them are
    from vmemu._core32 import ffi

    address_space = kernel_data = kmem_cache = mm_struct = ffi.CData
    page = slab = swap_info = vm_area_struct = zone = ffi.CData

__all__ = [
    "EventStats",
    "FaultStats",
    "HostMemoryStats",
    "LockStats",
    "MachineStats",
    "SlabStats",
    "SwapStats",
    "WalkStats",
    "address_space",
    "kernel_data",
    "kmem_cache",
    "mm_struct",
    "page",
    "slab",
    "swap_info",
    "vm_area_struct",
    "zone",
]


class FaultStats(TypedDict):
    """Page faults; ``major`` ones waited for a page to be read, ``cow`` ones copied a page."""

    minor: int
    major: int
    cow: int


class WalkStats(TypedDict):
    """The scheme's walks: page tables looked into, candidates rejected without, pages."""

    probes: int
    cmp: int
    pages: int


SwapStats = TypedDict("SwapStats", {"total_pages": int, "used_pages": int, "in": int, "out": int})
"""Slots there are and in use; pages that came in and went out."""


class SlabStats(TypedDict):
    """One slab cache; sizes in bytes."""

    objects: int
    object_size: int
    buffer_size: int
    align: int
    per_slab: int
    slabs: int
    bytes: int
    slab_bytes: int


class LockStats(TypedDict):
    """One class of locks."""

    acquired: int
    failed: int
    steps_held: int


class HostMemoryStats(TypedDict):
    """Bytes that the guests make the host hold beside guest RAM."""

    held: int
    peak: int
    limit: int


class EventStats(TypedDict):
    """How often each event happened; how many are in the ring, and no longer in it."""

    happened: dict[str, int]
    kept: int
    dropped: int


class SharingStats(TypedDict):
    """Mapped anonymous pages, as they are and as the stop rule calls them; all in pages.

    Uss is what one process alone maps; Pss, summed over processes, is every page.  A page of
    which the rule cannot say how many map it counts as mapped by two.
    """

    rule: str
    pages: int
    uss: int
    called_uss: int
    called_pss: float
    wrongly_shared: int


class MachineStats(TypedDict):
    """What :meth:`~vmemu.machine.Machine.stats` gives: plain numbers under stable names."""

    rmap: str
    ram_bytes: int
    virtual_ns: int
    faults: FaultStats
    unmap: WalkStats
    referenced: WalkStats
    copies: int
    swap: SwapStats
    vmas: int
    mms: int
    frames: dict[str, int]
    slabs: dict[str, SlabStats]
    locks: dict[str, LockStats]
    counters: dict[str, int]
    host_memory: HostMemoryStats
    events: EventStats
    sharing: NotRequired[SharingStats]
