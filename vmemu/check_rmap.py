"""The part of machine.check() about finding pages: each walk, each list of areas, each file.

Reverse maps are asked through their own walkers whether they would find every mapping the
page tables have; a mapping that is not found could never be reclaimed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from vmemu.core import PAGE_SHIFT, lib
from vmemu.file.i_mmap import kept

if TYPE_CHECKING:
    from vmemu.check import Mapping, Survey
    from vmemu.rmap.base import RmapScheme

__all__ = ["check_files", "check_order", "check_walks", "lacking", "origin"]

_RADIX_SHIFT = 6
_WALKS = ((0, "page_referenced"), (1, "try_to_unmap"))
_CAME = {
    lib.CAME_SPLIT: ("was split off the one at", ("vma_split",)),
    lib.CAME_FORKED: ("was copied by fork from the parent's at", ("vma_dup",)),
    lib.CAME_MOVED: ("was moved by mremap from the one at", ("vma_split", "page_moved")),
    lib.CAME_MERGED: ("has taken over pages of the one at", ("vma_absorb", "range_changed")),
}
"""How an area came to be as it is, and the hooks that tell a scheme."""
_TOGETHER = (
    ("mm_init", "mm_dup"),
    ("mm_dup", "mm_init"),
    ("vma_clone", "vma_split"),
    ("range_changes", "range_changed"),
)
"""Who has the first hook of these needs the second, too."""


def check_walks(survey: Survey) -> None:
    """Every mapping of an anonymous or a file's page is found, by both walks."""
    if survey.vm.rmap.sweeps:
        return  # there is no walk to ask
    found = dict(survey.file)
    if survey.vm.rmap.finds_anon:
        found |= survey.anon
    places = [
        (pfn, mapping)
        for pfn in sorted(found)
        for mapping in found[pfn]
        # those of nonlinear areas nobody can find, but who has kept their ptes
        if survey.vm.core.m.rmap_files or not mapping.vma.vm_flags & lib.VM_NONLINEAR
    ]
    if not places:
        return
    core = survey.vm.core
    where = core.ffi.new("struct candidate[]", len(places))
    for at, (_, mapping) in zip(where, places, strict=True):
        at.mm, at.address = mapping.mm.kaddr, mapping.address
    pfns = core.ffi.new("uint32_t[]", [pfn for pfn, _ in places])
    told = len(places)
    for walk, name in _WALKS:
        missing = core.lib.rmap_missing(core.m, where, pfns, len(places), walk)
        core.check_bug()
        if missing < len(places):
            pfn, mapping = places[missing]
            why = " either" if missing == told else _history(survey, mapping)
            told = missing
            survey.fail(
                f"{name} would not find page {pfn} at {mapping.address:#x} "
                f"of mm {mapping.mm.kaddr:#x}{why}"
            )


def _history(survey: Survey, mapping: Mapping) -> str:
    """What was last done to the area of a page that is not found, and who was to be told."""
    rmap = survey.vm.rmap
    told = origin(rmap, mapping.vma) or lacking(rmap)
    return f": {told}" if told else ""


def origin(rmap: RmapScheme, vma: Any) -> str:
    """What was last done to an area, and by which hooks its scheme hears of it; or nothing.

    While runs are explored nobody keeps the history of what is undone.
    """
    core = rmap.core
    stamps = core.lib.list_stamps(core.m, vma)
    if core.m.watch.explorer or stamps.came not in _CAME:
        return ""
    what, hooks = _CAME[stamps.came]
    told = ", and ".join(
        f"{hook}()" + ("" if rmap.hears(hook) else ", which it has not") for hook in hooks
    )
    return (
        f"its area {vma.vm_start:#x}-{vma.vm_end:#x} {what} "
        f"{getattr(stamps, 'from'):#x}, of which the scheme {rmap.name} hears by {told}"
    )


def lacking(rmap: RmapScheme) -> str:
    """The hooks that a scheme has not, and has those that they go with; or nothing."""
    return ", and ".join(
        f"the scheme {rmap.name} has {one}(), and not {other}(), which goes with it"
        for one, other in _TOGETHER
        if rmap.hears(one) and not rmap.hears(other)
    )


def check_order(survey: Survey, what: str, areas: list[Any], kind: str) -> None:
    """Areas stand on a list in the order in which they came: ``anon`` newest first, ``file`` last.

    While runs are explored nobody keeps the order of what is undone.
    """
    m = survey.vm.core.m
    if m.watch.explorer:
        return
    stamps = [getattr(survey.vm.core.lib.list_stamps(m, vma), kind) for vma in areas]
    if stamps != sorted(stamps, reverse=kind == "anon"):
        survey.fail(f"the areas of {what} are not in the order in which they came")


