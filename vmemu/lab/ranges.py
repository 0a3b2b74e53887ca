"""Lists and ranges as text: ``1,2,4``, ``0..9``, ``1..256*2``, ``10..100+10``, ``16M..64M*2``.

Both ends of a range are in it, the upper one if the steps meet it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import groupby

from vmemu.arguments import size
from vmemu.errors import ConfigError

__all__ = ["MOST", "Number", "decimals", "sizes", "texts", "whole_numbers", "words", "written"]

MOST = 1_000_000
"""Values that one list may have."""

Number = int | Decimal
_Read = Callable[[str], Number]

_WRITTEN = "a range is written 0..9, 10..100+10 or 1..256*2"
_SIZES_WRITTEN = "a range of sizes is written 1M..64M*2 or 16M..64M+16M"
_RUN = 3  # numbers in a row that are shorter as a range


def whole_numbers(text: str) -> list[int]:
    """The numbers that ``text`` lists; ConfigError says what is wrong with it."""
    return [int(number) for number in _numbers(text, _whole)]


def sizes(text: str) -> list[int]:
    """The same of sizes, in bytes: ``16M,32M``, ``1M..64M*2``, ``16M..64M+16M``."""
    return [int(number) for number in _numbers(text, _size)]


def decimals(text: str) -> list[float]:
    """The same of numbers that may have a fraction: ``0.5,2``, ``0.5..3.5+0.5``."""
    return [float(number) for number in _numbers(text, _decimal)]


def words(text: str) -> list[str]:
    """The words between commas."""
    return _items(text)


def texts(text: str) -> list[str]:
    """The values of a parameter, of which it is not said whether it is a number or a word."""
    found: list[str] = []
    for item in _items(text):
        found += map(str, _range(item, _whole)) if ".." in item else [item]
        _check_count(text, len(found))
    return found


def written(values: Sequence[int]) -> str:
    """Numbers as the text that lists them: runs of three and more as a range."""
    parts: list[str] = []
    for _, run in groupby(enumerate(values), lambda at: at[1] - at[0]):
        numbers = [value for _, value in run]
        if len(numbers) < _RUN:
            parts += map(str, numbers)
        else:
            parts.append(f"{numbers[0]}..{numbers[-1]}")
    return ",".join(parts)


def _items(text: str) -> list[str]:
    items = [item.strip() for item in text.split(",")]
    if items == [""]:
        raise ConfigError("nothing is listed: give a value, a list such as 1,2,4 or a range")
    if "" in items:
        raise ConfigError(f"{_shown(text)} has a comma too many: a list is written 1,2,4")
    return items


def _numbers(text: str, read: _Read) -> list[Number]:
    found: list[Number] = []
    for item in _items(text):
        found += _range(item, read) if ".." in item else [read(item)]
        _check_count(text, len(found))
    return found


def _range(item: str, read: _Read) -> list[Number]:
    """The numbers of one range, whose ends ``read`` reads."""
    how = _SIZES_WRITTEN if read is _size else _WRITTEN
    match = re.fullmatch(r"([^*+]*?)\.\.([^*+]*)(?:([*+])(.*))?", item, re.S)
    ends = [end.strip() for end in match.group(1, 2)] if match else []
    if match is None or "" in ends or ".." in ends[1]:
        raise ConfigError(f"{_shown(item)} is no range: {how}")
    sign = match[3] or ""
    try:
        low, high = map(read, ends)
        step = (_whole if sign == "*" else read)(match[4].strip()) if sign else 1
    except ConfigError as error:
        raise ConfigError(f"{_shown(item)} is no range: {error}; {how}") from None
    if read is _size and not sign:
        raise ConfigError(f"{_shown(item)} has no step: {how}")
    if low > high:
        up = f"{ends[1]}..{ends[0]}{sign}{match[4] or ''}"
        raise ConfigError(f"{_shown(item)} goes down: write {up}")
    if sign == "*":
        return _times(item, low, high, step)
    if step <= 0:
        raise ConfigError(f"{_shown(item)} does not go up: the step behind + is above 0")
    count = int((high - low) // step) + 1
    _check_count(item, count)
    return [low + step * n for n in range(count)]


def _times(item: str, low: Number, high: Number, step: Number) -> list[Number]:
    if step < 2:
        raise ConfigError(f"{_shown(item)} does not go up: the step behind * is 2 or more")
    if low <= 0:
        raise ConfigError(f"{_shown(item)} does not go up: a range with * begins above 0")
    found = [low]
    while found[-1] * step <= high:
        found.append(found[-1] * step)
    return found


def _whole(text: str) -> int:
    if not re.fullmatch(r"[-+]?[0-9]{1,20}", text):
        raise ConfigError(f"{_shown(text)} is not a whole number")
    return int(text)


def _decimal(text: str) -> Decimal:
    if not re.fullmatch(r"[-+]?[0-9]{1,20}(\.[0-9]{1,20})?", text):
        raise ConfigError(f"{_shown(text)} is not a number")
    return Decimal(text)


def _size(text: str) -> int:
    try:
        return size(text, "size")
    except ConfigError as error:
        said = str(error).removeprefix("size must be ").partition(", not ")[0]
        raise ConfigError(f"{_shown(text)} is not {said}") from None


def _check_count(text: str, count: int) -> None:
    if count > MOST:
        raise ConfigError(f"{_shown(text)} lists {count} values: {MOST} are the most")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
