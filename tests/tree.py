"""A second tree: a copy of the sources that a test may change and build."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def copy_sources(tree: Path, *more: str) -> None:
    """What the package is built from, and ``more`` files and directories, but nothing built."""
    ignore = shutil.ignore_patterns("_core*.so", "__pycache__", "guests_bin")
    for name in ("csrc", "guests", "vmemu", *more):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=ignore)
        else:
            shutil.copy2(ROOT / name, tree / name)


def build(tree: Path) -> None:
    """Build it in place, as quickly as it goes."""
    run(tree, "-P", "vmemu/_build.py", CFLAGS="-O1 -g0")


def run(tree: Path, *arguments: str, **environment: str) -> str:
    """What Python prints there, with the package of that tree; AssertionError if it fails."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
