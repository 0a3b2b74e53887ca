"""Bare Unicorn: the guest in flat memory, nothing of vmemu.

The floor for what the CPU itself costs.  Data must not be executable, or every store takes
Unicorn's slow path (seven times slower); that needs its virtual TLB, filled here one to one.
Only the system calls of the compute rows are there: a guest that needs more fails.  Run as
a script: ``flat.py PROGRAM ARGUMENTS...``.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from time import perf_counter_ns
from typing import Any

from unicorn import (
    UC_ARCH_X86,
    UC_HOOK_INTR,
    UC_HOOK_TLB_FILL,
    UC_MEM_FETCH,
    UC_MODE_32,
    UC_PROT_ALL,
    UC_PROT_EXEC,
    UC_PROT_READ,
    UC_PROT_WRITE,
    UC_TLB_VIRTUAL,
)
from unicorn.unicorn_py3 import Uc
from unicorn.x86_const import (
    UC_X86_REG_EAX,
    UC_X86_REG_EBX,
    UC_X86_REG_ECX,
    UC_X86_REG_EDX,
    UC_X86_REG_ESP,
)

ARENA, ARENA_SIZE = 0x40000000, 64 << 20
STACK_TOP, STACK_SIZE = 0xC0000000, 1 << 20
ENOSYS = 38


class Flat:
    """One process in one engine."""

    def __init__(self, program: Path, argv: list[str]) -> None:
        self.uc = Uc(UC_ARCH_X86, UC_MODE_32)
        self.uc.ctl_set_tlb_mode(UC_TLB_VIRTUAL)
        self.uc.hook_add(UC_HOOK_TLB_FILL, self._fill)
        self.free = ARENA
        self.status = 0
        self.uc.mem_map(ARENA, ARENA_SIZE, UC_PROT_READ | UC_PROT_WRITE)
        self.uc.mem_map(STACK_TOP - STACK_SIZE, STACK_SIZE, UC_PROT_READ | UC_PROT_WRITE)
        self.entry = self._load(program.read_bytes())
        self._push(argv)
        self.uc.hook_add(UC_HOOK_INTR, self._interrupt)

    def _load(self, image: bytes) -> int:
        (entry, phoff) = struct.unpack_from("<II", image, 24)
        (size, count) = struct.unpack_from("<HH", image, 42)
        for i in range(count):
            fields = struct.unpack_from("<8I", image, phoff + i * size)
            kind, offset, address, _, filesz, memsz, _, _ = fields
            if kind != 1:
                continue
            start, end = address & ~0xFFF, (address + memsz + 0xFFF) & ~0xFFF
            self.uc.mem_map(start, end - start, UC_PROT_ALL)
            self.uc.mem_write(address, image[offset : offset + filesz])
        return int(entry)

    @staticmethod
    def _fill(_uc: Uc, address: int, access: int, entry: Any, _data: object) -> bool:
        entry.paddr = address & ~0xFFF
        other = UC_PROT_EXEC if access == UC_MEM_FETCH else UC_PROT_WRITE
        entry.perms = UC_PROT_READ | other
        return True

    def _push(self, argv: list[str]) -> None:
        at, pointers = STACK_TOP - 16, []
        for text in argv:
            data = text.encode() + b"\0"
            at -= len(data)
            self.uc.mem_write(at, data)
            pointers.append(at)
        words = [len(argv), *pointers, 0, 0, 0, 0]
        at = (at & ~15) - 4 * len(words) & ~15
        self.uc.mem_write(at, struct.pack(f"<{len(words)}I", *words))
        self.uc.reg_write(UC_X86_REG_ESP, at)

    def _interrupt(self, uc: Uc, number: int, _data: object) -> None:
        eax, ebx, ecx, edx = (
            uc.reg_read(reg)
            for reg in (UC_X86_REG_EAX, UC_X86_REG_EBX, UC_X86_REG_ECX, UC_X86_REG_EDX)
        )
        result = -ENOSYS
        if number != 0x80 or eax in (1, 252):
            self.status = ebx if number == 0x80 else 1
            uc.emu_stop()
        elif eax == 4:
            sys.stdout.write(uc.mem_read(ecx, edx).decode())
            result = edx
        elif eax == 192:
            result, self.free = self.free, self.free + (ecx + 0xFFF & ~0xFFF)
        elif eax in (91, 172):
            result = 0
        elif eax == 265:
            now = perf_counter_ns()
            uc.mem_write(ecx, struct.pack("<II", now // 10**9, now % 10**9))
            result = 0
        uc.reg_write(UC_X86_REG_EAX, result & 0xFFFFFFFF)

    def run(self) -> int:
        """Run to the end; the exit status."""
        self.uc.emu_start(self.entry, 0)
        return self.status


if __name__ == "__main__":
    sys.exit(Flat(Path(sys.argv[1]), sys.argv[1:]).run())
