"""What one run of a scenario gave: the measurement beside what was derived, as one flat record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vmemu.build_id import provenance
from vmemu.errors import ConfigError
from vmemu.lab.record import parameter_column
from vmemu.rmap import scheme_class

if TYPE_CHECKING:
    from vmemu.lab.experiment import Measurement
    from vmemu.lab.locks import BothWays
    from vmemu.lab.record import Value
    from vmemu.lab.scenario import Scenario
    from vmemu.lab.scenario import Value as Parametric

__all__ = ["SHORT", "Deviation", "Outcome", "run_outcome"]

SHORT = "memory was short"


@dataclass(frozen=True)
class Deviation:
    """A figure that is not as it was derived, with the formula and the reason for it."""

    figure: str
    measured: int
    predicted: int
    formula: str = ""
    why: str = ""

    def __str__(self) -> str:
        return f"{self.figure} {self.measured}, predicted {self.predicted}"

    def reason(self) -> str:
        """The same with the formula, and why it was expected."""
        why = f": {self.why}" if self.why else ""
        return f"{self} ({self.formula}{why})"


@dataclass(frozen=True)
class Outcome:
    """One scenario, run once under one scheme."""

    scenario: Scenario
    params: Mapping[str, Parametric]
    measurement: Measurement
    both_ways: BothWays | None = None

    @property
    def scheme(self) -> str:
        """The reverse map's name, with its options."""
        return self.measurement.scheme

    def predictions(self) -> dict[str, int]:
        """What docs/schemes.md derives, by figure; empty when memory was short."""
        return {figure: n for figure, (n, _, _) in self._predicted().items()}

    def _predicted(self) -> dict[str, tuple[int, str, str]]:
        """The same with formulas and reasons."""
        measurement = self.measurement
        if measurement.disturbed:
            return {}
        options = scheme_class(self.scheme).option_values()
        names = {**measurement.figures, **self.params, **options, "BITS": measurement.bits}
        names["I_MMAP"] = str(measurement.provenance["i_mmap"])
        return {
            figure: (formula(names), formula.text, why)
            for figure, (formula, why) in self.scenario.expected(self.scheme).items()
        }

    def deviations(self) -> list[Deviation]:
        """Where a measurement is not what was predicted; ConfigError for what is not measured."""
        figures = self.measurement.figures
        predicted = self._predicted()
        for figure in predicted:
            if figure not in figures:
                raise ConfigError(
                    f"{self.scheme} predicts {figure!r} of {self.scenario.name}, "
                    "which is not measured"
                )
        return [
            Deviation(figure, figures[figure], n, formula, why)
            for figure, (n, formula, why) in predicted.items()
            if figures[figure] != n
        ]

    def _locks_differ(self) -> bool:
        return self.both_ways is not None and not self.both_ways.exact

    def wrong(self) -> list[str]:
        """What is not as it was derived, in words; nothing when memory was short."""
        if self.measurement.disturbed:
            return []
        locks = ["locks are not as rmap 34 says"] if self._locks_differ() else []
        return [*map(str, self.deviations()), *locks]

    def verdict(self) -> str:
        """Whether all is as predicted: "yes", "no: " and why, "memory was short", or "-"."""
        if self.measurement.disturbed:
            return SHORT
        if wrong := self.wrong():
            return f"no: {'; '.join(wrong)}"
        return "yes" if self.predictions() else "-"

    def to_record(self) -> dict[str, Value]:
        """The flat record: see :mod:`vmemu.lab.record`."""
        return dict(self._columns())

    def _columns(self) -> Iterator[tuple[str, Value]]:
        measurement = self.measurement
        yield "status", "ok"
        yield "scenario", self.scenario.name
        yield "scheme", self.scheme
        for name, value in self.params.items():
            yield parameter_column(name), value
        yield from provenance().items()
        yield from measurement.provenance.items()
        yield "verdict", self._word()
        yield "deviations", "; ".join(self._reasons())
        yield "disturbed", measurement.disturbed
        yield from measurement.figures.items()
        for figure, (n, formula, _) in self._predicted().items():
            yield f"predicted_{figure}", n
            yield f"formula_{figure}", formula
        exact, rounded = measurement.cost
        yield "bytes_exact", round(exact)
        yield "bytes_rounded", round(rounded, 1)
        for name, use in measurement.slabs.items():
            yield f"bytes_{name}", use.exact
            yield f"rounded_{name}", use.as_json()["rounded"]
        if self.both_ways is not None:
            yield from self.both_ways.to_record().items()
        for name, n in measurement.run.items():
            yield f"run_{name}", n
        yield "output_sha256", measurement.output_sha256
        yield "virtual_ns", measurement.virtual_ns
        yield "host_ns", measurement.host_ns

    def _word(self) -> str:
        """The verdict in a word: yes, no, short, or nothing where nothing is predicted."""
        verdict = self.verdict()
        if verdict == SHORT:
            return "short"
        return "" if verdict == "-" else verdict.partition(":")[0]

    def _reasons(self) -> list[str]:
        if self.measurement.disturbed:
            return []
        found = [deviation.reason() for deviation in self.deviations()]
        if self._locks_differ() and self.both_ways is not None:
            found += [f"locks: {what}" for what in self.both_ways.differences()]
        return found


def run_outcome(
    scenario: Scenario,
    params: Mapping[str, Parametric],
    scheme: str,
    options: Mapping[str, Any],
) -> Outcome:
    """Run a scenario, both before and after rmap 34 if it has phases.

    Raises what `run_scenario` raises.
    """
    from vmemu.lab.experiment import run_scenario
    from vmemu.lab.locks import run_both_ways

    measurement = run_scenario(scenario, params, scheme, options)
    both = run_both_ways(scenario, params, scheme, options) if scenario.phases else None
    return Outcome(scenario, params, measurement, both)
