"""The shape of an agreement between programs and kernel."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Abi"]


class Abi(NamedTuple):
    """Numbers, registers and layouts of one architecture.

    Layouts are the struct module's, little-endian and without padding of their own, with N
    and n for an unsigned and a signed long (see vmemu.kernel.uaccess).
    """

    bits: int
    machine: str
    """What uname() calls it."""
    platform: bytes
    """AT_PLATFORM."""
    hwcap: int
    """AT_HWCAP: CPUID 1 edx."""
    elf_machine: int
    """e_machine of its programs."""
    nr_restart_syscall: int
    sigreturns: frozenset[int]
    """System calls that bring a register's value back instead of a result."""
    entry_size: int
    """Bytes of the instruction that makes a call."""
    structs: dict[str, str]
    """Layouts by name, of structures that differ by more than the width of long."""