def check_files(survey: Survey) -> None:
    """Each file lists its areas; its page cache holds what says so, at the right index."""
    vm = survey.vm
    users: dict[int, set[int]] = {inode.kaddr: set() for inode in vm.inodes}
    for vma in survey.vmas:
        if vma.vm_file:
            users.setdefault(vma.vm_file, set()).add(vm.core.kaddr(vma))
    cached = 0
    for kptr, expected in users.items():
        if vm.inodes.find(kptr) is None:
            survey.fail(f"areas map {kptr:#x}, which is no file")
            continue
        mapping = vm.core.ffi.cast("struct address_space *", vm.core.base + kptr)
        _check_areas(survey, mapping, kptr, expected)
        cached += _check_cache(survey, mapping, kptr)
    survey.expect("nr_pagecache", vm.core.m.pages.nr_pagecache, cached)
    _check_dirty(survey)
    for pfn, mappings in survey.file.items():
        for at in mappings:
            _check_place(survey, pfn, at)


def _check_areas(survey: Survey, mapping: Any, kptr: int, expected: set[int]) -> None:
    """Each area of a file is there once, where it should be; how many are shared."""
    core = survey.vm.core
    found = kept(core, mapping)
    areas = [*found.linear, *found.nonlinear]
    if {core.kaddr(vma) for vma in areas} != expected or len(areas) != len(expected):
        survey.fail(f"file {kptr:#x} lists {len(areas)} areas, not its {len(expected)}")
    for problem in found.problems:
        survey.fail(f"{core.i_mmap} of file {kptr:#x}: {problem}")
    shared = sum(bool(vma.vm_flags & lib.VM_SHARED) for vma in areas)
    survey.expect(f"i_mmap_writable of file {kptr:#x}", mapping.i_mmap_writable, shared)
    if core.i_mmap == "list":
        for on_one in (False, True):
            listed = [v for v in found.linear if bool(v.vm_flags & lib.VM_SHARED) == on_one]
            check_order(survey, f"file {kptr:#x}", listed, "file")


def _check_cache(survey: Survey, mapping: Any, kptr: int) -> int:
    """Pages of one file's radix tree, each of which says where it belongs."""
    core, n = survey.vm.core, 0
    for index, page in _tree_pages(survey, mapping.page_tree):
        n += 1
        if page.flags & lib.PG_anon or page.mapping != kptr or page.index != index:
            survey.fail(
                f"page {core.lib.page_to_pfn(core.m, page)} is in file {kptr:#x} at {index}, "
                f"and says {page.mapping:#x} at {page.index}"
            )
    survey.expect(f"nrpages of file {kptr:#x}", mapping.nrpages, n)
    return n


def _check_dirty(survey: Survey) -> None:
    """Pages that have a file to go to are tagged in its tree when they are dirty, and counted."""
    vm, dirty = survey.vm, 0
    for inode in vm.inodes:
        tree = inode.mapping.page_tree
        tagged = {index for index, _ in _tree_pages(survey, tree, lib.PAGECACHE_TAG_DIRTY)}
        expected = {
            index
            for index, page in _tree_pages(survey, tree)
            if inode.accounts_dirty and page.flags & lib.PG_dirty
        }
        if tagged != expected:
            survey.fail(
                f"file {inode.kaddr:#x} has tags at {sorted(tagged)}, dirty pages at "
                f"{sorted(expected)}"
            )
        dirty += len(expected)
    survey.expect("nr_dirty", vm.core.m.pages.nr_dirty, dirty)


def _tree_pages(survey: Survey, tree: Any, tag: int = -1) -> Iterator[tuple[int, Any]]:
    """``(index, struct page *)`` of a radix tree, of those with a tag if one is given."""
    base, ffi, bits = survey.vm.core.base, survey.vm.core.ffi, survey.vm.core.bits

    def below(kptr: int, height: int, prefix: int) -> Iterator[tuple[int, Any]]:
        if not height:
            yield prefix, ffi.cast("struct page *", base + kptr)
            return
        node = ffi.cast("struct radix_tree_node *", base + kptr)
        for at, slot in enumerate(node.slots):
            if slot and (tag < 0 or node.tags[tag][at // bits] >> at % bits & 1):
                yield from below(slot, height - 1, prefix << _RADIX_SHIFT | at)

    if tree.rnode:
        yield from below(tree.rnode, tree.height, 0)


def _check_place(survey: Survey, pfn: int, at: Mapping) -> None:
    """A file's page is mapped where its index says, by an area of that file."""
    core, vma = survey.vm.core, at.vma
    page = core.page(pfn)
    index = (vma.vm_pgoff + ((at.address - vma.vm_start) >> PAGE_SHIFT)) & core.mask
    if page.mapping != vma.vm_file:
        survey.fail(f"page {pfn} at {at.address:#x} is not of the area's file")
    elif page.index != index and not vma.vm_flags & lib.VM_NONLINEAR:
        survey.fail(
            f"page {pfn} at {at.address:#x} has index {page.index:#x}, its area says {index:#x}"
        )
