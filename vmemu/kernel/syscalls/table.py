"""The system call table: number to handler, with the kinds of its arguments.

The kinds serve twice: signed ones are converted before the handler sees them,
and strace formats by them (see vmemu.kernel.strace for the list).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from vmemu.kernel.process.wait import Blocking

Handler = Callable[..., int | Blocking[int]]
"""Takes the task and the arguments; returns the result, raises Errno, or blocks."""

SIGNED_KINDS = frozenset({"int", "fd", "pid", "dirfd"})

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Syscall:
    """One entry of the table (sys_call_table)."""

    number: int
    name: str
    handler: Handler
    kinds: tuple[str, ...]
    signed: tuple[int, ...]
    """Indices of the arguments that are signed."""
    result: str
    """The kind of the result."""


SYSCALLS: dict[int, Syscall] = {}


def syscall(
    number: int, *kinds: str, name: str | None = None, result: str = "int"
) -> Callable[[F], F]:
    """Enter a handler, sys_NAME, under a number of i386; stack it for several numbers."""

    def register(handler: F) -> F:
        if number in SYSCALLS:
            raise ValueError(f"system call {number} is defined twice")
        signed = tuple(i for i, kind in enumerate(kinds) if kind in SIGNED_KINDS)
        SYSCALLS[number] = Syscall(
            number, name or handler.__name__.removeprefix("sys_"), handler, kinds, signed, result
        )
        return handler

    return register


def s32(value: int) -> int:
    """Read an unsigned 32-bit register as signed."""
    return value - 0x1_0000_0000 if value & 0x8000_0000 else value
