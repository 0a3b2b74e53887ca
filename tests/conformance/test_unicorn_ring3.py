"""Ring 3: exceptions, privileged instructions, segments, floating point, time."""

from __future__ import annotations

import struct

import pytest
from board import CODE, DATA, KERNEL, STACK, Board, assemble

from vmemu.cpu import USER_CS, USER_DS, Trap, UserDesc

END = "; int $0x80"
FXCODE = f"fxsave {DATA:#x}{END}"


def test_a_new_task(board: Board) -> None:
    assert board.asm("pushf; pop %eax; mov %cs, %ebx; mov %ss, %ecx; mov %ds, %edx" + END)
    regs = board.regs
    assert regs.eax & ~0x8D5 == 0x202
    assert (regs.ebx, regs.ecx, regs.edx) == (USER_CS, USER_DS, USER_DS)
    assert (regs.fs, regs.gs, regs.es) == (0, 0, USER_DS)
    assert regs.esp == STACK + 0x800  # all 32 bits of it


@pytest.mark.parametrize(
    ("code", "vector", "offset"),
    [
        ("xor %ecx, %ecx; div %ecx", 0, 2),
        ("nop; int3", 3, 2),
        ("mov $0x7fffffff, %eax; inc %eax; into", 4, 7),
        ("nop; ud2", 6, 1),
        ("nop; hlt", 13, 1),
        ("nop; cli", 13, 1),
        ("nop; sti", 13, 1),
        ("nop; mov %cr0, %eax", 13, 1),
        ("nop; mov %eax, %cr3", 13, 1),
        ("nop; wrmsr", 13, 1),
        ("nop; rdmsr", 13, 1),
        ("nop; lgdt 0x10000000", 13, 1),
        ("nop; invlpg 0x10000000", 13, 1),
        ("nop; clts", 13, 1),
        ("nop; inb %dx, %al", 13, 1),
        ("nop; inb $0x21, %al", 13, 1),
        ("nop; outl %eax, %dx", 13, 1),
        ("nop; insb", 13, 1),
        ("nop; outsb", 13, 1),
        ("nop; int $0", 13, 1),
        ("nop; int $13", 13, 1),
        ("nop; int $14", 13, 1),
        ("nop; int $0x21", 13, 1),
        ("nop; int $0xff", 13, 1),
        ("mov $0x60, %eax; mov %eax, %ds", 13, 5),
        ("mov $0x68, %eax; mov %eax, %ss", 13, 5),
        ("mov $0x33, %eax; mov %eax, %gs", 13, 5),  # an empty TLS entry
        ("nop; ljmp $0x60, $0x1000", 13, 1),
        ("nop; sysenter", 6, 1),
        ("nop; syscall", 6, 1),
    ],
)
def test_exceptions(board: Board, code: str, vector: int, offset: int) -> None:
    board.map(DATA)
    trap = board.asm(f"{code}; nop; mov $0x77, %ebp; int $0x80", ebp=5, edx=9, esi=DATA, edi=DATA)
    assert trap is Trap.EXCEPTION
    assert (board.cpu.vector, board.regs.eip - CODE) == (vector, offset)
    assert (board.regs.edx, board.regs.ebp) == (9, 5)  # nothing behind it has been executed


def test_bound(board: Board) -> None:
    board.poke(DATA, struct.pack("<2i", 5, 6))
    assert board.asm(f"bound %eax, {DATA:#x}", eax=9) is Trap.EXCEPTION
    assert (board.cpu.vector, board.regs.eip) == (5, CODE)


def test_int_through_user_gates(board: Board) -> None:
    for vector in (3, 4):
        assert board.start(bytes([0xCD, vector])) is Trap.EXCEPTION
        assert (board.cpu.vector, board.regs.eip) == (vector, CODE + 2)


@pytest.mark.parametrize(
    "code", ["xor %ecx, %ecx; div %ecx", "hlt", "ud2", "int3", "outb %al, %dx"]
)
def test_any_number_of_exceptions(board: Board, code: str) -> None:
    """Unicorn alone makes 8 of the second and stops silently at the third."""
    board.asm(code)
    vector = board.cpu.vector
    for _ in range(10):
        assert board.go(CODE) is Trap.EXCEPTION
        assert board.cpu.vector == vector


