"""A user's files that go wrong in every way a sweep has to stand: written into a directory."""

from __future__ import annotations

from pathlib import Path

__all__ = ["write"]

SCENARIOS = """
from vmemu.lab.scenario import Formula, Parameter, Scenario


def for_ever(visit):
    while True:
        pass


def greedy(visit):
    held = []
    while True:
        held.append(bytearray(1 << 24))


def scenario(name, act, guest="touch"):
    return Scenario(
        name=name,
        section="",
        summary="",
        guest=guest,
        parameters=(Parameter("PAGES", 4),),
        expectations=(),
        frames=Formula("PAGES"),
        act=act,
    )


def nothing(visit):
    pass


loops = scenario("loops", for_ever)
eats = scenario("eats", greedy)
crashes = scenario("crashes", nothing, "crashes.c")
well = scenario("well", nothing)
"""

GUEST = """
/* crashes: writes where nothing is. */
#include "guest.h"

int main(int argc, char **argv)
{
	u32 pages = param(argc, argv, "PAGES", 4);

	*(volatile u32 *)(pages * 4096ul) = 1;
	return 0;
}
"""

SCHEMES = """
from vmemu.rmap.python import PythonScheme


class Raises(PythonScheme):
    name = "raises"

    def candidates(self, page):
        raise KeyError("no such page")
"""


def write(directory: Path) -> Path:
    """The files, and the directory that they are in."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "bad.py").write_text(SCENARIOS)
    (directory / "crashes.c").write_text(GUEST)
    (directory / "bad_schemes.py").write_text(SCHEMES)
    return directory
