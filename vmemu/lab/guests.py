"""The guests that come with vmemu: where they are, what they show."""

from __future__ import annotations

import os

from vmemu.arguments import width
from vmemu.errors import ConfigError
from vmemu.paths import exists, is_file

__all__ = [
    "GUESTS",
    "find_program",
    "guest_file",
    "guest_names",
    "guest_path",
    "guest_program",
    "guest_summaries",
    "is_source",
]

GUESTS = os.path.join(os.path.dirname(os.path.dirname(__file__)), "guests_bin")
"""The directory of the built programs, each with its source beside it."""
GUESTS_OF = {32: GUESTS, 64: os.path.join(GUESTS, "x86_64")}
"""Where the programs of each width are."""


def guest_path(name: str, bits: int = 32) -> str:
    """Path of a shipped guest; ConfigError when there is none of that name or width."""
    path = os.path.join(GUESTS_OF[width(bits)], name)
    if not is_file(path):
        which = f" of {bits} bits" if is_file(os.path.join(GUESTS, name)) else ""
        raise ConfigError(f"there is no guest {name!r}{which} (see vmemu list guests)")
    return path


def find_program(program: str, bits: int = 32) -> str:
    """What ``program`` means on a command line: a file, or a shipped guest of a width.

    A guest is named ``hello`` or ``guests/hello``; a file of that name goes first.  A path
    that is neither is returned as it stands, for the kernel to complain of; ConfigError for
    a mere name.
    """
    if is_file(program):
        return program
    directory, slash, name = program.rpartition("/")
    if directory in ("", "guests") and name and is_file(os.path.join(GUESTS, name)):
        return guest_path(name, bits)
    if slash or exists(program) or program.endswith(".c"):
        return program
    import difflib

    near = difflib.get_close_matches(program, guest_names(), 1)
    hint = f"did you mean {near[0]}?" if near else "see vmemu list guests"
    raise ConfigError(f"there is no file and no guest {program!r} ({hint})")


def guest_file(guest: str, home: str) -> str:
    """The file of a scenario's guest, "" for one that comes with vmemu; ConfigError for none.

    A path is relative to ``home``, the directory of the scenario's own file.  A mere name is
    a shipped guest's, else that of a program there or, with .c behind it, of its source.
    """
    if "/" in guest or guest.endswith(".c"):
        path = os.path.abspath(os.path.join(home, guest))
        if not is_file(path):
            raise ConfigError(f"there is no guest {guest!r} in {home or os.getcwd()}")
        return path
    if is_file(os.path.join(GUESTS, guest)):
        return ""
    for name in (guest, f"{guest}.c") if home else ():
        path = os.path.abspath(os.path.join(home, name))
        if is_file(path):
            return path
    beside = f" and no {guest}.c in {home}" if home else ""
    raise ConfigError(f"there is no guest {guest!r}{beside} (see vmemu list guests)")


def guest_program(guest: str, home: str, bits: int) -> str:
    """The program of a scenario's guest for a machine of a width.

    A C source is compiled, unless that has been done; ConfigError where there is no program.
    """
    path = guest_file(guest, home)
    if not path:
        return guest_path(guest, bits)
    if path.endswith(".c"):
        from vmemu.lab.compiling import compile_guest

        return compile_guest(path, width(bits))
    return path


def is_source(program: str) -> bool:
    """Whether what stands on a command line is a C source, to be compiled first."""
    return program.endswith(".c") and is_file(program)


def guest_names() -> list[str]:
    """The shipped guests; those of i386 are all there are."""
    with os.scandir(GUESTS) as found:
        return sorted(entry.name for entry in found if entry.is_file() and "." not in entry.name)


def guest_summaries() -> dict[str, str]:
    """What each shipped guest shows, by name: the first sentence of its source."""
    import re
    from pathlib import Path

    found = {}
    for source in sorted(Path(GUESTS).glob("*.c")):
        comment = re.match(
            rf"/\*[\s*]*{re.escape(source.stem)}: (.*?)\*/", source.read_text(), re.S
        )
        text = re.sub(r"\s*\n\s*\*?\s*", " ", comment[1]).strip() if comment else ""
        found[source.stem] = re.split(r"(?<=[.?!]) ", text)[0].rstrip(".")
    return found
