"""Before and after rmap 34: what taking page_table_lock out of vm_flags' writers saves.

The patch (Andrea Arcangeli and Hugh Dickins, May 2004) lets mlock, munlock, madvise and
mprotect write vm_flags under mmap_sem alone.  A guest marks where its phases begin; it is
run both ways, and of each phase the locks are held against each other: page_table_lock must
be taken less often by one for each write, and nothing else may differ.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vmemu.core import PAGE_SIZE
from vmemu.errors import ConfigError
from vmemu.lab.experiment import ScenarioError, machine_options, run_guest
from vmemu.lab.guests import guest_program
from vmemu.lab.table import Cell, Table
from vmemu.machine import Machine
from vmemu.machine_settings import VM_FLAGS_LOCKS
from vmemu.stats import lock_stats

if TYPE_CHECKING:
    from vmemu.lab.scenario import Params, Scenario

__all__ = ["BothWays", "Phase", "Reading", "locks_table", "run_both_ways"]

_RECLAIM = ("pgscan", "pgsteal", "unmap_pages")


@dataclass(frozen=True)
class Reading:
    """Every counter, and of every lock class acquisitions, failed trylocks and steps held."""

    counters: Mapping[str, int]
    locks: Mapping[str, Mapping[str, int]]

    @classmethod
    def of(cls, machine: Machine) -> Reading:
        """What a machine's stand at now."""
        locks = {
            name: {
                "acquired": lock["acquired"],
                "failed": lock["failed"],
                "steps_held": lock["steps_held"],
            }
            for name, lock in lock_stats(machine.core).items()
        }
        return cls(machine.core.counters(), locks)

    def __sub__(self, before: Reading) -> Reading:
        """What was added since ``before``."""
        return Reading(
            {name: n - before.counters[name] for name, n in self.counters.items()},
            {
                name: {what: n - before.locks[name][what] for what, n in lock.items()}
                for name, lock in self.locks.items()
            },
        )

    @property
    def page_table_locks(self) -> int:
        """How often page_table_lock was acquired."""
        return self.locks["page_table_lock"]["acquired"]


@dataclass(frozen=True)
class Phase:
    """So many calls, or pages written, between two marks of the guest, both ways."""

    name: str
    calls: int
    before: Reading
    after: Reading

    @property
    def writes(self) -> int:
        """Writes of vm_flags by these calls."""
        return self.after.counters["vm_flags_writes"]

    @property
    def saved(self) -> int:
        """Acquisitions of page_table_lock that the patch saves."""
        return self.before.page_table_locks - self.after.page_table_locks

    def differences(self) -> list[str]:
        """What else differs: nothing may.

        Steps that page_table_lock is held are as they were less the writes themselves.
        """
        return list(self._differences())

    def _differences(self) -> Iterator[str]:
        for name, n in self.before.counters.items():
            if self.after.counters[name] != n:
                yield f"{name} {n} before, {self.after.counters[name]} after"
        for name, lock in self.before.locks.items():
            for what, n in lock.items():
                if name == "page_table_lock" and what != "failed":
                    n -= self.writes
                found = self.after.locks[name][what]
                if found != n:
                    yield f"{name} {what} {n} expected after, {found} found"


@dataclass
class BothWays:
    """A guest before and after rmap 34 under one scheme."""

    scheme: str
    phases: list[Phase] = field(default_factory=list)
    same_output: bool = False

    @property
    def exact(self) -> bool:
        """The patch saves what it removes, and nothing else changes."""
        return self.same_output and all(
            phase.saved == phase.writes and not phase.differences() for phase in self.phases
        )

    def differences(self) -> list[str]:
        """What is not as the patch says, by phase."""
        found = [] if self.same_output else ["the output differs"]
        for phase in self.phases:
            if phase.saved != phase.writes:
                found.append(f"{phase.name}: {phase.saved} saved, {phase.writes} writes")
            found += [f"{phase.name}: {what}" for what in phase.differences()]
        return found

    def to_record(self) -> dict[str, int]:
        """By phase: times, acquisitions of page_table_lock before and after, and writes."""
        found: dict[str, int] = {}
        for phase in self.phases:
            name = f"rmap34_{phase.name.replace(' ', '_').replace('-', '_')}"
            found |= {
                f"{name}_times": phase.calls,
                f"{name}_page_table_locks_before": phase.before.page_table_locks,
                f"{name}_page_table_locks_after": phase.after.page_table_locks,
                f"{name}_page_table_locks_saved": phase.saved,
                f"{name}_vm_flags_writes": phase.writes,
            }
        return found


