"""Scenarios of a user's, written into a directory: what tests of them begin with."""

from __future__ import annotations

from pathlib import Path

GUEST = """\
#include "guest.h"
#include "pages.h"

int main(int argc, char **argv)
{
	u32 pages = param(argc, argv, "N", PAGES);
	void *area = map_pages(pages);

	fill(area, pages, 1);
	mark("measure", (ulong)area, pages * PAGE_SIZE);
	check(area, pages, 1);
	say("mine: %u\\n", pages);
	return 0;
}
"""
HEADER = "enum { PAGES = 4 };\n"
SCENARIO = """\
from vmemu.lab.actions import reclaim_caller
from vmemu.lab.scenario import Formula, Parameter, Scenario, expect


def act(visit):
    reclaim_caller(visit)


S = Scenario(
    name="S",
    section="",
    summary="N pages of one process",
    parameters=(
        Parameter("N", 4),
        Parameter("R", 2),
    ),
    guest="mine.c",
    frames=Formula("N"),
    act=act,
    expectations=(
        expect("unmap_pages", "N"),
        expect("unmap_probes", "N"),
    ),
)
"""


def write(directory: Path, text: str = SCENARIO, name: str = "mine.py", guest: str = GUEST) -> str:
    """A scenario's file, with its guest and the guest's header beside it; the file's path."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "mine.c").write_text(guest)
    (directory / "pages.h").write_text(HEADER)
    (directory / name).write_text(text)
    return str(directory / name)


def changed(old: str, new: str) -> str:
    """The scenario's text with one piece of it replaced."""
    assert SCENARIO.count(old) == 1, old
    return SCENARIO.replace(old, new)
