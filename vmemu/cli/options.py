"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from vmemu.arguments import WIDTHS, width
from vmemu.cli import names
from vmemu.cli.declare import option
from vmemu.errors import ConfigError
from vmemu.rmap import DEFAULT, compared

if TYPE_CHECKING:
    import click

    from vmemu.rmap import RmapScheme

__all__ = [
    "FILES",
    "MACHINE",
    "env_option",
    "every_i_mmap",
    "every_scheme",
    "examples",
    "file_options",
    "given",
    "json_option",
    "machine_options",
    "parse_settings",
    "parse_variables",
    "rmap_option",
    "rmaps_option",
    "set_option",
]

F = TypeVar("F", bound=Callable[..., Any])


def _width(ctx: click.Context, param: click.Parameter, bits: int | None) -> int | None:
    """The value of --bits; ConfigError, whatever else is wrong, for a width there is not."""
    return None if bits is None else width(bits)


MACHINE = (
    option("--ram", metavar="SIZE", help="Guest RAM, such as 1M, 32M, 896M."),
    option(
        "--bits",
        type=int,
        metavar="|".join(map(str, WIDTHS)),
        callback=_width,
        shell_complete=names.one_of(*map(str, WIDTHS)),
        help="The machine: 32 is i386, 64 x86-64; by default what the program is, 64 for a "
        "source, else 32.",
    ),
    option(
        "--levels",
        type=int,
        metavar="3|4",
        shell_complete=names.one_of("3", "4"),
        help="Levels of x86-64's page tables: 3 as in 2.6.7, or 4, with 128 TB of addresses.",
    ),
    option(
        "--layout",
        metavar="KERNEL",
        shell_complete=names.layouts,
        help="The kernel whose structs' sizes slab caches have, such as 6.18 (64 bits).",
    ),
    option(
        "--i-mmap",
        metavar="list|prio_tree|interval_tree",
        shell_complete=names.one_of("list", "prio_tree", "interval_tree"),
        help="What a file's areas are kept in: as in 2.6.6, in 2.6.7, or since 3.7.",
    ),
    option(
        "--swap",
        metavar="SIZE|PATH[:SIZE]|none",
        shell_complete=names.files,
        help="Swap: a size for a temporary file, or a swap file, made if absent.",
    ),
    option("--seed", type=int, metavar="N", help="Seed of the guests' randomness."),
    option("--page-cluster", type=int, metavar="N", help="Log2 of pages read at once from swap."),
    option("--swappiness", type=int, metavar="0-100", help="How readily mapped pages are taken."),
    option(
        "--topdown/--bottomup",
        default=None,
        help="Place mappings below the stack, or from 0x40000000 up as 2.6.7 did.",
    ),
    option(
        "--vm-flags-lock",
        metavar="page_table_lock|mmap_sem",
        shell_complete=names.one_of("mmap_sem", "page_table_lock"),
        help="What guards vm_flags: both, as before rmap 34, or mmap_sem alone.",
    ),
    option(
        "--overcommit",
        type=int,
        metavar="0|1|2",
        shell_complete=names.one_of("0", "1", "2"),
        help="Guess (0), always (1), or never (2) promise more memory than there is.",
    ),
    option(
        "--max-time", type=float, metavar="SECONDS", help="End the run after so much virtual time."
    ),
    option("--max-host-time", type=float, metavar="SECONDS", help="The same in the host's time."),
    option(
        "--max-tasks",
        type=int,
        metavar="N",
        help="Let no more tasks exist: fork fails with EAGAIN.",
    ),
    option(
        "--max-host-memory",
        metavar="SIZE",
        help="Let guests make the host hold no more beside guest RAM.  [default: 2G]",
    ),
)


