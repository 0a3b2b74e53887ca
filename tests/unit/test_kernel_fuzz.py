"""Nonsense from guests ends in an errno, a signal or an ExecError, never in an exception."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from script import BASE, COUNTER, SCRATCH, Script, snippet

from vmemu.errors import ExecError
from vmemu.kernel.syscalls import SYSCALLS
from vmemu.machine import Machine

# exit, pause, sigsuspend; swapon takes host paths; sigreturn without a frame goes in circles.
_SKIPPED = {1, 252, 29, 72, 179, 87, 115, 119, 173}
_VALUES = [
    0, 1, 2, 3, 4, 5, 7, 8, 16, 17, 22, 64, 100, 101, 4095, 4096, 4097, 65536, 0x12, 0x22, 0x32,
    0x1000000, 0x7FFFFFFF, 0x80000000, 0xFFFFF000, 0xFFFFFFFE, 0xFFFFFFFF, 0xBFFFF000, 0xBFFFFFFF,
    0xC0000000, 0xC0000001, SCRATCH, SCRATCH + 4, SCRATCH + 0xFFE, SCRATCH + 0x2000, BASE,
    COUNTER + 32, 0x40000000, 0x50000000, 0x50001000,
]  # fmt: skip
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


@pytest.mark.parametrize("seed", range(15))
def test_random_system_calls(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    numbers = [number for number in SYSCALLS if number not in _SKIPPED]
    script = Script()
    script.call(174, 11, script.words(snippet("skip"), 4, 0, 0, 0), 0, 8)
    script.call(42, script.put(8))
    script.call(192, 0x50000000, 8192, 3, 0x32, -1, 0)
    for _ in range(70):
        script.call(rng.choice(numbers), *(rng.choice(_VALUES) for _ in range(6)))
    script.end()
    for _ in range(50):  # whoever shares memory with a child that came this far goes on here
        script.call(1)
    rmap = rng.choice(["anonmm", "anon_vma"])
    ran = script.run(tmp_path, setup=_limited, ram="2M", swap="2M", rmap=rmap, seed=seed)
    assert ran.status is not None


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
