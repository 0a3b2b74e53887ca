"""Which tests reach a line: measured once, in a copy of the tree built to tell.

Python lines come from coverage.py; blocks of C from gcc's -fsanitize-coverage=trace-pc, which
calls ``__sanitizer_cov_trace_pc`` at the start of each, and from the core's own line table.
"""

from __future__ import annotations

import bisect
import json
import re
import shutil
import subprocess
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .change import Change
from .forge import ROOT, Forge

FIXTURE = "fixture "  # recorder.py

CFLAGS = "-O0 -w -fsanitize-coverage=trace-pc"
MAP_SIZE = 4 << 20  # hits.c
CALL = 5  # bytes of the call that a block starts with
# What measures time, tests tests, or runs no memory management of its own.
IGNORED = ("tests/mutants", "tests/bench")


@dataclass
class Reach:
    """`lines` maps file and line to the tests that reach it, by number; a line without is known
    to be code that no test reaches.
    """

    tests: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    lines: dict[str, dict[int, list[int]]] = field(default_factory=dict)
    tree: str = ""

    def of(self, change: Change) -> list[int]:
        """The tests that reach a changed line."""
        known = self.lines.get(change.file, {})
        last = change.line + change.new.count("\n")
        found = [line for line in range(change.line, last + 1) if line in known]
        if not found:  # a line of its own without code: what comes before it
            before = [line for line in known if line < change.line]
            if not before or not change.function:
                return sorted(set().union(*known.values()))
            found = [max(before)]
        if change.file.endswith(".py") and not change.function.rpartition(".")[2].islower():
            return sorted(set().union(*known.values()))  # a class's body, run at import
        return sorted(set().union(*(known[line] for line in found)))

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


def measure(selection: list[str]) -> tuple[Reach, list[str]]:
    """Run tests in a copy of the tree; what they reach, and those that failed, left out."""
    with Forge(CFLAGS, [ROOT / "tests" / "mutants" / "hits.c"]) as forge:
        directory = forge.tree / "reach"
        directory.mkdir()
        with (directory / "map").open("wb") as file:
            file.truncate(MAP_SIZE)
        ignored = [f"--ignore={path}" for path in IGNORED]
        forge.pytest(
            ["-p", "tests.mutants.recorder", *ignored, *selection],
            {"VMEMU_REACH_DIR": str(directory), "VMEMU_REACH_MAP": str(directory / "map")},
        )
        (extension,) = (forge.tree / "vmemu").glob("_core*.so")
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
        reach.lines[file] = {
            int(line): sorted(set().union(*(by_context.get(name, ()) for name in names)))
            for line, names in contexts.items()
        }
    return reach, failed


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
    lines: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for row in tool("objdump", "--dwarf=decodedline", extension).splitlines():
        match = re.match(r"(\S+\.[ch])\s+(\d+)\s+0x([0-9a-f]+)", row)
        if match is None or match[1].startswith("_core"):
            continue
        at = bisect.bisect_right(starts, int(match[3], 16)) - 1
        if at >= 0:
            lines[f"csrc/{Path(match[1]).name}"][int(match[2])].add(starts[at] + CALL)
    return lines


def tool(name: str, *arguments: object) -> str:
    """What a program of binutils prints; FileNotFoundError without it."""
    path = shutil.which(name)
    if path is None:
        raise FileNotFoundError(f"{name} is needed (on Debian: apt-get install binutils)")
    done = subprocess.run([path, *map(str, arguments)], capture_output=True, text=True, check=True)
    return done.stdout
