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
    inside: bool = False
    """The path is one in the machine's root."""


def find(typed: str, bits: int | None, root: str | None = None) -> Program:
    """A file, a C source that is compiled now, or a shipped guest; ``bits`` if they were given.

    With a root, a name that begins with / is a file in it.

    Raises ConfigError for a name that is none of these, and when there is no program of the
    source.
    """
    from vmemu.lab.guests import find_program, is_source

    if root is not None and typed.startswith("/"):
        return Program(typed, typed, bits or _bits_inside(root, typed), inside=True)
    if is_source(typed):
        from vmemu.lab.compiling import compile_program

        bits = bits or 64
        return Program(compile_program(typed, bits), typed.removesuffix(".c"), bits)
    path = find_program(typed, bits or 32)
    if bits is None:
        from vmemu.kernel.program.elf import elf_bits

        bits = elf_bits(path)
    return Program(path, typed, bits)


def _bits_inside(root: str, path: str) -> int:
    """The width of a program in a root, or of a script's interpreter; ConfigError without a root.

    It is 32 where the file does not say.
    """
    import os

    from vmemu import arguments
    from vmemu.errors import Errno
    from vmemu.kernel.program.elf import bits_of
    from vmemu.kernel.program.script import BINPRM_BUF_SIZE, MAX_INTERPRETERS, script_words
    from vmemu.vfs.hostfs import peek

    directory, name = arguments.directory("root", root), os.fsencode(path)
    try:
        for _ in range(MAX_INTERPRETERS + 1):
            head = peek(directory, name, BINPRM_BUF_SIZE)
            words = script_words(head)
            if words is None:
                return bits_of(head[:5])
            name = words[0]
    except Errno:
        pass
    return 32  # the machine says what is wrong
