"""Loops whose cost is looked at while something grows; run as a script, one at a time.

``growth.py NAME SIZE SCHEME BITS`` prints a line of JSON: nanoseconds of one operation by name,
and what host memory the process took.  It is CPU time that is taken: the question is how
much work there is, not who else runs on the host.  Each run is a process of its own, so that
its peak memory is its own and none inherits another's caches.
"""

from __future__ import annotations

import json
import random
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from time import thread_time_ns
from typing import Any

from vmemu.core import PAGE_SIZE, lib
from vmemu.kernel.hold import HostMemory
from vmemu.machine import Machine
from vmemu.mm import Mm, do_mmap, do_mprotect, do_munmap, dup_mmap
from vmemu.vfs.device import NullFile
from vmemu.vfs.file import FdTable

GUESTS = Path(__file__).resolve().parents[1] / "vmemu" / "guests_bin"
CROWD = {32: GUESTS / "crowd", 64: GUESTS / "x86_64" / "crowd"}
VMAS = 40
"""Areas of a process in the crowd."""
AREA = 0x40000000
PRIVATE, FIXED = 0x22, 0x32
READ, WRITE = 1, 3
SAMPLES = 400
"""Operations timed one by one where a size is kept."""
FAMILY_PAGES = 64
RECLAIMED = 2048
"""Pages evicted from RAM of any size."""

Costs = dict[str, float]


def timed(call: Callable[[], Any]) -> int:
    """Nanoseconds of one call."""
    start = thread_time_ns()
    call()
    return thread_time_ns() - start


def processes(size: int, rmap: str, bits: int) -> tuple[Costs, int]:
    """A crowd of `size` processes, as a guest: what one more of them costs."""
    times: dict[str, int] = {}

    def mark(task: Any, name: str, a: int, b: int) -> int:
        times[name] = thread_time_ns()
        return 0

    with Machine(ram="640M", swap=None, rmap=rmap, bits=bits) as machine:
        machine.kernel.on_mark = mark
        machine.spawn(CROWD[bits], ["crowd", f"N={size}", f"K={VMAS}"], stdin=None, stdout=None)
        status = machine.run()
        if str(status) != "exited with 0":
            raise RuntimeError(f"the guest {status}")
        ram = machine.core.m.ram_size
    return {
        "fork": (times["fault"] - times["fork"]) / size,
        "fault": (times["exit"] - times["fault"]) / size / VMAS,
        "exit": (times["end"] - times["exit"]) / size,
    }, ram


def vmas(size: int, rmap: str, bits: int) -> tuple[Costs, int]:
    """One process with `size` written areas of a page, and gaps of a page between them."""
    rng = random.Random(1)
    with Machine(ram="448M", swap=None, rmap=rmap, bits=bits) as machine:
        m, vm, core = machine.core.m, machine.vm, machine.core.lib
        mm = Mm.create(vm)

        def place() -> int:
            return AREA + 2 * rng.randrange(size) * PAGE_SIZE

        def each(do: Callable[[int], Any]) -> float:
            places = [place() for _ in range(SAMPLES)]
            start = thread_time_ns()
            for address in places:
                do(address)
            return (thread_time_ns() - start) / SAMPLES

        for i in range(size):
            address = AREA + 2 * i * PAGE_SIZE
            do_mmap(mm, address, PAGE_SIZE, WRITE, FIXED)
            mm.write_u32(address, i)
        gap, found = PAGE_SIZE, list[int]()
        costs = {
            "find": each(lambda at: core.find_vma(m, mm.ptr, at)),
            "mmap": each(lambda at: do_mmap(mm, at + gap, PAGE_SIZE, 0, FIXED)),
            "mprotect": each(
                lambda at: (
                    core.find_vma(m, mm.ptr, at).vm_start == at
                    and do_mprotect(mm, at, PAGE_SIZE, READ)
                )
            ),
            "munmap": each(lambda at: do_munmap(mm, at, PAGE_SIZE)),
            "mmap anywhere": each(
                lambda at: found.append(do_mmap(mm, 0, 2 * PAGE_SIZE, 7, PRIVATE))
            ),
        }
        count = mm.ptr.map_count
        start = thread_time_ns()
        child = dup_mmap(mm)
        costs["fork, a vma"] = (thread_time_ns() - start) / count
        costs["exit, a vma"] = timed(child.put) / count
        mm.put()
        return costs, m.ram_size


