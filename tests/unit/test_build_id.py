"""Which vmemu it is: the same for copies that give the same results, another for all others."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vmemu.build_id import build_id, commit, provenance

PACKAGE = Path(__file__).parents[2] / "vmemu"


def told_by(directory: Path) -> tuple[str, str]:
    """Build and commit of the package in a directory."""
    program = "from vmemu.build_id import *; print(build_id(), commit() or '-')"
    done = subprocess.run(
        [
            sys.executable,
            "-P",
            "-c",
            f"import sys; sys.path.insert(0, {str(directory)!r}); {program}",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    build, told = done.stdout.split()
    return build, told


def append(path: Path, text: bytes) -> None:
    with path.open("ab") as file:
        file.write(text)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(PACKAGE, tmp_path / "vmemu", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_a_copy_is_the_same_build(copy: Path) -> None:
    assert told_by(copy)[0] == build_id()
    assert re.fullmatch(r"[0-9a-f]{16}", build_id())
    assert provenance() == {"vmemu": "0.1.0", "commit": commit(), "build": build_id()}


def test_a_copy_tells_the_commit_that_it_was_built_of(copy: Path) -> None:
    """There is no git beside it."""
    (copy / "vmemu" / "sources.txt").write_text("digest\nabcdef+\n")
    assert told_by(copy)[1] == "abcdef+"


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (lambda package: append(package / "errors.py", b"# changed\n"), False),
        (lambda package: (package / "new.py").write_text(""), False),
        (lambda package: (package / "rmap").rename(package / "rmaq"), False),
        (lambda package: append(package / "guests_bin" / "hello", b"\0"), False),
        (lambda package: (package / "guests_bin" / "x86_64" / "hello").unlink(), False),
        (lambda package: (package / "sources.txt").write_text("other\n\n"), False),
        (lambda package: append(package / "guests_bin" / "hello.c", b"\n"), True),
        (lambda package: (package / "pages" / "tour.md").unlink(), True),
    ],
    ids=[
        "module",
        "new module",
        "new name",
        "guest",
        "64-bit guest",
        "C source",
        "guest's source",
        "page",
    ],
)
def test_what_decides_a_result_makes_another_build(
    copy: Path, change: Callable[[Path], object], same: bool
) -> None:
    change(copy / "vmemu")
    assert (told_by(copy)[0] == build_id()) == same
