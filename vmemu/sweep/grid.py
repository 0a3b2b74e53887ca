"""A grid: every combination of one scenario's parameters, settings and schemes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from vmemu.lab.cell import Cell
from vmemu.sweep.settings import SETTINGS, SettingValue

if TYPE_CHECKING:
    from vmemu.lab.scenario import Value

__all__ = ["Grid", "number_in_all", "overlaps"]

T = TypeVar("T")


class Grid(NamedTuple):
    """One scenario's axes, each a tuple of distinct values.

    ``parameters`` are all of the scenario, in its order; ``settings`` those that are told, in
    the order of their names. Where one has the value that a machine has anyway, a cell does
    not mention it: so a cell is the same whether that was told or not.
    """

    scenario: str
    parameters: tuple[tuple[str, tuple[Value, ...]], ...]
    settings: tuple[tuple[str, tuple[SettingValue, ...]], ...]
    schemes: tuple[str, ...]

    @property
    def size(self) -> int:
        """How many cells it has."""
        return prod(map(len, self._axes()))

    def _axes(self) -> list[Sequence[object]]:
        told = (*self.parameters, *self.settings)
        return [*(values for _, values in told), self.schemes]

    def cells(self, without: Sequence[Grid] = ()) -> Iterator[Cell]:
        """Each cell that none of the grids ``without`` has, the scheme changing fastest."""
        others = [[set(axis) for axis in grid._axes()] for grid in without]
        names = [name for name, _ in self.parameters]
        settings = [name for name, _ in self.settings]
        for params in product(*(values for _, values in self.parameters)):
            named = tuple(zip(names, params, strict=True))
            for values in product(*(values for _, values in self.settings)):
                told = tuple(
                    (name, value)
                    for name, value in zip(settings, values, strict=True)
                    if value != SETTINGS[name].default
                )
                for scheme in self.schemes:
                    if others:
                        at = (*params, *values, scheme)
                        if any(
                            all(x in axis for x, axis in zip(at, other, strict=True))
                            for other in others
                        ):
                            continue
                    yield Cell(self.scenario, named, scheme, told)

    def over(self, settings: Sequence[str]) -> Grid:
        """The same grid with axes for ``settings``, some of which it does not tell."""
        told = dict(self.settings)
        every = tuple((name, told.get(name, (SETTINGS[name].default,))) for name in settings)
        return self._replace(settings=every)  # type: ignore[arg-type]

    def meet(self, other: Grid) -> Grid:
        """What both have, of grids with the same axes."""
        return self._replace(
            parameters=_both(self.parameters, other.parameters),
            settings=_both(self.settings, other.settings),
            schemes=_common(self.schemes, other.schemes),
        )


def overlaps(grids: Sequence[Grid]) -> list[tuple[Grid, list[Grid]]]:
    """Each grid, and the parts of it that a grid before it has already."""
    names = sorted({name for grid in grids for name, _ in grid.settings})
    found: list[tuple[Grid, list[Grid]]] = []
    of: dict[str, list[Grid]] = {}
    for grid in grids:
        grid = grid.over(names)
        before = of.setdefault(grid.scenario, [])
        found.append((grid, _shared(grid, before)))
        before.append(grid)
    return found


def number_in_all(grids: Sequence[Grid]) -> int:
    """How many cells grids with the same axes have together, each counted once."""
    return sum(
        grid.size - number_in_all(_shared(grid, grids[:at])) for at, grid in enumerate(grids)
    )


def _shared(grid: Grid, others: Sequence[Grid]) -> list[Grid]:
    """What ``grid`` has in common with each of the others, without repetition."""
    shared = dict.fromkeys(both for other in others if (both := grid.meet(other)).size)
    return [grid] if grid in shared else list(shared)


def _both(
    mine: tuple[tuple[str, tuple[T, ...]], ...], others: tuple[tuple[str, tuple[T, ...]], ...]
) -> tuple[tuple[str, tuple[T, ...]], ...]:
    return tuple(
        (name, _common(values, theirs))
        for (name, values), (_, theirs) in zip(mine, others, strict=True)
    )


def _common(mine: tuple[T, ...], others: tuple[T, ...]) -> tuple[T, ...]:
    if mine is others or mine == others:
        return mine
    kept = set(others)
    return tuple(value for value in mine if value in kept)
