"""A notebook as the documentation has it: run cell by cell, its outputs held against the run.

A cell's last expression shows itself as in Jupyter: as text, and as HTML and SVG where it can.
Nothing of Jupyter is needed for it.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
from pathlib import Path
from typing import Any

_KINDS = {"text/html": "_repr_html_", "image/svg+xml": "_repr_svg_"}

Cell = dict[str, Any]


def run(path: Path) -> list[list[Cell]]:
    """The outputs of each code cell, in order; the cells share their names."""
    names: dict[str, Any] = {"__name__": "__main__"}
    return [_run("".join(cell["source"]), names) for cell in code_cells(load(path))]


def load(path: Path) -> Cell:
    """The notebook."""
    loaded: Cell = json.loads(path.read_text())
    return loaded


def code_cells(notebook: Cell) -> list[Cell]:
    """Those that can be run."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def outputs(notebook: Cell) -> list[list[Cell]]:
    """What the cells show in the file."""
    return [[_plain(each) for each in cell["outputs"]] for cell in code_cells(notebook)]


def refresh(path: Path, check: bool) -> list[str]:
    """Run a notebook and write its outputs; a message if they were out of date."""
    notebook, made = load(path), run(path)
    if outputs(notebook) == made:
        return []
    if not check:
        for n, (cell, shown) in enumerate(zip(code_cells(notebook), made, strict=True), 1):
            cell["execution_count"] = n
            cell["outputs"] = [_numbered(each, n) for each in shown]
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    return [f"docs/{path.name} shows something else than its cells do"]


def _run(source: str, names: dict[str, Any]) -> list[Cell]:
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    out, value = io.StringIO(), None
    with contextlib.redirect_stdout(out):
        exec(compile(tree, "<cell>", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
    shown: list[Cell] = []
    if out.getvalue():
        shown.append({"name": "stdout", "output_type": "stream", "text": _lines(out.getvalue())})
    if value is not None:
        data = {"text/plain": _lines(repr(value))}
        for kind, method in _KINDS.items():
            show = getattr(value, method, None)
            text = show() if show is not None else None
            if text is not None:
                data[kind] = _lines(text)
        shown.append({"data": data, "metadata": {}, "output_type": "execute_result"})
    return shown


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _plain(output: Cell) -> Cell:
    return {name: value for name, value in output.items() if name != "execution_count"}


def _numbered(output: Cell, n: int) -> Cell:
    result = output["output_type"] == "execute_result"
    return {**output, "execution_count": n} if result else output
