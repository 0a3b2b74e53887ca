"""The lock checker and the ownership checker: what each says, and when it says nothing."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from memory import Memory

from tests.width import ffi, lib
from vmemu.core import LOCKS, RMAPS
from vmemu.errors import ConfigError, KernelBug
from vmemu.machine import Machine
from vmemu.mm import Mm, do_mlock, do_mmap, do_mprotect, do_munmap, dup_mmap
from vmemu.mm.consts import MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE
from vmemu.rmap import builtin
from vmemu.stats import lock_order, lock_stats

DOCS = Path(__file__).parents[2] / "docs" / "locking.md"
SCHEMES = tuple(builtin())
PAGES = 8


class Lab:
    """A machine without programs: one mm with one written area, and its locks."""

    def __init__(self, rmap: str = "anon_vma", **options: Any) -> None:
        self.machine = Machine(ram="4M", swap="1M", rmap=rmap, **options)
        self.core = self.machine.core
        self.m = self.core.m
        self.mm = Mm.create(self.machine.vm)
        self.area = do_mmap(
            self.mm, 0, PAGES << 12, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS
        )
        self.mm.write(self.area, b"x" * (PAGES << 12))

    @property
    def vma(self) -> Any:
        return next(self.mm.vmas())

    @property
    def page(self) -> Any:
        return self.m.mem_map + (lib.pte_value(self.m, self.mm.ptr, self.area) >> 12)

    def word(self, name: str) -> int:
        """kptr of a lock's word."""
        anon_vma = self.core.base + self.machine.vm.rmap.object_of(self.vma)
        return self.core.kaddr(
            {
                "page_lock": lambda: ffi.addressof(self.page, "flags"),
                "page_map_lock": lambda: ffi.addressof(self.page, "flags"),
                "page_table_lock": lambda: ffi.addressof(self.mm.ptr, "page_table_lock"),
                "anon_vma_lock": lambda: ffi.cast("struct anon_vma *", anon_vma),
                "swap_lock": lambda: ffi.addressof(self.m.k, "swap_lock"),
                "lru_lock": lambda: ffi.addressof(self.m.k.zone, "lru_lock"),
            }[name]()
        )

    def take(self, name: str) -> None:
        if name == "mmap_sem":
            lib.down_write(self.m, self.mm.ptr)
        else:
            lib.take_lock(self.m, self.core.locks.index(name), self.word(name))

    def drop(self, name: str) -> None:
        if name == "mmap_sem":
            lib.up_write(self.m, self.mm.ptr)
        else:
            lib.drop_lock(self.m, self.core.locks.index(name), self.word(name))

    def said(self) -> str:
        """What was wrong, once; "" if nothing was."""
        try:
            self.core.check_bug()
        except KernelBug as bug:
            self.m.bug[0] = b"\0"
            return str(bug)
        return ""


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab(lock_checks=True)
    with lab.machine:
        yield lab


# ---- the order ---------------------------------------------------------------------


def test_an_inversion_is_told(lab: Lab) -> None:
    lab.take("swap_lock")
    lab.take("page_table_lock")
    assert re.search(
        r"lock inversion: page_table_lock 0x[0-9a-f]+ wanted inside swap_lock, but the order is "
        r"swap_lock inside page_table_lock; held: swap_lock 0x[0-9a-f]+ ",
        lab.said(),
    )


def test_an_order_that_was_learned_may_not_turn_round(lab: Lab) -> None:
    lab.take("swap_lock")
    lab.take("lru_lock")
    assert "lru_lock 0x" in lab.said()  # which the order does not know: told at once
    lab.drop("lru_lock")
    lab.drop("swap_lock")
    lab.take("lru_lock")
    lab.take("swap_lock")
    assert "but lru_lock was taken inside swap_lock before" in lab.said()


def test_what_the_order_does_not_know_is_told(lab: Lab) -> None:
    lab.take("lru_lock")
    lab.take("swap_lock")
    assert "swap_lock" in (said := lab.said())
    assert "which the order does not know" in said


