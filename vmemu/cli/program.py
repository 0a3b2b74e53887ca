"""What PROGRAM means on a command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from vmemu.vfs.bind import Bind

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


def find(
    typed: str, bits: int | None, root: str | None = None, binds: Sequence[str] = ()
) -> Program:
    """A file, a C source that is compiled now, or a shipped guest; ``bits`` if they were given.

    With a root, a name that begins with / is one that guests see: in it, or what is bound there.

    Raises ConfigError for a name that is none of these, and when there is no program of the
    source.
    """
    from vmemu.lab.guests import find_program, is_source

    if root is not None and typed.startswith("/"):
        return Program(typed, typed, bits or _bits_inside(root, binds, typed), inside=True)
    if is_source(typed):
        from vmemu.lab.compiling import compile_program

        bits = bits or 64
        return Program(compile_program(typed, bits), typed.removesuffix(".c"), bits)
    path = find_program(typed, bits or 32)
    if bits is None:
        from vmemu.kernel.program.elf import elf_bits

        bits = elf_bits(path)
    return Program(path, typed, bits)


def _bits_inside(root: str, binds: Sequence[str], path: str) -> int:
    """The width of a program that guests see, or of a script's interpreter.

    It is 32 where the file does not say.  ConfigError without a root, or for what cannot be bound.
    """
    import os

    from vmemu import arguments
    from vmemu.errors import Errno
    from vmemu.kernel.program.elf import bits_of
    from vmemu.kernel.program.script import BINPRM_BUF_SIZE, MAX_INTERPRETERS, script_words
    from vmemu.vfs.hostfs import peek

    directory, bound = arguments.directory("root", root), arguments.binds(binds)
    try:
        for _ in range(MAX_INTERPRETERS + 1):
            head = peek(*_on_host(directory, bound, path), BINPRM_BUF_SIZE)
            words = script_words(head)
            if words is None:
                return bits_of(head[:5])
            path = os.fsdecode(words[0])
    except Errno:
        pass
    return 32  # the machine says what is wrong


def _on_host(root: str, binds: Sequence[Bind], path: str) -> tuple[str, bytes]:
    """The host's directory that has what guests see at a path, and its name in there."""
    import os

    for bind in reversed(binds):  # a later one hides what an earlier one shows
        place = bind.guest.rstrip("/")
        if path == place:
            directory, _, name = bind.host.rstrip("/").rpartition("/")
            return directory or ("/" if bind.host.startswith("/") else "."), os.fsencode(name)
        if path.startswith(place + "/"):
            return bind.host, os.fsencode(path[len(place) :])
    return root, os.fsencode(path)
