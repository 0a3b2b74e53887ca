"""What a reverse map costs in slab caches: read from running machines, never from constants."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmemu.core import I_MMAP, PAGE_SIZE
from vmemu.stats import slab_stats

if TYPE_CHECKING:
    from vmemu.core import Core
    from vmemu.rmap import RmapScheme

__all__ = ["SHARED", "SlabUse", "baseline_caches", "scheme_cost", "slab_use"]

SHARED = ("vm_area_struct", "mm_struct")
"""Caches every machine has, whose objects a scheme may have made larger."""


@dataclass(frozen=True)
class SlabUse:
    """One cache at one moment: ``size`` is the bytes an object takes, aligned, as
    /proc/slabinfo shows it; ``per_slab`` the objects a frame holds.
    """

    objects: int
    size: int
    per_slab: int
    slabs: int

    @property
    def exact(self) -> int:
        """Bytes of the objects themselves."""
        return self.objects * self.size

    @property
    def rounded(self) -> float:
        """Bytes of the objects' share of full slabs, what a frame cannot hold included."""
        return self.objects * PAGE_SIZE / self.per_slab

    def __sub__(self, before: SlabUse) -> SlabUse:
        """What was added since ``before``."""
        return SlabUse(
            self.objects - before.objects, self.size, self.per_slab, self.slabs - before.slabs
        )

    def as_json(self) -> dict[str, int]:
        """Objects, their bytes, and the bytes of the frames they lie in."""
        return {
            "objects": self.objects,
            "exact": self.exact,
            "rounded": self.slabs * PAGE_SIZE,
        }


def aligned(size: int, align: int) -> int:
    """Bytes that an object takes with its neighbours'."""
    return -(-size // align) * align


def slab_use(core: Core, rmap: RmapScheme) -> dict[str, SlabUse]:
    """The caches a scheme can be charged for: vmas, mms and its own objects."""
    stats = slab_stats(core)
    return {
        name: SlabUse(
            stats[name]["objects"],
            aligned(stats[name]["object_size"], stats[name]["align"]),
            stats[name]["per_slab"],
            stats[name]["slabs"],
        )
        for name in (*SHARED, *rmap.caches)
    }


@functools.cache
def baseline_caches(
    bits: int, layout: str, cache_line: int, i_mmap: str = I_MMAP
) -> dict[str, SlabUse]:
    """The caches of such a machine that has no reverse map for anonymous pages."""
    from vmemu.machine import Machine

    with Machine(
        ram="4M",
        swap=None,
        rmap="none",
        bits=bits,
        layout=layout,
        cache_line=cache_line,
        i_mmap=i_mmap,
    ) as machine:
        return slab_use(machine.core, machine.vm.rmap)


def scheme_cost(use: Mapping[str, SlabUse], core: Core) -> tuple[float, float]:
    """Bytes that these objects of a core take more than they would without a reverse map.

    Exact, and by their share of full slabs.
    """
    baseline = baseline_caches(core.bits, core.layout, core.cache_line, core.i_mmap)
    exact = rounded = 0.0
    for name, cache in use.items():
        exact += cache.exact
        rounded += cache.rounded
        if name in SHARED:
            without = baseline[name]
            same = SlabUse(cache.objects, without.size, without.per_slab, 0)
            exact -= same.exact
            rounded -= same.rounded
    return exact, rounded
