"""The core asks for a TLB flush whenever a pte grants less than before, or another frame.

Guest tests cannot see every flush that is missing: often another one comes in time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from memory import BASE, PAGE, RW, Memory, R

from tests.width import lib
from vmemu.mm import Mm, do_madvise, do_mprotect, do_mremap, do_munmap, dup_mmap, sys_brk

HEAP = BASE + 64 * PAGE


class Scene:
    """A process with eight written pages and a heap of four."""

    def __init__(self, scheme: str) -> None:
        self.memory = Memory(scheme)
        self.memory.vm.swap.swapon_size(256 * PAGE)
        self.mm: Mm = self.memory.process()
        self.memory.map(self.mm, 0, 8)
        self.memory.fill(self.mm, 0, 8)
        self.mm.ptr.start_brk = self.mm.ptr.brk = HEAP
        sys_brk(self.mm, HEAP + 4 * PAGE)
        self.mm.write(HEAP, bytes(4 * PAGE))

    def page(self, n: int) -> Any:
        """``struct page *`` of the process's page ``n``."""
        pte = lib.pte_value(self.memory.m, self.mm.ptr, BASE + n * PAGE)
        assert pte & lib._PAGE_PRESENT
        return self.memory.core.page(pte >> 12)

    def age(self) -> None:
        """Clear every accessed bit, as the CPU sets them."""
        for n in range(8):
            lib.page_referenced(self.memory.m, self.page(n))


def reclaim(scene: Scene) -> None:
    scene.age()
    scene.memory.m.tlb.stale = 0  # what follows finds no accessed bit to clear
    lib.reclaim_page(scene.memory.m, scene.page(3))


def referenced(scene: Scene) -> None:
    lib.page_referenced(scene.memory.m, scene.page(3))


def copy_on_write(scene: Scene) -> None:
    child = dup_mmap(scene.mm)
    scene.memory.m.tlb.stale = 0
    assert scene.memory.vm.fault(scene.mm, BASE, lib.ACCESS_WRITE) == lib.FAULT_MINOR
    assert child.read(BASE, PAGE) == scene.memory.contents(0)


DOWNGRADES: dict[str, Callable[[Scene], object]] = {
    "munmap": lambda scene: do_munmap(scene.mm, BASE + 2 * PAGE, PAGE),
    "brk": lambda scene: sys_brk(scene.mm, HEAP + PAGE),
    "mprotect": lambda scene: do_mprotect(scene.mm, BASE, PAGE, R),
    "mremap": lambda scene: do_mremap(scene.mm, BASE, PAGE, PAGE, 3, BASE + 32 * PAGE),
    "mremap shrinks": lambda scene: do_mremap(scene.mm, BASE, 8 * PAGE, PAGE, 0),
    "mmap": lambda scene: scene.memory.map(scene.mm, 2, 1, RW),
    "madvise": lambda scene: do_madvise(scene.mm, BASE, PAGE, 4),
    "fork": lambda scene: dup_mmap(scene.mm),
    "copy on write": copy_on_write,
    "page_referenced": referenced,
    "try_to_unmap": reclaim,
}


@pytest.fixture(params=["anonmm", "anon_vma"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    scene = Scene(request.param)
    yield scene
    scene.memory.check()
    scene.memory.close()


@pytest.mark.parametrize("name", DOWNGRADES)
def test_a_downgrade_makes_the_tlb_stale(scene: Scene, name: str) -> None:
    scene.memory.m.tlb.stale = 0
    DOWNGRADES[name](scene)
    assert scene.memory.m.tlb.stale


def test_upgrades_need_no_flush(scene: Scene) -> None:
    memory, mm = scene.memory, scene.mm
    memory.m.tlb.stale = 0
    memory.map(mm, 16, 4)
    memory.fill(mm, 16, 4)
    sys_brk(mm, HEAP + 8 * PAGE)
    assert not memory.m.tlb.stale
