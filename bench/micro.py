"""Workloads of the C core, called in-process: what a core-* row and bench/test_micro.py time.

One call into C handles all items, so what cffi and Python add disappears in the quotient.
"""

from __future__ import annotations

import ctypes
import functools
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from vmemu.core import PAGE_SIZE, ffi, lib
from vmemu.mm import do_mmap, do_mprotect, do_mremap, dup_mmap
from vmemu.mm.mm import Mm

if TYPE_CHECKING:
    from vmemu.machine import Machine

PROT_READ, PROT_RW = 1, 3
MAP_PRIVATE_ANONYMOUS = 0x22
MREMAP_MAYMOVE_FIXED = 3
AREA = 0x40000000
_GUESTS = Path(__file__).resolve().parents[1] / "vmemu" / "guests_bin"
HELLO = {32: _GUESTS / "hello", 64: _GUESTS / "x86_64" / "hello"}
FAMILY = 64
BATCH = 64
"""Frames; as many as the core frees at a time when it zaps (struct gather)."""


class Workload:
    """`n` items; between entering and leaving, before(), timed() and after() repeat in turn.

    Only timed() is timed.
    """

    def __init__(self, machine: Machine, n: int) -> None:
        self.machine = machine
        self.core, self.m = machine.core, machine.core.m
        # an older tree has one core, which its module names
        self.lib, self.ffi = getattr(self.core, "lib", lib), getattr(self.core, "ffi", ffi)
        self.n = n

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        pass

    def before(self) -> None:
        """Make what timed() needs."""

    def timed(self) -> None:
        """Do it."""
        raise NotImplementedError

    def items(self) -> int:
        """How many the last timed() did."""
        return self.n

    def after(self) -> None:
        """Take back what timed() did, if before() would mind."""


class Area(Workload):
    """An address space with one written area of n pages at AREA."""

    def __enter__(self) -> Self:
        self.length = self.n * PAGE_SIZE
        self.mm = Mm.create(self.machine.vm)
        do_mmap(self.mm, AREA, self.length, PROT_RW, MAP_PRIVATE_ANONYMOUS)
        self.write()
        self.vma = self.lib.find_vma(self.m, self.mm.ptr, AREA)
        return self

    def __exit__(self, *ended: object) -> None:
        self.mm.put()

    def write(self) -> None:
        """Have every page there."""
        self.mm.make_present(AREA, AREA + self.length, write=True)

    def zap(self) -> None:
        """Have none."""
        self.lib.zap_page_range(self.m, self.mm.ptr, self.vma, AREA, AREA + self.length)


class Zap(Area):
    """zap_page_range() of resident pages that nobody shares: their frames are freed."""

    def before(self) -> None:
        self.write()

    def timed(self) -> None:
        self.zap()


class Fault(Area):
    """page_fault() for first writes, as the TLB-fill hook calls it."""

    def before(self) -> None:
        self.zap()

    def timed(self) -> None:
        self.write()


class Copy(Area):
    """dup_mmap() of one area; the ptes are most of it."""

    def timed(self) -> None:
        self.child = dup_mmap(self.mm)

    def after(self) -> None:
        self.child.put()


class Move(Area):
    """do_mremap() to an address that is not aligned like the old one, there and back in turn."""

    def __enter__(self) -> Self:
        super().__enter__()
        self.old, self.new = AREA, AREA + self.length + 17 * PAGE_SIZE
        return self

    def timed(self) -> None:
        do_mremap(self.mm, self.old, self.length, self.length, MREMAP_MAYMOVE_FIXED, self.new)

    def after(self) -> None:
        self.old, self.new = self.new, self.old


class Protect(Area):
    """do_mprotect() of one whole vma, forth and back in turn."""

    def __enter__(self) -> Self:
        super().__enter__()
        self.prot, self.other = PROT_READ, PROT_RW
        return self

    def timed(self) -> None:
        do_mprotect(self.mm, AREA, self.length, self.prot)

    def after(self) -> None:
        self.prot, self.other = self.other, self.prot


