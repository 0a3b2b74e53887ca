"""anon_vma_chain, Rik van Riel 2010: the lifecycle (csrc/rmap/anon_vma_chain.c has the walk)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from vmemu.core import PAGE_SHIFT, lib
from vmemu.rmap.base import Node, RmapScheme
from vmemu.rmap.neighbours import mergeable_neighbours

if TYPE_CHECKING:
    from vmemu.check import Survey

__all__ = ["SCHEMES", "AnonVmaChain", "AnonVmaDegree"]

_Formulas = Mapping[str, Mapping[str, tuple[str, str]]]

# What every process has besides the scenario's area is its stack, written before it forks.
_FAMILY = {
    "objects_anon_vma": ("2 * (N + 1)", "fork gives the area and the stack of each child its own"),
    "objects_anon_vma_chain": ("4 * N + 2", "a child's area has its own and its parent's"),
}
_MOVED = {"copies": ("0", "vm_pgoff travels with the area")}
_MERGES = "as anon_vma: without forks every chain has one link"

_PREDICTIONS: _Formulas = {
    "private-pages": {
        "objects_anon_vma": ("2", "the area's and the stack's"),
        "objects_anon_vma_chain": ("2", ""),
    },
    "zero-page": {
        "objects_anon_vma": ("1", "the stack's"),
        "objects_anon_vma_chain": ("1", ""),
    },
    "overhead": {
        "objects_anon_vma": (
            "K + 1 if mode == 'own' else 2 if mode == 'shared' else 1",
            "one is the stack's",
        ),
        "objects_anon_vma_chain": (
            "1 if mode == 'unwritten' else K + 1",
            "a part that was split off has a link of its own to the same anon_vma",
        ),
    },
    "fork-server": _FAMILY
    | {
        "unmap_probes": ("R * N", "a child's copies belong to its own anon_vma, where it is alone"),
        "rmap_locks": ("2 * R * N", "the root's, once for each walk"),
        "page_map_locks": ("2 * R * N", "one for each walk"),
    },
    "fork-readers": _FAMILY,
    "late-subfamily": {
        "unmap_probes": ("R * (GRAND + 1)", "child 1's area is a root, unknown to its parent"),
        "objects_anon_vma": ("N + 2 + 2 * GRAND", "N + 1 stacks, child 1's area; both again"),
        "objects_anon_vma_chain": (
            "2 * N + 2 + 5 * GRAND",
            "1 and 2 for each stack, 1 for the area; the grandchild's have 3 and 2",
        ),
    },
    "orphans": {
        "referenced_cmp": ("0", "a dead parent's vma is on no list"),
        "rmap_migrated": ("0", ""),
        "objects_anon_vma": (
            "2 * N + 3",
            "the dead parent's two live on, since its children are chained to them",
        ),
        "objects_anon_vma_chain": (
            "5 * N + 1",
            "a child's area has 2, its stack 3 for three generations; the first process 1",
        ),
    },
    "fork-chain": {
        "referenced_cmp": ("0", "each page's list has the last process alone"),
        "rmap_migrated": ("0", ""),
        "objects_anon_vma": (
            "2 * G + 1",
            "one for each generation of the area, and of the stack, which is one older",
        ),
        "objects_anon_vma_chain": (
            "2 * G + 2",
            "the last process is chained to all; the first has one for its stack",
        ),
    },
    "fork-depth": {
        "unmap_probes": (
            "R * (1 if WRITE else D + 1)",
            "the first process stands first on its list, and its descendants behind it",
        ),
        "unmap_cmp": ("0", "all have the same area"),
        "objects_anon_vma": ("2 * (D + 1)", "each process has two of its own"),
        "objects_anon_vma_chain": (
            "(D + 1) * (D + 2)",
            "in process d the area and the stack have d + 1 each, one for each ancestor and itself",
        ),
    },
    "fork-bench": {
        "unmap_probes": ("R * 2**LEVEL", "every candidate maps the page"),
        "unmap_cmp": ("0", "all have the same area"),
        "objects_anon_vma": ("2 * 2**LEVEL", "each process has two of its own"),
        "objects_anon_vma_chain": (
            "2**LEVEL * (LEVEL + 2)",
            "a process has LEVEL / 2 ancestors on average; it and each of them, for two areas",
        ),
    },
    "exec-family": {
        "unmap_probes": ("R * N", "exec cuts families"),
        "unmap_cmp": ("0", "exec cuts families"),
        "objects_anon_vma": ("2 * (N + 1)", "an area and a stack in each process"),
        "objects_anon_vma_chain": ("2 * (N + 1)", "nobody has an ancestor any more"),
    },
    "zygote": {
        "unmap_probes": ("N * V", "each area is its maker's, younger than the last fork"),
        "unmap_cmp": ("0", "it is alone on its list"),
        "rmap_locks": ("2 * N * V", "of N * V roots, each area is one"),
        "objects_anon_vma": (
            "2 * (N + 1) + N * V",
            "each process has its own for heap and stack; each new area has one",
        ),
        "objects_anon_vma_chain": (
            "4 * N + 2 + N * V",
            "a child's heap and stack have two each; each new area has one",
        ),
    },
    "process-tree": {"unmap_cmp": ("0", "all have the same area, the dead are on no list")},
    "hole": {
        "unmap_probes": ("2 * R * (N + 1)", "every candidate in range maps the page"),
        "unmap_cmp": (
            "0 if WALK == 'tree' else R",
            "the lower part stands first; the upper one was split off, and comes last",
        ),
        "objects_anon_vma": _FAMILY["objects_anon_vma"],
        "objects_anon_vma_chain": ("4 * N + 3", "the upper part has one more"),
    },
    "merge-order": _FAMILY
    | {
        "unmap_probes": (
            "R if WALK == 'tree' else R * (N + 1)",
            "who takes over is listed anew, the last; in a tree it is first, since it begins lower",
        ),
        "unmap_cmp": ("0", "the children's areas have the page's offset, too"),
        "vmas": ("1", "the parent's chain has one link: only forked areas stay apart"),
    },
    "fork-brk": {
        "vmas": ("2", "a forked heap has two links, so what is not written yet stays apart"),
        "unmap_probes": ("2 * R", "both areas of the child have an anon_vma of their own"),
    },
    "mremap-exclusive": {"rmap_index_rewrites": ("0", "vm_pgoff travels with the area")},
    "mremap-shared": _MOVED | {"unmap_probes": ("2 * R", "the parent's new area is the last")},
    "mremap-swapclash": _MOVED,
    "mremap-data": _MOVED | {"unmap_probes": ("32", "16 pages, two processes")},
    "merge-arena": {
        "vmas": (
            "2 if WRITTEN else 1",
            "offsets do not continue each other, unless the arena was never written",
        ),
    },
    "efault": {
        "errno": ("0 if mode == 'halves' or K < 3 else 14", _MERGES),
        "vmas": ("1 if mode == 'halves' else (K + 1) // 2", _MERGES),
    },
    "mprotect-halves": {"vmas": ("1", _MERGES)},
    "mprotect-stripes": {"vmas": ("1", _MERGES)},
    "mprotect-checkerboard": {"vmas": ("K", _MERGES)},
    "cut-vma": {
        "unmap_cmp": (
            "0 if WALK == 'tree' else K * (K - 1) // 2",
            "the area at place p of the list is reached after p - 1 others",
        ),
        "objects_anon_vma": ("2", "split areas share one"),
        "objects_anon_vma_chain": ("K + 1", ""),
    },
    "cut-vma-fork": {
        "unmap_probes": (
            "(K + 1) // 2 + K // 2 * (N + 1)",
            "every second page is shared by all; of the others the parent comes first",
        ),
        "unmap_cmp": (
            "0 if WALK == 'tree' else 2 * (K // 2) ** 2 + K % 2 * (K - 1) + N * (K - 1) * (K // 2)",
            "the parent's areas stand in the order of the cuts, the children's behind, by address",
        ),
    },
    "vm-flags-locking": {
        "unmap_cmp": (
            "0 if WALK == 'tree' else R * V * (V - 1) // 2",
            "the vmas of an area share an anon_vma, the last one first",
        ),
    },
}

_REUSE: _Formulas = {
    "fork-chain": {
        **_PREDICTIONS["fork-chain"],
        "objects_anon_vma": (
            "(G if G < 3 else 3) + (G + 1 if G < 2 else 3)",
            "a root, the last generation's own, one to be adopted; the stack is a generation older",
        ),
        "objects_anon_vma_chain": (
            "(G if G < 3 else 3) + (G + 1 if G < 2 else 3) + 1",
            "the last process has one to each; the first has one for its stack",
        ),
    },
}


class AnonVmaChain(RmapScheme):
    """An anon_vma for each area of each process, and a chain to those of its ancestors."""

    name: ClassVar[str] = "anon_vma_chain"
    walker: ClassVar[str] = "anon_vma_chain"
    summary: ClassVar[str] = "Rik van Riel: a forked area has an anon_vma of its own (2.6.34)"
    anon_pgoff_matters: ClassVar[bool] = True
    finds_anon: ClassVar[bool] = True
    caches: ClassVar[tuple[str, ...]] = ("anon_vma", "anon_vma_chain")
    predicted_as: ClassVar[str] = "anon_vma_chain"
    predictions: ClassVar[_Formulas] = _PREDICTIONS
    color: ClassVar[str] = "#5b7f2b"
    #: How an anon_vma finds its areas: a list, or since 3.7 a tree of their offsets.
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"walk": ("list", "tree")}
    #: Whether fork gives a child an ancestor's anon_vma that nobody has for his own any more.
    reuses: ClassVar[bool] = False

    @classmethod
    def own_numbers(cls) -> list[int]:
        """enum avc_option: whether there are trees, and whether anon_vmas are reused."""
        return [int(cls.option_values()["WALK"] == "tree"), int(cls.reuses)]

    def tail(self, vma: Any) -> Any:
        """``struct avc_tail *`` of a vma."""
        return self._ffi.cast("struct avc_tail *", vma + 1)

    def object_of(self, vma: Any) -> int:
        """Its own anon_vma."""
        own: int = self._lib.avc_anon_vma(vma)
        return own

    def vma_fields(self, vma: Any) -> Mapping[str, int]:
        """The pointer to its anon_vma."""
        return {"anon_vma": self.core.kaddr(self._ffi.addressof(self.tail(vma), "anon_vma"))}

    def prepare(self, mm: Any, vma: Any) -> bool:
        """``anon_vma_prepare``: the neighbour's anon_vma, or a new one, and one chain."""
        if self.object_of(vma):
            return True
        adopted = self._find_mergeable(mm, vma)
        return bool(self._lib.avc_prepare(self.core.m, vma, adopted) == 0)

    def _find_mergeable(self, mm: Any, vma: Any) -> int:
        """The anon_vma of a neighbour that is on no other list, or 0."""
        for other in mergeable_neighbours(self.core, mm, vma):
            if self._singular(other):
                return self.object_of(other)
        return 0

    def _singular(self, vma: Any) -> bool:
        return bool(self._lib.avc_singular(self.core.m, vma))

    def vma_clone(self, new: Any, old: Any) -> bool:
        """``anon_vma_clone``: the whole chain, and the same anon_vma."""
        return bool(self._lib.avc_clone(self.core.m, new, old) == 0)

    def vma_absorb(self, into: Any, other: Any) -> bool:
        """An area without anon_vma takes the other's, with its chain."""
        return bool(self.object_of(into)) or self.vma_clone(into, other)

    def vma_free(self, vma: Any) -> None:
        """``unlink_anon_vmas``: the last area off a list frees the anon_vma."""
        self._lib.avc_unlink(self.core.m, vma)

    def can_merge(self, vma: Any, other: Any) -> bool:
        """Both have the same anon_vma or none; or one has none, and the other no ancestors'."""
        mine = self.object_of(vma)
        its = self.object_of(other) if other is not None else 0
        if (mine and its) or mine == its:
            return mine == its
        return self._singular(vma if mine else other)

    def has_anon(self, vma: Any) -> bool:
        """Its pages' index depends on the offset once there is an anon_vma."""
        return bool(self.object_of(vma))

    # ---- drawing -------------------------------------------------------------------

    def drawing(self, page: Any) -> list[Node]:
        """The page's anon_vma, the links on its list or in its tree, and the family's root."""
        own = int(page.mapping)
        anon_vma = self._at(own)
        links = self.links(own)
        first = int(anon_vma.head.next) if self._trees else (links or [0])[0]
        edges = (("tree" if self._trees else "head", first), ("root", int(anon_vma.root)))
        label = "root" if anon_vma.root == own else ""
        fields = (("links", len(links)), *self._more_fields(own))
        found = [Node("anon_vma", own, label, fields, edges if not label else edges[:1])]
        after = dict(zip(links, [*links[1:], 0], strict=False))
        found += [self._drawn_link(kptr, after[kptr]) for kptr in links]
        if not label:
            root = int(anon_vma.root)
            found.append(
                Node("anon_vma", root, "root", (("lock", "the family's"), *self._more_fields(root)))
            )
        return found

    def links(self, anon_vma: int) -> list[int]:
        """kptrs of the links on an anon_vma's list, or in its tree, in their order."""
        head = self._at(anon_vma).head
        if not self._trees:
            offset = self._ffi.offsetof("struct anon_vma_chain", "same_anon_vma")
            return [at - offset for at in self.core.list_at(head)]
        found: list[int] = []
        above: list[int] = []
        at = int(head.next)
        while at or above:
            while at:
                above.append(at)
                at = int(self._interval_at(at).rb_left)
            found.append(above.pop())
            at = int(self._interval_at(found[-1]).rb_right)
        return found

    def _interval_at(self, kptr: int) -> Any:
        return self._ffi.cast("struct avc_interval *", self.core.base + kptr)

    def _drawn_link(self, kptr: int, after: int) -> Node:
        link = self._interval_at(kptr)  # both kinds of link begin alike
        if not self._trees:
            edges = (("vma", int(link.vma)), ("same_anon_vma", after))
            return Node("anon_vma_chain", kptr, "", (("vma", hex(link.vma)),), edges)
        first, last = self._interval(link.vma)
        fields = (("offsets", f"{first:#x}-{last:#x}"),)
        below = (("rb_left", int(link.rb_left)), ("rb_right", int(link.rb_right)))
        return Node("anon_vma_chain", kptr, "", fields, (("vma", int(link.vma)), *below))

    def _more_fields(self, anon_vma: int) -> tuple[tuple[str, int | str], ...]:
        """What an anon_vma has besides."""
        return ()

    # ---- check ---------------------------------------------------------------------

    def check(self, survey: Survey) -> None:
        """Pages are in every chain they need; both lists of each link agree; none is lost."""
        core = self.core
        chains = {core.kaddr(vma): self._chain(survey, vma) for vma in survey.vmas}
        self._check_pages(survey, chains)
        users: dict[int, set[int]] = {}
        for vma in survey.vmas:
            self._check_chain(survey, vma, chains[core.kaddr(vma)])
            for anon_vma, chain in chains[core.kaddr(vma)].items():
                users.setdefault(anon_vma, set()).add(chain)
        for kptr, expected in users.items():
            found = self._listed(survey, self._at(kptr))
            if set(found) != expected or len(found) != len(expected):
                survey.fail(f"the list of anon_vma {kptr:#x} is not its {len(expected)} vmas")
        caches = core.m.k.caches
        survey.expect("anon_vmas", caches[lib.CACHE_avc_anon_vma].nr_active, len(users))
        links = sum(len(expected) for expected in users.values())
        survey.expect("anon_vma_chains", caches[lib.CACHE_anon_vma_chain].nr_active, links)

    def _at(self, kptr: int) -> Any:
        return self._ffi.cast("struct avc_anon_vma *", self.core.base + kptr)

    def _chain(self, survey: Survey, vma: Any) -> dict[int, int]:
        """The kptrs of an area's links by those of their anon_vmas, own first."""
        tail, core = self.tail(vma), self.core
        if not tail.chain.next:
            return {}
        links = survey.list_of(tail.chain, "struct anon_vma_chain", "same_vma")
        for link in links:
            if core.base + link.vma != int(self._ffi.cast("uintptr_t", vma)):
                survey.fail(f"vma {vma.vm_start:#x} has a link of another vma")
        found = {link.anon_vma: core.kaddr(link) for link in links}
        if len(found) != len(links):
            survey.fail(f"vma {vma.vm_start:#x} is on a list twice")
        return found

    def _check_pages(self, survey: Survey, chains: Mapping[int, Mapping[int, int]]) -> None:
        """A page's anon_vma is in the chain of every area that maps it, at the same offset."""
        core = self.core
        for pfn, mappings in survey.anon.items():
            page = core.page(pfn)
            for mapping in mappings:
                vma = mapping.vma
                pgoff = vma.vm_pgoff + ((mapping.address - vma.vm_start) >> PAGE_SHIFT)
                if page.mapping not in chains[core.kaddr(vma)]:
                    survey.fail(f"page {pfn} at {mapping.address:#x} is of no anon_vma of its vma")
                if page.index != pgoff & core.mask:
                    survey.fail(
                        f"page {pfn} at {mapping.address:#x} has index {page.index:#x}, "
                        f"its vma says {pgoff:#x}"
                    )

    def _check_chain(self, survey: Survey, vma: Any, chain: Mapping[int, int]) -> None:
        """It has its own anon_vma and the root, and those of one family only."""
        own = self.object_of(vma)
        if bool(own) != bool(chain):
            survey.fail(f"vma {vma.vm_start:#x} has anon_vma {own:#x} and {len(chain)} links")
        if not own:
            return
        root = self._at(own).root
        if own not in chain or root not in chain:
            survey.fail(f"vma {vma.vm_start:#x} is not on the list of its anon_vma or their root")
        if any(self._at(each).root != root for each in chain):
            survey.fail(f"vma {vma.vm_start:#x} is on lists of two families")

    def _listed(self, survey: Survey, anon_vma: Any) -> list[int]:
        """The kptrs of the links on an anon_vma's list, or in its tree."""
        if self._trees:
            return self._in_tree(survey, anon_vma.head.next)
        links = survey.list_of(anon_vma.head, "struct anon_vma_chain", "same_anon_vma")
        return [self.core.kaddr(link) for link in links]

    @property
    def _trees(self) -> bool:
        return bool(self.core.m.rmap_option[lib.AVC_TREE])

    def _in_tree(self, survey: Survey, root: int) -> list[int]:
        """The same of an interval tree: balanced, in order, each end known above it."""
        found: list[int] = []
        starts: list[int] = []

        def walk(kptr: int, parent: int, red_above: bool) -> tuple[int, int]:
            """Black nodes on each way down, and the last offset."""
            if not kptr:
                return 1, 0
            node = self._interval_at(kptr)
            red = not node.rb_parent & 1
            if node.rb_parent & ~1 != parent or (red and red_above) or len(found) > 1 << 20:
                survey.fail(f"interval tree {root:#x} has a bad node {kptr:#x}")
                return 1, 0
            start, last = self._interval(node.vma)
            left, left_last = walk(node.rb_left, kptr, red)
            found.append(kptr)
            starts.append(start)
            right, right_last = walk(node.rb_right, kptr, red)
            last = max(last, left_last, right_last)
            if left != right or node.rb_subtree_last != last:
                survey.fail(f"interval tree {root:#x} is wrong at {kptr:#x}")
            return left + (not red), last

        walk(root, 0, True)
        if starts != sorted(starts):
            survey.fail(f"interval tree {root:#x} is not in order")
        return found

    def _interval(self, kptr: int) -> tuple[int, int]:
        """An area's first and last offset; everything if they wrap around."""
        vma = self._ffi.cast("struct vm_area_struct *", self.core.base + kptr)
        pages = (vma.vm_end - vma.vm_start) >> PAGE_SHIFT
        last = (vma.vm_pgoff + pages - 1) & self.core.mask
        return (0, self.core.mask) if last < vma.vm_pgoff else (vma.vm_pgoff, last)


