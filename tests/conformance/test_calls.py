"""Errors of system calls, alone and two at a time: the one that Linux finds first is told."""

from __future__ import annotations

import io
import itertools
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from calls import CALLS, POOL_BYTES, POOL_SIZE, Call, Wrong

from vmemu import _build
from vmemu.kernel.syscalls import SYSCALLS
from vmemu.machine import Machine

NUMBERS = {entry.name: number for number, entry in SYSCALLS.items()}


class Question(NamedTuple):
    """A call with one or two things wrong, and what is to be answered."""

    call: Call
    wrongs: tuple[Wrong, ...]

    @property
    def expected(self) -> int:
        return -self.wrongs[0].error

    @property
    def today(self) -> bool:
        """Whether the kernel of today answers the same."""
        return self.call.native and all(wrong.today for wrong in self.wrongs)

    def records(self) -> Iterator[bytes]:
        """What asker.c reads: calls to be made before, the call, and those after."""
        args = list(self.call.good)
        for wrong in self.wrongs:
            for index, value in wrong.args.items():
                args[index] = value
            yield from (_record(*call) for call in wrong.before)
        yield _record(NUMBERS[self.call.name], *args, report=1)
        for wrong in self.wrongs:
            yield from (_record(*call) for call in wrong.after)

    def __str__(self) -> str:
        found = " and ".join(
            f"{os.strerror(wrong.error)} by {wrong.args or wrong.before}" for wrong in self.wrongs
        )
        return f"{self.call.name}: {found}"


def _record(number: int, *args: int, report: int = 0) -> bytes:
    padded = [*args, *(6 - len(args)) * (0,)]
    return struct.pack("<8I", *(value & 0xFFFFFFFF for value in (number, *padded, report)))


def compatible(first: Wrong, second: Wrong) -> bool:
    """Both can be provoked at once, and it shows which one was found."""
    clash = any(second.args.get(index, value) != value for index, value in first.args.items())
    return first.error != second.error and not clash


def questions(call: Call) -> list[Question]:
    alone = [Question(call, (wrong,)) for wrong in call.errors]
    pairs = [
        Question(call, pair) for pair in itertools.combinations(call.errors, 2) if compatible(*pair)
    ]
    return alone + pairs


def listed(asked: list[Question]) -> bytes:
    records = [record for question in asked for record in question.records()]
    pool = bytes(POOL_BYTES).ljust(POOL_SIZE, b"\0")
    return struct.pack("<I", len(records)) + pool + b"".join(records)


def asker() -> bytes:
    """The program, built once."""
    return _build.guest_program(Path(__file__).with_name("asker.c"))


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "asker"
    path.write_bytes(asker())
    path.chmod(0o755)
    return path


def mistakes(asked: list[Question], output: bytes) -> list[str]:
    answers = struct.unpack(f"<{len(output) // 4}i", output)
    assert len(answers) == len(asked)
    return [
        f"{question}: {answer}"
        for question, answer in zip(asked, answers, strict=True)
        if answer != question.expected
    ]


def test_every_call_is_in_the_table() -> None:
    assert sorted(CALLS) == sorted(NUMBERS)
    assert all(name == call.name for name, call in CALLS.items())


@pytest.mark.parametrize(
    "call", [call for call in CALLS.values() if call.errors], ids=lambda c: c.name
)
def test_the_first_error_is_told(call: Call, program: Path) -> None:
    asked, output = questions(call), io.BytesIO()
    with Machine(ram="2M", swap="1M") as machine:
        machine.kernel.log = lambda _line: None
        machine.spawn(program, stdin=listed(asked), stdout=output, stderr=output)
        assert machine.run().exit_status == 0
        machine.check()
    assert not mistakes(asked, output.getvalue())


@pytest.mark.native
@pytest.mark.parametrize(
    "call", [call for call in CALLS.values() if call.errors], ids=lambda c: c.name
)
def test_the_kernel_of_today_agrees(call: Call, program: Path) -> None:
    asked = [question for question in questions(call) if question.today]
    if not asked:
        pytest.skip(call.note)
    try:
        done = subprocess.run(
            [program], input=listed(asked), capture_output=True, timeout=60, check=True
        )
    except OSError as error:
        pytest.skip(f"the host does not execute i386 programs: {error}")
    assert not mistakes(asked, done.stdout)
