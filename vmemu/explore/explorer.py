"""Runs a scenario's paths against each other, again and again, in different orders.

csrc/explore/explore.c keeps the tree of schedules and chooses; here are the greenlets that the
paths run in, and the judge of what each run left behind.
"""

from __future__ import annotations

import ctypes
import enum
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vmemu.check import check_machine
from vmemu.core import ffi, lib
from vmemu.errors import ConfigError, Errno, KernelBug
from vmemu.explore import mutation
from vmemu.explore.outcome import outcome
from vmemu.explore.timeline import Names, Row, Step, Wait, rows, waits

if TYPE_CHECKING:
    from vmemu.explore.scenario import Scenario, Settings

__all__ = ["Explorer", "Mode", "Report", "Violation"]


class Mode(enum.Enum):
    """Which orders are run; the values are ``enum explore_mode``."""

    REDUCED = lib.EXPLORE_REDUCED
    """One of each set of orders that differ only in steps that do not touch the same."""
    ALL = lib.EXPLORE_ALL
    """Every order with at most so many preemptions."""
    RANDOM = lib.EXPLORE_RANDOM
    """As many as asked for, drawn with a seed."""


@dataclass(frozen=True)
class Violation:
    """A run that should not have ended so."""

    problems: list[str]
    choices: bytes
    """The path of each step."""
    steps: list[Row]
    waiting: list[Wait]
    """Of a deadlock."""

    def rows(self, *, full: bool = False) -> list[Row]:
        """The steps that matter, or all of them."""
        return [row for row in self.steps if full or row.matters]


@dataclass(repr=False)
class Report:
    """What an exploration found."""

    scenario: str
    paths: list[str]
    settings: Settings
    values: dict[str, int]
    """The scenario's parameters, all of them."""
    mode: Mode
    seed: int
    """Of Mode.RANDOM."""
    interleavings: int = 0
    redundant: int = 0
    """Runs that turned out, on the way, to repeat another."""
    outcomes: int = 0
    """Different states at the end, as :mod:`vmemu.explore.outcome` tells them apart."""
    longest: int = 0
    """Steps of the longest run."""
    complete: bool = False
    """Whether there was nothing more to run."""
    violation: Violation | None = None

    def __repr__(self) -> str:
        found = "no violation"
        if self.violation is not None:
            found = f"violation: {self.violation.problems[0]}"
        said = f"{self.scenario} under {self.settings.rmap}: {self.interleavings} interleavings"
        return f"<Report of {said}, {found}>"

    def _repr_svg_(self) -> str | None:
        """The counterexample, if there is one and jinja2 is installed."""
        from importlib.util import find_spec

        if self.violation is None or find_spec("jinja2") is None:
            return None
        from vmemu.report.explorations import drawing

        return drawing(self)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(repr(self)[1:-1])}</p>{self._repr_svg_() or ''}"


