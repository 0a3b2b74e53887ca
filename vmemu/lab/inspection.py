"""Whether a scenario from outside vmemu can be run at all: its fields, its guest, its formulas.

What vmemu brings has tests for that; what somebody else wrote is looked through when it is
loaded, so that a slip is told with its line before anything runs.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from vmemu import arguments
from vmemu.core import COUNTERS
from vmemu.errors import ConfigError
from vmemu.lab.figures import OBJECTS, figures_of, options_of
from vmemu.lab.guests import guest_file
from vmemu.lab.scenario import Expectation, Formula, Parameter, Scenario
from vmemu.loading import line_of, place
from vmemu.rmap import builtin, is_builtin, scheme_class

__all__ = ["inspect"]

Where = Callable[[str, str], str]

_FIELDS = {
    "name": str,
    "section": str,
    "summary": str,
    "guest": str,
    "frames": Formula,
    "mark": str,
    "whole_run": bool,
    "pressure": bool,
    "least_frames": Formula,
}
_TUPLES = {
    "parameters": Parameter,
    "expectations": Expectation,
    "arguments": str,
    "figures": str,
    "watch": str,
    "phases": str,
}
_WORDS = {str: "a string", bool: "True or False"}


def inspect(scenario: Scenario, path: str = "", where: Where | None = None) -> None:
    """ConfigError for the first thing about a scenario that cannot be, with file and line.

    ``path`` is the Python file it stands in; otherwise ``where`` gives, of a text and of what it
    is about, the place that the message begins with.
    """
    named = scenario.name if isinstance(scenario.name, str) else ""
    for problem, text, near in _problems(scenario):
        if where is not None:
            raise ConfigError(f"{where(text or named, near)}{problem}")
        lines = (line_of(path, text, near), line_of(path, near), line_of(path, named))
        raise ConfigError(f"{place(path, next(filter(None, lines), 0))}{problem}")


Problem = tuple[str, str, str]  # what to say; the text to look for, and what it is about


def _problems(scenario: Scenario) -> Iterator[Problem]:
    yield from _of_fields(scenario)  # one stops at the first, so that the rest may rely on these
    yield from _of_parameters(scenario)
    name = scenario.name
    for counter in (*scenario.figures, *scenario.watch):
        if counter not in COUNTERS:
            yield f"{name} watches {counter!r}: {_near(counter, COUNTERS, 'counter')}", counter, ""
    for what in ("ram", "swap"):
        try:
            arguments.size(getattr(scenario, what), what)
        except ConfigError as error:
            yield f"{name}: {error}", str(getattr(scenario, what)), ""
    try:
        guest_file(scenario.guest, scenario.home)
    except ConfigError as error:
        yield f"{name}: {error}", scenario.guest, ""
    yield from _of_formulas(scenario)


def _of_fields(scenario: Scenario) -> Iterator[Problem]:
    name = scenario.name
    if not isinstance(name, str) or not name or name != "".join(name.split()):
        yield f"the name of a scenario is one word, not {name!r}", str(name), ""
    for field, kind in _FIELDS.items():
        value = getattr(scenario, field)
        if not isinstance(value, kind):
            yield f"{name}: {field} is {_a(kind)}, not {_shown(value)}", "", ""
    for field, kind in _TUPLES.items():
        value = getattr(scenario, field)
        if not isinstance(value, tuple):
            yield f"{name}: {field} is a tuple of {kind.__name__}, not {_shown(value)}", "", ""
            continue
        for each in value:
            if not isinstance(each, kind):
                yield f"{name}: {field} are each {_a(kind)}, not {_shown(each)}", "", ""
    tells: Any = scenario.tells
    if not isinstance(tells, Mapping) or not all(
        isinstance(each, str) for pair in tells.items() for each in pair
    ):
        yield f"{name}: tells is a dict of marks and figures, not {_shown(tells)}", "", ""
    act: Any = scenario.act
    if not callable(act):
        yield f"{name}: act is a function of a Visit, not {_shown(act)}", "", ""


def _of_parameters(scenario: Scenario) -> Iterator[Problem]:
    seen: dict[str, str] = {}  # as SQL sees names, which knows no capitals
    for parameter in scenario.parameters:
        called, default = parameter.name, parameter.default
        if not isinstance(called, str) or not called.isidentifier():
            yield f"a parameter is called {called!r}, which no formula can name", str(called), ""
        other = seen.get(str(called).lower())
        if other == called:
            yield f"{scenario.name} has two parameters {called}", called, ""
        elif other is not None:
            both = f"{other} and {called}, which are one column in SQL"
            yield f"{scenario.name} has the parameters {both}", called, ""
        seen[str(called).lower()] = called
        try:
            fits = parameter.parse(str(default)) == default
        except ConfigError as error:
            yield f"the default of {scenario.name}: {error}", called, ""
        except Exception:  # whatever a field of another type may raise
            yield (
                f"the parameter {called} of {scenario.name} has a field of a wrong type",
                called,
                "",
            )
        else:
            if not fits:
                yield f"the default of {called} cannot be {_shown(default)}", called, ""


def _of_formulas(scenario: Scenario) -> Iterator[Problem]:
    name = scenario.name
    parameters = {parameter.name for parameter in scenario.parameters}
    for field in ("frames", "least_frames"):
        formula = getattr(scenario, field)
        for unknown in _unknown(formula, parameters):
            yield _names_nothing(scenario, formula, field, unknown)
    own = figures_of(scenario, builtin().values())
    known = own | parameters | options_of(builtin().values()) | {"BITS", "I_MMAP"}
    for expectation in scenario.expectations:
        figure, formulas = expectation.figure, expectation.formulas
        if not _is_known(figure, own | _more(scenario, [each for each in formulas if each])):
            yield f"{name}: {_near(figure, own, 'figure')}", figure, ""
        for scheme, formula in formulas.items():
            unknowns = _unknown(formula, known)
            if unknowns and scheme:
                unknowns = _unknown(formula, known | _more(scenario, [scheme]))
            for unknown in unknowns:
                yield _names_nothing(scenario, formula, figure, unknown)


class _Anything(set[str]):
    """What a scheme that is not installed here may have."""

    def __contains__(self, name: object) -> bool:
        return True

    def __ror__(self, other: object) -> _Anything:
        return self


def _more(scenario: Scenario, schemes: Iterable[str]) -> set[str]:
    """The figures and options of schemes that are not vmemu's own."""
    others = [name for name in schemes if not is_builtin(name)]
    try:
        found = [scheme_class(name) for name in others]
    except ConfigError:
        return _Anything()
    return figures_of(scenario, found) | options_of(found)


