"""A sample of generated mutants, judged, with a journal from which a run can go on."""

from __future__ import annotations

import json
import random
import sys
import threading
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from .change import Change, generate
from .forge import ROOT
from .reach import Reach, current
from .trial import NOTICED, SAME, SURVIVED, Trial, Verdict

# Left out: the CPU emulator's glue, which tests/conformance holds against Unicorn, and the
# explorer, which is an instrument.
LEFT_OUT = ("cpu", "explore")
DECLARATIONS = ("types.h", "api.h", "i386.h", "lock.h", "step.h")  # and what is compiled twice
PYTHON = ("mm", "rmap", "swap", "who")
LEAST = 2  # mutants of each file, if it has as many
EQUIVALENT = Path(__file__).with_name("equivalent.toml")


def sources(root: Path = ROOT, only: Sequence[str] = ()) -> list[str]:
    """The files in which mutants are planted; with `only`, those that fit one of its patterns."""
    core = [
        path
        for path in root.glob("csrc/*/*.[ch]")
        if path.parent.name not in LEFT_OUT and path.name not in DECLARATIONS
    ]
    python = [path for part in PYTHON for path in root.glob(f"vmemu/{part}/*.py")]
    found = sorted(str(path.relative_to(root)) for path in [*core, *python])
    if only:
        found = [file for file in found if any(fnmatch(file, pattern) for pattern in only)]
        if not found:
            raise ValueError(f"no source fits {' or '.join(only)}")
    return found


def quotas(counts: dict[str, int], number: int) -> dict[str, int]:
    """How many of `number` mutants each file gives: in proportion, and at least a few."""
    quota = {file: min(count, LEAST) for file, count in counts.items()}
    while sum(quota.values()) < min(number, sum(counts.values())):
        open_files = [file for file in counts if quota[file] < counts[file]]
        quota[max(open_files, key=lambda file: counts[file] / (quota[file] + 1))] += 1
    return quota


def equivalents() -> dict[tuple[str, ...], str]:
    """The reviewed mutants that change nothing anybody could see, with the reason."""
    known = {}
    for entry in tomllib.loads(EQUIVALENT.read_text()).get("mutant", []):
        key = tuple(
            str(entry[name])
            for name in ("file", "function", "operator", "text", "old", "new", "nth")
        )
        known[key] = entry["reason"]
    return known


@dataclass
class Journal:
    """Verdicts by name, each written to a file as it is reached."""

    path: Path | None
    header: dict[str, object]
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(cls, path: Path | None, header: dict[str, object]) -> Journal:
        """Begin a journal, or go on with one; ValueError when it is of another sample."""
        journal = cls(path, header)
        if path is None:
            return journal
        if path.exists():
            first, *rest = path.read_text().splitlines() or ["{}"]
            if json.loads(first) != header:
                raise ValueError(f"{path} is the journal of {first}, not of {json.dumps(header)}")
            for line in rest:
                entry = json.loads(line)
                name = entry.pop("name")
                journal.verdicts[name] = Verdict(**entry)
        else:
            path.write_text(json.dumps(header) + "\n")
        return journal

    def add(self, change: Change, verdict: Verdict) -> None:
        """One more verdict."""
        with self.lock:
            self.verdicts[change.name] = verdict
            if self.path is not None:
                with self.path.open("a") as file:
                    print(json.dumps({"name": change.name, **asdict(verdict)}), file=file)


class Sample:
    """Which mutants are judged: of each file the first ones, in random order, that compile to
    something else.
    """

    def __init__(self, number: int, seed: int, root: Path = ROOT, only: Sequence[str] = ()) -> None:
        self.by_file: dict[str, list[Change]] = defaultdict(list)
        for change in generate(root, sources(root, only)):
            self.by_file[change.file].append(change)
        self.total = sum(map(len, self.by_file.values()))
        counts = {file: len(changes) for file, changes in self.by_file.items()}
        self.quota = quotas(counts, number)
        for file, changes in self.by_file.items():
            random.Random(f"{seed} {file}").shuffle(changes)

    def drawn(self, verdicts: dict[str, Verdict]) -> Iterator[tuple[Change, Verdict | None]]:
        """The sample as far as it is known, and whatever has to be judged before more is."""
        for file, changes in self.by_file.items():
            left = self.quota[file]
            for change in changes:
                if not left:
                    break
                verdict = verdicts.get(change.name)
                if verdict is None or verdict.result in (NOTICED, SURVIVED):
                    left -= 1
                yield change, verdict


