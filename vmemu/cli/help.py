"""``vmemu help``: the documentation that the package brings, by topic."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import click

from vmemu.cli import names
from vmemu.cli.options import examples
from vmemu.errors import ConfigError
from vmemu.lab.guests import GUESTS

__all__ = ["TOPICS", "command", "page_of", "topics"]

PAGES = Path(__file__).parents[1] / "pages"
"""Copies of docs/, which the build makes."""


class Topic(NamedTuple):
    """A page, or the section of one that has this heading."""

    page: Path
    section: str | None
    summary: str


TOPICS = {
    "tour": Topic(PAGES / "tour.md", None, "one page, three processes: all terms, step by step"),
    "own-programs": Topic(PAGES / "own-programs.md", None, "running programs of one's own"),
    "marks": Topic(PAGES / "own-programs.md", "The header", "<vmemu.h>: marks, reclaim, counters"),
    "command-line": Topic(PAGES / "command-line.md", None, "commands and options"),
    "python": Topic(PAGES / "python.md", None, "machines in scripts"),
    "guests": Topic(Path(GUESTS) / "README.md", None, "the programs that come with vmemu"),
    "schemes": Topic(PAGES / "schemes.md", None, "the reverse maps: how they work, what they cost"),
    "cases": Topic(PAGES / "cases.md", None, "one page under each scheme, from create to exit"),
    "published": Topic(PAGES / "published.md", None, "beside what others measured, 2003 to 2026"),
    "write-a-scheme": Topic(PAGES / "write-a-scheme.md", None, "a reverse map of one's own"),
    "write-a-scenario": Topic(PAGES / "write-a-scenario.md", None, "a scenario of one's own"),
    "scenarios": Topic(PAGES / "schemes.md", "Scenarios", "what compare runs, and what it finds"),
    "files": Topic(PAGES / "files.md", None, "what programs see of files: --root, --bind"),
    "programs": Topic(PAGES / "programs.md", None, "Debian's programs, and roots to run them from"),
    "sweeps": Topic(PAGES / "sweeps.md", None, "many runs: ranges, files, clusters"),
    "results": Topic(PAGES / "results.md", None, "data sets of runs: SQL, laws of growth, plots"),
    "seeing": Topic(PAGES / "seeing.md", None, "vmemu show: memory at one moment; notebooks"),
    "who": Topic(PAGES / "seeing.md", "Who has a page", "vmemu who: who maps a page, found how"),
    "model": Topic(PAGES / "model.md", None, "the memory manager, from zero"),
    "counters": Topic(PAGES / "model.md", "Counters and events", "what is counted and traced"),
    "limits": Topic(PAGES / "model.md", "Limits of a run", "time, tasks and memory of a run"),
    "exit-statuses": Topic(PAGES / "model.md", "Exit statuses", "how vmemu ends"),
    "time": Topic(PAGES / "model.md", "Time and determinism", "virtual time"),
    "locking": Topic(PAGES / "locking.md", None, "the kernel's locks, and who checks them"),
    "exploring": Topic(PAGES / "exploring.md", None, "kernel paths in every order that matters"),
    "fidelity": Topic(PAGES / "fidelity.md", None, "every known difference from Linux"),
}


def topics() -> list[str]:
    """What can be asked about: topics, then commands."""
    from vmemu.cli.main import cli

    return [*TOPICS, *cli.list_commands(click.Context(cli))]


@click.command(
    "help",
    epilog=examples("vmemu help", "vmemu help counters", "vmemu help compare"),
    short_help="Explain a topic.",
)
@click.argument("topic", required=False, shell_complete=names.topics)
@click.pass_context
def command(ctx: click.Context, topic: str | None) -> None:
    """Show the documentation of TOPIC, or the topics there are."""
    group = ctx.find_root().command
    assert isinstance(group, click.Group)
    if topic is None:
        width = max(map(len, TOPICS))
        for name, each in TOPICS.items():
            click.echo(f"  {name:<{width}}  {each.summary}")
        click.echo("\nvmemu help COMMAND is vmemu COMMAND --help.")
    elif topic in TOPICS:
        _show(page_of(topic))
    elif topic in group.list_commands(ctx):
        about = group.get_command(ctx, topic)
        assert about is not None
        with click.Context(about, info_name=topic, parent=ctx.parent) as inner:
            click.echo(about.get_help(inner))
    else:
        raise ConfigError(f"there is no topic {topic!r}: choose one of {', '.join(topics())}")


def page_of(topic: str) -> str:
    """A topic's text: Markdown, without what leads elsewhere."""
    page, section, _ = TOPICS[topic]
    text = page.read_text()
    if section is not None:
        parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)
        text = next(part for part in parts if part.startswith(f"## {section}\n"))
    text = re.sub(r"^\* \[[^\n]*\]\(#[^\n]*\n", "", text, flags=re.MULTILINE)  # contents
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)\n*", "", text)  # pictures
    return re.sub(r"\[([^\]]*)\]\([^)\s]*\)", r"\1", text)  # links


def _show(text: str) -> None:
    import sys

    from rich.console import Console
    from rich.markdown import Markdown

    console = Console()
    with console.capture() as shown:
        console.print(Markdown(text))
    if sys.stdout.isatty():
        click.echo_via_pager(shown.get())
    else:
        click.echo("\n".join(line.rstrip() for line in shown.get().splitlines()))
