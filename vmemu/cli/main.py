"""``vmemu``: the command group.

Subcommands are imported when they are called.
"""

from __future__ import annotations

import importlib

import click

from vmemu import __version__
from vmemu.cli.options import examples

__all__ = ["cli"]

_COMMANDS = (
    *("run", "show", "who", "compare", "overhead", "explore", "list"),
    *("sweep", "results", "growth", "plot"),
    *("rootfs", "include-dir", "help", "completion"),
)


class _Lazy(click.Group):
    """A group whose commands live in modules of their own."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"vmemu.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(
                f"there is no command {args[0]!r}: choose one of {', '.join(_COMMANDS)}", ctx
            )
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Lazy,
    epilog=examples(
        "vmemu run hello",
        "vmemu show --at measure fork-server R=4 N=2",
        "vmemu who --at forked --addr 40001000 family",
        "vmemu compare fork-server --set N=32",
        "vmemu overhead",
        "vmemu explore mlock-vs-unmap",
        "vmemu list",
    ),
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, message="vmemu %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Run Linux programs, i386 and x86-64, on an emulated virtual-memory system whose reverse
    map can be exchanged, and measure what each reverse map costs.

    vmemu help TOPIC explains; vmemu completion bash prints what makes the shell complete names.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
