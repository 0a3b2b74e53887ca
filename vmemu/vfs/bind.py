"""What of the host is attached to the guests' files, as a user writes it."""

from __future__ import annotations

import os
from typing import NamedTuple

from vmemu.errors import ConfigError
from vmemu.paths import exists

__all__ = ["Bind"]


class Bind(NamedTuple):
    """A file or a directory of the host, and where guests have it."""

    host: str
    guest: str
    writable: bool = False

    @classmethod
    def of(cls, text: str) -> Bind:
        """Read HOST[:GUEST][:rw]; ConfigError says what is wrong."""
        if "\0" in text:
            raise ConfigError(f"a bind must be HOST[:GUEST][:rw], not {text!r}")
        host, *rest = text.split(":")
        writable = bool(rest) and rest[-1] == "rw"
        if writable:
            rest.pop()
        guest = rest[0] if rest else os.path.abspath(host)  # noqa: PTH100 - links are not followed
        if not host or len(rest) > 1 or not guest.startswith("/"):
            raise ConfigError(f"a bind must be HOST[:/GUEST][:rw], not {text!r}")
        if not exists(host):
            raise ConfigError(f"there is no {host} to bind")
        return cls(host, guest, writable)
