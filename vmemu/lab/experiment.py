"""One scenario under one reverse map: run it, act at its mark, measure."""

from __future__ import annotations

import hashlib
import io
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vmemu.arguments import width
from vmemu.core import PAGE_SHIFT, PAGE_SIZE, lib, most_ram
from vmemu.errors import VmemuError
from vmemu.lab.guests import guest_path
from vmemu.lab.slabs import SlabUse, scheme_cost, slab_use
from vmemu.machine import Machine, parse_size

if TYPE_CHECKING:
    from vmemu.core import Core
    from vmemu.kernel.process.task import Task
    from vmemu.kernel.process.wait import WaitStatus
    from vmemu.lab.scenario import Params, Scenario
    from vmemu.mm.mm import Mm

__all__ = ["Measurement", "ScenarioError", "Visit", "Walk", "run_guest", "run_scenario"]

_COUNTS = ("probes", "cmp", "pages")


class ScenarioError(VmemuError):
    """A scenario's guest failed, so there is nothing to measure."""


@dataclass(frozen=True)
class Walk:
    """What one kind of rmap walk did (docs/schemes.md): pages, probes, ``cmp``."""

    probes: int = 0
    cmp: int = 0
    pages: int = 0

    @classmethod
    def between(cls, before: Mapping[str, int], after: Mapping[str, int], what: str) -> Walk:
        """The difference of two readings of the counters."""
        return cls(*(after[f"{what}_{key}"] - before[f"{what}_{key}"] for key in _COUNTS))

    def as_json(self) -> dict[str, int]:
        """Its numbers by name."""
        return {"probes": self.probes, "cmp": self.cmp, "pages": self.pages}


@dataclass
class Measurement:
    """What a scenario showed under one scheme.

    ``unmap`` and ``referenced`` are the lab's action alone (the whole run for scenarios of
    memory pressure), ``copies`` the whole run; ``vmas`` of the marked area and ``slabs`` are
    taken at the mark, before the lab acts.  ``extra``: what only this scenario shows.
    ``disturbed``: memory was short, so pages went that the scenario did not ask for.
    """

    scheme: str
    unmap: Walk = field(default_factory=Walk)
    referenced: Walk = field(default_factory=Walk)
    copies: int = 0
    vmas: int = 0
    slabs: dict[str, SlabUse] = field(default_factory=dict)
    cost: tuple[float, float] = (0, 0)
    extra: dict[str, int] = field(default_factory=dict)
    output_sha256: str = ""
    disturbed: bool = False
    visited: bool = False

    def figures(self) -> dict[str, int]:
        """Every figure that can be predicted, by the name formulas know it by."""
        figures = {
            f"{what}.{key}": getattr(walk, key)
            for what, walk in (("unmap", self.unmap), ("referenced", self.referenced))
            for key in _COUNTS
        }
        figures |= {"copies": self.copies, "vmas": self.vmas, **self.extra}
        figures |= {f"objects.{name}": use.objects for name, use in self.slabs.items()}
        return figures

    def as_json(self) -> dict[str, Any]:
        """What ``vmemu compare --json`` shows of it."""
        exact, rounded = self.cost
        shown: dict[str, Any] = {
            "unmap": self.unmap.as_json(),
            "referenced": self.referenced.as_json(),
            "copies": self.copies,
            "vmas": self.vmas,
            "bytes": {
                "exact": round(exact),
                "rounded": round(rounded, 1),
                "caches": {name: use.as_json() for name, use in self.slabs.items()},
            },
            "output_sha256": self.output_sha256,
        }
        return shown | ({"extra": self.extra} if self.extra else {})


class Visit:
    """The lab, called by a guest at its mark: the machine, who called, which area.

    ``start`` and ``end`` are user addresses.
    """

    def __init__(self, machine: Machine, task: Task, start: int, end: int) -> None:
        self.machine = machine
        self.task = task
        self.start = start
        self.end = end

    def reclaim(self, task: Task) -> int:
        """Unmap and page out the area in one process; the pages that went."""
        return self.machine.vm.reclaim_range(task.mm, self.start, self.end)

    def children(self) -> list[Task]:
        """Living children of the caller, oldest first."""
        return [child for child in self.task.children.values() if child.alive]

    def age(self, mm: Mm) -> None:
        """Ask once for each page of the area whether it was referenced (page_referenced)."""
        m = self.machine.core.m
        for address in range(self.start, self.end, PAGE_SIZE):
            pte = self.machine.core.lib.pte_value(m, mm.ptr, address)
            if pte & lib._PAGE_PRESENT:
                self.machine.core.lib.page_referenced(m, m.mem_map + (pte >> PAGE_SHIFT))
        self.machine.core.check_bug()

    def vmas(self) -> int:
        """Areas of the caller that overlap the marked one."""
        return sum(v.vm_start < self.end and v.vm_end > self.start for v in self.task.mm.vmas())


