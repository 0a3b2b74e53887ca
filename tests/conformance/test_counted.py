"""What a task reads and writes, and its namespaces: the same here and on the host; drop_caches."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

from vmemu import _build
from vmemu.machine import Machine

SOURCE = Path(__file__).with_name("counted.c")


def built(tmp_path: Path, bits: int) -> Path:
    path = tmp_path / "counted"
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


@pytest.mark.native
@pytest.mark.parametrize("bits", [32, 64])
def test_what_proc_counts(tmp_path: Path, bits: int) -> None:
    path, out = built(tmp_path, bits), io.BytesIO()
    native = subprocess.run([path, tmp_path / "file"], capture_output=True, check=True, timeout=60)
    with Machine(bits=bits, ram="4M") as machine:
        machine.spawn(path, [str(path), "/tmp/file"], stdin=None, stdout=out)
        assert machine.run().exit_status == 0
        machine.check()
    assert out.getvalue().decode().splitlines() == native.stdout.decode().splitlines()


@pytest.mark.parametrize("what", ["1", "2", "3"])
def test_clean_pages_that_nobody_maps_are_dropped(tmp_path: Path, what: str) -> None:
    path, out = built(tmp_path, 64), io.BytesIO()
    (tmp_path / "data").write_bytes(bytes(16384))
    with Machine(bits=64, ram="4M", binds=[f"{tmp_path / 'data'}:/data:rw"]) as machine:
        machine.spawn(path, [str(path), "/data", what], stdin=None, stdout=out)
        assert machine.run().exit_status == 0
        machine.check()
    # the first page is mapped, the third is dirty until it is synced
    dropped = ["after 1010", "at last 0000"] if what != "2" else ["after 1111", "at last 1111"]
    assert out.getvalue().decode().splitlines() == ["before 1111", *dropped]
