"""64-bit code that Unicorn's translator does not survive, or takes for other code."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from board import CODE, DATA, STACK, Board, assemble
from test_unicorn_exits import survives

from vmemu.cpu import Trap

END = b"\xcd\x80"  # #GP, here


@pytest.fixture
def board() -> Iterator[Board]:
    board = Board(bits=64)
    yield board
    board.close()


LEAKING = {
    "fxch": b"\xd9\xc9",
    "rex fxch": b"\x48\xd9\xc9",
    "fnstsw": b"\xdf\xe0",
    "fnstenv": b"\xd9\x33",
    "fld (r8)": b"\x41\xd9\x00",
    "mov fs": b"\x8e\xe0",
    "enter": b"\xc8\x00\x00\x00",
    "pshufd": b"\x66\x45\x0f\x70\xc1\x01",
    "palignr": b"\x66\x4f\x0f\x3a\x0f\xc1\x01",
    "crc32": b"\xf2\x4c\x0f\x38\xf0\xc1",
    "pinsrq": b"\x66\x4c\x0f\x3a\x22\xc0\x01",
    "smsw": b"\x48\x0f\x01\xe0",
    "syscall": b"\x0f\x05",
    "rdtsc": b"\x0f\x31",
}


@pytest.mark.parametrize("kind", LEAKING)
def test_a_long_straight_run(kind: str) -> None:
    def runs() -> bool:
        for count in (232, 512, 1500):
            board = Board(bits=64)
            code = LEAKING[kind] * count + b"\x0f\x0b"
            trap = board.start(code, rsp=STACK + 0x800, rbx=DATA, r8=DATA, rax=0)
            while trap is Trap.SYSCALL:
                trap = board.go()
            if (trap, board.regs.ip) != (Trap.EXCEPTION, CODE + len(code) - 2):
                return False
        return True

    survives(runs)


# ---- VEX ---------------------------------------------------------------------------

VEX = {
    "vpaddd xmm": "vpaddd %xmm1, %xmm2, %xmm3",
    "vpaddd of the upper half": "vpaddd %xmm11, %xmm12, %xmm13",
    "vaddps xmm": "vaddps %xmm1, %xmm2, %xmm3",
    "three bytes": ".byte 0xc4, 0xe1, 0x69, 0xfe, 0xd9",
    "ymm": "vaddps %ymm1, %ymm2, %ymm3",
    "ymm, three bytes": "vaddps %ymm11, %ymm12, %ymm13",
    "vpaddd ymm": "vpaddd (%rbx), %ymm2, %ymm3",
    "mod not 3": ".byte 0xc4, 0x61, 0x69, 0xfe, 0x18",
    "a segment prefix": ".byte 0x64; vpaddd %xmm1, %xmm2, %xmm3",
    "an address prefix": "vpaddd (%ebx), %xmm2, %xmm3",
    "rex": ".byte 0x48; vpaddd %xmm1, %xmm2, %xmm3",
    "0f38": "vpshufb %xmm1, %xmm2, %xmm3",
    "0f3a": "vpalignr $1, %xmm1, %xmm2, %xmm3",
    "0f3a ymm": "vpalignr $1, %ymm1, %ymm2, %ymm3",
    "in memory": "vpaddd (%r9), %xmm2, %xmm3",
    "andn": "andn %rax, %rcx, %rdx",
    "bextr": "bextr %eax, (%rbx), %edx",
    "rorx": "rorx $3, %rax, %rdx",
    "mulx": "mulx %rax, %rcx, %rsi",
    "shlx": "shlx %rax, %r10, %r11",
    "vzeroupper": "vzeroupper",
    "vzeroall": "vzeroall",
    "vmovd": "vmovd %eax, %xmm1",
    "vfmadd": "vfmadd213ps %ymm1, %ymm2, %ymm3",
    "a call of the system": ".byte 0xc5, 0xfc, 0x05",
    "cpuid": ".byte 0xc5, 0xfc, 0xa2",
    "cmov": ".byte 0xc5, 0xfc, 0x44, 0xc1",
    "a map that is none": ".byte 0xc4, 0xe0, 0x78, 0x58, 0xc1",
    "evex": "vaddps %zmm1, %zmm2, %zmm3",
    "evex xmm": ".byte 0x62, 0xf1, 0x6c, 0x08, 0x58, 0xd9",
}
"""None is executed as the older instruction it extends, or which it would be without VEX."""


@pytest.mark.parametrize("name", VEX)
@pytest.mark.parametrize("before", [0, 3, 3000])
def test_an_instruction_coded_with_vex_is_undefined(board: Board, name: str, before: int) -> None:
    padding = "\n".join("inc %r8" if n % 2 else "mov %rax, %rsi" for n in range(before))
    code = f"xor %eax, %eax\n{padding}\nmov $7, %edx\nhere: {VEX[name]}\nmov $9, %edx\nint $0x80"
    assert board.asm(code, rbx=DATA, r9=DATA) is Trap.EXCEPTION
    assert board.cpu.vector == 6
    assert board.regs.rdx == 7
    at = board.regs.rip - CODE
    assert assemble(code, bits=64)[at - 5 : at] == b"\xba\x07\x00\x00\x00"


def test_every_opcode_behind_vex(board: Board) -> None:
    """Each in both lengths and widths: undefined, whatever Unicorn would make of it."""
    for opcode in range(256):
        for width in (0, 4):
            for vex in (bytes([0xC5, 0xF8 | width]), bytes([0xC4, 0xE1, 0x78 | width])):
                trap = board.start(vex + bytes([opcode, 0xC1, 1]), rsp=STACK + 0x800)
                assert (trap, board.cpu.vector) == (Trap.EXCEPTION, 6), (vex.hex(), opcode)
                assert board.regs.rip == CODE


def test_bytes_that_look_like_vex_within_an_instruction(board: Board) -> None:
    code = "xor %rsi, %rsi\n" + "movabs $0xfee9c5c5c5e9fec5, %rax\nadd %rax, %rsi\n" * 200
    assert board.asm(code + "syscall") is Trap.SYSCALL
    assert board.regs.rsi == 200 * 0xFEE9C5C5C5E9FEC5 % 2**64


UNDEFINED = [0x06, 0x07, 0x0E, 0x16, 0x17, 0x1E, 0x1F, 0x27, 0x2F, 0x37, 0x3F, 0x60, 0x61, 0x62,
             0x82, 0x9A, 0xCE, 0xD4, 0xD5, 0xD6, 0xEA]  # fmt: skip


@pytest.mark.parametrize("opcode", UNDEFINED, ids=hex)
def test_what_64_bit_mode_does_not_have(board: Board, opcode: int) -> None:
    assert board.start(bytes([opcode, *bytes(10)]), rsp=STACK + 0x800) is Trap.EXCEPTION
    assert (board.cpu.vector, board.regs.rip) == (6, CODE)


# ---- bit tests with lock -------------------------------------------------------------

LOCKED = {
    "bts": b"\xf0\x0f\xab\xc4",
    "rex between": b"\xf0\x48\x0f\xab\xc4",
    "rex before": b"\x48\xf0\x0f\xab\xc4",
    "btr of r8": b"\xf0\x4d\x0f\xb3\xc0",
    "btc of a constant": b"\xf0\x49\x0f\xba\xf9\x01",
    "prefixes on both sides": b"\x66\xf0\xf3\x4f\x0f\xbb\xc4",
    "as many as can be": b"\x36" * 10 + b"\xf0\x48\x0f\xab\xc4",
}


@pytest.mark.parametrize("kind", LOCKED)
@pytest.mark.parametrize("offset", [0, 100, *range(4078, 4096)])
def test_a_locked_bit_test_of_a_register_is_undefined(kind: str, offset: int) -> None:
    def refused() -> bool:
        board = Board(bits=64)
        at = CODE + offset
        trap = board.start(b"\x31\xc0" + LOCKED[kind] + END, at, rsp=STACK + 0x800)
        return (trap, board.cpu.vector, board.regs.ip) == (Trap.EXCEPTION, 6, at + 2)

    survives(refused)


@pytest.mark.parametrize("kind", ["rex before", "prefixes on both sides"])
def test_the_page_behind_makes_it_one(kind: str) -> None:
    """The same first prefix begins something else with another page behind it."""
    code = LOCKED[kind]
    last = CODE + 0xFFF

    def refused() -> bool:
        board = Board(bits=64)
        board.poke(last, code[:1])
        behind = CODE + 0x1000
        frames = []
        for rest in (b"\x89\xc0" + END, code[1:] + END):
            board.map(behind)
            board.poke(behind, rest)
            frames.append(board.pte(behind) >> 12)
        seen = []
        for pfn in (*frames, *frames, frames[1]):
            board.map(behind, pfn)
            board.flush()
            trap = board.go(last, sp=STACK + 0x800)
            seen.append((trap, board.cpu.vector, board.regs.ip - last))
        harmless, bit_test = (Trap.EXCEPTION, 13, 3), (Trap.EXCEPTION, 6, 0)
        return seen == [harmless, bit_test, harmless, bit_test, bit_test]

    survives(refused)


# ---- the processor -------------------------------------------------------------------


def test_random_numbers_of_the_host_are_refused(board: Board) -> None:
    insns = ["rdrand %rax", "rdseed %r9", "rdpid %rax", "rdfsbase %rax", "wrgsbase %rax"]
    for insn in [*insns, "xgetbv", "xsave (%rbx)", "xsave64 (%rbx)", "rdpkru", "monitor"]:
        assert board.asm(insn, rbx=DATA) is Trap.EXCEPTION, insn
        assert (board.cpu.vector, board.regs.rip) == (6, CODE), insn


def test_what_tells_of_the_processor_is_the_same_each_time() -> None:
    code = "\n".join(
        f"mov ${leaf}, %eax; xor %ecx, %ecx; cpuid\nadd %rax, %rsi; ror $7, %rsi; add %rbx, %rsi\n"
        "ror $7, %rsi; add %rcx, %rsi; ror $7, %rsi; add %rdx, %rsi"
        for leaf in (0, 1, 2, 4, 7, 11, 13, 0x80000000, 0x80000001, 0x80000008)
    )
    code += "\nrdtsc; add %rax, %rsi; rdtscp; add %rax, %rsi; add %rcx, %rsi; syscall"
    results = []
    for _ in range(2):
        board = Board(bits=64)
        assert board.asm(code, rsi=0) is Trap.SYSCALL
        results.append(board.regs.rsi)
        board.close()
    assert results[0] == results[1] != 0
