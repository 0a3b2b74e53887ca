"""Why the CPU layer is what it is: facts of Unicorn alone, without the core."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from typing import Any

import pytest
import unicorn
from board import assemble
from unicorn import Uc, UcError, unicorn_const, x86_const
from unicorn.unicorn_py3.unicorn import uclib

BASE = 0x1000
RAM = 0x100000
TLB_FLUSH = unicorn_const.UC_CTL_TLB_FLUSH | 1 << 30


class Entry(ctypes.Structure):
    _fields_ = (("paddr", ctypes.c_uint64), ("perms", ctypes.c_uint32))


FILL = ctypes.CFUNCTYPE(
    ctypes.c_bool, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int, ctypes.POINTER(Entry),
    ctypes.c_void_p,
)  # fmt: skip


class Engine:
    """A ring-0 engine whose TLB misses are answered by `fill(address, type) -> (pa, perms)`."""

    def __init__(self, fill: Callable[[int, int], tuple[int, int] | None] | None = None) -> None:
        self.uc = Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_32)
        self.uc.ctl_set_tlb_mode(unicorn.UC_TLB_VIRTUAL)
        self.ram = ctypes.create_string_buffer(RAM)
        self.uc.mem_map_ptr(0, RAM, unicorn.UC_PROT_ALL, ctypes.addressof(self.ram))
        self.asked: list[tuple[int, int]] = []
        self.fill = fill or (lambda address, kind: (address, unicorn.UC_PROT_ALL))

        @FILL
        def callback(uc: int, address: int, kind: int, entry: Any, user: int) -> bool:
            self.asked.append((address, kind))
            answer = self.fill(address, kind)
            if answer is None:
                return False
            entry[0].paddr, entry[0].perms = answer
            return True

        self.callback = callback
        hook = ctypes.c_size_t()
        error = uclib.uc_hook_add(
            self.uc._uch, ctypes.byref(hook), unicorn.UC_HOOK_TLB_FILL, callback, None,
            ctypes.c_uint64(1), ctypes.c_uint64(0),
        )  # fmt: skip
        assert error == 0
        self.interrupts: list[int] = []

        def on_interrupt(uc: Uc, vector: int, user: object) -> None:
            self.interrupts.append(vector)
            uc.emu_stop()

        self.uc.hook_add(unicorn.UC_HOOK_INTR, on_interrupt)

    def put(self, address: int, code: bytes) -> None:
        ctypes.memmove(ctypes.addressof(self.ram) + address, code, len(code))

    def run(self, source: str, address: int = BASE) -> int:
        self.put(address, assemble(source, address))
        return self.go(address)

    def go(self, address: int = BASE) -> int:
        self.uc.emu_start(address, 0)
        return int(self.uc.reg_read(x86_const.UC_X86_REG_EAX))

    def flush(self) -> None:
        assert uclib.uc_ctl(self.uc._uch, TLB_FLUSH) == 0


def test_the_hook_is_told_the_page_only() -> None:
    engine = Engine()
    engine.run("mov 0x5123, %eax; int $0x80")
    assert engine.asked == [(BASE, unicorn.UC_MEM_FETCH), (0x5000, unicorn.UC_MEM_READ)]


def test_a_refusal_is_an_error_of_its_kind() -> None:
    engine = Engine(lambda address, kind: (address, 7) if address == BASE else None)
    for source in ("mov 0x5123, %eax", "mov %eax, 0x5123", "mov $0x5123, %eax; jmp *%eax"):
        engine = Engine(engine.fill)
        with pytest.raises(UcError):
            engine.run(source)


@pytest.mark.parametrize("store_perms", [3, 7])
def test_stores_to_cached_code_are_seen(store_perms: int) -> None:
    """With EXEC in the entry or without, if the entry was made after the block."""

    def fill(address: int, kind: int) -> tuple[int, int]:
        return address, 5 if kind == unicorn.UC_MEM_FETCH else store_perms

    engine = Engine(fill)
    engine.put(0x5000, assemble("mov $1, %eax; ret", 0x5000))
    call = "call *%edi; movb $2, 0x5001; call *%edi; movb $3, 0x5001; call *%edi"
    assert engine.run(f"mov $0x4000, %esp; mov $0x5000, %edi; {call}; int $0x80") == 3
    # Without EXEC, page 5 is asked for again at each change from fetching to storing.
    assert len([page for page, _ in engine.asked if page == 0x5000]) == (
        2 if store_perms == 7 else 5
    )


@pytest.mark.parametrize(("store_perms", "result"), [(3, 1), (7, 3)])
def test_stores_through_another_address(store_perms: int, result: int) -> None:
    """Virtual 0x40000 is physical 0x5000 too, and its entry is older than the block.

    Only an entry with EXEC is watched for good; that is also why it is slow.
    """

    def fill(address: int, kind: int) -> tuple[int, int]:
        if kind == unicorn.UC_MEM_FETCH:
            return address, 5
        return (0x5000 if address == 0x40000 else address), store_perms

    engine = Engine(fill)
    engine.put(0x5000, assemble("mov $1, %eax; ret", 0x5000))
    call = "call *%edi; movb $2, 0x40001; call *%edi; movb $3, 0x40001; call *%edi"
    source = f"mov $0x4000, %esp; mov $0x5000, %edi; movb $1, 0x40800; {call}; int $0x80"
    assert engine.run(source) == result


def test_remove_cache_wants_a_virtual_address() -> None:
    """Virtual 0x40000 is physical 0x5000."""

    def fill(address: int, kind: int) -> tuple[int, int] | None:
        if address == 0x40000:
            return 0x5000, 7
        return (address, 7) if address == BASE else None

    engine = Engine(fill)
    engine.put(0x5000, assemble("mov $1, %eax; int $0x80"))
    assert engine.go(0x40000) == 1
    engine.put(0x5000, assemble("mov $2, %eax; int $0x80"))
    assert engine.go(0x40000) == 1
    engine.uc.ctl_remove_cache(0x5000, 0x6000)
    assert engine.go(0x40000) == 1
    engine.flush()
    assert engine.go(0x40000) == 1
    engine.uc.ctl_remove_cache(0x40000, 0x41000)
    assert engine.go(0x40000) == 2


def test_exceptions_pile_up() -> None:
    """Two contributory exceptions without delivery are a double fault, three are silence."""
    engine = Engine()
    engine.put(BASE, assemble("xor %ecx, %ecx; div %ecx"))
    clean = engine.uc.context_save()
    for _ in range(3):
        engine.go()
    assert engine.interrupts == [0, 8]
    engine.interrupts.clear()
    engine.uc.context_restore(clean)
    engine.go()
    assert engine.interrupts == [0]


def test_running_until_zero_stops_at_zero() -> None:
    engine = Engine()
    engine.put(0, assemble("mov $7, %eax; int $0x80"))
    assert engine.run("xor %eax, %eax; jmp *%eax") == 0
    engine = Engine()
    engine.put(0, assemble("mov $7, %eax; int $0x80"))
    engine.uc.ctl_exits_enabled(True)
    assert engine.run("xor %eax, %eax; jmp *%eax") == 7


def test_the_cpu_tlb_cannot_demand_page() -> None:
    """With Unicorn's own MMU the second page fault arrives as a double fault."""
    uc = Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_32)
    uc.mem_map(0, RAM)
    directory, table = 0x10000, 0x11000
    uc.mem_write(directory, struct.pack("<I", table | 7))
    identity = b"".join(struct.pack("<I", page << 12 | 7) for page in range(32))
    uc.mem_write(table, identity)
    uc.mem_write(BASE, assemble("mov 0x40000, %eax; mov 0x41000, %eax; hlt", BASE))
    vectors: list[int] = []

    def on_interrupt(uc: Uc, vector: int, user: object) -> None:
        vectors.append(vector)
        page = uc.reg_read(x86_const.UC_X86_REG_CR2) >> 12
        uc.mem_write(table + 4 * page, struct.pack("<I", page << 12 | 7))
        uc.emu_stop()

    uc.hook_add(unicorn.UC_HOOK_INTR, on_interrupt)
    uc.reg_write(x86_const.UC_X86_REG_CR3, directory)
    uc.reg_write(x86_const.UC_X86_REG_CR0, uc.reg_read(x86_const.UC_X86_REG_CR0) | 1 << 31)
    for _ in range(2):
        uc.emu_start(uc.reg_read(x86_const.UC_X86_REG_EIP) or BASE, 0)
    assert vectors == [14, 8]


