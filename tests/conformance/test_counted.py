"""What a task reads and writes, and its namespaces: the same here and on the host; drop_caches."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.linked import lines_inside, lines_natively, linked

SOURCE = Path(__file__).with_name("counted.c")


@pytest.mark.native
@pytest.mark.parametrize("bits", [32, 64])
def test_what_proc_counts(tmp_path: Path, bits: int) -> None:
    path = linked(SOURCE, tmp_path / "counted", bits)
    ours = lines_inside(path, [str(path), "/tmp/file"], bits=bits, ram="4M")
    assert ours == lines_natively(path, tmp_path / "file")


@pytest.mark.parametrize("what", ["1", "2", "3"])
def test_clean_pages_that_nobody_maps_are_dropped(tmp_path: Path, what: str) -> None:
    path = linked(SOURCE, tmp_path / "counted", 64)
    (tmp_path / "data").write_bytes(bytes(16384))
    binds = [f"{tmp_path / 'data'}:/data:rw"]
    ours = lines_inside(path, [str(path), "/data", what], bits=64, ram="4M", binds=binds)
    # the first page is mapped, the third is dirty until it is synced
    dropped = ["after 1010", "at last 0000"] if what != "2" else ["after 1111", "at last 1111"]
    assert ours == ["before 1111", *dropped]
