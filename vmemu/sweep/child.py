"""The process of one run: forked from a warm one, it runs the job, says what came of it, ends."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import importlib
import itertools
import os
import random
import resource
import sys
from collections.abc import Callable
from typing import Any

from vmemu.errors import ConfigError
from vmemu.sweep import family, forks, wire
from vmemu.sweep.failure import is_users, of_exception

__all__ = ["find", "run"]

_RESULT_FD = 900
"""No run opens so many; nobody closes or writes to it by accident."""
_flush = ctypes.CDLL(None).fflush


def run(asked: dict[str, Any], payload: bytes, zygote: int, result: int, output: int) -> None:
    """Run the job of a request; ``result`` and ``output`` are pipes' ends.

    ``asked["mark"]`` begins the answer: whatever else is written there is nonsense.
    """
    os.setsid()
    forks.catch_up()
    family.die_with_parent(zygote)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    with contextlib.suppress(OSError, ValueError):  # few descriptors are allowed
        high = fcntl.fcntl(result, fcntl.F_DUPFD_CLOEXEC, _RESULT_FD)
        os.close(result)
        result = high
    warm = len(sys.modules)
    unlimited = resource.getrlimit(resource.RLIMIT_DATA)
    try:
        _settle(asked)
        if asked["data"] is not None:
            hard = unlimited[1]
            least = asked["data"] if hard < 0 else min(asked["data"], hard)
            resource.setrlimit(resource.RLIMIT_DATA, (least, hard))
        value = find(asked["function"])(payload)
        if not isinstance(value, bytes):
            raise TypeError(f"{asked['function']} must give bytes, not {type(value).__name__}")
        head: dict[str, Any] = {}
    except BaseException as error:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_DATA, unlimited)
        failure = of_exception(error, asked["memory"])
        head, value = dict(failure._asdict()), b""
        _flush_all()
    head["modules"] = _new_modules(warm)
    _write(result, asked["mark"].encode() + wire.pack(head, value))


def find(function: str) -> Callable[[bytes], bytes]:
    """The function that ``module:name`` names."""
    module, _, name = function.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ModuleNotFoundError, AttributeError) as error:
        raise ConfigError(f"there is no function {function}: {error}") from error
    job: Callable[[bytes], bytes] = found
    return job


def _settle(asked: dict[str, Any]) -> None:
    """Be as the process that asks is, and alike each time."""
    random.seed(0)
    caller = asked.get("caller")
    if caller is not None:
        sys.path[:] = caller["path"]
        os.environ.clear()
        os.environ.update(caller["environ"])
        if caller["cwd"] is not None:
            os.chdir(caller["cwd"])


def _new_modules(warm: int) -> list[str]:
    """What was loaded after the first ``warm`` modules, without the user's."""
    # to look at all of them would make copies of the pages where they are
    new = list(itertools.islice(reversed(sys.modules), max(0, len(sys.modules) - warm)))
    files = {name: getattr(sys.modules[name], "__file__", None) for name in reversed(new)}
    return [name for name, file in files.items() if isinstance(file, str) and not is_users(file)]


def _flush_all() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    _flush(None)


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
