"""The system call table: number to handler, with the kinds of its arguments.

The kinds serve twice: numbers are cut and signed as C would before the handler sees them,
and strace formats by them (see vmemu.kernel.strace for the list).
"""

from __future__ import annotations

import functools
import importlib
import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from vmemu.kernel.process.wait import Blocking

Handler = Callable[..., int | Blocking[int]]
"""Takes the task and the arguments; returns the result, raises Errno, or blocks."""

SIGNED_KINDS = frozenset({"int", "fd", "pid", "dirfd"})
WIDE_KINDS = frozenset(
    {"ptr", "size", "long", "xlong", "str", "strv", "buf", "rbuf", "iov", "wstatus", "pipefd",
     "timespec", "cloneargs", "prot", "mapfl", "mremapfl"}
)  # fmt: skip
"""Those as wide as a long; the others have 32 bits in either width."""

F = TypeVar("F", bound=Callable[..., Any])


class Syscall(NamedTuple):
    """One entry of the table (sys_call_table)."""

    number: int
    name: str
    handler: Handler
    kinds: tuple[str, ...]
    result: str
    """The kind of the result."""


class Table(dict[int, Syscall]):
    """The calls of one width by number.

    To look one up by its number imports the modules that are left if it is not there; so does
    whatever asks for all of them.
    """

    def __missing__(self, number: int) -> Syscall:
        if not _load_rest():
            raise KeyError(number)
        return self[number]

    def get(self, number: int, default: Any = None) -> Any:
        """As of a dict."""
        try:
            return self[number]
        except KeyError:
            return default

    def __iter__(self) -> Iterator[int]:
        _load_rest()
        return super().__iter__()

    def __len__(self) -> int:
        _load_rest()
        return super().__len__()

    def __contains__(self, number: object) -> bool:
        _load_rest()
        return super().__contains__(number)

    def keys(self) -> Any:
        """As of a dict."""
        _load_rest()
        return super().keys()

    def values(self) -> Any:
        """As of a dict."""
        _load_rest()
        return super().values()

    def items(self) -> Any:
        """As of a dict."""
        _load_rest()
        return super().items()


_rest: list[str] = []


def later(*modules: str) -> None:
    """Name the modules of this package that are imported when they are needed."""
    _rest.extend(modules)


def _load_rest() -> bool:
    """Import them; whether there were any."""
    names = _rest.copy()
    _rest.clear()  # they enter their calls now
    for name in names:
        importlib.import_module(f"{__package__}.{name}")
    return bool(names)


SYSCALLS, SYSCALLS_64 = Table(), Table()
TABLES = {32: SYSCALLS, 64: SYSCALLS_64}


def syscall(
    number: int | None,
    *kinds: str,
    x64: int | None = None,
    name: str | None = None,
    name64: str | None = None,
    result: str = "int",
) -> Callable[[F], F]:
    """Enter a handler, sys_NAME, under its number of i386 and that of x86-64.

    None: the width has no such call, or has it under this number by another decorator;
    ``name64`` is its name there, if it is another.
    """

    def register(handler: F) -> F:
        own = name or handler.__name__.removeprefix("sys_")
        for bits, at, called in ((32, number, own), (64, x64, name64 or own)):
            if at is None:
                continue
            entry = Syscall(at, called, handler, kinds, result)
            if TABLES[bits].setdefault(at, entry) is not entry:
                raise ValueError(f"system call {at} of {bits} bits is defined twice")
        return handler

    return register


@functools.cache
def arguments(bits: int, kinds: tuple[str, ...]) -> Callable[[Any], tuple[int, ...]]:
    """What takes the arguments of these kinds from the words of the registers."""
    return struct.Struct("<" + "".join(_field(bits, kind) for kind in kinds)).unpack_from


def _field(bits: int, kind: str) -> str:
    """How much of a word counts, and whether it has a sign."""
    if bits == 32:
        return "i" if kind in SIGNED_KINDS or kind == "long" else "I"
    if kind == "long":
        return "q"
    if kind in SIGNED_KINDS:
        return "i4x"
    return "Q" if kind in WIDE_KINDS else "I4x"


def s32(value: int) -> int:
    """The low half of a register, as a signed number."""
    value &= 0xFFFFFFFF
    return value - 0x1_0000_0000 if value & 0x8000_0000 else value


def s64(value: int) -> int:
    """A register of 64 bits as a signed number."""
    return value - (1 << 64) if value >> 63 else value