def test_hooks_do_not_reach_blocks_that_are_cached() -> None:
    engine = Engine()
    source = "nop; int $0x80"
    engine.run(source)
    seen: list[int] = []
    engine.uc.hook_add(unicorn.UC_HOOK_BLOCK, lambda uc, address, size, user: seen.append(address))
    engine.go()
    assert seen == []
    engine.uc.ctl_flush_tb()
    engine.go()
    assert seen == [BASE]


def test_a_new_engine_cuts_the_stack_pointer() -> None:
    """Until SS is loaded with a 32-bit segment."""
    engine = Engine()
    engine.uc.reg_write(x86_const.UC_X86_REG_ESP, 0x12345000)
    with pytest.raises(UcError):
        engine.run("pushl $1; int $0x80")
    pushed = [address for address, kind in engine.asked if kind == unicorn.UC_MEM_WRITE]
    assert pushed in ([0x4000], [0x12344000])


def test_register_numbers() -> None:
    """csrc/cpu/cpu.h has its own copy of Unicorn's numbers."""
    from pathlib import Path

    header = (Path(__file__).parents[2] / "csrc" / "cpu" / "cpu.h").read_text()
    body = header[header.index("REG_CS") :]
    body = body[: body.index("};")]
    value = -1
    for item in body.replace("\n", " ").split(","):
        name, _, number = item.strip().partition(" = ")
        if not name:
            continue
        value = int(number) if number else value + 1
        assert value == getattr(x86_const, f"UC_X86_{name}"), name
    start = header.index("UC_ARCH_X86")
    for line in header[start : header.index("};", start)].splitlines():
        name, _, number = line.strip().rstrip(",").partition(" = ")
        module = x86_const if "X86_" in name else unicorn_const
        assert eval(number) == getattr(module, name), name
