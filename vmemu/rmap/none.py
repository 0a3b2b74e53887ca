"""No reverse map for anonymous pages, as between rmap 38 and 39 (csrc/rmap/none.c)."""

from __future__ import annotations

from vmemu.rmap.base import RmapScheme

__all__ = ["SCHEMES"]

SCHEMES = (RmapScheme,)
