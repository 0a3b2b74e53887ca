"""What is measured: one row of the table each.

A guest row runs ``bench ROW N= REP= time=1`` (guests/bench.c); a repetition is `per`
operations, and the table shows the time of one.  A start-up row times a whole process, and so do
one of results, which answers a question to a data set (bench/questions.py), and one of a program
of a Debian root (bench/programs.py).  A micro row is a workload of the C core inside the worker
(bench/micro.py), already divided by what it did; only vmemu has it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any


class Kind(enum.Enum):
    """How a row is measured."""

    GUEST = "guest"
    STARTUP = "startup"
    MICRO = "micro"
    RESULTS = "results"
    PROGRAM = "program"


@dataclass(frozen=True)
class Row:
    """One row: `n` goes to the guest or the workload, `per` divides the time of a repetition."""

    name: str
    what: str
    n: int = 0
    per: int = 1
    unit: str = "ns"
    kind: Kind = Kind.GUEST
    guest: str = ""
    """The row's name in the guest, if it is not `name`."""
    rep: int = 5
    swaps: bool = False
    """It needs swap, which no peer has and the host only by bench/swap.py."""
    cpu: bool = False
    """CPU time is taken, not elapsed time."""
    program: tuple[str, ...] = ()
    """A program of the root and its arguments (bench/programs.py)."""
    says: str = ""
    """What it has to print."""
    bare: bool = False
    """It needs hardly any system call: an emulator of the CPU alone can do it."""
    machine: dict[str, Any] = field(default_factory=dict)
    """Options of the Machine that differ from the worker's."""

    @property
    def scale(self) -> float:
        """Nanoseconds in one unit."""
        return {"ns": 1.0, "us": 1e3, "ms": 1e6}[self.unit]


SHORT = 25
"""Repetitions of a row that takes less than a tenth of a millisecond: the first few, with cold
caches, would else be most of them."""

RAM_PAGES = 4096
"""RAM of the swap row."""
AMPLE = 65536 * 4096
"""Bytes of RAM and of swap where there is enough of both."""

EMPTY = Row("empty", "what the clock itself takes; subtracted from the guest rows", rep=15)


def _micro(name: str, what: str, n: int, **options: Any) -> Row:
    return Row(
        f"core-{name}",
        what,
        n,
        kind=Kind.MICRO,
        guest=name,
        rep=9,
        machine=options,
    )


def _twice(row: Row) -> list[Row]:
    """A row and its twin in CPU time."""
    guest = row.guest or row.name
    return [
        row,
        replace(row, name=f"{row.name}-cpu", what=f"{row.what}, CPU time", guest=guest, cpu=True),
    ]


def _swapping(name: str, what: str, n: int, rep: int, machine: dict[str, Any]) -> list[Row]:
    """With a disk behind swap, elapsed and CPU time tell different things."""
    return _twice(Row(name, what, n, n, "us", rep=rep, swaps=True, machine=machine))


def _program(name: str, what: str, *program: str, per: int = 1, says: str = "") -> list[Row]:
    """A program of the root, elapsed and in CPU time."""
    row = Row(name, what, per=per, unit="ms", rep=3, kind=Kind.PROGRAM)
    return _twice(replace(row, program=program, says=says))


STAGES = 100
"""Programs that the shell starts, at the same time or one by one."""


