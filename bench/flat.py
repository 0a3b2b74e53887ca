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
    UC_HOOK_INSN,
    UC_HOOK_INTR,
    UC_HOOK_TLB_FILL,
    UC_MEM_FETCH,
    UC_MODE_32,
    UC_MODE_64,
    UC_PROT_ALL,
    UC_PROT_EXEC,
    UC_PROT_READ,
    UC_PROT_WRITE,
    UC_TLB_VIRTUAL,
)
from unicorn.unicorn_py3 import Uc
from unicorn.x86_const import (
    UC_X86_INS_SYSCALL,
    UC_X86_REG_EAX,
    UC_X86_REG_EBX,
    UC_X86_REG_ECX,
    UC_X86_REG_EDX,
    UC_X86_REG_ESP,
    UC_X86_REG_RAX,
    UC_X86_REG_RDI,
    UC_X86_REG_RDX,
    UC_X86_REG_RSI,
    UC_X86_REG_RSP,
)

ARENA, ARENA_SIZE = 0x40000000, 64 << 20
STACK_TOP, STACK_SIZE = 0xC0000000, 1 << 20
ENOSYS = 38
_X86_64 = {1: 4, 9: 192, 11: 91, 60: 1, 157: 172, 228: 265}
"""Calls of x86-64 by their numbers of i386."""


class Flat:
    """One process in one engine."""

    def __init__(self, program: Path, argv: list[str]) -> None:
        image = program.read_bytes()
        self.wide = image[4] == 2
        self.uc = Uc(UC_ARCH_X86, UC_MODE_64 if self.wide else UC_MODE_32)
        self.uc.ctl_set_tlb_mode(UC_TLB_VIRTUAL)
        self.uc.hook_add(UC_HOOK_TLB_FILL, self._fill)
        self.free = ARENA
        self.status = 0
        self.uc.mem_map(ARENA, ARENA_SIZE, UC_PROT_READ | UC_PROT_WRITE)
        self.uc.mem_map(STACK_TOP - STACK_SIZE, STACK_SIZE, UC_PROT_READ | UC_PROT_WRITE)
        self.entry = self._load(image)
        self._push(argv)
        if self.wide:
            self.uc.hook_add(UC_HOOK_INSN, self._syscall, None, 1, 0, UC_X86_INS_SYSCALL)
        else:
            self.uc.hook_add(UC_HOOK_INTR, self._interrupt)

    def _load(self, image: bytes) -> int:
        (entry, phoff) = struct.unpack_from("<QQ" if self.wide else "<II", image, 24)
        (size, count) = struct.unpack_from("<HH", image, 54 if self.wide else 42)
        for i in range(count):
            at = phoff + i * size
            if self.wide:
                kind, _, *fields, _ = struct.unpack_from("<2I6Q", image, at)
            else:
                kind, *fields, _, _ = struct.unpack_from("<8I", image, at)
            offset, address, _, filesz, memsz = fields
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
        form = struct.Struct(f"<{len(words)}{'Q' if self.wide else 'I'}")
        at = (at & ~15) - form.size & ~15
        self.uc.mem_write(at, form.pack(*words))
        self.uc.reg_write(UC_X86_REG_RSP if self.wide else UC_X86_REG_ESP, at)

    def _syscall(self, uc: Uc, _data: object) -> None:
        number, first, second, third = (
            uc.reg_read(reg)
            for reg in (UC_X86_REG_RAX, UC_X86_REG_RDI, UC_X86_REG_RSI, UC_X86_REG_RDX)
        )
        uc.reg_write(UC_X86_REG_RAX, self._call(_X86_64.get(number, 0), first, second, third))

    def _interrupt(self, uc: Uc, number: int, _data: object) -> None:
        eax, ebx, ecx, edx = (
            uc.reg_read(reg)
            for reg in (UC_X86_REG_EAX, UC_X86_REG_EBX, UC_X86_REG_ECX, UC_X86_REG_EDX)
        )
        if number != 0x80:
            eax, ebx = 1, 1
        uc.reg_write(UC_X86_REG_EAX, self._call(eax, ebx, ecx, edx) & 0xFFFFFFFF)

    def _call(self, number: int, first: int, second: int, third: int) -> int:
        """One system call, by its number of i386."""
        uc, result = self.uc, -ENOSYS
        if number in (1, 252):
            self.status = first
            uc.emu_stop()
        elif number == 4:
            sys.stdout.write(uc.mem_read(second, third).decode())
            result = third
        elif number == 192:
            result, self.free = self.free, self.free + (second + 0xFFF & ~0xFFF)
        elif number in (91, 172):
            result = 0
        elif number == 265:
            now = perf_counter_ns()
            layout = "<QQ" if self.wide else "<II"
            uc.mem_write(second, struct.pack(layout, now // 10**9, now % 10**9))
            result = 0
        return result

    def run(self) -> int:
        """Run to the end; the exit status."""
        self.uc.emu_start(self.entry, 0)
        return self.status


if __name__ == "__main__":
    sys.exit(Flat(Path(sys.argv[1]), sys.argv[1:]).run())
