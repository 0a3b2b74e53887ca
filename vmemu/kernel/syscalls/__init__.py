"""The system calls, a module per noun.

Importing the package fills the table with what nearly every program calls; the other
modules are imported when a number is looked up that is not there yet.
"""

from vmemu.kernel.syscalls import exec, fd, lab, misc, mm, process  # noqa: A004
from vmemu.kernel.syscalls.table import SYSCALLS, TABLES, Syscall, later, s32

later(
    "adjtime",
    "attribute",
    "clone",
    "control",
    "directory",
    "epoll",
    "eventfd",
    "file",
    "futex",
    "identity",
    "ipc",
    "limits",
    "lock",
    "message",
    "mqueue",
    "msg",
    "name",
    "offset",
    "pidfd",
    "poll",
    "prctl",
    "sched",
    "sem",
    "shm",
    "signal",
    "sigqueue",
    "socket",
    "sockopt",
    "splice",
    "stat",
    "statfs",
    "sync",
    "time",
    "timer",
    "user",
    "uts",
    "wait",
    "xattr",
)

__all__ = ["SYSCALLS", "TABLES", "Syscall", "exec", "fd", "lab", "misc", "mm", "process", "s32"]