FILES = (
    option(
        "--root",
        metavar="DIR",
        shell_complete=names.files,
        help="A directory that is the program's root; a PROGRAM that begins with / is in it.",
    ),
    option(
        "--aslr",
        is_flag=True,
        default=None,
        help="Programs lie at addresses drawn from the seed.",
    ),
    option(
        "--uname",
        metavar="RELEASE",
        help="The kernel's release that programs are told.  [default: 2.6.7-vmemu]",
    ),
    option("--root-rw", is_flag=True, default=None, help="Programs may write in it."),
    option(
        "--bind",
        "binds",
        metavar="HOST[:GUEST][:rw]",
        multiple=True,
        help="Show programs a file or directory, read-only unless rw; may be repeated.",
    ),
)


def examples(*commands: str) -> str:
    """An epilog of examples, a line each."""
    return "\b\nExamples:\n" + "".join(f"  {command}\n" for command in commands)


def machine_options(command: F) -> F:
    """Add the Machine's settings; those not given are passed as None."""
    for declared in reversed(MACHINE):
        command = declared(command)
    return command


def file_options(command: F) -> F:
    """Add what programs see of the host's files, in the same way."""
    for declared in reversed(FILES):
        command = declared(command)
    return command


def given(options: dict[str, Any]) -> dict[str, Any]:
    """The settings that were given, as keywords for Machine."""
    return {name: value for name, value in options.items() if value is not None}


set_option = option(
    "--set",
    "settings",
    metavar="NAME=VALUE",
    multiple=True,
    help="Set a parameter; may be repeated.",
)


rmap_option = option(
    "--rmap",
    metavar="SCHEME",
    shell_complete=names.schemes,
    help=f"The reverse map.  [default: {DEFAULT}]",
)

env_option = option(
    "--env", metavar="NAME=VALUE", multiple=True, help="Set an environment variable."
)


def rmaps_option(command: F) -> F:
    """Add ``--rmap`` that may be repeated; its help names the schemes of the core.

    The core is loaded for that only.
    """
    import click

    class Schemes(click.Option):
        def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
            record = super().get_help_record(ctx)
            return record and (record[0], f"{record[1]}  [default: {', '.join(compared())}]")

    return click.option(
        "--rmap",
        "rmaps",
        cls=Schemes,
        callback=lambda ctx, param, rmaps: every_scheme(rmaps),
        shell_complete=names.schemes_or_all,
        metavar="SCHEME",
        multiple=True,
        help="A reverse map (see vmemu list schemes), or all; may be repeated.",
    )(command)


def every_scheme(
    rmaps: Sequence[str], able: Callable[[type[RmapScheme]], bool] = lambda scheme: scheme.swaps()
) -> tuple[str, ...]:
    """Each scheme once; ``all`` stands for every one that is ``able``: that can swap."""
    from vmemu.rmap import schemes

    every = [name for name, scheme in schemes().items() if able(scheme)] if "all" in rmaps else []
    named = [name for rmap in rmaps for name in (every if rmap == "all" else [rmap])]
    return tuple(dict.fromkeys(named))


def every_i_mmap(text: str | None) -> tuple[str, ...]:
    """What --i-mmap of several says: names with commas between them, or all; none if not given."""
    from vmemu.core import I_MMAPS, check_i_mmap

    named = [] if text is None else text.split(",")
    found = [name for word in named for name in (I_MMAPS if word == "all" else [word])]
    for name in found:
        check_i_mmap(name)
    return tuple(dict.fromkeys(found))


json_option = option("--json", "as_json", is_flag=True, help="Print JSON instead.")


def parse_settings(settings: Iterable[str]) -> dict[str, str]:
    """Split ``NAME=VALUE`` texts; ConfigError for one without a name or ``=``."""
    parsed = {}
    for text in settings:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise ConfigError(f"--set takes NAME=VALUE, such as --set R=64, not {text!r}")
        parsed[name] = value
    return parsed


def parse_variables(env: Iterable[str]) -> dict[str, str]:
    """The same of ``--env``."""
    variables = {}
    for text in env:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise ConfigError(f"--env takes NAME=VALUE, not {text!r}")
        variables[name] = value
    return variables
