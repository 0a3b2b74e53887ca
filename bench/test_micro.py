"""The workloads of the C core under pytest-benchmark: ``python -m pytest bench/test_micro.py``.

An iteration is an item: a pte that is zapped, a probe, a frame.  So the table's times are those
of one item, and its operations a second are items: frames a second, for instance.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from bench.micro import WORKLOADS
from bench.rows import ROWS, Kind, Row
from bench.worker import DEFAULTS
from vmemu.machine import Machine

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

ROUNDS = 15
MICRO = [row for row in ROWS if row.kind is Kind.MICRO]


@pytest.fixture(params=MICRO, ids=[row.guest for row in MICRO])
def row(request: pytest.FixtureRequest) -> Row:
    return request.param


@pytest.fixture
def machine(row: Row, rmap: str) -> Iterator[Machine]:
    options: dict[str, Any] = {"lock_checks": False} | DEFAULTS | row.machine
    with Machine(rmap=rmap, **options) as machine:
        yield machine


def test_item(benchmark: BenchmarkFixture, row: Row, machine: Machine) -> None:
    benchmark.group = f"{row.name}: {row.what}"
    with WORKLOADS[row.guest](machine, row.n) as workload:

        def count_items() -> None:
            """Tell by what pytest-benchmark has to divide; it warms up first."""
            items = workload.items()
            assert benchmark.stats.iterations in (1, items), "rounds differ in what they do"
            benchmark.stats.iterations = benchmark.extra_info["items"] = items
            workload.after()

        benchmark.pedantic(
            workload.timed,
            setup=workload.before,
            teardown=count_items,
            rounds=ROUNDS,
            warmup_rounds=1,
        )
        if benchmark.disabled:  # then there was one round, and no teardown
            workload.after()
