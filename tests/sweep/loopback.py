"""A cluster of dask on the loopback device: a scheduler, and workers that are processes."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Cluster", "cluster"]

ROOT = Path(__file__).parents[2]


class Cluster:
    """Processes that are started one after the other, in a directory for their files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.processes: list[subprocess.Popen[str]] = []
        words = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show")
        self.address = self._start("scheduler", words, ROOT, r"Scheduler at:\s+(tcp://\S+)")

    def worker(self, path: Path = ROOT) -> subprocess.Popen[str]:
        """One more, which finds modules in ``path``."""
        words = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
        self._start("worker", (self.address, *words), path, r"Registered to:\s+(tcp://\S+)")
        return self.processes[-1]

    def _start(self, what: str, words: tuple[str, ...], path: Path, pattern: str) -> str:
        """What a line of its log says."""
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{what}", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.directory,
            env={**os.environ, "PYTHONPATH": str(path)},
            start_new_session=True,
        )
        self.processes.append(process)
        assert process.stderr is not None
        for line in process.stderr:
            if match := re.search(pattern, line):
                return match[1]
        raise AssertionError(f"the {what} has ended")

    def close(self) -> None:
        """End them all."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert process.stderr is not None
            process.stderr.close()


@contextlib.contextmanager
def cluster(directory: Path, path: Path = ROOT, workers: int = 1) -> Iterator[str]:
    """The address of one with some workers."""
    found = Cluster(directory)
    try:
        for _ in range(workers):
            found.worker(path)
        yield found.address
    finally:
        found.close()
