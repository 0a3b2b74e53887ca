"""anonmm, Hugh Dickins 2004: the lifecycle (csrc/rmap/anonmm.c has the walk)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from vmemu.core import Core, lib
from vmemu.rmap.base import Node, RmapScheme

if TYPE_CHECKING:
    from vmemu.check import Survey

__all__ = ["SCHEMES", "Anonmm"]


class Anonmm(RmapScheme):
    """One 24-byte object per mm, as after rmap 37; nothing per vma, no merge restriction."""

    name: ClassVar[str] = "anonmm"
    walker: ClassVar[str] = "anonmm"
    finds_anon: ClassVar[bool] = True
    summary: ClassVar[str] = "Hugh Dickins: one object per mm, pages keep their address (rmap 37)"
    caches: ClassVar[tuple[str, ...]] = ("anonmm",)
    compared: ClassVar[bool] = True
    predicted_as: ClassVar[str] = "anonmm"
    color: ClassVar[str] = "#0b6fa4"

    def tail(self, mm: Any) -> Any:
        """``struct anonmm_tail *`` of an mm."""
        return self._ffi.cast("struct anonmm_tail *", mm + 1)

    def anonmm(self, mm: Any) -> int:
        """kptr of an mm's anonmm."""
        return int(self.tail(mm).anonmm)

    def mm_fields(self, mm: Any) -> Mapping[str, int]:
        """The pointer to its anonmm."""
        return {"anonmm": self.core.kaddr(self._ffi.addressof(self.tail(mm), "anonmm"))}

    def drawing(self, page: Any) -> list[Node]:
        """The ring from the page's own anonmm on."""
        core, own = self.core, int(page.mapping)
        offset = core.ffi.offsetof("struct anonmm", "list")
        found: list[Node] = []
        at = own
        while not found or at != own:
            anonmm = _at(core, at)
            label = "head" if at == anonmm.head else ""
            fields = (("count", int(anonmm.count)), ("mm", hex(anonmm.mm) if anonmm.mm else 0))
            after = int(anonmm.list.next) - offset
            edges = (("mm", int(anonmm.mm)), ("list", after if after != at else 0))
            found.append(Node("anonmm", at, label, fields, edges))
            at = after
        return found

    def check(self, survey: Survey) -> None:
        """Every mapping has the page's address and bundle; every count is recounted."""
        core = self.core
        owned: Counter[int] = Counter()
        for pfn, mappings in survey.anon.items():
            page = core.page(pfn)
            owned[page.mapping] += 1
            head = _at(core, page.mapping).head
            for mapping in mappings:
                if page.index != mapping.address:
                    survey.fail(
                        f"page {pfn} is mapped at {mapping.address:#x}, index {page.index:#x}"
                    )
                if _at(core, self.anonmm(mapping.mm.ptr)).head != head:
                    survey.fail(f"page {pfn} is mapped by an mm of another bundle")
        reached: set[int] = set()
        for mm in survey.vm.mms.values():
            own = _at(core, self.anonmm(mm.ptr))
            if core.mm(own.mm) != mm.ptr:
                survey.fail(f"anonmm of mm {mm.kaddr:#x} does not point back")
            reached |= self._check_bundle(survey, own.head, owned, reached)
        for kptr in owned:
            reached |= self._check_bundle(survey, _at(core, kptr).head, owned, reached)
        active = core.m.k.caches[lib.CACHE_anonmm].nr_active
        survey.expect("anonmms", active, len(reached))

    def _check_bundle(
        self, survey: Survey, head: int, owned: Counter[int], known: set[int]
    ) -> set[int]:
        """Recount one ring; the kptrs on it."""
        if head in known:
            return set()
        core = self.core
        offset = core.ffi.offsetof("struct anonmm", "list")
        members, at = [head], _at(core, head).list.next - offset
        while at != head and len(members) < 1 << 20:
            members.append(at)
            at = _at(core, at).list.next - offset
        for member in members:
            anonmm = _at(core, member)
            expected = owned[member] + (anonmm.mm != 0)
            if member == head:
                expected += len(members)
            survey.expect(f"count of anonmm {member:#x}", anonmm.count, expected)
            if anonmm.head != head:
                survey.fail(f"anonmm {member:#x} is on the ring of another head")
        # forks that were explored against one another may end in any order
        mms = [_at(core, each).mm for each in members]
        if not core.m.watch.explorer and not _in_order(survey, mms):
            survey.fail(f"the ring of anonmm {head:#x} is not in the order of the forks")
        return set(members)


def _in_order(survey: Survey, ring: list[int]) -> bool:
    """Whether the living mms of a ring stand as they were made; 0 is one that is gone."""
    made = {kaddr: place for place, kaddr in enumerate(survey.vm.mms)}
    places = [made[kaddr] for kaddr in ring if kaddr in made]
    return places == sorted(places)


def _at(core: Core, kptr: int) -> Any:
    return core.ffi.cast("struct anonmm *", core.base + kptr)


SCHEMES = (Anonmm,)
