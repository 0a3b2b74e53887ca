"""What makes forks of a warm process cheap.

Modules that want something done after a fork have it done when a run forks for itself: the
run's own process comes from one with a single thread, and is seeded anew.  And what is called
in libraries has been looked up.  Either would make copies of a hundred pages.
"""

from __future__ import annotations

import os
from typing import Any

__all__ = ["BIND_NOW", "catch_up", "put_off"]

BIND_NOW = "for a zygote"
"""LD_BIND_NOW of a process that is to be one, and that it does not hand on."""

_register = os.register_at_fork
_wanted: list[dict[str, Any]] = []


def put_off() -> None:
    """From here on, os.register_at_fork() only takes note."""
    os.register_at_fork = _note


def catch_up() -> None:
    """It is as ever again, and what was noted is done after later forks."""
    os.register_at_fork = _register
    for wanted in _wanted:
        _register(**wanted)


def _note(**wanted: Any) -> None:
    _wanted.append(wanted)
