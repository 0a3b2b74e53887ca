"""No module of the package is imported by one that it imports, however far round."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def modules() -> dict[str, Path]:
    """Every module of the package, by name; a package is its ``__init__``."""
    found = {}
    for path in (ROOT / "vmemu").rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(body: list[ast.stmt], known: dict[str, Path]) -> Iterator[str]:
    """What is imported as soon as a module is; nothing that only types need."""
    for node in body:
        if isinstance(node, ast.If):
            typing = "TYPE_CHECKING" in ast.unparse(node.test)
            yield from imported(node.orelse if typing else node.body + node.orelse, known)
        elif isinstance(node, ast.Try):
            yield from imported(node.body, known)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module


def needs(known: dict[str, Path]) -> dict[str, set[str]]:
    """The modules that each one imports, with the packages these are in but not its own."""
    graph: dict[str, set[str]] = {}
    for name, path in known.items():
        graph[name] = set()
        for other in imported(ast.parse(path.read_text()).body, known):
            parts = other.split(".")
            chain = {".".join(parts[:n]) for n in range(1, len(parts) + 1)} & known.keys()
            graph[name] |= {each for each in chain if not f"{name}.".startswith(f"{each}.")}
    return graph


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A way round, or nothing."""
    done: set[str] = set()

    def walk(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        for other in sorted(graph[name]):
            if found := walk(other, [*way, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := walk(name, []))), [])


def test_there_is_no_circle() -> None:
    known = modules()
    graph = needs(known)
    assert len(graph) > 100
    assert "vmemu.mm" in graph["vmemu.machine"]
    assert circle(graph) == []


def test_one_would_be_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