class Explorer:
    """One scenario under exploration; close() frees its machine.

    ``preemptions`` bounds Mode.ALL, ``seed`` feeds Mode.RANDOM.
    """

    def __init__(
        self,
        scenario: Scenario,
        mode: Mode = Mode.REDUCED,
        *,
        preemptions: int = 255,
        seed: int = 0,
    ) -> None:
        self.scenario = scenario
        self.mode, self.seed = mode, seed
        self.core, self.m = scenario.core, scenario.m
        names = scenario.path_names()
        if not 1 < len(names) <= lib.EXPLORE_PATHS:
            raise ConfigError(f"{scenario.name} has {len(names)} paths, not 2 to 8")
        self.names = names
        self._greenlet = _greenlets()
        self._results: list[Any] = [None] * len(names)
        self._raised: list[str] = []
        self._bodies = [self._body(i, getattr(scenario, name)) for i, name in enumerate(names)]
        self._switches: list[Callable[[], Any]] = []
        self._verdicts: dict[Any, list[str]] = {}
        self.outcomes: set[Hashable] = set()
        self._python = _PythonState(scenario)
        self.m.watch.mutations = mutation.bits(scenario.settings.mutations)
        options = self.core.ffi.new("struct explore_options *", [mode.value, preemptions, seed])
        if not self.core.lib.explore_begin(self.m, len(names), options):
            raise ConfigError("no host memory for a snapshot of the machine")
        self.core.on_switch = self._switch
        self._main = self._greenlet.getcurrent()
        self._at_first = Names(scenario)
        self._stalls = self.m.counter[lib.CNT_allocstall]

    def close(self) -> None:
        """End the exploration and free the scenario's machine."""
        self.core.lib.explore_end(self.m)
        self.scenario.close()

    def __enter__(self) -> Explorer:
        """The explorer itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close it."""
        self.close()

    # ---- many runs

    def explore(self, limit: int = 0) -> Report:
        """Run until there is nothing new, a violation, or ``limit`` runs (0: no limit)."""
        scenario = self.scenario
        settings, values = scenario.settings, scenario.values
        report = Report(scenario.name, self.names, settings, values, self.mode, self.seed)
        m, run, judge = self.m, self.run, self.judge
        endless = self.mode is Mode.RANDOM
        runs = redundant = longest = 0
        count = ffi.new("uint32_t *")
        more = True
        while more and not (limit and runs >= limit):
            ended = run()
            runs += 1
            redundant += self.core.lib.explore_redundant(m)
            self.core.lib.explore_steps(m, count)
            longest = max(longest, count[0])
            problems = judge(ended)
            if problems:
                report.violation = self._violation(problems)
                break
            more = endless or self.advance()
        report.interleavings, report.redundant = runs - redundant, redundant
        report.outcomes = len(self.outcomes)
        report.longest, report.complete = longest, not more
        return report

    def advance(self) -> bool:
        """Prescribe the next run; False when there is nothing left that matters."""
        return bool(self.core.lib.explore_advance(self.m))

    # ---- one run

    @property
    def last_results(self) -> list[Any]:
        """What the paths returned in the last run; an Errno as a negative number."""
        return list(self._results)

    def prescribe(self, choices: bytes) -> None:
        """Let the next run follow these paths, step by step."""
        self.core.lib.explore_prescribe(self.m, choices, len(choices))

    def run(self) -> int:
        """One run from the snapshot: ``enum explore_outcome``."""
        m, choose = self.m, self.core.lib.explore_choose
        new = self._greenlet.greenlet
        self.core.lib.explore_start(m)
        self._python.restore()
        self._raised.clear()
        switches = self._switches
        switches[:] = [new(body).switch for body in self._bodies]
        while (path := choose(m)) >= 0:
            switches[path]()
        self.core.lib.explore_stop(m)
        ended: int = self.core.lib.explore_outcome(m)
        if ended != lib.EXPLORE_ENDED:
            _abandon(switches)
        return ended

    def judge(self, ended: int) -> list[str]:
        """What is wrong with the state a run has left; known states are not checked again."""
        if ended != lib.EXPLORE_ENDED:
            return self._unfinished(ended)
        m = self.m
        if self._raised or self.core.error is not None or m.bug[0] != b"\0":
            return self._broken()
        key = (
            self.core.lib.explore_digest(m),
            m.vm_committed,
            *[result if type(result) is int else None for result in self._results],
        )
        problems = self._verdicts.get(key)
        if problems is None:
            problems = self._verdicts[key] = self._examine()
        return problems

    # ---- inside a run

    def _body(self, index: int, call: Callable[[], Any]) -> Callable[[], None]:
        """What a greenlet runs: the path, and the news of its end."""
        m, results, name = self.m, self._results, self.names[index]

        def body() -> None:
            try:
                results[index] = call()
            except Errno as error:
                results[index] = -error.errno
            except Exception as error:
                self._raised.append(f"{name}: {type(error).__name__}: {error}")
            self.core.lib.explore_exit(m)

        return body

    def _switch(self, path: int) -> None:
        """Called in a path's greenlet: let another go on, until it is this one's turn."""
        if path < 0:
            self._main.switch()
        else:
            self._switches[path]()

    # ---- judging

    def _examine(self) -> list[str]:
        scenario = self.scenario
        scenario.results = dict(zip(self.names, self._results, strict=True))
        if self.m.pages.want_kswapd or self.m.counter[lib.CNT_allocstall] != self._stalls:
            return ["memory ran short, so that allocations depended on each other"]
        problems = list(scenario.check())
        try:
            check_machine(scenario.vm)
        except KernelBug as bug:
            problems.append(str(bug))
        self.outcomes.add(outcome(scenario))
        return problems

    def _broken(self) -> list[str]:
        problems = list(self._raised)
        try:
            self.core.check_bug()
        except Exception as error:
            problems.append(f"{type(error).__name__}: {error}")
        self.core.error = None
        return problems

    def _violation(self, problems: list[str]) -> Violation:
        """What is needed to show and to repeat the last run."""
        names = Names(self.scenario, self._at_first)
        steps = self._steps()
        choices = bytes(step.path for step in steps)
        deadlock = self.core.lib.explore_outcome(self.m) == lib.EXPLORE_DEADLOCK
        waiting = self._waiting() if deadlock else {}
        told = rows(names, steps, waiting)
        return Violation(problems, choices, told, waits(names, steps, waiting))

    def _steps(self) -> list[Step]:
        n = ffi.new("uint32_t *")
        raw = self.core.lib.explore_steps(self.m, n)
        return [_step(s) for s in self.core.ffi.unpack(raw, n[0])]

    def _waiting(self) -> dict[int, Step]:
        """The step that each path of a deadlock cannot make."""
        pending = [_step(self.core.lib.explore_pending(self.m, i)) for i in range(len(self.names))]
        return {step.path: step for step in pending if step.object}

    def _unfinished(self, ended: int) -> list[str]:
        if ended == lib.EXPLORE_DEADLOCK:
            names = Names(self.scenario, self._at_first)
            waiting = waits(names, self._steps(), self._waiting())
            return [wait.told(self.names) for wait in waiting]
        if ended == lib.EXPLORE_ENDLESS:
            return [f"a run did not end within {lib.EXPLORE_STEPS} steps"]
        return ["the schedule does not fit: a path could not make the step it prescribes"]


