"""The memory parts of /proc, in the formats of Linux 2.6.6 and what programs of today read.

Each function gives a file's text as it is now.  What a task knows of itself is
in vmemu.vfs.procfs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from vmemu.core import FRAME_KINDS, PAGE_SIZE, lib

if TYPE_CHECKING:
    from vmemu.mm import MemoryManager

KB_PER_PAGE = PAGE_SIZE // 1024
_HUGE_KB = 4096
_ORDERS = 11

_VMSTAT_2_6 = (
    "pgpgin", "pgpgout", "pswpin", "pswpout", "pgalloc", "pgfree", "pgactivate", "pgdeactivate",
    "pgfault", "pgmajfault", "pgscan", "pgrefill", "pgsteal", "allocstall",
)  # fmt: skip


_SLABINFO_HEAD = (
    "slabinfo - version: 2.0\n"
    "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>"
    " : tunables <batchcount> <limit> <sharedfactor>"
    " : slabdata <active_slabs> <num_slabs> <sharedavail>\n"
)


def _slab_pages(vm: MemoryManager) -> int:
    return sum(int(vm.core.m.k.caches[i].nr_slabs) for i in range(lib.NR_CACHES))


def _census(vm: MemoryManager) -> dict[str, int]:
    """Frames by what they serve as, and pages by the LRU list they are on."""
    from vmemu.frames import mem_map

    core = vm.core
    counts = core.ffi.new("uint32_t[]", lib.NR_FRAME_KINDS)
    core.lib.frame_kinds(core.m, counts, core.ffi.NULL)
    found = dict(zip(FRAME_KINDS, counts, strict=True))
    flags = mem_map(core)["flags"]
    anon = (flags & (lib.PG_anon | lib.PG_swapcache)) != 0
    for name, wanted in (("active", lib.PG_lru | lib.PG_active), ("inactive", lib.PG_lru)):
        listed = (flags & (lib.PG_lru | lib.PG_active)) == wanted
        found[f"{name}_anon"] = int((listed & anon).sum())
        found[f"{name}_file"] = int((listed & ~anon).sum())
    return found


def mlocked(vm: MemoryManager) -> int:
    """Pages of locked areas, however many are in memory and whoever shares them."""
    return sum(int(mm.ptr.locked_vm) for mm in vm.mms.values())


def commit_limit(vm: MemoryManager) -> int:
    """Pages that may be promised in all under overcommit 2."""
    m = vm.core.m
    ram = int(m.k.zone.present_pages)
    return ram * vm.commit.ratio // 100 + int(vm.core.lib.swap_total(m))


def meminfo(vm: MemoryManager) -> str:
    """/proc/meminfo, in kB: 2.6's lines, and of later ones those that programs read.

    MemTotal is MemFree, AnonPages, Cached, SwapCached without what is mapped of it, Slab,
    PageTables, VmallocUsed (swap maps) and what waits for its translated code to go.
    """
    m = vm.core.m
    zone, kinds = m.k.zone, _census(vm)
    swapcached = int(m.k.swapper_space.nrpages)
    swap_total, swap_used = vm.core.lib.swap_total(m), vm.core.lib.swap_used(m)
    free, cached = int(zone.free_pages), int(m.pages.nr_pagecache)
    mapped = int(m.pages.nr_mapped)
    slab = _slab_pages(vm)
    reclaimable = max(0, kinds["inactive_file"] + kinds["active_file"])
    available = max(0, free - int(zone.pages_low) + reclaimable // 2)
    pages = {
        "MemTotal": zone.present_pages,
        "MemFree": free,
        "MemAvailable": available,
        "Buffers": 0,
        "Cached": cached,
        "SwapCached": swapcached,
        "Active": zone.nr_active,
        "Inactive": zone.nr_inactive,
        "Active(anon)": kinds["active_anon"],
        "Inactive(anon)": kinds["inactive_anon"],
        "Active(file)": kinds["active_file"],
        "Inactive(file)": kinds["inactive_file"],
        "Unevictable": 0,
        "Mlocked": mlocked(vm),
        "HighTotal": 0,
        "HighFree": 0,
        "LowTotal": zone.present_pages,
        "LowFree": zone.free_pages,
        "SwapTotal": swap_total,
        "SwapFree": swap_total - swap_used,
        "Dirty": m.pages.nr_dirty,
        "Writeback": 0,
        "AnonPages": kinds["anon"],
        "Mapped": mapped - kinds["anon"],
        "Shmem": m.pages.nr_shmem,
        "KReclaimable": 0,
        "Slab": slab,
        "SReclaimable": 0,
        "SUnreclaim": slab,
        "KernelStack": 0,
        "PageTables": m.pages.nr_pagetable,
        "NFS_Unstable": 0,
        "Bounce": 0,
        "WritebackTmp": 0,
        "CommitLimit": commit_limit(vm),
        "Committed_AS": vm.commit.pages,
        "VmallocTotal": zone.present_pages,
        "VmallocUsed": kinds["swapmap"],
        "VmallocChunk": zone.present_pages - kinds["swapmap"],
    }
    lines = [f"{name + ':':<16}{int(n) * KB_PER_PAGE:8} kB\n" for name, n in pages.items()]
    lines += [f"{'HugePages_' + name + ':':<16}{0:8}\n" for name in ("Total", "Free", "Rsvd")]
    return "".join([*lines, f"{'Hugepagesize:':<16}{_HUGE_KB:8} kB\n"])


def vmstat(vm: MemoryManager) -> str:
    """/proc/vmstat: 2.6's lines, then every further counter of vmemu (vmstat_show)."""
    m = vm.core.m
    counters, kinds = vm.core.counters(), _census(vm)
    lines = {
        "nr_dirty": int(m.pages.nr_dirty),
        "nr_writeback": 0,
        "nr_unstable": 0,
        "nr_page_table_pages": int(m.pages.nr_pagetable),
        "nr_mapped": int(m.pages.nr_mapped),
        "nr_slab": _slab_pages(vm),
        "nr_free_pages": int(m.k.zone.free_pages),
        "nr_inactive_anon": kinds["inactive_anon"],
        "nr_active_anon": kinds["active_anon"],
        "nr_inactive_file": kinds["inactive_file"],
        "nr_active_file": kinds["active_file"],
        "nr_anon_pages": kinds["anon"],
        "nr_file_pages": int(m.pages.nr_pagecache) + int(m.k.swapper_space.nrpages),
        "nr_shmem": int(m.pages.nr_shmem),
    }
    lines |= {name: counters.pop(name, 0) for name in _VMSTAT_2_6}
    lines |= counters
    return "".join(f"{name} {value}\n" for name, value in lines.items())


