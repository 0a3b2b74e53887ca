"""``vmemu``: the command group, and how everything that goes wrong is told.

Subcommands are imported when they are called: ``vmemu run hello`` shall not wait for what
it does not need.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

import click

from vmemu import __version__
from vmemu.cli.options import examples
from vmemu.errors import KernelBug, LimitReached, VmemuError

__all__ = ["cli", "guarded", "main"]

EX_USAGE = 2
EX_SOFTWARE = 70
EX_LIMIT = 124
EX_INTERRUPTED = 130
EX_PIPE = 141

_COMMANDS = (
    *("run", "show", "compare", "overhead", "explore", "list"),
    *("include-dir", "help", "completion"),
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


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    Status 2 for what the user can mend, told in one sentence; 124 for a run that came to a
    limit; 70 for a bug of vmemu, with
    a traceback if ``$VMEMU_DEBUG`` is set; else what the command says.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(guarded(lambda: _invoke(argv)))


def _invoke(argv: Sequence[str] | None) -> int:
    # not cli.main(): that has its own ideas of interrupts and closed pipes
    args = list(sys.argv[1:] if argv is None else argv)
    asked = os.environ.get("_VMEMU_COMPLETE")
    if asked:
        from click.shell_completion import shell_complete

        return shell_complete(cli, {}, "vmemu", "_VMEMU_COMPLETE", asked)
    try:
        with cli.make_context("vmemu", args, obj=tuple(args)) as ctx:
            cli.invoke(ctx)
    except click.exceptions.Exit as end:
        return end.exit_code
    return 0


def guarded(action: Callable[[], int]) -> int:
    """Do something and turn what it raises into a message and an exit status."""
    try:
        status = action()
        sys.stdout.flush()
        return status
    except click.UsageError as error:
        return _complain(_sentence(error), EX_USAGE)
    except click.ClickException as error:
        return _complain(error.format_message(), EX_USAGE)
    except LimitReached as error:
        return _complain(str(error), EX_LIMIT)
    except VmemuError as error:
        return _complain(str(error), EX_USAGE)
    except KeyboardInterrupt:
        return _complain("interrupted", EX_INTERRUPTED)
    except BrokenPipeError:
        _stop_output()
        return EX_PIPE
    except OSError as error:
        _debug()
        what = f"{_shown(error.filename)}: " if error.filename else ""
        try:
            sys.stdout.flush()
        except OSError:  # it was that one
            what = "standard output: "
            _stop_output()
        return _complain(f"{what}{(error.strerror or str(error)).lower()}", EX_USAGE)
    except UnicodeError as error:
        _debug()
        return _complain(f"text that is not UTF-8 cannot be used here: {error}", EX_USAGE)
    except KernelBug as error:
        _debug()
        return _complain(f"kernel bug: {error}", EX_SOFTWARE)
    except Exception as error:
        _debug()
        return _complain(
            f"internal error: {type(error).__name__}: {error} (VMEMU_DEBUG=1 shows where)",
            EX_SOFTWARE,
        )


def _shown(name: object) -> str:
    """A file's name, cut off where it is longer than anybody wants to read."""
    text = os.fsdecode(name) if isinstance(name, str | bytes) else str(name)
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= 200 else f"{text[:200]}..."


def _stop_output() -> None:
    """Let the interpreter's own flush at its end not fail as well."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _sentence(error: click.UsageError) -> str:
    message = error.format_message().rstrip(".").replace("\n", " ")
    message = message[:1].lower() + message[1:]
    return f"{message} (see {error.ctx.command_path} --help)" if error.ctx else message


def _complain(message: str, status: int) -> int:
    text = message.encode(errors="backslashreplace").decode()
    # where stderr cannot be written to, the status has to do
    with contextlib.suppress(OSError):
        print(f"vmemu: {text}", file=sys.stderr, flush=True)
    return status


def _debug() -> None:
    if os.environ.get("VMEMU_DEBUG"):
        import traceback

        traceback.print_exc()
