"""What a caller hands to a machine, looked at before it is used: ConfigError names it."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vmemu.errors import ConfigError

if TYPE_CHECKING:
    from vmemu.vfs.bind import Bind

__all__ = [
    "WIDTHS",
    "binds",
    "directory",
    "environment",
    "flag",
    "integer",
    "nanoseconds",
    "program",
    "size",
    "stream",
    "strings",
    "width",
]

WIDTHS = {32: "i386", 64: "x86-64"}
"""Bits of a guest's word, and what such a machine is called."""

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def integer(what: str, value: object, low: int, high: int) -> None:
    """ConfigError unless ``value`` is an int, no bool, from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"{what} must be {low} to {high}, not {_shown(value)}")


def size(text: str | int, what: str) -> int:
    """Bytes from ``4096``, ``"512K"``, ``"32M"``, ``"1G"``; ConfigError names ``what``."""
    if isinstance(text, int) and not isinstance(text, bool):
        found = text
    elif not isinstance(text, str):
        raise ConfigError(f"{what} must be a size in bytes or such as 32M, not {text!r}")
    else:
        match = re.fullmatch(r"(\d{1,15})([KMG]?)B?", text.strip(), re.IGNORECASE)
        if match is None:
            raise ConfigError(f"{what} must be a size such as 512K, 32M or 1G, not {text[:40]!r}")
        found = int(match[1]) * _UNITS[match[2].upper()]
    if found >= 1 << 40:
        raise ConfigError(f"{what} must be below 1024G, not {text!r}")
    if found < 0 or found % 4096:
        raise ConfigError(f"{what} must be a multiple of 4096 bytes, not {text!r}")
    return found


def release(value: object) -> str:
    """The release of a kernel, such as "6.1.0-9-amd64"; ConfigError for what is none."""
    if not isinstance(value, str) or not re.fullmatch(r"\d+\.\d+[!-~]{0,58}", value):
        raise ConfigError(f"uname must be a release such as 6.1.0, not {value!r}")
    return value


def width(bits: object) -> int:
    """The bits of a word; ConfigError unless they are one of WIDTHS."""
    if isinstance(bits, bool) or not isinstance(bits, int) or bits not in WIDTHS:
        known = " or ".join(f"{number} ({name})" for number, name in WIDTHS.items())
        raise ConfigError(f"bits must be {known}, not {_shown(bits)}")
    return bits


def nanoseconds(what: str, seconds: object) -> int | None:
    """A time as nanoseconds, None for None; ConfigError unless above 0 and at most 292 years."""
    if seconds is None:
        return None
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not number or not 0 < seconds <= 9.2e9:  # type: ignore[operator]
        raise ConfigError(f"{what} must be seconds above 0, up to 9.2e9, not {_shown(seconds)}")
    return max(1, int(seconds * 1e9))  # type: ignore[operator]


def flag(what: str, value: object) -> None:
    """ConfigError unless ``value`` is True or False."""
    if not isinstance(value, bool):
        raise ConfigError(f"{what} must be True or False, not {_shown(value)}")


def program(path: object) -> str:
    """The file name in ``path``; ConfigError unless it is text or a path without NUL."""
    name = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    if not isinstance(name, str) or not name or "\0" in name:
        raise ConfigError(f"a program must be a file's name or path, not {_shown(path)}")
    return name


def directory(what: str, path: object) -> str:
    """The path of a directory of the host; ConfigError unless there is one."""
    name = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    if not isinstance(name, str) or not name or "\0" in name:
        raise ConfigError(f"{what} must be a directory, not {_shown(path)}")
    if not os.path.isdir(name):  # noqa: PTH112 - pathlib takes its time to import
        raise ConfigError(f"{what} must be a directory, which {name} is not")
    return name


def binds(values: object) -> tuple[Bind, ...]:
    """What HOST[:GUEST][:rw] each say; ConfigError."""
    if not values and isinstance(values, Sequence):
        return ()
    strings("binds", values)
    from vmemu.vfs.bind import Bind

    return tuple(Bind.of(value) for value in values)  # type: ignore[attr-defined]


def strings(what: str, values: object) -> None:
    """ConfigError unless ``values`` is a sequence of strings; NUL is exec's to refuse."""
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise ConfigError(f"{what} must be a list of strings, not {_shown(values)}")
    for value in values:
        _string(what, value)


def environment(values: object) -> None:
    """ConfigError unless ``values`` maps names to strings."""
    if not isinstance(values, Mapping):
        raise ConfigError(f"env must map names to strings, not {_shown(values)}")
    for name, value in values.items():
        _string("env", name)
        _string("env", value)
        if not name or "=" in name:
            raise ConfigError(f"a name in env may not be empty nor hold a '=': {_shown(name)}")


def stream(what: str, value: object, *, reads: bool) -> None:
    """ConfigError unless ``value`` is a descriptor, a binary file, bytes or None."""
    if value is None or (reads and isinstance(value, bytes)):
        return
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < 1 << 31:
            raise ConfigError(f"{what} is no descriptor: {_shown(value)}")
        return  # a closed one is the guest's EBADF
    if isinstance(value, io.TextIOBase) or not hasattr(value, "read" if reads else "write"):
        kinds = "a descriptor, a binary file, bytes or None"
        raise ConfigError(
            f"{what} must be {kinds if reads else kinds.replace(', bytes', '')}, "
            f"not {_shown(value)}"
        )


def _string(what: str, value: object) -> None:
    if not isinstance(value, str):
        raise ConfigError(f"{what} must hold strings, not {_shown(value)}")
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        raise ConfigError(f"{what} holds a string that has no bytes: {_shown(value)}") from None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
