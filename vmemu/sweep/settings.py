"""The settings of a machine that a sweep may vary: how values are written, and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from vmemu import layouts
from vmemu.arguments import nanoseconds, size
from vmemu.core import I_MMAP, I_MMAPS, check_layout, check_levels, check_ram
from vmemu.errors import ConfigError
from vmemu.lab import ranges
from vmemu.machine_settings import check_setting
from vmemu.swap.area import check_swap
from vmemu.sweep.given import as_written

if TYPE_CHECKING:
    from vmemu.sweep.given import Given

__all__ = ["SETTINGS", "Limits", "Setting", "SettingValue", "check_machines", "read_limit"]

SettingValue = int | float | str | bool

NO_SWAP = 0


class Limits(NamedTuple):
    """What one cell may take of the host: seconds and bytes; None: no limit is told."""

    time: float | None = None
    memory: int | None = None


class Setting(NamedTuple):
    """One setting: how a value is read, and what a machine has when it is not told.

    ``read`` makes the values of one that is written as text, a number or true; ConfigError for
    what is none.  ``default`` is None where the scenario decides.
    """

    read: Callable[[object], Iterable[SettingValue]]
    default: SettingValue | None = None


def _wrong(name: str, takes: str, value: object) -> ConfigError:
    return ConfigError(f"{name} takes {takes}, not {as_written(value)}")


def _whole(name: str, value: object) -> Iterator[int]:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise _wrong(name, 'a whole number, a list or a range such as "0..9"', value)
    for number in ranges.whole_numbers(value) if isinstance(value, str) else [value]:
        check_setting(name, number)
        yield number


def _size(
    name: str, value: object, check: Callable[[int], None] = lambda size: None
) -> Iterator[int]:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise _wrong(name, 'a size such as "32M", a list or a range such as "16M..64M*2"', value)
    for found in ranges.sizes(value) if isinstance(value, str) else [size(value, name)]:
        check(found)
        yield found


def _swap(value: object) -> Iterator[int]:
    if isinstance(value, str) and "none" in (words := ranges.words(value)):
        for word in words:
            yield from [NO_SWAP] if word == "none" else _swap(word)
    else:
        yield from _size("swap", value, lambda size: check_swap(size) if size else None)


def _seconds(name: str, value: object) -> Iterator[float]:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _wrong(name, "a number of seconds, a list or a range", value)
    for seconds in ranges.decimals(value) if isinstance(value, str) else [float(value)]:
        nanoseconds(name, seconds)
        yield seconds


def _word(name: str, value: object) -> Iterator[str]:
    if not isinstance(value, str):
        raise _wrong(name, "text", value)
    for word in ranges.words(value):
        if name != "layout":  # a layout is one of a width: see check_machines
            check_setting(name, word)
        yield word


def _i_mmap(value: object) -> Iterator[str]:
    """Names; ``all`` stands for each that there is."""
    if not isinstance(value, str):
        raise _wrong("i_mmap", "text", value)
    for word in ranges.words(value):
        if word != "all":
            check_setting("i_mmap", word)
        yield from I_MMAPS if word == "all" else [word]


def _flag(name: str, value: object) -> Iterator[bool]:
    flags = {"true": True, "false": False}
    for each in ranges.words(value) if isinstance(value, str) else [value]:
        if not isinstance(each, bool) and each not in flags:
            raise _wrong(name, "true, false or both in a list", each)
        yield each if isinstance(each, bool) else flags[str(each)]


SETTINGS: Mapping[str, Setting] = {
    "ram": Setting(partial(_size, "ram")),
    "swap": Setting(_swap),
    "bits": Setting(partial(_whole, "bits")),
    "levels": Setting(partial(_whole, "levels")),
    "layout": Setting(partial(_word, "layout"), layouts.DEFAULT),
    "i_mmap": Setting(_i_mmap, I_MMAP),
    "seed": Setting(partial(_whole, "seed"), 0),
    "page_cluster": Setting(partial(_whole, "page_cluster"), 3),
    "swappiness": Setting(partial(_whole, "swappiness"), 60),
    "topdown": Setting(partial(_flag, "topdown"), False),
    "vm_flags_lock": Setting(partial(_word, "vm_flags_lock"), "mmap_sem"),
    "overcommit": Setting(partial(_whole, "overcommit"), 0),
    "max_time": Setting(partial(_seconds, "max_time")),
    "max_host_time": Setting(partial(_seconds, "max_host_time")),
    "max_tasks": Setting(partial(_whole, "max_tasks")),
    "max_host_memory": Setting(partial(_size, "max_host_memory"), 2 << 30),
}
"""By name; those of ``vmemu run``, as `vmemu.machine.Machine` takes them."""


def check_machines(
    given: Mapping[str, Given], values: Mapping[str, Sequence[SettingValue]], width: int
) -> None:
    """ConfigError unless there can be a machine of each size, levels and layout, in each width.

    ``width``: that of machines of which it is not told.
    """
    checks: dict[str, Callable[[object, int], object]] = {
        "ram": check_ram,  # type: ignore[dict-item]
        "levels": check_levels,  # type: ignore[dict-item]
        "layout": check_layout,  # type: ignore[dict-item]
    }
    for name, check in checks.items():
        for bits in values.get("bits", (width,)):
            for value in values.get(name, ()):
                with given[name].place.names_errors():
                    check(value, int(bits))


def read_limit(name: str, value: object) -> float | int:
    """The limit ``time`` in seconds, or ``memory`` in bytes."""
    found = list(_seconds("time", value) if name == "time" else _size("memory", value))
    if len(found) != 1:
        raise ConfigError(f"{name} is one limit for every cell, not {len(found)}")
    if not found[0]:
        raise ConfigError(f"{name} must be above 0")
    return found[0]
