"""clone3, semaphores, messages and queues: programs print the same as on the host."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path

import pytest

from tests.linked import linked
from vmemu.machine import Machine

SOURCES = Path(__file__).with_name("ipc")
PROGRAMS = sorted(path.stem for path in SOURCES.glob("*.c"))
FLAGS = ("-static", "-O1", "-w")


@pytest.mark.native
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("name", PROGRAMS)
def test_as_on_the_host(name: str, bits: int, tmp_path: Path) -> None:
    if os.getuid():
        pytest.skip("only root may choose ids, raise limits and become another")
    program = linked(SOURCES / f"{name}.c", tmp_path / name, bits, *FLAGS)
    output = io.BytesIO()
    with Machine(ram="8M", bits=bits) as machine:
        machine.spawn(program, [name], stdin=b"", stdout=output, stderr=output)
        status = machine.run().exit_status
        machine.check()
        assert machine.kernel.unknown_syscalls.keys() <= {334, 386}  # rseq
    try:
        done = subprocess.run(
            [program], capture_output=True, timeout=60, stdin=subprocess.DEVNULL, check=False
        )
    except OSError as error:
        pytest.skip(f"the host does not execute programs of {bits} bits: {error}")
    assert output.getvalue().decode() == done.stdout.decode()
    assert status == done.returncode == 0
