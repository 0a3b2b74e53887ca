"""Instructions of 64 bits, as `instructions` draws those of 32."""

from __future__ import annotations

import functools
import random
import struct
import subprocess
import tempfile
from pathlib import Path

from .streams import CODE, DATA, Draw, Language

GDT = 0xFFFF810000001000
TASK_SIZE = 0x7FC0000000


@functools.cache
def _real_code() -> bytes:
    """A piece of the C library: it has copies of functions for processors that have AVX."""
    with tempfile.TemporaryDirectory() as directory:
        source, target = Path(directory) / "empty.c", Path(directory) / "program"
        source.write_text("int main(void) { return 0; }\n")
        subprocess.run(["gcc", "-m64", "-static", "-o", target, source], check=True)
        return target.read_bytes()[0x2000:0x82000]


# ---- instructions ---------------------------------------------------------------------


def address(rng: random.Random) -> int:
    """Mostly what is there, or what is nearly there."""
    kind = rng.random()
    if kind < 0.35:
        return DATA + rng.randrange(8192)
    if kind < 0.55:
        return CODE + rng.randrange(8192)
    if kind < 0.7:
        return rng.choice([CODE, CODE + 4096, DATA, DATA + 4096, DATA + 8192]) - rng.randrange(16)
    if kind < 0.78:
        return GDT + rng.randrange(0x100)
    return rng.choice([
        0, 1, 2**64 - 1, 2**63, 1 << 47, (1 << 47) - 3, -(1 << 47), -(1 << 47) - 5, 1 << 40,
        TASK_SIZE - 8, TASK_SIZE, 0xFFFFFFFF, GDT - 0x1000 + rng.randrange(0x3000),
        rng.getrandbits(32), rng.getrandbits(47), rng.getrandbits(64),
    ]) % 2**64  # fmt: skip


def _rex(rng: random.Random) -> bytes:
    return bytes([0x40 | rng.randrange(16)]) if rng.random() < 0.5 else b""


def _operand(rng: random.Random, reg: int | None = None) -> bytes:
    """A modrm byte and what belongs to it."""
    reg = rng.randrange(8) if reg is None else reg
    kind = rng.random()
    if kind < 0.4:
        return bytes([0xC0 | reg << 3 | rng.randrange(8)])
    if kind < 0.6:
        return bytes([reg << 3 | 4, 0x25]) + struct.pack("<I", address(rng) & 0xFFFFFFFF)
    if kind < 0.75:
        near = rng.choice([rng.randrange(-5000, 5000), DATA - CODE + rng.randrange(8192)])
        return bytes([reg << 3 | 5]) + struct.pack("<i", near)
    mod, rm = rng.randrange(3), rng.randrange(8)
    return bytes([mod << 6 | reg << 3 | rm]) + rng.randbytes([0, 1, 4][mod] + (rm == 4))


def _one_byte(rng: random.Random) -> bytes:
    opcode = rng.choice([*range(0x40), *range(0x50, 0x60), 0x62, 0x63, *range(0x68, 0x70),
                         *range(0x80, 0xC8), *range(0xD0, 0xD8), 0xF6, 0xF7, 0xFE])  # fmt: skip
    return _rex(rng) + bytes([opcode]) + _operand(rng) + rng.randbytes(rng.choice([0, 0, 1, 4, 8]))


def _two_bytes(rng: random.Random) -> bytes:
    end = rng.randbytes(rng.choice([0, 0, 1]))
    return _rex(rng) + bytes([0x0F, rng.randrange(256)]) + _operand(rng) + end


def _three_bytes(rng: random.Random) -> bytes:
    opcode = bytes([0x0F, rng.choice([0x38, 0x3A]), rng.randrange(256)])
    return _rex(rng) + opcode + _operand(rng) + b"\x01"


def _x87(rng: random.Random) -> bytes:
    return _rex(rng) + bytes([rng.randrange(0xD8, 0xE0)]) + _operand(rng)


def _string(rng: random.Random) -> bytes:
    opcode = rng.choice([0xA4, 0xA5, 0xA6, 0xA7, 0xAA, 0xAB, 0xAC, 0xAD, 0xAE, 0xAF, 0x6C, 0x6F])
    return rng.choice([b"", b"\xf3", b"\xf2"]) + _rex(rng) + bytes([opcode])


