"""What PROGRAM means on a command line."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Program", "find"]


class Program(NamedTuple):
    """A program to run."""

    path: str
    name: str
    """Its argv[0]: as it was typed, a source without its .c."""
    bits: int
    """The width of its machine."""


def find(typed: str, bits: int | None) -> Program:
    """A file, a C source that is compiled now, or a shipped guest; ``bits`` if they were given.

    Raises ConfigError for a name that is none of these, and when there is no program of the
    source.
    """
    from vmemu.lab.guests import find_program, is_source

    if is_source(typed):
        from vmemu.lab.compiling import compile_program

        bits = bits or 64
        return Program(compile_program(typed, bits), typed.removesuffix(".c"), bits)
    path = find_program(typed, bits or 32)
    if bits is None:
        from vmemu.kernel.program.elf import elf_bits

        bits = elf_bits(path)
    return Program(path, typed, bits)