def test_the_documented_order_is_taken_in_peace(lab: Lab) -> None:
    chain = ("mmap_sem", "page_lock", "page_table_lock", "page_map_lock", "anon_vma_lock")
    for name in (*chain, "swap_lock"):
        lab.take(name)
    for name in reversed((*chain, "swap_lock")):
        lab.drop(name)
    assert not lab.said()
    learned = lock_order(lab.core)
    assert learned["page_lock", "page_table_lock"] == 1
    assert learned["mmap_sem", "swap_lock"] >= 1


def test_a_trylock_waits_for_nothing(lab: Lab) -> None:
    lab.take("anon_vma_lock")
    assert lib.try_lock(lab.m, lib.LOCK_page_table, lab.word("page_table_lock"))
    assert ("anon_vma_lock", "page_table_lock") not in lock_order(lab.core)
    assert not lib.try_lock(lab.m, lib.LOCK_page_table, lab.word("page_table_lock"))
    assert lock_stats(lab.core)["page_table_lock"]["failed"] == 1
    lab.take("swap_lock")  # but what is waited for inside it is learned
    assert lock_order(lab.core)["page_table_lock", "swap_lock"] >= 1
    assert not lab.said()


def test_two_of_one_class_only_where_it_is_allowed(lab: Lab) -> None:
    other = Mm.create(lab.machine.vm)
    lib.lock_page_table(lab.m, lab.mm.ptr)
    lib.lock_page_table(lab.m, other.ptr)
    assert "lock nesting: page_table_lock" in lab.said()
    lib.unlock_page_table(lab.m, other.ptr)
    lib.lockdep_nest(lab.m)
    lib.lock_page_table(lab.m, other.ptr)
    assert not lab.said()


def test_fork_nests_two_page_table_locks(lab: Lab) -> None:
    child = dup_mmap(lab.mm)
    child.put()
    lab.machine.check()


def test_the_order_has_no_circle() -> None:
    for outer, inner in itertools.product(range(len(LOCKS)), repeat=2):
        assert not (lib.lock_order_allows(outer, inner) and lib.lock_order_allows(inner, outer))


def _class(name: str) -> str:
    """The class of a lock: those of the schemes are one."""
    return "rmap_lock" if name in {f"{scheme}_lock" for scheme in RMAPS} else name


def _drawn() -> set[tuple[str, str]]:
    """The order of docs/locking.md: (outer, inner), as its indentation draws it."""
    text = DOCS.read_text().split("## The order")[1].split("```text\n")[1].split("```")[0]
    edges: set[tuple[str, str]] = set()
    above: list[str] = []
    for line in text.splitlines():
        name = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 2
        above[depth:] = [name]
        if depth:
            edges.add((_class(above[depth - 1]), _class(name)))
    return edges


def test_the_drawing_is_the_order_that_is_checked() -> None:
    inside = _drawn()
    assert {name for edge in inside for name in edge} == set(LOCKS)
    for _ in LOCKS:  # what is inside of what is inside
        inside |= {(a, d) for a, b in inside for c, d in inside if b == c}
    checked = {
        (LOCKS[outer], LOCKS[inner])
        for outer, inner in itertools.product(range(len(LOCKS)), repeat=2)
        if lib.lock_order_allows(outer, inner)
    }
    assert inside == checked


def test_every_lock_is_described() -> None:
    table = DOCS.read_text().split("## The locks")[1].split("##")[0]
    described = [_class(name) for name in re.findall(r"^\| `(\w+)` \|", table, re.M)]
    assert list(dict.fromkeys(described)) == LOCKS
    sleeping = re.findall(r"^\| `(\w+)` \|.*(?:semaphore|may sleep)", table, re.M)
    assert sleeping == [name for i, name in enumerate(LOCKS) if lib.lock_sleeps(i)]


# ---- holders --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mmap_sem", "page_table_lock", "page_lock", "anon_vma_lock"])
def test_a_lock_taken_twice_is_a_self_deadlock(lab: Lab, name: str) -> None:
    lab.take(name)
    lab.take(name)
    assert re.search(rf"self-deadlock: {name} 0x[0-9a-f]+ wanted by its holder", lab.said())


