"""The tables of published.md: what others measured, as far as counts and bytes can follow.

Each takes every scheme there is, so a new one needs nothing here.
"""

from __future__ import annotations

import dataclasses
import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vmemu.core import lib
from vmemu.lab.actions import nothing, reclaim_children
from vmemu.lab.experiment import Measurement, Visit, run_scenario
from vmemu.lab.guests import guest_path
from vmemu.lab.scenarios import find_scenario
from vmemu.lab.slabs import SlabUse, scheme_cost, slab_use
from vmemu.machine import Machine
from vmemu.rmap import builtin, scheme_class

if TYPE_CHECKING:
    from vmemu.core import Core
    from vmemu.kernel.process.task import Task

LEVELS = range(4, 10)
FORK_BENCH = {"ram": "28532K", "swap": None, "overcommit": 1}
PAGES = 4096
"""Of Andrea Arcangeli's bench: 16 MB for his 512, so chosen that level 8 just fits."""
SQUARES = (16, 32, 64)
PUBLISHED = 1000
GENERATIONS = (10, 20, 40, 80)
DEPTHS = (2, 4, 8, 16, 32)


def schemes() -> list[str]:
    """Those whose walks find anonymous pages."""
    return [name for name, scheme in builtin().items() if scheme.finds_anon]


class Use(NamedTuple):
    """A scheme's memory at one moment: objects of its caches, and their bytes and fields'."""

    caches: Mapping[str, SlabUse]
    objects: int
    bytes: float

    @classmethod
    def of(cls, machine: Machine) -> Use:
        """What it takes now, slab rounding included."""
        use = slab_use(machine.core, machine.vm.rmap)
        own = sum(use[name].objects for name in machine.vm.rmap.caches)
        return cls(use, own, scheme_cost(use, machine.core)[1])


def at_marks(scheme: str, guest: str, *settings: str, **options: Any) -> dict[str, Use]:
    """What the scheme takes at each mark of a guest; none if memory ran out before.

    Without the checks that a scenario makes, which cost more than these runs.
    """
    found: dict[str, Use] = {}
    log: list[str] = []
    errors = io.BytesIO()
    with Machine(rmap=scheme, **options) as machine:
        machine.kernel.log = log.append

        def mark(task: Task, name: str, a: int, b: int) -> None:
            found.setdefault(name, Use.of(machine))

        machine.kernel.on_mark = mark
        machine.spawn(guest_path(guest), [guest, *settings], stdout=None, stderr=errors)
        status = machine.run()
    if not found:
        said = " ".join(log) + errors.getvalue().decode()
        assert status.exit_status, f"{guest} under {scheme}: no mark"
        assert "Out of Memory" in said or "errno 12" in said, said
    return found


def _kb(size: float) -> str:
    return f"{size / 1024:.1f} kB"


Table = tuple[Sequence[str], Sequence[Sequence[object]], str]
"""Head, rows, alignment."""


def fork_bench() -> Table:
    """Objects and bytes by level, up to the one where memory runs out."""
    rows = []
    for scheme in schemes():
        cells: list[str] = []
        for level in LEVELS:
            marks = at_marks(scheme, "fork-bench", f"LEVEL={level}", f"R={PAGES}", **FORK_BENCH)
            if not marks:
                cells.append("out of memory")
                break
            cells.append(f"{marks['measure'].objects}: {_kb(marks['measure'].bytes)}")
        cells += [""] * (len(LEVELS) - len(cells))
        rows.append([scheme, *cells])
    head = ("scheme", *(f"level {level}" for level in LEVELS))
    return head, rows, "l" + "r" * len(LEVELS)


def _most_of_one_object(core: Core) -> int:
    """Anonymous pages that point at the same thing; 0: they point at nothing."""
    pages = (core.m.mem_map[pfn] for pfn in range(core.m.nr_frames))
    found = Counter(int(page.mapping) for page in pages if page.flags & lib.PG_anon)
    del found[0]
    return max(found.values(), default=0)


