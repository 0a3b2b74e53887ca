"""cow_context, pruned: contexts change their place while others get and lose pages."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.width import PAGE_SIZE, lib
from vmemu.explore import Explorer, Mode, Scenario, Settings, path
from vmemu.explore.scenario import AREA
from vmemu.mm import Mm, do_mremap, do_munmap, dup_mmap

NEW = AREA + 16 * PAGE_SIZE
THERE = AREA + 64 * PAGE_SIZE
PRUNED = Settings("cow_context:prune=yes")


class Ends(Scenario):
    """The parent of a page's other process ends while reclaim has the page."""

    def setup(self) -> None:
        self.parent = self.new_mm("parent")
        self.written(self.parent, AREA, 1)
        self.mapped(self.parent, NEW, 1)
        self.child = dup_mmap(self.parent)
        self.age()

    @path
    def end(self) -> None:
        self.parent.put()

    @path
    def reclaim(self) -> None:
        self.shrink(1)

    def check(self) -> Iterable[str]:
        if list(self.contents(self.child, AREA, 1)) != [1]:
            yield "the child's page is lost"


class WritesWhenItsParentEnds(Ends):
    """The child gets its first page, which settles whether its place can be taken."""

    @path
    def write(self) -> None:
        self.child.write(NEW, b"\7")

    def check(self) -> Iterable[str]:
        yield from super().check()
        if list(self.contents(self.child, NEW, 1)) != [7]:
            yield "what was written is lost"


class ForksWhenItsParentEnds(Ends):
    """The child gets a child of its own."""

    @path
    def fork(self) -> Mm:
        return dup_mmap(self.child)

    def check(self) -> Iterable[str]:
        yield from super().check()
        if list(self.contents(self.results["fork"], AREA, 1)) != [1]:
            yield "the grandchild's page is lost"


class MovesWhenItsParentEnds(Ends):
    """The child's map is made anew while its context may change."""

    @path
    def move(self) -> None:
        do_mremap(self.child, AREA, PAGE_SIZE, PAGE_SIZE, 3, THERE)

    def check(self) -> Iterable[str]:
        if list(self.contents(self.child, THERE, 1)) != [1]:
            yield "what was moved is lost"


class UnmapsTheDeadOnesPage(Scenario):
    """A dead context in the middle loses its page to munmap, or the page its context to a walk."""

    def setup(self) -> None:
        self.first = self.new_mm("first")
        self.middle = dup_mmap(self.first)
        self.written(self.middle, AREA, 1)
        self.last = dup_mmap(self.middle)
        self.written(self.last, NEW, 1)
        self.middle.put()
        self.age()

    @path
    def unmap(self) -> None:
        do_munmap(self.last, AREA, PAGE_SIZE)

    @path
    def reclaim(self) -> None:
        self.shrink(2)

    @path
    def end(self) -> None:
        self.first.put()

    def check(self) -> Iterable[str]:
        if list(self.contents(self.last, NEW, 1)) != [1]:
            yield "the last one's page is lost"
        if self.m.k.caches[lib.CACHE_rmap].nr_active > 2:
            yield "the context in the middle has stayed"


@pytest.mark.parametrize(
    "scenario",
    [
        WritesWhenItsParentEnds,
        ForksWhenItsParentEnds,
        MovesWhenItsParentEnds,
        UnmapsTheDeadOnesPage,
    ],
)
@pytest.mark.parametrize("mode", [Mode.REDUCED, Mode.RANDOM])
def test_no_order_loses_anything(scenario: type[Scenario], mode: Mode) -> None:
    with Explorer(scenario(PRUNED), mode) as explorer:
        report = explorer.explore(limit=1500)
    assert report.violation is None, report.violation.problems
    assert report.outcomes > 1
