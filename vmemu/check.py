"""machine.check(): recompute from the page tables alone what everything else claims.

Every inconsistency found is named; none may be left: of page tables and map counts, of
each scheme's own objects, of frames, LRU lists, slabs and swap maps.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from vmemu.check_events import check_events
from vmemu.check_rmap import check_files, check_walks, lacking
from vmemu.core import PAGE_SHIFT, Core, lib
from vmemu.errors import KernelBug

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
    mapcounts: Any = None  # uint32_t[] of all frames
    swap_refs: Counter[int] = field(default_factory=Counter)
    anon: dict[int, list[Mapping]] = field(default_factory=dict)  # by pfn
    file: dict[int, list[Mapping]] = field(default_factory=dict)  # the same of files' pages
    vmas: list[Any] = field(default_factory=list)
    census: Any = None  # struct frame_census *

    @classmethod
    def of(cls, vm: MemoryManager) -> Survey:
        """One that has seen no page table yet."""
        return cls(vm, mapcounts=vm.core.ffi.new("uint32_t[]", vm.core.m.nr_frames))

    @property
    def pages(self) -> Any:
        """Every ``struct page``, as an array of numpy."""
        from vmemu.frames import mem_map

        return mem_map(self.vm.core)

    @property
    def mapcount(self) -> list[int]:
        """The ptes of every frame."""
        found: list[int] = self.vm.core.ffi.unpack(self.mapcounts, self.vm.core.m.nr_frames)
        return found

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


def _user_ptes(survey: Survey, mm: Mm) -> tuple[list[int], list[int]]:
    """The addresses and values of all ptes that are not 0, by address."""
    core = survey.vm.core
    lib, ffi = core.lib, core.ffi
    n = lib.mm_ptes(core.m, mm.ptr, ffi.NULL, ffi.NULL, 0)
    addresses, ptes = ffi.new("kulong[]", n), ffi.new("pte_t[]", n)
    lib.mm_ptes(core.m, mm.ptr, addresses, ptes, n)
    return ffi.unpack(addresses, n), ffi.unpack(ptes, n)


def _check_ptes(survey: Survey, mm: Mm, vmas: list[Any]) -> None:
    core, name = survey.vm.core, f"mm {mm.kaddr:#x}"
    mem_map, mapcounts, refs = core.m.mem_map, survey.mapcounts, survey.swap_refs
    present = lib._PAGE_PRESENT | lib._PAGE_PROTNONE
    reserved, anon, writable, dirty = lib.PG_reserved, lib.PG_anon, lib._PAGE_RW, lib._PAGE_DIRTY
    areas = iter(vmas)
    start = end = flags = rss = 0
    vma: Any = None
    for address, pte in zip(*_user_ptes(survey, mm), strict=True):
        while address >= end and (vma := next(areas, None)) is not None:
            start, end, flags = vma.vm_start, vma.vm_end, vma.vm_flags
        if vma is None or not start <= address < end:
            survey.fail(f"{name} has a pte {pte:#x} outside any vma at {address:#x}")
            continue
        if not pte & present and pte & lib._PAGE_FILE:
            if not flags & lib.VM_NONLINEAR:
                survey.fail(f"{name} has a file entry {pte:#x} at {address:#x} of a linear area")
            continue
        if not pte & present:
            refs[pte] += 1
            continue
        if pte & writable and not flags & lib.VM_WRITE:
            survey.fail(f"pte {pte:#x} at {address:#x} is writable in a read-only vma")
        pfn = pte >> PAGE_SHIFT
        if pfn >= core.m.nr_frames:
            survey.fail(f"pte {pte:#x} at {address:#x} maps no frame there is")
            continue
        page = mem_map[pfn]
        is_anon = page.flags & anon
        if page.flags & reserved:
            if pte & writable:
                survey.fail(f"the zero page is mapped writable at {address:#x}")
            continue
        rss += 1
        mapcounts[pfn] += 1
        pages = survey.anon if is_anon else survey.file
        pages.setdefault(pfn, []).append(Mapping(mm, vma, address))
        if pte & writable and page.mapcount > 1 and not flags & lib.VM_SHARED:
            survey.fail(f"page {pfn} is shared and writable at {address:#x}")
        if is_anon and vma.vm_file and flags & lib.VM_SHARED:
            survey.fail(f"page {pfn} at {address:#x} is a private copy in a shared area")
        if not is_anon and pte & dirty and not flags & lib.VM_SHARED:
            survey.fail(f"page {pfn} of a file is dirty by a private area at {address:#x}")
    survey.expect(f"{name} rss", mm.ptr.rss, rss)


# ---- frames ----------------------------------------------------------------------


def _check_frames(survey: Survey) -> None:
    vm, core, m = survey.vm, survey.vm.core, survey.vm.core.m
    survey.census = census = core.ffi.new("struct frame_census *")
    if not core.lib.frame_census(m, survey.mapcounts, census):
        raise MemoryError("no host memory to look at all frames")
    if census.list:
        at = f"{census.list:#x} is broken at {census.broken_at:#x}"
        raise KernelBug(f"list of struct page.lru at {at}")

    def broken(rule: int) -> list[tuple[int, Any]]:
        pfns = list(census.shown[rule])[: census.broken[rule]]
        return [(pfn, m.mem_map[pfn]) for pfn in pfns]

    for pfn, page in broken(lib.RULE_mapcount):
        survey.expect(f"mapcount of page {pfn}", page.mapcount, survey.mapcounts[pfn])
    for (pfn, page), expected in zip(broken(lib.RULE_count), census.expected, strict=False):
        survey.expect(f"_count of page {pfn} (flags {page.flags:#x})", page._count, expected)
    for pfn, _ in broken(lib.RULE_free):
        survey.fail(f"page {pfn} has no user and is on no list")
    for pfn, _ in broken(lib.RULE_anon):
        survey.fail(f"page {pfn} is PG_anon and not mapped")
    if n := census.broken[lib.RULE_active]:
        survey.fail(f"{n} pages are on the wrong LRU list")
    for pfn, page in broken(lib.RULE_lru):
        flagged = bool(page.flags & lib.PG_lru)
        survey.fail(f"PG_lru of page {pfn} is {flagged}, on a list: {not flagged}")
    for pfn, _ in broken(lib.RULE_unlisted):
        survey.fail(f"mapped page {pfn} is on no LRU list")
    survey.expect("nr_mapped", m.pages.nr_mapped, census.mapped)
    survey.expect("nr_pagetable", m.pages.nr_pagetable, census.pgtable)
    survey.expect("free pages", m.k.zone.free_pages, census.free)
    survey.expect("length of the free list", census.nr_free, m.k.zone.free_pages)
    survey.expect("length of the quarantine", census.nr_quarantine, m.pages.nr_quarantine)
    survey.expect("nr_active", m.k.zone.nr_active, census.nr_active)
    survey.expect("nr_inactive", m.k.zone.nr_inactive, census.nr_inactive)
    committed = sum(
        (vma.vm_end - vma.vm_start) >> PAGE_SHIFT
        for vma in survey.vmas
        if vma.vm_flags & lib.VM_ACCOUNT
    )
    committed += sum(inode.promised for inode in vm.inodes.shmems())
    survey.expect("committed pages", vm.commit.pages, committed)


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
    survey.expect("frames with PG_slab", survey.census.slab, slabs)
    caches = core.m.k.caches
    survey.expect("vm_area_structs", caches[lib.CACHE_vm_area_struct].nr_active, len(survey.vmas))
    survey.expect("mm_structs", caches[lib.CACHE_mm_struct].nr_active, len(survey.vm.mms))
    trees = [core.m.k.swapper_space.page_tree]
    trees += [inode.mapping.page_tree for inode in survey.vm.inodes]
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
    core = survey.vm.core
    lib, m, ffi = core.lib, core.m, core.ffi
    expected = Counter(survey.swap_refs)
    _check_shmem(survey, expected)
    n = survey.census.swapcache
    pfns = ffi.new("uint32_t[]", n)
    lib.frames_with(m, lib.PG_swapcache, pfns, n)
    for pfn in pfns:
        page = m.mem_map + pfn
        entry = page.private
        expected[entry] += 1
        found = lib.lookup_swap_cache(m, entry)
        if not found or found != page:
            survey.fail(f"swap cache does not know page {pfn} of entry {entry:#x}")
        if found:
            lib.put_page(m, found)
    survey.expect("swap cache pages", m.k.swapper_space.nrpages, n)
    actual: dict[int, int] = {}
    for area in survey.vm.swap.areas:
        n = lib.swap_slots(m, area.kind, ffi.NULL, ffi.NULL, 0)
        offsets, users = ffi.new("uint32_t[]", n), ffi.new("uint16_t[]", n)
        lib.swap_slots(m, area.kind, offsets, users, n)
        actual |= {
            area.kind << 1 | offset << 8: count
            for offset, count in zip(offsets, users, strict=True)
        }
        survey.expect(f"slots in use in swap area {area.kind}", core.swap_info(area.kind).inuse, n)
    for entry in expected.keys() | actual.keys():
        if expected[entry] != actual.get(entry, 0):
            survey.expect(f"swap map of entry {entry:#x}", actual.get(entry, 0), expected[entry])