def _step(s: Any) -> Step:
    return Step(s.task, s.kind, s.lock_class, s.object, s.before, s.after)


class _PythonState:
    """What of the memory manager is kept in Python, and has to go back with each run."""

    def __init__(self, scenario: Scenario) -> None:
        vm = scenario.vm
        self._vm = vm
        self._mms = dict(vm.mms)
        self._areas = list(vm.swap.areas)
        self._scheme = {
            name: _copy(value)
            for name, value in vars(vm.rmap).items()
            if name != "_calls" and isinstance(value, (dict, list, set))
        }

    def restore(self) -> None:
        """Put it back."""
        vm = self._vm
        if vm.mms != self._mms:
            vm.mms.clear()
            vm.mms.update(self._mms)
        vm.swap.areas[:] = self._areas
        for name, value in self._scheme.items():
            setattr(vm.rmap, name, _copy(value))


def _copy(value: Any) -> Any:
    """A copy of containers, to any depth; what is in them stays the same."""
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, (list, set)):
        return type(value)(map(_copy, value))
    return value


def _greenlets() -> Any:
    """The module greenlet, which nothing but the explorer needs."""
    try:
        import greenlet
    except ImportError:
        raise ConfigError(
            "the explorer needs the package greenlet (pip install greenlet)"
        ) from None
    return greenlet


def _abandon(switches: list[Callable[[], Any]]) -> None:
    """Let the greenlets of a run that cannot go on be forgotten, but never ended.

    Ending one would run the rest of its path, C frames included, on memory that has
    changed under it.
    """
    for switch in switches:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(switch))
    switches.clear()
