"""What ``vmemu sweep`` is told: scenarios or a file, NAME=VALUES, and options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from vmemu.errors import ConfigError
from vmemu.sweep.draft import LIMITS, Draft
from vmemu.sweep.given import Given, Place
from vmemu.sweep.plan import Plan

__all__ = ["plan_from_words", "together"]


def plan_from_words(words: Sequence[str], options: Mapping[str, object] | None = None) -> Plan:
    """The plan of a command line; ConfigError names the word that is wrong.

    ``words`` are scenarios and NAME=VALUES, or an experiment file (``.toml``) and NAME=VALUES,
    which then go before what the file says. ``options``: ``rmap``, the settings of a machine,
    and the limits ``time`` and ``memory``, as text or values, None for what is not told.
    """
    given = [word for word in words if re.match(r"[^\W\d]\w*=", word)]
    others = [word for word in words if word not in given]
    files = [word for word in others if word.endswith(".toml")]
    line = _line(given, options or {})
    if not files:
        return Plan((_of_scenarios(line, others).checked(),))
    if len(others) > 1:
        more = next(word for word in others if word != files[0] or others.count(word) > 1)
        raise Place(more).error("a sweep is told one experiment file, or scenarios")
    from vmemu.sweep.experiment_file import read_drafts

    return together(read_drafts(files[0]), line)


def together(drafts: Iterable[Draft], more: Draft) -> Plan:
    """The plan of experiments of which each takes ``more`` before what it says itself.

    A parameter of ``more`` holds where a scenario has it; ConfigError where none has.
    """
    found, used = [], set()
    for draft in drafts:
        has = {p.name for scenario in draft.chosen().values() for p in scenario.parameters}
        used |= has
        fitting = {name: each for name, each in more.parameters.items() if name in has}
        merged = replace(more, place=draft.place, find=draft.find, parameters=fitting).over(draft)
        found.append(merged)
    for name, given in more.parameters.items():
        if name not in used:
            has_text = ", ".join(sorted(used)) or "none"
            raise given.place.error(f"no experiment has a parameter {name!r}, they have {has_text}")
    return Plan(tuple(draft.checked() for draft in found))


def _of_scenarios(line: Draft, names: Sequence[str]) -> Draft:
    if not names:
        raise ConfigError("a sweep needs a scenario, such as fork-server, or an experiment file")
    return replace(line, scenarios=Given(list(names), _Words("", tuple(names))))


@dataclass(frozen=True)
class _Words(Place):
    """The place of a list of words: that of an element is the word."""

    words: tuple[str, ...] = ()

    def inside(self, key: str | int) -> Place:
        """The word of that number."""
        return Place(self.words[int(key)])


def _line(given: Sequence[str], options: Mapping[str, object]) -> Draft:
    """What the words behind the scenarios say, and the options."""
    parameters: dict[str, Given] = {}
    for word in given:
        name, _, text = word.partition("=")
        if name in parameters:
            raise Place(word).error(f"{name} is told twice: give one list, as in {name}=1,2,4")
        parameters[name] = Given(text, Place(word))
    told = {
        name: Given(value, Place(f"--{name.replace('_', '-')}{'-limit' * (name in LIMITS)}"))
        for name, value in options.items()
        if value is not None and value != ()
    }
    return Draft(
        Place("sweep"),
        schemes=told.pop("rmap", None),
        parameters=parameters,
        limits={name: told.pop(name) for name in LIMITS if name in told},
        settings=told,
    )
