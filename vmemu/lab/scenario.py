"""What a scenario is: a guest, its parameters, what the lab does, what must come out."""

from __future__ import annotations

import dataclasses
import itertools
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vmemu.errors import ConfigError
from vmemu.lab.actions import reclaim_caller

if TYPE_CHECKING:
    from vmemu.lab.experiment import Visit

__all__ = [
    "Expectation",
    "Formula",
    "FormulaError",
    "Parameter",
    "Params",
    "Scenario",
    "Value",
    "expect",
]

Value = int | str
Params = Mapping[str, Value]

_MAX = 1 << 17  # keeps every area far below TASK_SIZE


@dataclass(frozen=True)
class Parameter:
    """A number between ``least`` and ``most``, or one of ``choices``.

    ``counted``: what it counts, for messages: pages, processes.
    """

    name: str
    default: Value
    counted: str = "pages"
    least: int = 1
    most: int = _MAX
    choices: tuple[str, ...] = ()

    def parse(self, text: str) -> Value:
        """The value written as ``text``; ConfigError says what it may be."""
        if self.choices:
            if text not in self.choices:
                raise ConfigError(f"{self.name} is {' or '.join(self.choices)}, not {text!r}")
            return text
        try:
            value = int(text)
        except ValueError:
            raise ConfigError(
                f"{self.name} is a whole number of {self.counted}, not {text!r}"
            ) from None
        if not self.least <= value <= self.most:
            raise ConfigError(f"{self.name} must be {self.least} to {self.most}, not {value}")
        return value


class FormulaError(ConfigError):
    """A formula that is none, or has no value; ``formula`` is its text."""

    formula = ""


@dataclass(frozen=True)
class Formula:
    """A figure in terms of parameters and other figures, as Python writes it.

    Of a scheme's own options, too, of BITS, the machine's width, and of I_MMAP, the name of what
    the areas of its files are kept in.

    >>> Formula("R * N * (N + 1) // 2")({"R": 64, "N": 16})
    8704
    """

    text: str
    _code: types.CodeType = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            code = compile(self.text, self.text, "eval")
        except (SyntaxError, TypeError, ValueError) as error:
            raise self._failure(error) from None
        object.__setattr__(self, "_code", code)

    def __reduce__(self) -> tuple[type[Formula], tuple[str]]:
        return Formula, (self.text,)  # code cannot be pickled

    def __call__(self, names: Mapping[str, Value]) -> int:
        """Its value where names mean ``names``; ConfigError if there is none."""
        try:
            return int(eval(self._code, {"__builtins__": {}}, dict(names)))
        except Exception as error:  # whatever a formula of a plug-in may raise
            raise self._failure(error) from None

    def _failure(self, error: Exception) -> FormulaError:
        said = error.msg if isinstance(error, SyntaxError) else error
        failure = FormulaError(f"the formula {self.text!r} has no value: {said}")
        failure.formula = self.text
        return failure


@dataclass(frozen=True)
class Expectation:
    """One figure that is derived: formulas by scheme, ``None`` for every other one of vmemu's own.

    One of these that has no formulas of its own may have another's (`RmapScheme.predicted_as`);
    without either, as ``none``, it is not predicted.  A scheme that is not vmemu's own has the
    formulas that name it: as ``--rmap`` is given it, without its options, or as the class calls
    itself.  What holds for all of vmemu's does not hold for it, unless it says by
    ``predicted_as`` whose formulas do.  ``why`` is the derivation in words.  A scheme may also
    bring its formulas itself: `Scenario.expected` has both.
    """

    figure: str
    formulas: Mapping[str | None, Formula]
    why: str = ""

    def formula(self, scheme: str) -> Formula | None:
        """What is expected here under a scheme."""
        from vmemu.rmap import called, scheme_class

        for name in called(scheme):
            if name in self.formulas:
                return self.formulas[name]
        known = scheme_class(scheme).predicted_as
        return self.formulas.get(known, self.formulas.get(None)) if known else None


def expect(
    figure: str,
    everywhere: str | Mapping[str, str] | None = None,
    why: str = "",
    i_mmap: Mapping[str, str] | None = None,
    **by_scheme: str,
) -> Expectation:
    """An expectation: ``everywhere`` is the formula of vmemu's schemes that are not named.

    ``i_mmap`` has others for these schemes, where a file's areas are kept in what is named.

    Or there are formulas by name, for names that are no identifiers:

    >>> sorted(expect("copies", {"families:prune=yes": "0"}, families="R").formulas)
    ['families', 'families:prune=yes']
    """
    formulas: dict[str | None, Formula] = {}
    if isinstance(everywhere, Mapping):
        by_scheme = {**everywhere, **by_scheme}
    elif everywhere is not None:
        formulas[None] = Formula(_by_i_mmap(everywhere, i_mmap) if i_mmap else everywhere)
    formulas |= {name: Formula(text) for name, text in by_scheme.items()}
    return Expectation(figure, formulas, why)


def _by_i_mmap(everywhere: str, i_mmap: Mapping[str, str]) -> str:
    """One formula of several."""
    cases = [f"{text} if I_MMAP == {name!r} else " for name, text in i_mmap.items()]
    return "".join(f"({case}" for case in cases) + everywhere + ")" * len(cases)


