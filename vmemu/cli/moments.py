"""What commands share that run a program to a moment and look at it there."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from vmemu.cli.declare import option
from vmemu.errors import ConfigError

if TYPE_CHECKING:
    from vmemu.machine import Machine

__all__ = ["at_option", "never", "unwritable", "write_picture"]

at_option = option(
    "--at",
    "moment",
    metavar="MOMENT",
    help="When: a mark of the program, a system call (before it runs), an event, or exit, "
    "the end of the last process, which is the default. NAME:3 is the third; mark:NAME, "
    "call:NAME, event:NAME say which, where a name is several.",
)


def unwritable(path: str) -> ConfigError | None:
    """Why a picture could not be written to a file, before anything is run; None when it can."""
    from vmemu.report.file import obstacle

    number = obstacle(Path(path))
    return _unwritable(path, number) if number else None


def _unwritable(path: str, number: int) -> ConfigError:
    return ConfigError(f"cannot write {path}: {os.strerror(number).lower()}")


def write_picture(path: str, svg: str) -> None:
    """Write it; ConfigError when that fails."""
    try:
        Path(path).write_text(svg, encoding="utf-8")
    except OSError as error:
        raise _unwritable(path, error.errno or errno.EIO) from None


def never(machine: Machine, moment: str, marks: list[str]) -> str:
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
