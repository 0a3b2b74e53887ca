"""A random tree of processes: what each scheme's walks must do, from a model without a kernel.

The tree is computed from the seed as guests/process-tree.c does it, processes are plain objects
here, and each scheme is one function: whom its walk asks for a page, in which order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from vmemu.lab.experiment import Measurement, run_scenario
from vmemu.lab.scenarios import find_scenario
from vmemu.rmap import builtin

_MASK = (1 << 32) - 1
_EARLY, _LATE = 0, 1


@dataclass(eq=False)
class AnonVma:
    """anon_vma_degree's: processes whose area is in its tree, and what decides on its reuse."""

    parent: AnonVma | None
    inside: set[int] = field(default_factory=set)
    owners: int = 0
    children: int = 0


@dataclass
class Process:
    """``pages`` are its ptes; ``pinned`` are the frames that are known by its name.

    ``chain`` are the area's anon_vmas under anon_vma_degree, the oldest first, and ``own`` is the
    one for the pages it gets.  ``listed``: it had written something of its own when it forked.
    """

    number: int
    parent: Process | None
    pages: list[Frame]
    chain: list[AnonVma]
    own: AnonVma
    alive: bool = True
    pinned: int = 0
    listed: bool = False


@dataclass(eq=False)
class Frame:
    """A page: whoever mapped it first, unless a walk has given it away; whoever wrote it last,
    and had it alone then; and who maps it.
    """

    owner: Process
    writer: Process
    mappers: set[int] = field(default_factory=set)


class Tree:
    """The processes in the order of their forks, as they are when the guest marks."""

    def __init__(self, seed: int, depth: int, children: int, pages: int) -> None:
        self.seed, self.depth, self.children = seed, depth, children
        self.processes: list[Process] = []
        root = self._new(None, [])
        root.pages = [self._fresh(root) for _ in range(pages)]
        self._subtree(root, 0)

    def staying(self) -> list[Process]:
        """Those that are alive."""
        return [process for process in self.processes if process.alive]

    def give(self, frame: Frame, owner: Process) -> None:
        """A walk found out whose the frame had better be."""
        frame.owner.pinned -= 1
        owner.pinned += 1
        frame.owner = owner

    def draw(self, number: int, what: int) -> int:
        x = (self.seed * 0x9E3779B1 + number * 0x85EBCA6B + what * 0xC2B2AE35) & _MASK
        for _ in range(2):
            x = (x ^ x >> 16) * 0x7FEB352D & _MASK
        return x ^ x >> 15

    def _new(self, parent: Process | None, pages: list[Frame]) -> Process:
        chain, own = _forked(parent)
        process = Process(len(self.processes), parent, pages, chain, own)
        self.processes.append(process)
        own.owners += 1
        for each in chain:
            each.inside.add(process.number)
        for frame in pages:
            frame.mappers.add(process.number)
        return process

    def _fresh(self, owner: Process) -> Frame:
        owner.pinned += 1
        return Frame(owner, owner, {owner.number})

    def _subtree(self, process: Process, depth: int) -> None:
        number = process.number
        self._rewrite(process, _EARLY)
        children = self.draw(number, 0) % (self.children + 1) if number else self.children
        for _ in range(children if depth + 1 < self.depth else 0):
            process.listed |= not number or bool(self._writes(process, _EARLY))
            self._subtree(self._new(process, list(process.pages)), depth + 1)
        self._rewrite(process, _LATE)
        if number and self.draw(number, 1) % 4 == 0:
            process.alive = False
            _left(process)
            for frame in process.pages:
                self.unmap(frame, process)

    def _writes(self, process: Process, when: int) -> list[int]:
        return [
            at for at in range(len(process.pages)) if self.draw(process.number, 2 + at) % 4 == when
        ]

    def _rewrite(self, process: Process, when: int) -> None:
        for at in self._writes(process, when):
            frame = process.pages[at]
            if len(frame.mappers) == 1:  # who is alone with a page writes into it as it is
                frame.writer = process
                continue
            self.unmap(frame, process)
            process.pages[at] = self._fresh(process)

    def unmap(self, frame: Frame, process: Process) -> None:
        """One pte less; the last one takes the frame's name away."""
        frame.mappers.remove(process.number)
        frame.owner.pinned -= not frame.mappers


