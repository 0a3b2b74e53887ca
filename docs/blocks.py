"""Fenced blocks of the documentation: finding them, running them, holding them to their output.

What can run:

    ```console          ```python
    $ vmemu list        print("any code; the blocks of one file share their names")
    its output          ```
    ```                 ```text
                        its output
                        ```

A block of C that begins with ``/* NAME.c */``, or of Python that begins with ``# NAME.py``, is
that file of a directory of the page's own, where all that can run in the page runs then; so does
what is in a page with a command that writes (``--out``).  In an expected output ``...`` stands for
any text, as in doctest.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[1]
GENERATED = re.compile(r"^<!-- figures: (\w+) -->$")
END = "<!-- end -->"
_FENCE = re.compile(r"^```(\w*)$")
_FILE = re.compile(r"/\* (\w+\.c) \*/|# (\w+\.py)")


def pages() -> list[Path]:
    """The pages whose examples and tables are held against runs: counts, not times."""
    names = ("tour", "model", "seeing", "schemes", "cases", "published", "locking", "fidelity")
    names += ("exploring", "own-programs", "python", "write-a-scheme", "write-a-scenario")
    names += ("sweeps", "results", "command-line", "programs")
    return [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in names)]


@dataclass
class Block:
    """One fenced block; ``line`` is that of the opening fence, ``text`` what is between."""

    path: Path
    line: int
    language: str
    text: list[str]

    @property
    def where(self) -> str:
        """File and line, for messages."""
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def blocks(path: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found: list[Block] = []
    inside: Block | None = None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        fence = _FENCE.match(line)
        if inside is None:
            if fence:
                inside = Block(path, number, fence[1], [])
        elif line == "```":
            found.append(inside)
            inside = None
        else:
            inside.text.append(line)
    if inside is not None:
        raise ValueError(f"{inside.where}: the block is not closed")
    return found


@dataclass
class Example:
    """Something to run: a command line or Python code, and the lines it shall print.

    ``first`` is the line number of the expected output's first line.
    """

    block: Block
    source: str
    first: int
    expected: list[str] = field(default_factory=list)

    def holds(self, printed: str) -> bool:
        """Whether this is the expected output."""
        expected = "".join(line + "\n" for line in self.expected)
        return doctest.OutputChecker().check_output(expected, printed, doctest.ELLIPSIS)

    @property
    def elliptic(self) -> bool:
        """Whether part of the output is left open."""
        return any("..." in line for line in self.expected)


def examples(path: Path) -> list[Example]:
    """What can run in a page, in order."""
    found: list[Example] = []
    previous: Block | None = None
    for block in blocks(path):
        if block.language == "console":
            found += _commands(block)
        elif block.language == "python" and not _FILE.fullmatch(block.text[0]):
            found.append(Example(block, "\n".join(block.text) + "\n", 0))
        elif block.language == "text" and previous is not None:
            adjacent = block.line == previous.line + len(previous.text) + 2
            if previous.language == "python" and adjacent:
                found[-1].expected, found[-1].first = block.text, block.line + 1
        previous = block
    return found


def _commands(block: Block) -> Iterator[Example]:
    example: Example | None = None
    for offset, line in enumerate(block.text, 1):
        if line.startswith("$ "):
            if example is not None:
                yield example
            example = Example(block, line[2:], block.line + offset + 1)
        elif example is None:
            raise ValueError(f"{block.where}: a console block begins with a command")
        else:
            example.expected.append(line)
    if example is not None:
        yield example


def files(path: Path) -> dict[str, str]:
    """The files of C and Python that a page shows, by name."""
    return {
        named[1] or named[2]: "\n".join(block.text) + "\n"
        for block in blocks(path)
        if block.language in ("c", "python") and (named := _FILE.fullmatch(block.text[0]))
    }


class Runner:
    """Runs the examples of one page; names of its Python blocks live as long as it does."""

    def __init__(self, path: Path) -> None:
        self._names: dict[str, Any] = {"__name__": "__docs__"}
        self._files = files(path)
        self._writes = any(" --out " in example.source for example in examples(path))
        self._where = ROOT

    def __enter__(self) -> Self:
        """Write the page's files down."""
        if self._files or self._writes:
            self._where = Path(tempfile.mkdtemp())
            for name, text in self._files.items():
                (self._where / name).write_text(text)
        return self

    def __exit__(self, *exception: object) -> None:
        """Remove them."""
        if self._where != ROOT:
            shutil.rmtree(self._where)

    def run(self, example: Example) -> str:
        """What it prints."""
        if example.block.language == "console":
            return run_command(example.source, self._where)
        out = io.StringIO()
        code = compile(example.source, example.block.where, "exec")
        with contextlib.redirect_stdout(out), contextlib.chdir(self._where):
            exec(code, self._names)
        return out.getvalue()


def run_command(command: str, where: Path = ROOT) -> str:
    """What a command line of the documentation prints in a directory, on both streams."""
    words, settings = shlex.split(command), {}
    while setting := re.fullmatch(r"([A-Z_]+)=(.*)", words[0]):
        settings[setting[1]] = setting[2]
        del words[0]
    if words[0] == "vmemu":
        words[:1] = [sys.executable, "-m", "vmemu"]
    elif words[0] == "python":
        words[0] = sys.executable
    done = subprocess.run(
        words,
        cwd=where,
        env={**os.environ, **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout
