"""The worker that fuzzers run in: each way in which a case can go wrong is a finding."""

from __future__ import annotations

import os
import signal
import time

from .worker import Worker


def case(seed: int) -> int:
    if seed == 3:
        raise ValueError("three is wrong")
    if seed == 5:
        os.kill(os.getpid(), signal.SIGSEGV)
    if seed == 6:
        os._exit(7)
    if seed == 8:
        time.sleep(60)
    return 10


def test_every_end_is_told_and_the_others_run() -> None:
    worker = Worker(case, hang=1.0)
    found = {finding.seed: finding.what for finding in worker.run(1, 9)}
    assert sorted(found) == [3, 5, 6, 8]
    assert "ValueError: three is wrong" in found[3]
    assert found[5] == "the process died of SIGSEGV"
    assert found[6] == "the process left with status 7"
    assert found[8] == "still running after 1 s"
    assert worker.cases == 5
    assert worker.units == 50


def test_time_is_up() -> None:
    worker = Worker(case)
    assert not list(worker.run(1, 2, until=time.monotonic() - 1))
    assert worker.cases == 0
