"""Two questions about a host path, answered as pathlib answers them.

pathlib itself is not imported on the way to a run: it takes as long as all of vmemu.mm.
"""

from __future__ import annotations

import os
import stat

__all__ = ["exists", "is_file"]


def _mode(path: str) -> int:
    try:
        return os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return 0


def exists(path: str) -> bool:
    """Whether anything is there; OSError where that cannot be told."""
    return _mode(path) != 0


def is_file(path: str) -> bool:
    """Whether a regular file is there; OSError where that cannot be told."""
    return stat.S_ISREG(_mode(path))
