"""Options that are known before click is imported, and a command line read by them alone.

`read_options` understands what is plainly right, and leaves to click the rest: help, mistakes,
options that need more of click than a name and a type.  What it understands it understands as
click does (tests/cli/test_declare.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from vmemu.errors import ConfigError

__all__ = ["Option", "option", "read_options"]

F = TypeVar("F", bound=Callable[..., Any])


class Option:
    """An option of a command: what ``click.option`` is to be called with, and a decorator.

    ``words``: ``--name``, or ``--yes/--no`` for a flag that can be taken back; perhaps a
    parameter.  ``by_click``: whoever gives it needs click in any case.
    """

    def __init__(self, words: tuple[str, ...], settings: dict[str, Any], by_click: bool) -> None:
        self.words = words
        self.settings = settings
        self.by_click = by_click

    def __call__(self, command: F) -> F:
        """Add it to a function that becomes a command of click."""
        import click

        return click.option(*self.words, **self.settings)(command)

    @property
    def name(self) -> str:
        """The parameter that its value goes to."""
        return next(
            (word for word in self.words if not word.startswith("-")),
            max(self.words, key=len).partition("/")[0].lstrip("-").replace("-", "_"),
        )

    @property
    def flags(self) -> dict[str, bool]:
        """The words of a flag and what each of them says; none for an option with a value."""
        told = [word.partition("/") for word in self.words if word.startswith("-")]
        if not self.settings.get("is_flag") and not any(slash for _, slash, _ in told):
            return {}
        return {word: True for word, _, _ in told} | {no: False for _, slash, no in told if slash}

    @property
    def default(self) -> Any:
        """Its value where it is not given."""
        if self.settings.get("multiple"):
            return ()
        return self.settings.get("default", False if self.flags else None)

    def value(self, text: str) -> Any:
        """What a text means for it; ValueError where click has something to say."""
        value = self.settings.get("type", str)(text)
        callback = self.settings.get("callback")
        if callback is None:
            return value
        try:
            return callback(None, None, value)
        except ConfigError as error:
            raise ValueError(text) from error


def option(*words: str, by_click: bool = False, **settings: Any) -> Option:
    """An option as ``click.option`` takes it: ``type`` is int, float or nothing."""
    return Option(words, settings, by_click)


def read_options(
    options: Iterable[object], words: Sequence[str]
) -> tuple[dict[str, Any], list[str]] | None:
    """The options before the first word that is none, and the words from there on.

    None where click is needed: for what is not an `Option`, a value that is missing or is not
    of its type, an abbreviation, ``--help``.
    """
    known = [option for option in options if isinstance(option, Option)]
    values = {option.name: option.default for option in known}
    by_word = {word: option for option in known for word in option.words if "/" not in word}
    flags = {word: (option, on) for option in known for word, on in option.flags.items()}
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        if word in flags and not flags[word][0].by_click:
            option, on = flags[word]
            values[option.name] = on
            continue
        word, equals, text = word.partition("=")
        found = by_word.get(word)
        if found is None or found.by_click or found.flags or not (equals or rest):
            return None
        if equals and not word.startswith("--"):
            return None
        try:
            value = found.value(text if equals else rest.pop(0))
        except ValueError:
            return None
        many = found.settings.get("multiple")
        values[found.name] = (*values[found.name], value) if many else value
    return values, rest
