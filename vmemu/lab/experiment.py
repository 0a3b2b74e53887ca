"""One scenario under one reverse map: run it, act at its mark, measure."""

from __future__ import annotations

import functools
import hashlib
import io
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vmemu.arguments import size, width
from vmemu.core import PAGE_SHIFT, PAGE_SIZE, lib, most_ram
from vmemu.errors import ConfigError, VmemuError
from vmemu.lab.figures import COUNTS, LOCKS, OBJECTS, WALKS
from vmemu.lab.guests import guest_path, guest_program
from vmemu.lab.slabs import SlabUse, scheme_cost, slab_use
from vmemu.machine import Machine
from vmemu.stats import sharing_stats

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task
    from vmemu.kernel.process.wait import WaitStatus
    from vmemu.lab.record import Value
    from vmemu.lab.scenario import Params, Scenario
    from vmemu.mm.mm import Mm

__all__ = [
    "Measurement",
    "ScenarioError",
    "Visit",
    "run_guest",
    "run_scenario",
    "settings_record",
]

_LOCKS = {name: getattr(lib, f"LOCK_{lock}") for name, lock in LOCKS.items()}


class ScenarioError(VmemuError):
    """A scenario's guest failed, so there is nothing to measure."""


@dataclass(frozen=True)
class Measurement:
    """What a scenario showed under one scheme: a flat record, of which the rest are views.

    ``figures`` are what can be predicted, by the names that formulas know: ``unmap_probes``,
    ``unmap_cmp``, ``unmap_pages`` and the same of ``referenced``, of the lab's action alone
    (of the whole run for scenarios of memory pressure); ``rmap_locks`` and ``page_map_locks``,
    how often it took the scheme's locks and pages'; ``copies``, pages, over the whole run;
    ``vmas`` of the marked area and ``objects_CACHE`` before the lab acted; and those that only
    this scenario or scheme has, which ``besides`` names.  ``slabs`` is what the scheme's
    objects took then, ``cost`` their bytes, exactly and by their share of full slabs.
    ``disturbed``: memory was short, so pages went that the scenario did not ask for.
    ``bits``: the machine's.  ``run``: every counter over the whole run.  ``provenance``: which
    vmemu it was, which program, and every setting of the machine, by column of the flat record.
    ``virtual_ns``: the machine's clock at the end.  ``host_ns``: what it took the host, which
    is compared with nothing.
    """

    scheme: str
    figures: Mapping[str, int]
    besides: tuple[str, ...]
    slabs: Mapping[str, SlabUse]
    cost: tuple[float, float]
    output_sha256: str
    disturbed: bool
    bits: int
    run: Mapping[str, int]
    provenance: Mapping[str, Value]
    virtual_ns: int
    host_ns: int = field(compare=False)

    def walks(self, what: str) -> dict[str, int]:
        """What the scheme's walks did, of ``unmap`` or ``referenced``: probes, cmp, pages."""
        return {key: self.figures[f"{what}_{key}"] for key in COUNTS}

    def extra(self) -> dict[str, int]:
        """The figures that only this scenario or scheme has."""
        return {name: self.figures[name] for name in self.besides}


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
    output, errors = io.BytesIO(), io.BytesIO()
    begun = time.monotonic_ns()
    with Machine(rmap=scheme, **settings) as machine:
        marks = _Marks(scenario, machine)
        machine.kernel.on_mark = marks
        machine.kernel.log = lambda line: _log(errors, line)
        before = _counts(machine)
        program = guest_program(scenario.guest, scenario.home, machine.core.bits)
        status = run_guest(machine, scenario.argv(params), output, errors, program)
        found = marks.found
        if status.exit_status or found is None:
            raise _failure(scenario, scheme, status, errors)
        run = _difference(before, _counts(machine))
        virtual_ns = machine.core.m.clock.now
        provenance = _provenance(machine, program, settings_record(scenario, params, settings))
    walks = run if scenario.whole_run else found.action
    rmap = machine.vm.rmap
    extra = {**marks.told, **found.told} | {name: walks[name] for name in rmap.counters}
    extra |= {name: walks[name] for name in scenario.figures}
    extra |= {name: run[name] for name in scenario.watch + rmap.watch}
    if found.sharing:
        extra |= {"rmap_wasted": walks["rmap_wasted"], **found.sharing}
    figures = {name: walks[name] for name in WALKS}
    figures |= {"copies": run["rmap_copies"], "vmas": found.vmas, **extra}
    figures |= {f"{OBJECTS}{name}": use.objects for name, use in found.slabs.items()}
    figures |= {name: walks[name] for name in _LOCKS}
    return Measurement(
        scheme,
        figures,
        tuple(extra),
        found.slabs,
        found.cost,
        hashlib.sha256(output.getvalue()).hexdigest(),
        disturbed=not scenario.pressure and run["pgscan"] != 0,
        bits=bits_of(settings),
        run={name: n for name, n in run.items() if name not in _LOCKS},
        provenance=provenance,
        virtual_ns=virtual_ns,
        host_ns=time.monotonic_ns() - begun,
    )


