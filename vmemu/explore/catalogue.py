"""The scenarios of ``vmemu explore``.

Each is a machine, two or three paths, and what must hold however they interleave; that
``machine.check()`` finds nothing is part of every one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from vmemu.core import PAGE_SIZE, lib
from vmemu.errors import ConfigError
from vmemu.explore.files import FILE_SCENARIOS
from vmemu.explore.scenario import AREA, Scenario, path
from vmemu.mm import (
    Mm,
    do_madvise,
    do_mlock,
    do_mlockall,
    do_mprotect,
    do_mremap,
    do_munlock,
    dup_mmap,
)
from vmemu.mm.consts import (
    MADV_RANDOM,
    MCL_CURRENT,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    PROT_NONE,
)
from vmemu.rmap import builtin

__all__ = ["SCENARIOS", "find_scenario"]

SCENARIOS: dict[str, type[Scenario]] = {}

_THERE = AREA + (4 << 20)
_GRANTED = lib._PAGE_PRESENT | lib._PAGE_PROTNONE | lib._PAGE_USER


def _register(scenario: type[Scenario]) -> type[Scenario]:
    SCENARIOS[scenario.name] = scenario
    return scenario


def find_scenario(name: str) -> type[Scenario]:
    """The scenario called ``name``; ConfigError names those there are."""
    if "@" in name:
        from vmemu.explore.crossings import crossing

        return crossing(name)
    if name not in SCENARIOS:
        raise ConfigError(f"unknown exploration {name!r}: choose one of {', '.join(SCENARIOS)}")
    return SCENARIOS[name]


class _Written(Scenario):
    """One process with PAGES written, cold pages."""

    parameters: ClassVar = {"PAGES": 2}

    def setup(self) -> None:
        """Write them, and let them grow cold."""
        self.pages = self.values["PAGES"]
        self.length = self.pages * PAGE_SIZE
        self.mm = self.new_mm()
        self.written(self.mm, AREA, self.pages)
        self.age()

    def vma(self, address: int = AREA) -> Any:
        """The area at an address."""
        return self.core.lib.find_vma_prev(self.m, self.mm.ptr, address, self.vm.vma_out)

    def lost(self, mm: Mm, start: int) -> Iterator[str]:
        """What is not where it was written."""
        for i, byte in enumerate(self.contents(mm, start, self.pages)):
            if byte != i + 1:
                yield f"page {i + 1} reads {byte} at {start + i * PAGE_SIZE:#x}"


@_register
class MlockVsUnmap(_Written):
    """mlock of a range while reclaim takes its pages: locked pages are in memory."""

    name = "mlock-vs-unmap"

    @path
    def mlock(self) -> int:
        """Lock them; how many were missing at that moment."""
        do_mlock(self.mm, AREA, self.length)
        return len(self.absent(self.mm, AREA, self.pages))

    @path
    def reclaim(self) -> int:
        """Take what can be taken."""
        return self.shrink(self.pages)

    def check(self) -> Iterator[str]:
        """They are there when mlock returns, stay there, and VM_LOCKED is not lost."""
        if not self.vma().vm_flags & lib.VM_LOCKED:
            yield "VM_LOCKED is lost: somebody wrote back vm_flags as they had been before"
        if self.results["mlock"]:
            yield f"mlock returned with {self.results['mlock']} pages absent"
        for at in self.absent(self.mm, AREA, self.pages):
            yield f"the page at {at:#x} is locked and not in memory"
        yield from self.lost(self.mm, AREA)


@_register
class MunlockVsReclaim(_Written):
    """munlock while reclaim looks at the pages: nothing is lost, nothing stays locked."""

    name = "munlock"

    def setup(self) -> None:
        """The pages are locked."""
        super().setup()
        do_mlock(self.mm, AREA, self.length)

    @path
    def munlock(self) -> None:
        """Let go."""
        do_munlock(self.mm, AREA, self.length)

    @path
    def reclaim(self) -> int:
        """Take what can be taken by now."""
        return self.shrink(self.pages)

    def check(self) -> Iterator[str]:
        """Not locked, not lost."""
        if self.vma().vm_flags & lib.VM_LOCKED:
            yield "VM_LOCKED is still set"
        yield from self.lost(self.mm, AREA)


@_register
class MlockallVsFork(_Written):
    """mlockall and fork of one process, under reclaim: the child does not inherit locks."""

    name = "mlockall-fork"
    parameters: ClassVar = {"PAGES": 1}

    @path
    def mlockall(self) -> None:
        """Lock all there is."""
        do_mlockall(self.mm, MCL_CURRENT)

    @path
    def fork(self) -> Mm:
        """Copy the address space."""
        return dup_mmap(self.mm)

    @path
    def reclaim(self) -> int:
        """Take what can be taken."""
        return self.shrink(self.pages)

    def check(self) -> Iterator[str]:
        """The parent's pages are locked and there; the child's are as written."""
        child: Mm = self.results["fork"]
        for at in self.absent(self.mm, AREA, self.pages):
            yield f"the page at {at:#x} is locked and not in memory"
        if child.ptr.locked_vm or next(iter(child.vmas())).vm_flags & lib.VM_LOCKED:
            yield "the child has inherited a lock"
        for mm in (self.mm, child):
            yield from self.lost(mm, AREA)


@_register
class MprotectVsSwapoff(_Written):
    """mprotect(PROT_NONE) while swapoff maps the pages again: no pte permits more."""

    name = "mprotect-vs-swapoff"

    def setup(self) -> None:
        """The pages are in swap."""
        super().setup()
        self.swap_out(self.mm, AREA, self.pages)

    @path
    def mprotect(self) -> None:
        """Forbid every access."""
        do_mprotect(self.mm, AREA, self.length, PROT_NONE)

    @path
    def swapoff(self) -> None:
        """Bring back every page."""
        self.vm.swap.swapoff(self.area.path)

    def check(self) -> Iterator[str]:
        """Every pte has the area's protection."""
        prot = self.vma().vm_page_prot
        for at in range(AREA, AREA + self.length, PAGE_SIZE):
            pte = self.core.lib.pte_value(self.m, self.mm.ptr, at)
            if not pte & (lib._PAGE_PRESENT | lib._PAGE_PROTNONE):
                yield f"{at:#x} is still in swap"
            elif (pte ^ prot) & _GRANTED:
                yield f"the pte of {at:#x} has a stale protection: {pte & 0xFFF:#x}, not {prot:#x}"
        yield from self.lost(self.mm, AREA)


