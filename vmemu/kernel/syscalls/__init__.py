"""The system calls, a module per noun; importing the package fills the table."""

from vmemu.kernel.syscalls import (
    exec,  # noqa: A004
    fd,
    file,
    futex,
    identity,
    lab,
    limits,
    misc,
    mm,
    process,
    signal,
    stat,
    time,
)
from vmemu.kernel.syscalls.table import SYSCALLS, TABLES, Syscall, s32

__all__ = [
    "SYSCALLS",
    "TABLES",
    "Syscall",
    "exec",
    "fd",
    "file",
    "futex",
    "identity",
    "lab",
    "limits",
    "misc",
    "mm",
    "process",
    "s32",
    "signal",
    "stat",
    "time",
]
