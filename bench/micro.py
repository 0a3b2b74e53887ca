"""Loops over the C core, called in-process: nanoseconds a repetition.

One call into C handles all pages, so what cffi and Python add disappears in the quotient.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from vmemu.core import PAGE_SIZE, lib
from vmemu.mm import do_mmap, do_mprotect, do_mremap, do_munmap, dup_mmap
from vmemu.mm.mm import Mm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmemu.machine import Machine

PROT_READ, PROT_RW = 1, 3
MAP_PRIVATE_ANONYMOUS = 0x22
MREMAP_MAYMOVE_FIXED = 3
AREA = 0x40000000
FAMILY = 64


@contextmanager
def area(machine: Machine, pages: int) -> Iterator[Mm]:
    """An address space with one written area at AREA."""
    mm = Mm.create(machine.vm)
    do_mmap(mm, AREA, pages * PAGE_SIZE, PROT_RW, MAP_PRIVATE_ANONYMOUS)
    mm.make_present(AREA, AREA + pages * PAGE_SIZE, write=True)
    try:
        yield mm
    finally:
        mm.put()


def timed(call: Callable[[], Any]) -> int:
    """Nanoseconds of one call."""
    start = perf_counter_ns()
    call()
    return perf_counter_ns() - start


def zap(machine: Machine, pages: int, rep: int) -> list[float]:
    """zap_page_range() of resident pages that nobody shares: their frames are freed."""
    m, end = machine.core.m, AREA + pages * PAGE_SIZE
    spent: list[float] = []
    with area(machine, pages) as mm:
        vma = lib.find_vma(m, mm.ptr, AREA)
        for _ in range(rep):
            mm.make_present(AREA, end, write=True)
            spent.append(timed(lambda: lib.zap_page_range(m, mm.ptr, vma, AREA, end)))
    return spent


def copy(machine: Machine, pages: int, rep: int) -> list[float]:
    """dup_mmap() of one area; the ptes are most of it."""
    spent: list[float] = []
    with area(machine, pages) as mm:
        for _ in range(rep):
            start = perf_counter_ns()
            child = dup_mmap(mm)
            spent.append(perf_counter_ns() - start)
            child.put()
    return spent


def move(machine: Machine, pages: int, rep: int) -> list[float]:
    """do_mremap() to an address that is not aligned like the old one."""
    length = pages * PAGE_SIZE
    spent: list[float] = []
    old, new = AREA, AREA + length + 17 * PAGE_SIZE
    with area(machine, pages) as mm:
        for _ in range(rep):
            start = perf_counter_ns()
            do_mremap(mm, old, length, length, MREMAP_MAYMOVE_FIXED, new)
            spent.append(perf_counter_ns() - start)
            old, new = new, old
        do_munmap(mm, old, length)
    return spent


def protect(machine: Machine, pages: int, rep: int) -> list[float]:
    """do_mprotect() of one whole vma, forth and back in turn."""
    length = pages * PAGE_SIZE
    spent: list[float] = []
    with area(machine, pages) as mm:
        for i in range(rep):
            start = perf_counter_ns()
            do_mprotect(mm, AREA, length, PROT_RW if i & 1 else PROT_READ)
            spent.append(perf_counter_ns() - start)
    return spent


def probe(machine: Machine, probes: int, rep: int) -> list[float]:
    """page_referenced() of pages that a family of 64 processes shares.

    The time is scaled from the probes that the scheme made to `probes`.
    """
    m, core = machine.core.m, machine.core
    pages = probes // FAMILY
    spent: list[float] = []
    with area(machine, pages) as mm:
        family = [dup_mmap(mm) for _ in range(FAMILY - 1)]
        pfns = [lib.pte_value(m, mm.ptr, AREA + i * PAGE_SIZE) >> 12 for i in range(pages)]
        frames = [core.page(pfn) for pfn in pfns]
        for _ in range(rep):
            before = core.counters()["referenced_probes"]
            start = perf_counter_ns()
            for frame in frames:
                lib.page_referenced(m, frame)
            took = perf_counter_ns() - start
            made = core.counters()["referenced_probes"] - before
            spent.append(took * probes / made if made else 0.0)
        for member in family:
            member.put()
    return spent


def fault(machine: Machine, pages: int, rep: int) -> list[float]:
    """page_fault() for first writes, as the TLB-fill hook calls it."""
    m, end = machine.core.m, AREA + pages * PAGE_SIZE
    spent: list[float] = []
    with area(machine, pages) as mm:
        vma = lib.find_vma(m, mm.ptr, AREA)
        for _ in range(rep):
            lib.zap_page_range(m, mm.ptr, vma, AREA, end)
            spent.append(timed(lambda: mm.make_present(AREA, end, write=True)))
    return spent


def explore(machine: Machine, pages: int, rep: int) -> list[float]:
    """All interleavings of `vmemu explore mlock-vs-unmap`, per complete one.

    It has a machine of its own; the worker's only names the scheme.
    """
    from vmemu.explore import Explorer, Settings
    from vmemu.explore.catalogue import find_scenario

    settings = Settings(rmap=machine.vm.rmap.name, values={"PAGES": pages})
    spent: list[float] = []
    for _ in range(rep):
        with Explorer(find_scenario("mlock-vs-unmap")(settings)) as explorer:
            start = perf_counter_ns()
            report = explorer.explore()
            took = perf_counter_ns() - start
        assert report.complete
        assert report.violation is None
        spent.append(took / report.interleavings)
    return spent


LOOPS: dict[str, Callable[[Machine, int, int], list[float]]] = {
    "zap": zap,
    "copy": copy,
    "move": move,
    "protect": protect,
    "probe": probe,
    "fault": fault,
    "fault-python": fault,
    "explore": explore,
}