def _square(scheme: str, n: int) -> tuple[Measurement, int]:
    """fork-server with n children of n pages; and the most pages of one object."""
    most: list[int] = []

    def act(visit: Visit) -> None:
        most.append(_most_of_one_object(visit.machine.core))
        reclaim_children(visit)

    scenario = dataclasses.replace(find_scenario("fork-server"), act=act)
    found = run_scenario(scenario, scenario.settle({"R": str(n), "N": str(n)}), scheme)
    assert not found.disturbed
    return found, most[0]


def aim7() -> Table:
    """Probes for each page of n children with n copies each, and what the law makes of it."""
    rows = []
    for scheme in schemes():
        row: list[object] = [scheme]
        for n in SQUARES:
            found, most = _square(scheme, n)
            pages = found.figures["unmap_pages"]
            row.append(f"{found.figures['unmap_probes'] / pages:g}" if pages else "-")
        row.append(f"{most} of {SQUARES[-1] * (SQUARES[-1] + 1)}")
        law = find_scenario("fork-server").expected(scheme).get("unmap_probes")
        if law is None:
            row += ["-", "-", "-"]
        else:
            names = {**scheme_class(scheme).option_values(), "R": PUBLISHED, "N": PUBLISHED}
            names["unmap_pages"] = PUBLISHED * PUBLISHED
            probes = law[0](names)
            row += [f"`{law[0].text}`", f"{probes:,}", f"{probes / PUBLISHED**2:g}"]
        rows.append(row)
    head = ("scheme", *(f"{n} × {n}" for n in SQUARES), "pages of one object", "law")
    return (*head, "1000 × 1000", "a page"), rows, "lrrrrlrr"


def repeated_fork() -> Table:
    """Objects of each cache after G generations."""
    rows = []
    for scheme in schemes():
        by_length = [at_marks(scheme, "fork-chain", f"G={g}")["measure"] for g in GENERATIONS]
        rows += [
            [scheme, f"`{cache}`", *(use.caches[cache].objects for use in by_length)]
            for cache in builtin()[scheme].caches
        ]
    return ("scheme", "cache", *(f"G = {g}" for g in GENERATIONS)), rows, "llrrrr"


def fork_depth() -> Table:
    """Objects and bytes of D + 1 processes in a line, all alive, that have all written."""
    rows = []
    for scheme in schemes():
        runs = [("fork-depth", f"D={depth}", "WRITE=1") for depth in DEPTHS]
        uses = [at_marks(scheme, *run)["measure"] for run in runs]
        rows.append([scheme, *(f"{use.objects}: {_kb(use.bytes)}" for use in uses)])
    return ("scheme", *(f"D = {depth}" for depth in DEPTHS)), rows, "l" + "r" * len(DEPTHS)


def zygote() -> Table:
    """Objects and bytes of each cache, in machines of 64 bits."""
    rows: list[Sequence[object]] = []
    for scheme in schemes():
        scenario = dataclasses.replace(find_scenario("zygote"), act=nothing)
        found = run_scenario(scenario, scenario.settle({}), scheme, {"bits": 64})
        for cache, use in found.slabs.items():
            rows.append([scheme, f"`{cache}`", use.objects, _kb(use.rounded)])
        rows.append([scheme, "more than without", "", _kb(found.cost[1])])
    return ("scheme", "cache", "objects", "with slab rounding"), rows, "llrr"


def fork_work() -> Table:
    """What a child adds when it is forked, and when it has written everything."""
    rows = []
    for scheme in schemes():
        marks = at_marks(scheme, "crowd", "N=16", "K=40", ram="16M", swap=None)
        start, forked, written = (marks[name] for name in ("fork", "fault", "exit"))
        row: list[object] = [scheme]
        for before, after in ((start, forked), (forked, written)):
            row.append(f"{(after.objects - before.objects) / 16:g}")
            row.append(f"{(after.bytes - before.bytes) / 16:.0f}")
        rows.append(row)
    head = ("scheme", "objects by fork", "bytes", "objects by writing", "bytes")
    return head, rows, "lrrrr"


PUBLISHED_TABLES: dict[str, Callable[[], Table]] = {
    "fork_bench": fork_bench,
    "aim7": aim7,
    "repeated_fork": repeated_fork,
    "fork_depth": fork_depth,
    "zygote": zygote,
    "fork_work": fork_work,
}
