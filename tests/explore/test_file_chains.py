"""Paths against paths where pages of a file have lists of their ptes: two processes map it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from vmemu.core import PAGE_SIZE, lib
from vmemu.explore.runner import explore
from vmemu.explore.scenario import AREA, Scenario, Settings, path
from vmemu.mm import (
    Mm,
    do_madvise,
    do_mlock,
    do_mmap,
    do_mprotect,
    do_mremap,
    do_munmap,
    do_remap_file_pages,
    dup_mmap,
)
from vmemu.mm.consts import MADV_DONTNEED

P = PAGE_SIZE
THERE = AREA + (4 << 20)
RW, SHARED, PRIVATE, FIXED, MOVE = 3, 1, 2, 0x10, 3
CHAINS = "pte_chain:files=chains"
LIMIT = 40  # runs of each; 1000 find nothing more


class Filed(Scenario):
    """Parent and child map two pages of a file, shared; the parent maps the first privately too."""

    of_host: ClassVar[bool] = False
    evicted: ClassVar[bool] = False

    def setup(self) -> None:
        """Both pages are in memory and cold, or out of it."""
        if self.of_host:
            fd = os.memfd_create("vmemu-test-file")
            os.pwrite(fd, b"\1".ljust(P, b"\0") + b"\2".ljust(P, b"\0"), 0)
            self.inode = self.vm.inodes.share((0, 0, 0, 0), "file", lambda: fd, writable=True)
        else:
            self.inode = self.vm.inodes.shmem("file", 2 * P)
            self.inode.write(0, b"\1".ljust(P, b"\0") + b"\2".ljust(P, b"\0"))
        self.mm = self.new_mm("mm")
        do_mmap(self.mm, AREA, 2 * P, RW, SHARED | FIXED, self.inode)
        do_mmap(self.mm, THERE, P, RW, PRIVATE | FIXED, self.inode)
        for mm in (self.mm, self.new_child()):
            mm.read(AREA, 1)
            mm.read(AREA + P, 1)
            mm.read(THERE, 1)
        self.age()
        if self.evicted:
            self.shrink(2)
            assert self.absent(self.mm, AREA, 2)

    def new_child(self) -> Mm:
        self.kid = dup_mmap(self.mm)
        self.names[self.kid.kaddr] = "kid"
        return self.kid

    def fault(self, mm: Mm, at: int, access: int) -> int:
        return int(self.core.lib.page_fault(self.m, mm.ptr, at, access))

    def cut(self) -> None:
        mapping = self.core.ffi.cast("struct address_space *", self.core.base + self.inode.kaddr)
        self.core.lib.vmtruncate(self.m, mapping, 2 * P, P)


PATHS: dict[str, Callable[[Any], Any]] = {
    "read": lambda s: s.fault(s.mm, AREA, lib.ACCESS_READ),
    "kidread": lambda s: s.fault(s.kid, AREA, lib.ACCESS_READ),
    "write": lambda s: s.fault(s.mm, AREA, lib.ACCESS_WRITE),
    "copy": lambda s: s.fault(s.mm, THERE, lib.ACCESS_WRITE),
    "kidcopy": lambda s: s.fault(s.kid, THERE, lib.ACCESS_WRITE),
    "reclaim": lambda s: s.shrink(2),
    "truncate": lambda s: s.cut(),
    "remap": lambda s: do_remap_file_pages(s.mm, AREA, P, 0, 1, nonblock=False),
    "mremap": lambda s: do_mremap(s.mm, AREA, 2 * P, 2 * P, MOVE, THERE + 8 * P),
    "kidmove": lambda s: do_mremap(s.kid, THERE, P, P, MOVE, THERE + 8 * P),
    "unmap": lambda s: do_munmap(s.mm, AREA, 2 * P),
    "dontneed": lambda s: do_madvise(s.mm, AREA, P, MADV_DONTNEED),
    "protect": lambda s: do_mprotect(s.mm, AREA, P, 1),
    "mlock": lambda s: do_mlock(s.mm, AREA, P),
    "fork": lambda s: dup_mmap(s.mm) and None,
    "exit": lambda s: s.kid.put(),
    "swapoff": lambda s: s.vm.swap.swapoff("swap"),
}


def crossing(one: str, other: str, *, of_host: bool, evicted: bool) -> type[Filed]:
    members: dict[str, Any] = {"of_host": of_host, "evicted": evicted, "name": f"{one}+{other}"}
    for name in (one, other) if one != other else (one, f"{one} again"):
        action = PATHS[name.partition(" ")[0]]
        members[name.replace(" ", "_")] = path(lambda self, action=action: action(self))
    return type("Crossing", (Filed,), members)


PAIRS = [
    (one, other)
    for one, other in itertools.combinations_with_replacement(PATHS, 2)
    if not (
        "exit" in (one, other)
        and (one == other or {"kidread", "kidcopy", "kidmove"} & {one, other})
    )
]


@pytest.mark.parametrize("evicted", [False, True], ids=["resident", "evicted"])
@pytest.mark.parametrize("of_host", [False, True], ids=["shmem", "host"])
def test_every_pair(of_host: bool, evicted: bool) -> None:
    problems = []
    for one, other in PAIRS:
        scenario = crossing(one, other, of_host=of_host, evicted=evicted)
        report = explore(scenario, Settings(CHAINS), limit=LIMIT)
        if report.violation is not None:
            problems.append((one, other, report.violation.problems))
    assert problems == []
