"""How a call's arguments are taken from the words of the registers."""

from __future__ import annotations

import pytest

from tests.width import BITS
from vmemu.kernel.syscalls import TABLES
from vmemu.kernel.syscalls.table import SIGNED_KINDS, WIDE_KINDS, arguments

WORDS = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)


def as_c_has_it(kind: str, word: int) -> int:
    """The parameter's value: so many bits of the register, and the uppermost may be the sign."""
    bits = BITS if kind in WIDE_KINDS else 32
    value = word % (1 << bits)
    signed = kind in SIGNED_KINDS or kind == "long"
    return value - (1 << bits) if signed and value >> bits - 1 else value


@pytest.mark.parametrize("first", range(len(WORDS)))
def test_every_call_gets_what_c_would_give_it(first: int) -> None:
    words = [WORDS[(first + i) % len(WORDS)] % (1 << BITS) for i in range(6)]
    registers = b"".join(word.to_bytes(BITS // 8, "little") for word in words)
    for entry in TABLES[BITS].values():
        assert arguments(BITS, entry.kinds)(registers) == tuple(
            as_c_has_it(kind, word) for kind, word in zip(entry.kinds, words, strict=False)
        ), entry.name
