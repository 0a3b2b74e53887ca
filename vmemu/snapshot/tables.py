"""A snapshot as tables: text of at most 100 columns, or HTML.

Neighbouring entries that differ in nothing but their frames stand in one line, unless every
entry is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from html import escape
from typing import TYPE_CHECKING

from vmemu.core import PAGE_SIZE
from vmemu.lab.table import Cell, Table

if TYPE_CHECKING:
    from vmemu.snapshot.record import Area, Entry, Frames, Process, Snapshot

__all__ = [
    "areas_table",
    "entries_by_process",
    "entries_table",
    "frames_table",
    "machine",
    "numbers",
    "sections",
    "snapshot_html",
    "snapshot_text",
    "tables_table",
]

WIDTH = 100
_NAME = 24
_PIDS = 22
_FRAMES = 26
_MANY = 36

Sections = list[tuple[str, Table]]


def machine(snapshot: Snapshot) -> str:
    """Which machine it is."""
    kind = "i386" if snapshot.bits == 32 else f"x86-64 of {snapshot.levels} levels"
    return f"{kind}, {snapshot.ram_bytes >> 10} kB, {snapshot.rmap}"


def snapshot_text(snapshot: Snapshot, *, full: bool = False) -> str:
    """All tables, each under its title."""
    name = snapshot.processes[0].name if snapshot.processes else "no process"
    when = f"after {snapshot.virtual_ns / 1e6:.3f} ms"
    parts = [f"{name} {snapshot.moment}, {when}: {machine(snapshot)}\n"]
    for heading, table in sections(snapshot, full=full):
        parts.append(f"{heading}\n{table.text()}")
    return "\n".join(parts)


def snapshot_html(snapshot: Snapshot) -> str:
    """The picture, and the tables folded away below it."""
    parts = [f"<figure>{snapshot.svg()}</figure>"]
    for heading, table in sections(snapshot):
        parts.append(f"<details><summary>{escape(heading)}</summary>{table.html()}</details>")
    return "\n".join(parts)


def sections(snapshot: Snapshot, *, full: bool = False) -> Sections:
    """The tables and what they are called."""
    found = [
        ("frames by kind", _kinds(snapshot)),
        ("memory and swap, in pages", _zone(snapshot)),
        ("processes, in pages", _processes(snapshot)),
    ]
    for process in snapshot.spaces:
        name = f"{process.pid} {process.name}"
        found.append((f"areas of {name}, in pages", areas_table(process)))
        found.append((f"page tables of {name}", tables_table(process)))
        found.append((f"entries of {name}", entries_table(process.areas, full=full)))
    for heading, table in (("shared frames", _shared(snapshot)), ("in swap", _swap(snapshot))):
        if table.rows:
            found.append((heading, table))
    return found


def _kinds(snapshot: Snapshot) -> Table:
    counts = {name: n for name, n in snapshot.frames.counts.items() if n}
    return Table(list(counts), [list(counts.values())])


def _zone(snapshot: Snapshot) -> Table:
    row = asdict(snapshot.zone)
    row |= {"swap": sum(use.pages for use in snapshot.swap)}
    row |= {"of it in use": sum(len(use.used) for use in snapshot.swap)}
    return Table(list(row), [list(row.values())])


def _processes(snapshot: Snapshot) -> Table:
    head = (
        "pid",
        "parent",
        "name",
        "state",
        "areas",
        "tables",
        "present",
        "shared",
        "zero",
        "swap",
    )
    rows: list[Sequence[Cell]] = []
    for process in snapshot.processes:
        own: list[Cell] = [process.pid, process.ppid, process.name]
        if process.shares is not None:
            rows.append([*own, f"{process.state}, in {process.shares}'s memory", *[None] * 6])
            continue
        counts = [process.count(what) for what in ("present", "shared", "zero", "swap")]
        rows.append([*own, process.state, len(process.areas), len(process.tables), *counts])
    return Table(head, rows)


def areas_table(process: Process) -> Table:
    """A line for each area, as in /proc/PID/maps, and its pages: "shared" are part of "present"."""
    head = ("area", "perms", "what", "pages", "present", "shared", "zero", "swap", "flags")
    return Table(head, [_area(area) for area in process.areas])


def _area(area: Area) -> list[Cell]:
    flags = [flag for flag in area.flags if flag in ("LOCKED", "GROWSDOWN", "SHARED")]
    return [
        f"{area.start:08x}-{area.end:08x}",
        area.perms,
        _cut(area.name.rpartition("/")[2], _NAME) or None,
        area.pages,
        *(area.count(what) for what in ("present", "shared", "zero", "swap")),
        " ".join(flags).lower() or None,
    ]


def tables_table(process: Process) -> Table:
    """A line for each table: level 0 holds ptes, the highest is the page directory."""
    head = ("level", "from address", "in frame", "entries in use", "of")
    return Table(
        head,
        [
            (table.level, f"{table.address:08x}", table.frame, table.used, table.size)
            for table in process.tables
        ],
    )


def entries_table(areas: Sequence[Area], *, full: bool = False) -> Table:
    """The entries of areas: where, how many, their bits, the frames or slots, and who has them."""
    head = ("address", "pages", "entry", "frames", "kind", "mapped by")
    rows: list[Sequence[Cell]] = []
    for area in areas:
        for run in _runs(area.entries, full=full):
            first = run[0]
            rows.append(
                (
                    f"{first.address:08x}",
                    len(run),
                    first.flags,
                    _where(run),
                    first.kind,
                    _pids(first.pids),
                )
            )
    return Table(head, rows)


def entries_by_process(snapshot: Snapshot) -> Table:
    """A line for each entry of each process, with numbers as numbers."""
    head = ("pid", "area", "address", "value", "flags", "kind", "frame", "slot", "processes")
    return Table(
        head,
        [
            (
                process.pid,
                area.start,
                entry.address,
                entry.value,
                entry.flags,
                entry.kind,
                entry.frame,
                str(entry.slot) if entry.slot is not None else None,
                len(entry.pids),
            )
            for process in snapshot.spaces
            for area in process.areas
            for entry in area.entries
        ],
    )


def _runs(entries: Sequence[Entry], *, full: bool) -> Iterator[list[Entry]]:
    """Neighbours that differ in nothing but their frames or slots."""
    run: list[Entry] = []
    for entry in entries:
        if run and (full or not _continues(run[-1], entry)):
            yield run
            run = []
        run.append(entry)
    if run:
        yield run


def _continues(low: Entry, high: Entry) -> bool:
    return high.address == low.address + PAGE_SIZE and (low.flags, low.kind, low.pids) == (
        high.flags,
        high.kind,
        high.pids,
    )


def _where(run: Sequence[Entry]) -> str:
    if run[0].slot is not None:
        area = run[0].slot.area
        inside = numbers(
            [entry.slot.offset for entry in run if entry.slot is not None], _FRAMES - 8
        )
        return f"swap {area}:{inside}"
    return numbers([entry.frame for entry in run if entry.frame is not None], _FRAMES)


def numbers(values: Sequence[int], width: int = WIDTH) -> str:
    """Numbers in their order, ``7-9`` for neighbours, cut to a width by ``...``.

    >>> numbers([7, 8, 9, 4, 3, 12])
    '7-9 4-3 12'
    """
    runs: list[list[int]] = []
    for value in values:
        if runs and _goes_on(runs[-1], value):
            runs[-1].append(value)
        else:
            runs.append([value])
    texts = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return _listed(texts, width)


def _goes_on(run: list[int], value: int) -> bool:
    step = value - run[-1]
    return abs(step) == 1 and (len(run) == 1 or run[-1] - run[-2] == step)


def _pids(pids: Sequence[int]) -> str | None:
    return _listed([str(pid) for pid in pids], _PIDS) or None


def _listed(texts: Sequence[str], width: int) -> str:
    """As many as there is room for, and ``...``."""
    whole = " ".join(texts)
    if len(whole) <= width:
        return whole
    shown = list(texts)
    while shown and len(" ".join(shown)) + 4 > width:
        shown.pop()
    return " ".join([*shown, "..."])


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _shared(snapshot: Snapshot) -> Table:
    """Frames that several processes map: how many, of what kind, and who they are."""
    found: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for frame in snapshot.frames.used.values():
        if len(frame.pids) > 1:
            found.setdefault((frame.kind, frame.pids), []).append(frame.pfn)
    rows = [
        (len(pfns), kind, numbers(pfns, _FRAMES), len(pids), _listed([*map(str, pids)], _MANY))
        for (kind, pids), pfns in found.items()
    ]
    return Table(("pages", "kind", "frames", "processes", "mapped by"), rows)


def _swap(snapshot: Snapshot) -> Table:
    """Slots in use: those with the same users in one line."""
    found: dict[tuple[int, int, bool, tuple[int, ...]], list[int]] = {}
    for use in snapshot.swap:
        for page in use.used:
            key = (use.area, page.users, page.frame is not None, page.pids)
            found.setdefault(key, []).append(page.slot.offset)
    rows = [
        (
            len(offsets),
            f"{area}:{numbers(offsets, _FRAMES)}",
            users,
            "yes" if cached else "no",
            _listed([*map(str, pids)], _MANY) or None,
        )
        for (area, users, cached, pids), offsets in found.items()
    ]
    return Table(("pages", "slots", "users", "in memory too", "of process"), rows)


def frames_table(frames: Frames) -> Table:
    """A line for each frame that is neither free nor reserved."""
    head = ("frame", "kind", "count", "mapcount", "holds", "mapped by", "flags")
    return Table(
        head,
        [
            (
                frame.pfn,
                frame.kind,
                frame.count,
                frame.mapcount,
                frame.holds or None,
                _pids(frame.pids),
                " ".join(frame.flags) or None,
            )
            for frame in frames.used.values()
        ],
    )
