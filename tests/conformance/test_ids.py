"""Users, groups, capabilities and limits: what root may become, the same here and on the host."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path

import pytest

from vmemu import _build
from vmemu.machine import Machine

SOURCE = Path(__file__).with_name("ids.c")


@pytest.mark.parametrize("bits", [32, 64])
def test_who_one_may_become_and_what_limits_do(tmp_path: Path, bits: int) -> None:
    if os.getuid():
        pytest.skip("only root may become others")
    path = tmp_path / "ids"
    done = subprocess.run(
        [_build.compiler(), f"-m{bits}", "-static", "-w", "-o", str(path), str(SOURCE)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and bits == 32:
        pytest.skip("there is no C library for i386 (on Debian: gcc-multilib)")
    assert not done.returncode, done.stderr
    native = subprocess.run([path, tmp_path], capture_output=True, check=True, env={})
    out = io.BytesIO()
    with Machine(bits=bits, ram="4M") as machine:
        machine.spawn(path, [str(path), "/tmp"], stdin=None, stdout=out)
        assert machine.run().exit_status == 0
        machine.check()
    assert out.getvalue().decode().splitlines() == native.stdout.decode().splitlines()
    assert out.getvalue().count(b"signal") == 3
    assert b"killed by 25\n" in out.getvalue()  # SIGXFSZ
    assert b"fork refused\nraise -1\n" in out.getvalue()
