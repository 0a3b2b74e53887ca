"""How long instructions are, as the core decodes them, in both widths."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
import unicorn
from test_unicorn_exits import survives
from unicorn.x86_const import UC_X86_REG_CR4

from vmemu.core import core_of

_PREFIXES = bytes.fromhex("262e363e646566676667f0f2f3")
_REX = bytes(range(0x40, 0x50))
UNPATCHED = 0xF1F1F1F1
"""What Unicorn tells a hook of some `test`s instead of their length."""


def _draw(rng: random.Random, bits: int) -> bytes:
    """24 bytes that begin as an instruction might; of VEX only in 64 bits, where it is no les."""
    prefixes = bytes(rng.choices(_PREFIXES, k=rng.choice([0, 0, 0, 1, 1, 2, 3])))
    opcodes, rex = [b"", b"", b"\x0f", b"\x0f", b"\x0f\x38", b"\x0f\x3a"], b""
    if bits == 64:
        opcodes += [b"\xc5", b"\xc4"]
        rex = bytes([rng.choice(_REX)]) if rng.random() < 0.5 else b""
        if rng.random() < 0.05:
            prefixes, rex = rex, prefixes
    return (prefixes + rex + rng.choice(opcodes) + rng.randbytes(24))[:24]


def _disassembler(bits: int) -> Any:
    """Capstone, whose library the address sanitizer does not let in."""
    if os.environ.get("VMEMU_SANITIZE") == "asan":
        pytest.skip("capstone cannot be loaded")
    import capstone

    modes = {32: capstone.CS_MODE_32, 64: capstone.CS_MODE_64}
    return capstone.Cs(capstone.CS_ARCH_X86, modes[bits])


def _told_otherwise(code: bytes, insn: Any, bits: int) -> bool:
    """What capstone reads as another processor, or nobody executes."""
    rest = code.lstrip(_PREFIXES + (_REX if bits == 64 else b""))
    if insn.mnemonic in {"ud0", "ud1", "femms", "vmread"} or rest.startswith(b"\x0f\x0f"):
        return True
    if bits == 32:  # XOP, which ends a block as soon as it is met
        return rest[0] == 0x8F and rest[1] >= 0xC0
    branch = rest[0] in (0xC2, 0xE8, 0xE9) or (rest[0] == 0x0F and rest[1] & 0xF0 == 0x80)
    return branch and 0x66 in code[: len(code) - len(rest)]  # AMD: a distance of 16 bits


@pytest.mark.parametrize("bits", [32, 64])
def test_lengths_are_those_that_capstone_finds(bits: int) -> None:
    """Of random bytes, as far as it takes them for an instruction."""
    rng = random.Random(bits)
    disassembler = _disassembler(bits)
    wrong, found = [], 0
    length = core_of(bits)[1].cpu_insn_length
    for _ in range(60_000):
        code = _draw(rng, bits)
        insn = next(disassembler.disasm(code, 0, 1), None)
        if insn is None or _told_otherwise(code, insn, bits):
            continue
        found += 1
        if length(code) != insn.size:
            wrong.append(f"{code[:15].hex()} {insn.mnemonic} {insn.op_str}: {length(code)}")
    assert found > 20_000
    assert not wrong, "\n".join(wrong[:50]) + f"\n{len(wrong)} of {found}"


@pytest.mark.parametrize("bits", [32, 64])
def test_lengths_are_those_that_unicorn_reads(bits: int) -> None:
    """The same, branches with a prefix of 66 included; it tells a hook how long they are."""
    disassembler = _disassembler(bits)
    mode = {32: unicorn.UC_MODE_32, 64: unicorn.UC_MODE_64}[bits]

    def agree() -> bool:
        rng = random.Random(bits * 10)
        uc = unicorn.Uc(unicorn.UC_ARCH_X86, mode)
        uc.ctl_set_cpu_model(17)
        uc.mem_map(0x1000, 0x2000)
        uc.reg_write(UC_X86_REG_CR4, 0x620)
        sizes: list[int] = []
        uc.hook_add(unicorn.UC_HOOK_CODE, lambda _uc, _at, size, _user: sizes.append(size))
        uc.hook_add(unicorn.UC_HOOK_INTR, lambda uc, _vector, _user: uc.emu_stop())
        clean, found = uc.context_save(), 0
        for _ in range(10_000):
            code = _draw(rng, bits)
            if b"\xf0" in code[:6] or b"\x0f\x0f" in code:
                continue
            insn = next(disassembler.disasm(code, 0, 1), None)
            if insn is None or (bits == 32 and _told_otherwise(code, insn, bits)):
                continue
            uc.context_restore(clean)
            uc.mem_write(0x1000, code)
            uc.ctl_remove_cache(0x1000, 0x1020)
            sizes.clear()
            try:
                uc.emu_start(0x1000, 0x2FFF, 0, 1)
            except unicorn.UcError as error:
                if error.errno == unicorn.UC_ERR_INSN_INVALID:
                    continue
            if sizes and sizes[0] != UNPATCHED:
                found += 1
                assert core_of(bits)[1].cpu_insn_length(code) == sizes[0], code.hex()
        return found > 2_000

    survives(agree)


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("opcode", [0x20, 0x21, 0x22, 0x23])
def test_a_move_to_or_from_a_control_register_has_no_operand_in_memory(
    opcode: int, bits: int
) -> None:
    """Whatever its mod bits say."""
    length = core_of(bits)[1].cpu_insn_length
    for modrm in range(256):
        assert length(bytes([0x0F, opcode, modrm]).ljust(24, b"\x80")) == 3
