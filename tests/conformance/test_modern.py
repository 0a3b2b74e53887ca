"""Calls that only later kernels have: the same here and on the host."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path

import pytest

from vmemu import _build
from vmemu.machine import Machine

SOURCE = Path(__file__).with_name("modern.c")


@pytest.mark.native
@pytest.mark.parametrize("bits", [32, 64])
def test_pidfds_openat2_execveat_and_others(tmp_path: Path, bits: int) -> None:
    if os.getuid():
        pytest.skip("only root may become others")
    path = tmp_path / "modern"
    done = subprocess.run(
        [_build.compiler(), f"-m{bits}", "-static", "-w", "-o", str(path), str(SOURCE)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and bits == 32:
        pytest.skip("there is no C library for i386 (on Debian: gcc-multilib)")
    assert not done.returncode, done.stderr
    for above in (tmp_path, *tmp_path.parents):
        if not above.stat().st_mode & 1:
            above.chmod(above.stat().st_mode | 0o711)
    native = subprocess.run([path, tmp_path / "there"], capture_output=True, check=True, timeout=60)
    expected = native.stdout.decode().splitlines()
    assert sum("EXDEV" in line for line in expected) > 8
    (tmp_path / "root").mkdir()
    for options in ({}, {"root": tmp_path / "root", "root_rw": True}):
        out = io.BytesIO()
        with Machine(bits=bits, ram="8M", **options) as machine:
            machine.spawn(path, [str(path), "/there"], stdin=None, stdout=out)
            assert machine.run().exit_status == 0
            machine.check()
        assert out.getvalue().decode().splitlines() == expected