def slabinfo(vm: MemoryManager) -> str:
    """/proc/slabinfo, version 2.0 (s_show)."""
    lines = [_SLABINFO_HEAD]
    for name, cache in zip(vm.core.caches, vm.core.m.k.caches, strict=False):
        lines.append(
            f"{name:<17} {cache.nr_active:6} {cache.nr_slabs * cache.num:6} {cache.bufsize:6} "
            f"{cache.num:4} {1:4} : tunables {0:4} {0:4} {0:4} : "
            f"slabdata {cache.nr_slabs:6} {cache.nr_slabs:6} {0:6}\n"
        )
    return "".join(lines)


def swaps(vm: MemoryManager) -> str:
    """/proc/swaps, in kB (swap_show)."""
    lines = ["Filename\t\t\t\tType\t\tSize\tUsed\tPriority\n"]
    for area in vm.swap.areas:
        info = vm.core.m.swap.info[area.kind]
        path = area.path.replace("\\", "\\134").replace(" ", "\\040")
        gap = " " * max(1, 40 - len(path))
        lines.append(
            f"{path}{gap}file\t\t{info.pages * KB_PER_PAGE}\t"
            f"{info.inuse * KB_PER_PAGE}\t{info.prio}\n"
        )
    return "".join(lines)


def zoneinfo(vm: MemoryManager) -> str:
    """/proc/zoneinfo: the one zone (zoneinfo_show)."""
    zone, pages, kinds = vm.core.m.k.zone, vm.core.m.pages, _census(vm)
    node = {
        **{f"nr_{name}": kinds[name] for name in (
            "inactive_anon", "active_anon", "inactive_file", "active_file")},
        "nr_anon_pages": kinds["anon"], "nr_mapped": int(pages.nr_mapped) - kinds["anon"],
        "nr_file_pages": int(pages.nr_pagecache),
    }  # fmt: skip
    rows = {
        "min": zone.pages_min, "low": zone.pages_low, "high": zone.pages_high,
        "spanned": vm.core.m.nr_frames, "present": zone.present_pages,
        "managed": zone.present_pages,
    }  # fmt: skip
    return "".join(
        [
            "Node 0, zone   Normal\n  per-node stats\n",
            *(f"      {name:<12} {value}\n" for name, value in node.items()),
            f"  pages free     {zone.free_pages}\n",
            *(f"        {name:<8} {value}\n" for name, value in rows.items()),
            "        protection: (0)\n",
            f"      nr_free_pages {zone.free_pages}\n",
            "  node_unreclaimable:  0\n  start_pfn:           0\n",
        ]
    )


def buddyinfo(vm: MemoryManager) -> str:
    """/proc/buddyinfo: free frames are single ones, none is put together (frag_show)."""
    free = [int(vm.core.m.k.zone.free_pages), *[0] * (_ORDERS - 1)]
    return "Node 0, zone   Normal " + "".join(f"{n:6} " for n in free) + "\n"


FILES: dict[str, Callable[[MemoryManager], str]] = {
    "meminfo": meminfo,
    "vmstat": vmstat,
    "slabinfo": slabinfo,
    "swaps": swaps,
    "zoneinfo": zoneinfo,
    "buddyinfo": buddyinfo,
}
"""Files below /proc that tell of memory, by path."""
