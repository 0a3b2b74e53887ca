"""Calls of 64-bit programs: layouts, large numbers, addresses at the end, as on the host."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

from vmemu import _build
from vmemu.machine import Machine


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wide") / "wide"
    path.write_bytes(_build.guest_program(Path(__file__).with_name("wide.c"), 64))
    path.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def host(program: Path) -> bytes:
    try:
        return subprocess.run(
            [program], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True
        ).stdout
    except OSError as error:
        pytest.skip(f"the host does not execute 64-bit programs: {error}")


@pytest.mark.native
@pytest.mark.parametrize("topdown", [False, True])
@pytest.mark.parametrize("rmap", ["anonmm", "anon_vma39", "anon_vma"])
def test_answers_are_the_hosts(program: Path, host: bytes, rmap: str, topdown: bool) -> None:
    output = io.BytesIO()
    # 2.6.7 charges MAP_NORESERVE's memory when it becomes writable again; see docs/fidelity.md
    with Machine(ram="4M", swap="1M", bits=64, overcommit=1, rmap=rmap, topdown=topdown) as machine:
        machine.spawn(program, stdin=b"", stdout=output, stderr=output)
        assert machine.run().exit_status == 0
        machine.check()
    assert output.getvalue().decode().splitlines() == host.decode().splitlines()