def _stack(rng: random.Random) -> bytes:
    return _rex(rng) + rng.choice([
        bytes([rng.randrange(0x50, 0x60)]), b"\x68" + rng.randbytes(4), b"\x6a\x05", b"\xc9",
        b"\x9c", b"\x9d", b"\xc8\x10\x00" + bytes([rng.randrange(32)]), b"\x8f" + _operand(rng, 0),
        b"\xff" + _operand(rng, 6), b"\x0f\xa0", b"\x0f\xa1", b"\x0f\xa8", b"\x0f\xa9",
        b"\x48\xbc" + struct.pack("<Q", address(rng)),
    ])  # fmt: skip


def _constant(rng: random.Random) -> bytes:
    """A register gets an address, or memory by one of 8 bytes is touched."""
    value = struct.pack("<Q", address(rng))
    return rng.choice([
        bytes([0x48 | rng.randrange(2), rng.randrange(0xB8, 0xC0)]) + value,
        rng.choice([b"", b"\x48", b"\x66"]) + bytes([rng.randrange(0xA0, 0xA4)]) + value,
        b"\x67" + bytes([rng.randrange(0xA0, 0xA4)]) + value[:4],
    ])  # fmt: skip


def _segment(rng: random.Random) -> bytes:
    selector = rng.choice([0, 1, 3, 0x10, 0x18, 0x23, 0x2B, 0x33, 0x3B, 0x5B, rng.getrandbits(16)])
    load = b"\xb8" + struct.pack("<I", selector)
    reg = rng.randrange(8)
    to = b"\x48\xb9" + struct.pack("<Q", address(rng))
    return rng.choice([
        load + b"\x8e" + bytes([0xC0 | reg << 3]),
        load + b"\x50" + rng.choice([b"\x0f\xa1", b"\x0f\xa9"]),
        b"\x0f\x00" + _operand(rng, reg),  # sldt, str, lldt, ltr, verr, verw
        b"\x0f\x01" + _operand(rng, reg),  # sgdt, sidt, lgdt, lidt, smsw, lmsw
        load + b"\x0f" + rng.choice([b"\x02", b"\x03"]) + b"\xc8",  # lar, lsl
        load + b"\x50" + to + b"\x51" + rng.choice([b"\xcb", b"\x48\xcb", b"\xcf", b"\x48\xcf"]),
        _rex(rng) + rng.choice([b"\x0f\xb2", b"\x0f\xb4", b"\x0f\xb5"]) + _operand(rng),
        _rex(rng) + b"\xff" + _operand(rng, rng.choice([3, 5])),
    ])  # fmt: skip


_PRIVILEGED = [
    b"\xe4\x70", b"\xec", b"\xee", b"\xe7\x80", b"\x6c", b"\x6f", b"\xf3\x6c", b"\xf3\x6f",
    b"\x0f\x34", b"\x0f\x35", b"\x0f\x05", b"\x0f\x07", b"\x48\x0f\x07", b"\xf4", b"\xfa", b"\xfb",
    b"\x0f\x30", b"\x0f\x32", b"\x0f\x31", b"\x0f\x33", b"\x0f\x01\xf9", b"\x0f\x01\xf8",
    b"\x0f\x20\xc0", b"\x0f\x22\xc0", b"\x0f\x22\xd8", b"\x44\x0f\x20\xc0", b"\x0f\x21\xc0",
    b"\x0f\x23\xc0", b"\x0f\x06", b"\x0f\x08", b"\x0f\x09", b"\x0f\x01\xd0", b"\x0f\x01\xc8",
    b"\x0f\x01\xc9", b"\x0f\x01\xd9", b"\x0f\xaa", b"\x0f\xa2", b"\x0f\xc7\xf0",
    b"\x48\x0f\xc7\xf8", b"\x0f\x0b", b"\xcc", b"\xce", b"\xf1", b"\xcd\x03", b"\xcd\x0d",
    b"\xcd\x0e", b"\xcd\x80", b"\xcf", b"\x48\xcf", b"\x9b", b"\x0f\x77", b"\x9d", b"\xf0\x90",
    b"\x61", b"\x60", b"\xd4\x00", b"\xd6", b"\xf3\x0f\xae\xc0", b"\xf3\x48\x0f\xae\xd8",
    b"\x0f\xae\x23", b"\x48\x0f\xae\x23", b"\x0f\xae\x2b", b"\xc6\xf8\x00",
    b"\xc7\xf8\x00\x00\x00\x00",
]  # fmt: skip


