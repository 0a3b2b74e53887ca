"""The GDT page, and segments loaded where nothing catches an exception."""

from __future__ import annotations

import itertools

import pytest
from board import DATA, KERNEL, MAPERR, STACK, Board

from vmemu.cpu import Trap, UserDesc

GDT = KERNEL + 0x1000
FORBIDDEN = ("inb %dx, %al", "outb %al, %dx", "insb", "outsb", "sysenter", "syscall")


@pytest.mark.parametrize(
    "code",
    [
        "mov {gdt}, %eax",
        "mov %eax, {gdt}",
        "movb {gdt}, %al",
        "incl {gdt}",
        "decl {gdt}",
        "pushl {gdt}",
        "popl {gdt}",
        "jmp *{gdt}",
        "call *{gdt}",
        "ljmp *{gdt}",
        "lcall *{gdt}",
        "les {gdt}, %eax",
        "lds {gdt}, %eax",
        "lss {gdt}, %eax",
        "lfs {gdt}, %eax",
        "lgs {gdt}, %eax",
        "movw {gdt}, %es",
        "lar {gdt}, %eax",
        "lsl {gdt}, %eax",
        "verr {gdt}",
        "mov $0x33, %eax; mov {gdt}, %fs",
        "mov ${gdt}, %esp; pop %eax",
        "mov ${gdt}, %esp; pop %es",
        "mov ${gdt}, %esp; pop %fs",
        "mov ${gdt}, %esp; popa",
        "mov ${gdt} - 4, %esp; lret",
        "mov ${gdt}, %esi; lodsl",
        "mov ${gdt}, %esi; mov $0x10000000, %edi; mov $8, %ecx; rep movsl",
        "mov ${gdt}, %edi; mov $8, %ecx; repne scasb",
        "mov ${gdt} - 2, %ebx; mov (%ebx), %eax",
        "movups {gdt}, %xmm0",
        "fldt {gdt}",
        "cmpxchg8b {gdt}",
        "btl $5, {gdt}",
        "mov ${gdt}, %eax; jmp *%eax",
    ],
)
def test_user_code_cannot_reach_the_gdt(board: Board, code: str) -> None:
    """Not even by instructions that make the CPU read descriptors; nor right after one did."""
    board.map(DATA)
    board.map(KERNEL - 0x1000)
    board.on_fault = lambda mm, address, access: (
        MAPERR if address >= KERNEL else board.demand_zero(mm, address, access)
    )
    source = code.format(gdt=f"{GDT + 0x70:#x}" if "- " not in code else f"{GDT:#x}")
    for before in ("", "mov $0x7b, %edx; mov %edx, %gs; lar %edx, %ecx; "):
        trap = board.asm(before + source + "; int $0x80", esp=STACK + 0x800)
        assert trap is Trap.FAULT
        assert board.m.fault.result == MAPERR
        assert board.m.fault.address >= KERNEL or "- " in code
    assert board.asm("mov $0x7b, %edx; mov %edx, %gs; int $0x80") is Trap.SYSCALL


@pytest.mark.parametrize("selector", [0, 1, 3, 0x33, 0x7B])
def test_segments_are_loaded_whatever_ended_the_last_run(board: Board, selector: int) -> None:
    """By each register, after a flush or not, in this task and in another."""
    board.map(DATA)
    board.cpu.set_tls(board.context, 6, UserDesc(DATA, 0xFFFFF))
    other = board.new_context()
    board.cpu.set_tls(other, 6, UserDesc(DATA, 0xFFFFF))
    for insn, register, flush in itertools.product(FORBIDDEN, ("es", "fs", "gs"), (False, True)):
        board.switch(board.context)
        load = f"mov ${selector}, %eax; mov %eax, %{register}; "
        assert board.asm(load + "int $0x80") is Trap.SYSCALL
        if flush:
            board.flush()
        board.asm(load + insn, esi=DATA, edi=DATA)
        assert board.cpu.vector in (6, 13)
        setattr(board.cpu.regs, register, 0x7B)
        board.switch(other)
        setattr(board.cpu.regs, register, selector)
        assert board.asm("nop; int $0x80") is Trap.SYSCALL
        # 1 to 3 are null selectors too, and come back as they were given
        assert getattr(board.regs, register) == selector


def test_nothing_of_a_forbidden_instruction_is_left(board: Board) -> None:
    """Two tasks take turns: one dies of `in`, the other has a null ds to load."""
    other = board.new_context()
    for insn in FORBIDDEN:
        board.switch(board.context)
        assert board.asm("mov $1, %eax; mov %eax, %ds; " + insn) is Trap.EXCEPTION
        board.switch(other)
        assert board.asm("mov $1, %eax; mov %eax, %ds; int $0x80") is Trap.SYSCALL
        board.switch(board.context)
        board.cpu.regs.ds = 0x7B
        assert board.asm("int $0x80") is Trap.SYSCALL
