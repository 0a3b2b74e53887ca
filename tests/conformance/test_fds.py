"""Pipes, sockets, locks and what else is a descriptor: programs print the same as on the host."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.linked import check_alike, lines_inside, lines_natively, linked

SOURCES = Path(__file__).with_name("fds")
PROGRAMS = sorted(path.stem for path in SOURCES.glob("*.c"))
FLAGS = ("-static", "-O1", "-w", "-D_FILE_OFFSET_BITS=64")


@pytest.mark.native
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("name", PROGRAMS)
def test_as_on_the_host(name: str, bits: int, tmp_path: Path) -> None:
    if name in ("locked", "sigio", "nowhere", "extremes") and os.getuid():
        pytest.skip("only root may lock what a terminal is set to, become another, and use chroot")
    program = linked(SOURCES / f"{name}.c", tmp_path / name, bits, *FLAGS)
    there = tmp_path / "there"
    there.mkdir()
    check_alike(program, bits, there)
    assert list(there.iterdir()) == []


@pytest.mark.native
@pytest.mark.parametrize("bits", [32, 64])
def test_a_directory_of_the_host_that_was_removed(bits: int, tmp_path: Path) -> None:
    program = linked(SOURCES / "removed.c", tmp_path / "removed", bits, *FLAGS)
    there = tmp_path / "there"
    there.mkdir()
    binds = [f"{there}:/there:rw"]
    inside = lines_inside(program, ["removed", "/there"], ram="8M", bits=bits, binds=binds)
    assert inside == lines_natively(program, there)
    assert list(there.iterdir()) == []
