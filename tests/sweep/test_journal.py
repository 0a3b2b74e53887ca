"""The journal of a sweep: what is written down stays, whenever its writer is killed."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmemu.errors import ConfigError
from vmemu.lab.cell import Cell
from vmemu.sweep.journal import JOURNAL, Entry, Journal, read_journal


def entry(n: int, key: str = "", **record: object) -> Entry:
    cell = Cell("fork-server", (("R", n), ("N", 1)), "scan")
    return Entry(key or f"key{n}", cell, {"status": "ok", "R": n, **record})  # type: ignore[dict-item]


def write(directory: Path, *entries: Entry) -> None:
    with Journal.open(directory, "build") as journal:
        for each in entries:
            journal.add(each)


def test_what_was_added_is_there(tmp_path: Path) -> None:
    out = tmp_path / "new" / "runs"
    write(out, entry(1), entry(2))
    write(out, entry(3))
    assert read_journal(out) == [entry(1), entry(2), entry(3)]
    with Journal.open(out, "build") as journal:
        assert list(journal.entries) == ["key1", "key2", "key3"]


@given(st.data())
def test_it_may_be_cut_anywhere(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Behind its head: that is written before anything is run."""
    out = tmp_path_factory.mktemp("cut")
    entries = [entry(n, text="x" * n) for n in range(1, 5)]
    write(out, *entries)
    whole = (out / JOURNAL).read_bytes()
    head = whole.index(b"\n") + 1
    cut = data.draw(st.integers(head, len(whole)))
    (out / JOURNAL).write_bytes(whole[:cut])
    left = whole[:cut].count(b"\n") - 1
    assert read_journal(out) == entries[:left]
    write(out, *entries[left:])
    assert (out / JOURNAL).read_bytes() == whole


def test_a_newer_result_of_a_cell_takes_the_older_one_s_place(tmp_path: Path) -> None:
    """Its key is another where a file of the user has changed."""
    write(tmp_path, entry(1, "before"), entry(2), entry(1, "after"))
    assert [each.key for each in read_journal(tmp_path)] == ["after", "key2"]


def test_another_build_is_refused(tmp_path: Path) -> None:
    write(tmp_path, entry(1))
    with (
        pytest.raises(
            ConfigError, match=r"has results of another build of vmemu \(build, and this is other\)"
        ),
        Journal.open(tmp_path, "other"),
    ):
        pass


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    with (
        Journal.open(tmp_path, "build"),
        pytest.raises(ConfigError, match="another sweep is writing to"),
        Journal.open(tmp_path, "build"),
    ):
        pass


@pytest.mark.parametrize("line", [b"{}\n", b"nonsense\n", b"[1]\n", b'{"key": 1}\n', b"\xff\n"])
def test_a_line_that_is_none_is_named(tmp_path: Path, line: bytes) -> None:
    write(tmp_path, entry(1))
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(line)
    with pytest.raises(ConfigError, match=rf"{JOURNAL}, line 3: this is no line of a journal"):
        read_journal(tmp_path)


def test_what_is_no_directory_of_a_sweep(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no sweep's directory"):
        read_journal(tmp_path)
    (tmp_path / "file").touch()
    with (
        pytest.raises(ConfigError, match=r"cannot write .*file"),
        Journal.open(tmp_path / "file", "b"),
    ):
        pass


def test_a_killed_writer_loses_nothing_that_it_has_written(tmp_path: Path) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from tests.sweep.test_journal import entry\n"
        "from pathlib import Path\n"
        "from vmemu.sweep.journal import Journal\n"
        "with Journal.open(Path(sys.argv[1]), 'build') as journal:\n"
        "    for n in range(100000):\n"
        "        journal.add(entry(n)); print(n, flush=True)\n"
    )
    tree = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path), tree], stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        last = 0
        while last < 500:
            last = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        told = writer.stdout.read().split()
    numbers = [last, *map(int, told)]
    found = read_journal(tmp_path)
    assert [each.record["R"] for each in found] == list(range(len(found)))
    assert len(found) > max(numbers)


@pytest.mark.parametrize("room", [0, 10])
def test_a_full_disk_is_told(tmp_path: Path, room: int) -> None:
    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            if not room:
                raise OSError(errno.ENOSPC, "")
            return super().write(data[:room])

    with Full(tmp_path / "full", "w") as file, pytest.raises(ConfigError) as raised:
        Journal(file, {}).add(entry(1))  # type: ignore[arg-type]
    assert str(raised.value) == f"cannot write {tmp_path}/full: no space left on device"


def test_many_records_have_their_texts_once(tmp_path: Path) -> None:
    write(tmp_path, *(entry(n, reason="the same for each") for n in range(2)))
    one, other = (each.record for each in read_journal(tmp_path))
    assert all(a is b for a, b in zip(one, other, strict=True))
    assert one["reason"] is other["reason"]


def test_every_line_is_json(tmp_path: Path) -> None:
    write(tmp_path, entry(1))
    head, line = (tmp_path / JOURNAL).read_text().splitlines()
    assert json.loads(head) == {"journal": 1, "build": "build"}
    assert json.loads(line)["cell"]["params"] == {"R": 1, "N": 1}
