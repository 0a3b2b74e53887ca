"""An experiment as it is written, with the place of each value: checked, it is an Experiment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from vmemu.errors import ConfigError
from vmemu.lab import ranges
from vmemu.lab.compare import check_settings
from vmemu.lab.scenarios import find_scenario
from vmemu.rmap import compared, scheme_class, schemes
from vmemu.sweep.given import Given, Place, as_written, did_you_mean
from vmemu.sweep.grid import Grid
from vmemu.sweep.plan import Experiment
from vmemu.sweep.references import anchored
from vmemu.sweep.settings import SETTINGS, Limits, check_machines, read_limit

if TYPE_CHECKING:
    from vmemu.lab.scenario import Scenario, Value

__all__ = ["LIMITS", "Draft", "Find", "experiment"]

LIMITS = ("time", "memory")

_WIDTH = 32  # of a machine of which it is not told

Find = Callable[[str], tuple[str, "Scenario"]]


def _find(reference: str) -> tuple[str, Scenario]:
    scenario = find_scenario(reference)
    return scenario.origin or anchored(reference), scenario


@dataclass(frozen=True)
class Draft:
    """What was given for one experiment; ``place`` is that of the experiment itself.

    ``find`` gives for what a scenario is called its reference, and the scenario.
    """

    place: Place
    scenarios: Given | None = None
    schemes: Given | None = None
    parameters: Mapping[str, Given] = field(default_factory=dict)
    settings: Mapping[str, Given] = field(default_factory=dict)
    limits: Mapping[str, Given] = field(default_factory=dict)
    find: Find = _find

    def over(self, defaults: Draft) -> Draft:
        """The same experiment, and what ``defaults`` say where it says nothing."""
        return replace(
            self,
            scenarios=self.scenarios or defaults.scenarios,
            schemes=self.schemes or defaults.schemes,
            parameters={**defaults.parameters, **self.parameters},
            settings={**defaults.settings, **self.settings},
            limits={**defaults.limits, **self.limits},
        )

    def chosen(self) -> dict[str, Scenario]:
        """The scenarios by reference; ConfigError without one, or for one that is unknown."""
        if self.scenarios is None:
            raise self.place.error("an experiment needs a scenario, such as fork-server")
        chosen = {}
        for element in self.scenarios.elements():
            with element.place.names_errors():
                reference, scenario = self.find(_text("scenario", element.value))
            chosen[reference] = scenario
        return chosen

    def checked(self) -> Experiment:
        """The experiment; ConfigError for the first thing that cannot be."""
        chosen = self.chosen()
        for name, given in self.parameters.items():
            with given.place.names_errors():
                check_settings(list(chosen.values()), {name: ""})
        for name, given in self.settings.items():
            if name not in SETTINGS:
                raise given.place.error(f"unknown setting {name!r}: {did_you_mean(name, SETTINGS)}")
        values = {name: given.gather(_parameter(name)) for name, given in self.parameters.items()}
        settings = {
            name: self.settings[name].gather(SETTINGS[name].read) for name in sorted(self.settings)
        }
        check_machines(self.settings, settings, _WIDTH)
        names = compared() if self.schemes is None else self.schemes.gather(_schemes)
        grids = tuple(
            Grid(
                reference,
                tuple(self._settled(scenario, values)),
                tuple(settings.items()),
                names,
            )
            for reference, scenario in chosen.items()
        )
        return Experiment(
            tuple(chosen),
            tuple(values.items()),
            names,
            tuple(settings.items()),
            self._limits(),
            grids,
        )

    def _settled(
        self, scenario: Scenario, values: Mapping[str, tuple[str, ...]]
    ) -> Iterator[tuple[str, tuple[Value, ...]]]:
        """A scenario's parameters with all values that each is to have."""
        defaults = scenario.settle({})
        for name, default in defaults.items():
            if name not in values:
                yield name, (default,)
                continue
            read = _parameter(name)
            yield (
                name,
                self.parameters[name].gather(
                    lambda value, name=name, read=read: [  # type: ignore[misc]
                        scenario.settle({name: text})[name] for text in read(value)
                    ]
                ),
            )

    def _limits(self) -> Limits:
        found: dict[str, float | int] = {}
        for name, given in self.limits.items():
            if name not in LIMITS:
                raise given.place.error(f"unknown limit {name!r}: {did_you_mean(name, LIMITS)}")
            with given.place.names_errors():
                found[name] = read_limit(name, given.value)
        return Limits(**found)  # type: ignore[arg-type]


def experiment(
    scenarios: str | Iterable[str],
    parameters: Mapping[str, object] | None = None,
    schemes: str | Iterable[str] = (),
    settings: Mapping[str, object] | None = None,
    limits: Mapping[str, object] | None = None,
) -> Experiment:
    """An experiment from Python: each value may be one, a list of them, or a range as text.

    ConfigError says what cannot be.

    >>> fork = experiment("fork-server", {"N": "1..8*2"}, "none", {"ram": ["16M", "32M"]})
    >>> fork.parameters
    (('N', ('1', '2', '4', '8')),)
    """
    given = [
        {name: Given(value, Place(name)) for name, value in (kind or {}).items()}
        for kind in (parameters, settings, limits)
    ]
    named = [schemes] if isinstance(schemes, str) else list(schemes)
    return Draft(
        Place("experiment"),
        Given([scenarios] if isinstance(scenarios, str) else list(scenarios), Place("scenario")),
        Given(named, Place("rmap")) if named else None,
        parameters=given[0],
        settings=given[1],
        limits=given[2],
    ).checked()


def _text(what: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{what} takes text or a list of texts, not {as_written(value)}")
    return value


def _parameter(name: str) -> Callable[[object], list[str]]:
    """What reads the values of a parameter."""

    def read(value: object) -> list[str]:
        if isinstance(value, bool) or not isinstance(value, int | str):
            takes = "a whole number, a word, a list or a range such as 1..256*2"
            raise ConfigError(f"{name} takes {takes}, not {as_written(value)}")
        return [str(value)] if isinstance(value, int) else ranges.texts(value)

    return read


def _schemes(value: object) -> Iterator[str]:
    for name in ranges.words(_text("rmap", value)):
        if name == "all":  # that can swap, as in vmemu compare
            yield from (each for each, scheme in schemes().items() if scheme.swaps())
        else:
            scheme_class(name)
            yield name
