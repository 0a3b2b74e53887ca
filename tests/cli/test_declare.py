"""``vmemu run`` reads its options without click, and reads them as click does."""

from __future__ import annotations

from typing import Any

import click
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vmemu.cli import run
from vmemu.cli.declare import Option, option, read_options
from vmemu.errors import ConfigError

COMMAND: click.Command = run.command


def by_click(words: list[str]) -> dict[str, Any] | None:
    """What click would call it with; None where it has something else to say."""
    try:
        with COMMAND.make_context("run", list(words)) as context:
            return context.params
    except (click.ClickException, click.exceptions.Exit, ConfigError):
        return None


NAMES = sorted({word for each in run.OPTIONS for word in each.words for word in word.split("/")})
VALUES = ["1", "64", "-1", "x", "", "4M", "0.5", "N=1", "=", "-", "--", "--stats", "1_0", "nan"]
WORDS = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(VALUES),
    st.builds("{}={}".format, st.sampled_from(NAMES), st.sampled_from(VALUES)),
    st.sampled_from(["hello", "--help", "-h", "--sta", "-x", "-xy", "--no-stats"]),
)


@given(st.lists(WORDS, max_size=6))
@example(["--set", "A=1", "--set", "B=2", "--seed", "1", "--seed=2", "hello", "--stats", "--"])
@example(["--topdown", "--bottomup", "--", "--stats"])
@example(["--max-host-time", "nan", "1"])
def test_what_is_read_is_what_click_reads(words: list[str]) -> None:
    found = run.read(words)
    if found is not None:
        told, by = (
            {name: repr(v) for name, v in each.items()} for each in (found, by_click(words))
        )
        assert told == by  # so that nan is nan


@pytest.mark.parametrize(
    "words",
    [
        "hello",
        "--ram 2M --stats swap-storm PAGES=2048",
        "--rmap none --strace ./a.out one two",
        "--max-host-time 10 --max-tasks 50 ./a.out",
        "--bits 64 --ram=2M swap-storm PAGES=2048",
        "--json-to stats.json --seed 7 fork-server R=8",
        "--set R=8 --set N=2 --env A=B --bottomup --check -- hello",
    ],
)
def test_what_is_plain_needs_no_click(words: str) -> None:
    found = run.read(words.split())
    assert found is not None
    assert found == by_click(words.split())


@pytest.mark.parametrize(
    "words",
    [
        "",
        "--stats",
        "--help",
        "--ram",
        "--seed x hello",
        "--bits 16 hello",
        "--stats=1 hello",
        "--sta hello",
        "--report r.html hello",
    ],
)
def test_what_is_not_plain_is_left_to_click(words: str) -> None:
    assert run.read(words.split()) is None


def test_every_option_is_known_by_clicks_name_for_it() -> None:
    declared = {each.name: each.default for each in run.OPTIONS}
    known = {each.name: each for each in COMMAND.params if isinstance(each, click.Option)}
    assert declared.keys() == known.keys()
    for each in run.OPTIONS:
        assert each.flags.keys() == (
            {*known[each.name].opts, *known[each.name].secondary_opts}
            if known[each.name].is_flag
            else set()
        )


def test_a_short_word_stands_alone() -> None:
    count, calls = option("-c", "--count", is_flag=True), option("-e", "calls", multiple=True)
    assert all(isinstance(each, Option) for each in (count, calls))
    assert read_options([count, calls], ["-c", "-e", "mm", "-e", "-c", "prog"]) == (
        {"count": True, "calls": ("mm", "-c")},
        ["prog"],
    )
    assert read_options([count, calls], ["-ce", "mm"]) is None
    assert read_options([count, calls], ["-e=mm", "prog"]) is None
