"""Signals, timers and job control: static programs say the same on the host and in a machine."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

from tests.linked import alone_on_the_host, linked
from vmemu.machine import Machine

PROGRAMS = Path(__file__).with_name("programs")
NAMES = ("queue", "jobs", "orphans", "restart")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], Path]:
    return {}


def build(
    built: dict[tuple[str, int], Path],
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    bits: int,
) -> Path:
    """A program, built once; without a C library of its width the test is skipped."""
    if (name, bits) not in built:
        path = tmp_path_factory.mktemp("programs") / f"{name}{bits}"
        linked(PROGRAMS / f"{name}.c", path, bits, "-static", "-O2")
        built[name, bits] = path
    return built[name, bits]


def run_inside(path: Path, bits: int) -> str:
    out = io.BytesIO()
    with Machine(bits=bits, max_time=300) as machine:
        machine.spawn(path, ["program"], {}, stdin=None, stdout=out, stderr=out)
        status = machine.run()
        machine.check()
    assert status.exit_status == 0, out.getvalue().decode()
    return out.getvalue().decode()


def run_natively(path: Path, bits: int) -> str:
    try:
        with alone_on_the_host():
            done = subprocess.run(
                [path],
                check=True,
                capture_output=True,
                text=True,
                timeout=60,
                stdin=subprocess.DEVNULL,
                env={},
            )
    except OSError as error:
        pytest.skip(f"the host does not execute programs of {bits} bits: {error}")
    return done.stdout + done.stderr


@pytest.mark.native
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("name", NAMES)
def test_as_on_the_host(
    name: str,
    bits: int,
    built: dict[tuple[str, int], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = build(built, tmp_path_factory, name, bits)
    inside = run_inside(path, bits)
    assert inside.count("\n") > 10
    # on a busy host a signal may come before what it is to interrupt has begun
    for _ in range(4):
        if run_natively(path, bits) == inside:
            return
    assert run_natively(path, bits) == inside
