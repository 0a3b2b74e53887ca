"""Another commit of vmemu, built in a worktree that lives as long as it is used."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import BenchError
from bench.platforms import ROOT


class RevisionError(BenchError):
    """The commit cannot be checked out or built."""


def git(*args: str) -> str:
    """Standard output of a git command in this tree; RevisionError."""
    command = ["git", "--no-optional-locks", "-C", str(ROOT), *args]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise RevisionError("git is not installed") from None
    if done.returncode:
        raise RevisionError(done.stderr.strip())
    return done.stdout.strip()


def describe() -> str:
    """The commit of this tree, with a + when files differ from it; "" outside git."""
    try:
        return git("describe", "--always", "--dirty=+")
    except RevisionError:
        return ""


@contextmanager
def built(revision: str) -> Iterator[tuple[str, Path]]:
    """The short hash of a commit and a tree with its core built; RevisionError."""
    try:
        commit = git("rev-parse", "--verify", "--short", f"{revision}^{{commit}}")
    except RevisionError as error:
        raise RevisionError(f"cannot compare with commit {revision!r}: {error}") from error
    with tempfile.TemporaryDirectory(prefix="vmemu-bench-") as directory:
        tree = Path(directory) / "tree"
        git("worktree", "add", "--detach", str(tree), commit)
        try:
            done = subprocess.run(
                [sys.executable, "-P", str(tree / "vmemu" / "_build.py")],
                capture_output=True,
                text=True,
                check=False,
                env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            )
            if done.returncode:
                raise RevisionError(f"{commit} does not build: {done.stderr.strip()}")
            yield commit, tree
        finally:
            git("worktree", "remove", "--force", str(tree))
