"""Explorations with files: truncation, msync, and a nonlinear area that is swept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, ClassVar

from vmemu.core import PAGE_SIZE, lib
from vmemu.explore.scenario import AREA, Scenario, path
from vmemu.file.inode import Inode
from vmemu.mm import Mm, do_mlock, do_mmap, do_mremap, do_msync, do_remap_file_pages
from vmemu.mm.consts import (
    MAP_FIXED,
    MAP_SHARED,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    PROT_READ,
    PROT_WRITE,
)

__all__ = ["FILE_SCENARIOS"]

_THERE = AREA + (4 << 20)


class _Filed(Scenario):
    """One process that maps a file of two pages, which begin with 1 and 2."""

    of_host: ClassVar[bool] = False

    def setup(self) -> None:
        """Make the file; a subclass maps it."""
        self.inode = self._host_file() if self.of_host else self._shared_memory()
        self.mapping = self.core.ffi.cast(
            "struct address_space *", self.core.base + self.inode.kaddr
        )
        self.mm = self.new_mm()

    def _shared_memory(self) -> Inode:
        inode = self.vm.inodes.shmem("file", 2 * PAGE_SIZE)
        for page in range(2):
            inode.write(page * PAGE_SIZE, bytes([page + 1]))
        return inode

    def _host_file(self) -> Inode:
        fd = os.memfd_create("vmemu-explore-file")
        for page in range(2):
            os.pwrite(fd, bytes([page + 1]).ljust(PAGE_SIZE, b"\0"), page * PAGE_SIZE)
        return self.vm.inodes.share((0, 0, 0, 0), "file", lambda: fd, writable=True)

    def map_file(self, at: int, pages: int, first: int = 0) -> None:
        """A shared area of it."""
        prot = PROT_READ | PROT_WRITE
        flags = MAP_SHARED | MAP_FIXED
        do_mmap(self.mm, at, pages * PAGE_SIZE, prot, flags, self.inode, first)

    def frame_at(self, address: int, mm: Mm | None = None) -> Any:
        """The ``struct page`` that is mapped at an address, or None."""
        pte = self.core.lib.pte_value(self.m, (mm or self.mm).ptr, address)
        return self.core.page(pte >> 12) if pte & lib._PAGE_PRESENT else None


class TruncateVsMremap(_Filed):
    """mremap moves a page of a file to an area that truncate has looked at already: it goes."""

    name = "truncate-vs-mremap"

    def setup(self) -> None:
        """Page 0 is mapped first; page 1, elsewhere, can be moved behind it."""
        super().setup()
        self.map_file(_THERE, 1)
        self.map_file(AREA, 1, 1)
        self.mm.write(AREA, b"\2")

    @path
    def truncate(self) -> None:
        """Cut page 1 off."""
        self.core.lib.vmtruncate(self.m, self.mapping, 2 * PAGE_SIZE, PAGE_SIZE)

    @path
    def mremap(self) -> int:
        """Move it behind page 0, whose area grows."""
        flags = MREMAP_MAYMOVE | MREMAP_FIXED
        return do_mremap(self.mm, AREA, PAGE_SIZE, PAGE_SIZE, flags, _THERE + PAGE_SIZE)

    def check(self) -> Iterator[str]:
        """No pte has what is behind the file's end."""
        for at in (AREA, _THERE + PAGE_SIZE):
            if self.frame_at(at) is not None:
                yield f"the page at {at:#x} is behind the end of the file, and still mapped"
        if self.mapping.nrpages > 1:
            yield "the page is still in the page cache"


class TruncateVsFault(_Filed):
    """A read fault finds a page that truncate takes out of the page cache: it does not stay."""

    name = "truncate-vs-fault"

    def setup(self) -> None:
        """Nothing is mapped yet."""
        super().setup()
        self.map_file(AREA, 2)

    @path
    def truncate(self) -> None:
        """Cut page 1 off."""
        self.core.lib.vmtruncate(self.m, self.mapping, 2 * PAGE_SIZE, PAGE_SIZE)

    @path
    def read(self) -> int:
        """Read it; the fault's result."""
        m, mm = self.m, self.mm.ptr
        return int(self.core.lib.page_fault(m, mm, AREA + PAGE_SIZE, lib.ACCESS_READ))

    def check(self) -> Iterator[str]:
        """The fault came first and its pte went, or it was SIGBUS."""
        if self.results["read"] not in (lib.FAULT_MINOR, lib.FAULT_MAJOR, lib.FAULT_SIGBUS):
            yield f"the fault ended with {self.results['read']}"
        if self.frame_at(AREA + PAGE_SIZE) is not None:
            yield "a page behind the end of the file is mapped"
        if self.mapping.nrpages > 1:
            yield "the page is still in the page cache"


class MsyncVsWrite(_Filed):
    """A process writes to a page while msync writes it back: the file has it, or will have it."""

    name = "msync-vs-write"
    of_host = True

    def setup(self) -> None:
        """The page has been written to, and its pte is dirty."""
        super().setup()
        self.map_file(AREA, 1)
        self.mm.write(AREA, b"\5")
        self.fd = self.inode.fd

    @path
    def msync(self) -> None:
        """Let the file have what there is; first it is as it was, also in the next run."""
        os.pwrite(self.fd, b"\1", 0)
        do_msync(self.mm, AREA, AREA + PAGE_SIZE, wait=True, invalidate=False)

    @path
    def write(self) -> None:
        """Write another byte."""
        self.mm.write(AREA, b"\6")

    def check(self) -> Iterator[str]:
        """What was written last is in memory, and in the file unless somebody says dirty."""
        page = self.frame_at(AREA)
        if page is None:
            yield "the page is not mapped"
            return
        pte = self.core.lib.pte_value(self.m, self.mm.ptr, AREA)
        there = self.m.ram[pte & ~0xFFF]
        told = pte & lib._PAGE_DIRTY or page.flags & lib.PG_dirty
        if there != 6:
            yield f"the process reads {there}"
        if not told and os.pread(self.fd, 1, 0) != bytes([there]):
            yield "the file does not have what was written, and nobody will write it"


class MlockVsNonlinear(_Filed):
    """mlock of a nonlinear area while its clusters are swept: locked pages are in memory."""

    name = "mlock-vs-nonlinear"
    of_host = True

    def setup(self) -> None:
        """The two pages stand the other way round, and are cold."""
        super().setup()
        self.map_file(AREA, 2)
        for at in range(2):
            address = AREA + at * PAGE_SIZE
            do_remap_file_pages(self.mm, address, PAGE_SIZE, 0, 1 - at, nonblock=False)
            slot = self.core.lib.pte_offset(self.m, self.mm.ptr, address)
            slot[0] &= ~lib._PAGE_ACCESSED
        self.age()

    @path
    def mlock(self) -> int:
        """Lock them; how many were missing at that moment."""
        do_mlock(self.mm, AREA, 2 * PAGE_SIZE)
        return len(self.absent(self.mm, AREA, 2))

    @path
    def reclaim(self) -> int:
        """Take what can be taken."""
        return self.shrink(2)

    def check(self) -> Iterator[str]:
        """They are there when mlock returns, and stay."""
        if self.results["mlock"]:
            yield f"mlock returned with {self.results['mlock']} pages absent"
        for at in self.absent(self.mm, AREA, 2):
            yield f"the page at {at:#x} is locked and not in memory"


FILE_SCENARIOS: tuple[type[Scenario], ...] = (
    TruncateVsMremap,
    TruncateVsFault,
    MsyncVsWrite,
    MlockVsNonlinear,
)
"""In the order in which ``vmemu explore --list`` names them."""
