"""Which vmemu this is: the commit it was made from, and a digest of all that decides a result."""

from __future__ import annotations

import functools
import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

__all__ = ["build_id", "commit", "provenance"]

_PACKAGE = Path(__file__).resolve().parent
_SOURCES = _PACKAGE / "sources.txt"
"""What the build writes of the C sources: their digest, and the commit if there was one."""


@functools.cache
def commit() -> str:
    """The commit that this vmemu is of, with "+" if files were changed since; "" where unknown.

    Of a clone git is asked, of an installed package the build has noted it.
    """
    if (_PACKAGE.parent / ".git").exists():
        told = _git("describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+")
        if told:
            return told
    return _noted()[1]


@functools.cache
def build_id() -> str:
    """16 hex digits: the same for two copies of vmemu that give the same results.

    A digest of the C core's sources, of every module, and of the guests.
    """
    digest = hashlib.sha256(_noted()[0].encode())
    for path in sorted(_files()):
        digest.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def provenance() -> dict[str, str]:
    """Where results come from: version, commit and build."""
    from vmemu import __version__

    return {"vmemu": __version__, "commit": commit(), "build": build_id()}


def _files() -> Iterator[Path]:
    """Every module, and every guest with the headers beside it."""
    yield from _PACKAGE.rglob("*.py")
    for path in (_PACKAGE / "guests_bin").rglob("*"):
        if path.is_file() and path.suffix not in (".md", ".c"):
            yield path


def _noted() -> tuple[str, str]:
    """What the build wrote: the digest of the sources, and the commit."""
    try:
        sources, _, told = _SOURCES.read_text(encoding="utf-8").strip().partition("\n")
    except FileNotFoundError:
        return "", ""
    return sources, told


def _git(*words: str) -> str:
    """What git says; "" where there is no git, or nothing that it knows."""
    try:
        done = subprocess.run(
            ["git", "-C", str(_PACKAGE), *words], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