class AnonVmaDegree(AnonVmaChain):
    """The same with interval trees and reuse of anon_vmas, as in 3.19 and corrected in 2022."""

    name: ClassVar[str] = "anon_vma_degree"
    summary: ClassVar[str] = "anon_vma_chain with reuse of dead ancestors' anon_vmas (3.19, 2022)"
    predicted_as: ClassVar[str] = "anon_vma_degree"
    predictions: ClassVar[_Formulas] = {**_PREDICTIONS, **_REUSE}
    color: ClassVar[str] = "#2f8f83"
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"walk": ("tree", "list")}
    reuses: ClassVar[bool] = True

    def _more_fields(self, anon_vma: int) -> tuple[tuple[str, int | str], ...]:
        """What says whether it may be adopted."""
        degree = self._degree(anon_vma)
        users, children = int(degree.num_active_vmas), int(degree.num_children)
        return (("users", users), ("children", children))

    def check(self, survey: Survey) -> None:
        """And: children and users of each anon_vma are as many as it says; users of one mm."""
        super().check(survey)
        known = {self.object_of(vma) for vma in survey.vmas} - {0}
        for vma in survey.vmas:
            known |= self._chain(survey, vma).keys()
        children = Counter(self._degree(kptr).parent for kptr in known)
        users: dict[int, list[int]] = {}
        for vma in survey.vmas:
            users.setdefault(self.object_of(vma), []).append(vma.vm_mm)
        for kptr in known:
            degree, mms = self._degree(kptr), users.get(kptr, [])
            survey.expect(f"num_children of {kptr:#x}", degree.num_children, children[kptr])
            survey.expect(f"num_active_vmas of {kptr:#x}", degree.num_active_vmas, len(mms))
            if len(set(mms)) > 1:
                survey.fail(f"anon_vma {kptr:#x} is the own one of {len(set(mms))} processes")
            if (degree.parent or kptr) not in known or bool(degree.parent) == (
                self._at(kptr).root == kptr
            ):
                survey.fail(f"anon_vma {kptr:#x} has a wrong parent {degree.parent:#x}")

    def _degree(self, kptr: int) -> Any:
        return self._ffi.cast("struct avc_degree *", self._at(kptr) + 1)


SCHEMES = (AnonVmaChain, AnonVmaDegree)
