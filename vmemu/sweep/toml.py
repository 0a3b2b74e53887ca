"""A TOML file, and on which line of it a key or an element stands."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmemu.errors import ConfigError
from vmemu.sweep.given import Place, PlacedError, labelled

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["Document", "KeyPlace", "read_document"]

Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """A file's name as the user gave it, its text, and what the text means."""

    name: str
    text: bytes
    data: dict[str, Any]

    def line(self, path: Path_) -> int:
        """The line of a key, of a table, or of an element; of what holds it, if it is not there."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    @cached_property
    def _lines(self) -> dict[Path_, int]:
        """The line of everything. tomllib does not tell, so the text is read a second time."""
        return _Lines(self.text).lines


@dataclass(frozen=True)
class KeyPlace(Place):
    """A key of a document; its label is the name that a message gives it."""

    document: Document
    path: Path_

    def inside(self, key: str | int) -> KeyPlace:
        """The place of an element, or of a key of a table."""
        label = self.label if isinstance(key, int) else f"{self.label}.{key}".lstrip(".")
        return KeyPlace(label, self.document, (*self.path, key))

    def error(self, problem: str) -> PlacedError:
        """The error with file, line and key."""
        told = labelled(self.label, problem)
        return PlacedError(f"{self.document.name}, line {self.document.line(self.path)}: {told}")


def read_document(path: str) -> Document:
    """The file at ``path``; ConfigError, with the line if there is one, for what is no TOML."""
    try:
        text = Path(path).read_bytes()
    except IsADirectoryError:
        raise ConfigError(f"{path} is a directory, not an experiment file") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"cannot read the experiment file {path}: {why}") from None
    try:
        return Document(path, text, tomllib.loads(text.decode()))
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise PlacedError(f"{path}, line {line}: the file is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise _syntax(path, text, str(error)) from None
    except RecursionError:
        raise ConfigError(f"{path}: brackets stand in brackets too deep to be read") from None


def _syntax(path: str, text: bytes, problem: str) -> PlacedError:
    """What tomllib says, with the line in front; of a key that stands twice both lines."""
    if re.match(r"Cannot (overwrite|declare|mutate)|Duplicate", problem):
        repeated = _Lines(text).repeated
        if repeated is not None:
            key, line, first = repeated
            return PlacedError(
                f"{path}, line {line}: {key} stands here a second time, line {first} has it already"
            )
    match = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", problem)
    line = int(match[1]) if match and match[1] else max(1, text.rstrip().count(b"\n") + 1)
    said = problem[: match.start()] if match else problem
    return PlacedError(f"{path}, line {line}: this is no TOML: {said[:1].lower()}{said[1:]}")


class _Lines:
    """Lines of keys and elements, from the syntax tree."""

    def __init__(self, text: bytes) -> None:
        import tree_sitter_toml
        from tree_sitter import Language, Parser

        self.lines: dict[Path_, int] = {}
        self.repeated: tuple[str, int, int] | None = None
        """A key that stands twice, its line and that where it stands first."""
        self._tables: dict[Path_, int] = {}  # how many there are of an array of tables
        self._headed: set[Path_] = set()
        parser = Parser(Language(tree_sitter_toml.language()))
        for node in parser.parse(text).root_node.named_children:
            if node.type == "pair":
                self._pair(node, ())
            elif node.type in ("table", "table_array_element"):
                self._table(node)

    def _table(self, node: Node) -> None:
        children = _content(node)
        key = next(children, None)
        if key is None:
            return
        *first, last = _keys(key)
        path: Path_ = ()
        for each in first:
            path = self._latest((*path, each))
            self.lines.setdefault(path, _line(key))
        path = (*path, last)
        if node.type == "table_array_element":
            self.lines.setdefault(path, _line(key))
            at = self._tables.get(path, 0)
            self._tables[path] = at + 1
            path = (*path, at)
        elif path in self._headed or path in self._tables:
            self._again(path, key)
        self._headed.add(path)
        self.lines.setdefault(path, _line(key))
        for child in children:
            if child.type == "pair":
                self._pair(child, path)

    def _latest(self, path: Path_) -> Path_:
        """The table that a header means: of an array the last."""
        return (*path, self._tables[path] - 1) if path in self._tables else path

    def _pair(self, node: Node, path: Path_) -> None:
        key, *values = _content(node)
        for each in _keys(key):
            path = (*path, each)
            known = path in self.lines
            self.lines.setdefault(path, _line(key))
        if known:
            self._again(path, key)
        for value in values:
            self._value(value, path)

    def _value(self, node: Node, path: Path_) -> None:
        if node.type == "array":
            for at, element in enumerate(_content(node)):
                self.lines[(*path, at)] = _line(element)
                self._value(element, (*path, at))
        elif node.type == "inline_table":
            for child in _content(node):
                if child.type == "pair":
                    self._pair(child, path)

    def _again(self, path: Path_, node: Node) -> None:
        if self.repeated is None:
            name = ".".join(str(each) for each in path if isinstance(each, str))
            self.repeated = name, _line(node), self.lines[path]


def _content(node: Node) -> Iterator[Node]:
    return (child for child in node.named_children if child.type != "comment")


def _line(node: Node) -> int:
    return node.start_point[0] + 1


def _keys(node: Node) -> list[str]:
    """The parts of a key, which may be dotted and quoted: as tomllib reads them."""
    text = (node.text or b"").decode()
    try:
        table: Any = tomllib.loads(f"{text} = 0")
    except tomllib.TOMLDecodeError:
        return [text]
    keys = []
    while isinstance(table, dict):
        (key,) = table
        keys.append(key)
        table = table[key]
    return keys
