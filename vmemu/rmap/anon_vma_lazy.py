"""anon_vma_lazy, May 2026, not taken: the lifecycle (csrc/rmap/anon_vma_lazy.c has the walk)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from vmemu.core import PAGE_SHIFT, ffi, lib
from vmemu.rmap.anon_vma_chain import AnonVmaChain
from vmemu.rmap.base import Node

if TYPE_CHECKING:
    from vmemu.check import Survey

__all__ = ["SCHEMES", "AnonVmaLazy"]

_Formulas = Mapping[str, Mapping[str, tuple[str, str]]]

# What every process has besides the scenario's area is its stack, written before it forks; a
# child writes its own as well, before it forks itself.
_FAMILY = {
    "objects_anon_vma": ("2", "the parent's for area and stack: no child has forked"),
    "objects_anon_vma_chain": ("2 * (N + 1)", "two areas in each process lead to these"),
}
_NONE = {
    "objects_anon_vma": ("0", "nobody has forked"),
    "objects_anon_vma_chain": ("0", ""),
}
_ALONE = "without a fork all merge whose offsets continue each other, whoever wrote first"
_MOVED = {"copies": ("0", "vm_pgoff travels with the area")}

_PREDICTIONS: _Formulas = {
    "private-pages": _NONE,
    "zero-page": _NONE,
    "overhead": _NONE,
    "swap-storm": _NONE,
    "fork-server": _FAMILY
    | {
        "unmap_probes": ("R * N", "a child's copies lead to its mm, and to the area by address"),
        "rmap_locks": ("0", "that takes no lock but page_table_lock"),
        "page_map_locks": ("2 * R * N", "one for each walk"),
    },
    "fork-readers": _FAMILY,
    "late-subfamily": {
        "unmap_probes": ("R * (GRAND + 1)", "child 1's area is a root, unknown to its parent"),
        "objects_anon_vma": ("1 + 2 * GRAND", "the first stack's; area and stack of child 1"),
        "objects_anon_vma_chain": (
            "N + 1 + 5 * GRAND",
            (
                "each stack leads to the first; child 1's area to its own, its stack to one more; "
                "the grandchild's as child 1's"
            ),
        ),
    },
    "orphans": {
        "referenced_cmp": ("0", "a dead parent's vma is on no list"),
        "rmap_migrated": ("0", ""),
        "objects_anon_vma": (
            "3",
            (
                "the dead parent's two live on, since its children are chained to them; and the "
                "stack's of the first process"
            ),
        ),
        "objects_anon_vma_chain": (
            "3 * N + 1",
            "a child's area has 1, its stack 2 for two ancestors; the first process 1",
        ),
    },
    "fork-chain": {
        "referenced_cmp": ("0", "each page's list has the last process alone"),
        "rmap_migrated": ("0", ""),
        "objects_anon_vma": (
            "2 * G - 1",
            "one for each generation that has forked, and the first process' for its stack",
        ),
        "objects_anon_vma_chain": (
            "2 * G",
            "the last process is chained to all; the first has one for its stack",
        ),
    },
    "fork-depth": {
        "unmap_probes": ("R * (1 if WRITE else D + 1)", "the first process is first on its list"),
        "unmap_cmp": ("0", ""),
        "objects_anon_vma": (
            "D + (D if WRITE else 1)",
            "one for each process that forks after a write: to its stack, all do",
        ),
        "objects_anon_vma_chain": (
            "D * (D + 3) // 2 + (D * (D + 3) // 2 if WRITE else D + 1)",
            "one for each ancestor that has one, and its own, which the last has not",
        ),
    },
    "fork-bench": {
        "unmap_probes": ("R * 2 ** LEVEL", "every candidate maps the page"),
        "unmap_cmp": ("0", ""),
        "objects_anon_vma": ("2", "no other process writes anything between its forks"),
        "objects_anon_vma_chain": ("2 * 2 ** LEVEL", "two areas in each process lead to these"),
    },
    "exec-family": {
        "unmap_probes": ("R * N", "exec cuts families"),
        "unmap_cmp": ("0", ""),
        "objects_anon_vma": ("2", "the parent's, which has forked; no child has"),
        "objects_anon_vma_chain": ("2", ""),
    },
    "zygote": {
        "unmap_probes": ("N * V", "each is its maker's"),
        "unmap_cmp": ("0", ""),
        "rmap_locks": ("0", "a walk through a mm takes no lock but page_table_lock"),
        "objects_anon_vma": ("2", "heap's and stack's; no child has forked"),
        "objects_anon_vma_chain": ("2 * (N + 1)", "of heap and stack; new areas need none"),
    },
    "hole": {
        "unmap_probes": ("2 * R * (N + 1)", "every candidate maps the page"),
        "unmap_cmp": (
            "0 if WALK == 'tree' else R",
            "the upper part is the last on the list, the lower one the first",
        ),
    },
    "merge-order": {
        "unmap_probes": (
            "R if WALK == 'tree' else R * (N + 1)",
            (
                "the area that takes over is chained anew, behind all children; in a tree it is "
                "first, since it begins before theirs"
            ),
        ),
        "unmap_cmp": ("0", ""),
        "vmas": ("1", "the other is a root's, and this one has no chain"),
    },
    "fork-brk": {
        "vmas": ("2", "a chain to the parent's, so what was not forked stays apart"),
        "unmap_probes": ("2 * R", "both areas of the child lead to its mm"),
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
    "efault": {"errno": ("0", _ALONE), "vmas": ("1", _ALONE)},
    "mprotect-halves": {"vmas": ("1", _ALONE)},
    "mprotect-stripes": {"vmas": ("1", _ALONE)},
    "mprotect-checkerboard": {"vmas": ("1", _ALONE)},
    "cut-vma": _NONE | {"unmap_cmp": ("0", "the area is looked up by address")},
    "cut-vma-fork": {
        "unmap_probes": (
            "(K + 1) // 2 + K // 2 * (N + 1)",
            "every second page is shared by all; of the others the parent comes first",
        ),
        "unmap_cmp": (
            (
                "0 if WALK == 'tree' else 2 * ((K + 1) // 2) * ((K - 1) // 2) + "
                "(2 * (K // 2) ** 2 if N == 1 else (K // 2) * (N * (K - 1) + K // 2))"
            ),
            (
                "fork lists each piece and then its child's: so the parent's and the first child's "
                "in turn, by address; then those of each other child"
            ),
        ),
    },
    "vm-flags-locking": {"unmap_cmp": ("0", "the area is looked up by address")},
}


class AnonVmaLazy(AnonVmaChain):
    """anon_vma_chain whose objects are made by fork: until then a page leads to its mm."""

    name: ClassVar[str] = "anon_vma_lazy"
    walker: ClassVar[str] = "anon_vma_lazy"
    summary: ClassVar[str] = "no anon_vma for an area before a fork (May 2026, not taken)"
    predicted_as: ClassVar[str] = "anon_vma_lazy"
    predictions: ClassVar[_Formulas] = _PREDICTIONS
    color: ClassVar[str] = "#7a5c99"
    #: Pages that fork pointed at a new anon_vma.
    watch: ClassVar[tuple[str, ...]] = ("rmap_repointed",)

    def object_of(self, vma: Any) -> int:
        """Its own anon_vma, if it has been forked."""
        own: int = self._lib.lazy_own(vma)
        return own

    def prepare(self, mm: Any, vma: Any) -> bool:
        """It is written to: nothing else is needed."""
        if not self.tail(vma).anon_vma:
            self._lib.lazy_prepare(self.core.m, vma)
        return True

    def vma_clone(self, new: Any, old: Any) -> bool:
        """The whole chain, if there is one."""
        return bool(self._lib.lazy_clone(self.core.m, new, old) == 0)

    def vma_absorb(self, into: Any, other: Any) -> bool:
        """An area without a chain takes the other's; or it is written to as the other is."""
        return bool(self._lib.lazy_absorb(self.core.m, into, other) == 0)

    def can_merge(self, vma: Any, other: Any) -> bool:
        """Neither was forked; or both have one chain; or one is a root, and the other has none."""
        return bool(
            self._lib.lazy_can_merge(self.core.m, vma, ffi.NULL if other is None else other)
        )

    def has_anon(self, vma: Any) -> bool:
        """Its pages' index depends on the offset once it was written to, here or before a fork."""
        return bool(self._lib.lazy_has_anon(self.core.m, vma))

    # ---- drawing -------------------------------------------------------------------

    def drawing(self, page: Any) -> list[Node]:
        """Before a fork the mm, which has the areas; behind it what anon_vma_chain has."""
        mapping = int(page.mapping)
        if not mapping & lib.LAZY:
            return super().drawing(page)
        mm = mapping ^ lib.LAZY
        areas = self._areas(mm)
        return [Node("mm_struct", mm, "", (("areas", len(areas)),), areas)]

    def _areas(self, mm: int) -> tuple[tuple[str, int], ...]:
        """Pointers to an mm's areas, which a walk looks up there."""
        found = []
        vma = self.core.vma(self._ffi.cast("struct mm_struct *", self.core.base + mm).mmap)
        while vma is not None:
            found.append(("", self.core.kaddr(vma)))
            vma = self.core.vma(vma.vm_next)
        return tuple(found)

    # ---- check ---------------------------------------------------------------------

    def _check_pages(self, survey: Survey, chains: Mapping[int, Mapping[int, int]]) -> None:
        """A lazy page is where it says, there alone; another's anon_vma finds all its areas."""
        core = self.core
        for pfn, mappings in survey.anon.items():
            page = core.page(pfn)
            lazy = page.mapping & lib.LAZY
            if lazy and len(mappings) != 1:
                survey.fail(f"page {pfn} has {len(mappings)} ptes and no anon_vma")
            for mapping in mappings:
                vma = mapping.vma
                pgoff = vma.vm_pgoff + ((mapping.address - vma.vm_start) >> PAGE_SHIFT)
                where = f"page {pfn} at {mapping.address:#x}"
                if lazy and (page.mapping ^ lib.LAZY != vma.vm_mm or not self.tail(vma).anon_vma):
                    survey.fail(f"{where} is of mm {page.mapping:#x}, or in an area not written to")
                if not lazy and page.mapping not in chains[core.kaddr(vma)]:
                    survey.fail(f"{where} is of no anon_vma of its vma")
                if page.index != pgoff & core.mask:
                    survey.fail(f"{where} has index {page.index:#x}, its vma says {pgoff:#x}")

    def _check_chain(self, survey: Survey, vma: Any, chain: Mapping[int, int]) -> None:
        """Its own anon_vma is in it, and that of the whole family; it has no other."""
        own = self.object_of(vma)
        if own and own not in chain:
            survey.fail(f"vma {vma.vm_start:#x} is not on the list of its anon_vma")
        roots = {self._at(each).root for each in chain}
        if len(roots) > 1 or not roots <= chain.keys():
            survey.fail(f"vma {vma.vm_start:#x} is on lists of two families, or not on its root's")

    def check(self, survey: Survey) -> None:
        """And: an anon_vma is the own one of areas of one process."""
        super().check(survey)
        users: dict[int, set[int]] = {}
        for vma in survey.vmas:
            if own := self.object_of(vma):
                users.setdefault(own, set()).add(vma.vm_mm)
        for kptr, mms in users.items():
            if len(mms) > 1:
                survey.fail(f"anon_vma {kptr:#x} is the own one of {len(mms)} processes")


SCHEMES = (AnonVmaLazy,)