def test_an_exception_keeps_everything_else(board: Board) -> None:
    board.cpu.set_tls(board.context, 6, UserDesc(DATA, 0xFFFFF))
    source = f"""
        mov $0x33, %eax; mov %eax, %gs
        fldpi; fld1; fldz; fmulp; fld1
        movl $0x3f800000, {DATA + 64:#x}; movss {DATA + 64:#x}, %xmm5; shufps $0, %xmm5, %xmm5
        stc; std
        int $0x80
        hlt
        fxsave {DATA + 512:#x}
        mov %gs:64, %eax
    """
    board.asm(source + END)
    before = board.cpu.fpu_save()
    regs = {name: int(getattr(board.regs, name)) for name in ("esp", "eflags", "gs", "fs", "edi")}
    assert board.go() is Trap.EXCEPTION
    assert board.cpu.vector == 13
    assert {name: int(getattr(board.regs, name)) for name in regs} == regs
    assert board.cpu.fpu_save() == before
    board.go(board.regs.eip + 1)
    assert board.regs.eax == 0x3F800000
    image = board.peek(DATA + 512, 288)
    assert image[:5] == before[:5]  # control, status, tags
    assert image[32:288] == before[32:288]  # st and xmm


def test_fpu_image_is_what_fxsave_writes(board: Board) -> None:
    board.asm(f"fldpi; fld1; fldl2e; fstp %st(1); movd %esp, %mm7; movd %esp, %xmm3; {FXCODE}")
    written = board.peek(DATA, 512)
    image = board.cpu.fpu_save()
    assert image[:5] == written[:5]
    assert image[24:28] == written[24:28]
    assert image[32:288] == written[32:288]


def test_fpu_restore(board: Board) -> None:
    board.asm("fldpi; fld1; movd %esp, %xmm3" + END)
    image = board.cpu.fpu_save()
    board.asm("fninit; xorps %xmm3, %xmm3" + END)
    assert board.cpu.fpu_save() != image
    board.cpu.fpu_restore(image)
    assert board.cpu.fpu_save() == image
    board.asm(f"fistpl {DATA:#x}; fistpl {DATA + 4:#x}; movd %xmm3, %eax{END}")
    assert (board.peek32(DATA), board.peek32(DATA + 4)) == (1, 3)
    assert board.regs.eax == STACK + 0x800


def test_unmasked_floating_point_errors(board: Board) -> None:
    board.poke(DATA, struct.pack("<H", 0x37B))  # ZM clear
    assert board.asm(f"fldcw {DATA:#x}; fldz; fld1; fdiv %st(1), %st; fwait") is Trap.EXCEPTION
    assert board.cpu.vector == 16


def test_unmasked_sse_errors_do_not_arrive(board: Board) -> None:
    """Hardware: #XF, vector 19."""
    board.poke(DATA, struct.pack("<If", 0x1D80, 1.0))
    source = (
        f"ldmxcsr {DATA:#x}; xorps %xmm0, %xmm0; movss {DATA + 4:#x}, %xmm1; divss %xmm0, %xmm1"
    )
    assert board.asm(source + END) is Trap.SYSCALL


def test_lock_before_anything_is_accepted(board: Board) -> None:
    """Hardware: #UD."""
    assert board.asm(".byte 0xf0, 0x89, 0xc0" + END) is Trap.SYSCALL


def test_alignment_checks_do_not_exist(board: Board) -> None:
    """Hardware: #AC, vector 17."""
    board.map(DATA)
    source = f"pushf; orl $0x40000, (%esp); popf; mov {DATA + 1:#x}, %eax"
    assert board.asm(source + END) is Trap.SYSCALL


def test_single_step(board: Board) -> None:
    source = "pushf; orl $0x100, (%esp); popf; nop; nop"
    assert board.asm(source + END) is Trap.EXCEPTION
    assert board.cpu.vector == 1
    assert board.regs.eip == CODE + len(assemble("pushf; orl $0x100, (%esp); popf; nop"))


# ---- segments


def test_tls(board: Board) -> None:
    board.cpu.set_tls(board.context, 6, UserDesc(DATA, 0xFFFFF))
    source = f"movl $77, {DATA + 8:#x}; mov $0x33, %eax; mov %eax, %gs; mov %gs:8, %ebx"
    assert board.asm(source + END) is Trap.SYSCALL
    assert (board.regs.ebx, board.regs.gs) == (77, 0x33)


