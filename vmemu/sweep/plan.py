"""What a sweep is to run: experiments, and the cells they come to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vmemu.errors import ConfigError
from vmemu.lab.ranges import written
from vmemu.lab.table import Table
from vmemu.sweep.grid import Grid, number_in_all, overlaps
from vmemu.sweep.references import seen_from
from vmemu.sweep.settings import Limits, SettingValue

if TYPE_CHECKING:
    from vmemu.lab.cell import Cell

__all__ = ["MOST_CELLS", "Experiment", "Plan"]

MOST_CELLS = 1_000_000_000
"""More would take years, and are a slip."""


@dataclass(frozen=True)
class Experiment:
    """Scenarios under schemes, with every value that their parameters and a machine are to have.

    `vmemu.sweep.draft.experiment` makes one and checks it. ``parameters`` are those that were
    told, as text; ``settings`` have values as Machine takes them. ``grids`` has for each
    scenario all of its parameters, settled.
    """

    scenarios: tuple[str, ...]
    parameters: tuple[tuple[str, tuple[str, ...]], ...]
    schemes: tuple[str, ...]
    settings: tuple[tuple[str, tuple[SettingValue, ...]], ...]
    limits: Limits
    grids: tuple[Grid, ...] = field(repr=False)


@dataclass(frozen=True)
class Plan:
    """Experiments in their order; a cell that several have counts for the first of them."""

    experiments: tuple[Experiment, ...]

    def __post_init__(self) -> None:
        if (cells := sum(grid.size for grid in self.grids)) > MOST_CELLS:
            raise ConfigError(f"the sweep has {cells} cells: {MOST_CELLS} are the most")
        self._check_names()

    def _check_names(self) -> None:
        """ConfigError for two scenarios of one name, whose rows nobody could tell apart."""
        from vmemu.lab.scenarios import find_scenario

        known: dict[str, str] = {}
        for reference in (ref for each in self.experiments for ref in each.scenarios):
            name = find_scenario(reference).name
            if known.setdefault(name, reference) != reference:
                raise ConfigError(
                    f"two scenarios are called {name!r}: {known[name]} and {reference}: give one "
                    "another name, or nothing would tell their rows apart"
                )

    @property
    def grids(self) -> list[Grid]:
        """Those of all experiments."""
        return [grid for experiment in self.experiments for grid in experiment.grids]

    def __len__(self) -> int:
        """How many cells there are, without making them."""
        return sum(self._counts())

    def _counts(self) -> list[int]:
        """The cells of each grid that no grid before it has."""
        return [grid.size - number_in_all(had) for grid, had in overlaps(self.grids)]

    def cells(self) -> Iterator[Cell]:
        """Each cell once: by scenario, parameters, settings, and the scheme changing fastest."""
        return (cell for cell, _ in self.limited_cells())

    def limited_cells(self) -> Iterator[tuple[Cell, Limits]]:
        """The same, each with what it may take of the host."""
        limits = [each.limits for each in self.experiments for _ in each.grids]
        for (grid, had), limit in zip(overlaps(self.grids), limits, strict=True):
            for cell in grid.cells(had):
                yield cell, limit

    def describe(self) -> Table:
        """A line for each experiment and scenario: its cells, and what varies how often."""
        rows: list[tuple[str | int, ...]] = []
        counts = iter(self._counts())
        for number, experiment in enumerate(self.experiments, 1):
            for grid in experiment.grids:
                name = min(grid.scenario, seen_from(grid.scenario, ""), key=len)
                schemes = len(grid.schemes)
                rows.append((number, name, next(counts), schemes, _varying(grid)))
        if len(rows) > 1:
            rows.append(("all", "", len(self), "", ""))
        return Table(("experiment", "scenario", "cells", "schemes", "varied"), rows, keys=(0, 1))

    def as_toml(self, directory: str = "") -> str:
        """An experiment file of the same plan, to be written into ``directory``."""
        return "\n".join(_table(experiment, directory) for experiment in self.experiments)


def _varying(grid: Grid) -> str:
    told = (*grid.parameters, *grid.settings)
    return " × ".join(f"{name}: {len(values)}" for name, values in told if len(values) > 1)


def _table(experiment: Experiment, directory: str) -> str:
    references = [seen_from(reference, directory) for reference in experiment.scenarios]
    lines = ["[[experiment]]", f"scenario = {_toml(references)}"]
    lines.append(f"rmap = {_toml(experiment.schemes)}")
    lines += [f"{name} = {_toml(_sizes(name, values))}" for name, values in experiment.settings]
    if experiment.parameters:
        lines += ["", "[experiment.parameters]"]
        lines += [f"{name} = {_toml(_numbers(values))}" for name, values in experiment.parameters]
    time, memory = experiment.limits
    if time or memory:
        lines += ["", "[experiment.limits]"]
        lines += [f"time = {time:g}"] if time else []
        lines += [f"memory = {_toml(_sizes('memory', [memory]))}"] if memory else []
    return "\n".join(lines) + "\n"


def _sizes(name: str, values: Sequence[SettingValue]) -> Sequence[SettingValue]:
    """Sizes as one writes them, such as 16M; anything else as it is."""
    if name not in ("ram", "swap", "memory", "max_host_memory"):
        return values
    shifts = {"G": 30, "M": 20, "K": 10}
    return [
        next((f"{size >> by}{unit}" for unit, by in shifts.items() if not size % (1 << by)), size)
        if isinstance(size, int) and size
        else "none"
        for size in values
    ]


def _numbers(values: Sequence[str]) -> Sequence[str | int]:
    """Values of a parameter as numbers, if all are and look the same as such."""
    if all(re.fullmatch(r"0|-?[1-9][0-9]{0,18}", value) for value in values):
        return [int(value) for value in values]
    return values


def _toml(values: Sequence[SettingValue]) -> str:
    if len(values) == 1:
        return _scalar(values[0])
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        text = written(values)  # type: ignore[arg-type]
        if ".." in text:
            return _scalar(text)
    return f"[{', '.join(map(_scalar, values))}]"


def _scalar(value: SettingValue) -> str:
    return json.dumps(value).replace("\x7f", "\\u007f")
