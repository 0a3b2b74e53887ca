"""Nonsense in program files ends in a signal or an ExecError, never in another exception."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from vmemu.errors import ExecError
from vmemu.machine import Machine

_STEPS = 800


class _Enough(Exception):
    pass


def _limited(machine: Machine) -> None:
    step = machine.kernel.step
    left = iter(range(_STEPS))

    def limited() -> str:
        if next(left, None) is None:
            machine.check()
            raise _Enough
        return step()

    machine.kernel.step = limited  # type: ignore[method-assign]


def test_random_program_files(tmp_path: Path, guest: Callable[[str], Path]) -> None:
    good = guest("hello").read_bytes()
    path = tmp_path / "program"
    messages: list[str] = []
    for seed in range(100):
        rng = random.Random(seed)
        data = bytearray(good)
        for _ in range(rng.choice([1, 1, 2, 4, 10])):
            data[rng.randrange(52 + 32 * 6)] = rng.choice([0, 1, 2, 16, 128, 255])
        if rng.random() < 0.1:
            del data[rng.randrange(len(data)) :]
        path.write_bytes(data)
        path.chmod(0o755)
        with Machine(ram="2M", swap=None) as machine:
            _limited(machine)
            machine.kernel.log = lambda line: None
            try:
                machine.spawn(path, stdout=None, stderr=None)
                machine.run()
                machine.check()
            except ExecError as error:
                messages.append(str(error))
            except _Enough:
                pass
    assert 10 < len(messages) < 90
    assert not any("\n" in message for message in messages)