@_register
class MadviseVsReferenced(_Written):
    """madvise while page_referenced ages the pages: no reference is forgotten."""

    name = "madvise-vs-page_referenced"

    def setup(self) -> None:
        """The pages have been used since they were last looked at."""
        super().setup()
        self.written(self.mm, AREA, self.pages)

    @path
    def madvise(self) -> None:
        """Change vm_flags."""
        do_madvise(self.mm, AREA, self.length, MADV_RANDOM)

    @path
    def age_pages(self) -> None:
        """Move pages that were not used to the inactive list."""
        self.core.lib.refill_inactive_zone(self.m, self.pages, 1)

    def check(self) -> Iterator[str]:
        """A page is active, or its pte still says that it was used."""
        if not self.vma().vm_flags & lib.VM_RAND_READ:
            yield "VM_RAND_READ is lost"
        for at in range(AREA, AREA + self.length, PAGE_SIZE):
            pte = self.core.lib.pte_value(self.m, self.mm.ptr, at)
            if not (pte & lib._PAGE_ACCESSED or self.core.page(pte >> 12).flags & lib.PG_active):
                yield f"the use of {at:#x} is forgotten"


@_register
class AnonVmaPrepare(Scenario):
    """Two threads' first write faults in one area: one anon_vma, nothing leaked."""

    name = "anon-vma-prepare"

    def setup(self) -> None:
        """An area nobody has written to."""
        self.mm = self.new_mm()
        self.mapped(self.mm, AREA, 2)

    @path
    def first(self) -> None:
        """One thread writes to the first page."""
        self.mm.write(AREA, b"\1")

    @path
    def second(self) -> None:
        """Another one to the second."""
        self.mm.write(AREA + PAGE_SIZE, b"\2")

    def check(self) -> Iterator[str]:
        """As many objects of each kind as the scheme needs for one area; both bytes are there."""
        rmap = self.vm.rmap
        if needed := len({rmap.object_of(vma) for vma in self.mm.vmas()} - {0}):
            for cache in self.m.k.caches[lib.CACHE_rmap : lib.NR_CACHES]:
                if cache.nr_active not in (0, needed):
                    yield f"there are {cache.nr_active} objects of the scheme's"
        if list(self.contents(self.mm, AREA, 2)) != [1, 2]:
            yield "a byte is lost"


@_register
class MremapVsReclaim(_Written):
    """mremap moves pages while reclaim takes them: all arrive, nothing stays behind."""

    name = "mremap-vs-reclaim"
    parameters: ClassVar = {"PAGES": 1}

    @path
    def mremap(self) -> int:
        """Move the area."""
        flags = MREMAP_MAYMOVE | MREMAP_FIXED
        return do_mremap(self.mm, AREA, self.length, self.length, flags, _THERE)

    @path
    def reclaim(self) -> int:
        """Take what can be taken."""
        return self.shrink(self.pages)

    def check(self) -> Iterator[str]:
        """Everything is at the new place."""
        if self.results["mremap"] != _THERE:
            yield f"mremap returned {self.results['mremap']}"
        yield from self.lost(self.mm, _THERE)


