"""What commands share that run a program to a moment and look at it there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from vmemu.cli.declare import option

if TYPE_CHECKING:
    from vmemu.machine import Machine

__all__ = ["EX_NEVER", "at_option", "never_came"]

EX_NEVER = 1
"""The exit status where the moment never comes."""

at_option = option(
    "--at",
    "moment",
    metavar="MOMENT",
    help="When: a mark of the program, a system call (before it runs), an event, or exit, "
    "the end of the last process, which is the default. NAME:3 is the third; mark:NAME, "
    "call:NAME, event:NAME say which, where a name is several.",
)


def never_came(machine: Machine, moment: str, marks: list[str]) -> NoReturn:
    """Tell that a program ended before the moment, and end with `EX_NEVER`."""
    import click

    click.echo(f"vmemu: {_never(machine, moment, marks)}", err=True)
    raise click.exceptions.Exit(EX_NEVER)


def _never(machine: Machine, moment: str, marks: list[str]) -> str:
    """That a program ended before the moment, which it was, and what might be meant."""
    from vmemu.core import EVENTS

    first = machine.kernel.first
    status = first.status if first is not None else None
    ended = "it ended"
    if status is not None:
        signal = f"signal {status.code} killed it"
        ended = signal if status.signaled else f"it ended with exit status {status.exit_status}"
    name = moment.rpartition(":")[2]
    hints = []
    if marks:
        hints.append(f"its marks were {', '.join(dict.fromkeys(marks))}")
    if moment == name in {entry.name for entry in machine.kernel.syscalls.values()} & {*EVENTS}:
        hints.append(f"event:{name} is the event of that name")
    program = first.comm if first is not None else "the program"
    return f"{program}: {moment} never came: {'; '.join([ended, *hints])}"
