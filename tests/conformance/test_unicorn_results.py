"""What the CPU emulator computes otherwise than hardware: each with both results."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

import pytest
from board import DATA, Board
from hardware import on_the_host

from vmemu.cpu import Trap

SIZE = 16
RESULT = DATA + 0x800
OTHER, UNDEFINED = -1, -2
"""Hardware has something else; or whatever it likes, for the architecture leaves it open."""


class Case(NamedTuple):
    """A result, of which some bits count: at a byte's offset, under a mask."""

    code: str
    at: int
    mask: int
    hardware: int
    here: int


AT = {
    name: DATA + 8 * n
    for n, name in enumerate(("ONE", "TENTH", "THREE", "SMALL", "INF", "DENORMAL", "SNAN"))
}
DAZ, FTZ = DATA + 0x100, DATA + 0x110
SMALL = 3e-308
NUMBERS = (
    struct.pack("<5d2Q", 1.0, 0.1, 3.0, SMALL, float("inf"), 3, 0x7FF0000000000001).ljust(0x100)
    + struct.pack("<I12x", 0x1FC0)
    + struct.pack("<I12x", 0x9F80)
)


def x87(code: str, at: int, mask: int, hardware: int, here: int) -> Case:
    """From an initialised unit; the ten bytes of the result, then the status word's C0 to C3."""
    store = f"fnstsw %ax; and $0x4700, %eax; mov %eax, {RESULT + 12}; fstpt {RESULT}; fninit"
    return Case(f"fninit; {code.format(**AT)}; {store}", at, mask, hardware, here)


def double(code: str) -> Case:
    """Of the 64 bits of the significand the last eleven are 0, as a double has them."""
    return x87(code, 0, 0x7FF, OTHER, 0)


def sse(code: str, mxcsr: int, hardware: int, here: int) -> Case:
    """The low 64 bits of xmm0."""
    code = f"ldmxcsr {mxcsr}; {code.format(**AT)}; movups %xmm0, {RESULT}"
    return Case(code, 0, (1 << 64) - 1, hardware, here)


def flags(setup: str, code: str, mask: int, here: int) -> Case:
    """Arithmetic flags that were all clear."""
    code = f"{setup}; push $0; popf; {code}; pushf; pop %edx; mov %edx, {RESULT}"
    return Case(code, 0, mask, UNDEFINED, here)


CF, PF, AF, ZF, SF, OF = 1, 4, 16, 64, 128, 2048
CASES = {
    "C1 does not tell that a result was rounded up": x87(
        "fld1; fdivl {THREE}", 12, 0x200, 0x200, 0
    ),
    "a signalling NaN stays one when it is loaded": x87("fldl {SNAN}", 7, 0x40, 0x40, 0),
    "the NaN that fprem makes is positive": x87("fldz; fldz; fprem", 9, 0x80, 0x80, 0),
    "what fprem leaves of -1 and 1 is +0": x87("fld1; fld1; fchs; fprem", 9, 0x80, 0x80, 0),
    "fxtract takes infinity's exponent for a number": x87(
        "fldl {INF}; fxtract; fstp %st(0)", 8, 0xFFFF, 0x7FFF, 16383 + 14
    ),
    "f2xm1 of -0 is +0": x87("fldz; fchs; f2xm1", 9, 0x80, 0x80, 0),
    "fsin has 53 bits": double("fld1; fsin"),
    "fcos has 53 bits": double("fld1; fcos"),
    "fptan has 53 bits": double("fld1; fptan; fstp %st(0)"),
    "fpatan has 53 bits": double("fld1; fldl {THREE}; fpatan"),
    "fyl2x has 53 bits": double("fld1; fldl {THREE}; fyl2x"),
    "fyl2xp1 has 53 bits": double("fld1; fldl {TENTH}; fyl2xp1"),
    "f2xm1 has 53 bits": double("fldl {TENTH}; f2xm1"),
    "min and max do not take denormals for 0 when DAZ asks for it": sse(
        "movsd {ONE}, %xmm0; minsd {DENORMAL}, %xmm0", DAZ, 0, 3
    ),
    "denormal results are not made 0 when FTZ asks for it": sse(
        "movsd {SMALL}, %xmm0; mulsd {TENTH}, %xmm0",
        FTZ,
        0,
        int.from_bytes(struct.pack("<d", SMALL * 0.1), "little"),
    ),
    "aad leaves CF, AF and OF clear": flags("mov $0x7fff, %eax", "aad", CF | AF | OF, 0),
    "aaa leaves PF and ZF clear": flags("xor %eax, %eax", "aaa", PF | ZF, 0),
    "bsf of 0 sets PF": flags("xor %ecx, %ecx; xor %eax, %eax", "bsf %ecx, %eax", PF, PF),
    "a shift clears AF": flags("mov $1, %eax", "shl $1, %eax", AF, 0),
    "a long rotation sets OF": flags("mov $0x7f, %eax", "rcl $31, %eax", OF, OF),
    "mul sets ZF and PF": flags("xor %eax, %eax", "mul %eax", ZF | PF, ZF | PF),
}


def result(case: Case, data: bytes) -> int:
    return int.from_bytes(data[case.at : case.at + 8], "little") & case.mask


@pytest.mark.parametrize("name", CASES)
def test_results_here(name: str) -> None:
    case = CASES[name]
    board = Board()
    board.poke(DATA, NUMBERS)
    board.poke(RESULT, bytes(SIZE))
    assert board.asm(f"{case.code}; int $0x80") is Trap.SYSCALL
    assert result(case, board.peek(RESULT, SIZE)) == case.here
    board.close()


@pytest.mark.native
def test_results_on_the_host(tmp_path: Path) -> None:
    """What is said of hardware is so on this one."""
    pieces = [case.code for case in CASES.values()]
    found = on_the_host(tmp_path, pieces, NUMBERS, RESULT, SIZE)
    for (name, case), data in zip(CASES.items(), found, strict=True):
        if case.hardware == OTHER:
            assert result(case, data) != case.here, name
        elif case.hardware != UNDEFINED:
            assert result(case, data) == case.hardware, name
