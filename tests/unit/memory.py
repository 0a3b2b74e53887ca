"""A memory manager without a CPU or a kernel, for tests of memory alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.width import ffi, lib
from vmemu.check import check_machine
from vmemu.core import PAGE_SIZE, Core
from vmemu.errors import Errno
from vmemu.mm import MemoryManager, Mm, Rlimits, do_mmap
from vmemu.rmap import builtin, scheme_class

PAGE = PAGE_SIZE
NONE, R, W, RW, RX, RWX = 0, 1, 2, 3, 5, 7
PRIVATE, FIXED, ANON, GROWSDOWN = 0x02, 0x10, 0x20, 0x100
LOCKED, NORESERVE, POPULATE = 0x2000, 0x4000, 0x8000
BASE = 0x10000000
SCHEMES = tuple(name for name, scheme in builtin().items() if scheme.swaps())
WALKING = tuple(name for name in SCHEMES if builtin()[name].finds_anon)  # not those that sweep
#: What the schemes' options may choose besides, as --rmap takes it.
CHOICES = tuple(
    f"{name}:{option}={value}"
    for name in WALKING
    for option, values in builtin()[name].options.items()
    for value in values[1:]
)


class Memory:
    """One machine's memory; sizes in pages."""

    def __init__(self, scheme: str = "anon_vma", ram: int = 1024, **options: Any) -> None:
        self.scheme = scheme_class(scheme)
        core_options = {
            name: options.pop(name)
            for name in ("cache_line", "min_free_pages", "events", "bits", "levels", "i_mmap")
            if name in options
        }
        self.core = Core(ram * PAGE, self.scheme, **core_options)
        self.m = self.core.m
        self.vm = MemoryManager(self.core, self.scheme(self.core), **options)

    def close(self) -> None:
        self.core.close()

    def process(self, **rlimits: int) -> Mm:
        """A fresh address space."""
        return Mm.create(self.vm, Rlimits(**rlimits))

    def map(self, mm: Mm, page: int, pages: int, prot: int = RW, flags: int = 0) -> int:
        """Anonymous memory at page ``page`` behind BASE; its address."""
        return do_mmap(mm, BASE + page * PAGE, pages * PAGE, prot, PRIVATE | ANON | FIXED | flags)

    def fill(self, mm: Mm, page: int, pages: int, seed: int = 0) -> None:
        """Every page gets contents of its own."""
        for n in range(page, page + pages):
            mm.write(BASE + n * PAGE, self.contents(n, seed))

    def verify(self, mm: Mm, page: int, pages: int, seed: int = 0) -> None:
        """The contents of `fill` are still there."""
        for n in range(page, page + pages):
            assert mm.read(BASE + n * PAGE, PAGE) == self.contents(n, seed), f"page {n}"

    @staticmethod
    def contents(n: int, seed: int = 0) -> bytes:
        return (n * 2654435761 + seed * 40503 + 1 & 0xFFFFFFFF).to_bytes(4, "little") * (PAGE // 4)

    def areas(self, mm: Mm) -> list[tuple[int, int, int]]:
        """Every vma as (first page behind BASE, pages, PROT_*)."""
        return [
            (
                (vma.vm_start - BASE) // PAGE,
                (vma.vm_end - vma.vm_start) // PAGE,
                vma.vm_flags & RWX,
            )
            for vma in mm.vmas()
        ]

    def kind(self, mm: Mm, page: int) -> int:
        """``enum pte_kind`` of a page."""
        kind: int = self.core.lib.pte_kind_at(self.m, mm.ptr, BASE + page * PAGE)
        return kind

    def make_old(self, mm: Mm, page: int) -> None:
        """Clear a page's accessed bit."""
        pte = self.core.lib.pte_offset(self.m, mm.ptr, BASE + page * PAGE)
        assert pte[0] & lib._PAGE_ACCESSED
        pte[0] &= ~lib._PAGE_ACCESSED

    def present(self, mm: Mm, page: int, pages: int) -> list[int]:
        """Which pages are in memory."""
        return [n for n in range(page, page + pages) if self.kind(mm, n) == lib.PTE_PRESENT]

    def check(self) -> None:
        """machine.check(), without a machine."""
        check_machine(self.vm)

    @property
    def free(self) -> int:
        """Free frames."""
        frames: int = self.m.k.zone.free_pages
        return frames

    @contextlib.contextmanager
    def starved(self, *caches: int) -> Iterator[list[Any]]:
        """No frame is free, and no object in slabs of these caches; the frames taken.

        Those that are put back may all be used, down to the last, and nothing is reclaimed:
        below zone.pages_min there would otherwise be none for an ordinary allocation.
        """
        objects = [(cache, object_) for cache in caches for object_ in self._objects(cache)]
        frames = []
        self.m.pages.memalloc += 1
        while (frame := self.core.lib.alloc_page(self.m, lib.GFP_ATOMIC)) != ffi.NULL:
            frames.append(frame)
        for cache in caches:
            objects += [(cache, object_) for object_ in self._objects(cache)]
        try:
            yield frames
        finally:
            self.m.pages.memalloc -= 1
        for cache, object_ in objects:
            self.core.lib.kmem_cache_free(self.m, cache, object_)
        for frame in frames:
            self.core.lib.put_page(self.m, frame)

    def _objects(self, cache: int) -> Iterator[Any]:
        """What is left in the slabs there are."""
        slabs = self.m.k.caches[cache].nr_slabs
        while self.m.k.caches[cache].nr_active < slabs * self.m.k.caches[cache].num:
            yield self.core.lib.kmem_cache_alloc(self.m, cache, lib.GFP_ATOMIC)


def errno_of(function: Any, *arguments: Any) -> int:
    """The errno of a call, 0 when it succeeds."""
    try:
        function(*arguments)
    except Errno as error:
        return error.errno
    return 0


def memory_under(*schemes: str, swap: int = 0) -> Any:
    """A fixture: memory under each scheme, with so many pages of swap, checked at the end."""

    @pytest.fixture(params=schemes)
    def memory(request: pytest.FixtureRequest) -> Iterator[Memory]:
        memory = Memory(request.param)
        if swap:
            memory.vm.swap.swapon_size(swap * PAGE)
        yield memory
        memory.check()
        memory.close()

    return memory
