"""The same command twice: the same bytes, whatever the interpreter's hash seed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest


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
        "compare --json",
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


def test_another_seed_is_another_run() -> None:
    """AT_RANDOM differs, so the seed reaches the guest; its output does not show it."""
    from vmemu import Machine

    drawn = []
    for seed in (1, 1, 2):
        with Machine(ram="4M", seed=seed) as machine:
            drawn.append(machine.kernel.random.randbytes(16))
    assert drawn[0] == drawn[1] != drawn[2]
