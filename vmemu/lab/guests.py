"""The guests that come with vmemu: where they are, what they show."""

from __future__ import annotations

import re
from pathlib import Path

from vmemu.arguments import width
from vmemu.errors import ConfigError

__all__ = ["GUESTS", "find_program", "guest_names", "guest_path", "guest_summaries", "is_source"]

GUESTS = Path(__file__).parents[1] / "guests_bin"
"""The directory of the built programs, each with its source beside it."""
GUESTS_OF = {32: GUESTS, 64: GUESTS / "x86_64"}
"""Where the programs of each width are."""


def guest_path(name: str, bits: int = 32) -> str:
    """Path of a shipped guest; ConfigError when there is none of that name or width."""
    path = GUESTS_OF[width(bits)] / name
    if not path.is_file():
        which = f" of {bits} bits" if (GUESTS / name).is_file() else ""
        raise ConfigError(f"there is no guest {name!r}{which} (see vmemu list guests)")
    return str(path)


def find_program(program: str, bits: int = 32) -> str:
    """What ``program`` means on a command line: a file, or a shipped guest of a width.

    A guest is named ``hello`` or ``guests/hello``; a file of that name goes first.  A path
    that is neither is returned as it stands, for the kernel to complain of; ConfigError for
    a mere name.
    """
    if Path(program).is_file():
        return program
    directory, slash, name = program.rpartition("/")
    if directory in ("", "guests") and name and (GUESTS / name).is_file():
        return guest_path(name, bits)
    if slash or Path(program).exists() or program.endswith(".c"):
        return program
    import difflib

    near = difflib.get_close_matches(program, guest_names(), 1)
    hint = f"did you mean {near[0]}?" if near else "see vmemu list guests"
    raise ConfigError(f"there is no file and no guest {program!r} ({hint})")


def is_source(program: str) -> bool:
    """Whether what stands on a command line is a C source, to be compiled first."""
    return program.endswith(".c") and Path(program).is_file()


def guest_names() -> list[str]:
    """The shipped guests; those of i386 are all there are."""
    return sorted(path.name for path in GUESTS.iterdir() if path.is_file() and not path.suffix)


def guest_summaries() -> dict[str, str]:
    """What each shipped guest shows, by name: the first sentence of its source."""
    found = {}
    for source in sorted(GUESTS.glob("*.c")):
        comment = re.match(
            rf"/\*[\s*]*{re.escape(source.stem)}: (.*?)\*/", source.read_text(), re.S
        )
        text = re.sub(r"\s*\n\s*\*?\s*", " ", comment[1]).strip() if comment else ""
        found[source.stem] = re.split(r"(?<=[.?!]) ", text)[0].rstrip(".")
    return found
