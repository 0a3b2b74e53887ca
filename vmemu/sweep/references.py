"""References to scenarios in files: a cell has the whole path, a file one relative to itself."""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ["anchored", "seen_from"]


def _split(reference: str) -> tuple[str, str]:
    """The path of the file that a reference names, and what stands behind it; no path, no file."""
    path, colon, name = reference.rpartition(":")
    if not colon:
        path, name = reference, ""
    if not re.search(r"/|\.py$|\.toml$", path):
        return "", reference
    return path, colon + name


def anchored(reference: str, home: str = "") -> str:
    """The reference with the whole path of its file, which is relative to ``home``."""
    path, rest = _split(reference)
    return os.path.normpath(Path(home, path).absolute()) + rest if path else reference


def seen_from(reference: str, directory: str) -> str:
    """The reference with its file's path relative to ``directory``."""
    path, rest = _split(reference)
    if not path:
        return reference
    found = os.path.relpath(path, directory or ".")
    return (found if found.startswith("../") else f"./{found}") + rest
