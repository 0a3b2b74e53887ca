"""A reverse map written in Python alone: the base class for schemes of one's own.

The C core walks page tables, counts probes and unmaps; the class says which candidates to
walk, one after the other.  :class:`AddressBook` is the example; docs/write-a-scheme.md has
others.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias

from vmemu.check_rmap import lacking, origin
from vmemu.core import COUNTERS, PAGE_SHIFT, Core, ffi, lib
from vmemu.errors import ConfigError, KernelBug
from vmemu.rmap.base import RmapScheme
from vmemu.rmap.declared import CHARGED, Declared, Object, Size, Words, caches_of, tail_of

if TYPE_CHECKING:
    from vmemu.check import Survey
    from vmemu.typed import mm_struct, page, vm_area_struct

__all__ = ["AddressBook", "Candidate", "Object", "PythonScheme", "Rejected", "Words"]

_HOOKS = {
    lib.RMAP_PREPARE: "prepare",
    lib.RMAP_ADD: "page_added",
    lib.RMAP_ADD_BACK: "page_back",
    lib.RMAP_ADD_AGAIN: "page_again",
    lib.RMAP_CLASH: "clash",
    lib.RMAP_OWN: "page_owned",
    lib.RMAP_REMOVE: "page_removed",
    lib.RMAP_PUT: "pages_put",
    lib.RMAP_MOVE: "page_moved",
    lib.RMAP_PTE_COPY: "pte_copied",
    lib.RMAP_PTE_MOVE: "pte_moved",
    lib.RMAP_PTE_REMOVE: "pte_removed",
    lib.RMAP_VMA_DUP: "vma_dup",
    lib.RMAP_VMA_FREE: "vma_free",
    lib.RMAP_VMA_SPLIT: "vma_split",
    lib.RMAP_RANGE_CHANGES: "range_changes",
    lib.RMAP_RANGE_CHANGED: "range_changed",
    lib.RMAP_RESERVE: "reserve",
    lib.RMAP_UNRESERVE: "unreserve",
}
"""By ``enum rmap_call``: the core calls those alone that a class overrides."""

_DIRECT = (
    *("mm_init", "mm_dup", "mm_exit"),
    *("prepare", "vma_clone", "vma_split", "vma_absorb", "vma_merge", "vma_free"),
)
"""Those that the memory manager calls by itself."""

_WALKS = {
    lib.RMAP_WALK_REFERENCED: "candidates",
    lib.RMAP_WALK_UNMAP: "unmap_candidates",
    lib.RMAP_WALK_NEXT: "candidates",
    lib.RMAP_WALK_END: "candidates",
}
_INSTEAD = {"page_back": "page_added", "page_again": "page_added"}
"""What a hook calls unless it is overridden."""
_ASKED = {lib.RMAP_CLASH, lib.RMAP_MOVE, lib.RMAP_VMA_DUP, lib.RMAP_RESERVE, *_WALKS}
"""Calls whose answer, an int, the core wants; what a hook of others returns is its own."""
_MOST = 1 << 18
"""Candidates of one walk: more than a page's ptes, of 32 bits each in as many mms, can be."""
_WHY = {"dead": lib.TRIED_DEAD, "empty": lib.TRIED_EMPTY, "range": lib.TRIED_RANGE}


class Candidate(NamedTuple):
    """Where a page may be mapped: kptrs of its mm and vma (0: unknown), a user address."""

    mm: int
    vma: int
    address: int


class Rejected(NamedTuple):
    """What was looked at and needs no walk: a ``cmp``, not a probe.

    ``why``: "dead", its process has ended; "empty", it has no pages; "range", its area has
    not this page.  kptrs, 0 when there is none any more.
    """

    mm: int = 0
    vma: int = 0
    why: str = "range"


Place: TypeAlias = Candidate | Rejected
Places: TypeAlias = Iterable[Place] | Generator[Place, bool, None]


class _Walk:
    """A walk on its way: what comes next, and how much has come."""

    def __init__(self, places: Iterator[Place]) -> None:
        self.places = places
        self.send: Callable[[bool], Place] | None = getattr(places, "send", None)
        self.given = 0

    def next(self, found: bool) -> Place | None:
        """None: there is no more."""
        try:
            if self.send is None or not self.given:
                place = next(self.places)
            else:
                place = self.send(found)
        except StopIteration:
            return None
        self.given += 1
        return place

    def close(self) -> None:
        """It is not asked any more; a generator's ``finally`` runs."""
        if close := getattr(self.places, "close", None):
            close()


