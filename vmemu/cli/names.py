"""What a shell completes: names of schemes, scenarios, guests and files.

Each function takes what click hands it, the context, the parameter and the word so far, and
gives what the word can become.  Heavy modules are imported here, while somebody waits for a
tab, and nowhere else on the way to a command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

__all__ = [
    "calls",
    "directories",
    "explorations",
    "files",
    "layouts",
    "one_of",
    "programs",
    "scenarios",
    "schemes",
    "schemes_or_all",
    "topics",
]


def _matching(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def schemes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Reverse maps, those of entry points included."""
    from vmemu.rmap import scheme_names

    return _matching(scheme_names(), incomplete)


def schemes_or_all(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The same, and the word for all that can do what is asked for."""
    return _matching(["all"], incomplete) + schemes(ctx, param, incomplete)


def scenarios(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[str] | list[CompletionItem]:
    """Scenarios of ``vmemu compare``, those of entry points included, and files of others.

    Behind the colon of a file it is the variables of its scenarios, which are not loaded.
    """
    import ast
    from pathlib import Path

    from vmemu.lab.scenarios import scenario_names

    file, colon, name = incomplete.rpartition(":")
    if colon and file.endswith(".py") and Path(file).is_file():
        try:
            tree = ast.parse(Path(file).read_bytes())
        except (SyntaxError, ValueError):
            return []
        made = [
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Call)
            and ast.unparse(node.value.func).rpartition(".")[2] == "Scenario"
            for target in node.targets
            if isinstance(target, ast.Name)
        ]
        return [f"{file}:{each}" for each in _matching(made, name)]
    names = _matching(scenario_names(), incomplete)
    if not names or "/" in incomplete:
        return files(ctx, param, incomplete)
    beside = [path.name for path in Path().glob("*.py")] if incomplete else []
    return [*names, *_matching(beside, incomplete)]


def explorations(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Scenarios of ``vmemu explore``."""
    from vmemu.explore.catalogue import SCENARIOS

    return _matching(SCENARIOS, incomplete)


def layouts(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Kernels whose layouts there are, in either width."""
    from vmemu.layouts import layouts

    names = dict.fromkeys(layout.name for bits in (32, 64) for layout in layouts(bits))
    return _matching(names, incomplete)


def topics(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Topics of ``vmemu help``."""
    from vmemu.cli.help import topics

    return _matching(topics(), incomplete)


def files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Files, which the shell itself completes."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def directories(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Directories, which the shell itself completes."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="dir")]


def programs(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[str] | list[CompletionItem]:
    """Guests, and files where the word is not the beginning of a guest's name."""
    from pathlib import Path

    from vmemu.lab.guests import guest_names

    guests = _matching(guest_names(), incomplete)
    if not guests:
        return files(ctx, param, incomplete)
    beside = {path.name for path in Path().iterdir() if path.is_file()} if incomplete else set()
    return sorted({*guests, *_matching(beside, incomplete)})


def calls(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """System calls and groups of them, the last of a list."""
    from vmemu.kernel.syscalls import TABLES

    before, comma, last = incomplete.rpartition(",")
    entries = [entry for table in TABLES.values() for entry in table.values()]
    groups = {entry.handler.__module__.rpartition(".")[2] for entry in entries}
    names = sorted(groups | {entry.name for entry in entries})
    return [before + comma + name for name in _matching(names, last)]


def one_of(*values: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """A few words."""
    return lambda ctx, param, incomplete: _matching(values, incomplete)
