"""What a reverse map's objects weigh: bytes for each vma, mm, page and level of forks.

The same guest runs under every scheme and under ``none``, the build without a reverse map
for anonymous pages.  Slab caches are read before and after it has made K vmas, M mms or P
pages, or has forked once more, so that D processes stand in a line; the difference, less the
difference under ``none``, divided by their number, is what a scheme costs.
Object sizes and objects a slab come from the caches of those machines.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vmemu.arguments import size
from vmemu.core import PAGE_SIZE, most_ram
from vmemu.errors import VmemuError
from vmemu.lab.experiment import bits_of, run_guest
from vmemu.lab.scenario import Parameter
from vmemu.lab.slabs import SlabUse, slab_use
from vmemu.lab.table import Cell, Table
from vmemu.machine import Machine
from vmemu.rmap import scheme_class

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task

__all__ = [
    "BASELINE",
    "MODES",
    "PARAMETERS",
    "Cost",
    "Overhead",
    "measure_overhead",
    "overhead_table",
]

BASELINE = "none"
MODES = {
    "own": "written, each with an rmap object of its own",
    "unwritten": "never written",
    "shared": "parts of one written area",
}
PAGES = {
    "alone": "of one process alone",
    "shared": "shared with a child",
}
PARAMETERS = (
    Parameter("K", 1024, "vmas", 2, 1 << 15),
    Parameter("M", 64, "processes", 1, 4096),
    Parameter("P", 512, "pages", 1, 1 << 15),
    Parameter("D", 8, "levels of forks", 2, 128),
)

Growth = Mapping[str, SlabUse]


@dataclass(frozen=True)
class Cost:
    """Bytes for each object that was added.

    ``exact``: of the objects.  ``rounded``: of their share of full slabs.  ``slabs``: frames
    that all of them together really took more than without a reverse map.
    """

    exact: float
    rounded: float
    slabs: int

    def as_json(self) -> dict[str, float]:
        """Its numbers by name, to a ten-thousandth of a byte."""
        return {
            "exact": round(self.exact, 4),
            "rounded": round(self.rounded, 4),
            "slabs": self.slabs,
        }


@dataclass(frozen=True)
class Overhead:
    """One scheme's cost for each vma, by mode, for each mm, each page, alone or shared, and for
    the last of the levels of forks; and its caches as they are.
    """

    scheme: str
    per_vma: Mapping[str, Cost]
    per_mm: Cost
    per_page: Mapping[str, Cost]
    per_level: Cost
    caches: Mapping[str, SlabUse]

    def costs(self, levels: int) -> dict[str, Cost]:
        """All of it by what it is for; so many ``levels`` of forks were made."""
        return {
            **{f"vma, {MODES[mode]}": cost for mode, cost in self.per_vma.items()},
            "mm": self.per_mm,
            **{f"page, {PAGES[kind]}": cost for kind, cost in self.per_page.items()},
            f"level of forks, number {levels}": self.per_level,
        }

    def as_json(self) -> dict[str, Any]:
        """What ``vmemu overhead --json`` shows of it."""
        return {
            "per_vma": {mode: cost.as_json() for mode, cost in self.per_vma.items()},
            "per_mm": self.per_mm.as_json(),
            "per_page": {kind: cost.as_json() for kind, cost in self.per_page.items()},
            "per_fork_level": self.per_level.as_json(),
            "objects": {
                name: {"bytes": cache.size, "per_slab": cache.per_slab}
                for name, cache in self.caches.items()
            },
        }


def measure_overhead(
    schemes: Sequence[str],
    k: int,
    m: int,
    options: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] = lambda what: None,
    *,
    p: int = 512,
    d: int = 8,
) -> list[Overhead]:
    """Weigh schemes with ``k`` vmas, ``m`` mms, ``p`` pages and ``d`` levels of forks.

    ``options`` are the Machine's.  Raises ConfigError for unknown schemes, VmemuError when the
    guest does not get its memory.
    """
    options = options or {}
    for scheme in schemes:
        scheme_class(scheme)
    runs: dict[str, dict[str, Growth]] = {}
    for scheme in dict.fromkeys((BASELINE, *schemes)):
        runs[scheme] = {}
        for mode in MODES:
            progress(f"{scheme} {mode}")
            runs[scheme][mode] = _grow_vmas(scheme, mode, k, options)
        progress(f"{scheme} mms")
        runs[scheme]["mm"] = _grow_mms(scheme, m, options)
        for kind in PAGES:
            progress(f"{scheme} pages")
            runs[scheme][f"page {kind}"] = _grow_pages(scheme, kind, p, options)
        progress(f"{scheme} forks")
        runs[scheme]["level"] = _grow_levels(scheme, d, options)
    without = runs[BASELINE]
    return [
        Overhead(
            scheme,
            {mode: _cost(runs[scheme][mode], without[mode], k) for mode in MODES},
            _cost(_but_vmas(runs[scheme]["mm"]), _but_vmas(without["mm"]), m),
            {
                kind: _cost(runs[scheme][f"page {kind}"], without[f"page {kind}"], p)
                for kind in PAGES
            },
            _cost(runs[scheme]["level"], without["level"], 1),
            runs[scheme]["mm"],
        )
        for scheme in schemes
    ]


def _but_vmas(growth: Growth) -> Growth:
    """What a child's copies of its parent's areas cost is the vmas' matter, not the mm's."""
    return {name: use for name, use in growth.items() if name != "vm_area_struct"}


def _cost(growth: Growth, without: Growth, count: int) -> Cost:
    def total(of: Callable[[SlabUse], float]) -> float:
        return sum(map(of, growth.values())) - sum(map(of, without.values()))

    return Cost(
        total(lambda use: use.exact) / count,
        total(lambda use: use.rounded) / count,
        int(total(lambda use: use.slabs)),
    )


def _grow_vmas(scheme: str, mode: str, k: int, options: Mapping[str, Any]) -> Growth:
    """What k vmas add: between two marks of the guest ``overhead``."""
    readings = _read(scheme, ["overhead", f"K={k}", f"mode={mode}"], k, options)
    return _difference(readings["measure"], readings["before"])


def _grow_mms(scheme: str, m: int, options: Mapping[str, Any]) -> Growth:
    """What m children add: between a family with one child and one with m more."""
    one, more = (
        _read(scheme, ["fork-readers", "R=1", f"N={n}"], n * 12, options)["measure"]
        for n in (1, 1 + m)
    )
    return _difference(more, one)


def _grow_pages(scheme: str, kind: str, p: int, options: Mapping[str, Any]) -> Growth:
    """What p written pages more add: to a process alone, or to one that has a child."""
    few, more = (
        _read(scheme, ["fork-depth", f"R={n}", f"D={int(kind == 'shared')}"], n, options)["measure"]
        for n in (1, 1 + p)
    )
    return _difference(more, few)


def _grow_levels(scheme: str, d: int, options: Mapping[str, Any]) -> Growth:
    """What the last of d processes in a line adds, each the child of the one before."""
    before, after = (
        _read(scheme, ["fork-depth", "R=1", f"D={n}", "WRITE=1"], n * 13, options)["measure"]
        for n in (d - 1, d)
    )
    return _difference(after, before)


def _difference(after: Growth, before: Growth) -> Growth:
    return {name: use - before[name] for name, use in after.items()}


def _read(
    scheme: str, argv: list[str], frames: int, options: Mapping[str, Any]
) -> dict[str, Growth]:
    """Run a guest and read the slab caches at each of its marks."""
    settings: dict[str, Any] = {"swap": None, **options}
    ample = size("32M", "ram") + frames * 2 * PAGE_SIZE
    settings.setdefault("ram", min(ample, most_ram(bits_of(options))))
    readings: dict[str, Growth] = {}
    errors = io.BytesIO()
    with Machine(rmap=scheme, **settings) as machine:

        def read(task: Task, name: str, a: int, b: int) -> None:
            machine.check()
            readings[name] = slab_use(machine.core, machine.vm.rmap)

        machine.kernel.on_mark = read
        status = run_guest(machine, argv, errors=errors)
    if status.exit_status or "measure" not in readings:
        said = errors.getvalue().decode(errors="replace").strip() or str(status)
        raise VmemuError(f"the guest {' '.join(argv)} failed under {scheme}: {said}")
    return readings


def as_json(results: Sequence[Overhead], params: Mapping[str, int]) -> dict[str, Any]:
    """The object ``vmemu overhead --json`` prints."""
    return {
        "params": dict(params),
        "baseline": BASELINE,
        "schemes": {result.scheme: result.as_json() for result in results},
    }


def overhead_table(results: Sequence[Overhead], d: int = 8) -> Table:
    """All costs in one table; ``d`` levels of forks were made."""
    rows: list[list[Cell]] = []
    for result in results:
        rows += [
            [result.scheme, what, cost.exact, cost.rounded, cost.slabs]
            for what, cost in result.costs(d).items()
        ]
    return Table(("scheme", "for each", "bytes", "slab-rounded", "frames in all"), rows)
