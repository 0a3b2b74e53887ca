"""The tables and pictures of cases.md: one page under each scheme, from create to exit.

Each takes every scheme there is that swaps; of a new one, only the section is to be written.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vmemu.lab.guests import guest_path
from vmemu.lab.slabs import scheme_cost, slab_use
from vmemu.machine import Machine
from vmemu.rmap import builtin
from vmemu.who.picture import uses_picture
from vmemu.who.take import take_address

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task
    from vmemu.who.record import FrameUse

MOMENTS = ("created", "forked", "split", "merged", "moved", "exited")
"""The marks of the guest."""
FOLDER = Path(__file__).parent / "cases"


class Case(NamedTuple):
    """What there is at one mark: who has the page, the parent's areas, the scheme's memory."""

    use: FrameUse
    areas: int
    objects: Mapping[str, int]
    bytes: float


def schemes() -> list[str]:
    """Those under which anonymous pages can be swapped."""
    return [name for name, scheme in builtin().items() if scheme.swaps()]


@functools.cache
def cases(scheme: str) -> dict[str, Case]:
    """`vmemu who --at MARK --addr ADDRESS --ram 1M --swap 1M --rmap SCHEME cases`, in one run."""
    found: dict[str, Case] = {}
    with Machine(ram="1M", swap="1M", rmap=scheme) as machine:

        def mark(task: Task, name: str, address: int, length: int) -> None:
            assert task.mm is not None
            rmap = machine.vm.rmap
            use = slab_use(machine.core, rmap)
            found[name] = Case(
                take_address(machine.kernel, address, task.pid, moment=f"at mark {name}"),
                len([*task.mm.vmas()]),
                {cache: use[cache].objects for cache in rmap.caches},
                scheme_cost(use, machine.core)[0],
            )

        machine.kernel.on_mark = mark
        machine.spawn(guest_path("cases"), ["cases"], stdout=None)
        assert machine.run().exit_status == 0
    assert tuple(found) == MOMENTS
    return found


def picture(scheme: str) -> str:
    """A panel for each moment."""
    return uses_picture([case.use for case in cases(scheme).values()], MOMENTS)


Table = tuple[Sequence[str], Sequence[Sequence[object]], str]
"""Head, rows, alignment."""


def table(scheme: str) -> Table:
    """A row for each moment; without a walk there are no candidates."""
    caches = builtin()[scheme].caches
    rows = []
    for moment, case in cases(scheme).items():
        walk = case.use.walk
        counted = (len(walk.candidates), walk.probes, walk.cmps) if walk else ("-", "-", "-")
        objects = (case.objects[cache] for cache in caches)
        rows.append([moment, case.areas, *objects, f"{case.bytes:g}", *counted])
    head = ("moment", "areas", *(f"`{cache}`" for cache in caches), "bytes")
    return (*head, "candidates", "probes", "cmp"), rows, "l" + "r" * (len(head) + 2)


CASE_TABLES: dict[str, Callable[[], Table]] = {
    f"case_{scheme}": functools.partial(table, scheme) for scheme in schemes()
}
CASE_PICTURES: dict[Path, Callable[[], str]] = {
    FOLDER / f"{scheme}.svg": functools.partial(picture, scheme)
    for scheme in schemes()
    if builtin()[scheme].finds_anon
}
