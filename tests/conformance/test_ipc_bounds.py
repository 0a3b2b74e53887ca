"""What semaphores and queues of messages make the host hold is bounded, and given back."""

from __future__ import annotations

import errno
import io
import struct
from pathlib import Path

import pytest
from filing import O_CREAT, O_RDWR, Answer, Filing

from vmemu.machine import Machine

IPC_RMID, IPC_NOWAIT, SEM_UNDO = 0, 0o4000, 0o10000
O_NONBLOCK = 0o4000
LIMIT = 2 << 20


def ran(filing: Filing, directory: Path) -> tuple[list[Answer], int]:
    """The answers, and what the host holds at the end for things without a descriptor."""
    output = io.BytesIO()
    with Machine(bits=filing.bits, ram="4M", swap=None, max_host_memory=LIMIT) as machine:
        machine.spawn(filing.program(directory), stdin=filing.listed(), stdout=output)
        assert machine.run().exit_status == 0
        machine.check()
        assert machine.kernel.hold.peak <= LIMIT
        held = machine.kernel.hold.held
    return filing.answers(output.getvalue()), held


def numbers(count: int) -> list[int]:
    """The ids of the first things that there are: each has another sequence number."""
    return [index * 32768 + index for index in range(count)]


@pytest.mark.parametrize("bits", [32, 64])
def test_semaphores(bits: int, tmp_path: Path) -> None:
    filing, count = Filing(bits), 30
    made = [filing.call("semget", 0, 1000, 0o600) for _ in range(count)]
    semop = "semop" if bits == 64 else "semtimedop_time64"
    undone = [
        filing.call(semop, number, struct.pack("<Hhh", 0, 1, SEM_UNDO), 1, 0)
        for number in numbers(5)
    ]
    for number in numbers(count):
        filing.call("semctl", number, 0, IPC_RMID, 0)
    again = filing.call("semget", 0, 1000, 0o600)
    last = filing.call("semctl", count * 32768, 0, IPC_RMID, 0)
    answers, held = ran(filing, tmp_path)
    results = [answers[place].result for place in made]
    fit = results.index(-errno.ENOMEM)
    assert results == [*numbers(fit), *(count - fit) * [-errno.ENOMEM]]
    assert 10 < fit <= LIMIT // 129_024
    assert -errno.ENOMEM in [answers[place].result for place in undone]
    assert answers[again].result == fit * 32768
    assert answers[last].result == -errno.EINVAL
    assert held >= 128_000  # that one is still there


@pytest.mark.parametrize("bits", [32, 64])
def test_messages_of_system_v(bits: int, tmp_path: Path) -> None:
    filing, count = Filing(bits), 8
    word = struct.pack("<q" if bits == 64 else "<i", 1)
    sent = []
    for _ in range(count):
        filing.call("msgget", 0, 0o600)
    for number in numbers(count):
        sent += [filing.call("msgsnd", number, word, 0, IPC_NOWAIT) for _ in range(1000)]
    for number in numbers(count):
        filing.call("msgctl", number, IPC_RMID, 0)
    answers, held = ran(filing, tmp_path)
    results = [answers[place].result for place in sent]
    fit = results.count(0)
    assert results == [*fit * [0], *(len(sent) - fit) * [-errno.ENOMEM]]
    assert 3500 < fit <= LIMIT // 512
    assert held == 0


@pytest.mark.parametrize("bits", [32, 64])
def test_queues_of_posix(bits: int, tmp_path: Path) -> None:
    filing = Filing(bits)
    room = struct.pack("<8q" if bits == 64 else "<8i", 0, 6000, 1, *5 * (0,))
    opened = filing.call("mq_open", b"q\0", O_CREAT | O_RDWR | O_NONBLOCK, 0o600, room)
    sent = [filing.call("mq_timedsend", 3, b"m", 1, n % 7, 0) for n in range(6500)]
    filing.call("mq_unlink", b"q\0")
    filing.call("close", 3)
    answers, held = ran(filing, tmp_path)
    results = [answers[place].result for place in sent]
    fit = results.count(0)
    assert answers[opened].result == 3
    assert results == [*fit * [0], *(len(sent) - fit) * [-errno.ENOMEM]]
    assert 3500 < fit <= LIMIT // 512
    assert held == 0
