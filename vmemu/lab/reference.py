"""What a reference names: a scenario that does not come with vmemu.

A reference is text, so that it can stand on a command line, in a file and in a table:

FILE.py:NAME      a Python file; NAME is a variable, or what the scenario in it is called
FILE.toml:NAME    an experiment file that defines scenarios
MODULE:NAME       a module, by its name
NAME              an entry point of the group ``vmemu.scenario``
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import os
import re
from collections.abc import Iterable
from types import ModuleType
from typing import TYPE_CHECKING

from vmemu.errors import ConfigError
from vmemu.lab.guests import guest_file
from vmemu.lab.inspection import inspect
from vmemu.lab.scenario import Scenario
from vmemu.loading import display, load_file, load_module, module_file
from vmemu.paths import exists, is_file
from vmemu.sources import headers_of, modules_of

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["find", "installed", "is_reference", "scenario_files"]

_FILE = re.compile(r"(?P<path>.*\.(?:py|toml))(?::(?P<name>[^:/]*))?", re.DOTALL)


def installed() -> dict[str, EntryPoint]:
    """What other packages bring by name, not loaded; vmemu's names stay its own."""
    from importlib.metadata import entry_points

    from vmemu.lab.scenarios import SCENARIOS

    found = entry_points(group="vmemu.scenario")
    return {entry.name: entry for entry in found if entry.name not in SCENARIOS}


def is_reference(text: str) -> bool:
    """Whether it leads to a file or a module, and is no mere name."""
    return ":" in text or "/" in text or text.endswith((".py", ".toml"))


def find(reference: str) -> Scenario:
    """The scenario that a reference names; ConfigError in one sentence."""
    if is_reference(reference):
        parts = _FILE.fullmatch(reference)
        if parts:
            return _in_file(parts["path"], parts["name"])
        if "/" in reference:
            raise ConfigError(_no_file(reference))
        module, _, name = reference.partition(":")
        return _in_module(reference, module, name)
    entry = installed().get(reference)
    if entry is None:
        raise ConfigError(f"unknown scenario {reference!r}: {_hint(reference)}")
    module, _, name = entry.value.partition(":")
    return _in_module(reference, module.strip(), name.partition("[")[0].strip())


def scenario_files(scenario: Scenario) -> list[str]:
    """The files of a user's that a scenario depends on: those that define it, its guest's."""
    found: list[str] = []
    if is_reference(scenario.origin):
        parts = _FILE.fullmatch(scenario.origin)
        if parts and parts["path"].endswith(".toml"):
            found.append(os.path.abspath(parts["path"]))
        elif parts:
            path = os.path.realpath(parts["path"])
            found += [path, *modules_of(path)]
        else:
            found += _of_module(scenario.origin.partition(":")[0])
    elif entry := installed().get(scenario.origin):
        found += _of_module(entry.value.partition(":")[0].strip())
    guest = guest_file(scenario.guest, scenario.home)
    if guest:
        found.append(guest)
        found += headers_of(guest) if guest.endswith(".c") else []
    return list(dict.fromkeys(found))


def _of_module(name: str) -> list[str]:
    path = module_file(load_module(name))
    return [path, *modules_of(path, name)] if path else []


def _in_file(path: str, name: str | None) -> Scenario:
    if name == "":
        raise ConfigError(f"{path}: names no scenario behind the colon")
    if not is_file(path):
        raise ConfigError(_no_file(path))
    if path.endswith(".toml"):
        return _in_experiment(os.path.abspath(path), name)
    return _of_file(os.path.realpath(path), name)


def _in_experiment(path: str, name: str | None) -> Scenario:
    from vmemu.sweep.experiment_file import scenario_in  # type: ignore[import-not-found,unused-ignore]

    scenario: Scenario = scenario_in(path, name)
    origin = scenario.origin or f"{path}:{scenario.name}"
    home = scenario.home or os.path.dirname(path)
    return dataclasses.replace(scenario, origin=origin, home=home)


def _of_file(path: str, name: str | None) -> Scenario:
    module = load_file(path)
    variable = _variable(module, name, display(path))
    return _made(module, variable, f"{path}:{variable}", path)


def _in_module(reference: str, module: str, name: str) -> Scenario:
    if not module:
        raise ConfigError(f"{reference!r} names no module before the colon")
    try:
        loaded = load_module(module)
    except ConfigError as error:
        raise ConfigError(f"cannot load the scenario {reference!r}: {error}") from None
    variable = _variable(loaded, name or None, module)
    origin = f"{module}:{variable}" if ":" in reference else reference
    return _made(loaded, variable, origin, module_file(loaded))


@functools.cache  # a module is loaded once
def _made(module: ModuleType, variable: str, origin: str, path: str) -> Scenario:
    """The scenario of a variable, with where it is from, and looked through."""
    found: Scenario = getattr(module, variable)
    home = found.home or os.path.dirname(path)
    scenario = dataclasses.replace(found, origin=origin, home=home)
    inspect(scenario, path)
    return scenario


def _variable(module: ModuleType, name: str | None, shown: str) -> str:
    """The module's variable with the scenario ``name``, or with the only one."""
    found = {key: value for key, value in vars(module).items() if isinstance(value, Scenario)}
    own = {id(value): key for key, value in reversed(found.items()) if not value.origin}
    if name is not None:
        if name in found:
            return name
        called = [key for key, value in found.items() if value.name == name]
        if len({id(found[key]) for key in called}) == 1:
            return called[0]
        if called:
            raise ConfigError(f"{shown} has two scenarios called {name}: {' and '.join(called)}")
        if hasattr(module, name):
            kind = type(getattr(module, name)).__name__
            raise ConfigError(f"{name} in {shown} is not a Scenario, but of type {kind}")
        raise ConfigError(f"{shown} has no scenario {name!r}: {_near(name, found)}")
    if not own:
        raise ConfigError(f"{shown} has no Scenario in a variable of its own")
    if len(own) > 1:
        names = [found[key].name for key in reversed(own.values())]
        raise ConfigError(
            f"{shown} has {len(own)} scenarios, {', '.join(names)}: "
            f"say which, as in {shown}:{names[0]}"
        )
    return next(iter(own.values()))


def _near(name: str, known: Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(name, known, 1)
    if near:
        return f"did you mean {near[0]}?"
    return f"choose from {', '.join(known)}" if known else "it has none"


def _hint(name: str) -> str:
    """What a mere name may have been meant for."""
    from vmemu.lab.scenarios import scenario_names

    for path in (f"{name}.py", f"{name}.toml"):
        if is_file(path):
            return f"did you mean ./{path}?"
    return _near(name, scenario_names())


def _no_file(path: str) -> str:
    """That there is no such file, and which may be meant."""
    directory, _, name = path.rpartition("/")
    kind = "neither a Python file (.py) nor an experiment file (.toml)"
    plain = path.partition(":")[0]
    if exists(plain) and not plain.endswith((".py", ".toml")):
        return f"{plain} is {kind}"
    try:
        beside = [each for each in os.listdir(directory or ".") if each.endswith((".py", ".toml"))]
    except OSError:
        beside = []
    near = difflib.get_close_matches(name.partition(":")[0], beside, 1)
    hint = f": did you mean {os.path.join(directory, near[0])}?" if near else ""
    return f"there is no file {plain}{hint}"