class PythonScheme(RmapScheme):
    """Override what the scheme needs; ``page`` is a ``struct page *``, ``vma`` as in the base.

    The hooks of :class:`~vmemu.rmap.base.RmapScheme` tell of vmas and mms, those here of
    pages, whose ``mapcount`` is that of the other ptes.  A hook that is not overridden costs
    nothing.  They run with spinlocks held, `prepare`, `mm_init`, `mm_dup`, `vma_clone`,
    `vma_absorb` and `vma_merge` without.

    `objects` are slab caches of the guest, from which :meth:`allocate` takes; `vma_bytes` and
    `mm_bytes` stand behind each vma and mm, zero when these are made.  So the scheme's memory
    is allocated, not modelled.
    """

    walker: ClassVar[str] = "python"
    finds_anon: ClassVar[bool] = True
    #: Its slab caches: sizes by name, each bytes, `Words`, or an `Object` with its alignment.
    objects: ClassVar[Mapping[str, Size | Object]] = {}
    #: Its bytes behind each vm_area_struct: a number, or `Words`.
    vma_bytes: ClassVar[Size] = 0
    #: The same behind each mm_struct.
    mm_bytes: ClassVar[Size] = 0

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.caches = tuple(cls.objects) if isinstance(cls.objects, Mapping) else ()

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        declared = self.declared(core.bits)
        if core.declared != declared:
            raise ConfigError(
                f"a core for the rmap scheme {self.name!r} is made with its class: "
                f"Core(ram, {type(self).__name__})"
            )
        self._cache = {cache.name: lib.CACHE_rmap + at for at, cache in enumerate(declared.caches)}
        self._size = {cache.name: cache.size for cache in declared.caches}
        self._tails = {"vma": declared.vma_bytes, "mm": declared.mm_bytes}
        self._walks: dict[int, _Walk] = {}
        self._last_walk = 0
        self._calls: dict[int, Callable[[Any, Any, Any, int, int], Any]] = self._all_calls()
        core.on_rmap = self._call
        for hook in filter(self.hears, _DIRECT):
            setattr(self, hook, self._noting(hook))

    @classmethod
    def hears(cls, hook: str) -> bool:
        """Whether the class overrides a hook, or what the hook calls by default."""
        instead = _INSTEAD.get(hook, hook)
        return any(
            getattr(cls, name) is not getattr(PythonScheme, name) for name in (hook, instead)
        )

    @classmethod
    def declared(cls, bits: int) -> Declared:
        """What a machine of this width is to know of the class; ConfigError for what cannot be."""
        return Declared(
            tail_of(cls.name, "vma_bytes", cls.vma_bytes, bits),
            tail_of(cls.name, "mm_bytes", cls.mm_bytes, bits),
            caches_of(cls.name, cls.objects, bits),
            sum(1 << call for call, hook in _HOOKS.items() if cls.hears(hook)),
        )

    # ---- hooks: areas

    def vma_dup(self, new: vm_area_struct, old: vm_area_struct) -> bool | None:
        """fork copied ``old`` of the parent to ``new`` of the child, which is in no tree yet.

        False: there is no memory for what the scheme needs, and fork fails.
        """
        return None

    def vma_split(self, new: vm_area_struct, old: vm_area_struct) -> None:
        """``new`` is a copy of ``old`` in the same mm: a part cut off, or moved by mremap.

        What may fail was done before, in `vma_clone`.
        """

    def range_changes(self, vma: vm_area_struct) -> None:
        """The area's start, end and offset change now."""

    def range_changed(self, vma: vm_area_struct) -> None:
        """They have changed; an area without length is about to go."""

    # ---- hooks: pages

    def page_added(self, page: page, vma: vm_area_struct, address: int) -> None:
        """``page`` is mapped at ``address`` of ``vma``, for the first time (not by fork)."""

    def page_back(self, page: page, vma: vm_area_struct, address: int) -> None:
        """The same for a page from swap: others may have its entry.  Else as `page_added`."""
        self.page_added(page, vma, address)

    def page_again(self, page: page, vma: vm_area_struct, address: int) -> None:
        """The same for a page that is mapped already.  Else as `page_added`."""
        self.page_added(page, vma, address)

    def page_owned(self, page: page, vma: vm_area_struct, address: int) -> None:
        """A write found that nobody but ``vma``, where it is mapped, has the page."""

    def page_removed(self, page: page) -> None:
        """The last pte of ``page`` has gone."""

    def pages_put(self, mapping: int, pages: int) -> None:
        """So it has for so many pages whose ``page.mapping`` was this."""

    def page_moved(self, page: page, vma: vm_area_struct, address: int) -> bool:
        """mremap moves one pte to ``address``; False = copy the page, which others map, first.

        It is asked again of the copy, which nobody else maps.
        """
        return True

    def clash(self, page: page, vma: vm_area_struct, address: int) -> bool:
        """At swap-in, a page mapped elsewhere must be copied before it is mapped here."""
        return False

    # ---- hooks: ptes, each of them, which makes fork and exit slow

    def pte_copied(self, page: page, vma: vm_area_struct, child: mm_struct, address: int) -> None:
        """fork gives ``page`` of the parent's ``vma`` a pte in ``child``, at the same address."""

    def pte_moved(self, page: page, mm: mm_struct, old: int, new: int) -> None:
        """mremap moves a pte of ``page`` within ``mm``."""

    def pte_removed(self, page: page, mm: mm_struct, address: int) -> None:
        """``page`` loses a pte, which ``mapcount`` still counts."""

    def reserve(self, wait: bool) -> bool:
        """Make sure of memory for one more pte of any page; False: there is none.

        Without ``wait``, take it `allocate`'s usual way.  fork asks before every pte, whether
        the last one needed what there was or not.  For two if a page's first pte needs
        something, too: a fault may map a page from swap, and then its copy instead.
        """
        return True

    def unreserve(self) -> None:
        """What `reserve` got and nobody needed may be given back."""

    # ---- walks

    def candidates(self, page: page) -> Places:
        """Where to look for the ptes of ``page``, in the order of the walk.

        One is asked for after the other, until the walk has enough.  In a generator,
        ``yield`` returns whether the pte was there.
        """
        raise NotImplementedError

    def unmap_candidates(self, page: page) -> Places:
        """The same when the page is to be unmapped; what was found may be gone by the next."""
        return self.candidates(page)

    def offset_in(self, vma: vm_area_struct, address: int) -> int:
        """The linear offset, in pages, of what ``vma`` maps at ``address``: for ``page.index``."""
        pages: int = (address - vma.vm_start) >> PAGE_SHIFT
        return (vma.vm_pgoff + pages) & self.core.mask

    def address_in(self, page: page, vma: vm_area_struct) -> int | None:
        """Where ``vma`` would map the page whose linear offset is ``page.index``; or None."""
        start: int = vma.vm_start
        address = start + ((page.index - vma.vm_pgoff) << PAGE_SHIFT) & self.core.mask
        return address if start <= address < vma.vm_end else None

    def charge(self, counter: str, n: int = 1) -> None:
        """Count what the scheme does: one of the counters of walks and reverse maps."""
        if counter not in CHARGED:
            raise KernelBug(
                f"the rmap scheme {self.name!r} may count {', '.join(CHARGED)}, not {counter!r}"
            )
        if type(n) is not int or n < 0:
            raise KernelBug(f"the rmap scheme {self.name!r} counts {n!r} of {counter}")
        self.core.count(COUNTERS.index(counter), n)

    # ---- objects

    def allocate(self, name: str = "", *, wait: bool = False) -> int:
        """kptr of a new object, zeroed, of those in `objects`; 0 when memory ran out.

        ``name`` may be left out if there is but one.  With ``wait`` pages may be reclaimed
        for it, which is for hooks without spinlocks.
        """
        cache, core = self._cache[self._kind(name)], self.core
        gfp = lib.GFP_KERNEL if wait else lib.GFP_ATOMIC
        return core.kaddr(core.lib.kmem_cache_alloc(core.m, cache, gfp))

    def free(self, kptr: int) -> None:
        """Give an object back; KernelBug when there is none at ``kptr``."""
        for cache in self._cache.values():
            if self._owns(cache, kptr):
                where = ffi.cast("void *", self.core.base + kptr)
                self.core.lib.kmem_cache_free(self.core.m, cache, where)
                return
        raise KernelBug(f"the rmap scheme {self.name!r} frees {kptr!r}, which it has not got")

    def words(self, kptr: int) -> Any:
        """The words of an object, to read and to write, as an array; KernelBug if there is none."""
        for name, cache in self._cache.items():
            if self._owns(cache, kptr):
                return self._array(kptr, self._size[name])
        raise KernelBug(f"the rmap scheme {self.name!r} uses {kptr!r}, which it has not got")

    def vma_words(self, vma: vm_area_struct) -> Any:
        """The words of `vma_bytes`, as an array."""
        return self._array(self.core.kaddr(vma + 1), self._tails["vma"])

    def mm_words(self, mm: mm_struct) -> Any:
        """The words of `mm_bytes`, as an array."""
        return self._array(self.core.kaddr(mm + 1), self._tails["mm"])

    def active(self, name: str = "") -> int:
        """How many objects there are: for `check`."""
        found: int = self.core.slab_caches[self._cache[self._kind(name)]].nr_active
        return found

    def _kind(self, name: str) -> str:
        if name in self._cache:
            return name
        if not name and len(self._cache) == 1:
            return next(iter(self._cache))
        has = ", ".join(self._cache) or "none"
        raise KernelBug(f"the rmap scheme {self.name!r} has declared no object {name!r}: {has}")

    def _array(self, kptr: int, size: int) -> Any:
        core = self.core
        array = core.ffi.typeof(f"kulong(*)[{size // core.word}]")
        return core.ffi.cast(array, core.base + kptr)[0]

    def _owns(self, cache: int, kptr: int) -> bool:
        return (
            isinstance(kptr, int)
            and 0 < kptr <= self.core.mask
            and bool(self.core.lib.kmem_cache_owns(self.core.m, cache, kptr))
        )

    # ---- calls of the core

    def _all_calls(self) -> dict[int, Callable[[Any, Any, Any, int, int], Any]]:
        vma_of = self.core.vma
        return {
            lib.RMAP_ADD: lambda page, vma, mm, at, to: self.page_added(page, vma, at),
            lib.RMAP_ADD_BACK: lambda page, vma, mm, at, to: self.page_back(page, vma, at),
            lib.RMAP_ADD_AGAIN: lambda page, vma, mm, at, to: self.page_again(page, vma, at),
            lib.RMAP_CLASH: lambda page, vma, mm, at, to: bool(self.clash(page, vma, at)),
            lib.RMAP_OWN: lambda page, vma, mm, at, to: self.page_owned(page, vma, at),
            lib.RMAP_REMOVE: lambda page, vma, mm, at, to: self.page_removed(page),
            lib.RMAP_PUT: lambda page, vma, mm, at, n: self.pages_put(at, n),
            lib.RMAP_MOVE: lambda page, vma, mm, at, to: self._move(page, vma, at),
            lib.RMAP_PTE_COPY: lambda page, vma, mm, at, to: self.pte_copied(page, vma, mm, at),
            lib.RMAP_PTE_MOVE: lambda page, vma, mm, at, to: self.pte_moved(page, mm, at, to),
            lib.RMAP_PTE_REMOVE: lambda page, vma, mm, at, to: self.pte_removed(page, mm, at),
            lib.RMAP_VMA_DUP: lambda page, vma, mm, at, old: (
                -1 if self.vma_dup(vma, vma_of(old)) is False else 0
            ),
            lib.RMAP_VMA_FREE: lambda page, vma, mm, at, to: self.vma_free(vma),
            lib.RMAP_VMA_SPLIT: lambda page, vma, mm, at, old: self.vma_split(vma, vma_of(old)),
            lib.RMAP_RANGE_CHANGES: lambda page, vma, mm, at, to: self.range_changes(vma),
            lib.RMAP_RANGE_CHANGED: lambda page, vma, mm, at, to: self.range_changed(vma),
            lib.RMAP_RESERVE: lambda page, vma, mm, gfp, to: (
                0 if self.reserve(not gfp & lib.GFP_ATOMIC) else -1
            ),
            lib.RMAP_UNRESERVE: lambda page, vma, mm, at, to: self.unreserve(),
            lib.RMAP_WALK_REFERENCED: lambda page, *rest: self._begin(self.candidates, page),
            lib.RMAP_WALK_UNMAP: lambda page, *rest: self._begin(self.unmap_candidates, page),
            lib.RMAP_WALK_NEXT: lambda page, vma, mm, walk, found: self._next(walk, bool(found)),
            lib.RMAP_WALK_END: lambda page, vma, mm, walk, found: self._end(walk),
        }

    def _call(self, call: int, page: Any, vma: Any, mm: Any, address: int, other: int) -> int:
        """One call of the core; after a hook that raised there are no more."""
        if self.core.broken is not None:
            return 0
        try:
            answer = self._calls[call](page, vma, mm, address, other)
            return answer if call in _ASKED else 0
        except BaseException as error:
            self._note(error, _HOOKS.get(call) or _WALKS[call], vma)
            self.core.broken = error  # the scheme's books lack this call
            raise

    def _noting(self, hook: str) -> Callable[..., Any]:
        """A hook that the memory manager calls itself, and not the core."""
        call = getattr(self, hook)

        def noting(*arguments: Any) -> Any:
            try:
                return call(*arguments)
            except Exception as error:
                self._note(error, hook, arguments[hook == "prepare"] if hook[0] != "m" else None)
                raise

        return noting

    def _note(self, error: BaseException, hook: str, vma: Any) -> None:
        """Which hook raised, and which the scheme has not, if that may be why."""
        if any(note.startswith("in ") for note in getattr(error, "__notes__", ())):
            return  # the hook was called by another one
        error.add_note(f"in {hook}() of the rmap scheme {self.name!r}")
        told = origin(self, vma) if vma else ""
        for note in (told if "which it has not" in told else "", lacking(self)):
            if note:
                error.add_note(note)

    def _move(self, page: Any, vma: Any, address: int) -> int:
        if self.page_moved(page, vma, address):
            return 0
        if page.mapcount == 1:  # else mremap would copy it for ever
            raise KernelBug(
                f"the rmap scheme {self.name!r} wants a copy of a page that nobody else maps"
            )
        return 1

    def _begin(self, candidates: Callable[[Any], Places], page: Any) -> int:
        """The number of a new walk."""
        try:
            places = iter(candidates(page))
        except TypeError as error:
            raise self._nonsense(error) from error
        self._last_walk = self._last_walk % 0x7FFFFFFF + 1
        self._walks[self._last_walk] = _Walk(places)
        return self._last_walk

    def _next(self, number: int, found: bool) -> int:
        """``enum next_answer``; of a candidate, what it is goes to ``m.candidate``."""
        walk = self._walks[number]
        place = walk.next(found)
        if place is None:
            del self._walks[number]
            return lib.NEXT_NONE
        if walk.given > _MOST:
            raise KernelBug(f"the rmap scheme {self.name!r} names more than {_MOST} places")
        slot = self.core.m.candidate
        if isinstance(place, Rejected):
            return self._reject(slot, place)
        try:
            mm, vma, at = place
        except (TypeError, ValueError) as error:
            raise self._nonsense(error) from error
        self._believe(mm, vma, at)
        slot.mm, slot.vma, slot.address = mm, vma, at
        return lib.NEXT_TRY

    def _end(self, number: int) -> int:
        self._walks.pop(number).close()
        return 0

    def _reject(self, slot: Any, place: Rejected) -> int:
        mask = self.core.mask
        known = all(type(kptr) is int and 0 <= kptr <= mask for kptr in place[:2])
        if not known or place.why not in _WHY:
            raise KernelBug(
                f"the rmap scheme {self.name!r} rejects what is no mm, no vma, or for no reason "
                f"of {', '.join(_WHY)}: {place!r}"
            )
        slot.mm, slot.vma = place.mm, place.vma
        return lib.NEXT_REJECT + _WHY[place.why]

    def _nonsense(self, error: Exception) -> KernelBug:
        return KernelBug(f"the rmap scheme {self.name!r} gives no triples of numbers: {error}")

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

    def candidates(self, page: page) -> Places:
        """Every mm at every remembered address."""
        for address in sorted(self._addresses[self._pfn(page)]):
            for mm in list(self._mms):
                if mm in self._mms:  # it may end while others are walked
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