def test_tls_belongs_to_the_task(board: Board) -> None:
    other = board.new_context()
    board.cpu.set_tls(board.context, 6, UserDesc(DATA, 0xFFFFF))
    board.cpu.set_tls(other, 6, UserDesc(DATA + 0x100, 0xFFFFF))
    board.poke(DATA, b"\1")
    board.poke(DATA + 0x100, b"\2")
    load = "mov $0x33, %eax; mov %eax, %gs; int $0x80; mov %gs:0, %ebx" + END
    board.asm(load)
    board.switch(other)
    board.asm(load)
    board.go()
    assert board.regs.ebx == 2
    board.switch(board.context)
    board.go()
    assert board.regs.ebx == 1


def test_a_changed_descriptor_counts_at_once(board: Board) -> None:
    """The CPU keeps what it loaded; segments that name the entry are loaded again for it."""
    board.poke(DATA, b"\1")
    board.poke(DATA + 0x100, b"\2")
    board.cpu.set_tls(board.context, 6, UserDesc(DATA, 0xFFFFF))
    board.asm("mov $0x33, %eax; mov %eax, %gs; int $0x80; mov %gs:0, %ebx" + END)
    board.cpu.set_tls(board.context, 6, UserDesc(DATA + 0x100, 0xFFFFF))
    board.go()
    assert board.regs.ebx == 2
    board.asm("mov $0x33, %eax; mov %eax, %gs; mov %gs:0, %ebx" + END)
    assert board.regs.ebx == 2


def test_the_kernel_loads_segments(board: Board) -> None:
    """As sigreturn does; what ring 3 may not load becomes 0 instead of killing the process."""
    board.cpu.set_tls(board.context, 7, UserDesc(DATA, 0xFFFFF))
    board.asm("int $0x80")
    for wanted, got in ((0x3B, 0x3B), (0x60, 0), (0x7B, 0x7B), (0x33, 0), (0x3B, 0x3B), (~0, 0)):
        board.go(CODE, gs=wanted)
        assert board.regs.gs == got
    board.go(CODE, cs=0x60, ss=0x68)
    assert (board.regs.cs, board.regs.ss) == (USER_CS, USER_DS)


def test_user_desc_round_trip() -> None:
    for desc in (
        UserDesc(0x12345678, 0xFFFFF),
        UserDesc(0, 5, seg_32bit=False, limit_in_pages=False, useable=False),
        UserDesc(0xFF000000, 0x12345, read_exec_only=True, contents=1),
        UserDesc(0x1000, 1, seg_not_present=True),
    ):
        assert UserDesc.from_descriptor(desc.descriptor()) == desc
        assert UserDesc.decode(desc.base, desc.limit, desc.flags) == desc
    empty = UserDesc.decode(0, 0, 0x28)
    assert empty.empty
    assert empty.descriptor() == 0
    assert UserDesc.from_descriptor(0) == empty


@pytest.mark.parametrize("load", ["nop", "mov %eax, %gs", "mov %eax, %es; mov %ebx, %es"])
def test_guests_cannot_read_the_gdt(board: Board, load: str) -> None:
    """Descriptors are read through another MMU index than data, with their own TLB."""
    code = f"mov $0x7b, %eax; mov %eax, %ebx; {load}; mov 0xc0001070, %eax"
    assert board.asm(code) is Trap.FAULT
    assert board.m.fault.address == KERNEL + 0x1070


# ---- time


def test_rdtsc_is_virtual(board: Board) -> None:
    board.m.clock.now = 0x123456789
    board.asm("rdtsc; mov %eax, %ebx; mov %edx, %ecx; rdtsc" + END)
    first = board.regs.ecx << 32 | board.regs.ebx
    second = board.regs.edx << 32 | board.regs.eax
    assert 0x123456789 < first < second < 0x123456789 + 1000
    assert board.m.clock.now == second


def test_rdtscp(board: Board) -> None:
    board.m.clock.now = 5 << 32
    trap = board.asm("mov $7, %ecx; rdtscp" + END)
    if trap is Trap.SYSCALL:
        assert (board.regs.edx, board.regs.ecx) == (5, 0)
    else:  # this CPU model does not have it
        assert board.cpu.vector == 6
