"""Everything public in vmemu has a docstring that ends its first sentence."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "vmemu").rglob("*.py"))

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public(node: ast.AST, path: str) -> Iterator[tuple[str, Documented]]:
    """The module, its public classes and functions, their public methods; by dotted name."""
    if isinstance(node, Documented):
        yield path, node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue  # a local helper
            if not child.name.startswith("_"):
                yield from public(child, f"{path}.{child.name}")


def is_overload_or_setter(node: Documented) -> bool:
    decorators = getattr(node, "decorator_list", [])
    names = {ast.unparse(d).rsplit(".", 1)[-1] for d in decorators}
    return bool(names & {"overload", "setter"})


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_public_names_are_documented(module: Path) -> None:
    tree = ast.parse(module.read_text())
    missing = [
        dotted
        for dotted, node in public(tree, module.stem)
        if not is_overload_or_setter(node) and not (ast.get_docstring(node) or "").strip()
    ]
    assert missing == []
