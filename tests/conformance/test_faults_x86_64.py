"""What a faulting x86-64 instruction tells: the same in vmemu as on the host, registers too.

Each instruction is executed with each kind of operand, which lies in memory that is not
mapped, read-only, or ends in the middle of it, in the kernel's half, or where no address can
be.  `faults.c` executes them.
"""

from __future__ import annotations

import io
import re
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from board import assemble

from vmemu.machine import Machine

CODE, READ_ONLY, EDGE = 0x50000000, 0x52000000, 0x53000000
UNMAPPED, FS, GS = 0x51000000, 0x55000000, 0x56000000
STACK = READ_ONLY - 0x100000  # not mapped either
SLOT = 64
RELATIVE = b"zzzz"
"""A distance from rip, until it is known where the instruction ends."""
FLAGS = ["-m64", "-O1", "-static", "-no-pie", "-nostdlib", "-ffreestanding", "-mno-sse", "-Wall",
         "-Wextra", "-Werror", "-fno-stack-protector", "-fno-asynchronous-unwind-tables",
         "-fcf-protection=none", "-Wl,-z,noexecstack"]  # fmt: skip

SIGILL, SIGBUS, SIGSEGV = 4, 7, 11
MAPERR, KERNEL = 1, 0x80
NAMES = ("signal", "code", "address", "vector", "error", "rip", "rax", "rcx", "rdx", "rbx", "rsp",
         "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15")  # fmt: skip

TARGETS = {
    "unmapped": UNMAPPED + 0x440,
    "read-only": READ_ONLY + 0x440,
    "at the edge": EDGE + 0xFFD,
    "16 at the edge": EDGE + 0xFF0,
    "the kernel's": 0xFFFF900000000440,
    "the last bytes": 0xFFFFFFFFFFFFFFC0,
    "none": 0x0000800000000440,
    "none above": 0xFFFF7FFFFFFFFE00,
}
LOW = ("unmapped", "read-only", "at the edge", "16 at the edge")
"""Targets that 32 bits name."""

OPERANDS = {
    "(%rbx)": 0, "8(%rbx)": 8, "-0x1234(%r12)": -0x1234, "(%rbp)": 0, "8(%r13)": 8, "(%rsp)": 0,
    "16(%rsp,%rcx,8)": 16 + 24, "-8(%rbp,%rcx)": -8 + 3, "(%rbx,%r9,4)": 28,
    "0x100(%r8,%rcx,2)": 0x106, "3(%r14,%r12)": None,
    "%ds:(%rbp)": 0,
}  # fmt: skip
"""How an operand is written, and how far it is from its base register; all bases are alike."""
LOW_OPERANDS = {
    "0x7a7a7a7a(%rip)": 0, "target": 0, "target-24(,%rcx,8)": 0, "(%ebx)": 0, "12(%r8d,%ecx,4)": 24,
    "0x7a7a7a7a(%eip)": 0, "-4(%ebp)": -4, "%fs:(%rsi)": 0, "%gs:8(%rdi)": 8, "%fs:(%esi)": 0,
}  # fmt: skip


def _each(text: str) -> list[str]:
    """Instructions between semicolons or in lines; " / " begins a line of one's."""
    return [insn.replace(" / ", "\n") for insn in re.split("[;\n]", text) if insn]