def test_mmap_sem_for_read_twice_is_one_too(lab: Lab) -> None:
    lib.down_read(lab.m, lab.mm.ptr)
    lib.down_read(lab.m, lab.mm.ptr)  # a writer between them would never come to an end
    assert "self-deadlock: mmap_sem" in lab.said()


def test_page_table_lock_over_get_user_pages(lab: Lab) -> None:
    lib.down_write(lab.m, lab.mm.ptr)
    lib.lock_page_table(lab.m, lab.mm.ptr)
    lib.make_pages_present(lab.m, lab.mm.ptr, lab.area, lab.area + 4096, 1)
    assert "self-deadlock: page_table_lock" in lab.said()


def test_only_the_holder_unlocks(lab: Lab) -> None:
    lab.take("page_table_lock")
    other_path = ffi.new("struct held_locks *")
    lab.m.locks.held = other_path
    lab.drop("page_table_lock")
    assert "unlock of page_table_lock" in (said := lab.said())
    assert "by a path that does not hold it; held: nothing" in said


def test_a_lock_nobody_holds_is_not_unlocked(lab: Lab) -> None:
    lab.drop("lru_lock")
    assert "unlock of lru_lock" in lab.said()


def test_mmap_sem_is_released_as_it_was_taken(lab: Lab) -> None:
    lib.down_read(lab.m, lab.mm.ptr)
    lib.up_write(lab.m, lab.mm.ptr)
    assert "is held for read and released otherwise" in lab.said()


def test_check_finds_locks_that_were_left(lab: Lab) -> None:
    lab.take("lru_lock")
    with pytest.raises(KernelBug, match=r"locks held at the end of .*check.*: lru_lock"):
        lab.machine.check()


def test_no_way_back_to_user_mode_with_a_lock(guest: Any) -> None:
    with Machine(lock_checks=True) as machine:
        machine.kernel.on_mark = lambda task, name, a, b: lib.lock_page_table(
            machine.core.m, task.mm.ptr
        )
        machine.spawn(guest("madvise"), ["madvise"], stdout=io.BytesIO())
        with pytest.raises(KernelBug, match="end of the way back to user mode: page_table_lock"):
            machine.run()


# ---- sleeping --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["page_table_lock", "page_map_lock", "anon_vma_lock", "swap_lock", "lru_lock"]
)
def test_nobody_sleeps_with_a_spinlock(lab: Lab, name: str) -> None:
    lab.take(name)
    lib.alloc_page(lab.m, lib.GFP_KERNEL)
    assert f"sleeping (allocating a page) with {name} held; held: {name} 0x" in lab.said()


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (lambda lab: lib.alloc_page(lab.m, lib.GFP_ATOMIC), ""),
        (lambda lab: lib.vma_alloc(lab.m), "allocating an object"),
        (lambda lab: lib.page_fault(lab.m, lab.mm.ptr, lab.area, 0), "mmap_sem"),
        (lambda lab: lab.take("page_lock"), "page_lock"),
        (
            lambda lab: lib.page_fault_locked(lab.m, lab.mm.ptr, lab.area, 0),
            "resolving a fault",
        ),
    ],
)
def test_what_may_sleep(lab: Lab, what: Any, reason: str) -> None:
    lab.take("swap_lock")
    what(lab)
    said = lab.said()
    assert f"sleeping ({reason}) with swap_lock held" in said if reason else not said


def test_who_holds_a_semaphore_or_a_page_may_sleep(lab: Lab) -> None:
    lab.take("mmap_sem")
    lab.take("page_lock")
    lib.alloc_page(lab.m, lib.GFP_KERNEL)
    assert not lab.said()


# ---- owners ------------------------------------------------------------------------------


