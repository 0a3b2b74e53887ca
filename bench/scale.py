"""``python -m bench scale``: cost per operation against size, each law beside its measure.

Every point is a process of its own (bench/growth.py), all points once a round, so that
whatever disturbs the host disturbs all sizes.  A growth is the cost at the largest size in
units of the cost at the smallest.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import host
from bench.platforms import ROOT
from bench.report import number

HERE = Path(__file__).parent
BESIDE_RAM_MB, PER_PROCESS_KB = 80, 3
"""What vmemu may take of the host besides guest RAM."""


@dataclass(frozen=True)
class Operation:
    """One thing that is timed in a growth."""

    name: str
    law: str
    """How its cost may grow, by the algorithm it models."""
    at_most: float | None = None
    """The growth that is promised."""


@dataclass(frozen=True)
class Growth:
    """Something that grows, its sizes, and what is timed at each."""

    name: str
    what: str
    unit: str
    sizes: tuple[int, ...]
    operations: tuple[Operation, ...]
    schemes: bool = True
    """The scheme matters."""


GROWTHS = (
    Growth(
        "processes",
        "children of one process, 40 vmas each",
        "processes",
        (20, 63, 200, 632, 2000),
        (
            Operation("fork", "constant", 1.5),
            Operation("fault", "constant", 1.5),
            Operation("exit", "constant", 1.5),
        ),
    ),
    Growth(
        "vmas",
        "written areas of one process",
        "vmas",
        (600, 1900, 6000, 19000, 60000),
        (
            Operation("find", "log n, and the cache misses of a tree"),
            Operation("mmap", "log n"),
            Operation("mprotect", "log n"),
            Operation("munmap", "log n"),
            Operation("mmap anywhere", "log n behind the last, n once it has to search"),
            Operation("fork, a vma", "log n"),
            Operation("exit, a vma", "constant"),
        ),
    ),
    Growth(
        "sharers",
        "mms that share a page",
        "mms",
        (2, 6, 20, 63, 200, 632, 2000),
        (
            Operation("referenced", "constant a probe, and its cache misses"),
            Operation("unmap", "constant a probe, and its cache misses"),
            Operation("pointer walk", "the cache misses alone"),
        ),
    ),
    Growth(
        "ram",
        "MB of guest RAM",
        "MB",
        (28, 56, 112, 224, 448, 896),
        (
            Operation("boot, a MB", "constant"),
            Operation("first write", "constant"),
            Operation("reclaim", "constant, while there are cold pages"),
            Operation("unmap", "constant"),
        ),
    ),
    Growth(
        "descriptors",
        "open files of one process",
        "files",
        (10, 31, 100, 316, 1000, 3160),
        (
            Operation("open", "constant"),
            Operation("close and open", "constant"),
            Operation("fork, a file", "constant"),
        ),
        schemes=False,
    ),
)


@dataclass
class Curve:
    """Samples of one operation, nanoseconds by size."""

    growth: Growth
    operation: Operation
    scheme: str
    samples: dict[int, list[float]] = field(default_factory=dict)

    def median(self, size: int) -> float:
        """The middle sample at a size."""
        return statistics.median(self.samples[size])

    @property
    def ratio(self) -> float:
        """The cost at the largest size in units of the cost at the smallest."""
        return self.median(max(self.samples)) / self.median(min(self.samples))


@dataclass
class Scale:
    """Everything that was measured."""

    curves: list[Curve]
    beside_ram: dict[str, dict[int, int]]
    """Peak host memory besides guest RAM in KB, by growth and size."""


def point(growth: Growth, size: int, scheme: str, bits: int) -> dict[str, Any]:
    """Run one growth at one size; RuntimeError when it fails."""
    env = {name: value for name, value in os.environ.items() if name != "VMEMU_LOCK_CHECKS"}
    env["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        [sys.executable, str(HERE / "growth.py"), growth.name, str(size), scheme, str(bits)],
        capture_output=True,
        text=True,
        check=False,
        env=env,
    )
    if done.returncode:
        raise RuntimeError(f"{growth.name} at {size}: {done.stderr.strip().splitlines()[-1]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


class PointerWalk:
    """The program that only misses the cache, as often as a walk over so many mms does."""

    def __init__(self, directory: str) -> None:
        self._program = str(Path(directory) / "walk")
        compiler = os.environ.get("CC", "cc")
        subprocess.run(
            [compiler, "-O2", "-o", self._program, str(HERE / "walk.c")],
            check=True,
            capture_output=True,
        )

    def measure(self, size: int) -> float:
        """Nanoseconds a place."""
        done = subprocess.run(
            [self._program, str(size)], check=True, capture_output=True, text=True
        )
        return float(done.stdout)


def measure(
    growths: Sequence[Growth], schemes: Sequence[str], rounds: int, verbose: bool, bits: int = 32
) -> Scale:
    """All rounds of all growths."""
    curves: dict[tuple[str, str, str], Curve] = {}
    beside: dict[str, dict[int, int]] = {}

    def add(growth: Growth, operation: str, scheme: str, size: int, ns: float) -> None:
        key = (growth.name, operation, scheme)
        if key not in curves:
            known = next(o for o in growth.operations if o.name == operation)
            curves[key] = Curve(growth, known, scheme)
        curves[key].samples.setdefault(size, []).append(ns)

    with tempfile.TemporaryDirectory(prefix="vmemu-scale-") as directory:
        walk = PointerWalk(directory) if any(g.name == "sharers" for g in growths) else None
        for turn in range(rounds):
            for growth in growths:
                for scheme in schemes if growth.schemes else ("-",):
                    for size in growth.sizes:
                        if verbose:
                            what = f"{growth.name} {size} {scheme}"
                            print(f"round {turn + 1} of {rounds}: {what}", file=sys.stderr)
                        answer = point(growth, size, scheme, bits)
                        for name, ns in answer["ns"].items():
                            add(growth, name, scheme, size, ns)
                        most = beside.setdefault(growth.name, {})
                        most[size] = max(most.get(size, 0), answer["beside_ram"])
                if growth.name == "sharers" and walk is not None:
                    for size in growth.sizes:
                        add(growth, "pointer walk", "-", size, walk.measure(size))
    return Scale(list(curves.values()), beside)


def table(scale: Scale) -> str:
    """Nanoseconds at each size, the growth, and the law."""
    out: list[str] = []
    for growth in dict.fromkeys(curve.growth for curve in scale.curves):
        curves = [curve for curve in scale.curves if curve.growth is growth]
        head = [growth.name, "scheme", *map(str, growth.sizes), "growth", "law"]
        grid = [head]
        for curve in curves:
            promised = curve.operation.at_most
            law = curve.operation.law
            grid.append(
                [
                    curve.operation.name,
                    curve.scheme,
                    *(number(curve.median(size)) for size in growth.sizes),
                    f"{curve.ratio:.2f}",
                    law if promised is None else f"{law}: at most {promised}",
                ]
            )
        widths = [max(len(row[i]) for row in grid) for i in range(len(head))]
        out.append(f"{growth.what}, CPU ns an operation")
        for row in grid:
            left = [row[i].ljust(widths[i]) for i in (0, 1)]
            right = [row[i].rjust(widths[i]) for i in range(2, len(row) - 1)]
            out.append("  ".join([*left, *right, row[-1]]).rstrip())
        beside = scale.beside_ram[growth.name]
        size = max(beside)
        allowed = BESIDE_RAM_MB * 1024 + (
            PER_PROCESS_KB * size if growth.unit == "processes" else 0
        )
        out.append(
            f"peak host memory besides guest RAM at {size} {growth.unit}: "
            f"{beside[size] / 1024:.1f} MB (at most {allowed / 1024:.1f} MB)"
        )
        out.append("")
    return "\n".join(out).rstrip()


def as_json(scale: Scale, machine: dict[str, Any], rounds: int) -> dict[str, Any]:
    """Medians and spreads in nanoseconds."""
    return {
        "machine": machine,
        "rounds": rounds,
        "beside_ram_kb": scale.beside_ram,
        "curves": [
            {
                "growth": curve.growth.name,
                "operation": curve.operation.name,
                "scheme": curve.scheme,
                "law": curve.operation.law,
                "at_most": curve.operation.at_most,
                "ratio": round(curve.ratio, 3),
                "ns": {size: round(curve.median(size), 2) for size in curve.samples},
                "min": {size: round(min(ns), 2) for size, ns in curve.samples.items()},
                "max": {size: round(max(ns), 2) for size, ns in curve.samples.items()},
            }
            for curve in scale.curves
        ],
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the growths; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench scale", description=__doc__)
    names = [growth.name for growth in GROWTHS]
    parser.add_argument("--only", default=",".join(names), help="growths, by commas")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--rmap", default="anon_vma,anonmm", help="schemes, by commas")
    parser.add_argument("--bits", type=int, choices=(32, 64), default=32, help="of the machines")
    parser.add_argument("--plot", metavar="DIRECTORY", help="write a plot of each growth there")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--verbose", action="store_true", help="report progress")
    args = parser.parse_args(argv)
    wanted = args.only.split(",")
    for name in wanted:
        if name not in names:
            parser.error(f"no growth is called {name!r}; there are {', '.join(names)}")
    if args.rounds < 1:
        parser.error("--rounds must be at least 1")
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    growths = [growth for growth in GROWTHS if growth.name in wanted]
    scale = measure(growths, args.rmap.split(","), args.rounds, args.verbose, args.bits)
    machine = host.machine()
    if args.plot:
        from bench.plots import plot_growths

        for path in plot_growths(scale, Path(args.plot)):
            print(f"written: {path}", file=sys.stderr)
    if args.json:
        print(json.dumps(as_json(scale, machine, args.rounds), indent=1))
        return 0
    print(", ".join(f"{name} {value}" for name, value in machine.items() if value))
    print(table(scale))
    return 0


if __name__ == "__main__":
    sys.exit(main())
