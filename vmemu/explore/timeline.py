"""A run as a table: a column for each path, a row for each step, things by their names."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from vmemu.core import LOCKS, PAGE_SHIFT, PAGE_SIZE, lib
from vmemu.frames import page_tables, user_ptes

if TYPE_CHECKING:
    from vmemu.explore.scenario import Scenario

__all__ = ["LEAF_LOCKS", "Access", "Names", "Row", "Step", "Wait", "rows", "table", "waits"]

_PAGE_FIELDS = ("flags", "_count", "mapcount", "lru")
_NUMBERS = ("_count", "mapcount", "rss")
_VM_FLAGS = {
    "r": lib.VM_READ,
    "w": lib.VM_WRITE,
    "x": lib.VM_EXEC,
    " locked": lib.VM_LOCKED,
    " random": lib.VM_RAND_READ,
    " marked": lib.VM_LOCK_RMAP,
}
_LEAVES = (lib.LOCK_swap, lib.LOCK_lru)
LEAF_LOCKS = tuple(LOCKS[lock] for lock in _LEAVES)
"""Classes inside which nothing else happens; a reduced run does not tell of their release."""
_TAKEN = {"mmap_sem": 0xFFFFFFFF, "page_lock": lib.PG_locked, "page_map_lock": lib.PG_maplock}


class Step(NamedTuple):
    """One step of a run (C type ``struct explore_step``); ``lock`` -1 = no lock operation."""

    path: int
    kind: int
    lock: int
    object: int
    before: int
    after: int

    @property
    def what(self) -> tuple[int, int]:
        """The same for every step on one lock, or on one thing."""
        return self.lock, self.object & ~1 if self.lock == lib.LOCK_mmap_sem else self.object

    @property
    def failed(self) -> bool:
        """Whether it is a trylock that found the lock taken."""
        return self.kind == lib.STEP_trylock and bool(self.before & _TAKEN.get(LOCKS[self.lock], 1))


class Access(enum.Enum):
    """What a step does to the thing it is about."""

    LOCK = enum.auto()
    """Takes it, tried or waited for."""
    FAIL = enum.auto()
    """Tries to take it, and finds it taken."""
    UNLOCK = enum.auto()
    READ = enum.auto()
    WRITE = enum.auto()
    """Stores to it, be it what was there before."""
    ADD = enum.auto()
    """Changes it in a way that commutes with others of its kind."""
    NONE = enum.auto()
    """It is about nothing that another path could touch."""


@dataclass(frozen=True)
class Row:
    """One step of a run as it is told.

    ``number``: its place among all steps, from 0.  ``what``: equal for steps on one thing.
    ``thing``: its name; "" for none.  ``lock``: the lock's class; "" when it is no lock.
    ``changed``: the thing held another word afterwards.  ``matters``: it is on what several
    paths touch, on a pte or on vm_flags; of locks inside which nothing else happens, only
    what they guard counts as such.
    """

    number: int
    path: int
    text: str
    access: Access
    what: tuple[int, int]
    thing: str
    lock: str
    changed: bool
    matters: bool


@dataclass(frozen=True)
class Wait:
    """What a path of a deadlock waits for.

    ``holder``: the path that has the lock, since the step of number ``since``; None: nobody.
    """

    path: int
    lock: str
    holder: int | None
    since: int | None

    def told(self, paths: Sequence[str]) -> str:
        """A sentence, by the paths' names."""
        if self.holder == self.path:
            return f"self-deadlock: {paths[self.path]} waits for {self.lock}, which it holds"
        owner = paths[self.holder] if self.holder is not None else "nobody"
        return f"deadlock: {paths[self.path]} waits for {self.lock}, held by {owner}"


