"""cr2 to the byte, and one write fault for a read-modify-write: what the hook is not told."""

from __future__ import annotations

import pytest
from board import CODE, DATA, FETCH, KERNEL, MAPERR, READ, RW, STACK, WRITE, Board, assemble

from vmemu.cpu import Trap, UserDesc

REGS = {
    "eax": 0x123, "ebx": DATA + 0x2000, "ecx": 3, "edx": 0x40, "esi": DATA + 0x3010,
    "edi": DATA + 0x5020, "ebp": DATA + 0x7030, "esp": STACK + 0x800,
}  # fmt: skip


@pytest.mark.parametrize(
    ("instruction", "address", "access"),
    [
        ("mov 0x10000123, %al", DATA + 0x123, READ),
        ("mov %al, 0x10000123", DATA + 0x123, WRITE),
        ("mov %edx, 0x10000123", DATA + 0x123, WRITE),
        ("mov (%ebx), %eax", DATA + 0x2000, READ),
        ("mov -5(%ebx), %eax", DATA + 0x1FFB, READ),
        ("mov 5(%ebp), %eax", DATA + 0x7035, READ),
        ("mov 0x1234(%ebx,%ecx,4), %eax", DATA + 0x3240, READ),
        ("mov 0x10000000(,%ecx,8), %eax", DATA + 24, READ),
        ("mov -4(%esp,%ecx,8), %eax", STACK + 0x814, READ),
        ("mov 0(%ebp,%edx), %eax", DATA + 0x7070, READ),
        ("movzbl 7(%ebx), %eax", DATA + 0x2007, READ),
        ("movaps 16(%ebx), %xmm0", DATA + 0x2010, READ),
        ("pshufb 32(%ebx), %xmm0", DATA + 0x2020, READ),
        ("movups %xmm0, 1(%ebx)", DATA + 0x2001, WRITE),
        ("fldl 8(%ebx)", DATA + 0x2008, READ),
        ("fstpl 8(%ebx)", DATA + 0x2008, WRITE),
        ("imul $5, 8(%ebx), %eax", DATA + 0x2008, READ),
        ("movl $5, 8(%ebx)", DATA + 0x2008, WRITE),
        ("cmpl $5, 8(%ebx)", DATA + 0x2008, READ),
        ("testb $5, 8(%ebx)", DATA + 0x2008, READ),
        ("divl 8(%ebx)", DATA + 0x2008, READ),
        ("movsb", DATA + 0x3010, READ),
        ("rep movsl", DATA + 0x3010, READ),
        ("stosl", DATA + 0x5020, WRITE),
        ("scasb", DATA + 0x5020, READ),
        ("lodsl", DATA + 0x3010, READ),
        ("cmpsb", DATA + 0x5020, READ),  # Unicorn reads the second one first
        ("xlat", DATA + 0x2023, READ),
        ("push %eax", STACK + 0x7FC, WRITE),
        ("pushw %ax", STACK + 0x7FE, WRITE),
        ("call 1f; 1:", STACK + 0x7FC, WRITE),
        ("ret", STACK + 0x800, READ),
        ("pop %eax", STACK + 0x800, READ),
        ("popl (%esp)", STACK + 0x800, READ),
        ("popl 8(%esp)", STACK + 0x800, READ),
        ("popw 8(%esp)", STACK + 0x800, READ),
        ("leave", DATA + 0x7030, READ),
        ("pushl 4(%ebx)", DATA + 0x2004, READ),
        ("jmp *4(%ebx)", DATA + 0x2004, READ),
        ("addr16 mov 5(%bx,%si), %al", 0x5015, READ),
        ("addr16 mov 0x1234, %ecx", 0x1234, READ),
        ("addr16 lodsb", 0x3010, READ),
        ("addr16 rep movsl", 0x3010, READ),
        ("addr16 stosl", 0x5020, WRITE),
        ("addr16 xlat", 0x2023, READ),
        ("pcmpeqb %mm0, %mm0; maskmovq %mm0, %mm1", DATA + 0x5020, WRITE),
        ("pcmpeqb %xmm0, %xmm0; maskmovdqu %xmm0, %xmm1", DATA + 0x5020, WRITE),
        ("pcmpeqb %mm0, %mm0; addr16 maskmovq %mm0, %mm1", 0x5020, WRITE),
        ("pcmpeqb %mm0, %mm0; fs maskmovq %mm0, %mm1", DATA * 2 + 0xE020, WRITE),
        ("mov %eax, %fs:8", DATA + 0x9008, WRITE),
        ("mov %gs:(%ecx), %edx", DATA + 0xA003, READ),
        ("lock incl 4(%ebx)", DATA + 0x2004, WRITE),
        ("mov 0xc0000123, %ecx", KERNEL + 0x123, READ),
        # read-modify-write: one write fault
        ("incl 4(%ebx)", DATA + 0x2004, WRITE),
        ("addl %eax, 4(%ebx)", DATA + 0x2004, WRITE),
        ("addl $1, 4(%ebx)", DATA + 0x2004, WRITE),
        ("subw $1, 4(%ebx)", DATA + 0x2004, WRITE),
        ("sbbb %al, 4(%ebx)", DATA + 0x2004, WRITE),
        ("notl 4(%ebx)", DATA + 0x2004, WRITE),
        ("shll 4(%ebx)", DATA + 0x2004, WRITE),
        ("shrl $3, 4(%ebx)", DATA + 0x2004, WRITE),
        ("xchg %eax, 4(%ebx)", DATA + 0x2004, WRITE),
        ("xadd %eax, 4(%ebx)", DATA + 0x2004, WRITE),
        ("cmpxchg %eax, 4(%ebx)", DATA + 0x2004, WRITE),
        ("cmpxchg8b 8(%ebx)", DATA + 0x2008, WRITE),
        ("shld $3, %eax, 4(%ebx)", DATA + 0x2004, WRITE),
        ("btsl $3, 4(%ebx)", DATA + 0x2004, WRITE),
        ("btsl %eax, (%ebx)", DATA + 0x2024, WRITE),
        # not read-modify-write
        ("addl 4(%ebx), %eax", DATA + 0x2004, READ),
        ("btl $3, 4(%ebx)", DATA + 0x2004, READ),
        ("btl %eax, (%ebx)", DATA + 0x2024, READ),
    ],
)
def test_operands(board: Board, instruction: str, address: int, access: int) -> None:
    for entry, base in ((6, DATA + 0x9000), (7, DATA + 0xA000)):
        board.cpu.set_tls(board.context, entry, UserDesc(base, 0xFFFFF))
    board.on_fault = lambda mm, address, access: MAPERR
    assert board.asm(instruction, fs=0x33, gs=0x3B, **REGS) is Trap.FAULT
    m = board.m
    assert (m.fault.address, m.fault.access) == (address, access)
    assert board.faults == ([] if address >= KERNEL else [(address, access)])


