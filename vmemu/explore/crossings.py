"""Every path of the kernel against every other, in each state of the pages that matters.

A crossing is a scenario made from names: ``wr+reclaim@swapped`` is a write fault against
reclaim, of pages that are in swap.  Nobody has asked a question of it; what must hold is what
always must, :func:`machine.check <vmemu.check.check_machine>` and the lock rules.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, NamedTuple

from vmemu.core import PAGE_SIZE, lib
from vmemu.errors import ConfigError
from vmemu.explore.explorer import Explorer
from vmemu.explore.scenario import AREA, Scenario, Settings, path
from vmemu.mm import (
    Mm,
    do_madvise,
    do_mincore,
    do_mlock,
    do_mlockall,
    do_mprotect,
    do_mremap,
    do_munlock,
    do_munmap,
    dup_mmap,
    sys_brk,
)
from vmemu.mm.consts import (
    MADV_DONTNEED,
    MADV_WILLNEED,
    MCL_CURRENT,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    PROT_READ,
    PROT_WRITE,
)
from vmemu.mm.mmap import setup_stack

__all__ = ["PATHS", "STATES", "Crossed", "crossing", "crossings", "explore_all", "triples"]

P = PAGE_SIZE
THERE = AREA + (4 << 20)
KID_THERE = AREA + (8 << 20)
HEAP = AREA - (4 << 20)


class Crossing(Scenario):
    """A parent and its child share two written pages; the parent has a stack and a heap."""

    state: ClassVar[str] = ""
    mm: Mm
    kid: Mm

    def setup(self) -> None:
        """A family, in the crossing's state."""
        self.mm = self.new_mm("mm")
        self.mm.ptr.start_brk = self.mm.ptr.brk = HEAP
        setup_stack(self.mm)
        self.mm.write(self.core.task_size - 16, b"x")
        self.written(self.mm, AREA, 2)
        self.kid = dup_mmap(self.mm)
        self.names[self.kid.kaddr] = "kid"
        STATES[self.state](self)


# ---- states ----------------------------------------------------------------------


def _half(s: Crossing) -> None:
    s.swap_out(s.mm, AREA, 2)
    s.mm.read(AREA, 1)
    s.mm.read(AREA + P, 1)


def _cached(s: Crossing) -> None:
    s.swap_out(s.mm, AREA, 2)
    s.cache(s.mm, AREA)
    s.age()


def _copied(s: Crossing) -> None:
    s.kid.write(AREA, b"k")
    s.kid.write(AREA + P, b"k")
    s.age()


def _locked(s: Crossing) -> None:
    do_mlock(s.mm, AREA, 2 * P)
    s.age()


STATES: dict[str, Callable[[Crossing], None]] = {
    "resident": lambda s: s.age(),  # both map both pages, and have not used them lately
    "copied": _copied,  # the child has pages of its own
    "locked": _locked,  # the parent's may not go
    "half": _half,  # in swap for the child, mapped and in the cache for the parent
    "swapped": lambda s: s.swap_out(s.mm, AREA, 2),
    "cached": _cached,  # in swap for both, one read ahead
}
"""What the two pages are when the paths begin; the last three need a scheme that can swap."""

# ---- paths -----------------------------------------------------------------------

_MOVE = MREMAP_MAYMOVE | MREMAP_FIXED


def _fault(mm: Mm, address: int, access: int) -> int:
    return int(mm.core.lib.page_fault(mm.core.m, mm.ptr, address, access))


def _read(s: Crossing) -> None:
    s.mm.read(AREA, 1)
    s.mm.read(AREA + P, 1)


def _device(s: Crossing) -> None:
    """get_user_pages, a device's write, and the page given back."""
    s.core.lib.down_read(s.m, s.mm.ptr)
    page = s.core.lib.get_user_page(s.m, s.mm.ptr, AREA, 1)
    s.core.lib.up_read(s.m, s.mm.ptr)
    if page:
        s.core.lib.device_write(s.m, page, 0, 7)
        s.core.lib.put_page(s.m, page)


