"""A machine's memory at one moment, as plain values: it stays when the machine goes on or closes.

Addresses are in bytes, frames are page frame numbers, ``pids`` name address spaces by the
process that has each (the first one, where several share it).  Table, JSON and picture are
views of a :class:`Snapshot`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from vmemu.lab.table import Table

__all__ = [
    "Area",
    "Entry",
    "Frame",
    "Frames",
    "PageTable",
    "Place",
    "Process",
    "Slot",
    "Snapshot",
    "SwapUse",
    "SwappedPage",
    "Zone",
]


class Place(NamedTuple):
    """Where a frame or a slot of swap is in use: one page-table entry."""

    pid: int
    address: int


class Slot(NamedTuple):
    """A page of a swap area: the area's number, the page's."""

    area: int
    offset: int

    def __str__(self) -> str:
        return f"{self.area}:{self.offset}"


@dataclass(frozen=True, slots=True, repr=False)
class Frame:
    """A page frame; ``count`` are references, ``mapcount`` the entries that map it.

    ``kind`` is one of core.FRAME_KINDS, ``flags`` are PG_* without the prefix, ``holds`` says
    what is in it: a slab cache, a level of page tables, a page of a file, a slot of swap.
    """

    pfn: int
    kind: str
    count: int = 0
    mapcount: int = 0
    flags: tuple[str, ...] = ()
    holds: str = ""
    owner: int = 0
    """The process whose page table it is, or 0."""
    places: tuple[Place, ...] = ()
    """The entries that map it, as the page tables have them."""

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that map it."""
        return tuple(dict.fromkeys(place.pid for place in self.places))

    def __repr__(self) -> str:
        mapped = f", mapped by {' '.join(map(str, self.pids))}" if self.places else ""
        return f"<Frame {self.pfn} {self.kind}{' ' if self.holds else ''}{self.holds}{mapped}>"


class Frames:
    """All frames of a machine, by number; ``kinds`` has a byte for each: the index in ``names``."""

    def __init__(self, kinds: bytes, names: tuple[str, ...], used: Mapping[int, Frame]) -> None:
        self.kinds, self.names, self.used = kinds, names, used

    def __len__(self) -> int:
        return len(self.kinds)

    def __getitem__(self, pfn: int) -> Frame:
        pfn = range(len(self))[pfn]
        return self.used.get(pfn) or Frame(pfn, self.names[self.kinds[pfn]])

    def __iter__(self) -> Iterator[Frame]:
        return (self[pfn] for pfn in range(len(self)))

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many frames serve as what; the kinds add up to all frames."""
        return {name: self.kinds.count(i) for i, name in enumerate(self.names)}

    def runs(self) -> Iterator[tuple[str, int, int]]:
        """Neighbours of one kind: its name, the first frame, how many."""
        first = 0
        for kind, group in groupby(self.kinds):
            n = len(list(group))
            yield self.names[kind], first, n
            first += n

    def table(self) -> Table:
        """A line for each frame in use."""
        from vmemu.snapshot.tables import frames_table

        return frames_table(self)

    def to_frame(self) -> Any:
        """The same as a pandas DataFrame; VmemuError without pandas."""
        return self.table().to_frame()

    def __repr__(self) -> str:
        kinds = ", ".join(f"{n} {name}" for name, n in self.counts.items() if n)
        return f"<Frames: {len(self)}, {kinds}>"

    def _repr_svg_(self) -> str:
        from vmemu.snapshot.picture import frames_picture

        return frames_picture(self)

    def _repr_html_(self) -> str:
        return f"<figure>{self._repr_svg_()}</figure>"


@dataclass(frozen=True, slots=True, repr=False)
class Entry:
    """One page-table entry that is not empty.

    ``flags`` are its bits as ``PWUAD`` (present, writable, user, accessed, dirty; N instead of
    P: there, but PROT_NONE), a dash for each that is not set.  ``kind`` is its frame's, "zero"
    for the page of zeros, "swap" where there is a ``slot`` and no frame.
    """

    address: int
    value: int
    flags: str
    kind: str
    frame: int | None
    slot: Slot | None
    pids: tuple[int, ...]
    """Who has the frame or the slot in its page tables, the process itself too."""

    def __repr__(self) -> str:
        where = f"frame {self.frame}" if self.slot is None else f"slot {self.slot}"
        who = " ".join(map(str, self.pids))
        return f"<Entry {self.address:08x} {self.flags} {where} {self.kind}, of {who}>"


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table: level 0 holds ptes.  ``used`` of its ``size`` entries are not empty."""

    level: int
    address: int
    frame: int
    used: int
    size: int


