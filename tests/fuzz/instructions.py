"""Instructions: streams of bytes that user code executes, drawn in several ways.

A case is a machine drawn by the seed and a list of streams, which `runner.c` executes, each
in a process of its own: noise, instructions in random order, those that the CPU emulator has
trouble with in long runs, real code with bytes changed, what ring 3 may not do.  They are
entered anywhere, with registers that are nearly right; some catch the signals they get and
go on behind what raised them.  Whatever they do, the process lives, the kernel's books agree,
and nothing is raised but the news that everybody sleeps.  The instructions of 64 bits are
`long_mode`'s; `streams` makes streams of either.
"""

from __future__ import annotations

import functools
import random
import struct
import tempfile
from pathlib import Path
from typing import Any

from vmemu import _build
from vmemu.errors import VmemuError
from vmemu.kernel.process.task import Task
from vmemu.lab.guests import guest_path
from vmemu.machine import Machine
from vmemu.rmap import schemes

from . import long_mode
from .streams import CODE, DATA, Draw, Language

UNITS = "streams"
WIDTHS = (32, 64)
SEEDS: tuple[int, ...] = (2001,)
SEEDS_64: tuple[int, ...] = ()
"""Cases that once found something."""

STREAMS = 100
STEPS = 40_000
"""After so many steps of the kernel a case is over, whatever still runs."""
BETWEEN_CHECKS = 4000

_GDT = 0xC0001000


def runner(bits: int) -> bytes:
    """The program that executes streams, built once."""
    return _build.guest_program(Path(__file__).with_name("runner.c"), bits)


# ---- instructions ---------------------------------------------------------------------


def _address(rng: random.Random) -> int:
    kind = rng.random()
    if kind < 0.35:
        return DATA + rng.randrange(8192)
    if kind < 0.55:
        return CODE + rng.randrange(8192)
    if kind < 0.7:
        return rng.choice([CODE, CODE + 4096, DATA, DATA + 4096, DATA + 8192]) - rng.randrange(16)
    if kind < 0.8:
        return _GDT + rng.randrange(0x100)
    return rng.choice([0, 1, 0xFFFFFFFF, 0x80000000, 0xBFFFFFF0, 0xC0000000, rng.getrandbits(32)])


def _operand(rng: random.Random, reg: int | None = None) -> bytes:
    """A modrm byte and what belongs to it."""
    reg = rng.randrange(8) if reg is None else reg
    kind = rng.random()
    if kind < 0.4:
        return bytes([0xC0 | reg << 3 | rng.randrange(8)])
    if kind < 0.7:
        return bytes([reg << 3 | 5]) + struct.pack("<I", _address(rng))
    mod, rm = rng.randrange(3), rng.randrange(8)
    return bytes([mod << 6 | reg << 3 | rm]) + rng.randbytes([0, 1, 4][mod] + (rm == 4))


def _one_byte(rng: random.Random) -> bytes:
    opcode = rng.choice([*range(0x40), *range(0x60), *range(0x80, 0xC8), *range(0xD0, 0xD8), 0xF6,
                         0xF7, 0xFE])  # fmt: skip
    return bytes([opcode]) + _operand(rng) + rng.randbytes(rng.choice([0, 0, 1, 4]))


def _two_bytes(rng: random.Random) -> bytes:
    return bytes([0x0F, rng.randrange(256)]) + _operand(rng) + rng.randbytes(rng.choice([0, 0, 1]))


def _three_bytes(rng: random.Random) -> bytes:
    return bytes([0x0F, rng.choice([0x38, 0x3A]), rng.randrange(256)]) + _operand(rng) + b"\x01"


def _x87(rng: random.Random) -> bytes:
    return bytes([rng.randrange(0xD8, 0xE0)]) + _operand(rng)


def _string(rng: random.Random) -> bytes:
    return rng.choice([b"", b"\xf3", b"\xf2"]) + bytes(
        [rng.choice([0xA4, 0xA5, 0xA6, 0xA7, 0xAA, 0xAB, 0xAC, 0xAD, 0xAE, 0xAF, 0x6C, 0x6F])]
    )


