"""A report's page: what was run, and sections of tables, pictures and text.

Pages say nothing of when, where and how fast they were made: the same command gives the
same bytes.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from vmemu import __version__
from vmemu.lab.table import Table, cell_text
from vmemu.report.templates import render

__all__ = ["Block", "Facts", "Figure", "Listing", "Page", "Section", "Tabular"]


@dataclass(frozen=True)
class Facts:
    """Names and what they stand for, a line each."""

    kind: ClassVar[str] = "facts"
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Figure:
    """An SVG document with a caption; with a file name it can be saved by itself."""

    kind: ClassVar[str] = "figure"
    svg: str
    caption: str = ""
    file: str = ""

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


Block = Facts | Figure | Listing | Tabular


@dataclass(frozen=True)
class Section:
    """A part of a page; ``bad``: it tells of something that is wrong."""

    title: str
    blocks: Sequence[Block]
    text: str = ""
    bad: bool = False


@dataclass(frozen=True)
class Page:
    """A whole report; ``command`` is what was typed, ``settings`` what it ran with."""

    title: str
    command: str
    settings: Mapping[str, str]
    sections: Sequence[Section] = field(default_factory=list)

    def html(self) -> str:
        """One HTML document that needs nothing else."""
        return render("page.html", page=self, version=__version__, cell_text=cell_text)
