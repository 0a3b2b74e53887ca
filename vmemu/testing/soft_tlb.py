"""A CPU's view of memory without a CPU: a TLB that believes its entries until told not to.

It follows the contract that csrc/cpu/tlb.c follows: entries are filled from the page
tables, which get their accessed and dirty bits that way; an entry without the right to
write is filled again at the first store; everything is flushed when another address space
is switched to, and when the core says that the TLB is stale.
A downgrade that forgets the flush lets this TLB read or write a frame it must not.
"""

from __future__ import annotations

from typing import Any

from vmemu.core import ffi, lib
from vmemu.mm import MemoryManager, Mm
from vmemu.testing.model import PAGE

RESOLVED = (lib.FAULT_MINOR, lib.FAULT_MAJOR)


class SoftTlb:
    """The TLB of one CPU; `run` between operations, then `read`, `write` and `fetch`."""

    def __init__(self, vm: MemoryManager) -> None:
        self.vm = vm
        self.m = vm.core.m
        self.mm: Mm | None = None
        self.entries: dict[int, tuple[int, bool]] = {}  # page: frame, writable
        self.hits = 0

    def run(self, mm: Mm) -> None:
        """Begin to run in an address space."""
        if mm is not self.mm or self.m.tlb.stale:
            self.entries.clear()
            self.m.tlb.stale = 0
        self.mm = mm
        self.m.current_mm = mm.ptr

    def forget(self, mm: Mm) -> None:
        """The address space goes away."""
        if mm is self.mm:
            self.mm = None
            self.m.current_mm = ffi.NULL
            self.entries.clear()

    def read(self, address: int, n: int) -> bytes | int:
        """Bytes within one page, or the ``enum fault_result`` that stopped the load."""
        frame = self._frame(address, lib.ACCESS_READ)
        if frame < 0:
            return -frame
        return bytes(self._ram(frame, address, n))

    def write(self, address: int, data: bytes) -> int:
        """Store bytes within one page; 0 or the ``enum fault_result`` that stopped it."""
        frame = self._frame(address, lib.ACCESS_WRITE)
        if frame < 0:
            return -frame
        self._ram(frame, address, len(data))[:] = data
        return 0

    def fetch(self, address: int) -> int:
        """Execute there: the frame is marked as code; 0 or the ``enum fault_result``."""
        frame = self._frame(address, lib.ACCESS_FETCH)
        if frame < 0:
            return -frame
        self.m.mem_map[frame].flags |= lib.PG_arch_1
        return 0

    def _ram(self, frame: int, address: int, n: int) -> Any:
        return self.vm.core.ffi.buffer(self.m.ram + frame * PAGE + address % PAGE, n)

    def _frame(self, address: int, access: int) -> int:
        """The frame an access reaches, or minus the fault result."""
        write = access == lib.ACCESS_WRITE
        entry = self.entries.get(address // PAGE)
        if entry is not None and access != lib.ACCESS_FETCH and (entry[1] or not write):
            self.hits += 1
            return entry[0]
        for _ in range(8):
            frame = self._fill(address, write=write)
            if frame >= 0:
                return frame
            result = self._fault(address, access)
            if result not in RESOLVED:
                return -result
        raise AssertionError(f"{address:#x}: a fault is resolved again and again")

    def _fill(self, address: int, *, write: bool) -> int:
        assert self.mm is not None
        pte = self.vm.core.lib.pte_offset(self.m, self.mm.ptr, address)
        if not pte or not pte[0] & lib._PAGE_PRESENT or not pte[0] & lib._PAGE_USER:
            return -1
        if write and not pte[0] & lib._PAGE_RW:
            return -1
        pte[0] |= lib._PAGE_ACCESSED | (lib._PAGE_DIRTY if write else 0)
        writable = bool(pte[0] & lib._PAGE_RW and pte[0] & lib._PAGE_DIRTY)
        frame: int = pte[0] >> 12
        self.entries[address // PAGE] = (frame, writable)
        return frame

    def _fault(self, address: int, access: int) -> int:
        """As the fill hook does: inside it first, then outside; a stale TLB is flushed."""
        assert self.mm is not None
        self.m.fault.in_hook = 1
        result: int = self.vm.core.lib.page_fault(self.m, self.mm.ptr, address, access)
        self.m.fault.in_hook = 0
        self.vm.core.check_bug()
        if result == lib.FAULT_OUTSIDE:
            result = self.vm.fault(self.mm, address, access)
            self.vm.core.lib.drop_code(self.m)
        if self.m.tlb.stale:
            self.run(self.mm)
        return result