def _names_nothing(scenario: Scenario, formula: Formula, of: str, unknown: str) -> Problem:
    has = ", ".join(parameter.name for parameter in scenario.parameters)
    told = f"has the parameters {has}" if has else "has no parameters"
    said = f"the formula {formula.text!r} of {of} names {unknown}: {scenario.name} {told}"
    return said, formula.text, of


def _unknown(formula: Formula, known: set[str]) -> list[str]:
    return [name for name in _names(formula.text) if not _is_known(name, known)]


def _names(text: str) -> list[str]:
    """What a formula takes from outside, in its order."""
    nodes = [node for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Name)]
    made = {node.id for node in nodes if not isinstance(node.ctx, ast.Load)}
    nodes.sort(key=lambda node: node.col_offset)
    return list(dict.fromkeys(node.id for node in nodes if node.id not in made))


def _is_known(name: str, known: set[str]) -> bool:
    return name in known or name.startswith(OBJECTS)  # of whichever slab cache


def _near(name: str, known: Iterable[str], what: str) -> str:
    near = difflib.get_close_matches(name, sorted(known), 1)
    return f"there is no {what} {name!r}" + (f": did you mean {near[0]}?" if near else "")


def _a(kind: type) -> str:
    return _WORDS.get(kind, f"a {kind.__name__}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
