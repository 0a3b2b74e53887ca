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
from vmemu.kernel.syscalls import TABLES
from vmemu.machine import Machine

NUMBERS = {
    bits: {entry.name: number for number, entry in table.items()} for bits, table in TABLES.items()
}
ASKED = [
    pytest.param(call, bits, id=f"{call.name}-{bits}")
    for call in CALLS.values()
    for bits in NUMBERS
    if call.errors and call.name in NUMBERS[bits]
]


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

    def records(self, bits: int) -> Iterator[bytes]:
        """What asker.c reads: calls to be made before, the call, and those after."""
        args = list(self.call.good)
        for wrong in self.wrongs:
            for index, value in wrong.args.items():
                args[index] = value
            yield from (_record(bits, *call) for call in wrong.before)
        yield _record(bits, self.call.name, *args, report=1)
        for wrong in self.wrongs:
            yield from (_record(bits, *call) for call in wrong.after)

    def __str__(self) -> str:
        found = " and ".join(
            f"{os.strerror(wrong.error)} by {wrong.args or wrong.before}" for wrong in self.wrongs
        )
        return f"{self.call.name}: {found}"


def _record(bits: int, name: str | int, *args: str | int, report: int = 0) -> bytes:
    words = [NUMBERS[bits][str(name)], *map(int, args), *(6 - len(args)) * (0,), report]
    form = "<8Q" if bits == 64 else "<8I"
    return struct.pack(form, *(word & (1 << bits) - 1 for word in words))


def compatible(first: Wrong, second: Wrong) -> bool:
    """Both can be provoked at once, and it shows which one was found."""
    clash = any(second.args.get(index, value) != value for index, value in first.args.items())
    return first.error != second.error and not clash


def questions(call: Call, bits: int) -> list[Question]:
    errors = [wrong for wrong in call.errors if bits in wrong.widths]
    alone = [Question(call, (wrong,)) for wrong in errors]
    pairs = [
        Question(call, pair) for pair in itertools.combinations(errors, 2) if compatible(*pair)
    ]
    return alone + pairs


def listed(asked: list[Question], bits: int) -> bytes:
    records = [record for question in asked for record in question.records(bits)]
    pool = bytes(POOL_BYTES[bits]).ljust(POOL_SIZE, b"\0")
    return struct.pack("<I", len(records)) + pool + b"".join(records)


def asker(bits: int) -> bytes:
    """The program, built once."""
    return _build.guest_program(Path(__file__).with_name("asker.c"), bits)


@pytest.fixture
def program(tmp_path: Path, bits: int) -> Path:
    path = tmp_path / "asker"
    path.write_bytes(asker(bits))
    path.chmod(0o755)
    return path


def mistakes(asked: list[Question], output: bytes, bits: int) -> list[str]:
    answers = struct.unpack(f"<{len(output) * 8 // bits}{'q' if bits == 64 else 'i'}", output)
    assert len(answers) == len(asked)
    return [
        f"{question}: {answer}"
        for question, answer in zip(asked, answers, strict=True)
        if answer != question.expected
    ]


def test_every_call_is_in_the_table() -> None:
    assert sorted(CALLS) == sorted(NUMBERS[32] | NUMBERS[64])
    assert all(name == call.name for name, call in CALLS.items())


@pytest.mark.parametrize(("call", "bits"), ASKED)
def test_the_first_error_is_told(call: Call, bits: int, program: Path) -> None:
    asked, output = questions(call, bits), io.BytesIO()
    with Machine(ram="2M", swap="1M", bits=bits) as machine:
        machine.kernel.log = lambda _line: None
        machine.spawn(program, stdin=listed(asked, bits), stdout=output, stderr=output)
        assert machine.run().exit_status == 0
        machine.check()
    assert not mistakes(asked, output.getvalue(), bits)


@pytest.mark.native
@pytest.mark.parametrize(("call", "bits"), ASKED)
def test_the_kernel_of_today_agrees(call: Call, bits: int, program: Path) -> None:
    asked = [question for question in questions(call, bits) if question.today]
    if not asked:
        pytest.skip(call.note)
    try:
        done = subprocess.run(
            [program], input=listed(asked, bits), capture_output=True, timeout=60, check=True
        )
    except OSError as error:
        pytest.skip(f"the host does not execute programs of {bits} bits: {error}")
    assert not mistakes(asked, done.stdout, bits)