READS = _each("""
mov {}, %al; mov {}, %r9w; mov {}, %eax; mov {}, %rax; movzbl {}, %r10d; movsbq {}, %rax
movslq {}, %rax; cmpb $5, {}; cmpl $0x12345678, {}; cmpq $-5, {}; testq $0x12345678, {}
testw $0x1234, {}; imul $0x12345678, {}, %rax; imul $5, {}, %r11; addq {}, %r9; movups {}, %xmm2
movdqu {}, %xmm9; movq {}, %xmm3; fldt {}; fildll {}; fldl {}; cvtsi2sdq {}, %xmm0
crc32q {}, %rax; popcntq {}, %rax; btq $3, {}; pushq {}; call *{}; jmp *{}; divq {}; mulq {}
pinsrw $1, {}, %xmm4; bsfq {}, %rax; cmovzq {}, %rax; fcoms {}; fldcw {}; pushw {}; lar {}, %eax
""")
WRITES = _each("""
mov %al, {}; mov %r9b, {}; mov %sil, {}; mov %rax, {}; movb $1, {}; movw $0x1234, {}
movl $0x12345678, {}; movq $-5, {}; movups %xmm1, {}; movdqu %xmm9, {}; movnti %rax, {}
sete {}; fstpt {}; fistpll {}; stmxcsr {}; fnstcw {}; popq {}; popw {}; fnstenv {}; fnsave {}
movd %xmm1, {}; pextrq $1, %xmm1, {}; mov %fs, {}; fnstsw {}; movhps %xmm1, {}
""")
CHANGES = _each("""
add %rax, {}; addq $1, {}; addl $0x12345678, {}; addw $0x1234, {}; incb {}; decq {}; negq {}
notl {}; shlq {}; shlq $3, {}; shrq %cl, {}; rclb $2, {}; xchg %rax, {}; xadd %r9, {}
cmpxchg %rcx, {}; lock cmpxchg8b {}; shld $3, %rax, {}; shrd %cl, %r9, {}; btsq $3, {}
lock addq $5, {}; lock incl {}; sbb %r10w, {}; andb $7, {}; xorl $-1, {}; lock btcl $7, {}
""")
BIT_TESTS = _each("bt %rdx, {}; bts %edx, {}; lock btr %dx, {}; btc %r15, {}; bt %r15d, {}")
ALIGNED = _each("""
movaps {}, %xmm0; movaps %xmm0, {}; cmpxchg16b {}; lock cmpxchg16b {}; fxsave {}; fxsave64 {}
fxrstor {}; fxrstor64 {}; pshufd $1, {}, %xmm0; movntdq %xmm0, {}; pshufb {}, %xmm0
palignr $1, {}, %xmm5; addps {}, %xmm11; shufps $1, {}, %xmm0; pcmpistri $1, {}, %xmm0
""")
STACK_OPS = _each("""
push %rax; push $5; push $0x12345678; pushw %ax; pushw $0x1234; push %fs; push %r9; pop %rax
pop %r9; popw %ax; call 1f / 1:; ret; ret $16; pushf; popf; pushfw; enter $16, $0; enter $16, $3
leave; lretq; iretq; popq 8(%rsp); popq (%rsp); pushq 8(%rsp); rex.W push %rax
.byte 0x66, 0x48, 0x50; addr32 push %rax
""")
STRINGS = _each("""
movsb; rep movsb; rep movsq; movsw; lodsb; lodsq; stosb; rep stosq; rep stosl; scasb; cmpsb
repne scasb; xlat; addr32 movsb; addr32 rep stosb; addr32 lodsq; addr32 xlat; fs lodsb
gs movsl; maskmovdqu %xmm0, %xmm1; addr32 maskmovdqu %xmm0, %xmm1; gs xlat; std / movsq
std / rep stosb
""")
MOFFS = _each("""
movabs {}, %al; movabs {}, %rax; movabs %eax, {}; movabs %ax, {}; movabs %al, %gs:{}
""")
JUMPS = _each("jmp *%rbx; call *%rbx; push %rbx / ret")
MICROCODED = ("fxsave", "fxrstor", "fnstenv", "fnsave", "lret", "iret", "maskmov")
"""What the host's processor reads or writes from behind, or in an order of its own: a masked
store is told at its first byte by some, at the first byte that the mask selects by others."""
SHORT_REP = "addr32 rep"
"""Some processors have cleared the upper half of rdi when its first byte faults, others not."""


class Piece(NamedTuple):
    """Assembler, and the registers that it finds, in the order of their numbers."""

    source: str
    regs: tuple[int, ...]
    where: str


def registers(**values: int) -> tuple[int, ...]:
    """Numbers that differ, but for those given."""
    regs = dict.fromkeys(NAMES[6:], 0)
    for n, name in enumerate(regs):
        regs[name] = 0x1111111111111111 * n ^ 0x0123456789ABCDEF
    regs.update(rsp=STACK + 0x800, rcx=3, r9=7, rdx=0x1FFFF, r15=-70)
    regs.update(values)
    return tuple(value % 2**64 for value in regs.values())


