"""A report's page: what was run, and sections of tables, pictures and text.

Pages say nothing of when, where and how fast they were made: the same command gives the
same bytes.
"""

from __future__ import annotations

import base64
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from vmemu import __version__
from vmemu.lab.table import Table, cell_text
from vmemu.report.templates import render

__all__ = [
    "Block",
    "Facts",
    "Figure",
    "Line",
    "Listing",
    "Mark",
    "Overview",
    "Page",
    "Row",
    "Section",
    "Tabular",
    "Tone",
]


@dataclass(frozen=True)
class Facts:
    """Names and what they stand for, a line each."""

    kind: ClassVar[str] = "facts"
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Figure:
    """An SVG document under a title, with a caption.

    With a file name it can be saved by itself.  On a narrow screen it shrinks, or keeps its
    size and ``scrolls``.
    """

    kind: ClassVar[str] = "figure"
    svg: str
    caption: str = ""
    file: str = ""
    title: str = ""
    scrolls: bool = False

    @property
    def address(self) -> str:
        """The document as a data URL."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg.encode()).decode()


@dataclass(frozen=True)
class Listing:
    """Preformatted text; folded away if ``folded``."""

    kind: ClassVar[str] = "listing"
    text: str
    caption: str = ""
    folded: bool = False


@dataclass(frozen=True)
class Tabular:
    """A table with a caption."""

    kind: ClassVar[str] = "tabular"
    table: Table
    caption: str = ""


@dataclass(frozen=True)
class Row:
    """Small figures side by side, or below each other where there is no room for that.

    On a wide screen there are three of them in a line, two if they are ``large``.
    """

    kind: ClassVar[str] = "row"
    figures: Sequence[Figure]
    large: bool = False


class Tone(enum.StrEnum):
    """How something that was found is to be taken."""

    GOOD = enum.auto()
    BAD = enum.auto()
    PLAIN = enum.auto()


@dataclass(frozen=True)
class Mark:
    """What was found, in a word or two, and a figure or two that say more."""

    text: str
    note: str = ""
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True)
class Line:
    """A line of an overview: what it is about, and its marks, one a column, None for a dash.

    ``link`` is the anchor of the section that has more of it.
    """

    name: str
    marks: Sequence[Mark | None]
    note: str = ""
    link: str = ""


@dataclass(frozen=True)
class Overview:
    """What was found at one sight: what it was found about downwards, schemes across."""

    kind: ClassVar[str] = "overview"
    about: str
    columns: Sequence[str]
    lines: Sequence[Line]


Block = Facts | Figure | Listing | Overview | Row | Tabular


@dataclass(frozen=True)
class Section:
    """A part of a page; ``bad``: it tells of something that is wrong; ``anchor``: its id."""

    title: str
    blocks: Sequence[Block]
    text: str = ""
    bad: bool = False
    anchor: str = ""


@dataclass(frozen=True)
class Page:
    """A whole report; ``command`` is what was typed, ``settings`` what it ran with.

    ``verdict`` is the whole in a sentence or two.
    """

    title: str
    command: str
    settings: Mapping[str, str]
    verdict: Mark
    sections: Sequence[Section] = field(default_factory=list)

    @property
    def contents(self) -> bool:
        """Whether it needs a list of its sections: not if an overview leads to them."""
        links = any(section.anchor for section in self.sections)
        return len(self.sections) > 3 and not links

    def html(self) -> str:
        """One HTML document that needs nothing else."""
        return render("page.html", page=self, version=__version__, cell_text=cell_text)