@pytest.mark.parametrize(
    ("instruction", "mapped", "address", "access"),
    [
        ("mov 0x10000ffe, %eax", DATA, DATA + 0x1000, READ),
        ("mov %eax, 0x10000ffe", DATA, DATA + 0x1000, WRITE),
        ("incl 0x10000ffe", DATA, DATA + 0x1000, WRITE),
        ("movsb", DATA + 0x3000, DATA + 0x5020, WRITE),
        ("pushl 4(%ebx)", DATA + 0x2000, STACK + 0x7FC, WRITE),
        ("call *4(%ebx)", DATA + 0x2000, STACK + 0x7FC, WRITE),
        ("popl 4(%ebx)", STACK, DATA + 0x2004, WRITE),
        # found by esp when it has moved
        ("popl -0x1000(%esp)", STACK, STACK - 0x1000 + 0x804, WRITE),
        ("popw -0x1000(%esp)", STACK, STACK - 0x1000 + 0x802, WRITE),
        ("popl -0x1000(%esp,%ecx,8)", STACK, STACK - 0x1000 + 0x81C, WRITE),
        ("popl -0x1000(%ebp)", STACK, DATA + 0x6030, WRITE),
    ],
)
def test_second_operands(
    board: Board, instruction: str, mapped: int, address: int, access: int
) -> None:
    board.map(mapped)
    board.on_fault = lambda mm, address, access: MAPERR
    assert board.asm(instruction, **REGS) is Trap.FAULT
    assert board.faults == [(address, access)]


def test_pusha_into_the_next_page(board: Board) -> None:
    board.map(STACK)
    board.on_fault = lambda mm, address, access: MAPERR
    assert board.asm("pusha", esp=STACK + 8) is Trap.FAULT
    assert board.faults == [(STACK - 4, WRITE)]


def test_an_instruction_that_runs_into_the_next_page(board: Board) -> None:
    """The fetch faults at the first byte that is missing, but before its block has begun."""
    board.on_fault = lambda mm, address, access: MAPERR
    code = assemble("inc %ebx; mov $0x12345678, %eax; int $0x80")
    assert board.start(code[:3], CODE + 0xFFD, ebx=1) is Trap.FAULT
    assert board.faults == [(CODE + 0x1000, FETCH)]
    assert (board.regs.eip, board.regs.ebx) == (CODE + 0xFFD, 1)
    board.on_fault = board.demand_zero
    board.poke(CODE + 0x1000, code[3:])
    assert board.go() is Trap.SYSCALL
    assert (board.regs.eax, board.regs.ebx) == (0x12345678, 2)


def test_one_fault_for_a_read_modify_write(board: Board) -> None:
    assert board.asm(f"incl {DATA:#x}; int $0x80") is Trap.SYSCALL
    assert board.faults == [(DATA, WRITE)]
    board.map(DATA, prot=0)
    board.flush()
    board.faults.clear()

    def cow(mm: object, address: int, access: int) -> int:
        board.map(address, prot=RW)
        return 0

    board.on_fault = cow
    assert board.go(CODE) is Trap.SYSCALL
    assert board.faults == [(DATA, WRITE)]