def _segment(rng: random.Random) -> bytes:
    selector = rng.choice([0, 1, 3, 0x33, 0x3B, 0x43, 0x60, 0x68, 0x73, 0x7B, rng.getrandbits(16)])
    load = b"\xb8" + struct.pack("<I", selector)
    reg = rng.randrange(8)
    pointer = struct.pack("<IH", _address(rng), selector)
    return rng.choice([
        load + b"\x8e" + bytes([0xC0 | reg << 3]),
        load + b"\x50" + rng.choice([b"\x07", b"\x17", b"\x1f", b"\x0f\xa1", b"\x0f\xa9"]),
        b"\x0f\x00" + _operand(rng, reg),  # sldt, str, lldt, ltr, verr, verw
        b"\x0f\x01" + _operand(rng, reg),  # sgdt, sidt, lgdt, lidt, smsw, lmsw
        load + b"\x0f" + rng.choice([b"\x02", b"\x03"]) + b"\xc8",  # lar, lsl
        b"\xea" + pointer, b"\x9a" + pointer,
        load + b"\x50\x68" + struct.pack("<I", _address(rng)) + rng.choice([b"\xcb", b"\xcf"]),
        rng.choice([b"\xc4", b"\xc5", b"\x0f\xb2", b"\x0f\xb4", b"\x0f\xb5"]) + _operand(rng),
        b"\xff" + _operand(rng, rng.choice([3, 5])),
    ])  # fmt: skip


_PRIVILEGED = [
    b"\xe4\x70", b"\xec", b"\xee", b"\xe7\x80", b"\x6c", b"\x6f", b"\xf3\x6c", b"\xf3\x6f",
    b"\x0f\x34", b"\x0f\x35", b"\x0f\x05", b"\x0f\x07", b"\xf4", b"\xfa", b"\xfb", b"\x0f\x30",
    b"\x0f\x32", b"\x0f\x31", b"\x0f\x33", b"\x0f\x01\xf9", b"\x0f\x20\xc0", b"\x0f\x22\xc0",
    b"\x0f\x22\xd8", b"\x0f\x21\xc0", b"\x0f\x23\xc0", b"\x0f\x06", b"\x0f\x08", b"\x0f\x09",
    b"\x0f\x01\xd0", b"\x0f\x01\xc8", b"\x0f\x01\xc9", b"\x0f\x01\xd9", b"\x0f\xaa", b"\x0f\xa2",
    b"\x0f\xc7\xf0", b"\x0f\xc7\xf8", b"\x0f\x0b", b"\x0f\xff", b"\xcc", b"\xce", b"\xf1",
    b"\xcd\x03", b"\xcd\x0d", b"\xcd\x0e", b"\xcd\x80", b"\xcf", b"\x9b", b"\x0f\x77", b"\x9d",
    b"\xf0\x90", b"\xc8\x00\x00\x1f", b"\xc9", b"\x61", b"\x60", b"\xd4\x00", b"\x62\xf1\x7c\x48",
]  # fmt: skip


def _vex(rng: random.Random) -> bytes:
    return rng.choice([
        b"\xc5" + bytes([rng.randrange(0xC0, 256), rng.randrange(256)]) + _operand(rng),
        b"\xc4" + bytes([rng.randrange(0xC0, 256), *rng.randbytes(2)]) + _operand(rng),
        b"\x62" + bytes([rng.randrange(0xC0, 256), *rng.randbytes(3)]) + _operand(rng),
    ])  # fmt: skip


def _jump(rng: random.Random) -> bytes:
    near = struct.pack("<i", rng.randrange(-400, 400))
    return rng.choice([
        bytes([rng.choice([*range(0x70, 0x80), *range(0xE0, 0xE4), 0xEB]), rng.randrange(256)]),
        rng.choice([b"\xe8", b"\xe9", bytes([0x0F, rng.randrange(0x80, 0x90)])]) + near,
        b"\xc3", b"\xc2\x04\x00", b"\xff" + _operand(rng, rng.choice([2, 4])),
    ])  # fmt: skip


_KINDS: dict[Draw, float] = {
    _one_byte: 6, _two_bytes: 5, _three_bytes: 1, _x87: 3, _string: 1, _segment: 2,
    lambda rng: rng.choice(_PRIVILEGED): 1.5, _vex: 0.5, _jump: 0.7,
}  # fmt: skip
_PREFIXES = (0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x66, 0x67, 0xF0, 0xF2, 0xF3)


# ---- streams ----------------------------------------------------------------------------

