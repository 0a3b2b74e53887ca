"""Each fuzzer's first cases, and the seeds that once found something."""

from __future__ import annotations

import functools
import importlib

import pytest

from . import FUZZERS, WIDE
from .worker import Worker

FIRST = range(1, 11)


@pytest.mark.parametrize("name", FUZZERS)
def test_nothing_is_found(name: str) -> None:
    module = importlib.import_module(f"{__package__}.{name}")
    worker = Worker(module.case)
    findings = [finding for seed in [*FIRST, *module.SEEDS] for finding in worker.run(seed, 1)]
    assert not findings
    assert worker.units > 0


@pytest.mark.parametrize("name", WIDE)
def test_nothing_is_found_in_64_bits(name: str) -> None:
    module = importlib.import_module(f"{__package__}.{name}")
    worker = Worker(functools.partial(module.case, bits=64))
    findings = [finding for seed in [*FIRST, *module.SEEDS_64] for finding in worker.run(seed, 1)]
    assert not findings
    assert worker.units > 0
