"""From the words of a command line to an exit status; how everything that goes wrong is told.

``vmemu run`` is read here without click, whose import would take as long as its run: see
`vmemu.cli.declare`.  Whatever cannot be read so is click's, with its help and its messages.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from vmemu.errors import KernelBug, LimitReached, VmemuError

__all__ = ["COMPLETE", "EX_LIMIT", "guarded", "main"]

COMPLETE = "_VMEMU_COMPLETE"
"""In the environment of vmemu when the shell asks what a word can become."""

EX_USAGE = 2
EX_SOFTWARE = 70
EX_LIMIT = 124
EX_INTERRUPTED = 130
EX_PIPE = 141


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    Status 2 for what the user can mend, told in one sentence; 124 for a run that came to a
    limit; 70 for a bug of vmemu, with a traceback if ``$VMEMU_DEBUG`` is set; else what the
    command says.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(guarded(lambda: _invoke(argv)))


def _invoke(argv: Sequence[str] | None) -> int:
    args = list(sys.argv[1:] if argv is None else argv)
    if args[:1] == ["run"] and COMPLETE not in os.environ:
        from vmemu.cli.run import read, run

        values = read(args[1:])
        if values is not None:
            importlib.import_module("vmemu.machine")
            _collect()
            return run(**values)
    import click

    from vmemu.cli.main import cli

    _collect()
    asked = os.environ.get(COMPLETE)
    if asked:
        from click.shell_completion import shell_complete

        return shell_complete(cli, {}, "vmemu", COMPLETE, asked)
    # not cli.main(): that has its own ideas of interrupts and closed pipes
    try:
        with cli.make_context("vmemu", args, obj=tuple(args)) as ctx:
            cli.invoke(ctx)
    except click.exceptions.Exit as end:
        return end.exit_code
    return 0


def _collect() -> None:
    """Let garbage be collected from here on, without a look at what has been imported.

    Where it is collected already, this is somebody else's process.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def guarded(action: Callable[[], int]) -> int:
    """Do something and turn what it raises into a message and an exit status."""
    try:
        status = action()
        sys.stdout.flush()
        return status
    except LimitReached as error:
        return _complain(str(error), EX_LIMIT)
    except VmemuError as error:
        if output := getattr(error, "output", ""):  # of a compiler, as it is
            with contextlib.suppress(OSError):
                print(output.rstrip("\n"), file=sys.stderr)
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
        refusal = _refusal(error)
        if refusal is not None:
            return _complain(refusal, EX_USAGE)
        _debug()
        return _complain(
            f"internal error: {type(error).__name__}: {error} (VMEMU_DEBUG=1 shows where)",
            EX_SOFTWARE,
        )


def _refusal(error: Exception) -> str | None:
    """What click does not accept, as a sentence; None for what it did not raise."""
    if "click" not in sys.modules:
        return None
    import click

    if not isinstance(error, click.ClickException):
        return None
    if not isinstance(error, click.UsageError):
        return error.format_message()
    message = error.format_message().rstrip(".").replace("\n", " ")
    message = message[:1].lower() + message[1:]
    return f"{message} (see {error.ctx.command_path} --help)" if error.ctx else message


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
