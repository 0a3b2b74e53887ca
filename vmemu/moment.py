"""A moment of a run that can be named: a mark, a system call, an event, the end."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from vmemu.core import EVENTS
from vmemu.errors import ConfigError

if TYPE_CHECKING:
    from vmemu.kernel.kernel import Kernel
    from vmemu.kernel.process.task import Task
    from vmemu.machine import Machine

__all__ = ["Moment", "Waiting", "find_moment"]

_SYNTAX = re.compile(r"(?:(mark|call|event):)?([^:]+)(?::(\d+))?")


@dataclass(frozen=True)
class Moment:
    """``kind`` is mark, call, event or exit; the ``nth`` of its name is meant."""

    kind: str
    name: str = ""
    nth: int = 1

    def __str__(self) -> str:
        """As in "the program at mark measure"."""
        nth = f":{self.nth}" if self.nth > 1 else ""
        return {
            "mark": f"at mark {self.name}{nth}",
            "call": f"before {self.name}{nth}",
            "event": f"after event {self.name}{nth}",
            "exit": "at exit",
        }[self.kind]


def find_moment(text: str, kernel: Kernel) -> Moment:
    """What a text means to a kernel with its programs; ConfigError when nothing.

    A name that is no call and no event is a mark if a program's file has it somewhere.
    """
    match = _SYNTAX.fullmatch(text)
    if match is None:
        raise ConfigError(f"{text!r} is no moment: {_right(kernel)}")
    kind, name, nth = match[1], match[2], int(match[3] or 1)
    if nth < 1:
        raise ConfigError(f"{text!r} is no moment: the first {name} is {name}:1")
    if text == "exit":
        return Moment("exit")
    calls = _calls(kernel)
    if kind == "mark":
        return Moment("mark", name, nth)
    if kind != "event" and name in calls:
        return Moment("call", name, nth)
    if kind != "call" and name in EVENTS[1:]:
        return Moment("event", name, nth)
    if kind == "call":
        raise ConfigError(f"there is no system call {name!r}{_near(name, calls)}")
    if kind == "event":
        raise ConfigError(f"there is no event {name!r}; these are: {', '.join(EVENTS[1:])}")
    if any(name.encode() in Path(task.exe).read_bytes() for task in kernel.tasks):
        return Moment("mark", name, nth)
    hint = _near(name, ["exit", *calls, *EVENTS[1:]])
    raise ConfigError(f"there is no moment {name!r}{hint}: {_right(kernel)}")


def _calls(kernel: Kernel) -> list[str]:
    return [entry.name for entry in kernel.syscalls.values()]


def _near(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, 1)
    return f" (did you mean {near[0]}?)" if near else ""


def _right(kernel: Kernel) -> str:
    """What can be given, in half a sentence."""
    program = kernel.first.comm if kernel.first is not None else "the program"
    some = ", ".join(name for name in ("fork", "mmap2", "mmap") if name in _calls(kernel))
    return (
        f"give exit, a mark that {program} sets, a system call such as {some}, "
        f"or an event: {', '.join(EVENTS[1:])}"
    )


T = TypeVar("T")


class Waiting(Generic[T]):
    """Waits for a moment of a machine: when it comes, ``look`` is called; `answer` is what it gave.

    Marks and the end are seen by the kernel's hooks, which whoever had them keeps; a call by
    an entry of the kernel's table that looks before the call runs.
    """

    def __init__(self, machine: Machine, moment: Moment, look: Callable[[str], T]) -> None:
        self.machine, self.moment, self.look = machine, moment, look
        self.came = False
        self._seen: T | None = None
        self._failed: Exception | None = None
        self._left = moment.nth
        self._undo: Callable[[], None] = lambda: None
        self._target = 0

    def __enter__(self) -> Self:
        kernel, moment = self.machine.kernel, self.moment
        if moment.kind == "mark":
            self._hook(kernel, "on_mark", self._on_mark)
        elif moment.kind == "exit":
            self._hook(kernel, "on_exit", self._on_exit)
        elif moment.kind == "call":
            self._interpose(kernel)
        else:
            self._target = self.machine.core.happened[moment.name] + moment.nth
        return self

    def __exit__(self, *exc: object) -> None:
        self._undo()

    def due(self) -> bool:
        """Whether an event has happened as often as it should: several may come in one step."""
        return self.machine.core.happened[self.moment.name] >= self._target

    def answer(self) -> T | None:
        """What ``look`` gave, or raised; None when the moment has not come."""
        if self._failed is not None:
            raise self._failed
        return self._seen

    def _hook(self, kernel: Kernel, name: str, look: Callable[..., None]) -> None:
        before = getattr(kernel, name)

        def both(*args: Any) -> Any:
            look(*args)
            return before(*args) if before is not None else None

        setattr(kernel, name, both)
        self._undo = lambda: setattr(kernel, name, before)

    def _interpose(self, kernel: Kernel) -> None:
        table = kernel.syscalls
        (number, entry), *_ = ((n, e) for n, e in table.items() if e.name == self.moment.name)

        def look(task: Task, *args: int) -> Any:
            self._count()
            return entry.handler(task, *args)

        with_look = type(table)(table.items())
        with_look[number] = entry._replace(handler=look)
        kernel.syscalls = with_look
        self._undo = lambda: setattr(kernel, "syscalls", table)

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            self.came = True
            try:
                self._seen = self.look(str(self.moment))
            except Exception as error:  # when the call that is in progress has been made
                self._failed = error

    def _on_mark(self, task: Task, name: str, a: int, b: int) -> None:
        if name == self.moment.name:
            self._count()

    def _on_exit(self, task: Task, status: object) -> None:
        others = (each for each in self.machine.kernel.tasks if each is not task)
        if all(each.memory is None for each in others):
            self._count()
