"""Looking into reports."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"


def parsed(path: Path) -> ElementTree.Element:
    """The page; it is XML as well, so whatever is not closed or escaped fails here."""
    return ElementTree.fromstring(path.read_text())


def classed(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [e for e in root.iter() if name in e.get("class", "").split()]


def words(element: ElementTree.Element) -> list[str]:
    return ["".join(e.itertext()) for e in element.iter(f"{SVG}text")]


def said(element: ElementTree.Element | None) -> str:
    """All its text, each space one."""
    assert element is not None
    return " ".join("".join(element.itertext()).split())


def headings(table: ElementTree.Element) -> list[str]:
    return [said(cell) for cell in table.iterfind("thead/tr/th")]


def cells(table: ElementTree.Element) -> list[list[str]]:
    """The lines below the headings."""
    return [[said(cell) for cell in row] for row in table.iterfind("tbody/tr")]


def listing(root: ElementTree.Element, caption: str) -> str:
    """The preformatted text behind the paragraph that begins so."""
    children = [e for parent in root.iter("section") for e in parent]
    at = next(i for i, e in enumerate(children) if (e.text or "").startswith(caption))
    return "".join(children[at + 1].itertext())
