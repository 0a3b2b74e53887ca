"""What all figures drawn by matplotlib have in common: their settings, and SVG for a page."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["INK", "PALETTE", "colors_of", "drawn"]

PALETTE = ("#2d8a4e", "#8d55bb", "#6b7785", "#c2487a")
"""Colours that can be told from the ground, light and dark."""
INK = "#010203"
"""Stands for the page's text colour, which depends on the reader's screen."""
_SVG = "{http://www.w3.org/2000/svg}"
_XLINK = "{http://www.w3.org/1999/xlink}"


def colors_of(series: Iterable[str]) -> dict[str, str]:
    """A colour for each name: schemes have their own, others take turns at the palette."""
    from vmemu.rmap import builtin

    own = {name: scheme.color for name, scheme in builtin().items() if scheme.color}
    names = list(dict.fromkeys(name for name in series if name not in own))
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(names)} | own


def drawn(name: str, width: float, height: float, draw: Callable[[Figure], None]) -> str:
    """A figure of so many inches as an SVG document; ``name`` says it in words."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()  # the user's own would make another file
        mpl.rcParams.update({"svg.hashsalt": "vmemu", "svg.fonttype": "none", "font.size": 9})
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure)
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return _plain(out.getvalue(), name)


def _plain(svg: str, name: str) -> str:
    """The document for use inside a page: a name, no ids, no foreign names, the page's colour.

    An id that something refers to, as clips are, cannot stay without being unique in the page.
    """
    root = ElementTree.fromstring(svg)
    for element in root.iter():
        for child in list(element):
            if child.tag == f"{_SVG}metadata":
                element.remove(child)
        element.tag = element.tag.removeprefix(_SVG)
        element.attrib.pop("id", None)
        if element.tag == "style" and element.text:
            element.text = element.text.replace("*{", ".drawn *{")
    assert not any(n.startswith(_XLINK) or "url(" in v for e in root.iter() for n, v in e.items())
    root.attrib |= {"xmlns": _SVG[1:-1], "class": "drawn", "role": "img", "aria-label": name}
    return ElementTree.tostring(root, encoding="unicode").replace(INK, "currentColor")
