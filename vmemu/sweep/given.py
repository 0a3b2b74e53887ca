"""A value as somebody wrote it, and where: an error in it names the place."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from vmemu.errors import ConfigError
from vmemu.lab.ranges import MOST

__all__ = ["Given", "Place", "PlacedError", "as_written", "did_you_mean", "labelled"]

T = TypeVar("T")


class PlacedError(ConfigError):
    """A ConfigError whose sentence begins with the place."""


@dataclass(frozen=True)
class Place:
    """Where something stands: a word of the command line, or a keyword in Python."""

    label: str

    def inside(self, key: str | int) -> Place:
        """The place of an element; here the same."""
        return self

    def error(self, problem: str) -> PlacedError:
        """The error to raise for what is wrong here."""
        return PlacedError(labelled(self.label, problem))

    @contextmanager
    def names_errors(self) -> Iterator[None]:
        """Have each ConfigError tell the place, unless it tells one already."""
        try:
            yield
        except PlacedError:
            raise
        except ConfigError as error:
            raise self.error(str(error)) from None


@dataclass(frozen=True)
class Given:
    """A value, or a list of them, and its place."""

    value: object
    place: Place

    def elements(self) -> Iterator[Given]:
        """Each element of a list, or what is no list itself; ConfigError for an empty list."""
        if not isinstance(self.value, list | tuple):
            yield self
            return
        if not self.value:
            raise self.place.error("the list is empty: it needs one value at least")
        for at, element in enumerate(self.value):
            yield Given(element, self.place.inside(at))

    def gather(self, read: Callable[[object], Iterable[T]]) -> tuple[T, ...]:
        """What ``read`` makes of all elements, each value once, in their order."""
        found: dict[T, None] = {}
        for element in self.elements():
            with element.place.names_errors():
                found.update(dict.fromkeys(read(element.value)))
        if len(found) > MOST:
            raise self.place.error(f"there are {len(found)} values: {MOST} are the most")
        return tuple(found)


def labelled(label: str, problem: str) -> str:
    """``LABEL: problem``, or the problem alone if it names the label itself."""
    named = re.search(rf"(?<![\w.-]){re.escape(label)}(?![\w.-])", problem)
    return problem if not label or named else f"{label}: {problem}"


def as_written(value: object) -> str:
    """A value as TOML has it, shortened."""
    if isinstance(value, bool | int | float | str):
        text = json.dumps(value)
    elif isinstance(value, dict):
        text = "a table"
    elif isinstance(value, list | tuple):
        text = "a list"
    else:
        text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint at what may have been meant, else at all there is."""
    import difflib

    names = list(known)
    near = difflib.get_close_matches(name, names, 1)
    return f"did you mean {near[0]}?" if near else f"choose from {', '.join(names) or 'none'}"