class Probe(Area):
    """page_referenced() of pages that a family of 64 processes shares; n is about the probes.

    An item is a probe that the scheme made.
    """

    def __init__(self, machine: Machine, n: int) -> None:
        super().__init__(machine, n // FAMILY)

    def __enter__(self) -> Self:
        super().__enter__()
        self.family = [dup_mmap(self.mm) for _ in range(FAMILY - 1)]
        ends = range(AREA, AREA + self.length, PAGE_SIZE)
        ptes = [self.lib.pte_value(self.m, self.mm.ptr, address) for address in ends]
        self.frames = [self.core.page(pte >> 12) for pte in ptes]
        return self

    def __exit__(self, *ended: object) -> None:
        for member in self.family:
            member.put()
        super().__exit__(*ended)

    def before(self) -> None:
        self.probes = self.core.counters()["referenced_probes"]

    def timed(self) -> None:
        for frame in self.frames:
            self.lib.page_referenced(self.m, frame)

    def items(self) -> int:
        return self.core.counters()["referenced_probes"] - self.probes


class Frame(Workload):
    """alloc_page() and put_page(), one by one: the same frame again and again."""

    batch = 1

    def __enter__(self) -> Self:
        names = ("alloc_page", "put_page", "release_pages")
        self.pointers = [
            _address(self.m),
            *(_address(self.ffi.addressof(self.lib, name)) for name in names),
        ]
        self.loop = _frames_loop()
        return self

    def timed(self) -> None:
        self.done = self.loop(*self.pointers, self.n, self.batch)

    def items(self) -> int:
        return self.done


class Frames(Frame):
    """alloc_page() of 64 frames, then release_pages(), as zapping frees them."""

    batch = BATCH


class Explore(Workload):
    """All interleavings of `vmemu explore mlock-vs-unmap` with n pages; an item is a complete one.

    It has a machine of its own; the worker's only names the scheme.
    """

    def before(self) -> None:
        from vmemu.explore import Explorer, Settings
        from vmemu.explore.catalogue import find_scenario

        settings = Settings(rmap=self.machine.vm.rmap.name, values={"PAGES": self.n})
        self.explorer = Explorer(find_scenario("mlock-vs-unmap")(settings))

    def timed(self) -> None:
        self.report = self.explorer.explore()

    def items(self) -> int:
        assert self.report.complete
        assert self.report.violation is None
        return self.report.interleavings

    def after(self) -> None:
        self.explorer.close()


class Warm(Workload):
    """n machines of 32 MB, one after the other: each is made, runs hello, and is closed.

    None of them is the first of the process.  The worker's machine only names scheme and width.
    """

    def __enter__(self) -> Self:
        bits = getattr(self.core, "bits", 32)
        self.options: dict[str, Any] = {"ram": "32M", "rmap": self.machine.vm.rmap.name}
        if bits != 32:  # an older tree has one width and no such option
            self.options["bits"] = bits
        self.hello = str(HELLO[bits])
        self.one()
        return self

    def one(self) -> None:
        """A machine's life."""
        with type(self.machine)(**self.options) as machine:
            machine.spawn(self.hello, ["hello"], stdout=None)
            status = machine.run()
        assert str(status) == "exited with 0"

    def timed(self) -> None:
        for _ in range(self.n):
            self.one()


@functools.cache
def _frames_loop() -> Any:
    """The function of frames.c, compiled."""
    with tempfile.TemporaryDirectory(prefix="vmemu-bench-") as directory:
        library = Path(directory) / "frames.so"
        compiler = os.environ.get("CC", "gcc")
        source = str(Path(__file__).with_name("frames.c"))
        subprocess.run(
            [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), source],
            check=True,
            capture_output=True,
        )
        loop = ctypes.CDLL(str(library)).frames
    loop.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_uint] * 2
    loop.restype = ctypes.c_uint
    return loop


def _address(pointer: Any) -> int:
    return int(ffi.cast("uintptr_t", pointer))


WORKLOADS: dict[str, type[Workload]] = {
    "zap": Zap,
    "copy": Copy,
    "move": Move,
    "protect": Protect,
    "probe": Probe,
    "fault": Fault,
    "fault-python": Fault,
    "frame": Frame,
    "frames": Frames,
    "explore": Explore,
    "warm": Warm,
}
