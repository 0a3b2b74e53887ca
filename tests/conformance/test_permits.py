"""What files refuse to users, groups and capabilities: the same here and on the host."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path

import pytest

from vmemu import _build
from vmemu.machine import Machine

SOURCE = Path(__file__).with_name("permits.c")
ROUNDS = "60"
TMPFILE = " 20200002: "


def program(tmp_path: Path, bits: int) -> Path:
    if os.getuid():
        pytest.skip("only root may become others")
    path = tmp_path / "permits"
    done = subprocess.run(
        [_build.compiler(), f"-m{bits}", "-static", "-w", "-o", str(path), str(SOURCE)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and bits == 32:
        pytest.skip("there is no C library for i386 (on Debian: gcc-multilib)")
    assert not done.returncode, done.stderr
    return path


def reachable(path: Path) -> Path:
    """Let everybody go to a directory."""
    path.chmod(0o755)
    for above in path.parents:
        if not above.stat().st_mode & 1:
            above.chmod(above.stat().st_mode | 0o711)
    return path


@pytest.mark.native
@pytest.mark.parametrize("bits", [32, 64])
def test_what_files_refuse(tmp_path: Path, bits: int) -> None:
    path = program(tmp_path, bits)
    sysctl = Path("/proc/sys/fs")
    link = (sysctl / "protected_hardlinks").read_text().strip()
    others = [sysctl / f"protected_{name}" for name in ("symlinks", "fifos", "regular")]
    drawn = [ROUNDS, "1" if any(each.read_text().strip() != "0" for each in others) else "0"]
    native = subprocess.run(
        [path, reachable(tmp_path) / "native", *drawn], capture_output=True, check=True, env={}
    )
    expected = native.stdout.decode().splitlines()
    assert sum("EACCES" in line for line in expected) > 300
    assert sum("EPERM" in line for line in expected) > 100
    (tmp_path / "root").mkdir(mode=0o755)
    for options in ({}, {"root": tmp_path / "root", "root_rw": True}):
        out = io.BytesIO()
        with Machine(bits=bits, ram="4M", **options) as machine:
            machine.spawn(path, [str(path), "/there", *drawn, link], stdin=None, stdout=out)
            assert machine.run().exit_status == 0
            machine.check()
        ours = out.getvalue().decode().splitlines()
        if options:  # nothing without a name is made on the host
            ours, expected = (
                [line for line in each if TMPFILE not in line] for each in (ours, expected)
            )
        assert ours == expected
