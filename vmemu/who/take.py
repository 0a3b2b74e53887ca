"""Asking a machine: the page tables who has a page, the reverse map how it would find out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vmemu.core import COUNTERS, HOST_COUNTERS, PAGE_SHIFT, PAGE_SIZE, lib
from vmemu.errors import ConfigError
from vmemu.file.i_mmap import areas_of
from vmemu.frames import PTE_FILE, PTE_PRESENT, mem_map, page_tables, ptes
from vmemu.mm.maps import permissions
from vmemu.rmap.base import Node
from vmemu.snapshot import take
from vmemu.snapshot.record import Frame, Slot
from vmemu.who.record import Candidate, Extent, FrameUse, Mapper, Space, Walk

if TYPE_CHECKING:
    from vmemu.kernel.kernel import Kernel
    from vmemu.mm import Mm
    from vmemu.typed import page, vm_area_struct

__all__ = ["WALKS", "take_address", "take_frame"]

WALKS = {"unmap": "try_to_unmap", "referenced": "page_referenced"}
"""What a walk is called, and the kernel's function."""

_VERDICTS = {
    lib.TRIED_DEAD: "dead",
    lib.TRIED_EMPTY: "empty",
    lib.TRIED_RANGE: "range",
    lib.TRIED_PTE: "pte",
    lib.TRIED_MATCH: "match",
    lib.TRIED_BUSY: "busy",
}
_OUTCOMES = {
    lib.OUTCOME_none: "",
    lib.OUTCOME_old: "old",
    lib.OUTCOME_young: "young",
    lib.OUTCOME_gone: "gone",
    lib.OUTCOME_locked: "locked",
    lib.OUTCOME_held: "held",
}
_ENDS = {
    "locked": "the walk fails: the page's area is locked in memory",
    "held": "the walk fails: somebody else holds the page",
}


def take_frame(kernel: Kernel, pfn: int, walk: str = "unmap", moment: str = "now") -> FrameUse:
    """Who has a frame; ConfigError for a number that is none, and for a walk that is none."""
    if walk not in WALKS:
        raise ConfigError(f"walk must be {' or '.join(WALKS)}, not {walk!r}")
    frames = int(kernel.core.m.nr_frames)
    if isinstance(pfn, bool) or not isinstance(pfn, int) or not 0 <= pfn < frames:
        raise ConfigError(
            f"there is no frame {pfn!r}: the machine has {frames:,}, 0 to {frames - 1}"
        )
    return _Asking(kernel, walk, moment).frame(pfn)


def take_address(
    kernel: Kernel, address: int, pid: int | None = None, walk: str = "unmap", moment: str = "now"
) -> FrameUse:
    """Who has the page at a user address, of one process or of the first that has a page there.

    ConfigError says why when there is none.
    """
    return _Asking(kernel, walk, moment).address(address, pid)


