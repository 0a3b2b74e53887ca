"""Threads: what a process is to those who kill it, count it and wait for it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.width import BITS
from vmemu import _build
from vmemu.core import lib
from vmemu.kernel.process.futex import Futexes, Waiter
from vmemu.machine import Machine

SOURCE = Path(__file__).with_name("threads.c")


class Ran(NamedTuple):
    """What came of a program."""

    status: int
    output: str
    log: list[str]
    counters: dict[str, int]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("threads") / "threads"
    path.write_bytes(_build.guest_program(SOURCE, BITS))
    path.chmod(0o755)
    return path


def run(program: Path, what: int, **options: Any) -> Ran:
    """Run one part of the program; nothing of it may be left over."""
    output, log = io.BytesIO(), list[str]()
    options = {"ram": "4M", "swap": None, **options}
    with Machine(bits=BITS, **options) as machine:
        machine.kernel.log = log.append
        machine.spawn(program, [str(program), f"WHAT={what}"], stdin=b"", stdout=output, stderr=2)
        status = machine.run().exit_status
        machine.check()
        assert not machine.processes
        assert not machine.kernel.futexes.waiters()
        assert not machine.kernel.hold.held
        counters = machine.core.counters()
    return Ran(status, output.getvalue().decode(), log, counters)


def test_want_of_memory_kills_all_threads_of_a_process(program: Path) -> None:
    """One process is killed, whichever of its threads asks for the memory that is not there."""
    ran = run(program, 0)
    assert ran.output == "00000009\n"
    assert [line for line in ran.log if "Killed" in line] == [
        "Out of Memory: Killed process 101 (threads)."
    ]
    assert ran.counters["oom_kill"] == 1


def test_a_thread_counts_as_a_task(program: Path) -> None:
    """Three of them may be: the first and two more; then fork fails with EAGAIN."""
    assert run(program, 1, max_tasks=3).output == "-11\n"
    assert int(run(program, 1, max_tasks=4).output.split()[-1]) > 100


def test_whose_child_it_is(program: Path) -> None:
    """__WNOTHREAD waits for the thread's own children; those of one that ends are another's."""
    ran = run(program, 2)
    assert ran.output == ("its own 00000300\nnot mine -10\nmine now 1 00000400, thread's use 0\n")


def test_a_process_dies_though_a_thread_waits_for_vfork(program: Path) -> None:
    assert run(program, 3).output == "00000009\n"


def test_a_process_that_selects_is_killed_for_want_of_memory(program: Path) -> None:
    """Nothing is stored for it then: the page of its timeout is in swap, and memory is out."""
    ran = run(program, 4, swap="2M")
    assert ran.output == "00000009\n"
    assert ran.log[0] == "Out of Memory: Killed process 101 (threads)."


def test_waking_and_moving() -> None:
    """As many as are wanted, those first that came first, and only with a bit in common."""
    futexes, here, there = Futexes(), (1, 4, 0), (1, 8, 0)
    task: Any = None
    waiters = [Waiter(task, here, bits) for bits in (1, 2, 3, 4)]
    for waiter in waiters:
        futexes.add(waiter)
    assert futexes.wake(here, 1, 2) == 1
    assert [waiter.woken for waiter in waiters] == [False, True, False, False]
    assert futexes.requeue(here, 1, 1, there) == 2
    assert waiters[0].woken
    assert [waiter.key for waiter in waiters[2:]] == [there, here]
    futexes.remove(waiters[2])
    assert futexes.wake(there, 9) == 0
    assert futexes.wake(here, lib.PAGE_SIZE) == 1
    assert not futexes.waiters()