def test_vm_flags_with_mmap_sem_for_read(lab: Lab) -> None:
    lib.down_read(lab.m, lab.mm.ptr)
    lib.vma_set_flags(lab.m, lab.vma, lab.vma.vm_flags | lib.VM_LOCKED)
    assert re.search(
        r"vma_set_flags writes vm_area_struct\.vm_flags, vm_page_prot of 0x[0-9a-f]+ without "
        r"mmap_sem for write .*; held: mmap_sem 0x[0-9a-f]+ for read",
        lab.said(),
    )


@pytest.mark.parametrize("before", [False, True])
def test_vm_flags_before_and_after_rmap_34(before: bool) -> None:
    lab = Lab(lock_checks=True, vm_flags_lock="page_table_lock" if before else "mmap_sem")
    with lab.machine:
        lab.take("mmap_sem")
        lib.assert_owner(lab.m, lib.OWNED_vm_flags, lab.vma, b"somebody")
        assert bool(lab.said()) == before
        lab.take("page_table_lock")
        lib.assert_owner(lab.m, lib.OWNED_vm_flags, lab.vma, b"somebody")
        assert not lab.said()


def _address_of(lab: Lab, field: int) -> Any:
    anon_vma = ffi.cast(
        "struct anon_vma *", lab.core.base + lab.machine.vm.rmap.tail(lab.vma).anon_vma
    )
    return {
        lib.OWNED_vma_list: lab.mm.ptr,
        lib.OWNED_mm_sizes: lab.mm.ptr,
        lib.OWNED_page_table: lab.mm.ptr,
        lib.OWNED_anon_vma_list: anon_vma,
        lib.OWNED_mapcount: lab.page,
        lib.OWNED_lru: ffi.addressof(lab.m.k, "zone"),
        lib.OWNED_swap_map: lab.m.k,
    }.get(field, lab.vma)


@pytest.mark.parametrize(
    ("field", "locks"),
    [
        (lib.OWNED_vm_flags, ["mmap_sem"]),
        (lib.OWNED_vma_range, ["mmap_sem", "anon_vma_lock"]),
        (lib.OWNED_vma_list, ["mmap_sem"]),
        (lib.OWNED_mm_sizes, ["mmap_sem"]),
        (lib.OWNED_page_table, ["page_table_lock"]),
        (lib.OWNED_anon_vma, ["page_table_lock"]),
        (lib.OWNED_anon_vma, ["mmap_sem"]),
        (lib.OWNED_anon_vma_list, ["anon_vma_lock"]),
        (lib.OWNED_mapcount, ["page_map_lock"]),
        (lib.OWNED_lru, ["lru_lock"]),
        (lib.OWNED_swap_map, ["swap_lock"]),
    ],
)
def test_every_lock_of_a_rule_is_needed(lab: Lab, field: int, locks: list[str]) -> None:
    target = _address_of(lab, field)
    for name in locks:
        lib.assert_owner(lab.m, field, target, b"somebody")
        said = lab.said()
        assert (
            f"somebody writes {ffi.string(lib.owned_field_name(lab.m.rmap, field)).decode()} of"
            in said
        )
        assert ffi.string(lib.owned_field_rule(lab.m.rmap, field)).decode() in said
        lab.take(name)
    lib.assert_owner(lab.m, field, target, b"somebody")
    assert not lab.said()


def test_another_mm_s_lock_is_not_enough(lab: Lab) -> None:
    other = Mm.create(lab.machine.vm)
    lib.lock_page_table(lab.m, other.ptr)
    lib.assert_owner(lab.m, lib.OWNED_page_table, lab.mm.ptr, b"somebody")
    assert "somebody writes mm_struct.rss, page tables" in lab.said()


def test_an_mm_without_users_is_its_last_path_s(lab: Lab) -> None:
    lab.mm.put()  # exit takes no mmap_sem
    lab.machine.check()


# ---- the kernel itself ----------------------------------------------------------------------


