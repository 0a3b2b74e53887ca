"""A pytest plugin that ends a process in which a test takes far longer than it should.

``-p tests.mutants.limits`` with two files in the environment: VMEMU_LIMITS holds each test's
usual seconds in JSON, and the test that runs is written to VMEMU_LAST.  A mutant that loops or
waits without end is noticed by this.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import sys
from pathlib import Path

import pytest

FACTOR, CPU, WALL = 5, 10, 90  # seconds that every test has on top
USUAL: dict[str, float] = json.loads(Path(os.environ["VMEMU_LIMITS"]).read_text())
LAST = Path(os.environ["VMEMU_LAST"])
MEMORY = 6 << 30


def pytest_configure() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    LAST.write_text(item.nodeid)
    usual = FACTOR * USUAL.get(item.nodeid, 10)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = usage.ru_utime + usage.ru_stime
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + usual + CPU), hard))
    faulthandler.dump_traceback_later(4 * usual + WALL, exit=True, file=sys.__stderr__)
