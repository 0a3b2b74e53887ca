"""Calls that only later kernels have: the same here and on the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.linked import lines_inside, lines_natively, linked

SOURCE = Path(__file__).with_name("modern.c")


@pytest.mark.native
@pytest.mark.parametrize("bits", [32, 64])
def test_pidfds_openat2_execveat_and_others(everybodys: Path, bits: int) -> None:
    path = linked(SOURCE, everybodys / "modern", bits)
    expected = lines_natively(path, everybodys / "there")
    assert sum("EXDEV" in line for line in expected) > 8
    (root := everybodys / "root").mkdir()
    for options in ({}, {"root": root, "root_rw": True}):
        ours = lines_inside(path, [str(path), "/there"], bits=bits, ram="8M", **options)
        assert ours == expected
