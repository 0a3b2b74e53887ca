"""Reading a snapshot off a machine: page tables first, then what else knows of the pages."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from vmemu.core import FRAME_KINDS, PAGE_SHIFT, Core, lib
from vmemu.frames import PTE_FILE, PTE_PRESENT, mem_map, page_tables, swap_map, table_entries
from vmemu.mm.maps import area_name, permissions
from vmemu.snapshot.record import (
    Area,
    Entry,
    Frame,
    Frames,
    PageTable,
    Place,
    Process,
    Slot,
    Snapshot,
    SwappedPage,
    SwapUse,
    Zone,
)

if TYPE_CHECKING:
    from vmemu.kernel.kernel import Kernel
    from vmemu.kernel.process.task import Task
    from vmemu.mm import Mm

__all__ = [
    "entry_flags",
    "slot_of",
    "take_frame",
    "take_frames",
    "take_process",
    "take_snapshot",
]

_BITS = (
    ("W", lib._PAGE_RW),
    ("U", lib._PAGE_USER),
    ("A", lib._PAGE_ACCESSED),
    ("D", lib._PAGE_DIRTY),
)
_TABLES = ("page table", "page directory", "level 2 table", "level 3 table")


def entry_flags(value: int) -> str:
    """The bits of a present entry as letters, such as ``P-UA-``; of one in swap dashes."""
    if not value & PTE_PRESENT:
        return "-----"
    first = "P" if value & lib._PAGE_PRESENT else "N"
    return first + "".join(letter if value & bit else "-" for letter, bit in _BITS)


def _names(prefix: str) -> list[tuple[int, str]]:
    """Bits of the core's constants, low ones first, and their names without the prefix."""
    found = [
        (getattr(lib, name), name.removeprefix(prefix))
        for name in dir(lib)
        if name.startswith(prefix)
    ]
    return sorted(found)


_PG = _names("PG_")
_VM = _names("VM_")


def _flags(names: list[tuple[int, str]], value: int) -> tuple[str, ...]:
    return tuple(name for bit, name in names if value & bit)


@dataclass
class _Survey:
    """What the page tables of all address spaces say, gathered once."""

    core: Core
    pids: dict[int, int] = field(default_factory=dict)
    """The process of each mm, by its kptr."""
    raw: dict[int, dict[int, int]] = field(default_factory=dict)
    """The entries by address, by mm."""
    tables: dict[int, list[PageTable]] = field(default_factory=dict)
    frames: dict[int, list[Place]] = field(default_factory=lambda: defaultdict(list))
    slots: dict[int, list[Place]] = field(default_factory=lambda: defaultdict(list))


def _survey(kernel: Kernel) -> _Survey:
    core = kernel.core
    survey = _Survey(core)
    for task in kernel.tasks:
        if task.memory is not None:
            survey.pids.setdefault(task.memory.kaddr, task.tgid)
    for mm in kernel.vm.mms.values():
        pid = survey.pids.setdefault(mm.kaddr, 0)  # of nobody: an exec that is on its way
        raw: dict[int, int] = {}
        tables = []
        for table in page_tables(core, mm.ptr):
            level, address, frame = table
            entries = table_entries(core, table)
            used = np.flatnonzero(entries).tolist()
            tables.append(PageTable(level, address, frame, len(used), len(entries)))
            if not level:
                raw |= {
                    address + (i << PAGE_SHIFT): value
                    for i in used
                    if (value := int(entries[i])) & PTE_PRESENT or not value & PTE_FILE
                }
        survey.raw[mm.kaddr], survey.tables[mm.kaddr] = raw, tables
        for address, value in raw.items():
            place = Place(pid, address)
            if value & PTE_PRESENT:
                survey.frames[value >> PAGE_SHIFT].append(place)
            else:
                survey.slots[value].append(place)
    return survey


def take_snapshot(kernel: Kernel, moment: str) -> Snapshot:
    """The whole machine; between operations, or in a hook of the kernel."""
    core, zone = kernel.core, kernel.core.zone
    survey = _survey(kernel)
    frames = _frames(kernel, survey)
    return Snapshot(
        moment,
        kernel.sched.now,
        kernel.vm.rmap.name,
        core.bits,
        core.levels,
        len(frames) << PAGE_SHIFT,
        Zone(
            zone.free_pages,
            zone.nr_active,
            zone.nr_inactive,
            zone.pages_min,
            zone.pages_low,
            zone.pages_high,
        ),
        frames,
        tuple(_process(task, survey, frames) for task in kernel.tasks.processes()),
        tuple(_swap(kernel, survey, frames)),
    )


def take_frames(kernel: Kernel) -> Frames:
    """The frames alone."""
    return _frames(kernel, _survey(kernel))


def take_frame(kernel: Kernel, pfn: int) -> Frame:
    """One frame alone."""
    return _frames(kernel, _survey(kernel), [pfn])[pfn]


def take_process(task: Task) -> Process:
    """One process alone."""
    survey = _survey(task.kernel)
    return _process(task, survey, _frames(task.kernel, survey))


# ---- frames


