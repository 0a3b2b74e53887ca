"""What ``vmemu run`` can say of a run while it runs: system calls, and events."""

from __future__ import annotations

import json
from collections import Counter
from typing import IO, TYPE_CHECKING

from vmemu.errors import ConfigError

if TYPE_CHECKING:
    from vmemu.kernel.process.task import Task
    from vmemu.kernel.process.wait import WaitStatus
    from vmemu.kernel.syscalls.table import Syscall
    from vmemu.machine import Machine

__all__ = ["RING", "CallCount", "call_classes", "calls_named", "run_writing_events"]

RING = 1 << 16
"""Events between two stops, of which there are many more: each fault and system call is one."""


def call_classes() -> list[str]:
    """The classes of system calls: the kernel's modules of them."""
    from vmemu.kernel import syscalls

    return sorted({_class(entry) for table in syscalls.TABLES.values() for entry in table.values()})


def _class(entry: Syscall) -> str:
    return entry.handler.__module__.rpartition(".")[2]


def calls_named(text: str, bits: int) -> frozenset[int]:
    """Numbers of the system calls of a list of names and classes, as ``mm,write``.

    ConfigError for what is neither.
    """
    from vmemu.kernel.syscalls import TABLES

    chosen: set[int] = set()
    for word in text.split(","):
        found = {n for n, entry in TABLES[bits].items() if word in (entry.name, _class(entry))}
        if not found:
            raise ConfigError(
                f"there is no system call {word!r} of {bits} bits, and no class of them: "
                f"choose from {', '.join(call_classes())}"
            )
        chosen |= found
    return frozenset(chosen)


class CallCount:
    """Counts system calls and their errors by name."""

    def __init__(self) -> None:
        self._calls: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()

    def add(self, task: Task, name: str, result: int | None) -> None:
        """One that has ended (kernel.on_call)."""
        from vmemu.kernel.process.wait import ERESTARTSYS

        self._calls[name] += 1
        if result is not None and -ERESTARTSYS < result < 0:
            self._errors[name] += 1

    def text(self) -> str:
        """A table, the most frequent first."""
        from vmemu.lab.table import Table

        names = sorted(self._calls, key=lambda name: (-self._calls[name], name))
        rows = [(self._calls[name], self._errors[name], name) for name in names]
        rows.append((self._calls.total(), self._errors.total(), "total"))
        return Table(("calls", "errors", "system call"), rows).text().rstrip("\n")


def run_writing_events(machine: Machine, file: IO[str]) -> WaitStatus:
    """Run the first program to its end, and write each event as a line of JSON."""
    from vmemu.core import EVENTS

    seen = 0

    def write() -> None:
        nonlocal seen
        for event in machine.core.events(seen):
            fields = {"event" if key == "name" else key: v for key, v in event._asdict().items()}
            file.write(json.dumps(fields) + "\n")
            seen = event.seq + 1

    try:
        while machine.run_until(*EVENTS[1:]) is not None:
            write()
        return machine.run()
    finally:
        write()
