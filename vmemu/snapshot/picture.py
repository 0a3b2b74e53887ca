"""A snapshot drawn: memory as a map of frames, swap below it, page tables beside it.

The same cells stand for a frame, a slot of swap, an entry of a page table, so that the eye can
go from one to the other: the colour says whose page it is, stripes that several have it, the
filling of what kind it is.  Plain SVG without script, fonts or anything from elsewhere; the
same snapshot gives the same bytes.  Lengths are in units of the view box, which is 640 wide:
text of 13 units is 8 pixels high in a picture of 400, 26 in one of 1280.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from vmemu.snapshot.cells import (
    FREE,
    LARGE,
    LINE,
    NONE,
    OTHERS,
    PROCESSES,
    SMALL,
    STYLE,
    Canvas,
    Cell,
    Look,
    units,
)
from vmemu.snapshot.tables import machine, numbers

if TYPE_CHECKING:
    from vmemu.snapshot.record import Area, Frame, Frames, Process, Snapshot

__all__ = [
    "Owners",
    "document",
    "frames_picture",
    "process_picture",
    "snapshot_picture",
]

WIDTH = 640
MARGIN = 16
COLUMN = 296
LETTER = 7.6
"""The width of a letter of text on an average."""
LEFT, RIGHT = MARGIN, WIDTH - MARGIN - COLUMN
GUTTER = 40
"""From the edge of the map to its cells; there stand numbers of frames."""
FEW = 320
CHAR = 7.3
"""Of the monospaced text."""
MOST_ROWS = 96
"""Of a map; beyond, a cell stands for several frames."""
AREA_CELLS = 1024
"""Of one area; of the entries beyond the number is told."""

KINDS = {
    "reserved": "reserved",
    "slab": "slabs",
    "swapmap": "swap map",
    "pagetable": "page tables",
    "anon": "anonymous",
    "swapcache": "swap cache",
    "file": "of files",
    "other": "on its way",
    "free": "free",
}
"""What the legend calls the kinds, in its order."""


# ---- whose colours


class Owners:
    """A colour for each of the first processes that have memory, one for all others."""

    def __init__(self, pids: Iterable[int]) -> None:
        self.colors = {pid: min(i, OTHERS) for i, pid in enumerate(pids)}

    def of(self, pids: Iterable[int]) -> tuple[int, ...]:
        """The colours of processes, each once."""
        return tuple(dict.fromkeys(self.colors.get(pid, OTHERS) for pid in pids))


def _frame_look(frame: Frame, owners: Owners, cached: dict[int, tuple[int, ...]]) -> Look:
    if frame.kind == "pagetable":
        return Look("table", owners.of([frame.owner] if frame.owner else []))
    if frame.kind in ("anon", "file"):
        return Look("solid" if frame.kind == "anon" else "light", owners.of(frame.pids))
    if frame.kind == "swapcache":
        return Look("hatch", owners.of(cached.get(frame.pfn, ())))
    return Look(frame.kind)


def _frame_note(frame: Frame) -> str:
    said = f"frame {frame.pfn}: {KINDS[frame.kind]}"
    if frame.holds:
        said += f", {frame.holds}"
    if frame.places:
        where = [f"{place.pid} at {place.address:#x}" for place in frame.places[:6]]
        more = ", ..." if len(frame.places) > 6 else ""
        said += f"; mapped by {', '.join(where)}{more}"
    return said


# ---- maps


def _map(canvas: Canvas, cells: Sequence[Cell], each: int, what: str) -> None:
    """Rows of cells with the number of the first; several dull rows are told in words.

    A cell stands for ``each`` of ``what``, frames or slots.
    """
    columns = canvas.columns
    rows = [cells[at : at + columns] for at in range(0, len(cells), columns)]
    top, since, at = canvas.y, 0, 0
    while at < len(rows):
        look = rows[at][0].look
        end = at
        while look in _DULL and end < len(rows) and all(cell.look == look for cell in rows[end]):
            end += 1
        if end - at > 2:
            if canvas.y > top:
                canvas.grid(GUTTER, top)
                canvas.y += 2
            n = sum(map(len, rows[at:end])) * each
            canvas.text(f"{n:,} {_DULL[look]} {what}", "quiet", GUTTER)
            at, since, top = end, 0, canvas.y
            continue
        if since % (64 // canvas.pitch) == 0:
            number = at * columns * each
            canvas.parts.append(
                f'<text class="small" x="{units(canvas.x + GUTTER - 5)}" '
                f'y="{units(canvas.y + canvas.pitch / 2 + 4)}">{number}</text>'
            )
        canvas.row(GUTTER, rows[at])
        at, since = at + 1, since + 1
    if canvas.y > top:
        canvas.grid(GUTTER, top)


_DULL = {FREE: "free", Look("reserved"): "reserved"}
"""Looks of which several rows are not drawn, and what they are called."""


def _merged(cells: list[Cell], each: int) -> list[Cell]:
    """A cell for several: as most of them look, but never free where one of them is not."""
    found = []
    for at in range(0, len(cells), each):
        looks = Counter(cell.look for cell in cells[at : at + each] if cell.look != FREE)
        look = looks.most_common(1)[0][0] if looks else FREE
        found.append(Cell(look, "" if look in _DULL else f"{at} to {at + each - 1}"))
    return found


def _each(cells: Sequence[Cell], columns: int) -> int:
    """How many a cell has to stand for, lest the map have too many rows."""
    used = sum(
        any(cell.look != FREE for cell in cells[at : at + columns])
        for at in range(0, len(cells), columns)
    )
    each = 1
    while used > MOST_ROWS * each:
        each *= 2
    return each


def _memory(
    canvas: Canvas, frames: Frames, owners: Owners, cached: dict[int, tuple[int, ...]]
) -> None:
    canvas.text(f"Memory: {len(frames):,} frames of 4 kB", "head")
    dull = {kind: Cell(Look(name), "") for kind, name in enumerate(frames.names)}
    cells = [
        dull[kind] for kind in frames.kinds
    ]  # of free and reserved ones; there may be millions
    for pfn, frame in frames.used.items():
        cells[pfn] = Cell(_frame_look(frame, owners, cached), _frame_note(frame))
    each = _each(cells, canvas.columns)
    if each > 1:
        cells = _merged(cells, each)
        canvas.text(f"each square: {each} frames, as most of them are", "quiet")
    canvas.y += 2
    _map(canvas, cells, each, "frames")
    canvas.y += 6


def _legend(canvas: Canvas, frames: Frames) -> None:
    """Each kind there is: how it looks, and how many frames."""
    looks = {"anon": "solid", "file": "light", "swapcache": "hatch", "pagetable": "table"}
    there = [kind for kind in KINDS if frames.counts.get(kind)]
    half = -(-len(there) // 2)
    top = canvas.y
    for column, kinds in enumerate((there[:half], there[half:])):
        canvas.y = top
        for kind in kinds:
            text = f"{frames.counts[kind]:,} {KINDS[kind]}"
            look = Look(looks[kind], (0,)) if kind in looks else Look(kind)
            canvas.key(look, text, column * COLUMN / 2)
    canvas.y = top + half * LINE + 8


def _swap(canvas: Canvas, snapshot: Snapshot, owners: Owners) -> None:
    for use in snapshot.swap:
        canvas.text(f"Swap {use.area}: {len(use.used):,} of {use.pages:,} pages in use", "head")
        if not use.used:
            canvas.y += 8
            continue
        found = {page.slot.offset: page for page in use.used}
        cells = []
        for offset in range(max(found) + 1):
            page = found.get(offset)
            if page is None:
                cells.append(Cell(FREE, ""))
                continue
            note = f"slot {page.slot}: of {' '.join(map(str, page.pids)) or 'nobody'}"
            if page.frame is not None:
                note += f", in memory too, frame {page.frame}"
            cells.append(Cell(Look("hatch", owners.of(page.pids)), note))
        each = _each(cells, canvas.columns)
        canvas.y += 2
        _map(canvas, _merged(cells, each) if each > 1 else cells, each, "slots")
        canvas.y += 6


# ---- page tables


def _entry_cells(area: Area, owners: Owners) -> dict[int, Cell]:
    """The cells of an area's entries, by page."""
    cells = {}
    for entry in area.entries:
        page = entry.address - area.start >> 12
        also = [str(pid) for pid in entry.pids]
        note = f"{entry.address:#x} {entry.flags}"
        if entry.slot is not None:
            look = Look("hatch", owners.of(entry.pids))
            note += f": in swap, slot {entry.slot}"
        elif entry.kind == "zero":
            look, note = Look("zero"), f"{note}: the page of zeros"
        else:
            style = "light" if entry.kind == "file" else "solid"
            look = Look(style, owners.of(entry.pids), entry.flags[1] == "W")
            note += f": frame {entry.frame}, {KINDS[entry.kind]}"
        cells[page] = Cell(look, note + (f", of {' '.join(also)}" if len(also) > 1 else ""))
    return cells


