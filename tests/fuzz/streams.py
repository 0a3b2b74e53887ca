"""Streams of instructions: how they are drawn in any width, and what runner.c reads of each."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

CODE, DATA, BYTES = 0x50000000, 0x51000000, 4096
"""Where runner.c has two pages of either, and how many bytes of code it reads."""
CATCH, TLS, FLUSH, PAIR, READ_ONLY = 1, 2, 4, 8, 16

Draw = Callable[[random.Random], bytes]


class Head(NamedTuple):
    """What runner.c reads before the registers and the code: four words of 32 bits.

    ``entry`` is an address; ``size`` are bytes of code, placed there.
    """

    flags: int
    entry: int
    size: int
    eflags: int

    def encode(self) -> bytes:
        return struct.pack("<4I", *self)


def place(rng: random.Random, code: bytes, registers: Draw) -> bytes:
    """One stream as runner.c reads it: where ``code`` goes, and what it begins with."""
    flags = 0
    for flag, chance in ((CATCH, 0.6), (TLS, 0.3), (FLUSH, 0.3), (PAIR, 0.2), (READ_ONLY, 0.3)):
        flags |= flag if rng.random() < chance else 0
    entry = CODE + (rng.randrange(4096) if rng.random() < 0.5 else rng.choice([0, 0, 4090]))
    code = code[:BYTES]
    eflags = 2 | rng.choice([0, 0, 0, 0x400, 0x8D5, 0x40000, 0x100 if rng.random() < 0.1 else 0])
    head = Head(flags, entry, len(code), eflags)
    return head.encode() + registers(rng) + code.ljust(BYTES, b"\0")


@dataclass(frozen=True)
class Language:
    """The instructions of one width.

    ``kinds`` are weighted; ``leaking``: kinds that the CPU emulator has trouble with in long
    runs; ``pattern`` loads the accumulator with what ``rep_stos`` then writes over code,
    ``counts`` times; ``registers``: all of them as runner.c loads them.
    """

    kinds: Mapping[Draw, float]
    prefixes: Sequence[int]
    leaking: Sequence[Draw]
    real_code: Callable[[], bytes]
    pattern: Draw
    counts: Sequence[int]
    rep_stos: bytes
    registers: Draw

    def instruction(self, rng: random.Random) -> bytes:
        """One instruction, or nearly one."""
        draw = rng.choices(list(self.kinds), list(self.kinds.values()))[0]
        prefixes = 0 if rng.random() < 0.8 else rng.choice([1, 1, 2, 3, 13, 14])
        return bytes(rng.choices(self.prefixes, k=prefixes)) + draw(rng)

    def stream(self, rng: random.Random) -> bytes:
        """What runner.c reads for one: a Head, registers, BYTES of code."""
        ways: dict[Draw, float] = {
            self._noise: 2, self._valid: 5, self._dense: 3, self._one_over_and_over: 2,
            self._mutated: 2, self._self_modifying: 1.5,
        }  # fmt: skip
        draw = rng.choices(list(ways), list(ways.values()))[0]
        return place(rng, draw(rng), self.registers)

    def _noise(self, rng: random.Random) -> bytes:
        return rng.randbytes(rng.choice([16, 100, 1000, BYTES]))

    def _valid(self, rng: random.Random) -> bytes:
        return b"".join(self.instruction(rng) for _ in range(rng.choice([5, 30, 200, 600])))

    def _dense(self, rng: random.Random) -> bytes:
        """One kind again and again, or some of them, and seldom another instruction."""
        kinds = rng.sample(self.leaking, rng.choice([1, 1, 2, 5]))
        same = rng.choice(kinds)(rng)
        only, others = rng.random() < 0.4, rng.choice([0, 0, 0.01, 0.1])
        out = bytearray()
        while len(out) < rng.choice([1000, BYTES]):
            out += self.instruction(rng) if rng.random() < others else (
                same if only else rng.choice(kinds)(rng)
            )  # fmt: skip
        return bytes(out)

    def _one_over_and_over(self, rng: random.Random) -> bytes:
        """Whichever it is: not only the kinds known to be trouble."""
        one = self.instruction(rng)
        return one * (BYTES // len(one))

    def _mutated(self, rng: random.Random) -> bytes:
        code = self.real_code()
        size = rng.choice([200, 2000])
        start = rng.randrange(len(code) - size)
        out = bytearray(code[start : start + size])
        for _ in range(rng.choice([0, 1, 5, 50])):
            at = rng.randrange(size)
            out[at : at + 1] = rng.choice([rng.randbytes(1), self.instruction(rng), b""]) or b"\x90"
        return bytes(out)

    def _self_modifying(self, rng: random.Random) -> bytes:
        """Writes what is drawn over its own page, and runs into it."""
        load = self.pattern(rng)
        to = CODE + rng.choice([0, 0x100, 0x800, 0x1000]) + rng.randrange(64)
        count = rng.choice(self.counts)
        head = b"\xfc\xbf" + struct.pack("<I", to) + load
        head += b"\xb9" + struct.pack("<I", count) + self.rep_stos
        return head + (b"\xe9" + struct.pack("<i", rng.randrange(-64, 64)) + self._valid(rng))
