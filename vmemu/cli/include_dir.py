"""``vmemu include-dir``: where <vmemu.h> is, and "guest.h"."""

from __future__ import annotations

import click

from vmemu.cli.declare import option
from vmemu.cli.options import examples

__all__ = ["command"]


@click.command(
    "include-dir",
    epilog=examples("vmemu include-dir", "vmemu include-dir --guest"),
    short_help="Tell the folder of <vmemu.h>.",
)
@option("--guest", is_flag=True, help='Tell the folder of "guest.h" instead.')
def command(guest: bool) -> None:
    """Print the folder of <vmemu.h>, for a compiler's -I.

    The header is what a program of one's own can ask of vmemu: marks, reclaiming a range,
    reading a counter, a check.  Outside vmemu all of it does nothing.

    With --guest it is the folder of "guest.h", which is all that a guest includes: a program
    without a C library, as scenarios have.
    """
    from vmemu.lab.compiling import GUEST_INCLUDE, INCLUDE

    click.echo(GUEST_INCLUDE if guest else INCLUDE)
