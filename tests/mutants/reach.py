"""Which tests reach a line: measured once, in a copy of the tree built to tell.

Python lines come from coverage.py; blocks of C from gcc's -fsanitize-coverage=trace-pc, which
calls ``__sanitizer_cov_trace_pc`` at the start of each, and from the core's own line table.
"""

from __future__ import annotations

import ast
import bisect
import difflib
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from .change import Change
from .forge import ROOT, Forge, reason

FIXTURE = "fixture "  # recorder.py

CFLAGS = "-O0 -w -fsanitize-coverage=trace-pc"
MAP_SIZE = 4 << 20  # hits.c
CALL = 5  # bytes of the call that a block starts with
# What measures time, tests tests, or runs no memory management of its own.
IGNORED = ("tests/mutants", "tests/bench")


@dataclass
class Reach:
    """`lines` maps file and line to the tests that reach it, by number; an empty list is code
    that no test reaches.  `sources` are the files it speaks of, `digests` those of the tests.
    """

    tests: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    lines: dict[str, dict[int, list[int]]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    def of(self, change: Change) -> list[int]:
        """The tests that reach a changed line."""
        known = self.lines.get(change.file, {})
        last = change.line + change.new.count("\n")
        found = [line for line in range(change.line, last + 1) if line in known]
        if not found:  # a line of its own without code: what comes before it
            found = [max((line for line in known if line < change.line), default=0)]
        return sorted(set().union(*(known.get(line, ()) for line in found)))

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> Reach:
        """What `save` wrote."""
        raw = json.loads(path.read_text())
        lines = {
            file: {int(line): tests for line, tests in known.items()}
            for file, known in raw["lines"].items()
        }
        return cls(**{**raw, "lines": lines})

    def moved(self, sources: dict[str, str]) -> None:
        """Follow the lines of sources that have changed; a new line is reached by the tests
        that reach the one before it.
        """
        for file, known in self.lines.items():
            old, new = self.sources.get(file), sources.get(file)
            if old is None or new is None or old == new:
                continue
            there: dict[int, list[int]] = {}
            matcher = difflib.SequenceMatcher(None, old.splitlines(), new.splitlines(), False)
            before: list[int] = []
            for _, i, j, k, n in matcher.get_opcodes():
                equal = j - i == n - k
                for line in range(k, n):
                    at = i + line - k if equal else -1
                    before = known.get(at + 1, []) if equal else before
                    if not equal or at + 1 in known:
                        there[line + 1] = before
            self.lines[file] = there
        self.sources = sources

    def without(self, files: set[str]) -> Reach:
        """What is left when the tests of some files are not counted."""
        kept = [n for n, test in enumerate(self.tests) if test.partition("::")[0] not in files]
        number = {old: new for new, old in enumerate(kept)}
        lines = {
            file: {line: [number[n] for n in tests if n in number] for line, tests in known.items()}
            for file, known in self.lines.items()
        }
        return Reach(
            [self.tests[n] for n in kept], [self.seconds[n] for n in kept], lines, self.sources
        )

    def add(self, other: Reach) -> None:
        """Count the tests of another measurement, of the same sources, as well."""
        first = len(self.tests)
        self.tests += other.tests
        self.seconds += other.seconds
        for file, known in other.lines.items():
            mine = self.lines.setdefault(file, {})
            for line, tests in known.items():
                mine[line] = mine.get(line, []) + [first + n for n in tests]


def current(
    path: Path | None, sources: list[str], root: Path = ROOT, tests: Sequence[str] = ()
) -> Reach:
    """Which tests reach what: as measured before, and measured anew for tests that changed.

    `tests` are patterns of the test files that count; none: all.
    """
    reach = Reach.load(path) if path is not None and path.exists() else Reach()
    texts = {file: (root / file).read_text() for file in sources}
    digests = {
        str(test.relative_to(root)): hashlib.sha256(test.read_bytes()).hexdigest()
        for test in sorted((root / "tests").rglob("test_*.py"))
        if not str(test.relative_to(root)).startswith(IGNORED)
        and (not tests or any(fnmatch(str(test.relative_to(root)), each) for each in tests))
    }
    if not digests:
        raise ValueError(f"no file of tests fits {' or '.join(tests)}")
    stale = {file for file, digest in reach.digests.items() if digests.get(file) != digest}
    fresh = [file for file, digest in digests.items() if reach.digests.get(file) != digest]
    reach.moved(texts)
    reach = reach.without(stale)
    if fresh:
        said = "all tests" if len(fresh) == len(digests) and not tests else " ".join(fresh)
        print(f"measuring which lines are reached by {said}", file=sys.stderr, flush=True)
        found, failed = measure(fresh)
        for test in failed:
            print(f"left out, it fails without any mutant: {test}", file=sys.stderr)
        reach.add(found)
    reach.sources, reach.digests = texts, digests
    if path is not None:
        reach.save(path)
    return reach


def measure(selection: list[str]) -> tuple[Reach, list[str]]:
    """Run tests in a copy of the tree; what they reach, and those that failed, left out."""
    with Forge(CFLAGS, [ROOT / "tests" / "mutants" / "hits.c"]) as forge:
        directory = forge.tree / "reach"
        directory.mkdir()
        with (directory / "map").open("wb") as file:
            file.truncate(MAP_SIZE)
        ignored = [f"--ignore={path}" for path in IGNORED]
        done = forge.pytest(
            ["-p", "tests.mutants.recorder", *ignored, *selection],
            {"VMEMU_REACH_DIR": str(directory), "VMEMU_REACH_MAP": str(directory / "map")},
        )
        written = directory / "tests.jsonl"
        if not written.exists() or not written.read_text():
            said = reason(done.stdout + done.stderr, done.returncode)
            raise ValueError(f"tests cannot be run: {said}")
        (extension,) = (forge.tree / "vmemu").glob("_core32*.so")
        return evaluate(directory, blocks_of_lines(extension))


def evaluate(directory: Path, blocks: dict[str, dict[int, set[int]]]) -> tuple[Reach, list[str]]:
    """Put what the recorder wrote together."""
    reach, failed = Reach(), []
    by_block: dict[int, list[int]] = defaultdict(list)
    by_context: dict[str, list[int]] = defaultdict(list)
    for line in (directory / "tests.jsonl").read_text().splitlines():
        test = json.loads(line)
        if test["failed"]:
            failed.append(test["test"])
            continue
        number = len(reach.tests)
        reach.tests.append(test["test"])
        reach.seconds.append(test["seconds"])
        for block in test["blocks"]:
            by_block[block].append(number)
        for context in [test["test"], *(FIXTURE + name for name in test["fixtures"])]:
            by_context[context].append(number)
    for file, known in blocks.items():
        reach.lines[file] = {
            line: sorted(set().union(*(by_block.get(block, ()) for block in starts)))
            for line, starts in known.items()
        }
    for file, contexts in json.loads((directory / "python.json").read_text()).items():
        found = python_lines((ROOT / file).read_text(), contexts, by_context)
        if not any(found.values()):  # constants alone
            found = {line: list(range(len(reach.tests))) for line in found}
        reach.lines[file] = found
    return reach, failed


def python_lines(
    source: str, contexts: dict[str, list[str]], by_context: dict[str, list[int]]
) -> dict[int, list[int]]:
    """The tests that reach each line of a Python file; what runs at import serves them all."""
    everybody = {
        n for names in contexts.values() for name in names for n in by_context.get(name, ())
    }
    lines: dict[int, list[int]] = {
        node.lineno: [] for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)
    }
    for line, names in contexts.items():
        reached = set().union(*(by_context.get(name, ()) for name in names))
        lines[int(line)] = sorted(everybody if "" in names else reached)
    return lines


