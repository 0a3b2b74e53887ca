"""``python -m bench cells``: what a cell of a sweep costs, and how well many use every core.

A cell is `private-pages PAGES=64` under anon_vma, in a process of its own that is forked from
a warm one: fork, run, record, and the process's end.  Cells one after another are timed, and
as many on every core, in rounds of both in turn; so is a loop that only computes, once alone
and once on every core, since what cores share with each other, or with other users of the
host, no program can scale beyond.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench import host
from bench.report import number

WARM_MS, SCALING = 15.0, 0.85
"""What is promised: of a warm cell at most, and of perfect scaling at least."""
LOOP = 200_000
"""Steps of the loop: some milliseconds."""


@dataclass
class Times:
    """Seconds of one thing, of all rounds: each one alone, and all of a round on every core."""

    single: list[float] = field(default_factory=list)
    """Of each, from request to result."""
    sequence: list[float] = field(default_factory=list)
    """Of a round's, one after another."""
    together: list[float] = field(default_factory=list)
    """Of as many on every core."""

    def scaling(self, workers: int) -> float:
        """The part of perfect scaling that is reached: the median round's."""
        pairs = zip(self.sequence, self.together, strict=True)
        return statistics.median(one / workers / many for one, many in pairs)


def busy(payload: bytes) -> bytes:
    """Compute something."""
    found = 0
    for i in range(LOOP):
        found ^= i * i
    return b"%d" % found


def cell_job() -> Callable[[], Any]:
    """What runs a cell."""
    from vmemu.lab.cell import Cell
    from vmemu.sweep.isolated import run_isolated

    cell = Cell("private-pages", (("PAGES", 64),), "anon_vma")
    payload = json.dumps(cell.as_json()).encode()
    return partial(run_isolated, "vmemu.lab.cell:run_cell_bytes", payload)


def busy_job() -> Callable[[], Any]:
    """What runs the loop."""
    from vmemu.sweep.isolated import run_isolated

    return partial(run_isolated, "bench.cells:busy")


def measure(cells: int, rounds: int, workers: int) -> dict[str, Times]:
    """So many cells in all, one after another and on every core."""
    from vmemu.sweep.local import LocalExecutor

    jobs = {"cell": cell_job(), "host": busy_job()}
    times = {name: Times() for name in jobs}
    with LocalExecutor(workers) as executor:
        for job in jobs.values():  # each process imports what it runs
            for done in [executor.submit(job) for _ in range(4 * workers)]:
                _succeeded(done.result())
        for _ in range(rounds):
            for name, job in jobs.items():
                for _ in range(count := max(1, cells // rounds)):
                    begun = time.perf_counter()
                    _succeeded(job())
                    times[name].single.append(time.perf_counter() - begun)
                times[name].sequence.append(sum(times[name].single[-count:]))
                begun = time.perf_counter()
                for done in [executor.submit(job) for _ in range(count)]:
                    _succeeded(done.result())
                times[name].together.append(time.perf_counter() - begun)
    return times


def _succeeded(result: Any) -> None:
    if result.failure:
        raise RuntimeError(f"{result.failure}: {result.reason}")


def table(times: dict[str, Times], cells: int, workers: int) -> str:
    """Both figures, beside what is promised and what the host gives."""
    cell, loop = times["cell"], times["host"]
    low, middle, high = statistics.quantiles(cell.single, n=4, method="inclusive")
    scaling, given = cell.scaling(workers), loop.scaling(workers)
    rate = statistics.median(cell.together) * len(cell.together) / cells
    kept = {True: "kept", False: "not kept"}
    return "\n".join(
        [
            (
                f"warm cell: {number(middle * 1e3)} ms "
                f"({number(low * 1e3)} to {number(high * 1e3)}, "
                f"least {number(min(cell.single) * 1e3)}); "
                f"at most {WARM_MS:g}: {kept[middle * 1e3 <= WARM_MS]}"
            ),
            (
                f"{cells} cells on {workers} cores: {scaling:.0%} of perfect scaling, a cell in "
                f"{number(rate * 1e3)} ms; at least {SCALING:.0%}: {kept[scaling >= SCALING]}"
            ),
            (
                f"a loop that only computes, on {workers} cores of this host: {given:.0%}; "
                f"cells reach {scaling / given:.0%} of that"
            ),
        ]
    )


def as_json(times: dict[str, Times], workers: int) -> dict[str, Any]:
    """The same in nanoseconds."""
    return {
        name: {
            "ns": round(statistics.median(time.single) * 1e9),
            "min": round(min(time.single) * 1e9),
            "scaling": round(time.scaling(workers), 4),
        }
        for name, time in times.items()
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Time cells; the exit status."""
    from vmemu.sweep.isolated import end_zygotes
    from vmemu.sweep.local import cores

    parser = argparse.ArgumentParser(prog="python -m bench cells", description=__doc__)
    parser.add_argument("--cells", type=int, default=1000, help="in all (default 1000)")
    parser.add_argument("--rounds", type=int, default=10, help="rounds (default 10)")
    parser.add_argument("--workers", type=int, default=cores(), help="default: every core")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    if min(args.cells, args.rounds, args.workers) < 1 or args.cells < 2:
        parser.error("--rounds and --workers must be at least 1, --cells at least 2")
    try:
        times = measure(args.cells, args.rounds, args.workers)
    finally:
        end_zygotes()
    machine = host.machine()
    if args.json:
        print(json.dumps({"machine": machine, **as_json(times, args.workers)}, indent=1))
        return 0
    print(", ".join(f"{name} {value}" for name, value in machine.items() if value))
    print(table(times, args.cells, args.workers))
    return 0


if __name__ == "__main__":
    sys.exit(main())