def _vex(rng: random.Random) -> bytes:
    return rng.choice([
        b"\xc5" + rng.randbytes(2) + _operand(rng) + b"\x01",
        b"\xc4" + bytes([rng.randrange(8) << 5 | rng.randrange(1, 4)]) + rng.randbytes(2)
        + _operand(rng) + b"\x01",
        b"\x62" + rng.randbytes(4) + _operand(rng),
    ])  # fmt: skip


def _jump(rng: random.Random) -> bytes:
    near = struct.pack("<i", rng.randrange(-400, 400))
    return rng.choice([
        bytes([rng.choice([*range(0x70, 0x80), *range(0xE0, 0xE4), 0xEB]), rng.randrange(256)]),
        rng.choice([b"\xe8", b"\xe9", bytes([0x0F, rng.randrange(0x80, 0x90)])]) + near,
        b"\xc3", b"\xc2\x08\x00", b"\xff" + _operand(rng, rng.choice([2, 4])),
        b"\x48\xb8" + struct.pack("<Q", address(rng)) + rng.choice([b"\xff\xe0", b"\xff\xd0"]),
    ])  # fmt: skip


_KINDS: dict[Draw, float] = {
    _one_byte: 6, _two_bytes: 5, _three_bytes: 1, _x87: 3, _string: 1, _segment: 2, _stack: 1,
    _constant: 1, lambda rng: rng.choice(_PRIVILEGED): 1.5, _vex: 0.5, _jump: 0.7,
}  # fmt: skip
_PREFIXES = (0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x66, 0x67, 0x67, 0xF0, 0xF2, 0xF3, 0x48)


# ---- streams ----------------------------------------------------------------------------

_LEAKING: tuple[Draw, ...] = (
    lambda rng: bytes([0xD9, 0xC8 | rng.randrange(8)]),  # fxch
    lambda rng: bytes([rng.randrange(0xD8, 0xE0), rng.randrange(0xC0, 256)]),
    lambda rng: _rex(rng) + bytes([rng.randrange(0xD8, 0xE0), 0x05]) + b"\0\x08\0\0",
    lambda rng: rng.choice([b"\x66", b"\xf3", b"\xf2", b""]) + b"\x0f\x70\xc1" + rng.randbytes(1),
    lambda rng: rng.choice([b"\x66", b"\x4f", b""]) + b"\x0f\xc6\xc1" + rng.randbytes(1),
    lambda rng: b"\x66" + _rex(rng) + b"\x0f\x3a\x0f\xc1" + rng.randbytes(1),
    lambda rng: b"\x66" + _rex(rng) + b"\x0f\x38" + bytes([rng.randrange(64), 0xC1]),
    lambda rng: b"\xf2\x48\x0f\x38\xf0\xc1",
    lambda rng: rng.choice([b"\xf2", b"\x66"]) + b"\x0f\x78\xc1\x01\x00",
    lambda rng: rng.choice([b"\xc8\x00\x00\x00", b"\xc8\x08\x00\x03", b"\xe4\x01", b"\xec"]),
    lambda rng: b"\x8e" + rng.choice([b"\xc0", b"\xd8", b"\xe0", b"\xe8"]),
    lambda rng: rng.choice([b"\x0f\x00\xc8", b"\x48\x0f\x01\xe0", b"\x0f\x05", b"\x0f\x31"]),
    lambda rng: bytes([0x0F, rng.choice([0xA4, 0xAC, 0xC2, 0xC4, 0xC5, 0xC7, 0xAE]), 0xC1, 1]),
    lambda rng: b"\x48" + bytes([0x0F, rng.choice([0xA3, 0xAB, 0xBA, 0xBC, 0xB8, 0xC1]), 0xE1, 1]),
)


def _pattern(rng: random.Random) -> bytes:
    return b"\x48\xb8" + rng.choice([b"\xd9\xc9", b"\xc5\xc5", b"\x48\x0f", rng.randbytes(2)]) * 4


def _registers(rng: random.Random) -> bytes:
    """In the order of their numbers."""
    regs = [
        rng.choice([address(rng), address(rng), rng.randrange(16), rng.getrandbits(64)])
        for _ in range(16)
    ]
    if rng.random() < 0.8:
        regs[4] = DATA + 4096 - 8 * rng.randrange(100)
    return struct.pack("<16Q", *regs)


LANGUAGE = Language(
    kinds=_KINDS,
    prefixes=_PREFIXES,
    leaking=_LEAKING,
    real_code=_real_code,
    pattern=_pattern,
    counts=(5, 100, 450),
    rep_stos=b"\xf3\x48\xab",
    registers=_registers,
)
