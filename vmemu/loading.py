"""Python files and modules of a user's: loaded once, and what goes wrong told with its line.

A file becomes a module under a name that only its path decides, so that functions and classes
in it can be pickled: whoever reads them has loaded the same file first.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from types import CodeType, ModuleType, TracebackType

from vmemu.errors import ConfigError

__all__ = ["display", "line_of", "load_file", "load_module", "module_file", "place"]

_HERE = os.path.dirname(os.path.abspath(__file__))
_lock = threading.RLock()


def load_file(path: str) -> ModuleType:
    """The module that a Python file makes, loaded once; ConfigError in one sentence, with its line.

    While it is loaded, what lies beside it can be imported.
    """
    path = os.path.realpath(path)
    with _lock:
        name = _module_name(path)
        if name not in sys.modules:
            try:
                with open(path, "rb") as file:
                    source = file.read()
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise ConfigError(f"cannot read {display(path)}: {reason}") from None
            _told(lambda: _execute(name, path, source), path)
        return sys.modules[name]


def load_module(name: str) -> ModuleType:
    """A module by its name; ConfigError in one sentence, with file and line if it is a fault in it.

    The current directory is searched only if ``PYTHONPATH`` names it.
    """
    with _lock:
        try:
            return _told(lambda: importlib.import_module(name), "")
        except ConfigError as error:
            missing = error.__cause__
            lacks = missing.name if isinstance(missing, ModuleNotFoundError) else None
            if lacks and f"{name}.".startswith(f"{lacks}."):
                raise ConfigError(
                    f"there is no module {lacks!r} (PYTHONPATH tells where else to look)"
                ) from None
            raise


def module_file(module: ModuleType) -> str:
    """The absolute path of a module's source; "" without one."""
    path = getattr(module, "__file__", None)
    return os.path.abspath(path) if path and is_source(path) else ""


def is_source(path: str) -> bool:
    """Whether a file is Python's by its name."""
    return path.endswith(".py")


def display(path: str) -> str:
    """A path as messages name it: from the current directory, where it is below."""
    here = os.path.join(os.path.realpath(os.getcwd()), "")
    real = os.path.realpath(path)
    return real[len(here) :] if real.startswith(here) else path


def place(path: str, line: int = 0) -> str:
    """What a message about a line of a file begins with; "" without a file."""
    return f"{display(path)}, line {line}: " if path and line else path and f"{display(path)}: "


def line_of(path: str, text: str, near: str = "") -> int:
    """The line of a Python file where a string stands, if it can in a call of ``near``; or 0."""
    import ast

    if not (path and text):
        return 0
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return 0
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args)
    inside = (call for call in calls if getattr(call.args[0], "value", None) == near)
    for top in (*(inside if near else ()), tree):
        lines = [
            node.lineno
            for node in ast.walk(top)
            if isinstance(node, ast.Constant) and node.value == text
        ]
        if lines:
            return min(lines)
    return 0


def _module_name(path: str) -> str:
    stem = re.sub(r"\W", "_", os.path.basename(path).partition(".")[0])
    return f"vmemu_file_{stem}_{hashlib.sha256(os.fsencode(path)).hexdigest()[:12]}"


def _execute(name: str, path: str, source: bytes) -> ModuleType:
    """Run a file as a module, which stays only if that succeeds."""
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module
    sys.path.insert(0, os.path.dirname(path))
    try:
        exec(_compiled(source, path), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(os.path.dirname(path))
    return module


def _compiled(source: bytes, path: str) -> CodeType:
    try:
        return compile(source, path, "exec")
    except ValueError as error:  # what Python before 3.11.4 raises for null bytes
        raise SyntaxError(str(error)) from None


def _told(load: Callable[[], ModuleType], path: str) -> ModuleType:
    """What ``load`` gives; whatever it raises as one sentence, which begins with file and line."""
    try:
        return load()
    except (Exception, SystemExit) as error:  # whatever a module may raise while it is imported
        where, line = _place(error, path)
        text = getattr(error, "formula", "")  # a string may stand on another line than its call
        line = (line_of(where, text) if text else 0) or line
        at = (
            f"{display(where)}, line {line}: "
            if where and line
            else where and f"{display(where)}: "
        )
        raise ConfigError(f"{at}{_sentence(error)}") from error


def _sentence(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return error.msg or "invalid syntax"
    said = " ".join(str(error).split())
    if isinstance(error, ConfigError):
        return said
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _place(error: BaseException, path: str) -> tuple[str, int]:
    """File and line of the user's that an exception is about, as exactly as it can be told."""
    if isinstance(error, SyntaxError) and error.lineno and _is_users(error.filename or "<"):
        return error.filename or path, error.lineno
    frames = [each for each in _frames(error.__traceback__) if _is_users(each[0])]
    if not frames:
        return path, 0
    home = os.path.join(os.path.dirname(frames[0][0]), "")
    return [frame for frame in frames if frame[0].startswith(home)][-1]


def _frames(traceback: TracebackType | None) -> Iterator[tuple[str, int]]:
    while traceback is not None:
        yield traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
        traceback = traceback.tb_next


def _is_users(file: str) -> bool:
    importing = os.path.join(os.path.dirname(importlib.__file__), "")
    return not file.startswith((os.path.join(_HERE, ""), importing, "<"))