def blocks_of_lines(extension: Path) -> dict[str, dict[int, set[int]]]:
    """For each C file and line, the blocks that hold code of it.

    At -O0 a block is one run of addresses that begins with its call.
    """
    starts = []
    for line in tool("objdump", "-d", "--no-show-raw-insn", extension).splitlines():
        match = re.match(r"\s*([0-9a-f]+):\s+call\s.*<__sanitizer_cov_trace_pc", line)
        if match:
            starts.append(int(match[1], 16))
    starts.sort()
    # the line table has base names, which no two files share
    paths = {path.name: str(path.relative_to(ROOT)) for path in ROOT.glob("csrc/**/*.[ch]")}
    lines: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for row in tool("objdump", "--dwarf=decodedline", extension).splitlines():
        match = re.match(r"(\S+\.[ch])\s+(\d+)\s+0x([0-9a-f]+)", row)
        file = paths.get(Path(match[1]).name) if match else None
        if match is None or file is None:
            continue
        at = bisect.bisect_right(starts, int(match[3], 16)) - 1
        if at >= 0:
            lines[file][int(match[2])].add(starts[at] + CALL)
    return lines


def tool(name: str, *arguments: object) -> str:
    """What a program of binutils prints; FileNotFoundError without it."""
    path = shutil.which(name)
    if path is None:
        raise FileNotFoundError(f"{name} is needed (on Debian: apt-get install binutils)")
    done = subprocess.run([path, *map(str, arguments)], capture_output=True, text=True, check=True)
    return done.stdout