@pytest.mark.parametrize("vm_flags_lock", ["mmap_sem", "page_table_lock"])
@pytest.mark.parametrize("rmap", SCHEMES)
def test_the_kernel_keeps_its_own_order(rmap: str, vm_flags_lock: str) -> None:
    lab = Lab(rmap, lock_checks=True, vm_flags_lock=vm_flags_lock)
    with lab.machine as machine:
        mm, area = lab.mm, lab.area
        do_mlock(mm, area, 2 << 12)
        do_mprotect(mm, area + (3 << 12), 2 << 12, PROT_READ)  # splits
        do_mprotect(mm, area + (3 << 12), 2 << 12, PROT_READ | PROT_WRITE)  # merges
        child = dup_mmap(mm)
        machine.vm.reclaim_range(mm, area, area + (PAGES << 12))
        child.write(area, b"y" * (PAGES << 12))
        do_munmap(mm, area + (4 << 12), 1 << 12)
        child.put()
        machine.check()
        learned = lock_order(lab.core)
    assert learned["mmap_sem", "page_table_lock"]
    assert learned["page_table_lock", "page_map_lock"]
    assert all(
        lib.lock_order_allows(lab.core.locks.index(outer), lab.core.locks.index(inner))
        for outer, inner in learned
    )


@pytest.mark.parametrize(
    ("rmap", "inner"), [("anonmm", "page_table_lock"), ("anon_vma", "anon_vma_lock")]
)
def test_an_area_of_a_written_file_is_cut_under_both_locks(
    guest: Any, rmap: str, inner: str
) -> None:
    def cut(task: Any, name: str, a: int, b: int) -> None:
        data = next(v for v in task.mm.vmas() if v.vm_file and v.vm_flags & lib.VM_WRITE)
        middle = data.vm_start + (8 << 12)
        do_mprotect(task.mm, middle, 1 << 12, PROT_READ)
        do_mprotect(task.mm, middle, 1 << 12, PROT_READ | PROT_WRITE)

    with Machine(rmap=rmap, lock_checks=True) as machine:
        machine.kernel.on_mark = cut
        machine.spawn(guest("mremap-data"), ["mremap-data"], stdout=io.BytesIO())
        assert str(machine.run()) == "exited with 0"
        machine.check()
        assert lock_order(machine.core)["i_mmap_lock", inner] >= 2


def test_checks_are_off_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, on in (("", False), ("0", False), ("1", True)):
        monkeypatch.setenv("VMEMU_LOCK_CHECKS", value)
        lab = Lab()
        with lab.machine:
            lab.take("swap_lock")
            lab.take("page_table_lock")
            assert bool(lab.said()) == on
    monkeypatch.setenv("VMEMU_LOCK_CHECKS", "1")
    with Machine(lock_checks=False) as machine:
        assert machine.core.m.watch.bits == 0


def test_vm_flags_lock_has_two_values() -> None:
    with pytest.raises(ConfigError, match="vm_flags_lock must be mmap_sem or page_table_lock"):
        Machine(vm_flags_lock="big kernel lock")


def test_steps_held_and_failed_trylocks_are_counted(lab: Lab) -> None:
    before = lock_stats(lab.core)["page_table_lock"]
    with_lock = 5
    lib.lock_page_table(lab.m, lab.mm.ptr)
    for _ in range(with_lock):
        lab.m.watch.steps += 1
    lib.unlock_page_table(lab.m, lab.mm.ptr)
    after = lock_stats(lab.core)["page_table_lock"]
    assert after["acquired"] - before["acquired"] == 1
    assert after["steps_held"] - before["steps_held"] == with_lock


@pytest.mark.parametrize("watched", [False, True])
def test_fork_makes_a_step_for_each_pte(watched: bool) -> None:
    """Steps are what the time a lock is held is measured in."""
    steps = []
    for pages in (8, 24):
        memory = Memory("anon_vma")
        memory.m.watch.bits = lib.WATCH_LOCKS if watched else 0
        mm = memory.process()
        memory.map(mm, 0, pages)
        memory.fill(mm, 0, pages)
        before = memory.m.watch.steps
        child = dup_mmap(mm)
        steps.append(memory.m.watch.steps - before)
        child.put()
        memory.close()
    assert steps[1] - steps[0] == 24 - 8
