"""What a sweep has finished, a line for each cell: the truth that Parquet files are written from.

A line is written in one piece when a cell has ended, so that whoever kills the sweep finds
all others; half a line at the end is cut off.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from vmemu.errors import ConfigError
from vmemu.lab.cell import Cell
from vmemu.lab.record import of_json

if TYPE_CHECKING:
    from vmemu.lab.record import Value

__all__ = ["JOURNAL", "Entry", "Journal", "read_journal"]

JOURNAL = "_journal.jsonl"
"""Its name in a sweep's directory; readers of Parquet pass over names that begin so."""

_FORMAT = 1
_SYNC = 1.0  # seconds between calls of fsync


class Entry(NamedTuple):
    """One finished cell, and its flat record."""

    key: str
    cell: Cell
    record: Mapping[str, Value]

    @property
    def place(self) -> str:
        """What is the same for a cell when the user's files in it have changed."""
        return _place(self.cell)


def _place(cell: Cell) -> str:
    told = json.dumps(cell.as_json(), sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


class Journal:
    """The journal of a directory, open for writing; nobody else writes it meanwhile.

    ``entries`` are those of before, by key.
    """

    def __init__(self, file: IO[bytes], entries: dict[str, Entry]) -> None:
        self._file = file
        self._synced = time.monotonic()
        self.entries = entries

    @classmethod
    @contextmanager
    def open(cls, directory: Path, build: str) -> Iterator[Journal]:
        """Open or begin it; ConfigError where that cannot be, or another build has written it."""
        path = directory / JOURNAL
        try:
            directory.mkdir(parents=True, exist_ok=True)
            file = path.open("ab+", buffering=0)
        except OSError as error:
            raise ConfigError(f"cannot write {path}: {(error.strerror or '').lower()}") from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigError(f"another sweep is writing to {directory}") from None
            _cut_half_a_line(file)
            entries: dict[str, Entry] = {}
            if os.fstat(file.fileno()).st_size:
                written_by, entries = _read(path)
                if written_by != build:
                    raise ConfigError(
                        f"{directory} has results of another build of vmemu ({written_by}, and "
                        f"this is {build}): name another directory, or remove it"
                    )
            else:
                _write_line(file, {"journal": _FORMAT, "build": build})
            journal = cls(file, entries)
            try:
                yield journal
            finally:
                os.fsync(file.fileno())

    def add(self, entry: Entry) -> None:
        """Write down a cell that has ended; ConfigError where there is no room for it."""
        line = {"key": entry.key, "cell": entry.cell.as_json(), "record": entry.record}
        _write_line(self._file, line)
        self.entries[entry.key] = entry
        if time.monotonic() - self._synced > _SYNC:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()


def read_journal(directory: Path) -> list[Entry]:
    """Every finished cell of a directory, the newest where a user's file has changed since.

    ConfigError where there is no journal, or none that can be read.
    """
    path = directory / JOURNAL
    if not path.is_file():
        raise ConfigError(f"{directory} is no sweep's directory: it has no {JOURNAL}")
    return latest(_read(path)[1].values())


def latest(entries: Any) -> list[Entry]:
    """Those of them that no later one of the same cell takes the place of."""
    return list({entry.place: entry for entry in entries}.values())


def _write_line(file: IO[bytes], told: Mapping[str, Any]) -> None:
    text = json.dumps(told, separators=(",", ":")).encode() + b"\n"
    try:
        number = 0 if file.write(text) == len(text) else errno.ENOSPC
    except OSError as error:
        number = error.errno or errno.EIO
    if number:
        raise ConfigError(f"cannot write {file.name}: {os.strerror(number).lower()}")


def _cut_half_a_line(file: IO[bytes]) -> None:
    """Take away what a killed sweep had begun to write."""
    end = os.fstat(file.fileno()).st_size
    at = end
    while at:
        start = max(0, at - 65536)
        newline = os.pread(file.fileno(), at - start, start).rfind(b"\n")
        if newline >= 0:
            at = start + newline + 1
            break
        at = start
    if at != end:
        os.ftruncate(file.fileno(), at)


def _read(path: Path) -> tuple[str, dict[str, Entry]]:
    """Who wrote it, and all entries by key; a line that is not whole ends it."""
    entries: dict[str, Entry] = {}
    build = None
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                break
            try:
                told = of_json(line)
                if build is None:
                    if told["journal"] != _FORMAT:
                        raise ConfigError(f"{path} was written by another version of vmemu")
                    build = str(told["build"])
                else:
                    entry = Entry(told["key"], Cell.of_json(told["cell"]), told["record"])
                    entries[entry.key] = entry
            except (ValueError, KeyError, TypeError, AttributeError):
                raise ConfigError(f"{path}, line {number}: this is no line of a journal") from None
    return build or "", entries
