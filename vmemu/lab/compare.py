"""Scenarios under several reverse maps, side by side: flat records, and one table of them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from vmemu.core import COUNTERS
from vmemu.errors import ConfigError
from vmemu.lab.experiment import bits_of
from vmemu.lab.guests import guest_program
from vmemu.lab.outcome import SHORT, Deviation, Outcome, run_outcome
from vmemu.lab.record import Records, Value
from vmemu.lab.table import Cell, Table
from vmemu.rmap import compared, scheme_class

if TYPE_CHECKING:
    from vmemu.lab.experiment import Measurement
    from vmemu.lab.locks import BothWays
    from vmemu.lab.scenario import Scenario
    from vmemu.lab.scenario import Value as Parametric

__all__ = [
    "Comparison",
    "Deviation",
    "besides",
    "check_settings",
    "compare",
    "comparison_table",
    "summary_table",
]


@dataclass(frozen=True, repr=False)
class Comparison:
    """One scenario's measurements by scheme, in the order they were asked for."""

    scenario: Scenario
    params: Mapping[str, Parametric]
    measurements: Mapping[str, Measurement]
    both_ways: Sequence[BothWays] = ()
    i_mmap: str = ""
    """What areas of files were kept in, where that is one of several."""

    @property
    def same_output(self) -> bool:
        """Whether the guest wrote the same under every scheme, as it must."""
        outputs = {m.output_sha256 for m in self.measurements.values()}
        return len(outputs) < 2 and all(ways.same_output for ways in self.both_ways)

    def outcomes(self) -> list[Outcome]:
        """Each run by itself."""
        return [self.outcome(scheme) for scheme in self.measurements]

    def outcome(self, scheme: str) -> Outcome:
        """The run under one scheme."""
        ways = {both.scheme: both for both in self.both_ways}
        measurement = self.measurements[scheme]
        return Outcome(self.scenario, self.params, measurement, ways.get(scheme))

    def predictions(self, scheme: str) -> dict[str, int]:
        """What docs/schemes.md derives for a scheme, by figure; empty when memory was short."""
        return self.outcome(scheme).predictions()

    def deviations(self, scheme: str) -> list[Deviation]:
        """Where a measurement is not what was predicted; ConfigError for what is not measured."""
        return self.outcome(scheme).deviations()

    @property
    def values(self) -> str:
        """The parameters, as ``--set`` takes them."""
        told = {**self.params, "i_mmap": self.i_mmap} if self.i_mmap else self.params
        return " ".join(f"{name}={value}" for name, value in told.items())

    @property
    def called(self) -> str:
        """The scenario, and what else tells it from others of one call."""
        return f"{self.scenario.name} {self.i_mmap}".rstrip()

    def wrong(self, scheme: str) -> list[str]:
        """What is not as it was derived, in words; nothing when memory was short."""
        return self.outcome(scheme).wrong()

    def verdict(self, scheme: str) -> str:
        """Whether all is as predicted: "yes", "no: " and why, "memory was short", or "-"."""
        return self.outcome(scheme).verdict()

    def table(self) -> Table:
        """A line for each scheme, as ``vmemu compare`` prints it."""
        return comparison_table([self])

    def to_records(self) -> list[dict[str, Value]]:
        """A flat record for each scheme: see :mod:`vmemu.lab.record`."""
        return [outcome.to_record() for outcome in self.outcomes()]

    def to_frame(self) -> Any:
        """The records as a pandas DataFrame; VmemuError without pandas."""
        return Records.of([self]).to_frame()

    def __repr__(self) -> str:
        words = f"{self.scenario.name} {self.values}".rstrip()
        found = {scheme: self.verdict(scheme) for scheme in self.measurements}
        said = {
            "not as predicted": [scheme for scheme in found if self.wrong(scheme)],
            "memory was short": [s for s, verdict in found.items() if verdict == SHORT],
            "not predicted": [s for s, verdict in found.items() if verdict == "-"],
        }
        verdict = "; ".join(f"{what} under {', '.join(s)}" for what, s in said.items() if s)
        return f"<Comparison {words}: {', '.join(self.measurements)}, {verdict or 'as predicted'}>"

    def _repr_html_(self) -> str:
        return self.table().html()


def check_settings(scenarios: Sequence[Scenario], settings: Mapping[str, str]) -> None:
    """ConfigError unless each setting is a parameter of one of the scenarios at least."""
    known = {p.name for scenario in scenarios for p in scenario.parameters}
    for name in settings:
        if name in known:
            continue
        if len(scenarios) > 1:
            raise ConfigError(f"none of the scenarios has a parameter {name!r}")
        scenario = scenarios[0]
        has = ", ".join(p.name for p in scenario.parameters) or "none"
        raise ConfigError(f"scenario {scenario.name} has no parameter {name!r}, it has {has}")


