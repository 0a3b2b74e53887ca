"""Orders in which reverse maps of real kernels once went wrong; docs/mutants.md plants the bugs."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.width import PAGE_SIZE, lib
from vmemu.explore import Mode, Scenario, Settings, path
from vmemu.explore.runner import explore
from vmemu.explore.scenario import AREA
from vmemu.mm import Mm, do_mlock, dup_mmap
from vmemu.rmap import builtin

SCHEMES = [name for name, scheme in builtin().items() if scheme.swaps()]
RWX = 7
BESIDE = AREA + PAGE_SIZE


class AdoptsWhileTheChildForks(Scenario):
    """One mm adopts what another one is on a list with: no lock of its own guards that list."""

    name = "adopts-while-the-child-forks"

    def setup(self) -> None:
        self.mm = self.new_mm("mm")
        self.written(self.mm, AREA, 1)
        self.child = dup_mmap(self.mm)
        self.mapped(self.mm, BESIDE, 1, RWX)

    @path
    def write(self) -> None:
        """The first write beside the written area, from which mprotect alone divides it."""
        self.mm.write(BESIDE, b"\7")

    @path
    def fork(self) -> Mm:
        return dup_mmap(self.child)

    def check(self) -> Iterable[str]:
        areas = list(self.mm.vmas())
        if len({self.vm.rmap.object_of(vma) for vma in areas} - {0}) > 1 and self.adopts():
            yield "the area beside has another object"
        if list(self.contents(self.mm, AREA, 2)) != [1, 7]:
            yield "what was written is lost"
        if list(self.contents(self.results["fork"], AREA, 1)) != [1]:
            yield "the grandchild's page is lost"

    def adopts(self) -> bool:
        """rmap 39 gives each area an object of its own."""
        return self.vm.rmap.name != "anon_vma39"


class BothAdopt(Scenario):
    """Two threads write first beside a written area: the slower gives nothing away."""

    name = "both-adopt"

    def setup(self) -> None:
        self.mm = self.new_mm("mm")
        self.written(self.mm, AREA, 1)
        self.mapped(self.mm, BESIDE, 2, RWX)

    @path
    def one(self) -> None:
        self.mm.write(BESIDE, b"\7")

    @path
    def other(self) -> None:
        self.mm.write(BESIDE + PAGE_SIZE, b"\7")

    def check(self) -> Iterable[str]:
        if list(self.contents(self.mm, AREA, 3)) != [1, 7, 7]:
            yield "what was written is lost"


class LocksWhatSwapoffBringsBack(Scenario):
    """mlock holds mmap_sem and waits for a page in the swap cache; swapoff wants both as well."""

    name = "locks-what-swapoff-brings-back"

    def setup(self) -> None:
        self.mm = self.new_mm("mm")
        self.written(self.mm, AREA, 1)
        self.swap_out(self.mm, AREA, 1)

    @path
    def mlock(self) -> None:
        do_mlock(self.mm, AREA, PAGE_SIZE)

    @path
    def swapoff(self) -> None:
        self.vm.swap.swapoff(self.area.path)

    def check(self) -> Iterable[str]:
        for name, result in self.results.items():
            if result is not None:
                yield f"{name} failed: {result}"
        if self.absent(self.mm, AREA, 1):
            yield "the page is locked and not in memory"


class LocksUnwatched(LocksWhatSwapoffBringsBack):
    """The same without the checkers of locks: only what really happens counts."""

    name = "locks-unwatched"

    def setup(self) -> None:
        super().setup()
        self.m.watch.bits = 0


class AllEnd(Scenario):
    """The last two of a family end at once: what they share goes once."""

    name = "all-end"

    def setup(self) -> None:
        self.parent = self.new_mm("parent")
        self.written(self.parent, AREA, 1)
        self.child = dup_mmap(self.parent)

    @path
    def end(self) -> None:
        self.parent.put()

    @path
    def end_too(self) -> None:
        self.child.put()

    def check(self) -> Iterable[str]:
        caches = self.m.k.caches[lib.CACHE_rmap : lib.NR_CACHES]
        if left := sum(cache.nr_active for cache in caches):
            yield f"{left} objects of the scheme's are left"


@pytest.mark.parametrize("rmap", SCHEMES)
@pytest.mark.parametrize(
    "scenario",
    [AdoptsWhileTheChildForks, BothAdopt, LocksWhatSwapoffBringsBack, LocksUnwatched, AllEnd],
    ids=lambda scenario: scenario.name,
)
def test_every_order_ends_well(scenario: type[Scenario], rmap: str) -> None:
    report = explore(scenario, Settings(rmap))
    told = report.violation and f"after {report.interleavings}: {report.violation.problems}"
    assert told is None
    assert report.complete


@pytest.mark.parametrize("rmap", SCHEMES)
def test_they_end_well_with_two_preemptions_as_well(rmap: str) -> None:
    """Without reduction, which trusts that paths announce what they look at."""
    for scenario in (LocksUnwatched, AllEnd):
        report = explore(scenario, Settings(rmap), Mode.ALL, preemptions=2, limit=300)
        assert report.violation is None
