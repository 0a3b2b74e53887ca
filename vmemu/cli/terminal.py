"""How wide the terminal is."""

from __future__ import annotations

import os
import sys
from typing import TextIO

__all__ = ["columns"]


def columns(stream: TextIO | None = None) -> int | None:
    """Characters in a line of the terminal that standard output is; None where it is none."""
    stream = stream or sys.stdout
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except OSError:
        return None
