"""What a reverse map's objects weigh: bytes for each vma and each mm, on live guests.

The same guest runs under every scheme and under ``none``, the build without a reverse map
for anonymous pages.  Slab caches are read before and after it has made K vmas, or M mms; the
difference, less the difference under ``none``, divided by K or M, is what a scheme costs.
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
PARAMETERS = (
    Parameter("K", 1024, "vmas", 2, 1 << 15),
    Parameter("M", 64, "processes", 1, 4096),
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
    """One scheme's cost for each vma, by mode, and for each mm; and its caches as they are."""

    scheme: str
    per_vma: Mapping[str, Cost]
    per_mm: Cost
    caches: Mapping[str, SlabUse]

    def as_json(self) -> dict[str, Any]:
        """What ``vmemu overhead --json`` shows of it."""
        return {
            "per_vma": {mode: cost.as_json() for mode, cost in self.per_vma.items()},
            "per_mm": self.per_mm.as_json(),
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
) -> list[Overhead]:
    """Weigh schemes with ``k`` vmas and ``m`` mms; ``options`` are the Machine's.

    Raises ConfigError for unknown schemes, VmemuError when the guest does not get its memory.
    """
    for scheme in schemes:
        scheme_class(scheme)
    runs: dict[str, dict[str, Growth]] = {}
    for scheme in dict.fromkeys((BASELINE, *schemes)):
        runs[scheme] = {}
        for mode in MODES:
            progress(f"{scheme} {mode}")
            runs[scheme][mode] = _grow_vmas(scheme, mode, k, options or {})
        progress(f"{scheme} mms")
        runs[scheme]["mm"] = _grow_mms(scheme, m, options or {})
    without = runs[BASELINE]
    return [
        Overhead(
            scheme,
            {mode: _cost(runs[scheme][mode], without[mode], k) for mode in MODES},
            _cost(_but_vmas(runs[scheme]["mm"]), _but_vmas(without["mm"]), m),
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


def as_json(results: Sequence[Overhead], k: int, m: int) -> dict[str, Any]:
    """The object ``vmemu overhead --json`` prints."""
    return {
        "params": {"K": k, "M": m},
        "baseline": BASELINE,
        "schemes": {result.scheme: result.as_json() for result in results},
    }


def overhead_table(results: Sequence[Overhead]) -> Table:
    """All costs in one table."""
    rows: list[list[Cell]] = []
    for result in results:
        costs = {f"vma, {MODES[mode]}": cost for mode, cost in result.per_vma.items()}
        costs["mm"] = result.per_mm
        rows += [
            [result.scheme, what, cost.exact, cost.rounded, cost.slabs]
            for what, cost in costs.items()
        ]
    return Table(("scheme", "for each", "bytes", "slab-rounded", "frames in all"), rows)