PATHS: dict[str, Callable[[Crossing], Any]] = {
    "rd": _read,
    "wr": lambda s: _fault(s.mm, AREA, lib.ACCESS_WRITE),
    "kidrd": lambda s: _fault(s.kid, AREA, lib.ACCESS_READ),
    "kidwr": lambda s: _fault(s.kid, AREA, lib.ACCESS_WRITE),
    "stack": lambda s: _fault(s.mm, s.core.task_size - 2 * P, lib.ACCESS_WRITE),
    "deeper": lambda s: _fault(s.mm, s.core.task_size - 4 * P, lib.ACCESS_WRITE),
    "device": _device,
    "reclaim": lambda s: s.shrink(2),
    "refill": lambda s: s.core.lib.refill_inactive_zone(s.m, 4, 1),
    "evict": lambda s: s.vm.reclaim_range(s.mm, AREA, AREA + 2 * P),
    "swapoff": lambda s: s.vm.swap.swapoff("swap"),
    "fork": lambda s: dup_mmap(s.mm) and None,
    "kidexit": lambda s: s.kid.put(),
    "unmap": lambda s: do_munmap(s.mm, AREA, P),
    "unmap2": lambda s: do_munmap(s.mm, AREA + P, P),
    "dontneed": lambda s: do_madvise(s.mm, AREA, P, MADV_DONTNEED),
    "willneed": lambda s: do_madvise(s.mm, AREA, 2 * P, MADV_WILLNEED),
    "mincore": lambda s: do_mincore(s.mm, AREA, 2 * P, AREA + P),
    "protect": lambda s: do_mprotect(s.mm, AREA, P, PROT_READ),
    "unprotect": lambda s: do_mprotect(s.mm, AREA, 2 * P, PROT_READ | PROT_WRITE),
    "mremap": lambda s: do_mremap(s.mm, AREA, 2 * P, 2 * P, _MOVE, THERE),
    "grow": lambda s: do_mremap(s.mm, AREA, 2 * P, 3 * P, MREMAP_MAYMOVE),
    "kidmove": lambda s: do_mremap(s.kid, AREA, 2 * P, 2 * P, _MOVE, KID_THERE),
    "mlock": lambda s: do_mlock(s.mm, AREA, P),
    "munlock": lambda s: do_munlock(s.mm, AREA, 2 * P),
    "mlockall": lambda s: do_mlockall(s.mm, MCL_CURRENT),
    "brk": lambda s: sys_brk(s.mm, HEAP + P),
}
"""By name; "kid" in it: done by the child, to its own memory."""

_KID = {name for name in PATHS if name.startswith("kid")}


def _possible(names: tuple[str, ...]) -> bool:
    """Nobody uses an mm that its last user has given up: a task would hold it."""
    return "kidexit" not in names or sum(name in _KID for name in names) == 1


def crossing(name: str) -> type[Crossing]:
    """The scenario called ``PATH+PATH[+PATH...]@STATE``; ConfigError says what there is."""
    paths, at, state = name.partition("@")
    names = tuple(paths.split("+"))
    if not at or state not in STATES:
        raise ConfigError(f"a crossing ends with @ and one of {', '.join(STATES)}, not {name!r}")
    unknown = [one for one in names if one not in PATHS]
    if unknown:
        raise ConfigError(f"there is no path {unknown[0]!r}: choose among {', '.join(PATHS)}")
    if not 2 <= len(names) <= 8 or not _possible(names):
        raise ConfigError(f"{paths} cannot be run against each other")
    members: dict[str, Any] = {"name": name, "state": state, "__doc__": Crossing.__doc__}
    for place, one in enumerate(names):
        members[one if names.index(one) == place else f"{one}{place + 1}"] = path(_method(one))
    return type("Crossing", (Crossing,), members)


def _method(name: str) -> Callable[[Crossing], Any]:
    action = PATHS[name]

    def run(self: Crossing) -> Any:
        return action(self)

    return run


def crossings(states: Iterable[str] = STATES) -> list[str]:
    """Every pair of paths, a path with itself included, in each state."""
    pairs = itertools.combinations_with_replacement(PATHS, 2)
    possible = [names for names in pairs if _possible(names)]
    return [f"{a}+{b}@{state}" for state in states for a, b in possible]


def triples(count: int, seed: int) -> list[str]:
    """So many of three paths, drawn by a seed."""
    rng = random.Random(seed)
    found: list[str] = []
    while len(found) < count:
        names = tuple(rng.choices(list(PATHS), k=3))
        if _possible(names):
            found.append(f"{'+'.join(names)}@{rng.choice(list(STATES))}")
    return found


# ---- exploring many ------------------------------------------------------------------


class Crossed(NamedTuple):
    """What one crossing came to under one scheme; ``problem`` is empty if all held."""

    name: str
    rmap: str
    runs: int
    problem: str


def explore_all(
    names: list[str], rmaps: Iterable[str], limit: int, workers: int | None = None
) -> Iterator[Crossed]:
    """Explore crossings under schemes, ``limit`` runs each at most, on every core.

    The order of results is that of the arguments, and so are the runs: no clock has a say.
    """
    from concurrent.futures import ProcessPoolExecutor

    jobs = [(name, rmap, limit) for rmap in rmaps for name in names if _fits(name, rmap)]
    with ProcessPoolExecutor(workers or os.cpu_count()) as pool:
        yield from pool.map(_explore_one, jobs, chunksize=16)


def _fits(name: str, rmap: str) -> bool:
    return rmap != "none" or name.partition("@")[2] in ("resident", "copied", "locked")


def _explore_one(job: tuple[str, str, int]) -> Crossed:
    name, rmap, limit = job
    try:
        with Explorer(crossing(name)(Settings(rmap=rmap))) as explorer:
            report = explorer.explore(limit)
    except Exception as error:  # of the kernel that is explored: it is a finding
        return Crossed(name, rmap, 0, f"{type(error).__name__}: {error}")
    problems = report.violation.problems if report.violation is not None else []
    return Crossed(name, rmap, report.interleavings, "; ".join(problems))
