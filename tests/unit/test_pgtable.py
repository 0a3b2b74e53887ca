"""Page tables: frames for them, protections, and when they are given back."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from memory import BASE, PAGE, RW, SCHEMES, Memory

from tests.width import LEVELS, TABLE, ffi, lib
from vmemu.mm import do_munmap

ABOVE = LEVELS - 2  # tables between the page table and the directory


@pytest.fixture(params=SCHEMES)
def memory(request: pytest.FixtureRequest) -> Iterator[Memory]:
    memory = Memory(request.param)
    yield memory
    memory.core.check_bug()
    memory.close()


@pytest.mark.parametrize(
    "names",
    [c for n in range(5) for c in itertools.combinations(["READ", "WRITE", "EXEC", "SHARED"], n)],
)
def test_protections(names: tuple[str, ...]) -> None:
    """i386's protection_map: private pages are not writable yet; EXEC is as good as READ."""
    flags = 0
    for name in names:
        flags |= getattr(lib, f"VM_{name}")
    wanted = lib._PAGE_ACCESSED
    if not {"READ", "WRITE", "EXEC"} & set(names):
        wanted |= lib._PAGE_PROTNONE
    else:
        wanted |= lib._PAGE_PRESENT | lib._PAGE_USER
        if {"SHARED", "WRITE"} <= set(names):
            wanted |= lib._PAGE_RW
    assert lib.vm_page_prot(flags) == wanted


def test_one_table_for_each_reach_that_is_used(memory: Memory) -> None:
    mm = memory.process()
    before = memory.m.pages.nr_pagetable
    memory.map(mm, 0, 3 * TABLE, RW, 0x4000)
    for page, tables in ((0, 1), (TABLE - 1, 1), (TABLE, 2), (3 * TABLE - 1, 3)):
        mm.write(BASE + page * PAGE, b"x")
        assert memory.m.pages.nr_pagetable == before + tables + ABOVE
    memory.check()
    do_munmap(mm, BASE + PAGE, (2 * TABLE - 1) * PAGE)  # the first one is needed still
    assert memory.m.pages.nr_pagetable == before + 2 + ABOVE
    assert mm.read(BASE, 1) == b"x"
    do_munmap(mm, BASE, PAGE)
    assert memory.m.pages.nr_pagetable == before + 1 + ABOVE
    assert mm.read(BASE + (3 * TABLE - 1) * PAGE, 1) == b"x"
    mm.put()
    assert memory.m.pages.nr_pagetable == before - 1  # the page directory
    memory.check()


def test_a_table_a_neighbour_needs_stays(memory: Memory) -> None:
    mm = memory.process()
    memory.map(mm, 0, 2)
    memory.map(mm, TABLE - 1, 2)
    for page in (0, TABLE - 1, TABLE):
        mm.write(BASE + page * PAGE, b"x")
    tables = memory.m.pages.nr_pagetable
    do_munmap(mm, BASE, 2 * PAGE)
    assert memory.m.pages.nr_pagetable == tables
    do_munmap(mm, BASE + TABLE * PAGE, PAGE)
    assert memory.m.pages.nr_pagetable == tables - 1
    assert mm.read(BASE + (TABLE - 1) * PAGE, 1) == b"x"
    memory.check()


def test_a_table_in_use_is_not_freed() -> None:
    memory = Memory()
    mm = memory.process()
    memory.map(mm, 0, 1)
    mm.write(BASE, b"x")
    lib.free_pgtables(memory.m, mm.ptr, BASE, BASE + TABLE * PAGE)
    assert b"!is_empty(below)" in ffi.string(memory.m.bug)
    memory.close()


@pytest.mark.parametrize(("start", "end"), [(1, TABLE), (0, TABLE - 1), (1, 2 * TABLE - 1)])
def test_only_whole_tables_go(memory: Memory, start: int, end: int) -> None:
    mm = memory.process()
    lib.lock_page_table(memory.m, mm.ptr)
    for page in (0, TABLE):
        assert lib.pte_alloc(memory.m, mm.ptr, BASE + page * PAGE)
    lib.unlock_page_table(memory.m, mm.ptr)
    tables = memory.m.pages.nr_pagetable
    lib.free_pgtables(memory.m, mm.ptr, BASE + start * PAGE, BASE + end * PAGE)
    assert memory.m.pages.nr_pagetable == tables
    lib.free_pgtables(memory.m, mm.ptr, BASE, BASE + 2 * TABLE * PAGE)
    assert memory.m.pages.nr_pagetable == tables - 2
    reach = memory.core.pgdir_size
    lib.free_pgtables(memory.m, mm.ptr, BASE & -reach, (BASE & -reach) + reach)
    assert memory.m.pages.nr_pagetable == tables - 2 - ABOVE


def test_a_pte_is_where_it_is_looked_up(memory: Memory) -> None:
    mm = memory.process()
    assert not lib.pte_offset(memory.m, mm.ptr, BASE)
    assert lib.pte_value(memory.m, mm.ptr, BASE) == 0
    lib.lock_page_table(memory.m, mm.ptr)
    slot = lib.pte_alloc(memory.m, mm.ptr, BASE)
    assert lib.pte_alloc(memory.m, mm.ptr, BASE) == slot
    assert lib.pte_alloc(memory.m, mm.ptr, BASE + 5 * PAGE + 123) == slot + 5
    lib.unlock_page_table(memory.m, mm.ptr)
    assert lib.pte_offset(memory.m, mm.ptr, BASE + (TABLE - 1) * PAGE) == slot + TABLE - 1
    kinds = []
    for value in (0, lib._PAGE_PRESENT, lib._PAGE_PROTNONE, 1 << 8):
        slot[0] = value
        kinds.append(lib.pte_kind_at(memory.m, mm.ptr, BASE))
    assert kinds == [lib.PTE_NONE, lib.PTE_PRESENT, lib.PTE_PRESENT, lib.PTE_SWAP]
    slot[0] = 0


def test_no_table_without_memory(memory: Memory) -> None:
    mm = memory.process()
    memory.map(mm, 0, 1)
    with memory.starved():
        assert memory.vm.fault(mm, BASE, lib.ACCESS_WRITE) == lib.FAULT_OOM
    assert memory.vm.fault(mm, BASE, lib.ACCESS_WRITE) == lib.FAULT_MINOR
    memory.check()


@pytest.mark.i386  # x86-64's directories have none: test_width.py
def test_the_kernels_half_is_in_every_directory(memory: Memory) -> None:
    """Lowmem at PAGE_OFFSET by 4 MB pages that only the kernel may use."""
    mm = memory.process()
    pgd = ffi.cast("uint32_t *", memory.core.base + mm.ptr.pgd)
    assert pgd[0xC0000000 >> 22] & ~0xFFF == 0
    bits = lib._PAGE_PRESENT | lib._PAGE_RW | lib._PAGE_PSE
    assert pgd[0xC0000000 >> 22] & (bits | lib._PAGE_USER) == bits
    assert all(pgd[n] == 0 for n in range(0xC0000000 >> 22))
    assert pgd[(0xC0000000 >> 22) + 1] == 0  # this machine has 4 MB