def with_operands(where: str) -> Iterator[Piece]:
    """Each instruction with each form of operand."""
    target = TARGETS[where]
    low = where in LOW
    forms = OPERANDS | (LOW_OPERANDS if low else {})
    for insn in [*READS, *WRITES, *CHANGES, *BIT_TESTS, *ALIGNED]:
        if insn in ALIGNED and target % 16:
            continue
        for form, offset in forms.items():
            wraps = where == "the last bytes" or form == "%fs:(%esi)"
            if "fx" in insn and wraps and where != "unmapped":
                continue  # which of two pages is touched first
            if insn in BIT_TESTS and form not in ("(%rbx)", "(%ebx)", "%fs:(%rsi)"):
                continue
            base = target - (offset or 0)
            regs = dict.fromkeys(("rbx", "rbp", "r12", "r13", "r8"), base)
            if "rsp" in form:
                regs["rsp"] = base
            if offset is None:
                regs.update(r12=target - 3 - 0x777777, r14=0x777777)
            regs.update(rsi=base - FS, rdi=base - GS)
            if "(%e" in form or "(%r8d" in form:  # what is above does not count
                regs.update((name, value + 0xABC00000000) for name, value in regs.items())
                regs["rcx"] = 0xFFFFFFFF00000003
                regs["rsp"] = STACK + 0x800
            source = insn.format(form.replace("target", hex(target)))
            yield Piece(source, registers(**regs), where)


def without_operands(where: str) -> Iterator[Piece]:
    """Each string with its source there, then its destination, the other being good."""
    target = TARGETS[where]
    for insn in STACK_OPS:
        if where == "16 at the edge" and "ret" in insn:
            continue  # would return to what others left there
        below = target & -16 if "push" in insn or "call" in insn else target
        yield Piece(insn, registers(rsp=below, rbp=target), where)
    for insn in STRINGS:
        for name in ("rsi", "rdi", "rbx"):
            regs = {"rsi": EDGE + 0x10, "rdi": EDGE + 0x80, "rbx": EDGE, "rax": 0x220}
            regs[name] = target
            short = "addr32" in insn
            if short and where in LOW:
                regs["rsi"] |= 5 << 32
                regs["rdi"] |= 6 << 32
            elif short or ("fs" in insn or "gs" in insn):
                continue
            yield Piece(insn, registers(**regs), where)
    if target < 1 << 47:
        for insn in MOFFS:
            yield Piece(insn.format(target), registers(), where)
    # 2.6.7 executes what may be read; see test_a_jump_to_no_address
    if where != "read-only" and "none" not in where:
        for insn in JUMPS:
            regs = registers(rbx=target, rsp=EDGE + 0x800)
            yield Piece(insn, regs, where)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("faults") / "faults"
    source = Path(__file__).with_name("faults.c")
    subprocess.run(["gcc", *FLAGS, "-o", target, source], check=True)
    return target


def listed(pieces: list[Piece]) -> bytes:
    """What faults.c reads."""
    lines = [f".macro executed\nud2\n.balign {SLOT}, 0xcc\n.endm"]
    lines += [piece.source + "\nexecuted" for piece in pieces]
    code = bytearray(assemble("\n".join(lines), CODE, 64))
    assert len(code) == SLOT * len(pieces)
    for n, piece in enumerate(pieces):
        at = code.find(RELATIVE, SLOT * n, SLOT * n + SLOT)
        if at >= 0:
            end = len(code[: SLOT * n + SLOT].rstrip(b"\xcc")) - 2  # ud2
            struct.pack_into("<i", code, at, TARGETS[piece.where] - CODE - end)
    records = (struct.pack("<17Q", *piece.regs, CODE + SLOT * n) for n, piece in enumerate(pieces))
    return struct.pack("<Q", len(code)) + code + b"".join(records)


def seen(output: bytes) -> list[dict[str, int]]:
    """What the handlers saw; of the error code only what a page fault's says in 2.6 too."""
    results = []
    for values in struct.iter_unpack("<22Q", output):
        result = dict(zip(NAMES, values, strict=True))
        result["error"] &= 7 if result["vector"] == 14 else 0
        results.append(result)
    return results


def in_vmemu(program: Path, pieces: list[Piece]) -> list[dict[str, int]]:
    output = io.BytesIO()
    with Machine(bits=64, ram="8M") as machine:
        machine.spawn(program, stdin=listed(pieces), stdout=output, stderr=None)
        machine.run()
        machine.check()
    return seen(output.getvalue())