def run(number: int, seed: int, options: Options) -> Result:
    """Judge a sample."""
    sample = Sample(number, seed, only=options.only)
    header: dict[str, object] = {"generate": number, "seed": seed}
    if options.only:
        header["only"] = list(options.only)
    journal = Journal.open(options.journal, header)
    again, known = set(), equivalents()
    if options.again:
        again = {name for name, one in journal.verdicts.items() if one.result == SURVIVED}
    todo = [
        change
        for change, verdict in sample.drawn(journal.verdicts)
        if verdict is None or (change.name in again and change.key not in known)
    ]
    if options.report:
        todo = []
    random.Random(seed).shuffle(todo)  # a part of the sample is then a sample as well
    todo.sort(key=lambda change: change.name not in again)
    if todo:
        reach = options.reach()
        kills: Counter[int] = Counter()
        trials = [Trial(reach, kills, options.budget) for _ in range(options.jobs)]
        try:
            while todo:
                judge_all(todo, trials, journal)
                todo = [
                    change for change, verdict in sample.drawn(journal.verdicts) if verdict is None
                ]
        finally:
            for trial in trials:
                trial.close()
    return Result(sample, journal)


def judge_all(changes: Iterable[Change], trials: list[Trial], journal: Journal) -> None:
    """Judge mutants, on as many threads as there are copies of the tree."""
    waiting = list(reversed(list(changes)))
    lock = threading.Lock()
    number = len(waiting)

    def work(trial: Trial) -> None:
        while True:
            with lock:
                if not waiting:
                    return
                change = waiting.pop()
                n = number - len(waiting)
            began = time.monotonic()
            verdict = trial.judge(change)
            journal.add(change, verdict)
            by = f" by {verdict.test}" if verdict.test else ""
            print(
                f"[{n}/{number}] {verdict.result}{by}, {time.monotonic() - began:.0f} s: {change}",
                file=sys.stderr,
                flush=True,
            )

    with ThreadPoolExecutor(len(trials)) as pool:
        for done in [pool.submit(work, trial) for trial in trials]:
            done.result()


@dataclass
class Options:
    """How a sample is judged; `budget` is in seconds of tests for one mutant, with `again`
    survivors are tried once more, with `report` nothing is tried at all.  `only` and `tests` are
    patterns of the sources and the test files there shall be; none: all.
    """

    journal: Path | None = None
    jobs: int = 2
    budget: float = 120
    again: bool = False
    report: bool = False
    only: Sequence[str] = ()
    tests: Sequence[str] = ()

    def reach(self) -> Reach:
        """Which tests reach what."""
        path = self.journal.with_name(f"{self.journal.name}.reach") if self.journal else None
        return current(path, sources(only=self.only), tests=self.tests)


class Result:
    """A judged sample."""

    def __init__(self, sample: Sample, journal: Journal) -> None:
        known = equivalents()
        self.total = sample.total
        self.counts: Counter[str] = Counter()
        self.pending = 0
        self.survivors: list[Change] = []
        self.equivalent: list[tuple[Change, str]] = []
        for change, verdict in sample.drawn(journal.verdicts):
            if verdict is None:
                self.pending += 1
                continue
            self.counts[verdict.result] += 1
            if verdict.result == SURVIVED and change.key in known:
                self.equivalent.append((change, known[change.key]))
            elif verdict.result == SURVIVED:
                self.survivors.append(change)

    @property
    def noticed(self) -> int:
        """How many were noticed."""
        return self.counts[NOTICED]

    @property
    def changing(self) -> int:
        """How many change what somebody could see."""
        return self.noticed + len(self.survivors)

    @property
    def score(self) -> float:
        """Noticed, of those that change behaviour."""
        return self.noticed / self.changing if self.changing else 1.0

    def __str__(self) -> str:
        lines = [f"equivalent: {change}\n    {why}" for change, why in self.equivalent]
        lines += [f"survivor: {change}" for change in self.survivors]
        tried = self.counts[NOTICED] + self.counts[SURVIVED]
        lines += [
            f"{tried} tried of {self.total}; {self.counts[SAME]} more compile to the same code",
            f"{len(self.equivalent)} change nothing (equivalent.toml), {self.changing} do",
            *([f"{self.pending} are not tried yet"] if self.pending else []),
            f"score: {self.noticed} of {self.changing} noticed, {100 * self.score:.1f} %",
        ]
        return "\n".join(lines)