@dataclass(frozen=True)
class Scenario:
    """One experiment: what runs, what the lab does at the mark, what docs/schemes.md predicts.

    ``guest`` has the scenario's name unless it is told: a guest that comes with vmemu, or a file
    of C or a program, relative to ``home``.  ``act`` is called when it marks
    ``mark``, and pages the area out unless it is told; the rmap's work is counted from its
    beginning to its end, or over the whole run if ``whole_run``.  ``frames`` is what the guest
    needs; unless ``pressure`` the machine gets plenty more.  ``arguments`` are the guest's
    besides its parameters.  Reported besides what every scenario reports: ``figures``, counters
    of what the lab did (or of the whole run); ``watch``, counters over the whole run; ``tells``,
    the first argument of other marks, by mark; ``phases``, marks whose first argument is the
    number of calls, or of pages written, up to the next: the locks these take before and after
    rmap 34 (:mod:`vmemu.lab.locks`), in a machine of ``least_frames``, so that memory is
    reclaimed meanwhile.

    ``origin`` is the reference that `vmemu.lab.scenarios.find_scenario` found it by, "" for one
    that is made in Python; one with an origin is pickled as that, and what differs from it.
    """

    name: str
    section: str
    summary: str
    parameters: tuple[Parameter, ...]
    expectations: tuple[Expectation, ...]
    guest: str = ""
    act: Callable[[Visit], None] = reclaim_caller
    frames: Formula = Formula("0")
    mark: str = "measure"
    arguments: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    watch: tuple[str, ...] = ()
    tells: Mapping[str, str] = field(default_factory=dict)
    whole_run: bool = False
    pressure: bool = False
    phases: tuple[str, ...] = ()
    least_frames: Formula = Formula("256")
    ram: str = "32M"
    swap: str = "64M"
    origin: str = field(default="", compare=False)
    home: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "guest", self.guest or self.name)
        for name in ("parameters", "expectations", "arguments", "figures", "watch", "phases"):
            value: Any = getattr(self, name)
            if isinstance(value, list):  # as somebody may write it
                object.__setattr__(self, name, tuple(value))

    def __reduce__(self) -> str | tuple[Any, ...]:
        if not self.origin:
            values = [getattr(self, each.name) for each in dataclasses.fields(self)]
            return Scenario, tuple(values)
        from vmemu.lab.scenarios import find_scenario

        changed = self.changed()
        if not changed:
            return find_scenario, (self.origin,)
        # the first is read first, which loads the module of the functions in the others
        return _replaced, (find_scenario(self.origin), changed)

    def changed(self) -> dict[str, Any]:
        """The fields in which it differs from the scenario that its origin names."""
        from vmemu.lab.scenarios import find_scenario

        found = find_scenario(self.origin)
        names = [each.name for each in dataclasses.fields(self) if each.compare]
        return {
            name: getattr(self, name)
            for name in names
            if getattr(self, name) != getattr(found, name)
        }

    def settle_each(self, settings: Mapping[str, str]) -> Iterator[dict[str, Value]]:
        """Every combination of values, of ``settings`` that may be lists and ranges.

        The last parameter changes fastest; ConfigError as `settle` raises it.
        """
        from vmemu.lab.ranges import texts

        names = [each.name for each in self.parameters if each.name in settings]
        given = [settings[name] for name in names]
        try:
            lists = [texts(text) if "," in text or ".." in text else [text] for text in given]
        except ConfigError as error:
            raise ConfigError(f"{self.name}: {error}") from None
        for values in itertools.product(*lists):
            yield self.settle(dict(zip(names, values, strict=True)))

    def settle(self, settings: Mapping[str, str]) -> dict[str, Value]:
        """Every parameter's value, from ``settings`` or by default.

        Settings of other names are passed over; ConfigError for values that cannot be.
        """
        settled = {}
        for parameter in self.parameters:
            try:
                given = settings.get(parameter.name)
                settled[parameter.name] = (
                    parameter.default if given is None else parameter.parse(given)
                )
            except ConfigError as error:
                raise ConfigError(f"{self.name}: {error}") from None
        return settled

    def expected(self, scheme: str) -> dict[str, tuple[Formula, str]]:
        """What is derived for a scheme, by figure, and why: its own formulas before others'."""
        from vmemu.rmap import scheme_class

        expected = {
            each.figure: (formula, each.why)
            for each in self.expectations
            if (formula := each.formula(scheme)) is not None
        }
        own = scheme_class(scheme).formulas_of(self.name)
        expected |= {figure: (Formula(text), why) for figure, (text, why) in own.items()}
        return expected

    def argv(self, params: Params) -> list[str]:
        """The guest's command line."""
        return [
            self.guest.rpartition("/")[2].removesuffix(".c"),
            *self.arguments,
            *(f"{name}={value}" for name, value in params.items()),
        ]


def _replaced(scenario: Scenario, changed: Mapping[str, Any]) -> Scenario:
    return dataclasses.replace(scenario, **changed)
