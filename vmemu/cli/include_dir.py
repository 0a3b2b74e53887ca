"""``vmemu include-dir``: where <vmemu.h> is."""

from __future__ import annotations

import click

from vmemu.cli.options import examples

__all__ = ["command"]


@click.command(
    "include-dir",
    epilog=examples("vmemu include-dir"),
    short_help="Tell the folder of <vmemu.h>.",
)
def command() -> None:
    """Print the folder of <vmemu.h>, for a compiler's -I.

    The header is what a program of one's own can ask of vmemu: marks, reclaiming a range,
    reading a counter, a check.  Outside vmemu all of it does nothing.
    """
    from vmemu.lab.compiling import INCLUDE

    click.echo(INCLUDE)
