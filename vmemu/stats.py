"""What every run reports: counters, frames, slabs, areas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vmemu.core import EVENTS, PAGE_SIZE, lib

if TYPE_CHECKING:
    from vmemu.core import Core
    from vmemu.machine import Machine

__all__ = ["lock_order", "lock_stats", "machine_stats", "slab_stats"]


def slab_stats(core: Core) -> dict[str, dict[str, int]]:
    """Every slab cache there is under the scheme: objects, bytes exact and rounded."""
    caches = {}
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


def lock_stats(core: Core) -> dict[str, dict[str, int]]:
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


def machine_stats(machine: Machine) -> dict[str, Any]:
    """Everything countable, as plain numbers under stable names."""
    from vmemu.frames import page_kinds

    core, vm = machine.core, machine.vm
    m = core.m
    counters = core.counters()
    happened = core.ffi.unpack(m.trace.happened, len(EVENTS))
    return {
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
        "frames": page_kinds(core),
        "slabs": slab_stats(core),
        "locks": lock_stats(core),
        "counters": counters,
        "host_memory": {
            "held": machine.kernel.hold.held,
            "peak": machine.kernel.hold.peak,
            "limit": machine.kernel.hold.limit,
        },
        "events": {
            "happened": dict(zip(EVENTS[1:], happened[1:], strict=True)),
            "kept": m.trace.head - core.events_dropped,
            "dropped": core.events_dropped,
        },
    }


def _walk(counters: dict[str, int], what: str) -> dict[str, int]:
    return {key: counters[f"{what}_{key}"] for key in ("probes", "cmp", "pages")}