class Names:
    """What the objects of a scenario's machine are called, as it stands when made.

    ``earlier`` answers for what was there before and is gone.
    """

    def __init__(self, scenario: Scenario, earlier: Names | None = None) -> None:
        self.core, self.m = scenario.core, scenario.m
        self._rmap = scenario.vm.rmap
        self._earlier = earlier
        ffi = self.core.ffi
        self._page_fields = {ffi.offsetof("struct page", name): name for name in _PAGE_FIELDS}
        self._things: dict[int, str] = {}
        self._tables: dict[int, tuple[int, str]] = {}  # page tables by frame: base, suffix
        self._pages: dict[int, str] = {}  # by pfn
        mms = scenario.vm.mms
        for mm in mms.values():
            name = scenario.names.get(mm.kaddr, "child")
            self._learn_mm(mm.ptr, f" of {name}" if name else "")
        info = self.m.swap.info[scenario.area.kind]
        for i in range(info.nr_map_frames):
            self._tables[(info.map_frames[i] - self.core.page_offset) >> PAGE_SHIFT] = (-1, "")
        zone = self.core.kaddr(self.m.k) + ffi.offsetof("struct kernel_data", "zone")
        for name in ("active_list", "inactive_list"):
            self._things[zone + ffi.offsetof("struct zone", name)] = name

    def _learn_mm(self, mm: object, suffix: str) -> None:
        core, ffi = self.core, self.core.ffi
        at = core.kaddr(mm)
        for field in ("mmap_sem", "page_table_lock", "rss"):
            self._things[at + ffi.offsetof("struct mm_struct", field)] = field + suffix
        self._things[at] = "page directory" + suffix
        for field, kptr in self._rmap.mm_fields(core.mm(at)).items():
            self._things[kptr] = field + suffix
        vma = core.vma(core.mm(at).mmap)
        while vma is not None:
            where = f" at {vma.vm_start:#x}{suffix}"
            flags = core.kaddr(vma) + ffi.offsetof("struct vm_area_struct", "vm_flags")
            for field, kptr in {"vm_flags": flags, **self._rmap.vma_fields(vma)}.items():
                self._things[kptr] = field + where
            vma = core.vma(vma.vm_next)
        for table in page_tables(core, mm):
            if not table.level:
                self._tables[table.frame] = (table.address, suffix)
        for address, pte in zip(*(a.tolist() for a in user_ptes(core, mm)), strict=True):
            if pte & (lib._PAGE_PRESENT | lib._PAGE_PROTNONE):
                self._pages.setdefault(pte >> PAGE_SHIFT, f"{address:#x}{suffix}")
            elif not pte & lib._PAGE_FILE and (
                page := self.core.lib.lookup_swap_cache(self.m, pte)
            ):
                self._pages.setdefault(
                    self.core.lib.page_to_pfn(self.m, page), f"{address:#x}{suffix}"
                )
                self.core.lib.put_page(self.m, page)

    def page(self, pfn: int) -> str:
        """A page by the address it is, or was, mapped at."""
        if pfn in self._pages:
            return f"page {self._pages[pfn]}"
        return self._earlier.page(pfn) if self._earlier else f"frame {pfn}"

    def thing(self, address: int) -> str:
        """What stands at a kernel address."""
        found = self._find(address)
        if found is None and self._earlier is not None:
            found = self._earlier._find(address)
        if found is not None:
            return found
        pfn = (address - self.core.page_offset) >> PAGE_SHIFT
        return f"contents of {self.page(pfn)}" if not address & 0xFFF else f"{address:#x}"

    def _find(self, address: int) -> str | None:
        if address in self._things:
            return self._things[address]
        index = address - self.core.kaddr(self.m.mem_map)
        size, fields = self.core.ffi.sizeof("struct page"), self._page_fields
        if 0 <= index < self.m.nr_frames * size and index % size in fields:
            return f"{fields[index % size]} of {self.page(index // size)}"
        table = self._tables.get((address - self.core.page_offset) >> PAGE_SHIFT)
        if table is None:
            return None
        base, suffix = table
        if base < 0:  # a swap map: the byte behind a count stands for the cache's slot
            kind = "swap cache" if address & 1 else "swap slot"
            return f"{kind} {(address % PAGE_SIZE) // 2}"
        return f"pte {base + (address % PAGE_SIZE // self.core.word << PAGE_SHIFT):#x}{suffix}"

    # ---- steps

    def lock(self, step: Step) -> str:
        """The lock of a step, and how it is taken."""
        name = self.core.locks[step.lock]
        if name == "mmap_sem":
            return self.thing(step.object & ~1) + (" for read" if step.object & 1 else " for write")
        if name == "page_table_lock":
            return self.thing(step.object)
        if name in ("page_lock", "page_map_lock"):
            pfn = (step.object - self.core.kaddr(self.m.mem_map)) // self.core.ffi.sizeof(
                "struct page"
            )
            return f"{name} of {self.page(pfn)}"
        return name

    def about(self, step: Step) -> str:
        """The lock or the thing of a step."""
        return self.lock(step) if step.lock >= 0 else self.thing(step.object)

    def step(self, step: Step) -> str:
        """What a step does, and to what."""
        if step.kind == lib.STEP_start:
            return "starts"
        if step.kind == lib.STEP_alloc:
            return "allocates a page"
        if step.lock >= 0:
            verb = {lib.STEP_lock: "lock", lib.STEP_trylock: "trylock"}.get(step.kind, "unlock")
            return f"{verb} {self.lock(step)}" + (": it is taken" if step.failed else "")
        name = self.thing(step.object)
        before, after = _value(name, step.before), _value(name, step.after)
        if before != after:
            return f"{name}: {before} → {after}"
        verb = "read" if step.kind == lib.STEP_read else "write"
        return f"{verb} {name}" + (f": {before}" if before else "")


