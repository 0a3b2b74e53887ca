"""The reverse maps: :func:`scheme_class` by name, :func:`schemes` for all of them.

A scheme of one's own is a subclass of :class:`~vmemu.rmap.python.PythonScheme`, named by an
entry point of the group ``vmemu.rmap`` or handed to ``Machine(rmap=...)`` as it is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from vmemu.errors import ConfigError
from vmemu.rmap.base import STOP_RULES, RmapScheme

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = [
    "DEFAULT",
    "RmapScheme",
    "builtin",
    "called",
    "checked_scheme",
    "compared",
    "files_of",
    "is_builtin",
    "predicted",
    "scheme_class",
    "scheme_names",
    "schemes",
]

DEFAULT = "anon_vma"
"""What a machine has when nothing else is said: 2.6.7's."""


@functools.cache
def builtin() -> dict[str, type[RmapScheme]]:
    """The schemes of the core by name: SCHEMES of ``vmemu.rmap.NAME`` for each of its table.

    The classes behind the walker ``python`` are their users' own.
    """
    from vmemu.core import RMAPS

    modules = [import_module(f"vmemu.rmap.{name}") for name in RMAPS if name != "python"]
    return {scheme.name: scheme for module in modules for scheme in module.SCHEMES}


def compared() -> tuple[str, ...]:
    """The schemes that are compared when none is asked for."""
    return tuple(name for name, scheme in builtin().items() if scheme.compared)


def predicted() -> list[str]:
    """The schemes whose figures are derived, those last that another's formulas hold for."""
    names = {name: scheme.predicted_as for name, scheme in builtin().items()}
    return sorted((name for name in names if names[name]), key=lambda name: names[name] != name)


def _installed() -> dict[str, EntryPoint]:
    """What other packages bring by name, not loaded; the core's names stay its own."""
    from importlib.metadata import entry_points

    found = entry_points(group="vmemu.rmap")
    return {entry.name: entry for entry in found if entry.name not in builtin()}


def scheme_names() -> list[str]:
    """The names of every scheme, those of entry points included, which are not loaded."""
    return [*builtin(), *_installed()]


def schemes() -> dict[str, type[RmapScheme]]:
    """Every scheme by name; ConfigError for an entry point that cannot be loaded."""
    return builtin() | {name: _load(name, entry.load) for name, entry in _installed().items()}


@functools.cache
def scheme_class(name: str) -> type[RmapScheme]:
    """The scheme called ``name``, or the class at ``module:Class``; ConfigError if none is.

    ``OPTION=VALUE`` may follow, each behind a colon, as in ``pte_chain:line=64``.
    """
    plain, *chosen = _parts(name)
    scheme = _named(plain)
    return _with_options(scheme, name, chosen) if chosen else scheme


def is_builtin(scheme: str) -> bool:
    """Whether a scheme, whatever its options, comes with vmemu; nothing else is loaded."""
    return _parts(scheme)[0] in builtin()


def called(scheme: str) -> list[str]:
    """The names that formulas may know a scheme by, the most exact first.

    A scheme that is not vmemu's own has those of its class and without its options too, as long
    as mapcount ends its walks.
    """
    if is_builtin(scheme):
        return [scheme]
    found, names = scheme_class(scheme), [scheme]
    if found.chosen.get("stop", STOP_RULES[0]) == STOP_RULES[0]:
        plain = found.__base__ if found.chosen and found.name == scheme else found
        names += [_parts(scheme)[0], getattr(plain, "name", scheme)]
    return list(dict.fromkeys(names))


def files_of(scheme: str) -> list[str]:
    """The Python files that a scheme's results depend on; none of one that is vmemu's own."""
    if is_builtin(scheme):
        return []
    import sys

    from vmemu.loading import module_file
    from vmemu.sources import modules_of

    found: dict[str, None] = {}
    for each in scheme_class(scheme).__mro__:
        name = each.__module__
        module, top = sys.modules.get(name), name.partition(".")[0]
        if module is not None and top != "vmemu" and top not in sys.stdlib_module_names:
            path = module_file(module)
            found |= dict.fromkeys([path, *modules_of(path, name)] if path else [])
    return list(found)