def _forked(parent: Process | None) -> tuple[list[AnonVma], AnonVma]:
    """A new process's chain and its own anon_vma: one that the dead have left, or a new one.

    To be left it must be an ancestor's and no root, nobody's own, and have one child at most.
    """
    if parent is None:
        root = AnonVma(None)
        return [root], root
    for each in parent.chain:
        if each.parent and each is not parent.own and not each.owners and each.children < 2:
            return list(parent.chain), each
    own = AnonVma(parent.own)
    parent.own.children += 1
    return [*parent.chain, own], own


def _left(process: Process) -> None:
    """It has ended: an anon_vma without areas goes, unless it is the root."""
    process.own.owners -= 1
    for each in process.chain:
        each.inside.remove(process.number)
        if each.parent and not each.inside:
            each.parent.children -= 1


Order = Callable[[Tree, Frame], Iterator[Process]]
"""Whom a walk may ask for a page, in order; one that is dead is a comparison, not a probe."""


def _anonmm(tree: Tree, frame: Frame) -> Iterator[Process]:
    """The page's own, then the ring from there, in fork order: the living and the pinned."""
    ring = [each for each in tree.processes if each.alive or each.pinned]
    at = ring.index(frame.owner)
    yield from ring[at:] + ring[:at]


def _anon_vma(tree: Tree, frame: Frame) -> Iterator[Process]:
    """Whoever has the area, the newest first."""
    yield from reversed(tree.staying())


def _mappers(tree: Tree, frame: Frame) -> Iterator[Process]:
    """Nobody else."""
    yield from [each for each in tree.staying() if each.number in frame.mappers]


def _anon_vma_chain(tree: Tree, frame: Frame) -> Iterator[Process]:
    """Whoever wrote it, and its descendants, the oldest first."""
    descendants = {frame.writer.number}
    for process in tree.processes:  # parents before their children
        if process.parent and process.parent.number in descendants:
            descendants.add(process.number)
    yield from [each for each in tree.staying() if each.number in descendants]


def _descendants(tree: Tree, frame: Frame) -> Iterator[Process]:
    """Whose own it is first; then, if he forked when he had it, those he is an ancestor of."""
    for each in tree.staying():
        line: Process | None = each
        while line and line is not frame.writer:
            line = line.parent
        if line and (line is each or line.listed):
            yield each


def _anon_vma_degree(tree: Tree, frame: Frame) -> Iterator[Process]:
    """Whoever is in the tree of the writer's anon_vma, who may be no descendant of the writer."""
    yield from [each for each in tree.staying() if each.number in frame.writer.own.inside]


def _cow_context(tree: Tree, frame: Frame) -> Iterator[Process]:
    """Whoever wrote it, then depth first what is below; the dead as long as one below them lives.

    The processes have their numbers depth first, since each waits for its child's subtree.
    """
    below = {frame.writer.number}
    needed = set()
    for process in tree.processes:
        if process.parent and process.parent.number in below:
            below.add(process.number)
    for process in reversed(tree.processes):  # children before their parents
        if process.alive or process.number in needed:
            needed |= {process.number} | ({process.parent.number} if process.parent else set())
    yield from [each for each in tree.processes if each.number in below & needed]


ORDERS: dict[str, Order] = {
    "anonmm": _anonmm,
    "anon_vma39": _anon_vma,
    "anon_vma": _anon_vma,
    "pte_chain": _mappers,
    "anon_vma_chain": _anon_vma_chain,
    "anon_vma_lazy": _descendants,
    "anon_vma_degree": _anon_vma_degree,
    "cow_context": _cow_context,
}
MIGRATES = {"anonmm"}
"""page_referenced gives the page of a dead process to the first living one that has it."""


