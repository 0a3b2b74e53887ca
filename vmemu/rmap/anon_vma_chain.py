"""anon_vma_chain, Rik van Riel 2010: the lifecycle (csrc/rmap/anon_vma_chain.c has the walk)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from vmemu.core import PAGE_SHIFT, lib
from vmemu.rmap.base import RmapScheme
from vmemu.rmap.neighbours import mergeable_neighbours

if TYPE_CHECKING:
    from vmemu.check import Survey

__all__ = ["SCHEMES", "AnonVmaChain"]


class AnonVmaChain(RmapScheme):
    """An anon_vma for each area of each process, and a chain to those of its ancestors."""

    name: ClassVar[str] = "anon_vma_chain"
    walker: ClassVar[str] = "anon_vma_chain"
    summary: ClassVar[str] = "Rik van Riel: a forked area has an anon_vma of its own (2.6.34)"
    anon_pgoff_matters: ClassVar[bool] = True
    finds_anon: ClassVar[bool] = True
    caches: ClassVar[tuple[str, ...]] = ("anon_vma", "anon_vma_chain")
    predicted_as: ClassVar[str] = "anon_vma_chain"
    color: ClassVar[str] = "#5b7f2b"

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
        """The kptrs of the links on an anon_vma's list."""
        links = survey.list_of(anon_vma.head, "struct anon_vma_chain", "same_anon_vma")
        return [self.core.kaddr(link) for link in links]


SCHEMES = (AnonVmaChain,)
