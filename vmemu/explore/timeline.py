"""A run as a table: a column for each path, a row for each step, things by their names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from vmemu.core import LOCKS, PAGE_OFFSET, PAGE_SHIFT, PAGE_SIZE, ffi, lib
from vmemu.frames import user_ptes

if TYPE_CHECKING:
    from vmemu.explore.scenario import Scenario

__all__ = ["Names", "Step", "rows", "table", "waits"]

_PAGE_FIELDS = {
    ffi.offsetof("struct page", field): field for field in ("flags", "_count", "mapcount", "lru")
}
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


class Names:
    """What the objects of a scenario's machine are called, as it stands when made.

    ``earlier`` answers for what was there before and is gone.
    """

    def __init__(self, scenario: Scenario, earlier: Names | None = None) -> None:
        self.core, self.m = scenario.core, scenario.m
        self._earlier = earlier
        self._things: dict[int, str] = {}
        self._tables: dict[int, tuple[int, str]] = {}  # page tables by frame: base, suffix
        self._pages: dict[int, str] = {}  # by pfn
        mms = scenario.vm.mms
        for mm in mms.values():
            name = scenario.names.get(mm.kaddr, "child")
            self._learn_mm(mm.ptr, f" of {name}" if name else "")
        info = self.m.swap[scenario.area.kind]
        for i in range(info.nr_map_frames):
            self._tables[(info.map_frames[i] - PAGE_OFFSET) >> PAGE_SHIFT] = (-1, "")
        zone = self.core.kaddr(self.m.k) + ffi.offsetof("struct kernel_data", "zone")
        for name in ("active_list", "inactive_list"):
            self._things[zone + ffi.offsetof("struct zone", name)] = name

    def _learn_mm(self, mm: object, suffix: str) -> None:
        core = self.core
        at = core.kaddr(mm)
        for field in ("mmap_sem", "page_table_lock", "rss"):
            self._things[at + ffi.offsetof("struct mm_struct", field)] = field + suffix
        self._things[at] = "page directory" + suffix
        vma = core.vma(core.mm(at).mmap)
        while vma is not None:
            where = f" at {vma.vm_start:#x}{suffix}"
            for field in ("vm_flags", "anon_vma"):
                offset = ffi.offsetof("struct vm_area_struct", field)
                self._things[core.kaddr(vma) + offset] = field + where
            vma = core.vma(vma.vm_next)
        directory = core.mm(at).pgd - PAGE_OFFSET + self.m.ram
        entries = ffi.cast("pgd_t *", directory)
        for i in range(lib.TASK_SIZE_PGDS):
            if entries[i]:
                self._tables[entries[i] >> PAGE_SHIFT] = (i << lib.PGDIR_SHIFT, suffix)
        for address, pte in zip(*(a.tolist() for a in user_ptes(core, mm)), strict=True):
            if pte & (lib._PAGE_PRESENT | lib._PAGE_PROTNONE):
                self._pages.setdefault(pte >> PAGE_SHIFT, f"{address:#x}{suffix}")
            elif page := lib.lookup_swap_cache(self.m, pte):
                self._pages.setdefault(lib.page_to_pfn(self.m, page), f"{address:#x}{suffix}")
                lib.put_page(self.m, page)

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
        pfn = (address - PAGE_OFFSET) >> PAGE_SHIFT
        return f"contents of {self.page(pfn)}" if not address & 0xFFF else f"{address:#x}"

    def _find(self, address: int) -> str | None:
        if address in self._things:
            return self._things[address]
        index = address - self.core.kaddr(self.m.mem_map)
        size = ffi.sizeof("struct page")
        if 0 <= index < self.m.nr_frames * size and index % size in _PAGE_FIELDS:
            return f"{_PAGE_FIELDS[index % size]} of {self.page(index // size)}"
        table = self._tables.get((address - PAGE_OFFSET) >> PAGE_SHIFT)
        if table is None:
            return None
        base, suffix = table
        if base < 0:  # a swap map: the byte behind a count stands for the cache's slot
            kind = "swap cache" if address & 1 else "swap slot"
            return f"{kind} {(address % PAGE_SIZE) // 2}"
        return f"pte {base + (address % PAGE_SIZE // 4 << PAGE_SHIFT):#x}{suffix}"

    # ---- steps

    def lock(self, step: Step) -> str:
        """The lock of a step, and how it is taken."""
        name = LOCKS[step.lock]
        if name == "mmap_sem":
            return self.thing(step.object & ~1) + (" for read" if step.object & 1 else " for write")
        if name == "page_table_lock":
            return self.thing(step.object)
        if name in ("page_lock", "page_map_lock"):
            pfn = (step.object - self.core.kaddr(self.m.mem_map)) // ffi.sizeof("struct page")
            return f"{name} of {self.page(pfn)}"
        return name

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
        return f"swap slot {word >> 8}" if word else "empty"
    if kind == "vm_flags":
        return "".join(letter for letter, bit in _VM_FLAGS.items() if word & bit) or "none"
    if kind in _NUMBERS:
        return str(word)
    return ""


def rows(names: Names, steps: Sequence[Step], *, full: bool = False) -> Iterator[tuple[int, str]]:
    """``(path, text)`` of each step; unless ``full``, of those that matter.

    These are the ones on what several paths touch, on ptes and on vm_flags.
    Of locks inside which nothing else happens, only what they guard is shown then.
    """
    users: dict[tuple[int, int], set[int]] = {}
    for step in steps:
        users.setdefault(step.what, set()).add(step.path)
    for step in steps:
        hidden = step.kind in (lib.STEP_start, lib.STEP_alloc) or step.lock in _LEAVES
        told = names.step(step)
        telling = "pte 0x" in told or "vm_flags" in told
        if full or (not hidden and (telling or len(users[step.what]) > 1)):
            yield step.path, told


def waits(
    names: Names, paths: Sequence[str], steps: Sequence[Step], waiting: dict[int, Step]
) -> list[str]:
    """A sentence for each path of a deadlock: what it waits for, and who holds that."""
    holder: dict[tuple[int, int], int] = {}
    for step in steps:
        if step.kind == lib.STEP_unlock:
            holder.pop(step.what, None)
        elif step.lock >= 0 and not step.failed:
            holder[step.what] = step.path
    told = []
    for path, step in waiting.items():
        by = holder.get(step.what)
        if by == path:
            told.append(
                f"self-deadlock: {paths[path]} waits for {names.lock(step)}, which it holds"
            )
        else:
            owner = paths[by] if by is not None else "nobody"
            told.append(f"deadlock: {paths[path]} waits for {names.lock(step)}, held by {owner}")
    return told


def table(paths: Sequence[str], lines: Sequence[tuple[int, str]]) -> list[str]:
    """The rows in columns, numbered, under the paths' names."""
    width = [
        max([len(name), *(len(text) for path, text in lines if path == i)])
        for i, name in enumerate(paths)
    ]
    digits = max(len(str(len(lines))), 2)

    def line(mark: str, cells: Sequence[str]) -> str:
        padded = (f"{cell:<{n}}" for cell, n in zip(cells, width, strict=True))
        return f"{mark:>{digits}}  " + "  ".join(padded).rstrip()

    told = [line("", paths), line("", ["-" * n for n in width])]
    for number, (path, text) in enumerate(lines, 1):
        told.append(line(str(number), [text if i == path else "" for i in range(len(paths))]))
    return [text.rstrip() for text in told]
