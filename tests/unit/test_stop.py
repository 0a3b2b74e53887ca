"""What ends a walk where mapcount does not: one bit, two owners, or nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from memory import BASE, WALKING, Memory

from tests.width import lib
from vmemu import Machine
from vmemu.errors import ConfigError
from vmemu.lab.compare import compare
from vmemu.lab.scenarios import find_scenario
from vmemu.mm import Mm
from vmemu.mm.fork import dup_mmap
from vmemu.rmap import scheme_class

NEVER = 0xFFFFFFFF  # STOP_NEVER


class Family:
    """A process with one written page, and its children."""

    def __init__(self, scheme: str, rule: str) -> None:
        self.memory = Memory(f"{scheme}:stop={rule}")
        self.parent = self.memory.process()
        self.memory.map(self.parent, 0, 1)
        self.parent.write(BASE, b"p")
        self.children: list[Mm] = []

    def fork(self) -> None:
        self.children.append(dup_mmap(self.parent))

    def exit(self, child: int) -> None:
        self.children.pop(child).put()

    def known(self) -> int:
        """How many ptes the rule says the parent's page has."""
        m = self.memory.m
        pte = lib.pte_value(m, self.parent.ptr, BASE)
        self.memory.check()
        return int(lib.stop_after(m, self.memory.core.page(pte >> 12)))


@pytest.fixture(params=WALKING)
def family(request: pytest.FixtureRequest) -> Callable[[str], Family]:
    return lambda rule: Family(request.param, rule)


def test_a_new_page_is_its_writers_alone(family: Callable[[str], Family]) -> None:
    assert [family(rule).known() for rule in ("exclusive", "owners", "none")] == [1, 1, NEVER]


def test_one_child_is_a_second_owner(family: Callable[[str], Family]) -> None:
    for rule, known in (("exclusive", NEVER), ("owners", 2), ("none", NEVER)):
        one = family(rule)
        one.fork()
        assert one.known() == known


def test_the_bit_stays_off_when_the_child_has_gone(family: Callable[[str], Family]) -> None:
    """And comes back when the parent's write finds that nobody else has the page."""
    one = family("exclusive")
    one.fork()
    one.exit(0)
    assert one.known() == NEVER
    one.parent.write(BASE, b"q")
    assert one.known() == 1


def test_two_owners_are_counted_down(family: Callable[[str], Family]) -> None:
    one = family("owners")
    one.fork()
    one.exit(0)
    assert one.known() == 1


def test_a_third_owner_is_not_forgotten(family: Callable[[str], Family]) -> None:
    """Until a write finds the page to be the parent's alone."""
    one = family("owners")
    one.fork()
    one.fork()
    assert one.known() == NEVER
    one.exit(0)
    one.exit(0)
    assert one.known() == NEVER
    one.parent.write(BASE, b"q")
    assert one.known() == 1


@pytest.mark.parametrize(
    ("rule", "probes", "wasted"),
    [("mapcount", 3, 0), ("exclusive", 3, 0), ("owners", 3, 0), ("none", 4, 1)],
)
def test_what_one_private_page_costs(rule: str, probes: int, wasted: int) -> None:
    """The second of three children's own copy: anon_vma has the parent behind it, and child 1."""
    memory = Memory(f"anon_vma:stop={rule}")
    parent = memory.process()
    memory.map(parent, 0, 1)
    parent.write(BASE, b"p")
    children = [dup_mmap(parent) for _ in range(3)]
    children[0].write(BASE, b"c")
    page = memory.core.page(lib.pte_value(memory.m, children[0].ptr, BASE) >> 12)
    before = memory.core.counters()
    lib.page_referenced(memory.m, page)
    after = memory.core.counters()
    assert after["referenced_probes"] - before["referenced_probes"] == probes
    assert after["rmap_wasted"] - before["rmap_wasted"] == wasted


def test_uss_and_pss_as_the_rule_has_them() -> None:
    """fork-server R=4 N=3: each process has written all, so the parent's pages are its own.

    The bit has not seen it, so they count as shared by two: 4 pages less in Uss, half of
    that in Pss.
    """
    scheme = "anon_vma:stop=exclusive"
    (result,) = compare([find_scenario("fork-server")], {"R": "4", "N": "3"}, (scheme,))
    extra = result.measurements[scheme].extra()
    assert extra == {"rmap_wasted": 0, "wrongly_shared": 4, "uss_error": -4, "pss_error": -2}


def test_statistics_tell_the_rule() -> None:
    with Machine(ram="1M", rmap="anonmm:stop=owners") as machine:
        assert machine.stats()["sharing"]["rule"] == "owners"
        assert machine.stats()["rmap"] == "anonmm:stop=owners"
    with Machine(ram="1M") as machine:
        assert "sharing" not in machine.stats()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("anonmm:stop=never", "stop of anonmm is mapcount or exclusive or owners or none"),
        ("anonmm:line=64", "anonmm has no option 'line': it has stop"),
        ("none:stop=none", "none has no option 'stop': it has none"),
    ],
)
def test_what_there_is_not(name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        scheme_class(name)
