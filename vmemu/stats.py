"""What every run reports: counters, frames, slabs, areas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmemu.core import PAGE_SIZE, lib
from vmemu.rmap.base import STOP_RULES

if TYPE_CHECKING:
    from vmemu.core import Core
    from vmemu.machine import Machine
    from vmemu.typed import LockStats, MachineStats, SharingStats, SlabStats, WalkStats

__all__ = ["lock_order", "lock_stats", "machine_stats", "sharing_stats", "slab_stats"]


def slab_stats(core: Core) -> dict[str, SlabStats]:
    """Every slab cache there is under the scheme: objects, bytes exact and rounded."""
    caches: dict[str, SlabStats] = {}
    for i, name in enumerate(core.caches):
        cache = core.m.k.caches[i]
        caches[name] = {
            "objects": cache.nr_active,
            "object_size": cache.objsize,
            "buffer_size": cache.bufsize,
            "align": cache.align,
            "per_slab": cache.num,
            "slabs": cache.nr_slabs,
            "bytes": cache.nr_active * cache.objsize,
            "slab_bytes": cache.nr_slabs * PAGE_SIZE,
        }
    return caches


def lock_stats(core: Core) -> dict[str, LockStats]:
    """Every lock class: how often it was acquired, how many trylocks failed, steps held.

    A step is an access to a pte or to vm_flags, or an allocation; the sum is exact while
    nobody holds a lock of the class.
    """
    return {
        name: {
            "acquired": core.m.locks.stat[i].acquired,
            "failed": core.m.locks.stat[i].failed,
            "steps_held": core.m.locks.stat[i].steps_held,
        }
        for i, name in enumerate(core.locks)
        if i != lib.LOCK_rmap or core.m.rmap.lock_name
    }


def lock_order(core: Core) -> dict[tuple[str, str], int]:
    """What the lock checker learned: how often a class was waited for inside another.

    By (outer, inner); empty without ``lock_checks``.
    """
    return {
        (outer, inner): times
        for i, outer in enumerate(core.locks)
        for j, inner in enumerate(core.locks)
        if (times := core.m.locks.order[i][j])
    }


def machine_stats(machine: Machine) -> MachineStats:
    """Everything countable, as plain numbers under stable names."""
    core, vm = machine.core, machine.vm
    m = core.m
    counters = core.counters()
    stats: MachineStats = {
        "rmap": vm.rmap.name,
        "ram_bytes": m.ram_size,
        "virtual_ns": m.clock.now,
        "faults": {
            "minor": counters["pgfault"] - counters["pgmajfault"],
            "major": counters["pgmajfault"],
            "cow": counters["pgcow"],
        },
        "unmap": _walk(counters, "unmap"),
        "referenced": _walk(counters, "referenced"),
        "copies": counters["rmap_copies"],
        "swap": {
            "total_pages": core.lib.swap_total(m),
            "used_pages": core.lib.swap_used(m),
            "in": counters["pswpin"],
            "out": counters["pswpout"],
        },
        "vmas": m.k.caches[lib.CACHE_vm_area_struct].nr_active,
        "mms": m.k.caches[lib.CACHE_mm_struct].nr_active,
        "frames": core.frame_counts(),
        "slabs": slab_stats(core),
        "locks": lock_stats(core),
        "counters": counters,
        "host_memory": {
            "held": machine.kernel.hold.held,
            "peak": machine.kernel.hold.peak,
            "limit": machine.kernel.hold.limit,
        },
        "events": {
            "happened": core.happened,
            "kept": m.trace.head - core.events_dropped,
            "dropped": core.events_dropped,
        },
    }
    if m.rmap_option[lib.OPTION_stop]:
        stats["sharing"] = sharing_stats(core)
    return stats


def sharing_stats(core: Core) -> SharingStats:
    """What the machine's stop rule says of pages, beside what is so."""
    found = core.lib.vmemu_sharing(core.m)
    return {
        "rule": STOP_RULES[core.m.rmap_option[lib.OPTION_stop]],
        "pages": found.pages,
        "uss": found.exclusive,
        "called_uss": found.called_exclusive,
        "called_pss": round(found.called_pss, 2),
        "wrongly_shared": found.wrongly_shared,
    }


def _walk(counters: dict[str, int], what: str) -> WalkStats:
    return {
        "probes": counters[f"{what}_probes"],
        "cmp": counters[f"{what}_cmp"],
        "pages": counters[f"{what}_pages"],
    }
