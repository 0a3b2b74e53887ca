"""One frame, whoever maps it, and the walk that finds them, as plain values.

It stays when the machine goes on or closes.  Text, JSON and picture are views of a `FrameUse`.
Addresses are in bytes; mms, vmas and ptes go by their kptrs, 0 where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from vmemu.rmap.base import Node
from vmemu.snapshot.record import Slot

__all__ = ["Candidate", "FrameUse", "Mapper", "Walk", "uses_html", "uses_text"]


class Space(NamedTuple):
    """An address space, and the first process that has it; pid 0 where there is none now."""

    pid: int
    command: str
    mm: int

    def __str__(self) -> str:
        return f"{self.pid} {self.command}" if self.pid else "of nobody now"


class Extent(NamedTuple):
    """A vma: its range, what is permitted, the page offset of its beginning."""

    vma: int
    start: int
    end: int
    perms: str
    offset: int
    locked: bool

    def __str__(self) -> str:
        return f"{self.start:08x}-{self.end:08x}"


@dataclass(frozen=True, slots=True)
class Mapper:
    """A page-table entry that has the page: its frame, or its entry in swap.

    ``flags`` are its bits as a snapshot has them, ``pte`` where the entry itself is.
    """

    space: Space
    area: Extent
    address: int
    value: int
    flags: str
    pte: int

    @property
    def pid(self) -> int:
        """The first process of the address space."""
        return self.space.pid


@dataclass(frozen=True, slots=True)
class Candidate:
    """Where the walk has looked.

    ``verdict`` is dead (its process has ended), empty (its mm has no pages), range (the page's
    index is not in the area), pte (its entry is empty, or another page's), match or busy (its
    page_table_lock is taken).  ``because`` says what was compared, ``outcome`` what becomes of
    the entry of a match: old, young, gone, locked or held.  ``probes`` and ``cmps`` are what
    was counted for it.  A scheme may know the mm alone; ``area`` is looked up then.
    """

    number: int
    verdict: str
    because: str
    outcome: str
    space: Space | None
    area: Extent | None
    address: int | None
    pte: int
    probes: int
    cmps: int

    @property
    def pid(self) -> int | None:
        """The first process of the address space, None of a dead one."""
        return None if self.space is None else self.space.pid

    @property
    def cost(self) -> str:
        """In words: a page table walked is a probe, a rejection without one a cmp."""
        parts = [f"{n} {what}" for n, what in ((self.probes, "probe"), (self.cmps, "cmp")) if n]
        return ", ".join(parts) or "not counted"


@dataclass(frozen=True)
class Walk:
    """A walk for the page, as it would go now; nothing was changed.

    ``function`` is page_referenced or try_to_unmap.  The latter is as reclaim calls it: behind
    page_referenced, which has made the entries old, with the page in the swap cache and
    nobody but reclaim at it.  ``counted`` is what it adds to the machine's counters.
    """

    function: str
    candidates: tuple[Candidate, ...]
    counted: Mapping[str, int]
    result: str

    @property
    def probes(self) -> int:
        """Page tables walked, for all candidates."""
        return sum(candidate.probes for candidate in self.candidates)

    @property
    def cmps(self) -> int:
        """Candidates rejected without."""
        return sum(candidate.cmps for candidate in self.candidates)

    @property
    def total(self) -> str:
        """The costs in words."""
        n = len(self.candidates)
        return f"{n} candidate{'s' * (n != 1)}: {_n(self.probes, 'probe')}, {_n(self.cmps, 'cmp')}"


def _n(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


@dataclass(frozen=True, repr=False)
class FrameUse:
    """A frame, or a page that is only in swap (``pfn`` None), and everybody who has it.

    ``kind`` is one of core.FRAME_KINDS, or "swap"; ``flags`` are PG_* without the prefix;
    ``slot`` is the page's place in swap, if it has one.  ``mappers`` and ``swapped`` are what
    the page tables say, whatever the reverse map knows: entries with the frame, entries with
    its place in swap.  ``walk`` is None where none is made, and ``remark`` says why.
    ``objects`` are the scheme's, from the page on.
    """

    moment: str
    machine: str
    rmap: str
    pfn: int | None
    kind: str
    holds: str
    count: int
    mapcount: int
    flags: tuple[str, ...]
    mapping: int
    index: int
    slot: Slot | None
    mappers: tuple[Mapper, ...]
    swapped: tuple[Mapper, ...]
    walk: Walk | None
    remark: str
    objects: tuple[Node, ...]
    i_mmap: str = ""
    """What the areas of files are kept in; "" where the page lists its ptes, and nobody asks."""
    asked: str = ""
    """The address that was asked for, and whose: \"40000000 of 100 family\"."""

    @property
    def of_users(self) -> bool:
        """Whether it is a page that processes may have; of others nothing more is known."""
        return self.kind in ("anon", "file", "swapcache", "swap")

    @property
    def title(self) -> str:
        """Which page it is, in a few words."""
        from vmemu.who.tables import title

        return title(self)

    def text(self) -> str:
        """Tables of at most 100 columns."""
        return uses_text([self])

    def svg(self) -> str:
        """The picture: page, objects, and candidates in the order of the walk."""
        from vmemu.who.picture import uses_picture

        return uses_picture([self])

    def as_json(self) -> dict[str, Any]:
        """All of it as lists, dictionaries, strings and numbers."""
        walk = None
        if self.walk is not None:
            walk = {
                "function": self.walk.function,
                "candidates": [_candidate(each) for each in self.walk.candidates],
                "probes": self.walk.probes,
                "cmps": self.walk.cmps,
                "counted": dict(self.walk.counted),
                "result": self.walk.result,
            }
        return {
            "moment": self.moment,
            "machine": self.machine,
            "rmap": self.rmap,
            "i_mmap": self.i_mmap,
            "asked": self.asked or None,
            "frame": self.pfn,
            "kind": self.kind,
            "holds": self.holds or None,
            "count": self.count,
            "mapcount": self.mapcount,
            "flags": list(self.flags),
            "mapping": self.mapping,
            "index": self.index,
            "slot": list(self.slot) if self.slot is not None else None,
            "mapped_by": [_mapper(each) for each in self.mappers],
            "in_swap_of": [_mapper(each) for each in self.swapped],
            "walk": walk,
            "remark": self.remark or None,
            "objects": [
                {
                    "kind": node.kind,
                    "kptr": node.kptr,
                    "label": node.label or None,
                    "fields": dict(node.fields),
                    "edges": [{"name": name, "to": to} for name, to in node.edges],
                }
                for node in self.objects
            ],
        }

    def __repr__(self) -> str:
        where = f"frame {self.pfn}" if self.pfn is not None else f"slot {self.slot}"
        said = f"<FrameUse {where} {self.kind}"
        if self.mappers:
            said += f", mapped by {' '.join(str(pid) for pid in _pids(self.mappers))}"
        if self.swapped:
            said += f", in swap of {' '.join(str(pid) for pid in _pids(self.swapped))}"
        if self.walk is not None:
            said += f", {self.walk.function}: {self.walk.total}"
        return said + ">"

    def _repr_svg_(self) -> str:
        return self.svg()

    def _repr_html_(self) -> str:
        return uses_html([self])


