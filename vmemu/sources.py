"""Which files of a user's a C source or a Python file needs besides itself.

They are found by reading: what a compiler or an import would find in the same directories.
Whoever keeps a result tells by their content whether it still holds.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterator, Sequence

from vmemu.paths import is_file

__all__ = ["headers_of", "modules_of"]

_INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*["<]([^">\n]+)[">]', re.MULTILINE)
_INSTALLED = ("site-packages", "dist-packages")


def headers_of(source: str, include: Sequence[str] = ()) -> list[str]:
    """The files that a C source includes, and these again: beside it or in directories."""
    found: dict[str, None] = {}
    waiting = [source]
    while waiting:
        path = waiting.pop()
        with open(path, "rb") as file:
            names = _INCLUDE.findall(file.read())
        for name in names:
            places = (os.path.dirname(path), *include)
            headers = (os.path.normpath(os.path.join(each, os.fsdecode(name))) for each in places)
            header = next(filter(is_file, headers), None)
            if header is not None and header not in found and header != source:
                found[header] = None
                waiting.append(header)
    return list(found)


def modules_of(path: str, name: str = "") -> list[str]:
    """The Python files that a module imports, and these again, from where it lies itself.

    ``name`` is the module's, to tell which directory its package is in.  Of packages that are
    installed it is only its own.
    """
    root = os.path.dirname(path)
    for _ in range(name.count(".") + (os.path.basename(path) == "__init__.py")):
        root = os.path.dirname(root)
    own = name.partition(".")[0] if os.path.basename(root) in _INSTALLED else ""
    found: dict[str, None] = {}
    waiting = [path]
    while waiting:
        file = waiting.pop()
        for place, dotted in _imported(file, root):
            top = dotted.partition(".")[0]
            if place == root and (top in ("vmemu", "") or own not in ("", top)):
                continue
            for module in _files(place, dotted):
                if module not in found and module != path:
                    found[module] = None
                    waiting.append(module)
    return list(found)


def _imported(path: str, root: str) -> Iterator[tuple[str, str]]:
    """What a file imports, wherever in it: the directory to look in, and the dotted name."""
    with open(path, "rb") as file:
        text = file.read()
    try:
        tree = ast.parse(text, path)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((root, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            place = root
            if node.level:
                place = os.path.dirname(path)
                for _ in range(node.level - 1):
                    place = os.path.dirname(place)
            if node.module:
                yield place, node.module
            for alias in node.names:
                yield place, f"{node.module}.{alias.name}" if node.module else alias.name


def _files(place: str, dotted: str) -> Iterator[str]:
    """The files of a module and of the packages that it is in."""
    parts = dotted.split(".")
    if dotted in sys.builtin_module_names:
        return
    for n in range(1, len(parts) + 1):
        stem = os.path.join(place, *parts[:n])
        for path in (os.path.join(stem, "__init__.py"), f"{stem}.py"):
            if is_file(path):
                yield path
                break
