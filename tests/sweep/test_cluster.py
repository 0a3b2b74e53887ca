"""The same cells on a cluster of dask: a scheduler and workers that are processes of their own."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.command import Vmemu
from tests.sweep.test_sweep import rows
from vmemu.sweep.sweep import sweep
from vmemu.sweep.words import plan_from_words

ROOT = Path(__file__).parents[2]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Processes that end with the test."""
    running: list[subprocess.Popen[str]] = []

    def start(*words: str, path: Path = ROOT) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(path)},
            start_new_session=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def wait_for(process: subprocess.Popen[str], pattern: str) -> str:
    """What a line of its log says."""
    assert process.stderr is not None
    for line in process.stderr:
        if match := re.search(pattern, line):
            return match[1]
    raise AssertionError("it has ended")


def scheduler(start: Start) -> str:
    words = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show")
    return wait_for(start("scheduler", *words), r"Scheduler at:\s+(tcp://\S+)")


def worker(start: Start, address: str, path: Path = ROOT) -> subprocess.Popen[str]:
    words = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
    process = start("worker", address, *words, path=path)
    wait_for(process, r"Registered to:\s+(tcp://\S+)")
    return process


@pytest.mark.slow
def test_a_worker_that_is_lost_costs_its_cells_only(start: Start, tmp_path: Path) -> None:
    words, options = ["fork-server", "N=1..12", "R=1,2"], {"rmap": ("anonmm,anon_vma",)}
    address = scheduler(start)
    workers = [worker(start, address) for _ in range(3)]
    killed: list[int] = []

    def progress(tally: object) -> None:
        if tally.ran >= 10 and not killed:  # type: ignore[attr-defined]
            os.killpg(workers[1].pid, signal.SIGKILL)
            killed.append(tally.ran)  # type: ignore[attr-defined]

    plan = plan_from_words(words, options)
    result = sweep(plan, tmp_path / "there", scheduler=address, progress=progress)
    assert killed == [10]
    assert (result.tally.ran, result.tally.failures) == (48, [])
    sweep(plan, tmp_path / "here")
    assert rows(tmp_path / "there") == rows(tmp_path / "here")


def test_a_worker_with_another_build_is_refused(start: Start, vmemu: Vmemu, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(ROOT / "vmemu", other / "vmemu")
    with (other / "vmemu" / "errors.py").open("a") as file:
        file.write("\n# another\n")
    address = scheduler(start)
    worker(start, address)
    worker(start, address, other)
    done = vmemu(f"sweep hole --rmap scan --scheduler {address} --out {tmp_path / 'runs'}")
    assert (done.status, done.out) == (2, "")
    assert re.fullmatch(
        r"vmemu: the worker tcp://127\.0\.0\.1:\d+ has another build of vmemu \(\w+; this is "
        r"\w+\): install the same there\n",
        done.err,
    )


def test_without_workers(start: Start, vmemu: Vmemu, tmp_path: Path) -> None:
    address = scheduler(start)
    done = vmemu(f"sweep hole --rmap scan --scheduler {address} --out {tmp_path / 'runs'}")
    assert done.status == 2
    assert "has no workers" in done.err
