"""mprotect's errors, PROT_GROWSDOWN, and what it charges."""

from __future__ import annotations

from errno import EACCES, EINVAL, ENOMEM
from pathlib import Path

from memory import (
    BASE,
    GROWSDOWN,
    NONE,
    NORESERVE,
    PAGE,
    RW,
    RX,
    SCHEMES,
    Memory,
    R,
    errno_of,
    memory_under,
)

from tests.width import lib
from vmemu.mm import Mm, do_mprotect
from vmemu.mm.vma import new_vma

DOWN = 0x01000000  # PROT_GROWSDOWN


memory = memory_under(*SCHEMES)


def error(mm: Mm, page: int, pages: int, prot: int) -> int:
    return errno_of(do_mprotect, mm, BASE + page * PAGE, pages * PAGE, prot)


def test_errors(memory: Memory) -> None:
    mm = memory.process()
    memory.map(mm, 2, 4)
    assert errno_of(do_mprotect, mm, BASE + 2 * PAGE + 1, PAGE, R) == EINVAL
    assert error(mm, 2, 1, 8) == EINVAL
    assert errno_of(do_mprotect, mm, BASE, 0xFFFFFFFF, R) == ENOMEM  # wraps
    assert errno_of(do_mprotect, mm, 0xFFFFF000, PAGE, R) == ENOMEM
    assert error(mm, 0, 0, R) == 0  # nothing asked
    assert error(mm, 0, 1, R) == ENOMEM
    assert error(mm, 1, 2, R) == ENOMEM  # begins in a hole
    assert error(mm, 10, 1, R) == ENOMEM  # above everything
    assert memory.areas(mm) == [(2, 4, RW)]


def test_what_precedes_a_hole_is_changed(memory: Memory) -> None:
    mm = memory.process()
    memory.map(mm, 0, 2)
    memory.map(mm, 3, 2)
    assert error(mm, 1, 3, R) == ENOMEM
    assert memory.areas(mm) == [(0, 1, RW), (1, 1, R), (3, 2, RW)]
    assert error(mm, 4, 2, NONE) == ENOMEM
    assert memory.areas(mm) == [(0, 1, RW), (1, 1, R), (3, 1, RW), (4, 1, NONE)]


def test_lengths_are_rounded_up(memory: Memory) -> None:
    mm = memory.process()
    memory.map(mm, 0, 4)
    do_mprotect(mm, BASE + PAGE, PAGE + 1, R)
    assert memory.areas(mm) == [(0, 1, RW), (1, 2, R), (3, 1, RW)]


# ---- PROT_GROWSDOWN ------------------------------------------------------------


def test_growsdown_reaches_down_to_the_areas_start(memory: Memory) -> None:
    mm = memory.process()
    memory.map(mm, 4, 8, RW, GROWSDOWN)
    assert error(mm, 8, 2, R | DOWN) == 0
    assert memory.areas(mm) == [(4, 6, R), (10, 2, RW)]


def test_growsdown_may_begin_below_the_area(memory: Memory) -> None:
    mm = memory.process()
    memory.map(mm, 4, 8, RW, GROWSDOWN)
    assert error(mm, 2, 3, R | DOWN) == 0
    assert memory.areas(mm) == [(4, 1, R), (5, 7, RW)]
    assert error(mm, 2, 2, R | DOWN) == ENOMEM  # ends where it begins


def test_growsdown_of_another_area_is_refused(memory: Memory) -> None:
    mm = memory.process()
    memory.map(mm, 4, 8)
    assert error(mm, 6, 1, R | DOWN) == EINVAL
    assert memory.areas(mm) == [(4, 8, RW)]


# ---- rights that may not be had ------------------------------------------------------


def test_what_vm_may_does_not_grant(memory: Memory, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3 * PAGE)
    mm, inode = memory.process(), memory.vm.inodes.open(str(path))
    new_vma(mm, BASE, BASE + 3 * PAGE, lib.VM_READ | lib.VM_MAYREAD, inode.kaddr, 0)
    mm.ptr.total_vm += 3
    assert error(mm, 0, 1, RW) == EACCES
    assert error(mm, 0, 1, RX) == EACCES
    assert error(mm, 0, 1, NONE) == 0
    assert error(mm, 0, 1, R) == 0
    assert memory.areas(mm) == [(0, 3, R)]


