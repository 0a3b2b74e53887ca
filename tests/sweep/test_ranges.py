"""Lists and ranges as text, against plain enumeration."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmemu.errors import ConfigError
from vmemu.lab.ranges import MOST, decimals, sizes, texts, whole_numbers, words, written

M = 1 << 20


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("7", [7]),
        ("1,2,4", [1, 2, 4]),
        ("0..9", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("3..3", [3]),
        ("1..256*2", [1, 2, 4, 8, 16, 32, 64, 128, 256]),
        ("1..100*3", [1, 3, 9, 27, 81]),
        ("10..100+10", [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]),
        ("10..95+30", [10, 40, 70]),
        ("1,2,8..64*2", [1, 2, 8, 16, 32, 64]),
        (" 1 , 4 .. 6 ", [1, 4, 5, 6]),
        ("-2..1", [-2, -1, 0, 1]),
        ("0..2,0..2", [0, 1, 2, 0, 1, 2]),
    ],
)
def test_whole_numbers(text: str, numbers: list[int]) -> None:
    assert whole_numbers(text) == numbers
    assert texts(text) == [str(number) for number in numbers]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("16M,32M", [16 * M, 32 * M]),
        ("1M..64M*2", [M, 2 * M, 4 * M, 8 * M, 16 * M, 32 * M, 64 * M]),
        ("512K..2M*2", [M // 2, M, 2 * M]),
        ("16M..64M+16M", [16 * M, 32 * M, 48 * M, 64 * M]),
        ("4096,1G", [4096, 1 << 30]),
    ],
)
def test_sizes(text: str, numbers: list[int]) -> None:
    assert sizes(text) == numbers


def test_decimals_and_words() -> None:
    assert decimals("3.5") == [3.5]
    assert decimals("0.1..0.5+0.1") == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert decimals("1..8*2") == [1.0, 2.0, 4.0, 8.0]
    assert words("own,shared") == ["own", "shared"]
    assert texts("own,shared") == ["own", "shared"]


WRITTEN = "a range is written 0..9, 10..100+10 or 1..256*2"
SIZES = "a range of sizes is written 1M..64M*2 or 16M..64M+16M"


@pytest.mark.parametrize(
    ("read", "text", "problem"),
    [
        (whole_numbers, "", "nothing is listed: give a value, a list such as 1,2,4 or a range"),
        (whole_numbers, "1,,2", "'1,,2' has a comma too many: a list is written 1,2,4"),
        (whole_numbers, "1,", "'1,' has a comma too many: a list is written 1,2,4"),
        (whole_numbers, "x", "'x' is not a whole number"),
        (whole_numbers, "1.5", "'1.5' is not a whole number"),
        (texts, "1..x", f"'1..x' is no range: 'x' is not a whole number; {WRITTEN}"),
        (texts, "own..x", f"'own..x' is no range: 'own' is not a whole number; {WRITTEN}"),
        (whole_numbers, "1..", f"'1..' is no range: {WRITTEN}"),
        (whole_numbers, "..9", f"'..9' is no range: {WRITTEN}"),
        (whole_numbers, "1..2..3", f"'1..2..3' is no range: {WRITTEN}"),
        (whole_numbers, "0..9-1", f"'0..9-1' is no range: '9-1' is not a whole number; {WRITTEN}"),
        (whole_numbers, "0..9+", f"'0..9+' is no range: '' is not a whole number; {WRITTEN}"),
        (whole_numbers, "9..0", "'9..0' goes down: write 0..9"),
        (whole_numbers, "64..1*2", "'64..1*2' goes down: write 1..64*2"),
        (whole_numbers, "0..9+0", "'0..9+0' does not go up: the step behind + is above 0"),
        (whole_numbers, "0..9+-1", "'0..9+-1' does not go up: the step behind + is above 0"),
        (whole_numbers, "1..8*1", "'1..8*1' does not go up: the step behind * is 2 or more"),
        (whole_numbers, "1..8*0", "'1..8*0' does not go up: the step behind * is 2 or more"),
        (whole_numbers, "0..8*2", "'0..8*2' does not go up: a range with * begins above 0"),
        (whole_numbers, "0..1000000", "'0..1000000' lists 1000001 values: 1000000 are the most"),
        (texts, "1..1000000,5", "'1..1000000,5' lists 1000001 values: 1000000 are the most"),
        (sizes, "1M..4M", f"'1M..4M' has no step: {SIZES}"),
        (sizes, "7", "'7' is not a multiple of 4096 bytes"),
        (sizes, "lots", "'lots' is not a size such as 512K, 32M or 1G"),
        (sizes, "2000G", "'2000G' is not below 1024G"),
        (sizes, "1M..x*2",
         f"'1M..x*2' is no range: 'x' is not a size such as 512K, 32M or 1G; {SIZES}"),
        (decimals, "much", "'much' is not a number"),
        (words, "own,,shared", "'own,,shared' has a comma too many: a list is written 1,2,4"),
    ],
)  # fmt: skip
def test_errors(read: object, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)  # type: ignore[operator]
    assert str(caught.value) == problem


def test_as_many_as_there_may_be() -> None:
    assert len(whole_numbers(f"1..{MOST}")) == MOST


def test_a_number_of_a_thousand_digits() -> None:
    with pytest.raises(ConfigError, match="is not a whole number"):
        whole_numbers("9" * 5000)


RANGE = st.tuples(
    st.integers(-50, 300), st.integers(0, 400), st.sampled_from("+* "), st.integers(1, 40)
)


def enumerated(low: int, high: int, sign: str, step: int) -> list[int]:
    """What the range means, one number after the other."""
    found, value = [], low
    while value <= high:
        found.append(value)
        value = value * step if sign == "*" else value + (step if sign == "+" else 1)
    return found


@given(st.lists(RANGE, min_size=1, max_size=5))
def test_against_enumeration(ranges: list[tuple[int, int, str, int]]) -> None:
    parts, expected = [], []
    for low, more, sign, step in ranges:
        if sign == "*":
            low, step = abs(low) + 1, step + 1
        parts.append(f"{low}..{low + more}" + (f"{sign}{step}" if sign != " " else ""))
        expected += enumerated(low, low + more, sign, step)
    assert whole_numbers(",".join(parts)) == expected


@given(st.lists(st.integers(-100, 100), min_size=1))
def test_written_and_read_again(numbers: list[int]) -> None:
    assert whole_numbers(written(numbers)) == numbers


@given(st.text(alphabet="0123456789.,*+-MKx ", max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (whole_numbers, sizes, decimals, texts):
        with contextlib.suppress(ConfigError):
            assert read(text)