def _parts(name: str) -> list[str]:
    """``name`` without its options, and these."""
    parts = name.split(":")
    options = next((at for at, part in enumerate(parts) if "=" in part), len(parts))
    return [":".join(parts[:options]), *parts[options:]]


def _with_options(scheme: type[RmapScheme], name: str, chosen: list[str]) -> type[RmapScheme]:
    values = dict(scheme.chosen)
    for text in chosen:
        option, _, value = text.partition("=")
        options = scheme.all_options()
        if option not in options:
            has = ", ".join(options) or "none"
            raise ConfigError(f"{scheme.name} has no option {option!r}: it has {has}")
        if value not in options[option]:
            may = " or ".join(options[option])
            raise ConfigError(f"{option} of {scheme.name} is {may}, not {value!r}")
        values[option] = value
    own = {"name": name, "chosen": values, "compared": False}
    if values.get("stop", STOP_RULES[0]) != STOP_RULES[0]:
        own |= {"predicted_as": "", "predictions": {}}  # formulas are of walks that mapcount ends
    return type(scheme.__name__, (scheme,), own)


def _named(name: str) -> type[RmapScheme]:
    from vmemu.core import RMAPS

    if name in RMAPS and name != "python":  # its own module is enough, as a program starts
        for scheme in import_module(f"vmemu.rmap.{name}").SCHEMES:
            if scheme.name == name:
                own: type[RmapScheme] = scheme
                return own
    if name in builtin():
        return builtin()[name]
    if ":" in name:
        return _at(*name.split(":", 1))
    installed = _installed()
    if name not in installed:
        known = ", ".join(scheme_names())
        raise ConfigError(f"unknown rmap scheme {name!r}: choose one of {known}")
    return _load(name, installed[name].load)


def _at(module: str, attribute: str) -> type[RmapScheme]:
    """The class at ``module:attribute``, or what may be meant instead."""
    try:
        return _load(f"{module}:{attribute}", lambda: getattr(import_module(module), attribute))
    except ConfigError:
        if module not in scheme_names():
            raise
    raise ConfigError(f"{module} takes options as OPTION=VALUE, not {attribute!r}")


def checked_scheme(scheme: object) -> type[RmapScheme]:
    """``scheme`` if a machine can use the class; ConfigError says why not."""
    from vmemu.rmap.declared import check_class
    from vmemu.rmap.python import PythonScheme

    if not (isinstance(scheme, type) and issubclass(scheme, RmapScheme)):
        raise ConfigError(
            f"rmap must be a scheme's name or a subclass of vmemu.rmap.RmapScheme, not {scheme!r}"
        )
    check_class(scheme)
    if issubclass(scheme, PythonScheme) and scheme.walker != "python":
        raise ConfigError(
            f"{scheme.__name__} is written in Python, so its walker must be 'python', "
            f"not {scheme.walker!r}"
        )
    if scheme.finds_anon and getattr(scheme, "candidates", None) is PythonScheme.candidates:
        raise ConfigError(
            f"{scheme.__name__} says that it finds anonymous pages, but has no candidates()"
        )
    return scheme


def _load(name: str, get: Callable[[], object]) -> type[RmapScheme]:
    try:
        scheme = get()
    except (Exception, SystemExit) as error:  # whatever a module may raise while it is imported
        raise ConfigError(
            f"cannot load the rmap scheme {name!r}: {type(error).__name__}: {error}"
        ) from None
    if not (isinstance(scheme, type) and issubclass(scheme, RmapScheme)):
        raise ConfigError(f"{name!r} is not a subclass of vmemu.rmap.RmapScheme")
    return checked_scheme(scheme)
