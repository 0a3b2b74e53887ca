"""A reverse map written in Python alone: the base class for schemes of one's own.

The C core walks page tables, counts probes and unmaps; the class says which candidates to
walk.  :class:`AddressBook` is the example.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from vmemu.core import Core, ffi, lib
from vmemu.errors import KernelBug
from vmemu.rmap.base import RmapScheme

if TYPE_CHECKING:
    from vmemu.check import Survey
    from vmemu.typed import mm_struct, page, vm_area_struct

__all__ = ["AddressBook", "Candidate", "PythonScheme"]


_HOOKS = {
    lib.RMAP_ADD: "page_added",
    lib.RMAP_REMOVE: "page_removed",
    lib.RMAP_MOVE: "page_moved",
    lib.RMAP_CLASH: "clash",
    lib.RMAP_CANDIDATES_REFERENCED: "candidates",
    lib.RMAP_CANDIDATES_UNMAP: "candidates",
    lib.RMAP_VMA_DUP: "vma_dup",
    lib.RMAP_VMA_FREE: "vma_free",
    lib.RMAP_VMA_SPLIT: "vma_split",
}
_MOST = 1 << 18
"""Candidates of one page: more than its ptes, of 32 bits each in as many mms, can ever be."""


class Candidate(NamedTuple):
    """Where a page may be mapped: kptrs of its mm and vma (0: unknown), a user address."""

    mm: int
    vma: int
    address: int


class PythonScheme(RmapScheme):
    """Override what the scheme needs; ``page`` is a ``struct page *``, ``vma`` as in the base.

    The hooks of :class:`~vmemu.rmap.base.RmapScheme` tell of vmas and mms, those here of
    pages, whose ``mapcount`` is that of the other ptes.  :meth:`allocate` and :meth:`free`
    take 32-byte objects from the slab cache ``python_rmap``, so that the scheme's memory is
    allocated, not modelled.
    """

    walker: ClassVar[str] = "python"
    finds_anon: ClassVar[bool] = True
    caches: ClassVar[tuple[str, ...]] = ("python_rmap",)

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self._buffer: Any = ffi.NULL
        self._room = 0
        self._calls: dict[int, Callable[[Any, Any, int], int]] = {
            lib.RMAP_ADD: self._add,
            lib.RMAP_REMOVE: self._remove,
            lib.RMAP_MOVE: self._move,
            lib.RMAP_CLASH: self.clash,
            lib.RMAP_CANDIDATES_REFERENCED: self._candidates,
            lib.RMAP_CANDIDATES_UNMAP: self._candidates,
            lib.RMAP_VMA_DUP: self._vma_dup,
            lib.RMAP_VMA_FREE: self._vma_free,
            lib.RMAP_VMA_SPLIT: self._vma_split,
        }
        core.on_rmap = self._call

    def _call(self, call: int, page: Any, vma: Any, address: int) -> int:
        """One call of the core; after a hook that raised there are no more."""
        if self.core.broken is not None:
            return 0
        try:
            return self._calls[call](page, vma, address)
        except BaseException as error:
            error.add_note(f"in {_HOOKS[call]}() of the rmap scheme {self.name!r}")
            self.core.broken = error  # the scheme's books lack this call
            raise

    def vma_dup(self, new: vm_area_struct, old: vm_area_struct) -> bool | None:
        """fork copied ``old`` of the parent to ``new`` of the child, which is in no tree yet.

        False: there is no memory for what the scheme needs, and fork fails.
        """
        return None

    def vma_split(self, new: vm_area_struct, old: vm_area_struct) -> None:
        """``new`` is a copy of ``old`` in the same mm: a part cut off, or moved by mremap."""

    def page_added(self, page: page, vma: vm_area_struct, address: int) -> None:
        """``page`` is now mapped at ``address`` of ``vma``, first or once more (not by fork)."""

    def page_removed(self, page: page) -> None:
        """The last pte of ``page`` has gone."""

    def page_moved(self, page: page, vma: vm_area_struct, address: int) -> bool:
        """mremap moves one pte to ``address``; False = copy the page, which others map, first.

        It is asked again of the copy, which nobody else maps.
        """
        return True

    def clash(self, page: page, vma: vm_area_struct, address: int) -> bool:
        """At swap-in, a page mapped elsewhere must be copied before it is mapped here."""
        return False

    def candidates(self, page: page) -> Iterable[Candidate]:
        """Where to look for the ptes of ``page``, in the order of the walk."""
        raise NotImplementedError

    def allocate(self) -> int:
        """kptr of a 32-byte object of the scheme's own; 0 when memory ran out.

        Hooks run with spinlocks held, so it does not wait for memory.
        """
        new = self.core.lib.kmem_cache_alloc(self.core.m, lib.CACHE_python_rmap, lib.GFP_ATOMIC)
        return self.core.kaddr(new)

    def free(self, kptr: int) -> None:
        """Give an object back; KernelBug when there is none at ``kptr``."""
        if not self._owns(lib.CACHE_python_rmap, kptr):
            raise KernelBug(f"the rmap scheme {self.name!r} frees {kptr!r}, which it has not got")
        where = ffi.cast("void *", self.core.base + kptr)
        self.core.lib.kmem_cache_free(self.core.m, lib.CACHE_python_rmap, where)

    def _add(self, page: Any, vma: Any, address: int) -> int:
        self.page_added(page, vma, address)
        return 0

    def _remove(self, page: Any, vma: Any, address: int) -> int:
        self.page_removed(page)
        return 0

    def _vma_dup(self, page: Any, vma: Any, old: int) -> int:
        return -1 if self.vma_dup(vma, self.core.vma(old)) is False else 0

    def _vma_split(self, page: Any, vma: Any, old: int) -> int:
        self.vma_split(vma, self.core.vma(old))
        return 0

    def _vma_free(self, page: Any, vma: Any, address: int) -> int:
        self.vma_free(vma)
        return 0

    def _owns(self, cache: int, kptr: int) -> bool:
        return (
            isinstance(kptr, int)
            and 0 < kptr <= self.core.mask
            and bool(self.core.lib.kmem_cache_owns(self.core.m, cache, kptr))
        )

    def _believe(self, mm: int, vma: int, at: int) -> None:
        """KernelBug unless there may be such a candidate."""
        if (
            isinstance(at, int)
            and 0 <= at < self.core.task_size
            and not at & 0xFFF
            and self._owns(lib.CACHE_mm_struct, mm)
            and (
                vma == 0
                or (self._owns(lib.CACHE_vm_area_struct, vma) and self.core.vma(vma).vm_mm == mm)
            )
        ):
            return
        raise KernelBug(
            f"the rmap scheme {self.name!r} names no mm, vma of it and page of a user: "
            f"Candidate({mm!r}, {vma!r}, {at!r})"
        )

    def _move(self, page: Any, vma: Any, address: int) -> int:
        if self.page_moved(page, vma, address):
            return 0
        if page.mapcount == 1:  # else mremap would copy it for ever
            raise KernelBug(
                f"the rmap scheme {self.name!r} wants a copy of a page that nobody else maps"
            )
        return 1

    def _candidates(self, page: Any, vma: Any, address: int) -> int:
        found: list[Candidate] = []
        try:
            for mm, vma, at in self.candidates(page):
                if len(found) == _MOST:
                    raise KernelBug(f"the rmap scheme {self.name!r} names more than {_MOST} places")
                self._believe(mm, vma, at)
                found.append(Candidate(mm, vma, at))
        except (TypeError, ValueError) as error:
            raise KernelBug(
                f"the rmap scheme {self.name!r} gives no triples of numbers: {error}"
            ) from error
        if len(found) > self._room:
            self._room = len(found) * 2
            self._buffer = self.core.ffi.new("struct candidate[]", self._room)
        for slot, candidate in enumerate(found):
            self._buffer[slot] = candidate
        self.core.m.candidates = self._buffer
        return len(found)


class AddressBook(PythonScheme):
    """The example: each page's addresses are remembered, and every mm is tried at each.

    What it shows is the interface; its law, probes in the number of all mms, is bad.
    """

    name: ClassVar[str] = "address_book"
    summary: ClassVar[str] = "an example written in Python: every mm, at the page's addresses"

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self._addresses: dict[int, set[int]] = {}  # by frame number
        self._mms: dict[int, None] = {}

    def mm_init(self, mm: mm_struct) -> bool:
        """A new address space to look into."""
        self._mms[self.core.kaddr(mm)] = None
        return True

    def mm_dup(self, child: mm_struct, parent: mm_struct) -> bool:
        """Another one."""
        return self.mm_init(child)

    def mm_exit(self, mm: mm_struct) -> None:
        """One less."""
        del self._mms[self.core.kaddr(mm)]

    def page_added(self, page: page, vma: vm_area_struct, address: int) -> None:
        """Remember the address."""
        self._addresses.setdefault(self._pfn(page), set()).add(address)

    def page_removed(self, page: page) -> None:
        """Forget the page."""
        del self._addresses[self._pfn(page)]

    def page_moved(self, page: page, vma: vm_area_struct, address: int) -> bool:
        """Remember one more address."""
        self._addresses[self._pfn(page)].add(address)
        return True

    def candidates(self, page: page) -> Iterable[Candidate]:
        """Every mm at every remembered address."""
        for address in sorted(self._addresses[self._pfn(page)]):
            for mm in self._mms:
                yield Candidate(mm, 0, address)

    def check(self, survey: Survey) -> None:
        """Every mapping's address is remembered."""
        for pfn, mappings in survey.anon.items():
            known = self._addresses.get(pfn, set())
            for mapping in mappings:
                if mapping.address not in known:
                    survey.fail(f"page {pfn} at {mapping.address:#x} was never told of")

    def _pfn(self, page: Any) -> int:
        return int(self.core.lib.page_to_pfn(self.core.m, page))