def _value(name: str, word: int) -> str:
    """The word of a thing, as far as it says something."""
    kind = name.partition(" ")[0]
    if kind == "pte":
        if word & (lib._PAGE_PRESENT | lib._PAGE_PROTNONE):
            rights = "none" if word & lib._PAGE_PROTNONE else "rw" if word & lib._PAGE_RW else "r"
            return f"present {rights}" + (" young" if word & lib._PAGE_ACCESSED else "")
        if word & lib._PAGE_FILE:
            return "a page of the file"
        return f"swap slot {word >> 8}" if word else "empty"
    if kind == "vm_flags":
        return "".join(letter for letter, bit in _VM_FLAGS.items() if word & bit) or "none"
    if kind in _NUMBERS:
        return str(word)
    return ""


def rows(names: Names, steps: Sequence[Step], waiting: Mapping[int, Step]) -> list[Row]:
    """Every step of a run, told by these names; ``waiting``: those that could not be made."""
    users: dict[tuple[int, int], set[int]] = {}
    for step in (*steps, *waiting.values()):
        users.setdefault(step.what, set()).add(step.path)
    told = []
    for number, step in enumerate(steps):
        text, access = names.step(step), _access(step)
        hidden = access is Access.NONE or step.lock in _LEAVES
        telling = "pte 0x" in text or "vm_flags" in text
        row = Row(
            number,
            step.path,
            text,
            access,
            step.what,
            "" if access is Access.NONE else names.about(step),
            names.core.locks[step.lock] if step.lock >= 0 else "",
            step.lock < 0 and step.before != step.after,
            not hidden and (telling or len(users[step.what]) > 1),
        )
        told.append(row)
    return told


def _access(step: Step) -> Access:
    if step.kind in (lib.STEP_start, lib.STEP_alloc):
        return Access.NONE
    if step.kind == lib.STEP_unlock:
        return Access.UNLOCK
    if step.lock >= 0:
        return Access.FAIL if step.failed else Access.LOCK
    if step.kind == lib.STEP_add:
        return Access.ADD
    read = step.kind == lib.STEP_read and step.before == step.after
    return Access.READ if read else Access.WRITE


def waits(names: Names, steps: Sequence[Step], waiting: Mapping[int, Step]) -> list[Wait]:
    """What each path of a deadlock waits for; ``waiting``: the step it cannot make."""
    holder: dict[tuple[int, int], tuple[int, int]] = {}
    for number, step in enumerate(steps):
        if step.kind == lib.STEP_unlock:
            holder.pop(step.what, None)
        elif step.lock >= 0 and not step.failed:
            holder[step.what] = step.path, number
    return [
        Wait(path, names.lock(step), *holder.get(step.what, (None, None)))
        for path, step in waiting.items()
    ]


def table(paths: Sequence[str], lines: Sequence[Row]) -> list[str]:
    """The rows in columns, numbered, under the paths' names."""
    width = [
        max([len(name), *(len(row.text) for row in lines if row.path == i)])
        for i, name in enumerate(paths)
    ]
    digits = max(len(str(len(lines))), 2)

    def line(mark: str, cells: Sequence[str]) -> str:
        padded = (f"{cell:<{n}}" for cell, n in zip(cells, width, strict=True))
        return f"{mark:>{digits}}  " + "  ".join(padded).rstrip()

    told = [line("", paths), line("", ["-" * n for n in width])]
    for number, row in enumerate(lines, 1):
        cells = [row.text if i == row.path else "" for i in range(len(paths))]
        told.append(line(str(number), cells))
    return [text.rstrip() for text in told]
