"""One run that is asked for: a scenario, its parameters, a scheme, a machine's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmemu.lab.scenario import Value

__all__ = ["Cell"]


@dataclass(frozen=True)
class Cell:
    """Everything that decides what a run gives, in plain text and numbers.

    ``params``: every parameter of the scenario, settled. ``settings``: of the machine, by name,
    in the order of the names, with values as Machine takes them.
    """

    scenario: str
    params: tuple[tuple[str, Value], ...]
    scheme: str
    settings: tuple[tuple[str, int | float | str | bool], ...] = ()
