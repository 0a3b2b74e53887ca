"""One scheme against everything: random operations, paths in every order, guests.

Each check raises :class:`~vmemu.testing.driver.Failed`, whose first line is what was wrong and
whose rest is how to repeat it.
"""

from __future__ import annotations

import random
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from vmemu.errors import ConfigError, VmemuError
from vmemu.rmap import DEFAULT, RmapScheme, checked_scheme, scheme_class
from vmemu.testing.driver import Failed, run
from vmemu.testing.machines import MACHINES, machine

__all__ = [
    "GUESTS",
    "Checked",
    "check_crossings",
    "check_guests",
    "check_operations",
    "check_scheme",
]

GUESTS = (
    "swap-storm PAGES=300",
    "swap-storm PAGES=300 FORK=1",
    "fork-server R=40 N=6",
    "late-subfamily R=100 N=3",
    "cut-vma K=50 N=3",
    "mremap-exclusive R=100",
    "mremap-shared R=100",
    "mremap-swapclash R=100",
    "mremap-then-fork R=100",
    "mprotect-stripes K=50 R=4",
    "merge-arena R=100",
    "cow-verify R=100",
    "stack-growth KB=1500",
    "fork-brk R=100",
)
"""What moves, cuts, shares and evicts areas; in 1 MB of RAM they have to swap."""
_UNSWAPPED = ("resident", "copied", "locked")
"""States of a crossing in which nothing has been swapped."""

Scheme = str | type[RmapScheme]


class Checked(NamedTuple):
    """How much of each kind a scheme has stood."""

    operations: int
    crossings: int
    guests: int

    def __str__(self) -> str:
        counts = {
            "random operation": self.operations,
            "crossing": self.crossings,
            "guest": self.guests,
        }
        told = ", ".join(f"{n} {what}{'s' * (n != 1)}" for what, n in counts.items())
        return f"{told}: nothing found"


def _class(scheme: Scheme) -> type[RmapScheme]:
    return checked_scheme(scheme_class(scheme) if isinstance(scheme, str) else scheme)


def check_scheme(
    scheme: Scheme,
    operations: int = 2000,
    seed: int = 0,
    bits: int = 32,
    *,
    crossings: int = 40,
    guests: Sequence[str] = GUESTS,
) -> Checked:
    """All that follows, in a minute or so; ``Failed`` tells the first that is wrong.

    ``seed`` chooses operations and crossings: the same seed, the same check.
    """
    return Checked(
        check_operations(scheme, operations, seed, bits),
        check_crossings(scheme, crossings, seed),
        check_guests(scheme, guests, bits),
    )


def check_operations(
    scheme: Scheme,
    operations: int = 2000,
    seed: int = 0,
    bits: int = 32,
    *,
    machines: Iterable[str] | None = None,
    every: int = 20,
) -> int:
    """Random operations on address spaces against a plain model of their memory.

    mmap, munmap, mprotect, mremap, brk, mlock, madvise, fork, exit, exec, faults, reclaim,
    swapoff, on ``machines`` of several kinds (of `MACHINES`), which share the ``operations``.
    ``machine.check()`` is asked ``every`` so many of them, every lock is checked, and at the
    end no object of the scheme may be left.  Returns how many there were.
    """
    cls = _class(scheme)
    names = list(machines) if machines is not None else _of_width(bits)
    for name in names:
        if name not in MACHINES:
            raise ConfigError(f"there is no machine {name!r}: choose among {', '.join(MACHINES)}")
    done = 0
    for place, name in enumerate(names):
        count = operations // len(names) + (place < operations % len(names))
        config = replace(machine(cls, name), lock_checks=True)
        run(config, seed + place, count, every=every)
        done += count
    return done


def _of_width(bits: int) -> list[str]:
    names = [name for name, config in MACHINES.items() if config.bits == bits]
    if not names:
        raise ConfigError(f"there is no machine of {bits} bits: 32 or 64")
    return names


def check_crossings(
    scheme: Scheme, count: int | None = 40, seed: int = 0, *, runs: int = 60
) -> int:
    """Two paths of the kernel in every order that matters, ``runs`` orders of each at most.

    ``count`` crossings are drawn by ``seed``; None takes all, as ``vmemu explore --pairs``
    does.  Returns how many there were.
    """
    from vmemu.explore.crossings import crossings

    cls = _class(scheme)
    names = [name for name in crossings() if _fits(cls, name)]
    if count is not None:
        names = random.Random(seed).sample(names, min(count, len(names)))
    for name in names:
        problem = _explored(cls, name, runs)
        if problem:
            raise Failed(f"{name} under {cls.name}: {problem}")
    return len(names)


def _fits(scheme: type[RmapScheme], crossing: str) -> bool:
    return scheme.finds_anon or crossing.partition("@")[2] in _UNSWAPPED


def _explored(scheme: type[RmapScheme], name: str, runs: int) -> str:
    """What one crossing came to; "" if all held."""
    from vmemu.explore.crossings import crossing
    from vmemu.explore.explorer import Explorer
    from vmemu.explore.scenario import Settings

    scenario = type("Crossing", (crossing(name),), {"scheme": scheme})
    try:
        with Explorer(scenario(Settings(rmap=scheme.name))) as explorer:
            violation = explorer.explore(runs).violation
    except Exception as error:  # of the scheme: it is a finding
        return f"{type(error).__name__}: {error}"
    return "; ".join(violation.problems) if violation is not None else ""


def check_guests(
    scheme: Scheme, guests: Sequence[str] = GUESTS, bits: int = 32, *, like: Scheme = DEFAULT
) -> int:
    """Programs print the same, and end the same way, as under ``like``; and nothing is left.

    ``machine.check()`` is asked at each of their marks, and at the end.
    A guest is named with its parameters, as ``vmemu run`` takes it.  Returns how many.
    """
    cls = _class(scheme)
    for line in guests:
        wanted, found = (_ran(one, line, bits, swaps=cls.finds_anon) for one in (like, cls))
        if found != wanted:
            raise Failed(
                f"{line} under {cls.name}: printed {found[0][:200]!r} and {found[1]}, "
                f"not {wanted[0][:200]!r} and {wanted[1]}"
            )
    return len(guests)


def _ran(scheme: Scheme, line: str, bits: int, *, swaps: bool) -> tuple[bytes, str]:
    """What a guest prints, and how it ends."""
    import io

    from vmemu.lab.guests import guest_path
    from vmemu.machine import Machine

    argv, out = shlex.split(line), io.BytesIO()
    ram, swap = ("1280K", "16M") if swaps else ("16M", None)
    try:
        with Machine(ram=ram, swap=swap, rmap=scheme, bits=bits, lock_checks=True) as machine:
            machine.kernel.on_mark = lambda *mark: machine.check()
            machine.spawn(guest_path(argv[0], bits), argv, stdout=out)
            status = str(machine.run())
            machine.check()
            _nothing_left(machine)
    except ConfigError:
        raise
    except Exception as error:  # of the scheme, or of the kernel under it: it is a finding
        raise Failed(f"{line} under {_class(scheme).name}: {error}") from error
    return out.getvalue(), status


def _nothing_left(machine: object) -> None:
    """Of the scheme, once all processes have ended."""
    from vmemu.lab.slabs import slab_use
    from vmemu.machine import Machine

    assert isinstance(machine, Machine)
    rmap = machine.vm.rmap
    for name, use in slab_use(machine.core, rmap).items():
        if name in rmap.caches and use.objects:
            raise VmemuError(f"{use.objects} objects of {name} are left when no process is")