class _Asking:
    """One question to a kernel."""

    def __init__(self, kernel: Kernel, walk: str, moment: str) -> None:
        self.kernel, self.core = kernel, kernel.core
        self.walk, self.moment = walk, moment
        self.spaces: dict[int, Space] = {}
        for task in kernel.tasks:
            if task.memory is not None:
                kaddr = task.memory.kaddr
                self.spaces.setdefault(kaddr, Space(task.tgid, task.comm, kaddr))

    def space(self, mm: int) -> Space:
        """Whose an mm is."""
        return self.spaces.get(mm) or Space(0, "", mm)

    # ---- the page tables

    def having(self, fits: Callable[[Any], Any]) -> Iterator[Mapper]:
        """The entries of all page tables that fit, by process and address."""
        places = {kaddr: i for i, kaddr in enumerate(self.spaces)}
        mms = sorted(self.kernel.vm.mms.values(), key=lambda mm: places.get(mm.kaddr, len(places)))
        for mm in mms:
            for level, first, frame in page_tables(self.core, mm.ptr):
                if level:
                    continue
                entries = ptes(self.core, frame)
                for i in np.flatnonzero(fits(entries)).tolist():
                    yield self.mapper(mm, first + (i << PAGE_SHIFT), int(entries[i]))

    def mapper(self, mm: Mm, address: int, value: int) -> Mapper:
        """One entry, with its area."""
        area = self.extent(next(v for v in mm.vmas() if v.vm_start <= address < v.vm_end))
        pte = self.core.kaddr(self.core.lib.pte_offset(self.core.m, mm.ptr, address))
        return Mapper(self.space(mm.kaddr), area, address, value, take.entry_flags(value), pte)

    def extent(self, vma: vm_area_struct) -> Extent:
        """An area as it is now."""
        return Extent(
            self.core.kaddr(vma),
            vma.vm_start,
            vma.vm_end,
            permissions(vma.vm_flags),
            vma.vm_pgoff,
            bool(vma.vm_flags & lib.VM_LOCKED),
        )

    def mapping_frame(self, pfn: int) -> tuple[Mapper, ...]:
        """The present entries of a frame."""
        return tuple(
            self.having(lambda all_: ((all_ & PTE_PRESENT) != 0) & ((all_ >> PAGE_SHIFT) == pfn))
        )

    def with_entry(self, entry: int) -> tuple[Mapper, ...]:
        """Those that have a place in swap."""
        return tuple(self.having(lambda all_: all_ == entry))

    # ---- what is asked for

    def address(self, address: int, pid: int | None) -> FrameUse:
        """The page at an address."""
        at = address & -PAGE_SIZE
        found = self.pages_at(at, pid)
        space, value = found[0]
        use = self.frame(value >> PAGE_SHIFT) if value & PTE_PRESENT else self.in_swap(value)
        same = {each.space for each in (*use.mappers, *use.swapped) if each.address == at}
        asked = f"{at:08x} of {space}"
        if others := [str(other.pid) for other, _ in found[1:] if other not in same]:
            more = " ".join(others[:6]) + (" ..." if len(others) > 6 else "")
            asked += f"; another page is there in {more} (--pid)"
        return replace(use, asked=asked)

    def pages_at(self, at: int, pid: int | None) -> list[tuple[Space, int]]:
        """The processes that have a page at an address, and their entries."""
        core = self.core
        spaces = [space for space in self.spaces.values() if pid is None or space.pid == pid]
        if pid is not None and not spaces:
            spaces = [self.space_of(pid)]
        found: list[tuple[Space, int]] = []
        inside = None
        for space in spaces:
            mm = self.kernel.vm.mms[space.mm]
            value = int(core.lib.pte_value(core.m, mm.ptr, at)) if at < core.task_size else 0
            if value & PTE_PRESENT or (value and not value & PTE_FILE):
                found.append((space, value))
            elif any(vma.vm_start <= at < vma.vm_end for vma in mm.vmas()):
                inside = inside or space
        if found:
            return found
        if inside is not None:
            raise ConfigError(f"there is no page at {at:#x} yet: it is in an area of {inside}")
        who = f"process {pid} does not map" if pid is not None else "no process maps"
        raise ConfigError(f"{who} {at:#x} {self.moment}")

    def space_of(self, pid: int) -> Space:
        """That of a process which shares another's; ConfigError when there is none."""
        for task in self.kernel.tasks:
            if task.pid == pid and task.memory is not None:
                return self.space(task.memory.kaddr)
        pids = ", ".join(str(space.pid) for space in self.spaces.values()) or "none"
        raise ConfigError(f"there is no process {pid} with memory {self.moment}: there is {pids}")

    def in_swap(self, entry: int) -> FrameUse:
        """A page whose entry is in swap; in memory too, if the swap cache has it."""
        pages = mem_map(self.core)
        cached = np.flatnonzero(
            ((pages["flags"] & lib.PG_swapcache) != 0) & (pages["private"] == entry)
        )
        if len(cached):
            return self.frame(int(cached[0]))
        remark = "the page is only in swap: there is no frame to walk for"
        return self.use(
            Frame(-1, "swap"), take.slot_of(entry), self.with_entry(entry), None, remark
        )

    def frame(self, pfn: int) -> FrameUse:
        """A frame, whatever it is."""
        frame, page = take.take_frame(self.kernel, pfn), self.core.page(pfn)
        slot: Slot | None = None
        swapped: tuple[Mapper, ...] = ()
        if page.flags & lib.PG_swapcache:
            slot, swapped = take.slot_of(int(page.private)), self.with_entry(int(page.private))
        walk, remark = self.walk_for(page, frame)
        return self.use(frame, slot, swapped, walk, remark)

    def use(
        self,
        frame: Frame,
        slot: Slot | None,
        swapped: tuple[Mapper, ...],
        walk: Walk | None,
        remark: str,
    ) -> FrameUse:
        """The record."""
        core, kernel, rmap = self.core, self.kernel, self.kernel.vm.rmap
        width = "i386" if core.bits == 32 else f"x86-64 of {core.levels} levels"
        when = f"{kernel.first.comm} {self.moment}" if kernel.first is not None else self.moment
        page = core.page(frame.pfn) if frame.kind in _OF_USERS else None
        objects: tuple[Node, ...] = ()
        listed = frame.kind == "file" and core.m.rmap_files != 0
        if page is not None and ((frame.kind == "anon" and rmap.finds_anon) or listed):
            objects = tuple(rmap.drawing(page))
            core.check_bug()
        elif page is not None and frame.kind == "file":
            objects = (self.file_node(page, frame.holds),)
        return FrameUse(
            f"{when}, after {kernel.sched.now / 1e6:.3f} ms",
            f"{width}, {int(core.m.nr_frames) << 2} kB",
            rmap.name,
            frame.pfn if frame.kind != "swap" else None,
            frame.kind,
            frame.holds,
            frame.count,
            frame.mapcount,
            frame.flags,
            page.mapping if page is not None else 0,
            page.index if page is not None else 0,
            slot,
            self.mapping_frame(frame.pfn) if page is not None else (),
            swapped,
            walk,
            remark,
            objects,
            "" if listed else core.i_mmap,
        )

    def file_node(self, page: page, holds: str) -> Node:
        """The file of a page, which lists its areas."""
        core = self.core
        mapping = core.ffi.cast("struct address_space *", core.base + page.mapping)
        areas = areas_of(core, mapping)
        fields = (("holds", holds), ("areas", len(areas)))
        return Node(
            "address_space", page.mapping, "", fields, tuple(("i_mmap", area) for area in areas)
        )

    # ---- the walk

    def walk_for(self, page: page, frame: Frame) -> tuple[Walk | None, str]:
        """How the reverse map would find who maps a page, or why it would not."""
        if frame.kind not in _OF_USERS:
            return None, no_page(frame)
        if not page.mapcount:
            return None, "no page table has the frame, so there is nothing to walk for"
        scheme = self.kernel.vm.rmap
        if frame.kind == "anon" and not scheme.finds_anon:
            return None, f"{scheme.name} has no walk: it cannot tell who maps an anonymous page"
        return self.ask(page), ""

    def ask(self, page: page) -> Walk:
        """The walk, from the core."""
        core = self.core
        log = core.ffi.new("struct rmap_log *")
        counted = core.ffi.new("uint64_t[]", lib.NR_COUNTERS)
        log.counted = counted
        room = int(page.mapcount) + 64
        while True:
            tried = core.ffi.new("struct rmap_tried[]", room)
            log.tried, log.room = tried, room
            core.lib.rmap_ask(core.m, page, self.walk == "unmap", log)
            core.check_bug()
            if log.nr <= room:
                break
            room = int(log.nr)
        found = tuple(self.candidate(page, i + 1, tried[i]) for i in range(log.nr))
        counts = {
            name: int(n)
            for name, n in zip(COUNTERS, counted, strict=False)
            if n and name not in HOST_COUNTERS
        }
        return Walk(WALKS[self.walk], found, counts, self.result(page, log, found))

    def result(self, page: page, log: Any, found: tuple[Candidate, ...]) -> str:
        """What comes of it, in a sentence's half."""
        n = int(page.mapcount)
        if self.walk == "referenced":
            said = f"{log.young} of {n} entries accessed since they were asked last"
            return said if log.found == n else f"{said}; {n - log.found} not found"
        if log.ret == lib.SWAP_SUCCESS:
            return f"{n} of {n} entries are taken away"
        last = found[-1].outcome if found else ""
        return _ENDS.get(last, f"{n - log.found} of {n} entries not found: the page stays")

    def candidate(self, page: page, number: int, tried: Any) -> Candidate:
        """One place that the walk came to."""
        core = self.core
        verdict, mm = int(tried.verdict), int(tried.mm)
        known = tried.verdict >= lib.TRIED_PTE or tried.address
        address = int(tried.address) if known else None
        handle = self.kernel.vm.mms.get(mm)
        area, pte = None, 0
        if tried.vma:
            area = self.extent(core.vma(tried.vma))
        elif handle is not None and address is not None:
            vmas = (v for v in handle.vmas() if v.vm_start <= address < v.vm_end)
            area = next((self.extent(vma) for vma in vmas), None)
        if handle is not None and address is not None:
            at = core.lib.pte_offset(core.m, handle.ptr, address)
            pte = core.kaddr(at) if at else 0
        because = self.because(page, verdict, area, self.value_at(handle, address), bool(pte))
        if verdict == lib.TRIED_RANGE and address is not None and not tried.vma:
            because = "what is there came from elsewhere" if area else "nothing is mapped there"
        return Candidate(
            number,
            _VERDICTS[verdict],
            because,
            _OUTCOMES[int(tried.outcome)],
            self.space(mm) if mm else None,
            area,
            address,
            pte,
            int(tried.probes),
            int(tried.cmps),
        )

    def value_at(self, mm: Mm | None, address: int | None) -> int:
        """The entry at an address, 0 without one."""
        if mm is None or address is None:
            return 0
        return int(self.core.lib.pte_value(self.core.m, mm.ptr, address))

    def because(
        self, page: page, verdict: int, area: Extent | None, value: int, table: bool
    ) -> str:
        """What was compared, and how it came out."""
        if verdict == lib.TRIED_RANGE and area is not None:
            last = area.offset + (area.end - area.start >> PAGE_SHIFT) - 1
            return f"index {page.index:#x} is not in {area.offset:#x}-{last & self.core.mask:#x}"
        if verdict == lib.TRIED_PTE:
            if value & PTE_FILE and not value & PTE_PRESENT:
                return "the pte is of a page of the file that is not there"
            if value & PTE_PRESENT:
                return f"the pte has frame {value >> PAGE_SHIFT}"
            if value:
                return f"the pte is in swap, slot {take.slot_of(value)}"
            return "the pte is empty" if table else "there is no page table"
        if verdict == lib.TRIED_MATCH:
            return f"the pte has frame {value >> PAGE_SHIFT}"
        return _BECAUSE.get(verdict, "")


_BECAUSE = {
    lib.TRIED_DEAD: "its process has ended",
    lib.TRIED_EMPTY: "its mm has no pages (rss 0)",
    lib.TRIED_RANGE: "the page is not in its range",
    lib.TRIED_BUSY: "page_table_lock is taken",
}


_OF_USERS = ("anon", "file", "swapcache")
"""Kinds of frames that page tables of processes may have."""
_WHAT = {
    "reserved": "is reserved at boot",
    "free": "is free",
    "slab": "has a slab",
    "pagetable": "is a page table",
    "swapmap": "has a piece of a swap map",
    "other": "is on its way to be free",
}


def no_page(frame: Frame) -> str:
    """What a frame is, if it is no page of a process, in a sentence."""
    if frame.pfn == lib.ZERO_PAGE_PFN:
        return f"frame {frame.pfn} is the page of zeros, which no reverse map follows"
    holds = f" ({frame.holds})" if frame.holds else ""
    return f"frame {frame.pfn} {_WHAT[frame.kind]}{holds}: no process has it as a page"
