"""The explorer itself, on paths so short that every order of their steps can be run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.width import ffi, lib
from vmemu.check import check_machine
from vmemu.errors import ConfigError, KernelBug
from vmemu.explore import Explorer, Mode, Scenario, Settings, path
from vmemu.explore.scenario import AREA

_LOCK = ffi.offsetof("struct mm_struct", "page_table_lock")


class Toy(Scenario):
    """Two areas whose flags paths may store; the checkers do not mind."""

    name = "toy"

    def setup(self) -> None:
        self.mms = [self.new_mm("one"), self.new_mm("two")]
        for mm in self.mms:
            self.mapped(mm, AREA, 1)
        self.vmas = [lib.find_vma(self.m, mm.ptr, AREA) for mm in self.mms]
        self.m.watch.bits = 0

    def store(self, which: int, flag: int) -> None:
        lib.vma_set_flags(self.m, self.vmas[which], flag)

    def lock(self, which: int) -> None:
        lib.lock_page_table(self.m, self.mms[which].ptr)

    def unlock(self, which: int) -> None:
        lib.unlock_page_table(self.m, self.mms[which].ptr)

    def trylock(self, which: int) -> int:
        ptr = self.mms[which].ptr
        word = self.core.kaddr(ptr) + _LOCK
        return int(lib.try_lock(self.m, lib.LOCK_page_table, word))


class Stores(Toy):
    """Three stores by each path, to one place and to two."""

    name = "stores"

    @path
    def one(self) -> None:
        self.store(0, 1)
        self.store(1, 1)
        self.store(0, 3)

    @path
    def other(self) -> None:
        self.store(1, 5)
        self.store(0, 5)
        self.store(1, 7)


class Locks(Toy):
    """Stores under a lock, under a trylock, and without."""

    name = "locks"

    @path
    def locker(self) -> None:
        self.lock(0)
        self.store(0, 1)
        self.store(1, 1)
        self.unlock(0)

    @path
    def trier(self) -> int:
        if not self.trylock(0):
            return 0
        self.store(0, 3)
        self.unlock(0)
        return 1

    @path
    def other(self) -> None:
        self.store(1, 5)


class Abba(Toy):
    """Two locks in opposite orders."""

    name = "abba"

    @path
    def one(self) -> None:
        self.lock(0)
        self.lock(1)
        self.unlock(1)
        self.unlock(0)

    @path
    def other(self) -> None:
        self.lock(1)
        self.lock(0)
        self.unlock(0)
        self.unlock(1)


class Readers(Toy):
    """Readers of mmap_sem do not exclude each other, a writer does."""

    name = "readers"

    @path
    def reader(self) -> None:
        self._read(1)

    @path
    def other(self) -> None:
        self._read(3)

    def _read(self, flag: int) -> None:
        lib.down_read(self.m, self.mms[0].ptr)
        self.store(0, flag)
        lib.up_read(self.m, self.mms[0].ptr)

    @path
    def writer(self) -> int:
        lib.down_write(self.m, self.mms[0].ptr)
        before = int(self.vmas[0].vm_flags)
        self.store(1, 5)
        after = int(self.vmas[0].vm_flags)
        lib.up_write(self.m, self.mms[0].ptr)
        return before != after


def outcomes(toy: type[Toy], mode: Mode, preemptions: int = 255) -> tuple[set[Any], int]:
    """The flags and results that runs end with, and how many runs there were."""
    met, runs, more = set(), 0, True
    with Explorer(toy(Settings()), mode, preemptions=preemptions) as explorer:
        scenario = explorer.scenario
        assert isinstance(scenario, Toy)
        while more:
            assert explorer.run() == lib.EXPLORE_ENDED
            runs += 1
            flags = tuple(int(vma.vm_flags) for vma in scenario.vmas)
            met.add((flags, tuple(explorer.last_results)))
            more = explorer.advance()
    return met, runs


@pytest.mark.parametrize("toy", [Stores, Locks])
def test_reduced_is_all(toy: type[Toy]) -> None:
    reduced, few = outcomes(toy, Mode.REDUCED)
    every, many = outcomes(toy, Mode.ALL)
    assert reduced == every
    assert len(every) > 2
    assert few < many / 3


def test_readers_and_writer() -> None:
    reduced, few = outcomes(Readers, Mode.REDUCED)
    every, many = outcomes(Readers, Mode.ALL)
    assert reduced == every
    assert {results[2] for _, results in every} == {0}  # nobody stores while it looks
    assert few < many / 10


def test_all_orders_are_counted() -> None:
    """Three stores and a start each, no locks: 8 choose 4."""
    assert outcomes(Stores, Mode.ALL)[1] == 70


def test_preemptions_bound_the_orders() -> None:
    found = [outcomes(Stores, Mode.ALL, n)[1] for n in range(8)]
    assert found[0] == 2  # one path, then the other
    assert found == sorted(found)
    assert found[-1] == 70


def test_deadlock_is_told_and_survived() -> None:
    for _ in range(3):
        with Explorer(Abba(Settings())) as explorer:
            report = explorer.explore()
        assert report.violation is not None
        assert sorted(report.violation.problems) == [
            "deadlock: one waits for page_table_lock of two, held by other",
            "deadlock: other waits for page_table_lock of one, held by one",
        ]
        assert [row.text for row in report.violation.rows()] == [
            "lock page_table_lock of one",
            "lock page_table_lock of two",
        ]
    assert outcomes(Stores, Mode.ALL)[1] == 70


class Raises(Toy):
    """A path that fails."""

    name = "raises"

    @path
    def good(self) -> None:
        self.store(0, 1)

    @path
    def bad(self) -> None:
        self.store(0, 3)
        raise ValueError("a mistake")


def test_an_exception_is_a_violation() -> None:
    with Explorer(Raises(Settings())) as explorer:
        report = explorer.explore()
    assert report.violation is not None
    assert report.violation.problems == ["bad: ValueError: a mistake"]


class Leaks(Toy):
    """A path that leaves a lock taken."""

    name = "leaks"

    @path
    def good(self) -> None:
        self.store(0, 1)

    @path
    def bad(self) -> None:
        self.lock(0)

    def check(self) -> Iterator[str]:
        if self.mms[0].ptr.page_table_lock:
            yield "a lock is left"


def test_the_property_is_asked() -> None:
    with Explorer(Leaks(Settings())) as explorer:
        report = explorer.explore()
    assert report.violation is not None
    assert report.violation.problems[0] == "a lock is left"


def test_the_machine_is_as_before_afterwards() -> None:
    scenario = Stores(Settings())
    explorer = Explorer(scenario)
    explorer.explore()
    lib.explore_end(scenario.m)
    assert [int(vma.vm_flags) & 7 for vma in scenario.vmas] == [3, 3]
    check_machine(scenario.vm)
    scenario.close()


class Alone(Toy):
    """One path only."""

    name = "alone"

    @path
    def one(self) -> None:
        self.store(0, 1)


def test_one_path_is_nothing_to_explore() -> None:
    with pytest.raises(ConfigError, match="alone has 1 paths"):
        Explorer(Alone(Settings()))


def test_the_checkers_watch_every_run() -> None:
    """A store to vm_flags without mmap_sem is found by the first run."""

    class Watched(Stores):
        def setup(self) -> None:
            super().setup()
            self.m.watch.bits = lib.WATCH_LOCKS

    with Explorer(Watched(Settings())) as explorer:
        report = explorer.explore()
    assert report.violation is not None
    assert KernelBug.__name__ in report.violation.problems[0]
    assert "vm_flags" in report.violation.problems[0]
