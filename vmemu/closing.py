"""What is left of an object of a machine that has been closed: a sentence."""

from __future__ import annotations

from typing import Any

from vmemu.errors import MachineClosed

__all__ = ["Closing"]


class Closing:
    """A base of whatever points into a machine's memory.

    `forget` takes the pointers away; who asks for one then gets `MachineClosed`.  The object
    becomes one of another class then, for a class with ``__getattr__`` makes each attribute
    take several times as long, also those that are there.
    """

    def forget(self, *names: str) -> None:
        """Let these attributes be gone for good."""
        for name in names:
            self.__dict__.pop(name, None)
        self.__dict__["_forgotten"] = frozenset(names) | self.__dict__.get("_forgotten", set())
        if not isinstance(self, _Closed):
            self.__class__ = _closed(type(self))


class _Closed:
    """What answers for the attributes that are gone."""

    def __getattr__(self, name: str) -> Any:
        """Say why a pointer is not there."""
        if name in self.__dict__.get("_forgotten", ()):
            raise MachineClosed("the machine is closed")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def _closed(cls: type) -> type:
    closed = _classes.get(cls)
    if closed is None:
        closed = _classes[cls] = type(cls.__name__, (_Closed, cls), {"__module__": cls.__module__})
    return closed


_classes: dict[type, type] = {}
