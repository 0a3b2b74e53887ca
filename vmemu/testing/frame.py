"""A memory manager and its model, driven together, one operation at a time.

An operation is a tuple: a name and numbers.  `World.apply` performs it on the real thing
and on the model, and raises `Difference` when the two disagree.  Numbers need not make
sense (an operation on a process that is gone does nothing), so that a failing sequence
can be cut down by leaving operations out.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from errno import ENOMEM, errorcode
from pathlib import Path
from typing import Any

from vmemu.check import check_machine
from vmemu.core import I_MMAP, Core, lib
from vmemu.errors import Errno
from vmemu.mm import MemoryManager, Mm
from vmemu.rmap import RmapScheme, scheme_class
from vmemu.testing.model import (
    DONTDUMP,
    DONTFORK,
    EXEC,
    FILE,
    GROWSDOWN,
    LOCKED,
    ONFAULT,
    PAGE,
    PROT,
    READ,
    WIPEONFORK,
    WRITE,
    Space,
)
from vmemu.testing.soft_tlb import SoftTlb

Operation = tuple[Any, ...]

VM_BITS = {
    lib.VM_READ: READ,
    lib.VM_WRITE: WRITE,
    lib.VM_EXEC: EXEC,
    lib.VM_LOCKED: LOCKED,
    lib.VM_GROWSDOWN: GROWSDOWN,
    lib.VM_LOCKONFAULT: ONFAULT,
    lib.VM_DONTCOPY: DONTFORK,
    lib.VM_WIPEONFORK: WIPEONFORK,
    lib.VM_DONTDUMP: DONTDUMP,
}


class Difference(AssertionError):
    """Memory manager and model disagree."""


@dataclass(frozen=True)
class Config:
    """One machine; ``ram`` in bytes, ``swap`` and ``budget`` in pages.

    With a ``budget`` the driver keeps the processes' written pages below it, and running
    out of memory is an error.  Without one it is tolerated.
    """

    scheme: str | type[RmapScheme]
    ram: int = 2 << 20
    swap: tuple[int, ...] = (1024, 512)
    budget: int | None = 480
    locked: int = 48  # pages, at most, of all processes
    overcommit: int = 1
    page_cluster: int = 3
    swappiness: int = 60
    topdown: bool = False
    processes: int = 6
    fault_in_c: bool = True
    lock_checks: bool = False
    bits: int = 32
    levels: int | None = None
    i_mmap: str = I_MMAP


def page_up(n: int) -> int:
    """Bytes as whole pages, rounded up."""
    return -(-n // PAGE)


@dataclass
class Process:
    """The real address space and the model of it."""

    mm: Mm
    space: Space


class Frame:
    """Processes of one machine; `tolerated` counts calls that failed for want of memory.

    The operations themselves are in the classes that extend this one.
    """

    def __init__(self, config: Config) -> None:
        scheme = config.scheme
        if isinstance(scheme, str):
            scheme = scheme_class(scheme)
        self.config = config
        self.core = Core(
            config.ram,
            scheme,
            events=256,
            bits=config.bits,
            levels=config.levels,
            i_mmap=config.i_mmap,
        )
        self.task_pages = self.core.task_size // PAGE
        self.core.m.page_cluster = config.page_cluster
        self.core.m.fault.in_c = config.fault_in_c
        if config.lock_checks:
            self.core.m.watch.bits |= lib.WATCH_LOCKS
        self.vm = MemoryManager(
            self.core,
            scheme(self.core),
            swappiness=config.swappiness,
            overcommit=config.overcommit,
            topdown=config.topdown,
        )
        self.tlb = SoftTlb(self.vm)
        self._directory = tempfile.TemporaryDirectory(prefix="vmemu-props-")
        path = Path(self._directory.name) / "file"
        path.write_bytes(FILE)
        self.inode = self.vm.inodes.open(str(path))
        self.swap_on = [False] * len(config.swap)
        self.processes: dict[int, Process] = {}
        self.next_pid = 1
        self.tolerated: Counter[str] = Counter()
        self.results: Counter[tuple[str, str]] = Counter()
        self.final: dict[str, int] = {}  # counters at the end of a run
        for area in range(len(config.swap)):
            self.apply(("swapon", area))
        self.apply(("spawn",))

    def close(self) -> None:
        """Free the machine."""
        self.core.close()
        self._directory.cleanup()

    # ---- the frame of an operation

    def apply(self, operation: Operation) -> None:
        """Perform one operation on both sides; Difference when they disagree."""
        name, *arguments = operation
        self.now = name
        getattr(self, f"op_{name}")(*arguments)
        self.vm.kswapd_if_wanted()
        self.core.lib.drop_code(self.core.m)  # what the run loop does before user code runs
        self.core.check_bug()

    def check(self, *, contents: bool = True) -> None:
        """Compare all areas, all bookkeeping, and all contents, which brings them in."""
        self.now = "check"
        self.core.check_bug()
        check_machine(self.vm)
        for pid, process in self.processes.items():
            self._compare_areas(pid, process)
        if not contents:
            return
        for pid, process in list(self.processes.items()):
            self._compare_contents(pid, process)
        self.core.check_bug()
        check_machine(self.vm)

    def finish(self) -> None:
        """End every process; all memory and swap must come back."""
        for pid in list(self.processes):
            self.apply(("exit", pid))
        for area in range(len(self.config.swap)):
            self.apply(("swapoff", area))
        check_machine(self.vm)
        self.expect("address spaces left", len(self.vm.mms), 0)
        for name, cache in zip(self.core.caches, self.core.slab_caches, strict=True):
            if name in self.vm.rmap.caches:
                self.expect(f"objects of {name} left", cache.nr_active, 0)

    def expect(self, what: str, found: Any, wanted: Any) -> None:
        """Difference unless equal."""
        if found != wanted:
            raise Difference(f"{self.now}: {what}: found {found!r}, wanted {wanted!r}")

    def call(self, function: Callable[..., Any], *arguments: Any) -> tuple[int, Any]:
        """Call a system call: its errno or 0, and its value."""
        try:
            value = function(*arguments)
        except Errno as error:
            self.results[self.now, errorcode[error.errno]] += 1
            return error.errno, None
        self.results[self.now, "done"] += 1
        return 0, value

    def verdict(self, error: int, *allowed: int) -> bool:
        """Whether the call succeeded; Difference for an errno that is not allowed."""
        if error in allowed:
            return not error
        if error == ENOMEM and self.short_of_memory():
            return False
        wanted = " or ".join(errorcode.get(number, "success") for number in allowed)
        raise Difference(f"{self.now}: {errorcode.get(error, 'success')} instead of {wanted}")

    def short_of_memory(self) -> bool:
        """A call failed for want of memory: counted when that may happen."""
        if self.config.budget is not None:
            return False
        self.tolerated[self.now] += 1
        return True

    def process(self, pid: int) -> Process | None:
        """The process, if there is one."""
        return self.processes.get(pid)

    # ---- comparing

    def actual(self, mm: Mm) -> dict[int, int]:
        """The attributes of every page that the real vmas hold."""
        attr: dict[int, int] = {}
        last = 0
        for vma in mm.vmas():
            start, end, flags = vma.vm_start, vma.vm_end, vma.vm_flags
            if start % PAGE or end % PAGE or not last <= start < end:
                raise Difference(f"{self.now}: vma {start:#x}-{end:#x} behind {last:#x}")
            last = end
            bits = sum(bit for flag, bit in VM_BITS.items() if flags & flag)
            attr.update(dict.fromkeys(range(start // PAGE, end // PAGE), bits))
        return attr

    def _compare_areas(self, pid: int, process: Process) -> None:
        space, mm = process.space, process.mm
        actual = self.actual(mm)
        if actual != space.attr:
            pages = sorted(actual.items() ^ space.attr.items())
            listed = ", ".join(f"{page:#x}: {attr:#x}" for page, attr in pages[:8])
            raise Difference(f"{self.now}: pid {pid}: areas differ at pages {listed}")
        self.expect(f"pid {pid}: total_vm", mm.ptr.total_vm, len(space.attr))
        self.expect(f"pid {pid}: locked_vm", mm.ptr.locked_vm, space.locked())
        self.expect(f"pid {pid}: brk", mm.ptr.brk, space.brk)
        for page in space.attr.keys() - space.touched:
            kind = self.core.lib.pte_kind_at(self.core.m, mm.ptr, page * PAGE)
            if kind != lib.PTE_NONE:
                raise Difference(f"{self.now}: pid {pid}: untouched page {page:#x} has a pte")
        for page in space.pinned:
            kind = self.core.lib.pte_kind_at(self.core.m, mm.ptr, page * PAGE)
            if kind != lib.PTE_PRESENT:
                raise Difference(f"{self.now}: pid {pid}: locked page {page:#x} is not in memory")

    def op_read(self, pid: int, address: int, n: int) -> None:
        """Read memory; see the classes that extend this one."""
        raise NotImplementedError

    def _compare_contents(self, pid: int, process: Process) -> None:
        for page, attr in process.space.attr.items():
            if attr & PROT and page in process.space.touched:
                self.op_read(pid, page * PAGE, PAGE)

    def resync(
        self,
        process: Process,
        pages: Iterable[int],
        attr: int | None = None,
        shift: int | None = None,
        moved: int = 0,
    ) -> None:
        """Take over which pages are gone, or new and empty, after a call that found no memory.

        ``attr`` is what new ones must look like; without it there may be none.  They show
        the file, ``shift`` pages on, as they did before they ``moved``.
        """
        space, actual = process.space, self.actual(process.mm)
        for page in pages:
            if page not in actual:
                space.unmap(page, page + 1)
                continue
            kind = self.core.lib.pte_kind_at(self.core.m, process.mm.ptr, page * PAGE)
            if attr is not None and kind == lib.PTE_NONE and actual[page] == attr:
                space.map(page, page + 1, attr, None if shift is None else page - moved + shift)