@_register
class ForkVsReclaim(_Written):
    """fork copies ptes while reclaim takes the pages: parent and child read the same."""

    name = "fork-vs-reclaim"

    @path
    def fork(self) -> Mm:
        """Copy the address space."""
        return dup_mmap(self.mm)

    @path
    def reclaim(self) -> int:
        """Take what can be taken."""
        return self.shrink(self.pages)

    def check(self) -> Iterator[str]:
        """Both have everything."""
        for mm in (self.mm, self.results["fork"]):
            yield from self.lost(mm, AREA)


@_register
class ExitVsReclaim(_Written):
    """exit unmaps pages while reclaim holds them: every frame and slot comes free."""

    name = "exit-vs-reclaim"

    @path
    def exit(self) -> None:
        """The last user of the address space goes."""
        self.mm.put()

    @path
    def reclaim(self) -> int:
        """Take what can be taken."""
        return self.shrink(self.pages)

    def check(self) -> Iterator[str]:
        """Nothing is mapped; what is left in the swap cache, reclaim can still find."""
        if self.vm.mms:
            yield "the address space is still there"
        if self.m.pages.nr_mapped:
            yield f"{self.m.pages.nr_mapped} frames are still mapped"


@_register
class TwoReclaimers(_Written):
    """kswapd and a process in need take the same pages: each page goes once, and whole."""

    name = "two-reclaimers"
    parameters: ClassVar = {"PAGES": 1}

    def setup(self) -> None:
        """The pages are cold, but still on the active list."""
        super().setup()
        self.mapped(self.mm, _THERE, 1)
        self.mm.write(_THERE, b"\1")
        for at in (AREA, _THERE):
            pte = self.core.lib.pte_offset(self.m, self.mm.ptr, at)
            pte[0] &= ~lib._PAGE_ACCESSED
            self.core.page(pte[0] >> 12).flags &= ~lib.PG_referenced

    @path
    def kswapd(self) -> int:
        """Deactivate, then shrink."""
        self.core.lib.refill_inactive_zone(self.m, self.pages, 1)
        return self.shrink(self.pages)

    @path
    def direct(self) -> int:
        """The same."""
        self.core.lib.refill_inactive_zone(self.m, self.pages, 1)
        return self.shrink(self.pages)

    def check(self) -> Iterator[str]:
        """Nothing is lost."""
        yield from self.lost(self.mm, AREA)
        yield from self.lost(self.mm, _THERE)


@_register
class SwapinVsSwapoff(_Written):
    """A read fault brings in a page that swapoff brings in as well: one page, once."""

    name = "swapin-vs-swapoff"
    parameters: ClassVar = {"PAGES": 1}

    def setup(self) -> None:
        """The pages are in swap."""
        super().setup()
        self.swap_out(self.mm, AREA, self.pages)

    @path
    def read(self) -> int:
        """Read the last page."""
        return self.mm.read(AREA + self.length - PAGE_SIZE, 1)[0]

    @path
    def swapoff(self) -> None:
        """Bring back every page."""
        self.vm.swap.swapoff(self.area.path)

    def check(self) -> Iterator[str]:
        """The right byte was read, and all is in memory."""
        if self.results["read"] != self.pages:
            yield f"the process read {self.results['read']}"
        if self.results["swapoff"] is not None:
            yield f"swapoff failed: {self.results['swapoff']}"
        yield from self.lost(self.mm, AREA)


@_register
class GupVsReclaim(_Written):
    """A device writes to a page it holds while reclaim takes it: the process sees it."""

    name = "gup-vs-reclaim"
    parameters: ClassVar = {"PAGES": 1}

    @path
    def transfer(self) -> None:
        """get_user_pages for a transfer; the process writes byte 0; the device, byte 1."""
        m, mm = self.m, self.mm.ptr
        self.core.lib.down_read(m, mm)
        page = self.core.lib.get_user_page(m, mm, AREA, 1)
        self.core.lib.up_read(m, mm)
        self.mm.write(AREA, b"\1")
        self.core.lib.device_write(m, page, 1, 0xD1)
        self.core.lib.put_page(m, page)

    @path
    def reclaim(self) -> int:
        """Take what can be taken."""
        return self.shrink(self.pages)

    def check(self) -> Iterator[str]:
        """The process reads both."""
        found = self.mm.read(AREA, 2)
        if found != b"\1\xd1":
            yield f"the process and the device write to different pages: it reads {found.hex()}"


for _scenario in FILE_SCENARIOS:
    _register(_scenario)


def default_schemes() -> list[str]:
    """Every scheme of vmemu's own that has a reverse map."""
    return [name for name, scheme in builtin().items() if scheme.swaps()]
