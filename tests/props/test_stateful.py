"""The same operations, chosen by hypothesis: few, but cut down to the least that fails."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from vmemu.testing.frame import Config
from vmemu.testing.model import PAGE
from vmemu.testing.world import HEAP, World

LOW, SEAM, TOP = 0x40000, 0x403F8, 0xBFFC0
ANON = 0x22

pids = st.integers(1, 5)
pages = st.one_of(
    st.integers(LOW, LOW + 24), st.integers(SEAM, SEAM + 16), st.integers(TOP, TOP + 63)
)
lengths = st.integers(0, 24 * PAGE)
prots = st.sampled_from([0, 1, 2, 3, 5, 7])


class MemoryMachine(RuleBasedStateMachine):
    """One machine; every rule is an operation, and everything is checked after each."""

    scheme = "anon_vma"

    def __init__(self) -> None:
        super().__init__()
        self.world = World(Config(self.scheme, ram=1 << 20, swap=(512, 128), budget=200))
        self.serial = 0

    def apply(self, *operation: object) -> None:
        self.world.apply(operation)
        self.world.check()

    def teardown(self) -> None:
        try:
            self.world.finish()
        finally:
            self.world.close()

    @rule(
        pid=pids,
        page=pages,
        length=lengths,
        prot=prots,
        flags=st.sampled_from([0, 0x10, 0x10, 0x10, 0x110, 0x8010]),
    )
    def mmap(self, pid: int, page: int, length: int, prot: int, flags: int) -> None:
        self.apply("mmap", pid, page * PAGE, length, prot, ANON | flags)

    @rule(pid=pids, page=pages, length=lengths)
    def munmap(self, pid: int, page: int, length: int) -> None:
        self.apply("munmap", pid, page * PAGE, length)

    @rule(pid=pids, page=pages, length=lengths, prot=prots)
    def mprotect(self, pid: int, page: int, length: int, prot: int) -> None:
        self.apply("mprotect", pid, page * PAGE, length, prot)

    @rule(
        pid=pids,
        page=pages,
        old=lengths,
        new=lengths,
        flags=st.sampled_from([0, 1, 3]),
        place=pages,
    )
    def mremap(self, pid: int, page: int, old: int, new: int, flags: int, place: int) -> None:
        if old:
            self.apply("mremap", pid, page * PAGE, old, new, flags, place * PAGE)

    @rule(pid=pids, brk=st.integers(-PAGE, 24 * PAGE))
    def brk(self, pid: int, brk: int) -> None:
        self.apply("brk", pid, HEAP + brk)

    @rule(pid=pids, page=pages, length=lengths, advice=st.integers(0, 5))
    def madvise(self, pid: int, page: int, length: int, advice: int) -> None:
        self.apply("madvise", pid, page * PAGE, length, advice)

    @rule(pid=pids, page=pages, length=lengths, answer=pages)
    def mincore(self, pid: int, page: int, length: int, answer: int) -> None:
        self.apply("mincore", pid, page * PAGE, length, answer * PAGE)

    @rule(pid=pids, page=pages, length=lengths, on=st.booleans())
    def mlock(self, pid: int, page: int, length: int, on: bool) -> None:
        self.apply("mlock" if on else "munlock", pid, page * PAGE, length)

    @rule(pid=pids, page=pages, n=st.integers(1, 3 * PAGE), user=st.booleans())
    def read(self, pid: int, page: int, n: int, user: bool) -> None:
        self.apply("user_read" if user else "read", pid, page * PAGE, n)

    @rule(pid=pids, page=pages, n=st.integers(1, 8 * PAGE), user=st.booleans())
    def write(self, pid: int, page: int, n: int, user: bool) -> None:
        self.serial += 1
        self.apply("user_write" if user else "write", pid, page * PAGE, n, self.serial)

    @rule(pid=pids)
    def fork(self, pid: int) -> None:
        self.apply("fork", pid)

    @rule(pid=pids, how=st.sampled_from(["exit", "exec"]))
    def exit(self, pid: int, how: str) -> None:
        self.apply(how, pid)
        if not self.world.processes:
            self.apply("spawn")

    @rule(pid=pids, page=pages, length=lengths)
    def reclaim_range(self, pid: int, page: int, length: int) -> None:
        self.apply("reclaim_range", pid, page * PAGE, length)

    @rule(pages=st.integers(1, 250))
    def reclaim(self, pages: int) -> None:
        self.apply("reclaim", pages)

    @rule(area=st.integers(0, 1), on=st.booleans())
    def swap(self, area: int, on: bool) -> None:
        self.apply("swapon" if on else "swapoff", area)


EXAMPLES = os.environ.get("VMEMU_EXAMPLES")  # more than usual, and others every time


@pytest.mark.parametrize("scheme", ["anonmm", "anon_vma"])
def test_operations_chosen_by_hypothesis(scheme: str) -> None:
    machine = type("Machine", (MemoryMachine,), {"scheme": scheme})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=int(EXAMPLES or 40),
            derandomize=EXAMPLES is None,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
