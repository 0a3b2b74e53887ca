"""Who programs with setuid are, whose /proc and shared memory is: the same here and on the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.linked import lines_inside, lines_natively, linked

SOURCE = Path(__file__).with_name("secures.c")


@pytest.mark.native
@pytest.mark.parametrize("bits", [32, 64])
def test_programs_that_make_somebody_else_of_one(everybodys: Path, bits: int) -> None:
    path = linked(SOURCE, everybodys / "secures", bits)
    expected = lines_natively(path, everybodys / "there")
    assert any("secure 1" in line for line in expected)
    (root := everybodys / "root").mkdir()
    for options in ({}, {"root": root, "root_rw": True}):
        ours = lines_inside(path, [str(path), "/there"], bits=bits, ram="8M", **options)
        assert ours == expected
