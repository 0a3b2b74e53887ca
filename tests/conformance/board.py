"""A bare CPU: the real core, but instead of the memory manager a table of pages."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from vmemu.core import Core, lib
from vmemu.cpu import Context, Cpu, Trap

MINOR, OUTSIDE, MAPERR = lib.FAULT_MINOR, lib.FAULT_OUTSIDE, lib.FAULT_MAPERR
ACCERR, OOM = lib.FAULT_ACCERR, lib.FAULT_OOM
READ, WRITE, FETCH = lib.ACCESS_READ, lib.ACCESS_WRITE, lib.ACCESS_FETCH
PRESENT, RW, USER, ACCESSED, DIRTY = 1, 2, 4, 0x20, 0x40

CODE = 0x08048000
DATA = 0x10000000
STACK = 0xBFFFF000
KERNEL = 0xC0000000


class Board:
    """A machine without a kernel; faults go to `on_fault`, which is demand-zero at first."""

    def __init__(self, ram: int = 16 << 20, bits: int = 32) -> None:
        self.core = Core(ram, "none", bits=bits)
        self.lib, self.bits = self.core.lib, bits
        self.core.on_fault = self._fault
        self.m = self.core.m
        self.cpu = Cpu(self.core)
        self.mm = self.new_mm()
        self.faults: list[tuple[int, int]] = []
        self.on_fault: Callable[[Any, int, int], int] = self.demand_zero
        self.contexts = [self.cpu.new_context()]
        self.context = self.contexts[0]
        self.switch(self.context, self.mm)

    def close(self) -> None:
        for context in self.contexts:
            self.cpu.free_context(context)
        self.cpu.close()
        self.core.check_bug()
        self.core.close()

    def new_mm(self) -> Any:
        mm = self.lib.mm_alloc(self.m)
        assert mm != self.core.ffi.NULL
        return SimpleNamespace(ptr=mm)

    def new_context(self) -> Context:
        self.contexts.append(self.cpu.new_context())
        return self.contexts[-1]

    def switch(self, context: Context, mm: Any = None) -> None:
        self.cpu.switch(context, mm if mm is not None else self.mm)

    def _fault(self, mm: Any, address: int, access: int) -> int:
        self.faults.append((address, access))
        return self.on_fault(mm, address, access)

    def demand_zero(self, mm: Any, address: int, access: int) -> int:
        if self.pte(address, mm) & PRESENT:
            return ACCERR
        self.map(address, mm=mm)
        return MINOR

    # ---- page tables

    def slot(self, address: int, mm: Any = None) -> Any:
        mm = self.mm.ptr if mm is None else mm
        self.lib.lock_page_table(self.m, mm)
        slot = self.lib.pte_alloc(self.m, mm, address)
        self.lib.unlock_page_table(self.m, mm)
        assert slot != self.core.ffi.NULL
        return slot

    def pte(self, address: int, mm: Any = None) -> int:
        return int(self.slot(address, mm)[0])

    def frame(self) -> int:
        page = self.lib.alloc_page(self.m, lib.GFP_ZERO)
        assert page != self.core.ffi.NULL
        return int(self.lib.page_to_pfn(self.m, page))

    def map(self, address: int, pfn: int | None = None, prot: int = RW, mm: Any = None) -> int:
        """Map a frame, a fresh one by default; nothing is flushed."""
        if pfn is None:
            pfn = self.frame()
        self.slot(address, mm)[0] = pfn << 12 | PRESENT | USER | prot
        return pfn

    def page(self, address: int) -> Any:
        """The struct page of what is mapped at an address."""
        return self.core.page(self.pte(address) >> 12)

    def executed(self, address: int) -> bool:
        return bool(self.page(address).flags & lib.PG_arch_1)

    def poke(self, address: int, data: bytes) -> None:
        """Write as a device would: nobody is told."""
        for i, byte in enumerate(data):
            if not self.pte(address + i) & PRESENT:
                self.map(address + i)
            self.m.ram[(self.pte(address + i) & ~0xFFF) + (address + i & 0xFFF)] = byte

    def peek(self, address: int, size: int) -> bytes:
        where = ((self.pte(at) & ~0xFFF) + (at & 0xFFF) for at in range(address, address + size))
        return bytes(self.m.ram[at] for at in where)

    def peek32(self, address: int) -> int:
        return int.from_bytes(self.peek(address, 4), "little")

    def flush(self) -> None:
        self.lib.flush_tlb(self.m)

    # ---- running

    def start(self, code: bytes, at: int = CODE, **regs: int) -> Trap:
        """Put code somewhere, dropping what is cached of that page, and run it."""
        self.poke(at, code)
        for address in range(at & ~0xFFF, at + len(code), 0x1000):
            self.lib.code_written(self.m, self.page(address))
        return self.go(at, **regs)

    def go(self, eip: int | None = None, **regs: int) -> Trap:
        if eip is not None:
            regs["ip"] = eip
        self.cpu.set_regs(**regs)
        return Trap(self.cpu.run())

    def asm(self, source: str, at: int = CODE, **regs: int) -> Trap:
        """Assemble, put and run; the stack pointer is set if it is not given."""
        if not {"esp", "rsp"} & set(regs):
            regs["sp"] = STACK + 0x800
        return self.start(assemble(source, at, self.bits), at, **regs)

    @property
    def regs(self) -> Any:
        return self.cpu.regs

    def counter(self, name: str) -> int:
        return int(self.m.counter[getattr(lib, f"CNT_{name}")])


@functools.cache
def assemble(source: str, at: int = CODE, bits: int = 32) -> bytes:
    """Assemble AT&T syntax for i386 or x86-64."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        (path / "a.s").write_text(f".code{bits}\n.text\n.globl _start\n_start:\n{source}\n")
        run = lambda *command: subprocess.run(command, check=True, cwd=path)  # noqa: E731
        run("gcc", f"-m{bits}", "-c", "a.s", "-o", "a.o")
        run(
            "ld",
            "-m",
            "elf_i386" if bits == 32 else "elf_x86_64",
            f"-Ttext={at:#x}",
            "-o",
            "a.elf",
            "a.o",
        )
        run("objcopy", "-O", "binary", "-j", ".text", "a.elf", "a.bin")
        return (path / "a.bin").read_bytes()