def run_scenario(
    scenario: Scenario,
    params: Params,
    scheme: str,
    options: Mapping[str, Any] | None = None,
) -> Measurement:
    """Run a scenario once; ``options`` are the Machine's, besides ``rmap``.

    Raises ScenarioError when the guest fails, ConfigError when the machine cannot be built,
    KernelBug when `Machine.check` finds an inconsistency, at the mark or at the end.
    """
    settings = machine_options(scenario, params, options or {})
    result = Measurement(scheme)
    output, errors = io.BytesIO(), io.BytesIO()
    with Machine(rmap=scheme, **settings) as machine:
        machine.kernel.on_mark = lambda task, name, a, b: _on_mark(
            scenario, result, machine, task, name, a, b
        )
        machine.kernel.log = lambda line: _log(errors, line)
        before = machine.core.counters()
        status = run_guest(machine, scenario.argv(params), output, errors)
        _expect_success(scenario, scheme, status, errors, result)
        after = machine.core.counters()
        if scenario.whole_run:
            result.unmap = Walk.between(before, after, "unmap")
            result.referenced = Walk.between(before, after, "referenced")
        result.extra |= {name: after[name] - before[name] for name in scenario.watch}
        result.copies = after["rmap_copies"] - before["rmap_copies"]
        result.disturbed = not scenario.pressure and after["pgscan"] != before["pgscan"]
    result.output_sha256 = hashlib.sha256(output.getvalue()).hexdigest()
    return result


def run_guest(
    machine: Machine,
    argv: Sequence[str],
    output: io.BytesIO | None = None,
    errors: io.BytesIO | None = None,
) -> WaitStatus:
    """Run the guest ``argv[0]`` to its end, then check the machine; how the guest ended."""
    guest = guest_path(argv[0], machine.core.bits)
    machine.spawn(guest, argv, stdin=None, stdout=output, stderr=errors)
    status = machine.run()
    machine.check()
    return status


def bits_of(options: Mapping[str, Any]) -> int:
    """The width of the machine that these settings make; ConfigError for one there is not."""
    return width(options.get("bits", 32))


def machine_options(
    scenario: Scenario, params: Params, options: Mapping[str, Any]
) -> dict[str, Any]:
    """The Machine's settings: the scenario's unless given, and RAM for all of its pages."""
    settings: dict[str, Any] = {"ram": scenario.ram, "swap": scenario.swap, **options}
    if "ram" not in options and not scenario.pressure:
        ample = scenario.frames(params) * PAGE_SIZE * 3 // 2
        base = parse_size(scenario.ram, "ram")
        settings["ram"] = min(base + (ample & -PAGE_SIZE), most_ram(bits_of(options)))
    if "swap" not in options:
        needed = scenario.frames(params) * PAGE_SIZE * 5 // 4
        settings["swap"] = max(parse_size(scenario.swap, "swap"), needed & -PAGE_SIZE)
    return settings


def _on_mark(
    scenario: Scenario,
    result: Measurement,
    machine: Machine,
    task: Task,
    name: str,
    a: int,
    b: int,
) -> None:
    machine.check()
    if name in scenario.tells:
        result.extra[scenario.tells[name]] = a
    if name != scenario.mark or result.visited:
        return
    visit = Visit(machine, task, a, a + b)
    result.visited = True
    result.vmas = visit.vmas()
    result.slabs = slab_use(machine.core, machine.vm.rmap)
    result.cost = scheme_cost(result.slabs, machine.core)
    with _counting(machine.core, result):
        scenario.act(visit)
    machine.check()


@contextmanager
def _counting(core: Core, result: Measurement) -> Iterator[None]:
    before = core.counters()
    yield
    after = core.counters()
    result.unmap = Walk.between(before, after, "unmap")
    result.referenced = Walk.between(before, after, "referenced")


def _log(errors: io.BytesIO, line: str) -> None:
    errors.write(line.encode() + b"\n")


def _expect_success(
    scenario: Scenario, scheme: str, status: WaitStatus, errors: io.BytesIO, result: Measurement
) -> None:
    if not status.exit_status and result.visited:
        return
    said = errors.getvalue().decode(errors="replace").strip().replace("\n", "; ")
    if status.signaled:
        what = f"was killed by {signal.Signals(status.code).name}"
    elif status.exit_status:
        what = f"ended with status {status.exit_status}"
    else:
        what = f"ended without marking {scenario.mark!r}"
    raise ScenarioError(
        f"scenario {scenario.name} under {scheme}: its guest {what}"
        + (f" ({said})" if said else "")
    )
