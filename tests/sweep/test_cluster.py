"""The same cells on a cluster of dask: a scheduler and workers that are processes of their own."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import Vmemu
from tests.sweep.loopback import Cluster
from tests.sweep.test_sweeps import rows
from vmemu.sweep.sweep import sweep
from vmemu.sweep.words import plan_from_words

ROOT = Path(__file__).parents[2]


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.close()


@pytest.mark.slow
def test_a_worker_that_is_lost_costs_its_cells_only(dask: Cluster, tmp_path: Path) -> None:
    words, options = ["fork-server", "N=1..12", "R=1,2"], {"rmap": ("anonmm,anon_vma",)}
    workers = [dask.worker() for _ in range(3)]
    killed: list[int] = []

    def progress(tally: object) -> None:
        if tally.ran >= 10 and not killed:  # type: ignore[attr-defined]
            os.killpg(workers[1].pid, signal.SIGKILL)
            killed.append(tally.ran)  # type: ignore[attr-defined]

    plan = plan_from_words(words, options)
    result = sweep(plan, tmp_path / "there", scheduler=dask.address, progress=progress)
    assert killed == [10]
    assert (result.tally.ran, result.tally.failures) == (48, [])
    sweep(plan, tmp_path / "here")
    assert rows(tmp_path / "there") == rows(tmp_path / "here")


def test_a_worker_with_another_build_is_refused(
    dask: Cluster, vmemu: Vmemu, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(ROOT / "vmemu", other / "vmemu")
    with (other / "vmemu" / "errors.py").open("a") as file:
        file.write("\n# another\n")
    dask.worker()
    dask.worker(other)
    done = vmemu(f"sweep hole --rmap scan --scheduler {dask.address} --out {tmp_path / 'runs'}")
    assert (done.status, done.out) == (2, "")
    assert re.fullmatch(
        r"vmemu: the worker tcp://127\.0\.0\.1:\d+ has another build of vmemu \(\w+; this is "
        r"\w+\): install the same there\n",
        done.err,
    )


def test_without_workers(dask: Cluster, vmemu: Vmemu, tmp_path: Path) -> None:
    done = vmemu(f"sweep hole --rmap scan --scheduler {dask.address} --out {tmp_path / 'runs'}")
    assert done.status == 2
    assert "has no workers" in done.err
