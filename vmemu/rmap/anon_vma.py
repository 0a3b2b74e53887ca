"""anon_vma, Andrea Arcangeli 2004: the lifecycle (csrc/rmap/anon_vma.c has the walk)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from vmemu.check_rmap import check_order
from vmemu.core import PAGE_SHIFT, lib
from vmemu.rmap.base import Node, RmapScheme
from vmemu.rmap.neighbours import mergeable_neighbours

if TYPE_CHECKING:
    from vmemu.check import Survey

__all__ = ["SCHEMES", "AnonVma", "AnonVma39"]


class AnonVma(RmapScheme):
    """One 12-byte object per written area and 12 bytes in each vma, as in 2.6.7 (rmap 40)."""

    name: ClassVar[str] = "anon_vma"
    walker: ClassVar[str] = "anon_vma"
    summary: ClassVar[str] = "Andrea Arcangeli: one object per anonymous area (rmap 40, 2.6.7)"
    anon_pgoff_matters: ClassVar[bool] = True
    finds_anon: ClassVar[bool] = True
    caches: ClassVar[tuple[str, ...]] = ("anon_vma",)
    compared: ClassVar[bool] = True
    predicted_as: ClassVar[str] = "anon_vma"
    color: ClassVar[str] = "#c1440e"
    #: Whether a first fault adopts a neighbour's anon_vma (rmap 40) or not (rmap 39).
    find_mergeable: ClassVar[bool] = True

    def tail(self, vma: Any) -> Any:
        """``struct anon_vma_tail *`` of a vma."""
        return self._ffi.cast("struct anon_vma_tail *", vma + 1)

    def object_of(self, vma: Any) -> int:
        """Its anon_vma."""
        own: int = self._lib.vma_anon_vma(vma)
        return own

    def vma_fields(self, vma: Any) -> Mapping[str, int]:
        """The pointer to its anon_vma."""
        return {"anon_vma": self.core.kaddr(self._ffi.addressof(self.tail(vma), "anon_vma"))}

    def prepare(self, mm: Any, vma: Any) -> bool:
        """``anon_vma_prepare``: the neighbour's anon_vma, or a new one."""
        if self._lib.vma_anon_vma(vma):
            return True
        m = self.core.m
        adopted = self._find_mergeable(mm, vma) if self.find_mergeable else None
        anon_vma = adopted or self.core.lib.anon_vma_alloc(m)
        if not anon_vma:
            return False
        if not self.core.lib.anon_vma_install(m, vma, anon_vma) and not adopted:
            self.core.lib.anon_vma_free(m, anon_vma)
        return True

    def _find_mergeable(self, mm: Any, vma: Any) -> Any:
        """The anon_vma of a touching neighbour that mprotect could merge with, or None."""
        core = self.core
        for other in mergeable_neighbours(core, mm, vma):
            if found := self.object_of(other):
                return core.ffi.cast("struct anon_vma *", core.base + found)
        return None

    def vma_split(self, new: Any, old: Any) -> None:
        """The moved area joins the list."""
        self.core.lib.anon_vma_dup(self.core.m, new, old)

    def vma_absorb(self, into: Any, other: Any) -> bool:
        """An area without anon_vma takes the other's, at the front of its list."""
        self.core.lib.anon_vma_absorb(self.core.m, into, other, 0)
        return True

    def vma_merge(self, into: Any, other: Any) -> bool:
        """``__anon_vma_merge``: it takes the other's place in the list."""
        self.core.lib.anon_vma_absorb(self.core.m, into, other, 1)
        return True

    def vma_free(self, vma: Any) -> None:
        """``anon_vma_unlink``: the last one off the list frees the object."""
        self.core.lib.anon_vma_unlink(self.core.m, vma)

    def can_merge(self, vma: Any, other: Any) -> bool:
        """At least one has no anon_vma, or both have the same."""
        return other is None or not (
            (mine := self.object_of(vma)) and (its := self.object_of(other)) and mine != its
        )

    def has_anon(self, vma: Any) -> bool:
        """Its pages' index depends on the offset once there is an anon_vma."""
        return bool(self.object_of(vma))

    def drawing(self, page: Any) -> list[Node]:
        """The page's anon_vma, and the areas on its list."""
        core, own = self.core, int(page.mapping)
        head = core.ffi.cast("struct anon_vma *", core.base + own).head
        tails = (
            core.ffi.cast("struct anon_vma_tail *", core.base + at) for at in core.list_at(head)
        )
        areas = [core.kaddr(core.ffi.cast("struct vm_area_struct *", tail) - 1) for tail in tails]
        edges = tuple(("list", area) for area in areas)
        return [Node("anon_vma", own, "", (("areas", len(areas)),), edges)]

    def check(self, survey: Survey) -> None:
        """Every page agrees with every vma that maps it; every list has exactly its vmas."""
        core = self.core
        for pfn, mappings in survey.anon.items():
            page = core.page(pfn)
            for mapping in mappings:
                vma = mapping.vma
                pgoff = vma.vm_pgoff + ((mapping.address - vma.vm_start) >> PAGE_SHIFT)
                if page.mapping != self.object_of(vma):
                    survey.fail(f"page {pfn} at {mapping.address:#x} has another anon_vma")
                if page.index != pgoff & core.mask:
                    survey.fail(
                        f"page {pfn} at {mapping.address:#x} has index {page.index:#x}, "
                        f"its vma says {pgoff:#x}"
                    )
        users: dict[int, set[int]] = {}
        for vma in survey.vmas:
            if own := self.object_of(vma):
                users.setdefault(own, set()).add(core.kaddr(vma))
        for kptr, expected in users.items():
            head = core.ffi.cast("struct anon_vma *", core.base + kptr).head
            tails = survey.list_of(head, "struct anon_vma_tail", "anon_vma_node")
            areas = [core.ffi.cast("struct vm_area_struct *", tail) - 1 for tail in tails]
            if {core.kaddr(vma) for vma in areas} != expected or len(areas) != len(expected):
                survey.fail(f"the list of anon_vma {kptr:#x} is not its {len(expected)} vmas")
            check_order(survey, f"anon_vma {kptr:#x}", areas, "anon")
        active = core.m.k.caches[lib.CACHE_anon_vma].nr_active
        survey.expect("anon_vmas", active, len(users))


class AnonVma39(AnonVma):
    """anon_vma without ``find_mergeable_anon_vma``, as between rmap 39 and 40."""

    name: ClassVar[str] = "anon_vma39"
    summary: ClassVar[str] = "anon_vma without adoption of a neighbour's (rmap 39)"
    compared: ClassVar[bool] = False
    color: ClassVar[str] = "#b98a00"
    find_mergeable: ClassVar[bool] = False


SCHEMES = (AnonVma39, AnonVma)
