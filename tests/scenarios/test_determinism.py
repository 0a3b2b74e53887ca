"""The same command twice: the same bytes, whatever the interpreter's hash seed."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.script import call_code, elf, enter, executable
from tests.width import BITS
from vmemu import Machine


def output(args: list[str], hash_seed: str) -> bytes:
    done = subprocess.run(
        [sys.executable, "-m", "vmemu", *args],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "command",
    [
        "compare fork-server --set R=8 --json --seed 5",
        "overhead --json --set K=64 --set M=8",
        "list --json",
        "run --json --seed 7 --ram 1M swap-storm PAGES=600 FORK=1",
        "run --json --rmap anonmm --ram 512K fork-server R=40 N=6",
        "run --strace --stats --maps-at-exit --json fork-chain G=5",
    ],
)
def test_twice_the_same(command: str) -> None:
    first, second = (output(command.split(), seed) for seed in ("1", "2"))
    assert first == second
    if "--json" in command:
        json.loads(first.splitlines()[-1] if command.startswith("run") else first)


def test_all_scenarios_twice_the_same(compare_printed: bytes) -> None:
    assert output(["compare"], "2") == compare_printed


# Walks the stack from argc to the auxiliary vector and writes the 16 bytes of AT_RANDOM.
PRINT_AT_RANDOM = {
    32: "89e6 ad"  # mov esi,esp; lodsd: argc
    "ad 85c0 75fb"  # over argv and its NULL
    "ad 85c0 75fb"  # over the environment and its NULL
    "ad 83f819 ad 75f9"  # a type, AT_RANDOM is 25, and its value
    "89c1 31db 43 ba10000000",  # write(1, value, 16)
    64: "4889e6 48ad"  # mov rsi,rsp; lodsq
    "48ad 4885c0 75f9"
    "48ad 4885c0 75f9"
    "48ad 83f819 48ad 75f7"
    "4889c6 bf01000000 ba10000000",
}


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    """AT_RANDOM as a guest finds it: the seed's, and random."""
    code = bytes.fromhex(PRINT_AT_RANDOM[BITS]) + enter("write") + call_code("exit", 0)
    program = executable(tmp_path / "program", elf(code))

    def printed(seed: int) -> bytes:
        stdout = io.BytesIO()
        with Machine(ram="4M", seed=seed) as machine:
            machine.spawn(program, stdout=stdout)
            assert machine.run().exit_status == 0
        return stdout.getvalue()

    first, again, other = (printed(seed) for seed in (1, 1, 2))
    assert len(first) == 16
    assert first == again != other
    assert len(set(first) | set(other)) > 8