def walk(order: Order, tree: Tree, frame: Frame) -> tuple[int, int, list[Process]]:
    """Probes, comparisons, and who was found."""
    probes = compared = 0
    found: list[Process] = []
    for process in order(tree, frame):
        probes += process.alive
        compared += not process.alive
        if process.number in frame.mappers:
            found.append(process)
        if len(found) == len(frame.mappers):
            break
    return probes, compared, found


def derived(scheme: str, tree: Tree, who: int) -> dict[str, int]:
    """What paging out the pages of the who-th process that stays must take."""
    order = ORDERS[scheme]
    chosen = tree.staying()[who % len(tree.staying())]
    figures = {
        "processes": len(tree.staying()),
        "mappings": sum(len(frame.mappers) for frame in chosen.pages),
        "unmap_pages": len(chosen.pages),
    }
    for name in ("referenced_probes", "referenced_cmp", "unmap_probes", "unmap_cmp"):
        figures[name] = 0
    for frame in chosen.pages:
        for what in ("referenced", "unmap"):
            probes, compared, found = walk(order, tree, frame)
            figures[f"{what}_probes"] += probes
            figures[f"{what}_cmp"] += compared
            if what == "referenced" and scheme in MIGRATES and not frame.owner.alive:
                tree.give(frame, found[0])
        for process in found:
            tree.unmap(frame, process)
    return figures


def measured(scheme: str, **parameters: int) -> Measurement:
    scenario = find_scenario("process-tree")
    params = scenario.settle({name: str(value) for name, value in parameters.items()})
    return run_scenario(scenario, params, scheme)


SCHEMES = [name for name, scheme in builtin().items() if scheme.finds_anon]


def test_no_scheme_is_passed_over() -> None:
    assert ORDERS.keys() == set(SCHEMES)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("scheme", SCHEMES)
def test_walks_are_as_the_model_has_them(scheme: str, seed: int) -> None:
    """The first process's pages, or another's; wide trees and deep ones."""
    depth, children, pages = 4 + seed % 3, 2 + seed % 2, 5 + seed
    who = 0 if seed % 4 == 0 else seed
    found = measured(scheme, SEED=seed, DEPTH=depth, CHILDREN=children, R=pages, WHO=who)
    assert not found.disturbed
    expected = derived(scheme, Tree(seed, depth, children, pages), who)
    assert {name: found.figures[name] for name in expected} == expected


def test_the_trees_are_worth_it() -> None:
    """Some processes die and leave pages, some share, some do not; schemes differ."""
    trees = [Tree(seed, 4 + seed % 3, 2 + seed % 2, 5 + seed) for seed in range(20)]
    processes = [process for tree in trees for process in tree.processes]
    assert any(not each.alive and each.pinned for each in processes)
    shared = [len(frame.mappers) for tree in trees for frame in tree.processes[0].pages]
    assert min(shared) == 1
    assert max(shared) > 3
    figures = [
        derived(scheme, Tree(seed, 4 + seed % 3, 2 + seed % 2, 5 + seed), seed)
        for scheme in ("anonmm", "anon_vma", "pte_chain")
        for seed in range(20)
    ]
    anonmm, anon_vma, exact = figures[:20], figures[20:40], figures[40:]
    assert any(
        old["unmap_probes"] < new["unmap_probes"] for old, new in zip(anonmm, anon_vma, strict=True)
    )
    assert any(
        old["unmap_probes"] > new["unmap_probes"] for old, new in zip(anonmm, anon_vma, strict=True)
    )
    assert any(each["referenced_cmp"] for each in anonmm)
    assert all(each["unmap_probes"] == each["mappings"] for each in exact)
