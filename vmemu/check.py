"""machine.check(): recompute from the page tables alone what everything else claims.

Every inconsistency found is named; none may be left: of page tables and map counts, of
each scheme's own objects, of frames, LRU lists, slabs and swap maps.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vmemu.check_events import check_events
from vmemu.check_rmap import check_files, check_walks, lacking
from vmemu.core import PAGE_SHIFT, Core, lib
from vmemu.errors import KernelBug
from vmemu.frames import PTE_FILE, PTE_PRESENT, mem_map, swap_map, user_ptes

if TYPE_CHECKING:
    from vmemu.mm.manager import MemoryManager
    from vmemu.mm.mm import Mm

__all__ = ["Mapping", "Survey", "check_machine"]


class Mapping(NamedTuple):
    """One present pte of an anonymous page."""

    mm: Mm
    vma: Any
    address: int


@dataclass
class Survey:
    """What the page tables say, gathered once for all checks."""

    vm: MemoryManager
    problems: list[str] = field(default_factory=list)
    mapcount: Any = None
    swap_refs: Counter[int] = field(default_factory=Counter)
    anon: dict[int, list[Mapping]] = field(default_factory=dict)  # by pfn
    file: dict[int, list[Mapping]] = field(default_factory=dict)  # the same of files' pages
    vmas: list[Any] = field(default_factory=list)
    pages: Any = None
    flags: Any = None  # those of all pages, side by side
    slab_frames: int = 0

    @classmethod
    def of(cls, vm: MemoryManager) -> Survey:
        """One that has seen no page table yet."""
        survey = cls(vm, pages=mem_map(vm.core))
        survey.mapcount = np.zeros(len(survey.pages), dtype=np.uint32)
        survey.flags = np.ascontiguousarray(survey.pages["flags"])
        return survey

    def expect(self, what: str, found: Any, expected: Any) -> None:
        """Note a problem unless two numbers agree."""
        if found != expected:
            self.problems.append(f"{what} is {found}, recomputed {expected}")

    def fail(self, problem: str) -> None:
        """Note a problem."""
        self.problems.append(problem)

    def list_of(self, head: Any, kind: str, *member: str) -> list[Any]:
        """The objects on a ``struct list_head`` of guest RAM, with its links verified."""
        return _list(self.vm.core, head, kind, *member)


def check_machine(vm: MemoryManager) -> None:
    """Check everything; KernelBug lists what does not hold.

    Call it between operations, with nothing in flight.
    """
    vm.core.lib.lockdep_path_ends(vm.core.m, b"what preceded check()")
    vm.core.check_bug()
    survey = Survey.of(vm)
    for mm in vm.mms.values():
        _check_mm(survey, mm)
    _check_frames(survey)
    _check_lru(survey)
    _check_slabs(survey)
    _check_swap(survey)
    check_files(survey)
    check_events(survey)
    vm.rmap.check(survey)
    survey.expect(
        "pages with another number of ptes", vm.core.lib.vmemu_sharing(vm.core.m).wrong, 0
    )
    if not survey.problems:  # else walks may lead anywhere
        check_walks(survey)
    vm.core.check_bug()
    if survey.problems:
        shown = "; ".join(survey.problems[:12])
        more = len(survey.problems) - 12
        shown += f" (+{more} more)" if more > 0 else ""
        if "which it has not" not in shown and (told := lacking(vm.rmap)) not in shown:
            shown += f"; {told}"  # which may be why
        raise KernelBug(f"check failed under {vm.rmap.name}: {shown}")


@cache
def _place(ffi: Any, kind: str, member: tuple[str, ...]) -> tuple[int, Any]:
    """Where a member of a struct is, and the type of a pointer to the struct."""
    return ffi.offsetof(kind, *member) if member else 0, ffi.typeof(f"{kind} *")


def _list(core: Core, head: Any, kind: str, *member: str) -> list[Any]:
    """The objects on a ``struct list_head`` of guest RAM, with its links verified."""
    ffi = core.ffi
    offset, pointer = _place(ffi, kind, member)
    of_list = _place(ffi, "struct list_head", ())[1]
    found: list[Any] = []
    start, at = core.kaddr(ffi.addressof(head)), head.next
    previous = start
    while at != start:
        node = ffi.cast(of_list, core.base + at)
        if node.prev != previous or len(found) > core.m.nr_frames * 64:
            raise KernelBug(f"list of {kind}.{'.'.join(member)} at {start:#x} is broken at {at:#x}")
        found.append(ffi.cast(pointer, core.base + at - offset))
        previous, at = at, node.next
    return found


def _frames(core: Core, head: Any, pfns: Any = None) -> int:
    """Frames on a list of pages, with its links verified; their numbers go to an array."""
    broken = core.ffi.new("kptr *")
    into = core.ffi.NULL if pfns is None else core.ffi.from_buffer("uint32_t[]", pfns)
    n: int = core.lib.list_frames(core.m, core.ffi.addressof(head), into, broken)
    if n < 0:
        start = core.kaddr(core.ffi.addressof(head))
        raise KernelBug(f"list of struct page.lru at {start:#x} is broken at {broken[0]:#x}")
    return n


# ---- one address space ---------------------------------------------------------


def _check_mm(survey: Survey, mm: Mm) -> None:
    core, ptr = survey.vm.core, mm.ptr
    vmas = list(mm.vmas())
    survey.vmas += vmas
    name = f"mm {mm.kaddr:#x}"
    survey.expect(f"{name} map_count", ptr.map_count, len(vmas))
    total = locked = 0
    for i, vma in enumerate(vmas):
        pages = (vma.vm_end - vma.vm_start) >> PAGE_SHIFT
        total += pages
        locked += pages if vma.vm_flags & lib.VM_LOCKED else 0
        if vma.vm_start >= vma.vm_end or vma.vm_start & 0xFFF or vma.vm_end & 0xFFF:
            survey.fail(f"{name} has an odd vma {vma.vm_start:#x}-{vma.vm_end:#x}")
        if i and vmas[i - 1].vm_end > vma.vm_start:
            survey.fail(f"{name} has vmas that overlap at {vma.vm_start:#x}")
        if core.mm(vma.vm_mm) != ptr:
            survey.fail(f"vma {vma.vm_start:#x} does not belong to {name}")
        if vma.vm_page_prot != core.lib.vm_page_prot(vma.vm_flags):
            survey.fail(f"{name} vma {vma.vm_start:#x}: vm_page_prot does not fit vm_flags")
    survey.expect(f"{name} total_vm", ptr.total_vm, total)
    survey.expect(f"{name} locked_vm", ptr.locked_vm, locked)
    _check_tree(survey, mm, vmas)
    _check_ptes(survey, mm, vmas)


def _check_tree(survey: Survey, mm: Mm, vmas: list[Any]) -> None:
    """The red-black tree holds the same vmas, in order, balanced."""
    core, ffi = survey.vm.core, survey.vm.core.ffi
    offset = ffi.offsetof("struct vm_area_struct", "vm_rb")
    order: list[int] = []

    def walk(node: int, parent: int, red_above: bool) -> int:
        if not node:
            return 1
        rb = ffi.cast("struct rb_node *", core.base + node)
        red = rb.rb_color == 0
        if rb.rb_parent != parent or (red and red_above):
            survey.fail(f"mm {mm.kaddr:#x} has a bad tree node {node:#x}")
        left = walk(rb.rb_left, node, red)
        order.append(node - offset)
        right = walk(rb.rb_right, node, red)
        if left != right:
            survey.fail(f"mm {mm.kaddr:#x} has an unbalanced tree at {node:#x}")
        return left + (not red)

    walk(mm.ptr.mm_rb, 0, True)
    if order != [core.kaddr(vma) for vma in vmas]:
        survey.fail(f"mm {mm.kaddr:#x}: tree and list of vmas differ")


def _check_ptes(survey: Survey, mm: Mm, vmas: list[Any]) -> None:
    core, name = survey.vm.core, f"mm {mm.kaddr:#x}"
    addresses, ptes = user_ptes(core, mm.ptr)
    present = (ptes & PTE_PRESENT) != 0
    starts = [vma.vm_start for vma in vmas]
    owner = np.searchsorted(np.array(starts, dtype=np.int64), addresses, side="right") - 1
    pfns = np.where(present, ptes >> PAGE_SHIFT, 0)
    reserved, anon, writable, dirty = lib.PG_reserved, lib.PG_anon, lib._PAGE_RW, lib._PAGE_DIRTY
    counted: list[int] = []
    for address, pte, at, here, pfn, flags, shared in zip(
        addresses.tolist(),
        ptes.tolist(),
        owner.tolist(),
        present.tolist(),
        pfns.tolist(),
        survey.flags[pfns].tolist(),
        (survey.pages["mapcount"][pfns] > 1).tolist(),
        strict=True,
    ):
        vma = vmas[at] if at >= 0 else None
        if vma is None or address >= vma.vm_end:
            survey.fail(f"{name} has a pte {pte:#x} outside any vma at {address:#x}")
            continue
        if not here and pte & PTE_FILE:
            if not vma.vm_flags & lib.VM_NONLINEAR:
                survey.fail(f"{name} has a file entry {pte:#x} at {address:#x} of a linear area")
            continue
        if not here:
            survey.swap_refs[pte] += 1
            continue
        if pte & writable and not vma.vm_flags & lib.VM_WRITE:
            survey.fail(f"pte {pte:#x} at {address:#x} is writable in a read-only vma")
        if flags & reserved:
            if pte & writable:
                survey.fail(f"the zero page is mapped writable at {address:#x}")
            continue
        counted.append(pfn)
        pages = survey.anon if flags & anon else survey.file
        pages.setdefault(pfn, []).append(Mapping(mm, vma, address))
        if pte & writable and shared and not vma.vm_flags & lib.VM_SHARED:
            survey.fail(f"page {pfn} is shared and writable at {address:#x}")
        if flags & anon and vma.vm_file and vma.vm_flags & lib.VM_SHARED:
            survey.fail(f"page {pfn} at {address:#x} is a private copy in a shared area")
        if not flags & anon and pte & dirty and not vma.vm_flags & lib.VM_SHARED:
            survey.fail(f"page {pfn} of a file is dirty by a private area at {address:#x}")
    np.add.at(survey.mapcount, np.array(counted, dtype=np.intp), 1)
    survey.expect(f"{name} rss", mm.ptr.rss, len(counted))


# ---- frames ----------------------------------------------------------------------


def _some(wrong: Any) -> list[int]:
    """The first few frames for which an array of truths is true."""
    found: list[int] = np.flatnonzero(wrong)[:4].tolist() if wrong.any() else []
    return found


def _check_frames(survey: Survey) -> None:
    vm, pages = survey.vm, survey.pages
    core, m = vm.core, vm.core.m
    census = core.ffi.new("struct frame_census *")
    core.lib.frame_census(m, core.ffi.from_buffer("uint32_t[]", survey.mapcount), census)

    def broken(rule: int) -> list[int]:
        return list(census.shown[rule])[: census.broken[rule]]

    for pfn in broken(lib.RULE_mapcount):
        known = int(survey.mapcount[pfn])
        survey.expect(f"mapcount of page {pfn}", int(pages["mapcount"][pfn]), known)
    for pfn, expected in zip(broken(lib.RULE_count), census.expected, strict=False):
        what = f"_count of page {pfn} (flags {int(survey.flags[pfn]):#x})"
        survey.expect(what, int(pages["count"][pfn]), expected)
    for pfn in broken(lib.RULE_free):
        survey.fail(f"page {pfn} has no user and is on no list")
    for pfn in broken(lib.RULE_anon):
        survey.fail(f"page {pfn} is PG_anon and not mapped")
    survey.expect("nr_mapped", m.pages.nr_mapped, census.mapped)
    survey.expect("nr_pagetable", m.pages.nr_pagetable, census.pgtable)
    survey.expect("free pages", m.k.zone.free_pages, census.free)
    survey.expect("length of the free list", _frames(core, m.k.zone.free_list), m.k.zone.free_pages)
    survey.expect("length of the quarantine", _frames(core, m.k.quarantine), m.pages.nr_quarantine)
    survey.slab_frames = census.slab
    committed = sum(
        (vma.vm_end - vma.vm_start) >> PAGE_SHIFT
        for vma in survey.vmas
        if vma.vm_flags & lib.VM_ACCOUNT
    )
    committed += sum(inode.promised for inode in vm.inodes.shmems())
    survey.expect("committed pages", vm.commit.pages, committed)


def _check_lru(survey: Survey) -> None:
    core, zone = survey.vm.core, survey.vm.core.m.k.zone
    flags = survey.flags
    seen = np.zeros(len(flags), dtype=bool)
    numbers = np.empty(len(flags), dtype=np.uint32)
    for head, active, count in (
        (zone.active_list, True, zone.nr_active),
        (zone.inactive_list, False, zone.nr_inactive),
    ):
        n = _frames(core, head, numbers)
        listed = numbers[:n]
        survey.expect(f"nr_{'active' if active else 'inactive'}", count, n)
        seen[listed] = True
        wrong = ((flags[listed] & lib.PG_active) != 0) != active
        if wrong.any():
            survey.fail(f"{int(wrong.sum())} pages are on the wrong LRU list")
    for pfn in _some(seen != ((flags & lib.PG_lru) != 0)):
        survey.fail(
            f"PG_lru of page {pfn} is {bool(flags[pfn] & lib.PG_lru)}, on a list: {seen[pfn]}"
        )
    for pfn in _some((survey.mapcount > 0) & ~seen):
        survey.fail(f"mapped page {pfn} is on no LRU list")


def _in_use(slab: Any) -> int:
    """Objects of a ``struct slab *``; or, with SLUB, a ``struct page *``."""
    return int(slab.inuse if hasattr(slab, "inuse") else slab.index)


def _check_slabs(survey: Survey) -> None:
    core = survey.vm.core
    slabs = 0
    for i, name in enumerate(core.caches):
        cache = core.m.k.caches[i]
        where = ("struct page", "lru") if cache.slub else ("struct slab", "list")
        full = [_in_use(slab) for slab in _list(core, cache.slabs_full, *where)]
        partial = [_in_use(slab) for slab in _list(core, cache.slabs_partial, *where)]
        survey.expect(f"slabs of {name}", cache.nr_slabs, len(full) + len(partial))
        survey.expect(f"objects of {name}", cache.nr_active, sum(full + partial))
        if any(n != cache.num for n in full) or any(not 0 < n < cache.num for n in partial):
            survey.fail(f"a slab of {name} is on the wrong list")
        slabs += len(full) + len(partial)
    survey.expect("frames with PG_slab", survey.slab_frames, slabs)
    caches = core.m.k.caches
    survey.expect("vm_area_structs", caches[lib.CACHE_vm_area_struct].nr_active, len(survey.vmas))
    survey.expect("mm_structs", caches[lib.CACHE_mm_struct].nr_active, len(survey.vm.mms))
    trees = [core.m.k.swapper_space.page_tree]
    trees += [
        core.ffi.cast("struct address_space *", core.base + inode.kaddr).page_tree
        for inode in survey.vm.inodes
    ]
    trees += [
        core.lib.inode_of(core.m, inode.mapping).shmem.swap_tree for inode in survey.vm.inodes
    ]
    nodes = sum(_tree_nodes(survey, tree.rnode, tree.height) for tree in trees)
    survey.expect("radix_tree_nodes", caches[lib.CACHE_radix_tree_node].nr_active, nodes)
    survey.expect(
        "address_spaces", caches[lib.CACHE_address_space].nr_active, len(survey.vm.inodes)
    )
    mms = _list(core, core.m.k.mmlist, "struct mm_struct", "mmlist")
    survey.expect("length of mmlist", len(mms), len(survey.vm.mms))


def _tree_nodes(survey: Survey, kptr: int, height: int) -> int:
    """Nodes of a radix tree, each of which must have as many slots in use as it counts."""
    if not kptr or not height:
        return 0
    core = survey.vm.core
    node = core.ffi.cast("struct radix_tree_node *", core.base + kptr)
    used = [slot for slot in node.slots if slot]
    if not used or len(used) != node.count:
        survey.fail(f"radix tree node {kptr:#x} counts {node.count} of {len(used)} slots")
    return 1 + sum(_tree_nodes(survey, slot, height - 1) for slot in used)


# ---- swap ----------------------------------------------------------------------


def _check_shmem(survey: Survey, swap_refs: Counter[int]) -> None:
    """A page of shared memory is in memory or in swap, and counted once."""
    core, inodes = survey.vm.core, list(survey.vm.inodes.shmems())
    used: Counter[int] = Counter()
    in_memory, with_entries = 0, []
    for inode in inodes:
        entries, info = inode.entries(), core.lib.inode_of(core.m, inode.mapping).shmem
        swap_refs.update(entries.values())
        name, pages = f"shared memory {inode.kaddr:#x}", int(inode.mapping.nrpages)
        survey.expect(f"swapped pages of {name}", int(info.swapped), len(entries))
        survey.expect(f"allocated pages of {name}", int(info.alloced), pages + len(entries))
        for index in entries:
            page = core.lib.find_get_page(core.m, inode.mapping, index)
            if page:
                survey.fail(f"page {index} of {name} is in memory and in swap")
                core.lib.put_page(core.m, page)
        used[int(info.sb)] += int(info.alloced)
        in_memory += pages
        if entries:
            with_entries.append(inode.kaddr)
    survey.expect("nr_shmem", core.m.pages.nr_shmem, in_memory)
    for number in range(lib.NR_SHMEM_SB):
        survey.expect(f"blocks of tmpfs {number}", core.m.shmem_sb[number].used, used[number])
    listed = _list(core, core.m.k.shmem_swaplist, "struct address_space", "private_list")
    if sorted(core.kaddr(mapping) for mapping in listed) != sorted(with_entries):
        survey.fail("the list of shared memory that has pages in swap is wrong")


def _check_swap(survey: Survey) -> None:
    core, pages = survey.vm.core, survey.pages
    expected = Counter(survey.swap_refs)
    _check_shmem(survey, expected)
    cached = np.flatnonzero(survey.flags & lib.PG_swapcache).tolist()
    for pfn in cached:
        entry = int(pages["private"][pfn])
        expected[entry] += 1
        found = core.lib.lookup_swap_cache(core.m, entry)
        if not found or found != core.page(pfn):
            survey.fail(f"swap cache does not know page {pfn} of entry {entry:#x}")
        if found:
            core.lib.put_page(core.m, found)
    survey.expect("swap cache pages", core.m.k.swapper_space.nrpages, len(cached))
    actual: dict[int, int] = {}
    for area in survey.vm.swap.areas:
        info, slots = core.swap_info(area.kind), swap_map(core, area.kind)
        used = np.flatnonzero((slots != 0) & (slots != lib.SWAP_MAP_BAD)).tolist()
        actual |= {area.kind << 1 | offset << 8: int(slots[offset]) for offset in used}
        survey.expect(f"slots in use in swap area {area.kind}", info.inuse, len(used))
    for entry in expected.keys() | actual.keys():
        if expected[entry] != actual.get(entry, 0):
            survey.expect(f"swap map of entry {entry:#x}", actual.get(entry, 0), expected[entry])