def on_the_host(program: Path, pieces: list[Piece]) -> list[dict[str, int]]:
    done = subprocess.run([program], input=listed(pieces), stdout=subprocess.PIPE, check=True)
    return seen(done.stdout)


@pytest.mark.native
@pytest.mark.parametrize("where", TARGETS)
def test_the_same_as_on_the_host(program: Path, where: str) -> None:
    pieces = [*with_operands(where), *without_operands(where)]
    ours, theirs = in_vmemu(program, pieces), on_the_host(program, pieces)
    assert len(ours) == len(theirs) == len(pieces)
    for piece, a, b in zip(pieces, ours, theirs, strict=True):
        if any(name in piece.source for name in MICROCODED):
            a["address"] &= -4096
            b["address"] &= -4096
        if SHORT_REP in piece.source:
            a["rdi"] %= 1 << 32
            b["rdi"] %= 1 << 32
    differing = [
        f"{piece.where}: {piece.source}: " + ", ".join(
            f"{name} {a[name]:#x}, not {b[name]:#x}" for name in NAMES if a[name] != b[name]
        )
        for piece, a, b in zip(pieces, ours, theirs, strict=True)
        if a != b
    ]  # fmt: skip
    assert not differing, "\n".join(differing)


def test_what_they_are(program: Path) -> None:
    """Some of them where there is no host to ask: signal, code, address, whether it was a write."""
    stack = registers(rsp=STACK + 0x800, rbp=STACK + 0x800)
    none = registers(rbx=TARGETS["none"], rsp=TARGETS["none"], rbp=TARGETS["none"], r13=1 << 48)
    plain = registers(rbx=UNMAPPED + 8, r12=UNMAPPED, r9=0x40)
    expected = [
        ("mov 8(%rbx), %rax", plain, SIGSEGV, MAPERR, UNMAPPED + 16, 4),
        ("mov %al, (%r12,%r9,2)", plain, SIGSEGV, MAPERR, UNMAPPED + 0x80, 6),
        ("lock incq (%r12)", plain, SIGSEGV, MAPERR, UNMAPPED, 6),
        ("mov %fs:8, %rax", plain, SIGSEGV, MAPERR, FS + 8, 4),
        ("movabs 0x123456789a, %al", plain, SIGSEGV, MAPERR, 0x123456789A, 4),
        ("push %rax", stack, SIGSEGV, MAPERR, STACK + 0x7F8, 6),
        ("pushw %ax", stack, SIGSEGV, MAPERR, STACK + 0x7FE, 6),
        ("leave", stack, SIGSEGV, MAPERR, STACK + 0x800, 4),
        ("mov (%rbx), %rax", none, SIGSEGV, KERNEL, 0, 0),
        ("mov %rax, (%r13)", none, SIGSEGV, KERNEL, 0, 0),
        ("mov (%rsp), %rax", none, SIGBUS, KERNEL, 0, 0),
        ("mov %rax, 8(%rbp)", none, SIGBUS, KERNEL, 0, 0),
        ("mov %gs:(%rbp), %rax", none, SIGSEGV, KERNEL, 0, 0),
        ("push %rbx", none, SIGBUS, KERNEL, 0, 0),
        ("ret", none, SIGBUS, KERNEL, 0, 0),
    ]
    pieces = [Piece(source, regs, "") for source, regs, *_ in expected]
    for n, (result, (_, regs, *rest)) in enumerate(
        zip(in_vmemu(program, pieces), expected, strict=True)
    ):
        assert [result[name] for name in ("signal", "code", "address", "error")] == rest
        assert result["rip"] == CODE + SLOT * n
        assert tuple(result[name] for name in NAMES[6:]) == regs


def test_a_jump_to_no_address(program: Path) -> None:
    """Hardware has #GP at the jump, Unicorn where it went to, and call has pushed by then."""
    where, sp = TARGETS["none"], EDGE + 0x800
    pieces = [Piece(insn, registers(rbx=where, rsp=sp), "") for insn in JUMPS]
    for result, moved in zip(in_vmemu(program, pieces), (0, -8, 0), strict=True):
        assert (result["signal"], result["code"], result["address"]) == (SIGSEGV, KERNEL, 0)
        assert (result["rip"], result["rsp"]) == (where, sp + moved)
