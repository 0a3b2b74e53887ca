"""What the structs of later kernels take: a layout is a named set of sizes.

Under a layout the slab caches hand out objects of that kernel's sizes, packed as its
allocator packs them; what a scheme does with them does not change.  "2.6.7" is the structs
as the core declares them.  Sizes are of SMP kernels without debugging: from 5.10 on by the
kernels' own type information, before that computed from their headers.
"""

from __future__ import annotations

from typing import NamedTuple

from vmemu.arguments import width
from vmemu.errors import ConfigError

__all__ = ["DEFAULT", "Layout", "find_layout", "layouts"]

DEFAULT = "2.6.7"


class Layout(NamedTuple):
    """Bytes of one kernel's structs; 0: as in 2.6.7, or not known."""

    name: str
    vma: int = 0
    """vm_area_struct, with the reverse map's fields."""
    vma_rmap: int = 0
    """These fields."""
    object: int = 0
    """The reverse map's object that a vma points to."""
    object_room: int = 0
    """It, with what the allocator adds, which must not write into one that was freed."""
    mm: int = 0
    slub: bool = True
    """Its allocator; else slab."""

    @property
    def common(self) -> int:
        """Bytes of a vma without the reverse map's fields."""
        return self.vma - self.vma_rmap


_LAYOUTS: dict[int, tuple[Layout, ...]] = {
    32: (
        Layout(DEFAULT, slub=False),
        Layout("2.6.34", vma=88, vma_rmap=12, object=24),
    ),
    64: (
        Layout(DEFAULT, slub=False),
        Layout("2.6.34", vma=168, vma_rmap=24, object=24),
        Layout("3.10", vma=176, vma_rmap=24, object=56, object_room=64),
        Layout("3.19", vma=184, vma_rmap=24, object=72, object_room=80),
        Layout("5.10", vma=200, vma_rmap=24, object=96, mm=1032),
        Layout("6.1", vma=152, vma_rmap=24, object=96, mm=1088),
        Layout("6.12", vma=176, vma_rmap=24, object=96, mm=1344),
        Layout("6.18", vma=192, vma_rmap=24, object=96, object_room=104, mm=1472),
        Layout("7.2", vma=192, vma_rmap=24, object=88, mm=1728),
    ),
}


def layouts(bits: int) -> tuple[Layout, ...]:
    """The layouts of a width, oldest first; ConfigError for one that there is not."""
    return _LAYOUTS[width(bits)]


def find_layout(name: str, bits: int) -> Layout:
    """The layout called ``name``; ConfigError if the width has none."""
    for layout in layouts(bits):
        if layout.name == name:
            return layout
    known = ", ".join(layout.name for layout in _LAYOUTS[bits])
    raise ConfigError(f"there is no layout {name!r} of {bits} bits: choose one of {known}")