def ram(size: int, rmap: str, bits: int) -> tuple[Costs, int]:
    """`size` MB of guest RAM, nine tenths of it written by one process."""
    started = thread_time_ns()
    with Machine(ram=f"{size}M", swap="64M", rmap=rmap, bits=bits) as machine:
        booted = thread_time_ns() - started
        vm, zone = machine.vm, machine.core.m.k.zone
        mm = Mm.create(vm)
        pages = zone.free_pages * 9 // 10
        end = AREA + pages * PAGE_SIZE
        do_mmap(mm, AREA, pages * PAGE_SIZE, WRITE, PRIVATE | 0x4000)
        touched = timed(lambda: mm.make_present(AREA, end, write=True))
        # were all just accessed, the first pass would have to go round all of RAM
        for pfn in range(machine.core.m.nr_frames):
            page = machine.core.page(pfn)
            if page.flags & lib.PG_anon:
                machine.core.lib.page_referenced(machine.core.m, page)
        free = zone.free_pages
        reclaimed = timed(lambda: vm.reclaim.reclaim_pages(free + RECLAIMED))
        gone = zone.free_pages - free
        zapped = timed(lambda: do_munmap(mm, AREA, end - AREA))
        mm.put()
        return {
            "boot, a MB": booted / size,
            "first write": touched / pages,
            "reclaim": reclaimed / gone,
            "unmap": zapped / pages,
        }, machine.core.m.ram_size


def sharers(size: int, rmap: str, bits: int) -> tuple[Costs, int]:
    """64 pages shared by `size` mms: what the walk costs a probe, and a mapping it removes."""
    length = FAMILY_PAGES * PAGE_SIZE
    with Machine(ram="128M", swap="16M", rmap=rmap, bits=bits) as machine:
        m, core, vm = machine.core.m, machine.core, machine.vm
        mm = Mm.create(vm)
        do_mmap(mm, AREA, length, WRITE, PRIVATE)
        mm.make_present(AREA, AREA + length, write=True)
        family = [mm, *(dup_mmap(mm) for _ in range(size - 1))]
        frames = [
            core.page(core.lib.pte_value(m, mm.ptr, AREA + i * PAGE_SIZE) >> 12)
            for i in range(FAMILY_PAGES)
        ]
        for _ in range(2):  # the first fills the caches
            before = core.counters()["referenced_probes"]
            start = thread_time_ns()
            for frame in frames:
                core.lib.page_referenced(m, frame)
            spent = thread_time_ns() - start
            probes = core.counters()["referenced_probes"] - before
        costs = {"referenced": spent / probes}
        # written once, and read back by everybody: then nothing is left to write
        vm.reclaim_range(mm, AREA, AREA + length)
        for member in family:
            member.make_present(AREA, AREA + length, write=False)
        before = core.counters()["unmap_probes"]
        spent = timed(lambda: vm.reclaim_range(mm, AREA, AREA + length))
        probes = core.counters()["unmap_probes"] - before
        costs["unmap"] = spent / probes
        for member in family:
            member.put()
        return costs, m.ram_size


def descriptors(size: int, rmap: str, bits: int) -> tuple[Costs, int]:
    """A table of `size` open files."""
    table = FdTable(HostMemory(1 << 40))
    file = NullFile(2, "null")
    limit = size + 16

    def reopen() -> None:
        for _ in range(SAMPLES):
            table.install(table.alloc(0, limit), file)
            table.close(size)

    opened = timed(lambda: [table.install(table.alloc(0, limit), file) for _ in range(size)])
    return {
        "open": opened / size,
        "close and open": timed(reopen) / SAMPLES,
        "fork, a file": timed(table.copy) / size,
    }, 0


LOOPS: dict[str, Callable[[int, str, int], tuple[Costs, int]]] = {
    "processes": processes,
    "vmas": vmas,
    "ram": ram,
    "sharers": sharers,
    "descriptors": descriptors,
}


def main(name: str, size: int, rmap: str, bits: int) -> None:
    """Print the costs and the peak memory, in KB, with and without guest RAM."""
    costs, guest_ram = LOOPS[name](size, rmap, bits)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"ns": costs, "peak": peak, "beside_ram": peak - (guest_ram >> 10)}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
