"""Who resolves a decided fault, the C core or Python, cannot be seen in anything but who did;
nor can whether locks are checked.

The same guest runs three times.  Output, exit status, every counter, the locks' too, and every
event (name, arguments, pid and virtual time) have to be the same.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_guests_native import GOOD, SEGV
from test_guests_vmemu import SCHEMES, SMALL, TIGHT, split

from vmemu import Machine
from vmemu.core import PAGE_SIZE, ffi, lib
from vmemu.errors import Errno
from vmemu.mm import (
    Mm,
    do_madvise,
    do_mmap,
    do_mprotect,
    do_mremap,
    do_munmap,
    dup_mmap,
)
from vmemu.stats import lock_stats

Guest = Callable[[str], Path]

WHO = frozenset({"fault_c", "fault_python"})
"""The counters that say who it was: the only ones that may differ, their sum may not."""

WATCHED = "c, watched"
"""Loops over many ptes have another form for when locks are checked."""

PATHS = ("c", "python", WATCHED)

EVENTS = 1 << 16


class Seen(NamedTuple):
    """Everything a run leaves behind."""

    stdout: bytes
    stderr: bytes
    status: str
    counters: dict[str, int]
    events: bytes
    """The ring, raw: struct event with its virtual time."""


def observe(machine: Machine) -> tuple[dict[str, int], bytes]:
    """Counters but for who did it, and the events."""
    counters = machine.core.counters()
    counters["faults"] = sum(counters.pop(name) for name in WHO)
    counters["clock"] = machine.core.m.clock.now
    counters["events"] = machine.core.m.trace.head
    counters["steps"] = machine.core.m.watch.steps
    for lock, stat in lock_stats(machine.core).items():
        counters |= {f"{lock} {name}": value for name, value in stat.items()}
    ring = ffi.buffer(machine.core.m.trace.ring, EVENTS * ffi.sizeof("struct event"))
    return counters, bytes(ring)


def how(path: str) -> dict[str, Any]:
    """The options of a machine."""
    return {"fault_path": path.partition(",")[0], "lock_checks": path == WATCHED}


def run(program: Path, args: tuple[str, ...], scheme: str, ram: str, path: str) -> Seen:
    """One run; the path is all that differs."""
    stdout, stderr = io.BytesIO(), io.BytesIO()
    with Machine(ram=ram, swap="16M", rmap=scheme, events=EVENTS, **how(path)) as machine:
        machine.spawn(program, [program.name, *args], stdin=b"", stdout=stdout, stderr=stderr)
        status = machine.run()
        taken = machine.core.counters()
        assert path != "python" or taken["fault_c"] == 0
        counters, events = observe(machine)
    return Seen(stdout.getvalue(), stderr.getvalue(), str(status), counters, events)


def compare(in_c: Seen, *others: Seen) -> None:
    """Fail at the first difference, the most telling first."""
    for other in others:
        assert in_c[:3] == other[:3]
        assert in_c.counters == other.counters
        assert in_c.events == other.events


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    "command", [c for c, _ in GOOD] + SEGV + ["vfork-exec HELLO", "cat /nonexistent"]
)
def test_same_run_with_ample_ram(guest: Guest, command: str, scheme: str) -> None:
    program, args = split(guest, 32, command)
    compare(*(run(program, args, scheme, "8M", path) for path in PATHS))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("command", TIGHT + SMALL)
def test_same_run_in_little_ram(guest: Guest, command: str, scheme: str) -> None:
    program, args = split(guest, 32, command)
    ram = "512K" if command in TIGHT else "300K"
    compare(*(run(program, args, scheme, ram, path) for path in PATHS))


def test_the_core_takes_what_is_decided(guest: Guest) -> None:
    program, args = split(guest, 32, "touch PAGES=400")
    with Machine(ram="8M", swap="16M") as machine:
        machine.spawn(program, [program.name, *args], stdout=None)
        machine.run()
        counters = machine.core.counters()
    assert counters["fault_c"] > 400
    assert counters["fault_python"] < 10  # first writes to an area, and the stack's growth


# ---- any order of operations

BASE = 0x50000000
PAGES = 96
"""The arena: small enough that operations meet, larger than the frames left over."""

page = st.integers(0, PAGES - 1)
length = st.integers(1, 24)
which = st.integers(0, 7)
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("mmap"), which, page, length, st.sampled_from([1, 3, 3, 7, 0])),
        st.tuples(st.just("stack"), which, page, length),
        st.tuples(st.just("munmap"), which, page, length),
        st.tuples(st.just("mprotect"), which, page, length, st.sampled_from([0, 1, 3])),
        st.tuples(st.just("mremap"), which, page, length, length, page),
        st.tuples(st.just("discard"), which, page, length),
        st.tuples(st.just("touch"), which, page, length, st.booleans()),
        st.tuples(st.just("touch"), which, page, length, st.just(True)),
        st.tuples(st.just("fork"), which),
        st.tuples(st.just("exit"), which),
        st.tuples(st.just("reclaim"), which, page, length),
    ),
    min_size=10,
    max_size=60,
)


class Play:
    """Applies operations to a machine without programs; errors are results too."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.mms = [Mm.create(machine.vm)]
        self.results: list[object] = []

    def do(self, name: str, which: int, *args: int) -> None:
        """One operation on one of the address spaces."""
        if not self.mms:
            return
        mm = self.mms[which % len(self.mms)]
        try:
            self.results.append(getattr(self, name)(mm, *args))
        except Errno as error:
            self.results.append(error.errno)

    @staticmethod
    def _at(page: int) -> int:
        return BASE + page * PAGE_SIZE

    def mmap(self, mm: Mm, page: int, n: int, prot: int) -> int:
        """Private memory at a fixed place."""
        return do_mmap(mm, self._at(page), n * PAGE_SIZE, prot, 0x32)

    def stack(self, mm: Mm, page: int, n: int) -> int:
        """An area that grows down."""
        return do_mmap(mm, self._at(page), n * PAGE_SIZE, 3, 0x132)

    def munmap(self, mm: Mm, page: int, n: int) -> None:
        """Take a range away."""
        do_munmap(mm, self._at(page), n * PAGE_SIZE)

    def mprotect(self, mm: Mm, page: int, n: int, prot: int) -> None:
        """Change a range."""
        do_mprotect(mm, self._at(page), n * PAGE_SIZE, prot)

    def mremap(self, mm: Mm, page: int, n: int, to: int, at: int) -> int:
        """Resize or move."""
        return do_mremap(mm, self._at(page), n * PAGE_SIZE, to * PAGE_SIZE, 3, self._at(at))

    def discard(self, mm: Mm, page: int, n: int) -> None:
        """MADV_DONTNEED."""
        do_madvise(mm, self._at(page), n * PAGE_SIZE, 4)

    def touch(self, mm: Mm, page: int, n: int, write: bool) -> list[int]:
        """Fault, as the CPU would, outside the hook: what came of each page."""
        access = lib.ACCESS_WRITE if write else lib.ACCESS_READ
        return [self.machine.vm.fault(mm, self._at(page + i), access) for i in range(n)]

    def fork(self, mm: Mm) -> None:
        """A copy, up to a family of eight."""
        if len(self.mms) < 8:
            self.mms.append(dup_mmap(mm))

    def exit(self, mm: Mm) -> None:
        """One less."""
        self.mms.remove(mm)
        mm.put()

    def reclaim(self, mm: Mm, page: int, n: int) -> int:
        """Swap a range out."""
        return self.machine.vm.reclaim_range(mm, self._at(page), self._at(page + n))


def play(operations: list[tuple[object, ...]], scheme: str, path: str) -> tuple[object, ...]:
    """All operations; what each gave, and what is left behind."""
    with Machine(ram="600K", swap="4M", rmap=scheme, events=EVENTS, **how(path)) as machine:
        machine.vm.oom = None
        players = Play(machine)
        for operation in operations:
            players.do(*operation)  # type: ignore[arg-type]
        machine.check()
        return players.results, *observe(machine)


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=150, deadline=None)
@given(operations=OPERATIONS)
def test_same_effect_of_any_operations(scheme: str, operations: list[tuple[object, ...]]) -> None:
    in_c, *others = (play(operations, scheme, path) for path in PATHS)
    assert others == [in_c, in_c]