@dataclass(frozen=True, repr=False)
class Area:
    """A vma with the entries in it; ``flags`` are VM_* without the prefix."""

    start: int
    end: int
    perms: str
    name: str
    flags: tuple[str, ...]
    offset: int
    entries: tuple[Entry, ...]

    @property
    def pages(self) -> int:
        """How many pages it has, with those that are nowhere yet."""
        return self.end - self.start >> 12

    def __repr__(self) -> str:
        name = f" {self.name.rpartition('/')[2]}" if self.name else ""
        said = f"{self.start:08x}-{self.end:08x} {self.perms}{name}"
        return f"<Area {said}, {self.count('present')} of {self.pages} pages in memory>"

    def _repr_html_(self) -> str:
        from vmemu.snapshot.tables import entries_table

        return entries_table([self]).html()

    def count(self, what: str) -> int:
        """Entries that are "present", "shared" (with others), "zero" or "swap"."""
        return sum(_is(entry, what) for entry in self.entries)


def _is(entry: Entry, what: str) -> bool:
    if what == "present":
        return entry.kind not in ("swap", "zero")
    if what == "shared":
        return entry.kind not in ("swap", "zero") and len(entry.pids) > 1
    return entry.kind == what


@dataclass(frozen=True, repr=False)
class Process:
    """A process; ``shares`` is the one whose address space it uses, which has the areas."""

    pid: int
    ppid: int
    name: str
    state: str
    shares: int | None
    areas: tuple[Area, ...]
    tables: tuple[PageTable, ...]
    rss: int
    """Pages in memory, as its mm_struct has it."""

    def count(self, what: str) -> int:
        """The entries of all areas, as :meth:`Area.count`."""
        return sum(area.count(what) for area in self.areas)

    def __repr__(self) -> str:
        said = f"{self.pid} {self.name!r} {self.state}, {len(self.areas)} areas"
        return f"<Process {said}, {self.rss} pages in memory>"

    def _repr_svg_(self) -> str:
        from vmemu.snapshot.picture import process_picture

        return process_picture(self)

    def _repr_html_(self) -> str:
        from vmemu.snapshot.tables import areas_table, entries_table, tables_table

        tables = (areas_table(self), tables_table(self), entries_table(self.areas))
        return "\n".join([self._repr_svg_(), *(table.html() for table in tables)])


@dataclass(frozen=True, slots=True)
class SwappedPage:
    """A slot in use: ``users`` is its count in the swap map, ``frame`` that of the swap cache."""

    slot: Slot
    users: int
    frame: int | None
    places: tuple[Place, ...]
    """The entries that hold it."""
    pids: tuple[int, ...]
    """The processes of these entries, and of those that map the frame."""


@dataclass(frozen=True)
class SwapUse:
    """A swap area: ``pages`` that can be used, and those in use."""

    area: int
    path: str
    pages: int
    used: tuple[SwappedPage, ...]


@dataclass(frozen=True, slots=True)
class Zone:
    """Frames that are free, on the LRU lists, and the watermarks."""

    free: int
    active: int
    inactive: int
    pages_min: int
    pages_low: int
    pages_high: int


@dataclass(frozen=True, repr=False)
class Snapshot:
    """All of it; ``moment`` says when that was ("at mark measure"), ``virtual_ns`` the time."""

    moment: str
    virtual_ns: int
    rmap: str
    bits: int
    levels: int
    ram_bytes: int
    zone: Zone
    frames: Frames
    processes: tuple[Process, ...]
    swap: tuple[SwapUse, ...]

    def process(self, pid: int) -> Process:
        """The process of an id; KeyError when there was none."""
        for process in self.processes:
            if process.pid == pid:
                return process
        raise KeyError(pid)

    @property
    def spaces(self) -> list[Process]:
        """The processes that have an address space of their own, or share theirs with others."""
        return [process for process in self.processes if process.tables]

    def to_frame(self) -> Any:
        """Every entry of every process as a pandas DataFrame; VmemuError without pandas."""
        from vmemu.snapshot.tables import entries_by_process

        return entries_by_process(self).to_frame()

    def text(self, *, full: bool = False) -> str:
        """Tables of at most 100 columns; ``full``: a line for each entry."""
        from vmemu.snapshot.tables import snapshot_text

        return snapshot_text(self, full=full)

    def svg(self) -> str:
        """The picture: memory as a map of frames, page tables beside it."""
        from vmemu.snapshot.picture import snapshot_picture

        return snapshot_picture(self)

    def as_json(self) -> dict[str, Any]:
        """All of it as lists, dictionaries, strings and numbers."""
        return {
            "moment": self.moment,
            "virtual_ns": self.virtual_ns,
            "rmap": self.rmap,
            "bits": self.bits,
            "levels": self.levels,
            "ram_bytes": self.ram_bytes,
            "zone": asdict(self.zone),
            "frames": {
                "counts": self.frames.counts,
                "runs": [list(run) for run in self.frames.runs()],
                "used": [asdict(frame) for frame in self.frames.used.values()],
            },
            "processes": [asdict(process) for process in self.processes],
            "swap": [asdict(area) for area in self.swap],
        }

    def __repr__(self) -> str:
        return (
            f"<Snapshot {self.moment}, {self.virtual_ns / 1e6:.3f} ms: "
            f"{len(self.processes)} processes, {self.zone.free} of {len(self.frames)} frames free>"
        )

    def _repr_svg_(self) -> str:
        return self.svg()

    def _repr_html_(self) -> str:
        from vmemu.snapshot.tables import snapshot_html

        return snapshot_html(self)
