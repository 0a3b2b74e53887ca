"""cow_context, Lorenzo Stoakes 2026: the lifecycle (csrc/rmap/cow_context.c has the walk)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from vmemu.core import PAGE_SHIFT, Core, lib
from vmemu.rmap.base import Node, RmapScheme

if TYPE_CHECKING:
    from vmemu.check import Survey

__all__ = ["SCHEMES", "CowContext"]

_ORPHANS = "0 if PRUNE == 'yes' and N == 1 else {}"
_ORPHANS_WHY = "each walk begins at the dead context; pruned, it would take an only child's place"


class CowContext(RmapScheme):
    """A tree of one object per mm, and a map of what mremap has moved; any areas may merge."""

    name: ClassVar[str] = "cow_context"
    walker: ClassVar[str] = "cow_context"
    finds_anon: ClassVar[bool] = True
    looks_back: ClassVar[bool] = True
    summary: ClassVar[str] = "Lorenzo Stoakes: a tree of mms, a map of moves (proposed in 2026)"
    caches: ClassVar[tuple[str, ...]] = ("cow_context", "cow_remap")
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "prune": ("no", "yes"),
    }
    predicted_as: ClassVar[str] = "cow_context"
    predictions: ClassVar[Mapping[str, Mapping[str, tuple[str, str]]]] = {
        "private-pages": {
            "objects_cow_context": ("1", "one for each mm"),
            "objects_cow_remap": ("0", "nothing has been moved"),
        },
        "zero-page": {"objects_cow_context": ("1", "one for each mm")},
        "overhead": {
            "objects_cow_context": ("1", "one for each mm, however many areas"),
            "objects_cow_remap": ("0", "nothing has been moved"),
        },
        "fork-server": {
            "unmap_probes": ("R * N", "the copy is its writer's, and has no descendants"),
            "rmap_locks": ("2 * R * N", "the root's, once for each walk"),
            "page_map_locks": ("2 * R * N", "one for each walk"),
            "objects_cow_context": ("N + 1", "one for each mm"),
        },
        "fork-readers": {"objects_cow_context": ("N + 1", "one for each mm")},
        "late-subfamily": {
            "unmap_probes": ("R * (GRAND + 1)", "below child 1 there is only the grandchild"),
            "objects_cow_context": ("N + 1 + GRAND", "one for each mm"),
        },
        "orphans": {
            "referenced_cmp": (_ORPHANS.format("3 * R"), _ORPHANS_WHY),
            "rmap_migrated": ("0", "pages stay with the dead context, or it lives on in a child"),
            "unmap_cmp": (_ORPHANS.format("R"), _ORPHANS_WHY),
            "objects_cow_context": (
                "N + 1 if PRUNE == 'yes' and N == 1 else N + 2",
                "N children, the first process, and the dead one from which the children descend",
            ),
        },
        "fork-chain": {
            "objects_cow_context": (
                "2 if PRUNE == 'yes' else G + 1",
                "the last one pins all above it; pruned, each takes its pageless child's place",
            ),
            "referenced_cmp": (
                "0 if PRUNE == 'yes' else G * (G - 1) // 2",
                "from a page's dead context down over all later ones to the living",
            ),
            "rmap_migrated": ("0", "nothing gives a page to another context but a write"),
        },
        "fork-depth": {
            "unmap_probes": (
                "R * (1 if WRITE else D + 1)",
                "from the first process down, until all ptes are found",
            ),
            "unmap_cmp": ("0", "all are alive, at the same address"),
            "objects_cow_context": ("D + 1", "one for each mm"),
        },
        "fork-bench": {
            "unmap_probes": ("R * 2**LEVEL", "every candidate maps the page"),
            "unmap_cmp": ("0", "all are alive, at the same address"),
            "objects_cow_context": ("2**LEVEL", "one for each mm"),
        },
        "exec-family": {
            "unmap_probes": ("R * N", "exec makes each the root of a tree"),
            "unmap_cmp": ("0", "no tree has more than one"),
            "objects_cow_context": ("N + 1", "the one from before exec has gone"),
        },
        "zygote": {
            "unmap_probes": ("N * V", "the walk begins at the area's maker, who has no children"),
            "unmap_cmp": ("0", "it ends there"),
            "rmap_locks": ("2 * N * V", "always the same one, the root's"),
            "objects_cow_context": ("N + 1", "one for each mm"),
            "objects_cow_remap": ("0", "nothing has been moved"),
        },
        "hole": {
            "unmap_probes": ("2 * R * (N + 1)", "every candidate maps the page"),
            "unmap_cmp": ("0", "the tree of vmas is asked, and no list"),
            "objects_cow_context": ("N + 1", "one for each mm"),
        },
        "merge-order": {
            "unmap_probes": ("R", "the walk begins at the parent, whatever its area is"),
            "unmap_cmp": ("0", "and ends there"),
            "vmas": ("1", "nothing keeps areas apart"),
            "objects_cow_context": ("N + 1", "one for each mm"),
        },
        "fork-brk": {"objects_cow_context": ("2", "one for each mm")},
        "mremap-exclusive": {
            "rmap_index_rewrites": ("0", "the index is that of the old place"),
            "unmap_cmp": ("R", "nothing is where the page was first"),
            "objects_cow_remap": ("1", "one entry"),
        },
        "mremap-shared": {
            "copies": ("0", "the entry says where else it may be"),
            "unmap_probes": ("2 * R", "still shared"),
            "unmap_cmp": ("R", "in the parent nothing is where the page was first"),
            "objects_cow_remap": ("1", "one entry in one mm"),
        },
        "mremap-then-fork": {
            "unmap_cmp": ("2 * R", "in both nothing is where the page was first"),
            "objects_cow_remap": ("2", "fork copies the map"),
        },
        "mremap-swapclash": {
            "copies": ("0", "both addresses have the same index"),
            "objects_cow_remap": ("1", "one entry in one mm"),
        },
        "mremap-data": {
            "copies": ("0", "the entry says where else it may be"),
            "unmap_probes": ("32", "still shared"),
            "unmap_cmp": ("16", "in the parent nothing is where the page was first"),
            "objects_cow_remap": ("1", "only what has moved: the file's offset is not asked"),
        },
        "merge-arena": {
            "vmas": ("1", "the map, not the area, knows offsets"),
            "unmap_cmp": ("R * WRITTEN", "nothing is where the arena's pages were first"),
            "objects_cow_remap": ("1", "an entry even if nothing was written"),
        },
        "efault": {
            "errno": ("0", "nothing keeps areas apart"),
            "vmas": ("1", "nothing keeps areas apart"),
        },
        "mprotect-halves": {"vmas": ("1", "nothing keeps areas apart")},
        "mprotect-stripes": {"vmas": ("1", "nothing keeps areas apart")},
        "mprotect-checkerboard": {"vmas": ("1", "nothing keeps areas apart")},
        "cut-vma": {"unmap_cmp": ("0", "the tree of vmas is asked, and no list")},
        "cut-vma-fork": {
            "unmap_probes": (
                "(K + 1) // 2 + K // 2 * (N + 1)",
                "every second page is shared by all; fork leaves none exclusive",
            ),
            "unmap_cmp": ("0", "the tree of vmas is asked, and no list"),
        },
        "vm-flags-locking": {"unmap_cmp": ("0", "the tree of vmas is asked, and no list")},
    }
    color: ClassVar[str] = "#8a5fc0"

    def tail(self, mm: Any) -> Any:
        """``struct cow_context_tail *`` of an mm."""
        return self._ffi.cast("struct cow_context_tail *", mm + 1)

    def context(self, mm: Any) -> int:
        """kptr of an mm's context."""
        return int(self.tail(mm).context)

    def mm_fields(self, mm: Any) -> Mapping[str, int]:
        """The pointer to its context."""
        return {"cow_context": self.core.kaddr(self._ffi.addressof(self.tail(mm), "context"))}

    def area_moves(self, mm: Any, old: int, length: int, new: int, new_length: int) -> bool:
        """The new range gets an entry, or several where the old one has some."""
        lib, m = self._lib, self.core.m
        return bool(lib.cow_context_move(m, mm, old, length, new, new_length) == 0)

    def vma_free(self, vma: Any) -> None:
        """What has been moved there is gone."""
        self._lib.cow_context_forget(self.core.m, vma)

    def remaps(self, context: int) -> list[tuple[int, int, int]]:
        """``(start, end, offset)`` of a context's map, in pages."""
        core, found = self.core, []
        for node in self._nodes(context):
            found += [(e.start, e.end, e.offset) for e in node.entry[0 : node.nr]]
            core.check_bug()
        return found

    def _nodes(self, context: int) -> Iterator[Any]:
        at = _at(self.core, context).remaps
        while at:
            node = self._ffi.cast("struct cow_remap *", self.core.base + at)
            yield node
            at = node.next

    def drawing(self, page: Any) -> list[Node]:
        """The contexts from the page's down, depth first; behind each what its map says."""
        found: list[Node] = []
        todo = [(int(page.mapping), 0)]  # each with its next sibling
        while todo:
            at, sibling = todo.pop()
            children = self.children(at)
            found.append(self._drawn(at, children, sibling))
            found += [self._drawn_remap(node) for node in self._nodes(at)]
            todo += reversed([*zip(children, [*children[1:], 0], strict=False)])
        return found

    def children(self, context: int) -> list[int]:
        """kptrs of the contexts below, in the order of their forks."""
        offset = self._ffi.offsetof("struct cow_context", "siblings")
        return [at - offset for at in self.core.list_at(_at(self.core, context).children)]

    def _drawn(self, at: int, children: list[int], sibling: int) -> Node:
        context = _at(self.core, at)
        label = "dead" if not context.mm else "root" if context.root == at else ""
        counts = (("refcount", int(context.refcount)), ("children", len(children)))
        fields = (*counts, ("mm", hex(context.mm))) if context.mm else counts
        edges = (
            ("children", children[0] if children else 0),
            ("siblings", sibling),
            ("remaps", int(context.remaps)),
            ("mm", int(context.mm)),
        )
        return Node("cow_context", at, label, fields, edges)

    def _drawn_remap(self, node: Any) -> Node:
        """Entries as pages, and how much more these are than their index."""
        entries = [(f"{e.start:x}-{e.end:x}", f"{e.offset:+#x}") for e in node.entry[0 : node.nr]]
        kptr = self.core.kaddr(node)
        return Node("cow_remap", kptr, "", tuple(entries), (("next", int(node.next)),))

    def check(self, survey: Survey) -> None:
        """The trees, their counts, and where each page and each moved area says it is."""
        core = self.core
        owned: Counter[int] = Counter(core.page(pfn).mapping for pfn in survey.anon)
        roots = {
            _at(core, each).root
            for each in (*owned, *(self.context(mm.ptr) for mm in survey.vm.mms.values()))
        }
        above: dict[int, int] = {}
        for root in roots:
            self._check_tree(survey, root, owned, above)
        for mm in survey.vm.mms.values():
            if core.mm(_at(core, self.context(mm.ptr)).mm) != mm.ptr:
                survey.fail(f"the context of mm {mm.kaddr:#x} does not point back")
        self._check_pages(survey, above)
        active = core.m.k.caches[lib.CACHE_cow_context].nr_active
        survey.expect("cow_contexts", active, len(above))
        nodes = sum(len(list(self._nodes(each))) for each in above)
        survey.expect("cow_remaps", core.m.k.caches[lib.CACHE_cow_remap].nr_active, nodes)

    def _check_tree(
        self, survey: Survey, root: int, owned: Counter[int], above: dict[int, int]
    ) -> None:
        """Recount a family, and note whose child each is."""
        core, todo = self.core, [(root, 0)]
        while todo:
            at, parent = todo.pop()
            above[at] = parent
            context = _at(core, at)
            below = survey.list_of(context.children, "struct cow_context", "siblings")
            children = [core.kaddr(child) for child in below]
            todo += [(child, at) for child in children]
            if context.parent != parent or context.root != root:
                survey.fail(f"context {at:#x} has another parent or root than its place says")
            expected = (context.mm != 0) + len(children) + owned[at]
            survey.expect(f"refcount of context {at:#x}", context.refcount, expected)
            self._check_need(survey, at, len(children))
            self._check_remaps(survey, at)

    def _check_need(self, survey: Survey, at: int, children: int) -> None:
        """A dead context has descendants; pruned, it has pages or two children, or is a root."""
        context = _at(self.core, at)
        if context.mm:
            return
        if not children:
            survey.fail(f"context {at:#x} is dead and has no children")
        pruned = self.chosen.get("prune") == "yes"
        if pruned and context.parent and context.refcount == 1:
            survey.fail(f"context {at:#x} is dead, and in nobody's way")

    def _check_remaps(self, survey: Survey, at: int) -> None:
        """Entries in order, none of them useless, each where something is mapped."""
        core, context = self.core, _at(self.core, at)
        entries = self.remaps(at)
        if entries and not context.mm:
            survey.fail(f"context {at:#x} is dead and has a remap map")
            return
        for node in list(self._nodes(at))[:-1]:
            survey.expect("entries of a node that is not the last", node.nr, len(node.entry))
        before = (0, 0, 0)
        for entry in entries:
            start, end, offset = entry
            joins = start == before[1] and offset == before[2]
            if not before[1] <= start < end or not offset or joins:
                survey.fail(f"the remap map of context {at:#x} has {entry} after {before}")
            if not context.stale and not _is_mapped(survey, core.mm(context.mm), start, end):
                survey.fail(f"the remap map of context {at:#x} has {entry}: not mapped")
            before = entry

    def _check_pages(self, survey: Survey, above: Mapping[int, int]) -> None:
        core = self.core
        for pfn, mappings in survey.anon.items():
            page = core.page(pfn)
            if page.flags & lib.PG_exclusive and len(mappings) > 1:
                survey.fail(f"page {pfn} is exclusive and mapped {len(mappings)} times")
            for mapping in mappings:
                mm, address = mapping.mm.ptr, mapping.address
                offset = core.lib.cow_context_offset(core.m, mm, address)
                if page.index != ((address >> PAGE_SHIFT) - offset) & core.mask:
                    survey.fail(
                        f"page {pfn} is mapped at {address:#x}, index {page.index:#x}, "
                        f"offset {offset:#x}"
                    )
                at = self.context(mm)
                while at and at != page.mapping:
                    at = above[at]
                if not at:
                    survey.fail(f"page {pfn} is mapped by an mm that is not below its context")


def _is_mapped(survey: Survey, mm: Any, start: int, end: int) -> bool:
    """Whether areas of ``mm`` cover pages [start, end)."""
    core = survey.vm.core
    vma = core.vma(mm.mmap)
    at = start << PAGE_SHIFT
    while vma is not None and at < end << PAGE_SHIFT:
        if vma.vm_start > at:
            return False
        at = max(at, vma.vm_end)
        vma = core.vma(vma.vm_next)
    return bool(at >= end << PAGE_SHIFT)


def _at(core: Core, kptr: int) -> Any:
    return core.ffi.cast("struct cow_context *", core.base + kptr)


SCHEMES = (CowContext,)
