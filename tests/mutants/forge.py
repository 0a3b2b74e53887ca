"""A copy of the tree in which mutants are built and tested."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from .catalogue import Mutant

ROOT = Path(__file__).parents[2]
PARTS = ("csrc", "vmemu", "guests", "tests", "docs", "bench", "examples")
PARTS += ("pyproject.toml", "setup.py")
UNWANTED = shutil.ignore_patterns("__pycache__", "*.so", "guests_bin", ".hypothesis")


class Forge:
    """The copy; one build serves all mutants, as far as they do not touch the same file."""

    def __init__(self, cflags: str = "", sources: Sequence[Path] = ()) -> None:
        """Copy and build, with compiler flags and C files on top of the tree's own."""
        self.cflags = cflags
        self._directory = tempfile.TemporaryDirectory(prefix="vmemu-mutants-")
        self.tree = Path(self._directory.name)
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, self.tree / part, ignore=UNWANTED)
            elif source.exists():
                shutil.copy2(source, self.tree / part)
        for source in sources:
            shutil.copy2(source, self.tree / "csrc")
        self.build()
        # Bytecode that is right whatever the second in which a mutant was written.
        hashed = ["-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "vmemu"]
        self._python(*hashed).check_returncode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._directory.cleanup()

    def build(self) -> None:
        """Rebuild what has changed; CalledProcessError with the compiler's words."""
        self._python("-P", "vmemu/_build.py").check_returncode()

    def test(self, test: str, seconds: float = 300) -> tuple[bool, str]:
        """Whether a pytest selection passes, and the first line of what went wrong."""
        try:
            done = self._python(
                "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider",
                *split(test), seconds=seconds,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return False, f"still running after {seconds:.0f} s"
        if done.returncode == 0:
            return True, ""
        return False, reason(done.stdout + done.stderr, done.returncode)

    def catch(self, mutant: Mutant) -> tuple[bool, str]:
        """Whether the mutant's test fails on it, and how."""
        path = self.tree / mutant.file
        text = path.read_text()
        path.write_text(mutate(mutant, text))
        try:
            self.build()
            passed, why = self.test(mutant.test)
        finally:
            path.write_text(text)
            # An mtime of now: the next build must see that the file is another again.
            os.utime(path)
        return not passed, why

    def pytest(
        self, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run pytest in the copy."""
        quiet = ["-q", "--no-header", "-p", "no:cacheprovider"]
        return self._python("-m", "pytest", *quiet, *arguments, environment=environment)

    def _python(
        self,
        *arguments: str,
        seconds: float | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "CFLAGS": f"{os.environ.get('CFLAGS', '')} {self.cflags}",
            "PYTHONPATH": str(self.tree),
            "PYTHONDONTWRITEBYTECODE": "",  # starting takes twice as long without it
            "VMEMU_SHRINK": "0",
            **(environment or {}),
        }
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.tree,
            stdin=subprocess.DEVNULL,
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )


def mutate(mutant: Mutant, text: str) -> str:
    """The file's text with the fault in it; ValueError when it does not look as expected."""
    found = text.count(mutant.old)
    if found != mutant.times:
        raise ValueError(f"{mutant.name}: {mutant.file} has {found} such places")
    return text.replace(mutant.old, mutant.new)


def split(test: str) -> list[str]:
    """A selection as pytest's arguments; brackets may hold spaces."""
    import shlex

    words: list[str] = []
    for word in shlex.split(test):
        if words and words[-1].count("[") > words[-1].count("]"):
            words[-1] += f" {word}"
        else:
            words.append(word)
    return words


def reason(output: str, status: int) -> str:
    """The line of pytest's output that says what went wrong."""
    if status < 0:
        return f"killed by signal {-status}"
    lines = [line.removeprefix("E ").strip() for line in output.splitlines() if line[:2] == "E "]
    telling = [line for line in lines if line]
    return telling[0] if telling else output.strip().rpartition("\n")[2]
