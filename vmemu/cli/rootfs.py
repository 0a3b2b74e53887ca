"""``vmemu rootfs``: a root for guests, from Debian's packages."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import click

from vmemu.cli.options import examples

__all__ = ["command"]


@click.command(
    "rootfs",
    epilog=examples(
        "vmemu rootfs rootfs",
        "vmemu rootfs --arch i386 rootfs32 busybox-static bash python3-minimal",
        "vmemu run --root rootfs /bin/sh -c 'ls -l /bin'",
    ),
    short_help="Lay out a root for guests from Debian's packages.",
)
@click.option(
    "--arch",
    "architecture",
    type=click.Choice(("i386", "amd64")),
    default="amd64",
    show_default=True,
    help="Whose packages.",
)
@click.option("--update", is_flag=True, help="Ask for new versions.")
@click.argument("directory", metavar="DIR")
@click.argument("packages", metavar="[PACKAGE]...", nargs=-1)
def command(architecture: str, update: bool, directory: str, packages: tuple[str, ...]) -> None:
    """Lay out a root in DIR: a small Debian, each PACKAGE, and what they need.

    The host's own apt fetches and verifies, with lists and archives of its own in the user's cache;
    nothing is installed on the host, and root's rights are not needed.  The scripts of packages
    are not run.

    A root that is there gets the packages that it does not have.  What is in it stands in
    DIR/var/lib/vmemu/rootfs.json.
    """
    from vmemu.rootfs.lay import lay_out

    with _Bar() as bar:
        laid = lay_out(directory, _names(packages), architecture, cache(), bar.tell, update=update)
    if laid.stale:
        click.echo(f"vmemu: some packages may be old: {laid.stale}", err=True)
    new = f"{laid.new} new" if laid.new else "nothing new"
    click.echo(f"{directory}: {laid.packages} packages of {architecture}, {new}", err=True)


def _names(packages: tuple[str, ...]) -> tuple[str, ...]:
    """Names of packages; ConfigError for what apt would take for an option or a pattern."""
    import re

    from vmemu.errors import ConfigError

    for name in packages:
        if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", name) or name[-1] == "-":
            raise ConfigError(f"{name!r} is not the name of a package")
    return packages


def cache() -> Path:
    """The user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vmemu"


class _Bar:
    """A bar of percents on a terminal, where it takes longer than a moment."""

    def __init__(self) -> None:
        from vmemu.cli.progress import Progress

        self._bar = Progress(100)
        self._shown = time.monotonic()

    def __enter__(self) -> _Bar:
        self._bar.__enter__()
        return self

    def tell(self, percent: float, what: str) -> None:
        """So much is done of what is being done."""
        self._bar.done = int(percent) - 1
        self._bar.step(what)

    def __exit__(self, *error: object) -> None:
        self._bar.__exit__(*sys.exc_info())
