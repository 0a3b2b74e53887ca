"""Questions in SQL to the records of a directory, answered by DuckDB, which only reads.

Before a question is looked at, DuckDB is told the files it may read, that it may touch nothing
else, and that this is how it stays; a question is one SELECT, in a transaction that cannot
write.  As a SELECT may hold a COPY, which writes to what may be read, these files are copies that
nobody can write.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, Self

from vmemu.errors import ConfigError
from vmemu.lab.record import Column, column
from vmemu.results.dataset import COLUMNS, PROVENANCE, needed, parquet_files
from vmemu.results.sealed import Sealed
from vmemu.results.views import VIEWS, Described, identifier, quoted

__all__ = ["Answer", "Results"]

_SELECTS = ("SELECT", "MULTI")  # PIVOT is several statements to DuckDB
_MAY = "one SELECT, or WITH, DESCRIBE, SHOW, SUMMARIZE, PIVOT or EXPLAIN of one"


class Answer(NamedTuple):
    """The columns of an answer, and its rows."""

    head: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def records(self) -> Iterator[dict[str, Any]]:
        """A dict for each row."""
        return (dict(zip(self.head, row, strict=True)) for row in self.rows)


class Results:
    """The records of a directory, or of one file, as the tables and views of a database.

    ``columns``: what each column of ``runs`` is, with its type.  ConfigError for a directory
    without records, and a file that does not hold any.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self._duckdb = needed("duckdb")
        self.files = parquet_files(directory)
        self._connection = self._duckdb.connect(":memory:")
        self._sealed = Sealed(self.files)
        told = self._metadata()
        files = ", ".join(map(quoted, self._sealed.paths))
        self._connection.execute(
            f"CREATE VIEW runs AS FROM read_parquet([{files}], union_by_name = true)"
        )
        types = self._connection.execute("DESCRIBE runs").fetchall()
        self.types: dict[str, str] = {row[0]: row[1] for row in types}
        self.columns: Mapping[str, Column] = {
            name: Column(name, *told[name]) if name in told else column(name) for name in self.types
        }
        self._connection.execute(f"SET allowed_paths = [{files}]")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")
        self._views: set[str] = set()

    def _metadata(self) -> dict[str, Sequence[str]]:
        """What the files tell of their columns; ConfigError unless all are vmemu's."""
        told: dict[str, Sequence[str]] = {}
        for file, path in zip(self.files, self._sealed.paths, strict=True):
            try:
                found = self._connection.execute(
                    "SELECT decode(key), decode(value) FROM parquet_kv_metadata(?) "
                    "WHERE starts_with(decode(key), 'vmemu')",
                    [path],
                ).fetchall()
            except self._duckdb.Error:
                raise ConfigError(f"{file!r} is not a Parquet file") from None
            metadata = dict(found)
            if PROVENANCE not in metadata:
                raise ConfigError(f"{file!r} holds no results of vmemu")
            told = json.loads(metadata.get(COLUMNS, "{}")) | told
        return told

    @cached_property
    def scenarios(self) -> list[str]:
        """The scenarios that there are records of."""
        if "scenario" not in self.types:
            return []
        found = self._connection.execute(
            "SELECT DISTINCT scenario FROM runs WHERE scenario IS NOT NULL ORDER BY 1"
        )
        return [row[0] for row in found.fetchall()]

    def names(self, *kinds: str) -> list[str]:
        """The columns of these kinds."""
        return [name for name, column in self.columns.items() if column.kind in kinds]

    def count(self, view: str) -> int:
        """The rows of a view."""
        return int(self.query(f"SELECT count(*) FROM {view}").rows[0][0])

    def query(self, sql: str) -> Answer:
        """The answer to one SELECT; ConfigError says what is wrong with it."""
        duckdb = self._duckdb
        try:
            self._check(sql)
        except duckdb.Error as error:
            raise ConfigError(_sentence(str(error))) from None
        self._make_views(sql)
        connection = self._connection
        connection.execute("BEGIN TRANSACTION READ ONLY")
        try:
            cursor = connection.execute(sql)
            return Answer(
                _distinct([column[0] for column in cursor.description]), cursor.fetchall()
            )
        except duckdb.Error as error:
            raise ConfigError(_sentence(str(error))) from None
        finally:
            with contextlib.suppress(duckdb.Error):  # what failed may have ended it
                connection.execute("ROLLBACK")

    def _varying(self, scenario: str, names: Sequence[str]) -> list[str]:
        """Those of the columns that have more than one value in a scenario."""
        if not names:
            return []
        counts = ", ".join(f"count(DISTINCT {identifier(name)})" for name in names)
        found = self._connection.execute(
            f"SELECT {counts} FROM runs WHERE scenario = ?", [scenario]
        ).fetchone()
        return [name for name, count in zip(names, found or (), strict=True) if count > 1]

    def close(self) -> None:
        """Give back what it holds; nothing can be asked any more."""
        self._connection.close()
        self._sealed.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _check(self, sql: str) -> None:
        """ConfigError unless it is one statement that only reads."""
        duckdb = self._duckdb
        statements = duckdb.extract_statements(sql)
        if len(statements) != 1:
            count = "several statements" if statements else "nothing"
            raise ConfigError(f"results answers {_MAY}, not {count}")
        kind = statements[0].type.name
        if kind == "EXPLAIN":
            self._check(_explained(duckdb, sql))
        elif kind not in _SELECTS:
            raise ConfigError(f"results only reads: it answers {_MAY}, not {kind}")

    def _make_views(self, sql: str) -> None:
        """Make the views that a question may mean."""
        asked = sql.lower()
        every = "show" in asked or "duckdb_" in asked or "information_schema" in asked
        for name, view in VIEWS.items():
            if (every or name in asked) and name not in self._views:
                self._views.add(name)
                described = Described(self.types, self.columns, self.scenarios, self._varying)
                self._connection.execute(f"CREATE VIEW {name} AS {view(described)}")


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, each once: those that come again have a number behind them."""
    found: dict[str, None] = {}
    for name in names:
        numbered = (f"{name}_{number}" for number in itertools.count(1))
        found[next(each for each in itertools.chain([name], numbered) if each not in found)] = None
    return list(found)


def _explained(duckdb: Any, sql: str) -> str:
    """What an EXPLAIN explains, without its own words."""
    words = [place for place, kind in duckdb.tokenize(sql) if "comment" not in str(kind)]
    at = 1
    if sql[words[at] :].lower().startswith("analyze"):
        at += 1
    if sql[words[at]] == "(":  # its options, or a SELECT in parentheses, which is fine to lose
        depth = 0
        while at < len(words):
            depth += {"(": 1, ")": -1}.get(sql[words[at]], 0)
            at += 1
            if not depth:
                break
    return sql[words[at] :] if at < len(words) else "SELECT 1"


def _sentence(error: str) -> str:
    """What DuckDB says of a mistake, in one line: with names that were perhaps meant."""
    lines = [line.strip() for line in error.splitlines()]
    first = lines[0] if lines else ""
    near = next((line for line in lines if line.startswith(("Candidate", "Did you mean"))), "")
    return f"{first.rstrip('.!')}{': ' if near else ''}{near[:1].lower() + near[1:]}"
