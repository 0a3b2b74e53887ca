"""``python docs/objects.py anonmm``: what a reverse map has stored about the page of docs/tour.md.

Runs the guest ``family`` and, at each of its marks, reads from guest memory where the page is,
whose page-table entries lead there, what its ``struct page`` says, and the processes in the order
in which the scheme tries them.  ``anon_vma`` is the other scheme it knows.
"""

from __future__ import annotations

import argparse
from typing import Any

from vmemu import Machine
from vmemu.lab.guests import guest_path


def anonmms(machine: Machine, page: Any) -> list[int]:
    """Kernel addresses of the mms on the page's ring, from the page's own anonmm on."""
    ffi, base = machine.core.ffi, machine.core.base
    offset = ffi.offsetof("struct anonmm", "list")
    found, at = [], page.mapping
    while at != page.mapping or not found:
        anonmm = ffi.cast("struct anonmm *", base + at)
        found.append(anonmm.mm)
        at = anonmm.list.next - offset
    return found


def areas(machine: Machine, page: Any) -> list[int]:
    """Kernel addresses of the mms whose areas are on the list of the page's anon_vma."""
    ffi, base = machine.core.ffi, machine.core.base
    found = []
    head = page.mapping + ffi.offsetof("struct anon_vma", "head")
    at = ffi.cast("struct list_head *", base + head).next
    while at != head:
        tail = ffi.cast("struct anon_vma_tail *", base + at)
        found.append((ffi.cast("struct vm_area_struct *", tail) - 1).vm_mm)
        at = tail.anon_vma_node.next
    return found


def rows(machine: Machine, name: str, start: int) -> list[list[str]]:
    """One for each place where the page is just now, in memory or in swap."""
    core = machine.core
    pids = {task.mm.kaddr: task.pid for task in machine.processes}
    held: dict[tuple[str, int], list[str]] = {}
    for task in machine.processes:
        for at in machine.pages(task):
            if at.address == start:
                place = ("slot", at.swap_entry >> 8) if at.pfn is None else ("frame", at.pfn)
                held.setdefault(place, []).append(str(task.pid))
    found = []
    for (kind, number), holders in held.items():
        mapping = index = order = "-"
        if kind == "frame":
            page = core.page(number)
            index = hex(page.index)
            if machine.vm.rmap.name == "anonmm":
                owner = core.ffi.cast("struct anonmm *", core.base + page.mapping).mm
                mapping, tried = f"anonmm of {pids[owner]}", anonmms(machine, page)
            else:
                mapping, tried = "the anon_vma", areas(machine, page)
            order = " ".join(str(pids[mm]) for mm in tried)
        found.append([name, f"{kind} {number}", " ".join(holders), mapping, index, order])
    return found


def main(scheme: str) -> None:
    """Run it, print the table."""
    table = [["mark", "page in", "entries of", "mapping", "index", "order"]]
    with Machine(ram="1M", swap="1M", rmap=scheme) as machine:
        machine.kernel.on_mark = lambda task, name, start, length: table.extend(
            rows(machine, name, start)
        )
        machine.spawn(guest_path("family"), ["family"], stdout=None)
        machine.run()
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    for row in table:
        line = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        print(line.rstrip())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Show what a reverse map has stored.")
    parser.add_argument("scheme", choices=("anonmm", "anon_vma"))
    main(parser.parse_args().scheme)
