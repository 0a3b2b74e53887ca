"""machine.check(): recompute from the page tables alone what everything else claims.

Every inconsistency found is named; none may be left: of page tables and map counts, of
each scheme's own objects, of frames, LRU lists, slabs and swap maps.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vmemu.check_events import check_events
from vmemu.check_rmap import check_files, check_walks, lacking
from vmemu.core import PAGE_SHIFT, Core, lib
from vmemu.errors import KernelBug
from vmemu.frames import PTE_PRESENT, mem_map, swap_map, user_ptes

if TYPE_CHECKING:
    from vmemu.mm.manager import MemoryManager
    from vmemu.mm.mm import Mm

__all__ = ["Mapping", "Survey", "check_machine"]


@dataclass(frozen=True)
class Mapping:
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
    survey = Survey(vm, pages=mem_map(vm.core))
    survey.mapcount = np.zeros(len(survey.pages), dtype=np.int64)
    survey.flags = np.ascontiguousarray(survey.pages["flags"])
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


def _list(core: Core, head: Any, kind: str, *member: str) -> list[Any]:
    """The objects on a ``struct list_head`` of guest RAM, with its links verified."""
    ffi = core.ffi
    offset = ffi.offsetof(kind, *member)
    found: list[Any] = []
    start, at = core.kaddr(ffi.addressof(head)), head.next
    previous = start
    while at != start:
        node = ffi.cast("struct list_head *", core.base + at)
        if node.prev != previous or len(found) > core.m.nr_frames * 64:
            raise KernelBug(f"list of {kind}.{'.'.join(member)} at {start:#x} is broken at {at:#x}")
        found.append(ffi.cast(f"{kind} *", core.base + at - offset))
        previous, at = at, node.next
    return found


def _frames(core: Core, head: Any) -> Any:
    """The numbers of the frames on a list of pages, with its links verified, as an array."""
    found = np.empty(core.m.nr_frames, dtype=np.uint32)
    broken = core.ffi.new("kptr *")
    n = core.lib.list_frames(
        core.m, core.ffi.addressof(head), core.ffi.from_buffer("uint32_t[]", found), broken
    )
    if n < 0:
        start = core.kaddr(core.ffi.addressof(head))
        raise KernelBug(f"list of struct page.lru at {start:#x} is broken at {broken[0]:#x}")
    return found[:n]


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
    core = survey.vm.core
    addresses, ptes = user_ptes(core, mm.ptr)
    starts = np.array([vma.vm_start for vma in vmas] or [0], dtype=np.int64)
    owner = np.searchsorted(starts, addresses, side="right") - 1
    rss = 0
    for address, pte, at in zip(addresses.tolist(), ptes.tolist(), owner.tolist(), strict=True):
        vma = vmas[at] if at >= 0 and vmas else None
        if vma is None or address >= vma.vm_end:
            survey.fail(f"mm {mm.kaddr:#x} has a pte {pte:#x} outside any vma at {address:#x}")
            continue
        if not pte & PTE_PRESENT:
            survey.swap_refs[pte] += 1
            continue
        pfn = pte >> PAGE_SHIFT
        page = survey.pages[pfn]
        if pte & lib._PAGE_RW and not vma.vm_flags & lib.VM_WRITE:
            survey.fail(f"pte {pte:#x} at {address:#x} is writable in a read-only vma")
        if page["flags"] & lib.PG_reserved:
            if pte & lib._PAGE_RW:
                survey.fail(f"the zero page is mapped writable at {address:#x}")
            continue
        rss += 1
        survey.mapcount[pfn] += 1
        pages = survey.anon if page["flags"] & lib.PG_anon else survey.file
        pages.setdefault(pfn, []).append(Mapping(mm, vma, address))
        shares = bool(vma.vm_flags & lib.VM_SHARED)
        if pte & lib._PAGE_RW and page["mapcount"] > 1 and not shares:
            survey.fail(f"page {pfn} is shared and writable at {address:#x}")
        if shares and page["flags"] & lib.PG_anon:
            survey.fail(f"page {pfn} at {address:#x} is a private copy in a shared area")
        if pte & lib._PAGE_DIRTY and not (shares or page["flags"] & lib.PG_anon):
            survey.fail(f"page {pfn} of a file is dirty by a private area at {address:#x}")
    survey.expect(f"mm {mm.kaddr:#x} rss", mm.ptr.rss, rss)


# ---- frames ----------------------------------------------------------------------


def _some(wrong: Any) -> list[int]:
    """The first few frames for which an array of truths is true."""
    found: list[int] = np.flatnonzero(wrong)[:4].tolist() if wrong.any() else []
    return found


def _check_frames(survey: Survey) -> None:
    vm, pages, mapcount = survey.vm, survey.pages, survey.mapcount
    m, flags = vm.core.m, survey.flags
    count = np.ascontiguousarray(pages["count"])
    for pfn in _some(pages["mapcount"] != mapcount):
        survey.expect(f"mapcount of page {pfn}", int(pages["mapcount"][pfn]), int(mapcount[pfn]))

    def has(bits: int) -> Any:
        return (flags & bits) != 0

    anon, pgtable, free_ones = has(lib.PG_anon), has(lib.PG_pgtable), has(lib.PG_buddy)
    system = has(lib.PG_slab | lib.PG_pgtable | lib.PG_vmalloc)
    of_file = (flags & (lib.PG_anon | lib.PG_lru)) == lib.PG_lru
    cached = has(lib.PG_swapcache) | (of_file & (pages["mapping"] != 0))
    expected = mapcount + cached + system
    checked = (flags & lib.PG_reserved) == 0
    for pfn in _some(checked & (count != expected)):
        survey.expect(
            f"_count of page {pfn} (flags {int(flags[pfn]):#x})",
            int(count[pfn]),
            int(expected[pfn]),
        )
    for pfn in _some(checked & (count == 0) & ~has(lib.PG_buddy | lib.PG_arch_1)):
        survey.fail(f"page {pfn} has no user and is on no list")
    mapped = mapcount > 0
    for pfn in _some(anon & ~mapped):
        survey.fail(f"page {pfn} is PG_anon and not mapped")
    survey.expect("nr_mapped", m.pages.nr_mapped, np.count_nonzero(mapped))
    survey.expect("nr_pagetable", m.pages.nr_pagetable, np.count_nonzero(pgtable))
    survey.expect("free pages", m.k.zone.free_pages, np.count_nonzero(free_ones))
    free = _frames(vm.core, m.k.zone.free_list)
    survey.expect("length of the free list", len(free), m.k.zone.free_pages)
    quarantine = _frames(vm.core, m.k.quarantine)
    survey.expect("length of the quarantine", len(quarantine), m.pages.nr_quarantine)
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
    for head, active, count in (
        (zone.active_list, True, zone.nr_active),
        (zone.inactive_list, False, zone.nr_inactive),
    ):
        listed = _frames(core, head)
        survey.expect(f"nr_{'active' if active else 'inactive'}", count, len(listed))
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
    flagged = np.count_nonzero(survey.flags & lib.PG_slab)
    survey.expect("frames with PG_slab", flagged, slabs)
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
