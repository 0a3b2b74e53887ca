"""A snapshot's picture."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from storm import Guest, storm

from tests.width import BITS
from vmemu import Machine
from vmemu.snapshot.picture import WIDTH

SVG = "{http://www.w3.org/2000/svg}"


def test_the_picture_is_the_same_each_time_and_needs_nothing(guest: Guest) -> None:
    pictures = []
    for _ in range(2):
        machine, snapshot = storm(guest, "event:cow:40")
        machine.close()
        pictures.append(snapshot.svg())
    assert pictures[0] == pictures[1]
    root = ElementTree.fromstring(pictures[0])
    assert root.get("viewBox", "").split()[:3] == ["0", "0", str(WIDTH)]
    assert root.get("role") == "img"
    title, description = root[0], root[1]
    assert (title.tag, description.tag) == (f"{SVG}title", f"{SVG}desc")
    assert (title.text or "").startswith("swap-storm after event cow:40: ")
    for kind, n in snapshot.frames.counts.items():
        assert not n or re.search(rf"\b{n} frames \w", description.text or ""), kind
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags == {"svg", "title", "desc", "style", "rect", "text", "g", "path"}
    assert not re.search(r"href|url\(|@import|\bon\w+=|\bid=", pictures[0])


def test_text_of_the_picture_stays_inside(guest: Guest) -> None:
    """A letter of 13 units is 7.6 wide on an average; a column of 296 is not left."""
    with Machine(ram="16M", bits=BITS) as machine:
        machine.spawn(guest("fork-readers"), ["fork-readers", "R=40", "N=40"], stdout=None)
        snapshot = machine.run_to("measure")
    assert snapshot is not None
    for made in (snapshot, storm(guest, "event:cow:40")[1]):
        root = ElementTree.fromstring(made.svg())
        for text in root.iter(f"{SVG}text"):
            if text.get("class") in ("title", "small"):
                continue
            assert float(text.get("x", 0)) + 7.6 * len(text.text or "") <= WIDTH, text.text


def cells(svg: str, kind: str) -> int:
    """Of how many cells the paths of a class consist."""
    paths = re.findall(rf'<path class="{kind}" d="([^"]*)"', svg)
    return sum(path.count("M") for path in paths)


def test_what_may_be_written_is_marked(guest: Guest) -> None:
    """fork-readers: after fork the parent's pages are dirty and may not be written any more."""
    with Machine(ram="16M", bits=BITS) as machine:
        machine.spawn(guest("fork-readers"), ["fork-readers", "R=9", "N=3"], stdout=None)
        snapshot = machine.run_to("measure")
    assert snapshot is not None
    entries = [e for p in snapshot.spaces for area in p.areas for e in area.entries]
    assert any(entry.flags == "P-UAD" for entry in entries)
    writable = sum(entry.flags[1] == "W" for entry in entries)
    assert cells(snapshot.svg(), "write") == writable + 1 > 1  # and one of the legend


def test_processes_beyond_six_have_one_colour(guest: Guest) -> None:
    with Machine(ram="16M", bits=BITS) as machine:
        machine.spawn(guest("fork-server"), ["fork-server", "R=2", "N=9"], stdout=None)
        snapshot = machine.run_to("measure")
    assert snapshot is not None
    svg = snapshot.svg()
    style, _, body = svg.partition("</style>")
    classes = set(" ".join(re.findall(r'class="([^"]*)"', body)).split())
    assert {f"o{i}" for i in range(7)} <= classes
    assert {name for name in classes if f".{name} " not in style} == set()
    assert "and 4 more processes, in grey" in svg


def test_the_picture_has_a_square_for_each_entry(guest: Guest) -> None:
    """Each names its entry when it is pointed at; here no two look alike and stand together."""
    with Machine(ram="4M", bits=BITS) as machine:
        machine.spawn(guest("fork-server"), ["fork-server", "R=6", "N=2"], stdout=None)
        snapshot = machine.run_to("measure")
    assert snapshot is not None
    root = ElementTree.fromstring(snapshot.svg())
    notes = [title.text or "" for title in root.iter(f"{SVG}title")][1:]
    entries = [e for p in snapshot.spaces for area in p.areas for e in area.entries]
    for entry in entries:
        assert any(note.startswith(f"{entry.address:#x} {entry.flags}") for note in notes)
    assert sum(note.startswith("0x") for note in notes) == len(entries)
    used = [note for note in notes if note.startswith("frame ")]
    assert len(used) == len(snapshot.frames.used)
