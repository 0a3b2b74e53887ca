"""A scenario that an experiment file defines, without Python: ``[scenarios.NAME]``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmemu.errors import ConfigError
from vmemu.lab import actions
from vmemu.lab.guests import guest_file, guest_names
from vmemu.lab.inspection import inspect
from vmemu.lab.scenario import Expectation, Formula, Parameter, Scenario
from vmemu.lab.scenarios import SCENARIOS
from vmemu.rmap import is_builtin, scheme_names
from vmemu.sweep.given import PlacedError, as_written, did_you_mean
from vmemu.sweep.toml import KeyPlace

if TYPE_CHECKING:
    from vmemu.lab.experiment import Visit

__all__ = ["DEFINED", "define"]

_TEXT, _FLAG, _NUMBER, _TEXTS = "text", "true or false", "a whole number", "a list of texts"
_EITHER, _TABLE, _TELLS = "a whole number or text", "a table", "a table of texts"


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_KINDS: Mapping[str, Callable[[Any], bool]] = {
    _TEXT: lambda value: isinstance(value, str),
    _FLAG: lambda value: isinstance(value, bool),
    _NUMBER: _is_number,
    _EITHER: lambda value: isinstance(value, str) or _is_number(value),
    _TABLE: lambda value: isinstance(value, dict),
    _TEXTS: lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
    _TELLS: lambda value: (
        isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
    ),
}

DEFINED = {
    "program": _TEXT,
    "summary": _TEXT,
    "mark": _TEXT,
    "act": _TEXT,
    "frames": _EITHER,
    "ram": _EITHER,
    "swap": _EITHER,
    "pressure": _FLAG,
    "whole_run": _FLAG,
    "watch": _TEXTS,
    "arguments": _TEXTS,
    "tells": _TELLS,
    "parameters": _TABLE,
    "expect": _TABLE,
}
"""The keys of a definition, and what each takes."""

_PARAMETER = {
    "default": _EITHER,
    "least": _NUMBER,
    "most": _NUMBER,
    "choices": _TEXTS,
    "counted": _TEXT,
}

_WHY, _EVERYWHERE = "why", "everywhere"


def define(name: str, table: object, place: KeyPlace) -> Scenario:
    """The scenario that a table defines; ConfigError tells file, line and key."""
    given = _checked(table, DEFINED, place)
    path = str(Path(place.document.name).absolute())
    home = str(Path(path).parent)
    if name in SCENARIOS:
        raise place.error(f"vmemu has a scenario {name!r} already: choose another name")
    if name != "".join(name.split()) or not name or set(name) & set("/:"):
        raise place.error(f"a scenario's name is one word without / and :, not {name!r}")
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in given.items()
        if key not in ("program", "act", "frames", "parameters", "expect")
    }
    fields["guest"] = _program(name, given, home, place)
    if "act" in given:
        fields["act"] = _act(given["act"], place.inside("act"))
    fields |= {size: str(given[size]) for size in ("ram", "swap") if size in given}
    if "frames" in given:
        fields["frames"] = _formula(given["frames"], place.inside("frames"))
    scenario = Scenario(
        name=name,
        section="",
        parameters=tuple(_parameters(given.get("parameters", {}), place.inside("parameters"))),
        expectations=tuple(_expectations(given.get("expect", {}), place.inside("expect"))),
        origin=f"{path}:{name}",
        home=home,
        **{"summary": "", **fields},
    )
    try:
        inspect(scenario, where=partial(_where, given, place))
    except ConfigError as error:
        raise PlacedError(str(error)) from None
    return scenario


def _checked(table: object, known: Mapping[str, str], place: KeyPlace) -> dict[str, Any]:
    """The table, whose keys are known ones with values of their kinds."""
    if not isinstance(table, dict):
        raise place.error(f"it takes a table with {', '.join(known)}, not {as_written(table)}")
    for key, value in table.items():
        if key not in known:
            raise place.inside(key).error(f"unknown key {key!r}: {did_you_mean(key, known)}")
        if not _KINDS[known[key]](value):
            raise place.inside(key).error(f"{key} takes {known[key]}, not {as_written(value)}")
    return table


def _program(name: str, given: Mapping[str, Any], home: str, place: KeyPlace) -> str:
    """The guest: a shipped one, or a file beside the experiment file."""
    program = str(given.get("program", name))
    at = place.inside("program") if "program" in given else place
    try:
        guest_file(program, home)
    except ConfigError as error:
        if "program" not in given:
            said = 'it needs a program, such as program = "fork-server" or "./mine.c"'
            raise at.error(said) from None
        near = get_close_matches(program, guest_names(), 1)
        raise at.error(f"{error}: did you mean {near[0]}?" if near else str(error)) from None
    return program


def _act(name: str, place: KeyPlace) -> Callable[[Visit], None]:
    if name not in actions.__all__:
        raise place.error(f"there is no action {name!r}: {did_you_mean(name, actions.__all__)}")
    found: Callable[[Visit], None] = getattr(actions, name)
    return found


def _formula(value: object, place: KeyPlace) -> Formula:
    if not _KINDS[_EITHER](value):
        raise place.error(f"a formula is text or a whole number, not {as_written(value)}")
    with place.names_errors():
        return Formula(str(value).strip())


def _parameters(table: Mapping[str, Any], place: KeyPlace) -> Iterator[Parameter]:
    for name, value in table.items():
        at = KeyPlace(name, place.document, (*place.path, name))
        if _KINDS[_EITHER](value):
            yield Parameter(name, value)
            continue
        if not isinstance(value, dict):
            takes = "a default, or a table with it"
            raise at.error(f"{name} takes {takes}, not {as_written(value)}")
        told = dict(_checked(value, _PARAMETER, at))
        if "default" not in told:
            raise at.error(f"{name} needs a default")
        if told.get("least", 0) > told.get("most", told.get("least", 0)):
            raise at.inside("most").error("most is below least")
        told["choices"] = tuple(told.get("choices", ()))
        yield Parameter(name, **told)


def _expectations(table: Mapping[str, Any], place: KeyPlace) -> Iterator[Expectation]:
    for figure, value in table.items():
        at = place.inside(figure)
        formulas: dict[str | None, Formula] = {}
        why = ""
        if not isinstance(value, dict):
            yield Expectation(figure, {None: _formula(value, at)})
            continue
        for key, text in value.items():
            inside = at.inside(key)
            if key == _WHY:
                if not isinstance(text, str):
                    raise inside.error(f"{key} takes text, not {as_written(text)}")
                why = text
                continue
            if key != _EVERYWHERE:
                _check_scheme(key, inside)
            formulas[None if key == _EVERYWHERE else key] = _formula(text, inside)
        yield Expectation(figure, formulas, why)


def _check_scheme(name: str, place: KeyPlace) -> None:
    """ConfigError for a mere name that no scheme has: its formulas would never be used."""
    if ":" in name or is_builtin(name) or name in scheme_names():
        return
    names = [*scheme_names(), _EVERYWHERE, _WHY]
    hint = did_you_mean(name, names)
    raise place.error(f"there is no scheme {name!r}: {hint} (a class is named module:Class)")


def _where(given: Mapping[str, Any], place: KeyPlace, text: str, near: str) -> str:
    """File and line of a text that `inspect` complains of; of the table, if it is not there."""
    found = [path for path, said in _texts(given) if text and text in said]
    found.sort(key=lambda path: near not in path)  # stable: else as they stand
    path = (*place.path, *(found[0] if found else ()))
    return f"{place.document.name}, line {place.document.line(path)}: "


def _texts(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[Any, set[str]]]:
    """Every key and element within, and how it may be called."""
    inside: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        inside = value.items()
    elif isinstance(value, list):
        inside = enumerate(value)
    for key, each in inside:
        yield (*path, key), {str(key), str(each)}
        yield from _texts(each, (*path, key))
