"""vmemu help: each topic is there, and is what the documentation says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import Vmemu
from vmemu.cli.help import PAGES, TOPICS, page_of
from vmemu.core import COUNTERS
from vmemu.lab.guests import guest_names

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("topic", TOPICS)
def test_each_topic_is_shown(vmemu: Vmemu, topic: str) -> None:
    done = vmemu(f"help {topic}")
    assert (done.status, done.err) == (0, "")
    assert len(done.out.splitlines()) > 5
    page = page_of(topic)
    title = page.splitlines()[0].lstrip("# ")
    assert title in done.out
    assert "](" not in page


def test_the_pages_are_those_of_the_tree() -> None:
    shipped = {path.name: path.read_text() for path in PAGES.iterdir()}
    assert shipped == {path.name: path.read_text() for path in (ROOT / "docs").glob("*.md")}


def test_a_section_is_that_section(vmemu: Vmemu) -> None:
    counters = page_of("counters")
    assert [name for name in COUNTERS if f"`{name}`" not in counters] == []
    assert "## Checking" not in counters
    assert "| 124 | a limit of time was reached |" in page_of("exit-statuses")
    assert "vmemu_reclaim" in vmemu("help marks").out
    guests = page_of("guests")
    assert [name for name in guest_names() if f"`{name}`" not in guests] == []


def test_without_a_topic_there_is_a_list(vmemu: Vmemu) -> None:
    lines = vmemu("help").out.splitlines()
    assert [line.split()[0] for line in lines[: len(TOPICS)]] == list(TOPICS)
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("command", ["run", "list", "help", "include-dir"])
def test_a_command_is_a_topic(vmemu: Vmemu, command: str) -> None:
    assert vmemu(f"help {command}") == vmemu(f"{command} --help")


def test_there_is_no_such_topic(vmemu: Vmemu) -> None:
    done = vmemu("help everything")
    assert done.status == 2
    assert done.err.startswith("vmemu: there is no topic 'everything': choose one of tour, ")