def _draw_area(canvas: Canvas, area: Area, owners: Owners) -> None:
    name = area.name.rpartition("/")[2]
    canvas.text(f"{area.start:08x} {area.perms} {name}"[: int(COLUMN / CHAR)], "code")
    cells = _entry_cells(area, owners)
    columns = canvas.columns
    rows = sorted({page // columns for page in cells})
    top, last = canvas.y, -1
    drawn = 0
    for number in rows:
        if drawn == AREA_CELLS // columns:
            rest = sum(page // columns >= number for page in cells)
            canvas.grid(0, top)
            canvas.text(f"and {rest:,} more entries", "quiet")
            top = canvas.y
            break
        if number > last + 1:
            if canvas.y > top:
                canvas.grid(0, top)
            canvas.text(f"{(number - last - 1) * columns:,} pages, not there yet", "quiet")
            top = canvas.y
        pages = range(number * columns, min((number + 1) * columns, area.pages))
        canvas.row(0, [cells.get(page, Cell(NONE, "")) for page in pages])
        last, drawn = number, drawn + 1
    else:
        rest = area.pages - (last + 1) * columns
        if canvas.y > top:
            canvas.grid(0, top)
            top = canvas.y
        if rest > 0:
            canvas.text(f"{rest:,} pages, not there yet", "quiet")
    canvas.y += 5


def _process(canvas: Canvas, process: Process, owners: Owners) -> None:
    """One process: its tables, and its areas that have entries."""
    color = owners.of([process.pid])[0]
    canvas.parts.append(
        f'<rect class="o{color} fill" x="{units(canvas.x)}" y="{units(canvas.y + 1)}" width="12" '
        'height="12" rx="2"/>'
    )
    canvas.text(f"{process.pid} {process.name}, {process.state}", "head", 18)
    present, swapped = process.count("present"), process.count("swap")
    shared = process.count("shared")
    said = f"{present:,} in memory" + (f", {shared:,} shared" if shared else "")
    canvas.text(said + (f", {swapped:,} in swap" if swapped else ""), "quiet")
    top, *below = [table.frame for table in process.tables]
    said = f"directory: frame {top}, tables: "
    canvas.text(said + numbers(below, int((COLUMN + MARGIN) / LETTER) - len(said)), "quiet")
    canvas.y += 2
    for area in process.areas:
        if area.entries:
            _draw_area(canvas, area, owners)
    empty = sum(not area.entries for area in process.areas)
    if empty:
        canvas.text(f"and {empty} area{'s' * (empty > 1)} without a page yet", "quiet")
    canvas.y += 8


def _keys(canvas: Canvas) -> None:
    """What the looks of an entry mean."""
    canvas.text("A square of a page table", "head")
    for look, text in (
        (Look("solid", (0,)), "in memory, of one process"),
        (Look("solid", (0, 1)), "shared: a stripe for each"),
        (Look("solid", (0,), True), "may be written"),
        (Look("hatch", (0,)), "in swap"),
        (Look("zero"), "the page of zeros"),
        (NONE, "not there yet"),
    ):
        canvas.key(look, text)
    canvas.y += 8


# ---- whole pictures


def document(
    name: str,
    description: str,
    height: float,
    parts: Sequence[str],
    width: int = WIDTH,
    style: str = "",
) -> str:
    """The whole of an SVG document; ``style`` is more of it.

    A picture of several columns, each of which is WIDTH wide, is never shrunk so far that a
    column has less than 25 rem.
    """
    body = "\n".join(parts)
    least = f"; min-width: {25 * (width // WIDTH)}rem" if width > WIDTH else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="memory" viewBox="0 0 {width} '
        f'{units(height)}" role="img" width="100%" style="max-width: 80rem{least}">\n'
        f"<title>{escape(name)}</title>\n<desc>{escape(description)}</desc>\n"
        f"<style>{STYLE}{style}</style>\n"
        f'<rect class="ground" width="{width}" height="{units(height)}"/>\n{body}\n</svg>\n'
    )


def snapshot_picture(snapshot: Snapshot) -> str:
    """The whole machine as an SVG document."""
    spaces = snapshot.spaces
    owners = Owners(process.pid for process in spaces)
    head = Canvas(LEFT, MARGIN)
    name = snapshot.processes[0].name if snapshot.processes else "no process"
    head.text(f"{name} {snapshot.moment}", "title")
    head.y += 4
    head.text(f"{machine(snapshot)}, after {snapshot.virtual_ns / 1e6:.3f} ms", "quiet")
    head.y += 8
    used = len(snapshot.frames.used)
    entries = sum(len(area.entries) for process in spaces for area in process.areas)
    pitch = LARGE if used <= FEW and entries <= FEW else SMALL
    left, right = Canvas(LEFT, head.y, pitch), Canvas(RIGHT, head.y, pitch)
    cached = {
        page.frame: page.pids
        for use in snapshot.swap
        for page in use.used
        if page.frame is not None
    }
    _memory(left, snapshot.frames, owners, cached)
    _legend(left, snapshot.frames)
    _swap(left, snapshot, owners)
    _keys(left)
    right.text("Page tables", "head")
    right.y += 4
    for i, process in enumerate(spaces[:PROCESSES]):
        _process(right if not i or right.y <= left.y else left, process, owners)
    if len(spaces) > PROCESSES:
        low = right if right.y <= left.y else left
        low.text(f"and {len(spaces) - PROCESSES} more processes, in grey", "quiet")
    parts = head.parts + left.parts + right.parts
    return document(
        f"{name} {snapshot.moment}: {machine(snapshot)}",
        _description(snapshot.frames, spaces),
        max(left.y, right.y) + MARGIN,
        parts,
    )


def frames_picture(frames: Frames) -> str:
    """The map of frames alone."""
    pids = {frame.owner for frame in frames.used.values()} - {0}
    canvas = Canvas(LEFT, MARGIN, LARGE if len(frames.used) <= FEW else SMALL)
    _memory(canvas, frames, Owners(sorted(pids)), {})
    _legend(canvas, frames)
    name = f"What {len(frames)} frames serve as"
    return document(name, _description(frames, ()), canvas.y + MARGIN, canvas.parts)


def process_picture(process: Process) -> str:
    """The page tables of one process; its own pages have one colour, shared ones stripes."""
    pids = [process.pid, *(pid for area in process.areas for e in area.entries for pid in e.pids)]
    canvas = Canvas(LEFT, MARGIN)
    canvas.pitch = LARGE if sum(len(area.entries) for area in process.areas) <= FEW else SMALL
    _keys(canvas)
    _process(canvas, process, Owners(dict.fromkeys(pids)))
    name = f"Page tables of {process.pid} {process.name}"
    return document(name, f"{process.count('present')} pages in memory", canvas.y, canvas.parts)


def _description(frames: Frames, spaces: Sequence[Process]) -> str:
    said = [f"{n} frames {KINDS[kind]}" for kind, n in frames.counts.items() if n]
    for process in spaces:
        counts = {what: process.count(what) for what in ("present", "shared", "swap")}
        said.append(
            f"process {process.pid} {process.name}: {counts['present']} pages in memory, "
            f"{counts['shared']} of them shared, {counts['swap']} in swap"
        )
    return "; ".join(said)
