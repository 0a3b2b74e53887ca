"""Every micro workload does as many items as it says; how fast it does them is not tested."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from bench.micro import BATCH, FAMILY, WORKLOADS, Explore, Frame, Frames, Warm, Workload
from bench.rows import ROWS, Kind
from vmemu.core import lib
from vmemu.machine import Machine

ROOT = Path(__file__).parents[2]
SCHEMES = ("anon_vma", "anonmm")
N = 2 * FAMILY
COUNTED = {
    "zap": {"zap_ptes": N, "pgfree": N, "pgalloc": 0},
    "copy": {"fork_ptes": N},
    "move": {"mremap_ptes": N, "rmap_copies": 0},
    "protect": {"protect_ptes": N},
    "probe": {"referenced_probes": N, "referenced_pages": N // FAMILY},
    "fault": {"pgfault": N, "fault_python": 0, "pgalloc": N},
    "fault-python": {"pgfault": N, "fault_python": N, "pgalloc": N},
    "frame": {"pgalloc": N, "pgfree": N},
    "frames": {"pgalloc": N, "pgfree": N},
}
"""What n items do to the core's counters."""


@pytest.fixture(params=SCHEMES)
def rmap(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=COUNTED)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def machine(rmap: str, name: str) -> Iterator[Machine]:
    path = "python" if name.endswith("python") else "c"
    with Machine(ram="4M", swap=None, rmap=rmap, fault_path=path) as machine:
        yield machine


def counted(workload: Workload) -> dict[str, int]:
    """By how much each counter of the core grew while the workload was timed."""
    workload.before()
    before = workload.core.counters()
    workload.timed()
    after = workload.core.counters()
    return {counter: after[counter] - before[counter] for counter in after}


def test_a_workload_does_its_items_each_time(name: str, machine: Machine) -> None:
    free = machine.core.m.k.zone.free_pages
    with WORKLOADS[name](machine, N) as workload:
        for turn in range(3):
            grew = counted(workload)
            found = {counter: grew[counter] for counter in COUNTED[name]}
            assert found == COUNTED[name], f"in turn {turn}"
            assert workload.items() == N
            workload.after()
            machine.check()
    machine.check()
    assert machine.core.m.k.zone.free_pages == free


@pytest.mark.parametrize("workload", [Frame, Frames])
def test_one_frame_or_many_are_held_at_a_time(workload: type[Frame]) -> None:
    """An allocation clears ``private``: so many different frames were given out."""
    with Machine(ram="4M", swap=None) as machine, workload(machine, BATCH) as held:
        frames = [machine.core.page(pfn) for pfn in range(machine.core.m.nr_frames)]
        free = [page for page in frames if page.flags & lib.PG_buddy]
        for page in free:
            page.private = 1
        held.timed()
        assert sum(page.private == 0 for page in free) == held.batch


def test_explore_counts_interleavings(rmap: str) -> None:
    with Machine(ram="4M", swap=None, rmap=rmap) as machine, Explore(machine, 1) as workload:
        workload.before()
        workload.timed()
        assert workload.items() == workload.report.interleavings > 1
        workload.after()


class Counted(Machine):
    """A machine that tells what it was made with, and its end."""

    said: ClassVar[list[tuple[int, int, str]]] = []

    def close(self) -> None:
        was_open = not self.core.closed
        super().close()
        if was_open:
            stats = self.stats()
            assert stats["counters"]["pgfault"] > 0
            self.said.append((stats["ram_bytes"], self.core.bits, self.vm.rmap.name))


@pytest.mark.parametrize("bits", [32, 64])
def test_warm_machines_are_made_one_after_the_other(rmap: str, bits: int) -> None:
    Counted.said.clear()
    one = (32 << 20, bits, rmap)
    with Machine(ram="4M", swap=None, rmap=rmap, bits=bits) as machine:
        machine.__class__ = Counted
        with Warm(machine, 3) as workload:
            assert Counted.said == [one]  # so that none that is timed is the first
            workload.timed()
            assert Counted.said == [one] * (1 + workload.items())
        machine.__class__ = Machine


def test_rows_and_workloads_are_the_same() -> None:
    assert {row.guest for row in ROWS if row.kind is Kind.MICRO} == set(WORKLOADS)
    assert set(COUNTED) == set(WORKLOADS) - {"explore", "warm"}


def pytest_in_bench(*args: str) -> subprocess.CompletedProcess[str]:
    # pytest-benchmark times nothing where it sees that it is one of several workers
    alone = {key: value for key, value in os.environ.items() if "PYTEST_XDIST" not in key}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "bench/test_micro.py", *args],
        cwd=ROOT,
        env=alone,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_pytest_benchmark_runs_each_of_them_once() -> None:
    done = pytest_in_bench("--benchmark-disable", "--rmap", ",".join(SCHEMES))
    assert done.returncode == 0, done.stdout
    assert f"{len(SCHEMES) * len(WORKLOADS)} passed" in done.stdout


def test_pytest_benchmark_divides_by_items() -> None:
    done = pytest_in_bench("-k", "frames")
    assert done.returncode == 0, done.stdout
    assert "Name (time in ns)" in done.stdout
    (row,) = (row for row in ROWS if row.guest == "frames")
    table = [line.split() for line in done.stdout.splitlines() if line.startswith("test_item[")]
    assert [line[-1] for line in table] == [str(row.n)] * len(SCHEMES)


def test_pytest_benchmark_refuses_an_unknown_scheme() -> None:
    done = pytest_in_bench("--rmap", "anon_vam")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "unknown rmap scheme 'anon_vam': choose one of" in done.stderr
    assert "Traceback" not in done.stderr
