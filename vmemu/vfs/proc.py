"""The memory parts of /proc, in the formats of Linux 2.6.6.

Each function gives a file's text as it is now.  What a task knows of itself is
in vmemu.vfs.procfs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmemu.core import PAGE_SIZE, lib

if TYPE_CHECKING:
    from vmemu.mm import MemoryManager

KB_PER_PAGE = PAGE_SIZE // 1024

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


def meminfo(vm: MemoryManager) -> str:
    """/proc/meminfo, in kB (meminfo_read_proc)."""
    m = vm.core.m
    zone = m.k.zone
    swapcached = int(m.k.swapper_space.nrpages)
    swap_total, swap_used = vm.core.lib.swap_total(m), vm.core.lib.swap_used(m)
    pages = {
        "MemTotal": zone.present_pages,
        "MemFree": zone.free_pages,
        "Buffers": 0,
        "Cached": m.pages.nr_pagecache,
        "SwapCached": swapcached,
        "Active": zone.nr_active,
        "Inactive": zone.nr_inactive,
        "HighTotal": 0,
        "HighFree": 0,
        "LowTotal": zone.present_pages,
        "LowFree": zone.free_pages,
        "SwapTotal": swap_total,
        "SwapFree": swap_total - swap_used,
        "Dirty": m.pages.nr_dirty,
        "Writeback": 0,
        "Mapped": m.pages.nr_mapped,
        "Slab": _slab_pages(vm),
        "Committed_AS": vm.commit.pages,
        "PageTables": m.pages.nr_pagetable,
    }
    lines = [f"{name + ':':<13} {int(n) * KB_PER_PAGE:8} kB\n" for name, n in pages.items()]
    return "".join(lines)


def vmstat(vm: MemoryManager) -> str:
    """/proc/vmstat: 2.6's lines, then every further counter of vmemu (vmstat_show)."""
    m = vm.core.m
    counters = vm.core.counters()
    lines = {
        "nr_dirty": int(m.pages.nr_dirty),
        "nr_writeback": 0,
        "nr_unstable": 0,
        "nr_page_table_pages": int(m.pages.nr_pagetable),
        "nr_mapped": int(m.pages.nr_mapped),
        "nr_slab": _slab_pages(vm),
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
        path = area.path
        gap = " " * max(1, 40 - len(path))
        lines.append(
            f"{path}{gap}file\t\t{info.pages * KB_PER_PAGE}\t"
            f"{info.inuse * KB_PER_PAGE}\t{info.prio}\n"
        )
    return "".join(lines)


def uptime(vm: MemoryManager) -> str:
    """/proc/uptime in virtual seconds; nothing is ever counted as idle (uptime_read_proc)."""
    hundredths = int(vm.core.m.clock.now) // 10_000_000
    return f"{hundredths // 100}.{hundredths % 100:02} 0.00\n"


def overcommit_memory(vm: MemoryManager) -> str:
    """/proc/sys/vm/overcommit_memory."""
    return f"{vm.commit.mode}\n"


def swappiness(vm: MemoryManager) -> str:
    """/proc/sys/vm/swappiness."""
    return f"{vm.reclaim.swappiness}\n"


def page_cluster(vm: MemoryManager) -> str:
    """/proc/sys/vm/page-cluster."""
    return f"{vm.core.m.page_cluster}\n"


def min_free_kbytes(vm: MemoryManager) -> str:
    """/proc/sys/vm/min_free_kbytes."""
    return f"{int(vm.core.m.k.zone.pages_min) * KB_PER_PAGE}\n"


def rmap(vm: MemoryManager) -> str:
    """/proc/sys/vm/rmap, vmemu's own: the scheme's name."""
    return f"{vm.core.ffi.string(vm.core.m.rmap.name).decode()}\n"


FILES = {
    "meminfo": meminfo,
    "vmstat": vmstat,
    "slabinfo": slabinfo,
    "swaps": swaps,
    "uptime": uptime,
    "sys/vm/overcommit_memory": overcommit_memory,
    "sys/vm/swappiness": swappiness,
    "sys/vm/page-cluster": page_cluster,
    "sys/vm/min_free_kbytes": min_free_kbytes,
    "sys/vm/rmap": rmap,
}
"""Files below /proc that tell of memory, by path."""
