"""Floating-point exception flags: what sets them here, and what does on hardware."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

import pytest
from board import DATA, Board
from hardware import on_the_host

from vmemu.cpu import Trap

IE, DE, ZE, OE, UE, PE, SF = 1, 2, 4, 8, 16, 32, 64


class Case(NamedTuple):
    code: str
    hardware: int
    here: int = 0


THREE, FRACTION, DENORMAL, HUGE, TINY, NEGATIVE, SNAN, OUT = (
    DATA + 8 * n for n in (0, 1, 2, 3, 4, 5, 6, 8)
)
_NUMBERS = struct.pack("<QdQdddQ", 3, 1.3, 1, 1e300, 1e-300, -4.0, 0x7FF0000000000001)
MXCSR, RESULT = DATA + 0x100, DATA + 0x200

X87 = {
    "0/0": Case("fldz; fldz; fdivp", IE, ZE),
    "a quiet NaN compared": Case("fldz; fldz; fdivp; fnclex; fld1; fcomip", IE),
    "root of -1": Case("fld1; fchs; fsqrt", IE),
    "an integer too large": Case(f"fldl {HUGE}; fistpl {OUT}", IE),
    "an empty register": Case("fadd %st(1)", IE | SF),
    "a denormal": Case(f"fldl {DENORMAL}", DE),
    "1/0": Case("fldz; fld1; fdivp", ZE, ZE),
    "log 0": Case("fld1; fldz; fyl2x", ZE),
    "overflow": Case(f"fldl {HUGE}; fstps {OUT}", OE | PE),
    "underflow": Case(f"fldl {TINY}; fstps {OUT}", UE | PE),
    "1/3": Case(f"fld1; fidivl {THREE}", PE),
    "rounded when stored": Case(f"fldl {FRACTION}; fstps {OUT}", PE),
    "rounded to an integer": Case(f"fldl {FRACTION}; frndint", PE),
    "sine": Case("fld1; fsin", PE),
}
"""After fninit; the flags of the status word.  `fdivp` divides by st(0) in this notation."""

SSE = {
    "0/0": Case("xorpd %xmm0, %xmm0; divsd %xmm0, %xmm0", IE),
    "root of -4": Case(f"movsd {NEGATIVE}, %xmm0; sqrtsd %xmm0, %xmm0", IE),
    "a signalling NaN compared": Case(f"movsd {SNAN}, %xmm0; comisd %xmm0, %xmm0", IE),
    "an integer too large": Case(f"movsd {HUGE}, %xmm0; cvttsd2si %xmm0, %eax", IE),
    "a denormal": Case(f"movsd {DENORMAL}, %xmm0; addsd %xmm0, %xmm0", DE),
    "1.3/0": Case(f"movsd {FRACTION}, %xmm0; xorpd %xmm1, %xmm1; divsd %xmm1, %xmm0", ZE),
    "overflow": Case(f"movsd {HUGE}, %xmm0; mulsd %xmm0, %xmm0", OE | PE),
    "underflow": Case(f"movsd {TINY}, %xmm0; mulsd %xmm0, %xmm0", UE | PE),
    "root of 1.3": Case(f"movsd {FRACTION}, %xmm0; sqrtsd %xmm0, %xmm0", PE),
    "made shorter": Case(f"movsd {FRACTION}, %xmm0; cvtsd2ss %xmm0, %xmm0", PE),
}
"""With MXCSR 0x1f80 before; its flags."""


def _source(kind: str, code: str) -> str:
    if kind == "x87":
        return f"fninit; {code}; fnstsw {RESULT}"
    return f"ldmxcsr {MXCSR}; {code}; stmxcsr {RESULT}"


_ALL = [("x87", name, case) for name, case in X87.items()] + [
    ("sse", name, case) for name, case in SSE.items()
]
_IDS = [f"{kind} {name}" for kind, name, _ in _ALL]


@pytest.mark.parametrize(("kind", "name", "case"), _ALL, ids=_IDS)
def test_flags_here(kind: str, name: str, case: Case) -> None:
    board = Board()
    board.poke(DATA, _NUMBERS)
    board.poke(MXCSR, struct.pack("<I", 0x1F80))
    board.poke(RESULT, bytes(4))
    assert board.asm(f"{_source(kind, case.code)}; int $0x80") is Trap.SYSCALL
    assert board.peek32(RESULT) & 0x7F == case.here
    board.close()


@pytest.mark.native
def test_flags_on_the_host(tmp_path: Path) -> None:
    """What is said of hardware is so on this one."""
    data = _NUMBERS.ljust(MXCSR - DATA, b"\0") + struct.pack("<I", 0x1F80)
    pieces = [_source(kind, case.code) for kind, _, case in _ALL]
    flags = [word[0] & 0x7F for word in on_the_host(tmp_path, pieces, data, RESULT, 4)]
    assert dict(zip(_IDS, flags, strict=True)) == {
        name: case.hardware for name, (_, _, case) in zip(_IDS, _ALL, strict=True)
    }
