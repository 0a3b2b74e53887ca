"""Where calls about memory and processes end: the same answers here and on the host."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path

import pytest

from vmemu import _build
from vmemu.machine import Machine

SOURCE = Path(__file__).with_name("ends.c")


@pytest.fixture(scope="module", params=[32, 64])
def program(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> tuple[int, Path]:
    """Its width, and where it is."""
    if os.getuid():
        pytest.skip("only root may become others")
    path = tmp_path_factory.mktemp("ends") / "ends"
    compiler = [_build.compiler(), f"-m{request.param}", "-static", "-w"]
    done = subprocess.run(
        [*compiler, "-o", path, SOURCE], capture_output=True, text=True, check=False
    )
    if done.returncode and request.param == 32:
        pytest.skip("there is no C library for i386 (on Debian: gcc-multilib)")
    assert not done.returncode, done.stderr
    return request.param, path


@pytest.mark.native
@pytest.mark.parametrize("rmap", ["anonmm", "anon_vma"])
def test_answers_are_the_hosts(program: tuple[int, Path], rmap: str) -> None:
    bits, path = program
    native = subprocess.run([path], capture_output=True, check=True, env={}).stdout.decode()
    told = native.splitlines()
    assert sum("EPERM" in line for line in told) > 5
    assert "no arguments: 1" in told  # the host's kernel is of 2022 or later
    out = io.BytesIO()
    with Machine(bits=bits, rmap=rmap, ram="4M") as machine:
        machine.spawn(path, [str(path)], stdin=None, stdout=out)
        assert machine.run().exit_status == 0
        machine.check()
    assert out.getvalue().decode().splitlines() == told