# ---- what is promised ------------------------------------------------------------


def test_what_becomes_writable_is_charged_once(memory: Memory) -> None:
    vm, mm = memory.vm, memory.process()
    before = vm.commit.pages
    memory.map(mm, 0, 8, R)
    assert vm.commit.pages == before
    assert error(mm, 2, 3, RW) == 0
    assert vm.commit.pages == before + 3
    assert error(mm, 2, 3, R) == 0  # a promise is kept
    assert vm.commit.pages == before + 3
    assert error(mm, 0, 8, RW) == 0
    assert vm.commit.pages == before + 8
    memory.map(mm, 20, 4, RW, NORESERVE)
    assert vm.commit.pages == before + 8


def test_what_cannot_be_promised_is_not_changed() -> None:
    memory = Memory(ram=256, overcommit=2)
    mm = memory.process()
    memory.map(mm, 0, 400, R)
    assert error(mm, 0, 400, RW) == ENOMEM
    assert memory.areas(mm) == [(0, 400, R)]
    before = memory.vm.commit.pages
    assert error(mm, 0, 20, RW) == 0
    assert memory.vm.commit.pages == before + 20
    memory.check()
    memory.close()


def test_a_split_without_memory_gives_the_promise_back(memory: Memory) -> None:
    mm = memory.process()
    memory.map(mm, 0, 8, R)
    before = memory.vm.commit.pages
    with memory.starved(lib.CACHE_vm_area_struct):
        assert error(mm, 2, 3, RW) == ENOMEM
    assert memory.vm.commit.pages == before
    assert memory.areas(mm) == [(0, 8, R)]


# ---- ptes ------------------------------------------------------------


def test_ptes_follow(memory: Memory) -> None:
    mm = memory.process()
    memory.map(mm, 0, 4)
    memory.fill(mm, 0, 4)

    def bits(page: int) -> int:
        return int(lib.pte_value(memory.m, mm.ptr, BASE + page * PAGE)) & 0x1FF

    young = lib._PAGE_ACCESSED | lib._PAGE_DIRTY
    assert [bits(n) for n in range(4)] == [lib._PAGE_PRESENT | lib._PAGE_RW | 4 | young] * 4
    assert error(mm, 1, 2, R) == 0
    assert [bool(bits(n) & lib._PAGE_RW) for n in range(4)] == [True, False, False, True]
    assert error(mm, 1, 1, NONE) == 0
    assert bits(1) == lib._PAGE_PROTNONE | young
    assert error(mm, 0, 4, RW) == 0  # the next write finds out whether the page is shared
    assert [bool(bits(n) & lib._PAGE_RW) for n in range(4)] == [True, False, False, True]
    memory.verify(mm, 0, 4)


def test_each_pte_is_changed_once(memory: Memory) -> None:
    mm = memory.process()
    memory.map(mm, 0, 8)
    memory.fill(mm, 0, 6)
    before = memory.core.counters()["protect_ptes"]
    assert error(mm, 1, 7, R) == 0
    assert memory.core.counters()["protect_ptes"] == before + 5


def test_a_write_in_place_makes_the_pte_young(memory: Memory) -> None:
    mm = memory.process()
    memory.map(mm, 0, 1)
    memory.fill(mm, 0, 1)
    assert error(mm, 0, 1, R) == 0
    assert error(mm, 0, 1, RW) == 0
    pte = lib.pte_value(memory.m, mm.ptr, BASE)
    memory.make_old(mm, 0)
    assert memory.vm.fault(mm, BASE, lib.ACCESS_WRITE) == lib.FAULT_MINOR
    assert lib.pte_value(memory.m, mm.ptr, BASE) == pte | lib._PAGE_RW
    assert pte & lib._PAGE_ACCESSED