@dataclass
class _Run:
    """One way: readings at the marks, in order, with the calls that follow each."""

    marks: list[tuple[str, int, Reading]] = field(default_factory=list)
    output: str = ""

    def phases(self) -> Iterator[tuple[str, int, Reading]]:
        for (name, calls, at), (_, _, until) in zip(self.marks, self.marks[1:], strict=False):
            if calls:
                yield name, calls, until - at


def _run(
    scenario: Scenario, params: Params, scheme: str, way: str, options: Mapping[str, Any]
) -> _Run:
    run = _Run()
    output = io.BytesIO()
    ram = scenario.least_frames(params) * PAGE_SIZE
    settings = machine_options(scenario, params, {"ram": ram, **options})
    with Machine(rmap=scheme, vm_flags_lock=way, **settings) as machine:
        machine.kernel.on_mark = lambda task, name, a, b: run.marks.append(
            (name, a if name in scenario.phases else 0, Reading.of(machine))
        )
        machine.kernel.log = lambda line: None
        run.marks.append(("start", 0, Reading.of(machine)))
        program = guest_program(scenario.guest, scenario.home, machine.core.bits)
        status = run_guest(machine, scenario.argv(params), output, program=program)
        run.marks.append(("exit", 0, Reading.of(machine)))
    if status.exit_status or status.signaled:
        raise ScenarioError(f"scenario {scenario.name} under {scheme}, {way}: its guest failed")
    run.output = hashlib.sha256(output.getvalue()).hexdigest()
    return run


def run_both_ways(
    scenario: Scenario, params: Params, scheme: str, options: Mapping[str, Any] | None = None
) -> BothWays:
    """Run a scenario's guest before and after rmap 34; ``options`` are the Machine's.

    The last phase is the whole run.  Raises ScenarioError when the guest fails, ConfigError
    when ``options`` choose a way.
    """
    options = dict(options or {})
    if "vm_flags_lock" in options:
        raise ConfigError(f"scenario {scenario.name} runs with both values of vm_flags_lock")
    after, before = (_run(scenario, params, scheme, way, options) for way in VM_FLAGS_LOCKS)
    result = BothWays(scheme, same_output=before.output == after.output)
    for (name, calls, old), (_, _, new) in zip(before.phases(), after.phases(), strict=True):
        result.phases.append(Phase(name, calls, old, new))
    whole = [run.marks[-1][2] - run.marks[0][2] for run in (before, after)]
    result.phases.append(Phase("whole run", whole[1].counters["syscalls"], *whole))
    return result


def locks_table(results: Sequence[BothWays]) -> Table:
    """Acquisitions of page_table_lock each time, before and after; and what else differs.

    ``saved`` and ``vm_flags writes`` of the whole phase; then what reclaim did meanwhile.
    """
    rows: list[list[Cell]] = [
        [
            result.scheme,
            phase.name,
            phase.calls,
            phase.before.page_table_locks / phase.calls,
            phase.after.page_table_locks / phase.calls,
            phase.saved,
            phase.writes,
            *(phase.after.counters[name] for name in _RECLAIM),
            _verdict(result, phase),
        ]
        for result in results
        for phase in result.phases
    ]
    head = ("scheme", "phase", "times", "before", "after", "saved", "vm_flags writes")
    return Table((*head, *_RECLAIM, "all else"), rows)


def _verdict(result: BothWays, phase: Phase) -> str:
    different = phase.differences()
    if not result.same_output:
        different.append("output")
    return "; ".join(different) or "the same"