def _frames(kernel: Kernel, survey: _Survey, wanted: list[int] | None = None) -> Frames:
    """All of them; of others than those that are wanted no more than the kind is told."""
    core = kernel.core
    kinds = core.frame_kinds()
    pages, holds = mem_map(core), dict(_holds(kernel))
    owners = {}
    for mm, tables in survey.tables.items():
        for table in tables:
            holds[table.frame] = f"{_TABLES[table.level]} of {survey.pids[mm]}"
            owners[table.frame] = survey.pids[mm]
    idle = {FRAME_KINDS.index("free"), FRAME_KINDS.index("reserved")}
    if wanted is None:
        wanted = np.flatnonzero(~np.isin(np.frombuffer(kinds, np.uint8), list(idle))).tolist()
    used = {}
    for pfn in wanted:
        if kinds[pfn] in idle:
            continue
        page = pages[pfn]
        flags, mapping, index = (int(page[name]) for name in ("flags", "mapping", "index"))
        if flags & lib.PG_swapcache:
            holds[pfn] = f"slot {slot_of(int(page['private']))}"
        elif kinds[pfn] == lib.FRAME_file and (inode := kernel.vm.inodes.find(mapping)):
            name = inode.path.rpartition("/")[2]
            holds[pfn] = f"page {index} of {name}"
        used[pfn] = Frame(
            pfn,
            FRAME_KINDS[kinds[pfn]],
            int(page["count"]),
            int(page["mapcount"]),
            _flags(_PG, flags),
            holds.get(pfn, ""),
            owners.get(pfn, 0),
            tuple(survey.frames.get(pfn, ())),
        )
    return Frames(kinds, tuple(FRAME_KINDS), used)


def _holds(kernel: Kernel) -> Iterator[tuple[int, str]]:
    """The slab cache of each frame of a slab."""
    core = kernel.core
    for name, cache in zip(core.caches, core.slab_caches, strict=False):
        for head in (cache.slabs_full, cache.slabs_partial):
            for at in core.list_at(head):
                if cache.slub:  # the list is of struct page
                    first = core.kaddr(core.page(0)) + core.ffi.offsetof("struct page", "lru")
                    yield (at - first) // core.ffi.sizeof("struct page"), name
                else:
                    yield (at - core.page_offset) >> PAGE_SHIFT, name


# ---- processes


def _process(task: Task, survey: _Survey, frames: Frames) -> Process:
    mm, state = task.group.memory, task.state.name.lower()
    areas: tuple[Area, ...] = ()
    tables: tuple[PageTable, ...] = ()
    shares, rss = None, 0
    if mm is not None:
        rss, first = mm.ptr.rss, survey.pids[mm.kaddr]
        if first == task.tgid:
            areas = tuple(_areas(mm, survey, frames))
            tables = tuple(survey.tables[mm.kaddr])
        else:
            shares = first
    return Process(task.tgid, task.ppid, task.comm, state, shares, areas, tables, rss)


def _areas(mm: Mm, survey: _Survey, frames: Frames) -> Iterator[Area]:
    raw = sorted(survey.raw[mm.kaddr].items())
    addresses = [address for address, _ in raw]
    for vma in mm.vmas():
        low, high = (bisect_left(addresses, at) for at in (vma.vm_start, vma.vm_end))
        yield Area(
            vma.vm_start,
            vma.vm_end,
            permissions(vma.vm_flags),
            area_name(mm, vma),
            _flags(_VM, vma.vm_flags),
            vma.vm_pgoff,
            tuple(_entry(address, value, survey, frames) for address, value in raw[low:high]),
        )


def _entry(address: int, value: int, survey: _Survey, frames: Frames) -> Entry:
    if not value & PTE_PRESENT:
        pids = tuple(dict.fromkeys(place.pid for place in survey.slots[value]))
        return Entry(address, value, entry_flags(value), "swap", None, slot_of(value), pids)
    frame = frames[value >> PAGE_SHIFT]
    kind = "zero" if frame.kind == "reserved" else frame.kind
    return Entry(address, value, entry_flags(value), kind, frame.pfn, None, frame.pids)


# ---- swap


def slot_of(entry: int) -> Slot:
    """Where a swap entry leads to."""
    return Slot(entry >> 1 & lib.MAX_SWAPFILES - 1, entry >> 8)


def _swap(kernel: Kernel, survey: _Survey, frames: Frames) -> Iterator[SwapUse]:
    core, pages = kernel.core, mem_map(kernel.core)
    cached = {
        int(pages["private"][pfn]): pfn
        for pfn in np.flatnonzero(pages["flags"] & lib.PG_swapcache).tolist()
    }
    for area in kernel.vm.swap.areas:
        slots = swap_map(core, area.kind)
        used = []
        for offset in np.flatnonzero((slots != 0) & (slots != lib.SWAP_MAP_BAD)).tolist():
            entry = area.kind << 1 | offset << 8
            places = tuple(survey.slots.get(entry, ()))
            frame = cached.get(entry)
            pids = [place.pid for place in places]
            pids += frames[frame].pids if frame is not None else ()
            count = int(slots[offset])
            used.append(SwappedPage(slot_of(entry), count, frame, places, (*dict.fromkeys(pids),)))
        yield SwapUse(area.kind, area.path, core.swap_info(area.kind).pages, tuple(used))
