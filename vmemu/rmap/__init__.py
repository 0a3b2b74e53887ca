"""The reverse maps: :func:`scheme_class` by name, :func:`schemes` for all of them.

A scheme of one's own is a subclass of :class:`~vmemu.rmap.python.PythonScheme`, named by an
entry point of the group ``vmemu.rmap`` or handed to ``Machine(rmap=...)`` as it is.
"""

from __future__ import annotations

from vmemu.errors import ConfigError
from vmemu.rmap.anon_vma import AnonVma, AnonVma39
from vmemu.rmap.anonmm import Anonmm
from vmemu.rmap.base import RmapScheme

__all__ = [
    "AnonVma",
    "AnonVma39",
    "Anonmm",
    "RmapScheme",
    "checked_scheme",
    "scheme_class",
    "schemes",
]

_BUILTIN: tuple[type[RmapScheme], ...] = (RmapScheme, Anonmm, AnonVma39, AnonVma)


def schemes() -> dict[str, type[RmapScheme]]:
    """Every scheme by name, those of entry points included."""
    from importlib.metadata import entry_points

    found = {scheme.name: scheme for scheme in _BUILTIN}
    for entry in entry_points(group="vmemu.rmap"):
        found[entry.name] = entry.load()
    return found


def scheme_class(name: str) -> type[RmapScheme]:
    """The scheme called ``name``, or the class at ``module:Class``; ConfigError if none is."""
    for scheme in _BUILTIN:
        if scheme.name == name:
            return scheme
    if ":" in name:
        return _load(name)
    known = schemes()
    if name not in known:
        raise ConfigError(f"unknown rmap scheme {name!r}: choose one of {', '.join(known)}")
    return known[name]


def checked_scheme(scheme: object) -> type[RmapScheme]:
    """``scheme`` if a machine can use the class; ConfigError says why not."""
    from vmemu.rmap.python import PythonScheme

    if not (isinstance(scheme, type) and issubclass(scheme, RmapScheme)):
        raise ConfigError(
            f"rmap must be a scheme's name or a subclass of vmemu.rmap.RmapScheme, not {scheme!r}"
        )
    if issubclass(scheme, PythonScheme) and scheme.walker != "python":
        raise ConfigError(
            f"{scheme.__name__} is written in Python, so its walker must be 'python', "
            f"not {scheme.walker!r}"
        )
    return scheme


def _load(name: str) -> type[RmapScheme]:
    from importlib import import_module

    module, _, attribute = name.partition(":")
    try:
        scheme = getattr(import_module(module), attribute)
    except Exception as error:  # whatever a module may raise while it is imported
        raise ConfigError(
            f"cannot load the rmap scheme {name!r}: {type(error).__name__}: {error}"
        ) from None
    if not (isinstance(scheme, type) and issubclass(scheme, RmapScheme)):
        raise ConfigError(f"{name!r} is not a subclass of vmemu.rmap.RmapScheme")
    return scheme
