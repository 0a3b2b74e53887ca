"""``vmemu completion``: what makes a shell complete vmemu's words."""

from __future__ import annotations

import click

from vmemu.cli.entry import COMPLETE
from vmemu.cli.options import examples

__all__ = ["command"]

_SHELLS = ("bash", "zsh", "fish")


@click.command(
    "completion",
    epilog=examples(
        "vmemu completion bash >~/.vmemu-completion",
        "vmemu completion fish >~/.config/fish/completions/vmemu.fish",
    ),
    short_help="Print what makes the shell complete names.",
)
@click.argument("shell", type=click.Choice(_SHELLS))
def command(shell: str) -> None:
    """Print a script for SHELL that has it complete commands, options, and the names of
    guests, scenarios and schemes.

    For this shell alone: eval "$(vmemu completion bash)".  For every shell to come: put that
    line into ~/.bashrc or ~/.zshrc, or the script into a file that it reads.
    """
    from click.shell_completion import get_completion_class

    from vmemu.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "vmemu", COMPLETE).source(), nl=False)
