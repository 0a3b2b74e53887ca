"""Where calls about memory and processes end: the same answers here and on the host."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.linked import lines_inside, lines_natively, linked

SOURCE = Path(__file__).with_name("ends.c")


@pytest.fixture(scope="module", params=[32, 64])
def program(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> tuple[int, Path]:
    """Its width, and where it is."""
    if os.getuid():
        pytest.skip("only root may become others")
    path = linked(SOURCE, tmp_path_factory.mktemp("ends") / "ends", request.param)
    return request.param, path


@pytest.mark.native
@pytest.mark.parametrize("rmap", ["anonmm", "anon_vma"])
def test_answers_are_the_hosts(program: tuple[int, Path], rmap: str) -> None:
    bits, path = program
    told = lines_natively(path)
    assert sum("EPERM" in line for line in told) > 5
    assert "no arguments: 1" in told  # the host's kernel is of 2022 or later
    assert lines_inside(path, [str(path)], bits=bits, rmap=rmap, ram="4M") == told