@functools.cache
def _defaults() -> dict[str, Any]:
    """What a Machine is made with unless it is told, but for what no result depends on."""
    from inspect import signature

    of_host = (
        "self",
        "rmap",
        "cpus",
        "events",
        "max_host_time",
        "lock_checks",
        "root",
        "root_rw",
        "binds",
    )
    parameters = signature(Machine.__init__).parameters
    return {name: p.default for name, p in parameters.items() if name not in of_host}


def settings_record(
    scenario: Scenario, params: Params, options: Mapping[str, Any]
) -> dict[str, Value]:
    """Every setting of the machine that a scenario would get, by column of the flat record.

    Sizes in bytes; ConfigError for what is no setting.
    """
    chosen = {**_defaults(), **machine_options(scenario, params, options)}
    for name in ("ram", "swap", "max_host_memory"):
        chosen[name] = _bytes(name, chosen[name])
    return chosen


def _bytes(name: str, value: Any) -> Value:
    """A size in bytes, 0 for no swap; None for a file, whose size nobody has looked at."""
    if value in (None, "none"):
        return 0
    try:
        return size(value, name)
    except ConfigError:
        if name == "swap":
            return None
        raise


def _provenance(machine: Machine, program: str, settings: Mapping[str, Value]) -> dict[str, Value]:
    """The program, and every setting as the machine has it."""
    core = machine.core
    slots = core.lib.swap_total(core.m)
    return {
        **settings,
        "guest_sha256": hashlib.sha256(Path(program).read_bytes()).hexdigest(),
        "ram": core.ram_bytes,
        "swap": (slots + 1) * PAGE_SIZE if slots else 0,  # the first page is its header
        "levels": core.levels,
    }


def run_guest(
    machine: Machine,
    argv: Sequence[str],
    output: io.BytesIO | None = None,
    errors: io.BytesIO | None = None,
    program: str = "",
) -> WaitStatus:
    """Run a guest to its end, then check the machine; how the guest ended.

    ``program`` is its path, of a guest that comes with vmemu unless it is told.
    """
    program = program or guest_path(argv[0], machine.core.bits)
    # results are to be the same wherever vmemu is, and the scenario
    machine.spawn(program, argv, stdin=None, stdout=output, stderr=errors, filename=argv[0])
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
        base = size(scenario.ram, "ram")
        settings["ram"] = min(base + (ample & -PAGE_SIZE), most_ram(bits_of(options)))
    if "swap" not in options:
        needed = scenario.frames(params) * PAGE_SIZE * 5 // 4
        settings["swap"] = max(size(scenario.swap, "swap"), needed & -PAGE_SIZE)
    return settings


class _Found(NamedTuple):
    """What there was at the mark, and the counters of what the lab did there."""

    vmas: int
    slabs: dict[str, SlabUse]
    cost: tuple[float, float]
    action: dict[str, int]
    sharing: dict[str, int]
    told: Mapping[str, int]  # by the scheme


class _Marks:
    """The guest's marks: the lab acts at the first of the scenario's, others tell a number."""

    def __init__(self, scenario: Scenario, machine: Machine) -> None:
        self._scenario, self._machine = scenario, machine
        self.found: _Found | None = None
        self.told: dict[str, int] = {}

    def __call__(self, task: Task, name: str, a: int, b: int) -> None:
        scenario, machine = self._scenario, self._machine
        if name in scenario.tells:
            self.told[scenario.tells[name]] = a
        if name != scenario.mark or self.found is not None:
            return
        machine.check()
        visit = Visit(machine, task, a, a + b)
        vmas, slabs = visit.vmas(), slab_use(machine.core, machine.vm.rmap)
        sharing, told = _sharing(machine), machine.vm.rmap.at_mark()
        before = _counts(machine)
        scenario.act(visit)
        action = _difference(before, _counts(machine))
        self.found = _Found(vmas, slabs, scheme_cost(slabs, machine.core), action, sharing, told)
        machine.check()


def _sharing(machine: Machine) -> dict[str, int]:
    """Where another rule than mapcount ends walks: in pages, what it says of those there are."""
    if not machine.core.m.rmap_option[lib.OPTION_stop]:
        return {}
    found = sharing_stats(machine.core)
    return {
        "wrongly_shared": found["wrongly_shared"],
        "uss_error": found["called_uss"] - found["uss"],
        "pss_error": round(found["called_pss"]) - found["pages"],
    }


def _counts(machine: Machine) -> dict[str, int]:
    """Every counter, and how often locks of the two classes were acquired."""
    locks = machine.core.m.locks.stat
    return machine.core.counters() | {name: locks[i].acquired for name, i in _LOCKS.items()}


def _difference(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    return {name: after[name] - n for name, n in before.items()}


def _log(errors: io.BytesIO, line: str) -> None:
    errors.write(line.encode() + b"\n")


def _failure(
    scenario: Scenario, scheme: str, status: WaitStatus, errors: io.BytesIO
) -> ScenarioError:
    said = errors.getvalue().decode(errors="replace").strip().replace("\n", "; ")
    if status.signaled:
        what = f"was killed by {signal.Signals(status.code).name}"
    elif status.exit_status:
        what = f"ended with status {status.exit_status}"
    else:
        what = f"ended without marking {scenario.mark!r}"
    return ScenarioError(
        f"scenario {scenario.name} under {scheme}: its guest {what}"
        + (f" ({said})" if said else "")
    )