ROWS: tuple[Row, ...] = (
    Row("int", "a step of six ALU instructions", 1_000_000, 1_000_000, bare=True),
    Row("sieve", "primes below 2^20, per number", 256, 256 * 4096, bare=True),
    Row("chase", "pointer chase over 4 MB, per hop", 1024, 1024 * 64),
    Row("memcpy", "256 KB by rep movs, per page", 64, 64 * 16, bare=True),
    Row("touch", "write to a fresh page", 4096, 4096),
    Row(
        "touch-python",
        "the same, every fault decided by Python",
        4096,
        4096,
        guest="touch",
        machine={"fault_path": "python"},
    ),
    Row(
        "touch-checked",
        "the same, every lock and guarded write checked",
        4096,
        4096,
        guest="touch",
        machine={"lock_checks": True},
    ),
    Row("touch-map", "map, touch, unmap, per page", 4096, 4096),
    Row("read-map", "map, read, unmap, per page", 4096, 4096),
    Row("file-fault", "read a page of a file, mapped and cached", 3072, 3072),
    *_twice(Row("file-read", "pread of a cached page", 1000, 1000, rep=SHORT)),
    Row("cow", "write to a page shared by fork", 4096, 4096),
    Row("mremap", "move a page, tables out of step", 4096, 2 * 4096, rep=SHORT),
    Row("mremap-aligned", "move a page, whole tables", 4096, 2 * 4096, rep=SHORT),
    Row("mprotect", "change a page's protection", 4096, 2 * 4096, rep=SHORT),
    Row("mprotect-write", "take and give write access, write", 4096, 4096),
    *(
        Row(
            f"fork-{n}",
            f"fork with {n} pages",
            n,
            unit="us",
            guest="fork",
            rep=SHORT if n <= 256 else 5,
        )
        for n in (16, 64, 256, 1024, 4096, 16384)
    ),
    Row(
        "fork-checked",
        "fork with 4096 pages, every lock and guarded write checked",
        4096,
        unit="us",
        guest="fork",
        machine={"lock_checks": True},
    ),
    Row("fork-wait", "fork, exit and wait with 4096 pages", 4096, unit="us"),
    *_twice(Row("exec", "fork, exec of a static program, wait", 100, 100, "us")),
    Row("getpid", "a system call", 1000, 1000, rep=SHORT),
    *_twice(Row("umask", "a system call that C does not answer", 1000, 1000, rep=SHORT)),
    Row("pipe", "two processes, one byte there and back", 200, 200, unit="us"),
    Row("switch", "a switch among 8 processes", 50, 50 * 8, unit="us"),
    Row("futex", "two threads, one futex there and back", 200, 200, unit="us"),
    Row("thread-switch", "a switch among 8 threads", 50, 50 * 8, unit="us"),
    *_swapping("swapin", "a page back from swap", 1024, 5, {"ram": AMPLE, "swap": AMPLE}),
    *_swapping(
        "swap",
        "in order through twice the RAM, per page",
        2 * RAM_PAGES,
        3,
        {"ram": RAM_PAGES * 4096, "swap": 3 * RAM_PAGES * 4096},
    ),
    Row("start-up", "hello, the whole process", unit="ms", kind=Kind.STARTUP, rep=3),
    *_program("true-static", "busybox true, a static program", "/bin/busybox", "true"),
    *_program("true-dynamic", "/bin/true, a dynamic program", "/bin/true"),
    *_program(
        "loop",
        f"dash: {STAGES} times /bin/true, each",
        "/bin/dash",
        "-c",
        f"i=0; while [ $i -lt {STAGES} ]; do {{run}}/bin/true; i=$((i + 1)); done; echo ring 3",
        per=STAGES,
        says="ring 3",
    ),
    *_program(
        "pipeline",
        f"dash: a pipeline of {STAGES} times /bin/cat, each",
        "/bin/dash",
        "-c",
        "echo ring 3" + " | {run}/bin/cat" * STAGES,
        per=STAGES,
        says="ring 3",
    ),
    Row(
        "warm",
        "a later machine of a process, 32 MB: made, hello run, closed",
        4,
        unit="ms",
        kind=Kind.MICRO,
        guest="warm",
        rep=15,
        machine={"ram": "4M", "swap": None},
    ),
    Row(
        "results",
        "results: GROUP BY over 10,000 runs, the whole process",
        unit="ms",
        kind=Kind.RESULTS,
        rep=5,
    ),
    _micro("zap", "zap a present pte", 16384),
    _micro("copy", "fork copies a pte", 16384),
    _micro("move", "mremap moves a pte", 16384),
    _micro("protect", "mprotect changes a pte", 16384),
    _micro("probe", "look for a page in one of 64 mms", 64 * 256),
    _micro("fault", "a first write, without the CPU", 4096),
    _micro("frame", "allocate and free a frame, one by one", 16384),
    _micro("frames", "allocate and free a frame, 64 at a time", 16384),
    Row(
        "explore",
        "explore: an order of mlock and reclaim, 2 pages",
        2,
        unit="us",
        kind=Kind.MICRO,
        guest="explore",
    ),
    _micro("fault-python", "the same, through Python", 4096, fault_path="python"),
)


def select(patterns: Sequence[str], rows: Iterable[Row] = ROWS) -> list[Row]:
    """Rows whose names match a shell pattern, in table order; ValueError for one without any."""
    rows = list(rows)
    for pattern in patterns:
        if not any(fnmatchcase(row.name, pattern) for row in rows):
            raise ValueError(f"no row is called {pattern!r}")
    return [row for row in rows if any(fnmatchcase(row.name, p) for p in patterns)]