_LEAKING: tuple[Draw, ...] = (
    lambda rng: bytes([0xD9, 0xC8 | rng.randrange(8)]),  # fxch
    lambda rng: bytes([rng.randrange(0xD8, 0xE0), rng.randrange(0xC0, 256)]),
    lambda rng: bytes([0xD9, 5]) + struct.pack("<I", DATA + 4 * rng.randrange(256)),
    lambda rng: rng.choice([b"\x66", b"\xf3", b"\xf2", b""]) + b"\x0f\x70\xc1" + rng.randbytes(1),
    lambda rng: rng.choice([b"\x66", b""]) + b"\x0f\xc6\xc1" + rng.randbytes(1),
    lambda rng: b"\x66\x0f\x3a\x0f\xc1" + rng.randbytes(1),
    lambda rng: b"\x66\x0f\x38" + bytes([rng.randrange(64), 0xC1]),
    lambda rng: b"\xf2\x0f\x38\xf0\xc1",
    lambda rng: rng.choice([b"\xf2", b"\x66"]) + b"\x0f\x78\xc1\x01\x00",
    lambda rng: rng.choice([b"\xd4\x0a", b"\xd5\x0a", b"\xce", b"\xc8\x00\x00\x00"]),
    lambda rng: b"\x8e" + rng.choice([b"\xc0", b"\xd8", b"\xe0"]),
    lambda rng: b"\x0f\x00\xc8",
    lambda rng: bytes([0x0F, rng.choice([0xA4, 0xAC, 0xC2, 0xC4, 0xC5, 0xC7, 0xAE]), 0xC1, 1]),
)


@functools.cache
def _real_code() -> bytes:
    return b"".join(
        Path(guest_path(name)).read_bytes()[0x1000:0x3000] for name in ("bench", "touch", "crowd")
    )


def _pattern(rng: random.Random) -> bytes:
    words = rng.choice([0xC9D9C9D9, 0x0AD40AD4, 0xCECECECE, 0xC5C5C5C5, rng.getrandbits(32)])
    return b"\xb8" + struct.pack("<I", words)


def _registers(rng: random.Random) -> bytes:
    """As popal has them, then esp."""
    general = [
        rng.choice([_address(rng), _address(rng), rng.randrange(16), rng.getrandbits(32)])
        for _ in range(8)
    ]
    esp = DATA + 4096 - 4 * rng.randrange(100) if rng.random() < 0.8 else _address(rng)
    return struct.pack("<9I", *general, esp)


LANGUAGE = Language(
    kinds=_KINDS,
    prefixes=_PREFIXES,
    leaking=_LEAKING,
    real_code=_real_code,
    pattern=_pattern,
    counts=(10, 200, 900),
    rep_stos=b"\xf3\xab",
    registers=_registers,
)
LANGUAGES = {32: LANGUAGE, 64: long_mode.LANGUAGE}


# ---- machines ---------------------------------------------------------------------------


def _machine(rng: random.Random, bits: int) -> Machine:
    options: dict[str, Any] = {
        "bits": bits,
        "rmap": rng.choice(sorted(schemes())),
        "ram": rng.choice(["1M", "2M", "8M"]),
        "swap": "4M",
        "slice_blocks": rng.choice([20, 200, 2000]),
        "events": rng.choice([0, 0, 4096]),
        "fault_path": rng.choice(["c", "c", "python"]),
        "seed": rng.getrandbits(16),
    }
    return Machine(**options)


def case(seed: int, bits: int = 32) -> int:
    """Run one machine full of streams; how many it began."""
    rng = random.Random(seed)
    streams = b"".join(LANGUAGES[bits].stream(rng) for _ in range(STREAMS))
    begun = 0

    def count(_task: Task, _name: str, _number: int, _b: int) -> None:
        nonlocal begun
        begun += 1

    with tempfile.TemporaryDirectory() as directory, _machine(rng, bits) as machine:
        program = Path(directory) / "runner"
        program.write_bytes(runner(bits))
        program.chmod(0o755)
        machine.kernel.log = lambda _line: None
        machine.kernel.on_mark = count
        machine.spawn(program, stdin=streams, stdout=None, stderr=None)
        _run(machine)
    return begun


def _run(machine: Machine) -> None:
    kernel = machine.kernel
    assert kernel.first is not None
    for step in range(STEPS):
        if not kernel.first.alive:
            break
        if step % BETWEEN_CHECKS == 0:
            machine.check()
        try:
            kernel.step()
        except VmemuError as error:
            if not str(error).startswith("deadlock"):
                raise
            kernel.kill_all()
    machine.check()
    kernel.kill_all()
    machine.check()
