"""clone3, semaphores, messages and queues: programs print the same as on the host."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.linked import check_alike, linked

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
    check_alike(program, bits, tmp_path)
