"""S32: how many locks of the scheme's the walks for an area's pages take, and how often.

One lock for a bundle, one for each list, or none: with one CPU nobody waits, but each lock is an
object, and the checker of locks knows which.
"""

from __future__ import annotations

import dataclasses

import pytest

from vmemu.core import PAGE_SHIFT, PAGE_SIZE, lib
from vmemu.lab.actions import reclaim_children
from vmemu.lab.experiment import Visit, run_scenario
from vmemu.lab.scenario import Formula
from vmemu.lab.scenarios import find_scenario
from vmemu.rmap import builtin

# Different locks, by scheme: of anonmm as many as bundles, of anon_vma as many as lists.
LOCKS = {
    "private-pages PAGES=5": {"anonmm": "1", "anon_vma": "1"},
    "fork-server R=3 N=4": {"anonmm": "1", "anon_vma": "1"},
    "exec-family R=3 N=4": {"anonmm": "N", "anon_vma": "N"},
    "zygote R=3 N=4 V=5": {"anonmm": "1", "anon_vma": "N * V"},
    "overhead K=9": {"anonmm": "1", "anon_vma": "K"},
    "overhead K=9 mode=shared": {"anonmm": "1", "anon_vma": "1"},
    "mprotect-stripes K=6": {"anonmm": "1", "anon_vma": "1", "anon_vma39": "K"},
    "late-subfamily R=3 N=4": {"anonmm": "1", "anon_vma": "1"},
}
# Others have as many: under anon_vma_chain an area that nobody has forked is a family of its own,
# under cow_context a family begins with exec, as a bundle does.
LIKE = {
    "anon_vma39": "anon_vma",
    "anon_vma_chain": "anon_vma",
    "anon_vma_degree": "anon_vma",
    "cow_context": "anonmm",
}
for of_scheme in LOCKS.values():
    of_scheme |= {name: of_scheme[like] for name, like in LIKE.items() if name not in of_scheme}
    of_scheme["pte_chain"] = "0"  # page_map_lock is all it needs
    of_scheme["anon_vma_lazy"] = "0"  # page_table_lock, before a fork
LOCKS["late-subfamily R=3 N=4"]["anon_vma_lazy"] = "1"
WALKERS = [name for name, scheme in builtin().items() if scheme.finds_anon]


class Locks:
    """An action that asks for each page, and looks which lock the checker saw last."""

    def __init__(self, of_children: bool) -> None:
        self.of_children = of_children
        self.seen: set[int] = set()

    def __call__(self, visit: Visit) -> None:
        core = visit.machine.core
        held = core.m.locks.held
        for task in visit.children() if self.of_children else [visit.task]:
            for address in range(visit.start, visit.end, PAGE_SIZE):
                pte = core.lib.pte_value(core.m, task.mm.ptr, address)
                if not pte & lib._PAGE_PRESENT:
                    continue
                assert held.nr == 0
                for i in range(lib.MAX_HELD_LOCKS):
                    held.lock[i].object = 0
                core.lib.page_referenced(core.m, core.m.mem_map + (pte >> PAGE_SHIFT))
                core.check_bug()
                # what was released last at each depth still stands there
                last = [held.lock[i] for i in range(lib.MAX_HELD_LOCKS)]
                self.seen |= {
                    int(lock.object)
                    for lock in last
                    if lock.object and getattr(lock, "class") == lib.LOCK_rmap
                }


@pytest.mark.parametrize("command", LOCKS)
@pytest.mark.parametrize("scheme", WALKERS)
def test_so_many_locks(command: str, scheme: str) -> None:
    name, *settings = command.split()
    scenario = find_scenario(name)
    params = scenario.settle(dict(text.split("=") for text in settings))
    locks = Locks(scenario.act is reclaim_children)
    found = run_scenario(
        dataclasses.replace(scenario, act=locks), params, scheme, {"lock_checks": True}
    )
    assert found.figures["referenced_pages"] > 0
    assert len(locks.seen) == Formula(LOCKS[command][scheme])(params)
    # one acquisition for each walk, of a scheme that has a lock at all
    walks = found.figures["referenced_pages"] if locks.seen else 0
    assert found.figures["rmap_locks"] == walks
    assert found.figures["page_map_locks"] == found.figures["referenced_pages"]


def test_no_scheme_is_passed_over() -> None:
    """Every one whose walks find pages has its locks derived, for every scenario."""
    assert all(of_scheme.keys() == set(WALKERS) for of_scheme in LOCKS.values())
