"""A pytest plugin that writes down which tests reach which blocks of C and lines of Python.

``-p tests.mutants.recorder`` with VMEMU_REACH_DIR in the environment: the C core there is
built with `hits.c`, and the plugin writes ``tests.jsonl`` and ``python.json``.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Generator
from pathlib import Path

import coverage
import numpy as np
import pytest

from .score import PYTHON

DIRECTORY = Path(os.environ["VMEMU_REACH_DIR"])
FIXTURE = "fixture "


class Recorder:
    """What each test reaches, with what fixtures of a wider scope did for several."""

    def __init__(self) -> None:
        with Path(os.environ["VMEMU_REACH_MAP"]).open("r+b") as file:
            self.map = np.frombuffer(mmap.mmap(file.fileno(), 0), dtype=np.uint8)
        self.coverage = coverage.Coverage(
            data_file=None,
            config_file=False,
            include=[f"vmemu/{part}/*" for part in PYTHON],
            concurrency=["thread", "greenlet"],
        )
        self.coverage.start()
        self.out = (DIRECTORY / "tests.jsonl").open("w")
        self.fixtures: dict[str, list[int]] = {}
        self.failed = False

    def take(self) -> list[int]:
        """The blocks that ran since the last call."""
        found = np.flatnonzero(self.map)
        self.map[found] = 0
        return found.tolist()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self.take()
        self.failed = False
        self.coverage.switch_context(item.nodeid)
        began = sum(os.times()[:4])  # of this process and its children, whatever else runs
        result = yield
        seconds = sum(os.times()[:4]) - began
        self.coverage.switch_context("")
        names = [name for name in getattr(item, "fixturenames", ()) if name in self.fixtures]
        blocks = set(self.take()).union(*(self.fixtures[name] for name in names))
        line = {
            "test": item.nodeid,
            "seconds": round(seconds, 3),
            "failed": self.failed,
            "fixtures": names,
            "blocks": sorted(blocks),
        }
        print(json.dumps(line), file=self.out, flush=True)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        if fixturedef.scope == "function":
            return (yield)
        before = self.take()
        self.coverage.switch_context(FIXTURE + fixturedef.argname)
        result = yield
        self.coverage.switch_context(request.node.nodeid)
        self.fixtures[fixturedef.argname] = self.take()
        self.map[before] = 1
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed |= report.failed

    def pytest_sessionfinish(self) -> None:
        self.coverage.stop()
        data = self.coverage.get_data()
        lines = {
            os.path.relpath(file): {
                line: list(contexts) for line, contexts in data.contexts_by_lineno(file).items()
            }
            for file in data.measured_files()
        }
        (DIRECTORY / "python.json").write_text(json.dumps(lines))


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Recorder(), "mutants-recorder")
