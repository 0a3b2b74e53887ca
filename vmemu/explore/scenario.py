"""What is explored: a tiny machine, two or more paths of its kernel, and what must hold.

>>> class Example(Scenario):                                       # doctest: +SKIP
...     \"\"\"munlock while reclaim takes the pages.\"\"\"
...     name = "example"
...
...     def setup(self) -> None:
...         self.mm = self.new_mm()
...         self.written(self.mm, AREA, pages=2)
...         self.age()
...
...     @path
...     def munlock(self) -> None:
...         do_munlock(self.mm, AREA, 2 * PAGE_SIZE)
...
...     @path
...     def reclaim(self) -> int:
...         return self.shrink(2)
...
...     def check(self) -> Iterator[str]:
...         if self.mm.ptr.locked_vm:
...             yield "locked_vm is wrong"
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from vmemu.core import I_MMAP, PAGE_SIZE, Core, ffi, lib
from vmemu.errors import ConfigError, Errno
from vmemu.frames import PTE_FILE, PTE_PRESENT
from vmemu.mm import MemoryManager, Mm, do_mmap
from vmemu.mm.consts import MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_READ, PROT_WRITE
from vmemu.rmap import DEFAULT, RmapScheme, scheme_class
from vmemu.swap.area import make_swap

__all__ = ["AREA", "Scenario", "Settings", "path"]

AREA = 0x40000000
"""Where scenarios map their memory."""

FRAMES = 64
"""Of guest RAM: as few as a machine boots with, since every run copies what it changed."""

SWAP_PAGES = 64
VM_FLAGS_LOCKS = ("mmap_sem", "page_table_lock")

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Settings:
    """What a scenario is run with.

    ``vm_flags_lock``: ``mmap_sem`` as after rmap 34, or ``page_table_lock`` (too) as before.
    ``mutations``: letters of docs/locking.md.  ``values``: the scenario's parameters that
    are not at their default.  ``i_mmap``: what areas of files are kept in.
    """

    rmap: str = DEFAULT
    vm_flags_lock: str = "mmap_sem"
    mutations: str = ""
    values: dict[str, int] = field(default_factory=dict)
    i_mmap: str = I_MMAP


def path(method: F) -> F:
    """Mark a method of a scenario as one of the paths that run against each other."""
    method.__dict__["is_path"] = True
    return method


class Scenario:
    """One machine with its paths; a subclass says which, in the order of definition.

    ``setup`` runs once; every run starts from a snapshot of what it left.  What a path
    leaves in Python must be its result, found in ``self.results`` by its name: an Errno
    counts as one.  ``check`` yields a sentence for each property that does not hold after a
    run; it must not depend on anything but the machine and the results.
    """

    #: What ``vmemu explore`` calls it.
    name: ClassVar[str] = ""
    #: Parameters of ``--set`` with their defaults.
    parameters: ClassVar[dict[str, int]] = {}
    #: The scheme to use instead of the settings' one.
    scheme: ClassVar[type[RmapScheme] | None] = None

    def __init__(self, settings: Settings) -> None:
        unknown = settings.values.keys() - self.parameters.keys()
        if unknown:
            known = ", ".join(self.parameters) or "it has none"
            raise ConfigError(f"{self.name} has no parameter {min(unknown)} ({known})")
        if settings.vm_flags_lock not in VM_FLAGS_LOCKS:
            raise ConfigError(
                f"vm-flags-lock must be {' or '.join(VM_FLAGS_LOCKS)}, "
                f"not {settings.vm_flags_lock!r}"
            )
        self.settings = settings
        self.values = self.parameters | settings.values
        self.results: dict[str, Any] = {}
        self.names: dict[int, str] = {}  # of mms, by kptr
        scheme = self.scheme or scheme_class(settings.rmap)
        self.core = Core(FRAMES * PAGE_SIZE, scheme, i_mmap=settings.i_mmap)
        try:
            self._boot(scheme)
        except Errno as error:
            self.core.close()
            raise ConfigError(
                f"{self.name} cannot be set up with {self.values}: "
                f"{os.strerror(error.errno).lower()}"
            ) from None
        except BaseException:
            self.core.close()
            raise

    def _boot(self, scheme: type[RmapScheme]) -> None:
        self.m = self.core.m
        self.m.page_cluster = 0
        self.m.fault.in_c = 1
        self.m.watch.bits = lib.WATCH_LOCKS
        self.m.locks.vm_flags_lock = self.settings.vm_flags_lock == "page_table_lock"
        self.vm = MemoryManager(self.core, scheme(self.core))
        swap = os.memfd_create("vmemu-explore-swap")
        make_swap(swap, SWAP_PAGES * PAGE_SIZE)
        self.area = self.vm.swap.swapon_descriptor(swap, "swap")
        self.setup()
        self.core.check_bug()

    @classmethod
    def summary(cls) -> str:
        """The first line of the class's documentation."""
        return (cls.__doc__ or "").partition("\n")[0].rstrip(".")

    @classmethod
    def path_names(cls) -> list[str]:
        """The paths in the order of their definition, base classes first."""
        names: dict[str, None] = {}
        for base in reversed(cls.__mro__):
            for name, value in vars(base).items():
                if getattr(value, "is_path", False):
                    names[name] = None
        return list(names)

    def close(self) -> None:
        """Free the machine."""
        self.core.close()

    # ---- what a subclass says

    def setup(self) -> None:
        """Make the state in which the paths begin."""

    def check(self) -> Iterable[str]:
        """A sentence for each property that does not hold after a run."""
        return ()

    # ---- for setups

    def new_mm(self, name: str = "") -> Mm:
        """A fresh address space, called so in timelines."""
        mm = Mm.create(self.vm)
        self.names[mm.kaddr] = name
        return mm

    def mapped(self, mm: Mm, start: int, pages: int, prot: int = PROT_READ | PROT_WRITE) -> None:
        """Map private anonymous memory, not touched yet."""
        do_mmap(mm, start, pages * PAGE_SIZE, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)

    def written(self, mm: Mm, start: int, pages: int) -> None:
        """Map memory and write the page's number, from 1 up, into each page."""
        self.mapped(mm, start, pages)
        for i in range(pages):
            mm.write(start + i * PAGE_SIZE, bytes([i + 1]))

    def age(self) -> None:
        """Let every page become cold: unreferenced, on the inactive list."""
        for _ in range(2):
            self.core.lib.refill_inactive_zone(self.m, FRAMES, 1)
        self.core.check_bug()

    def swap_out(self, mm: Mm, start: int, pages: int) -> None:
        """Evict pages; their ptes hold swap entries."""
        self.age()
        if self.vm.reclaim_range(mm, start, start + pages * PAGE_SIZE) != pages:
            raise ConfigError(f"{self.settings.rmap} cannot swap out: nothing to explore")

    def cache(self, mm: Mm, at: int) -> None:
        """Read a swapped page into the swap cache, as readahead does, without mapping it."""
        major = ffi.new("int *")
        page = self.core.lib.read_swap_cache(
            self.m, self.core.lib.pte_value(self.m, mm.ptr, at), 0, major
        )
        self.core.lib.put_page(self.m, page)

    # ---- for paths

    def shrink(self, pages: int) -> int:
        """What kswapd does to the cold end of the inactive list; pages freed."""
        freed: int = self.core.lib.shrink_cache(self.m, pages)
        return freed

    # ---- for checks

    def absent(self, mm: Mm, start: int, pages: int) -> list[int]:
        """Addresses of the pages of a range that are not in memory.

        In a path, each look is a step of its own: others may come before and after.
        """
        m = self.m
        found = []
        for at in range(start, start + pages * PAGE_SIZE, PAGE_SIZE):
            if m.watch.bits & lib.WATCH_EXPLORE:
                pte = self.core.kaddr(self.core.lib.pte_offset(m, mm.ptr, at))
                self.core.lib.explore_step(m, lib.STEP_read, -1, pte)
            if self.core.lib.pte_kind_at(m, mm.ptr, at) != lib.PTE_PRESENT:
                found.append(at)
        return found

    def contents(self, mm: Mm, start: int, pages: int) -> Iterator[int | None]:
        """The first byte of each page of a range, wherever it is; None where there is none.

        Changes nothing.
        """
        for at in range(start, start + pages * PAGE_SIZE, PAGE_SIZE):
            yield self._first_byte(self.core.lib.pte_value(self.m, mm.ptr, at))

    def _first_byte(self, pte: int) -> int | None:
        if not pte or (not pte & PTE_PRESENT and pte & PTE_FILE):
            return None
        if pte & (lib._PAGE_PRESENT | lib._PAGE_PROTNONE):
            return int(self.m.ram[pte & ~0xFFF])
        page = self.core.lib.lookup_swap_cache(self.m, pte)
        if page:
            self.core.lib.put_page(self.m, page)
            return int(self.m.ram[self.core.lib.page_to_pfn(self.m, page) << 12])
        info = self.m.swap.info[pte >> 1 & 0x1F]
        return os.pread(info.fd, 1, (pte >> 8) * PAGE_SIZE)[0]
