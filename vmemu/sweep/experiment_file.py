"""Experiment files: TOML that says what a sweep runs, and may define scenarios."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmemu.errors import ConfigError
from vmemu.lab.scenarios import find_scenario
from vmemu.sweep.defined import DEFINED, define
from vmemu.sweep.draft import LIMITS, Draft, Find
from vmemu.sweep.given import Given, Place, as_written, did_you_mean
from vmemu.sweep.references import anchored
from vmemu.sweep.settings import SETTINGS
from vmemu.sweep.toml import Document, KeyPlace, read_document
from vmemu.sweep.words import together

if TYPE_CHECKING:
    from vmemu.lab.scenario import Scenario
    from vmemu.sweep.plan import Plan

__all__ = ["KEYS", "definition", "read_drafts", "read_plan", "scenario_in"]

KEYS = ("scenario", "scenarios", "rmap", "parameters", "limits", *SETTINGS)
"""What may stand at the top, for every experiment, and in an experiment."""

_MEANT = {"scheme": "rmap", "schemes": "rmap", "parameter": "parameters", "set": "parameters"}


def read_plan(path: str) -> Plan:
    """The plan of an experiment file; ConfigError tells file, line and key."""
    return together(read_drafts(path), Draft(Place("")))


def scenario_in(path: str, name: str | None = None) -> Scenario:
    """The scenario that a file defines; its only one unless ``name`` is told."""
    document = read_document(path)
    top = KeyPlace("", document, ())
    defined = _definitions(document)
    if not defined:
        raise ConfigError(f"{path} defines no scenario: it has no table [scenarios.NAME]")
    if name is None:
        if len(defined) > 1:
            first = next(iter(defined))
            raise ConfigError(
                f"{path} has {len(defined)} scenarios, {', '.join(defined)}: "
                f"say which, as in {path}:{first}"
            )
        (name,) = defined
    if name not in defined:
        raise ConfigError(f"{path} has no scenario {name!r}: {did_you_mean(name, defined)}")
    return define(name, defined[name], top.inside("scenarios").inside(name))


def definition(path: str, name: str) -> str:
    """What a file says of a scenario, as text that is the same for the same definition."""
    return json.dumps(_definitions(read_document(path)).get(name), sort_keys=True, default=str)


def read_drafts(path: str) -> list[Draft]:
    """The experiments of a file, each with what holds for all, not yet checked."""
    document = read_document(path)
    top = KeyPlace("", document, ())
    definitions = _definitions(document)
    defined = {
        name: define(name, table, top.inside("scenarios").inside(name))
        for name, table in definitions.items()
    }

    def find(reference: str) -> tuple[str, Scenario]:
        scenario = defined.get(reference)
        if scenario is None:
            scenario = find_scenario(anchored(reference, str(Path(path).parent)))
        return scenario.origin, scenario

    data = {key: value for key, value in document.data.items() if key != "experiment"}
    if isinstance(data.get("scenarios"), dict):
        del data["scenarios"]
    defaults = _draft(data, top, ("experiment",))
    tables = document.data.get("experiment", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise top.inside("experiment").error("an experiment is a table: write [[experiment]]")
    drafts = [
        _draft(table, KeyPlace("", document, ("experiment", at))) for at, table in enumerate(tables)
    ] or [Draft(top)]
    found = [_with_find(draft, defaults, find) for draft in drafts]
    _check_used(found, defaults)
    return found


def _with_find(draft: Draft, defaults: Draft, find: Find) -> Draft:
    """The experiment with what holds for all, of which only parameters that it can have."""
    own = replace(draft, find=find, scenarios=draft.scenarios or defaults.scenarios)
    has = {p.name for scenario in own.chosen().values() for p in scenario.parameters}
    fitting = {name: given for name, given in defaults.parameters.items() if name in has}
    return own.over(replace(defaults, parameters=fitting))


def _check_used(drafts: list[Draft], defaults: Draft) -> None:
    """ConfigError for a parameter at the top that no experiment can have."""
    for name, given in defaults.parameters.items():
        if not any(name in draft.parameters for draft in drafts):
            known = {
                parameter.name: None
                for draft in drafts
                for scenario in draft.chosen().values()
                for parameter in scenario.parameters
            }
            raise given.place.error(
                f"no scenario here has a parameter {name!r}: {did_you_mean(name, known)}"
            )


def _definitions(document: Document) -> Mapping[str, Any]:
    """The tables [scenarios.NAME]; nothing where scenarios is a list of references."""
    found = document.data.get("scenarios", {})
    return found if isinstance(found, dict) else {}


def _draft(table: Mapping[str, Any], place: KeyPlace, more: tuple[str, ...] = ()) -> Draft:
    """What one table says; ``more``: what else may stand in it."""
    for key, value in table.items():
        if key not in KEYS:
            raise place.inside(key).error(_unknown(key, value, (*KEYS, *more)))
    if "scenario" in table and "scenarios" in table:
        raise place.inside("scenarios").error("give scenario or scenarios, not both")
    called = "scenarios" if "scenarios" in table else "scenario"
    return Draft(
        place,
        scenarios=_scenarios(table, place, called),
        schemes=Given(table["rmap"], place.inside("rmap")) if "rmap" in table else None,
        parameters=_inner(table, place, "parameters", ""),
        settings={
            key: Given(value, place.inside(key)) for key, value in table.items() if key in SETTINGS
        },
        limits=_inner(table, place, "limits", "limits", LIMITS),
    )


def _scenarios(table: Mapping[str, Any], place: KeyPlace, called: str) -> Given | None:
    if called not in table:
        return None
    value, at = table[called], place.inside(called)
    if isinstance(value, dict):
        raise at.error("scenarios are defined at the top of a file, not in an experiment")
    return Given(value, at)


def _inner(
    table: Mapping[str, Any],
    place: KeyPlace,
    name: str,
    label: str,
    known: tuple[str, ...] = (),
) -> dict[str, Given]:
    """The values of a table within, with places whose labels begin with ``label``."""
    at = place.inside(name)
    values = table.get(name, {})
    if not isinstance(values, dict):
        takes = "NAME = VALUE in a table" if not known else f"a table with {' and '.join(known)}"
        raise at.error(f"{name} takes {takes}, not {as_written(values)}")
    inside = KeyPlace(label, at.document, at.path)
    for key in values:
        if known and key not in known:
            raise inside.inside(key).error(f"unknown limit {key!r}: {did_you_mean(key, known)}")
    return {key: Given(value, inside.inside(key)) for key, value in values.items()}


def _unknown(key: str, value: object, known: tuple[str, ...]) -> str:
    if key in _MEANT:
        return f"unknown key {key!r}: did you mean {_MEANT[key]}?"
    if key in LIMITS:
        return f"unknown key {key!r}: it stands in the table [limits]"
    if key in DEFINED:
        return f"unknown key {key!r}: it stands in a table [scenarios.NAME]"
    hint = did_you_mean(key, known)
    if hint.startswith("choose"):
        hint = "a parameter stands in the table [parameters]"
    return f"unknown key {key!r}: {hint}"