def _pids(mappers: Sequence[Mapper]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(mapper.pid for mapper in mappers))


def _mapper(mapper: Mapper) -> dict[str, Any]:
    shown = asdict(mapper)
    return {**shown["space"]._asdict(), "area": shown.pop("area")._asdict(), **_rest(shown)}


def _candidate(candidate: Candidate) -> dict[str, Any]:
    shown = asdict(candidate)
    space, area = candidate.space, candidate.area
    own = {"pid": space and space.pid, "command": space and space.command, "mm": space and space.mm}
    return {**own, "area": area._asdict() if area is not None else None, **_rest(shown)}


def _rest(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if name not in ("space", "area")}


def uses_text(uses: Sequence[FrameUse]) -> str:
    """The tables of several, one after the other."""
    from vmemu.who.tables import use_text

    return "\n".join(use_text(use) for use in uses)


def uses_html(uses: Sequence[FrameUse]) -> str:
    """The picture of several, and their tables folded away below it."""
    from html import escape

    from vmemu.who.picture import uses_picture
    from vmemu.who.tables import sections

    parts = [f"<figure>{uses_picture(uses)}</figure>"]
    for use in uses:
        for heading, table in sections(use):
            parts.append(f"<details><summary>{escape(heading)}</summary>{table.html()}</details>")
    return "\n".join(parts)
