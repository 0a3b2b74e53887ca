"""64-bit user code cannot reach the GDT page, but the CPU may, for it."""

from __future__ import annotations

import pytest
from board import DATA, MAPERR, STACK, Board

from vmemu.cpu import Trap

GDT = 0xFFFF810000001000

READS = [
    "mov (%rbx), %rax", "mov %rax, (%rbx)", "movb (%rbx), %al", "incq (%rbx)", "pushq (%rbx)",
    "popq (%rbx)", "jmp *(%rbx)", "call *(%rbx)", "ljmp *(%rbx)", "rex.W ljmp *(%rbx)",
    "lcall *(%rbx)", "lss (%rbx), %eax", "lfs (%rbx), %eax", ".byte 0x48; lgs (%rbx), %eax",
    "movw (%rbx), %es", "lar (%rbx), %eax", "lsl (%rbx), %eax", "verr (%rbx)",
    "movups (%rbx), %xmm0", "mov %rbx, %rsp; pop %rax", "mov %rbx, %rsp; pop %fs",
    "mov %rbx, %rsp; leave", "lea -9(%rbx), %rax; .byte 0x48; lgs (%rax), %eax",
    "mov %rbx, %rsi; lodsq", "movabs 0xffff810000001018, %rax",
    "mov %rbx, %rdi; mov $8, %ecx; repne scasb", "cmpxchg16b (%rbx)", "btq $5, (%rbx)",
    "mov %gs:(%rbx), %rax", "jmp *%rbx", "fldt (%rbx)", "vpaddd (%rbx), %xmm1, %xmm2",
]  # fmt: skip


@pytest.fixture
def board() -> Board:
    return Board(bits=64)


@pytest.mark.parametrize("before", ["", "mov $0x2b, %edx; mov %edx, %gs; lar %edx, %ecx; "])
@pytest.mark.parametrize("code", READS)
def test_user_code_cannot_reach_the_gdt(board: Board, code: str, before: str) -> None:
    """Not even by instructions that make the CPU read descriptors; nor right after one did."""
    demand = board.demand_zero
    board.on_fault = lambda mm, address, access: (
        MAPERR if address >= 1 << 40 else demand(mm, address, access)
    )
    trap = board.asm(before + code + "; syscall", rbx=GDT + 0x30, rbp=GDT + 0x30)
    if code.startswith("vp"):
        assert (trap, board.cpu.vector) == (Trap.EXCEPTION, 6)
    else:
        assert trap is Trap.FAULT
        assert board.m.fault.result == MAPERR
        assert board.m.fault.address >= GDT
    board.close()


def test_what_loads_a_segment_is_executed(board: Board) -> None:
    pointer = DATA.to_bytes(4, "little") + (0x2B).to_bytes(2, "little")
    board.poke(DATA, pointer)
    code = "mov $0x2b, %eax; mov %eax, %ds; mov %eax, %fs; push %rax; pop %gs; lar %eax, %ecx\n"
    code += "lgs (%rbx), %edx; verr (%rbx); lea 1f(%rip), %rsi; push $0x33; push %rsi; lretq"
    assert board.asm(code + "\n1: syscall", rbx=DATA) is Trap.SYSCALL
    regs = board.regs
    assert (regs.rdx, regs.fs, regs.gs, regs.rsp) == (DATA, 0x2B, 0x2B, STACK + 0x800)
    assert regs.rcx
    board.close()