def compare(
    scenarios: Iterable[Scenario],
    settings: Mapping[str, str],
    schemes: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] = lambda what: None,
    workers: int = 1,
    i_mmaps: Sequence[str] = (),
) -> list[Comparison]:
    """Run scenarios under schemes, those that are compared by default if none is named.

    ``settings`` are parameters as text and apply wherever a scenario has one of that name; of
    those that are lists or ranges every combination is run.  ``options`` are the Machine's;
    ``progress`` is called before each run.  ``i_mmaps``: what areas of files are kept in, one
    comparison for each.  Raises ConfigError for what cannot be run, ScenarioError when a guest
    fails.
    """
    schemes = schemes or compared()
    for scheme in schemes:
        scheme_class(scheme)
    chosen = [
        (scenario, params, i_mmap)
        for scenario in scenarios
        for params in scenario.settle_each(settings)
        for i_mmap in i_mmaps or ("",)
    ]
    for scenario, *_ in chosen:  # compiled before workers ask for it, all at once
        guest_program(scenario.guest, scenario.home, bits_of(options or {}))
    cells = [
        _Cell(
            scenario, params, scheme, {**(options or {}), **({"i_mmap": i_mmap} if i_mmap else {})}
        )
        for scenario, params, i_mmap in chosen
        for scheme in schemes
    ]
    measured = _measured(cells, min(workers, len(cells)), progress)
    results = []
    for scenario, params, i_mmap in chosen:
        found = {scheme: next(measured) for scheme in schemes}
        both_ways = [each.both_ways for each in found.values() if each.both_ways is not None]
        measurements = {scheme: each.measurement for scheme, each in found.items()}
        told = i_mmap if len(i_mmaps) > 1 else ""
        results.append(Comparison(scenario, params, measurements, both_ways, told))
    return results


class _Cell(NamedTuple):
    """One scenario under one scheme: what a worker needs to know."""

    scenario: Scenario
    params: Mapping[str, Parametric]
    scheme: str
    options: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.scenario.name} {self.scheme}"


def _measure(cell: _Cell) -> Outcome:
    return run_outcome(*cell)


def _measured(
    cells: Sequence[_Cell], workers: int, progress: Callable[[str], None]
) -> Iterator[Outcome]:
    """What all of them measure, in their order."""
    if workers < 2:
        for cell in cells:
            progress(str(cell))
            yield _measure(cell)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(workers, get_context("fork")) as pool:
        for cell, found in zip(cells, pool.map(_measure, cells), strict=True):
            progress(str(cell))
            yield found


_HEAD = (
    "scenario",
    "parameters",
    "scheme",
    "pages",
    "probes/page",
    "cmp/page",
    "ref probes",
    "ref cmp",
    "copies",
    "vmas",
    "bytes",
    "rounded",
    "besides",
    "as predicted",
)


_PARAMETERS = 28  # columns, in the short table

_SUMMARY = (
    "scenario",
    "scheme",
    "predicted",
    "pages",
    "probes",
    "cmp",
    "ref",
    "ref cmp",
    "copies",
    "vmas",
    "bytes",
    "rounded",
)


def summary_table(comparisons: Sequence[Comparison]) -> Table:
    """The same within 120 characters: a scenario's parameters stand below its name.

    Behind it where there is one scheme only, and so one line.

    ``predicted`` is yes, no, short (of memory) or nothing; `deviations` says what differs.
    """
    rows: list[list[Cell]] = []
    for comparison in comparisons:
        titles = [comparison.scenario.name, *textwrap.wrap(comparison.values, _PARAMETERS)]
        if len(comparison.measurements) == 1:
            titles = [" ".join(titles[:2]), *titles[2:]]
        for scheme in comparison.measurements:
            row = _row(comparison, scheme)
            verdict = comparison.verdict(scheme)
            word = "short" if verdict.startswith("memory") else verdict.partition(":")[0]
            rows.append([titles.pop(0) if titles else "", scheme, word, *row[3:12]])
        rows += [[title, *[""] * (len(_SUMMARY) - 1)] for title in titles]
    return Table(_SUMMARY, rows, keys=(0, 1, 2))


def besides(comparisons: Sequence[Comparison]) -> list[str]:
    """A line for each figure that only some scenarios have, and for what was not as predicted.

    Counters that are 0 are left out.
    """
    lines = []
    for comparison in comparisons:
        shown: dict[str, list[str]] = {}
        for scheme, measurement in comparison.measurements.items():
            told = " ".join(
                f"{name}={n}"
                for name, n in measurement.extra().items()
                if n or name not in COUNTERS
            )
            shown.setdefault(told, []).append(scheme)
        lines += [
            f"{comparison.called} {', '.join(schemes)}: {told}"
            for told, schemes in shown.items()
            if told
        ]
    return lines + [
        f"{comparison.called} {scheme}: {verdict}"
        for comparison in comparisons
        for scheme in comparison.measurements
        if (verdict := comparison.verdict(scheme)) not in ("yes", "-")
    ]


def comparison_table(comparisons: Sequence[Comparison]) -> Table:
    """All measurements in one table, a line for each scenario and scheme.

    ``pages`` to ``cmp/page`` are try_to_unmap's, ``ref`` are page_referenced's for each page;
    ``bytes`` and ``rounded`` are what the scheme's objects take, exactly and by their share
    of full slabs.
    """
    rows = [
        _row(comparison, scheme) for comparison in comparisons for scheme in comparison.measurements
    ]
    return Table(_HEAD, rows, keys=(0, 2))  # scenario, scheme


def _row(comparison: Comparison, scheme: str) -> list[Cell]:
    measurement = comparison.measurements[scheme]
    figures = measurement.figures
    exact, rounded = measurement.cost
    return [
        comparison.scenario.name,
        comparison.values or None,
        scheme,
        figures["unmap_pages"] or figures["referenced_pages"],
        *(
            _each(figures, what, key)
            for what in ("unmap", "referenced")
            for key in ("probes", "cmp")
        ),
        figures["copies"],
        figures["vmas"],
        round(exact),
        round(rounded),
        " ".join(f"{name}={n}" for name, n in measurement.extra().items()) or None,
        comparison.verdict(scheme),
    ]


def _each(figures: Mapping[str, int], what: str, key: str) -> float | None:
    """Probes or comparisons for each page; None without pages."""
    pages = figures[f"{what}_pages"]
    return figures[f"{what}_{key}"] / pages if pages else None
