"""Every kind of failure vmemu knows, one type per layer."""

from __future__ import annotations

import errno as _errno

__all__ = [
    "ConfigError",
    "CpuError",
    "Errno",
    "ExecError",
    "KernelBug",
    "LimitReached",
    "MachineClosed",
    "SwapIOError",
    "VmemuError",
]


class VmemuError(Exception):
    """A mistake of the user, told in one sentence; the command line exits with status 2."""


class ConfigError(VmemuError):
    """A setting, file or name that cannot be used."""


class ExecError(VmemuError):
    """A program file that cannot be executed."""


class LimitReached(VmemuError):
    """A run has come to a limit that was set for it; the command line exits with 124."""


class MachineClosed(VmemuError):
    """Something of a machine is used after the machine was closed."""


class SwapIOError(VmemuError):
    """The host cannot read or write a swap file; what the guests had there is lost."""


class CpuError(VmemuError):
    """Unicorn gave up while it ran a guest; its machine cannot go on, others can."""


class Errno(Exception):
    """A system call fails; ``errno`` is the positive number the guest gets negated."""

    def __init__(self, errno: int) -> None:
        self.errno = errno

    def __str__(self) -> str:
        return _errno.errorcode.get(self.errno, str(self.errno))


class KernelBug(Exception):
    """vmemu itself is inconsistent; the message holds the state that shows it."""
