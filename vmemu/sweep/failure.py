"""Why a run gave no result: what kind of failure, and one sentence that is always the same.

The same cell run again must fail in the same words, so there are no addresses, numbers of
processes or names of temporary files in them.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import sysconfig
import tempfile
import traceback
from typing import NamedTuple

from vmemu.errors import CpuError, KernelBug, LimitReached, VmemuError
from vmemu.lab.experiment import ScenarioError

__all__ = ["Failure", "is_users", "of_death", "of_exception", "of_memory", "of_time", "plain"]

_VMEMU = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_LONGEST = 600
_NO_MEMORY = re.compile(
    r"bad_alloc|MemoryError|out of memory|cannot allocate|failed to alloc", re.I
)


class Failure(NamedTuple):
    """``failure``: time, memory, guest, scheme, refused, bug or died."""

    failure: str
    reason: str


def of_time(seconds: float) -> Failure:
    """It took too long."""
    return Failure("time", f"it took longer than {seconds:g} s")


def of_memory(allowed: int | None) -> Failure:
    """It wanted too much; None: the host had no more."""
    if allowed is None:
        return Failure("memory", "the host has not the memory that it wants")
    return Failure("memory", f"it took more than {_size(allowed)} of memory")


def of_exception(error: BaseException, memory: int | None = None) -> Failure:
    """What an exception tells, and the user's line that it came from.

    A mistake of the user's is told as vmemu tells it.  Any other exception is a scheme's (or a
    scenario's) if the user's code had a part in it, else vmemu's own.
    """
    if isinstance(error, MemoryError):
        return of_memory(memory)
    if isinstance(error, ScenarioError | CpuError):
        return Failure("guest", _said(error))
    if isinstance(error, LimitReached):
        return Failure("time", _said(error))
    if isinstance(error, VmemuError):
        words = getattr(error, "output", "").splitlines()  # of a compiler: they say more
        wrong = next((line for line in words if "error: " in line), "")
        said = _said(error)
        return Failure("refused", plain(f"{said.partition(': ')[0]}: {wrong}") if wrong else said)
    said, frames = _said(error), _user_frames(error)
    if isinstance(error, KernelBug):
        caused = error.__cause__ is not None and _user_frames(error.__cause__)
        return Failure("scheme" if caused else "bug", said)
    kind = "scheme" if frames else "bug"
    if not frames:  # then it helps to know where in vmemu
        frames = [_place(f) for f in traceback.extract_tb(error.__traceback__)[-1:]]
    text = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return Failure(kind, text + (f" ({frames[-1]})" if frames else ""))


def of_death(status: int, output: str, allowed: int | None, *, filled: bool) -> Failure:
    """Its process ended without a result: how, and what it printed last.

    ``status``: as waitpid() gives it.  ``filled``: it had taken what it was allowed to, so that
    whatever it died of was for want of memory.
    """
    if allowed is not None and (filled or _NO_MEMORY.search(output)):
        return of_memory(allowed)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        known = number in signal.valid_signals() and number < signal.SIGRTMIN
        how = "was killed by " + (signal.Signals(number).name if known else f"signal {number}")
    else:
        how = f"ended with status {os.waitstatus_to_exitcode(status)} before it had a result"
    output, _, crash = output.partition("Fatal Python error: ")
    frame = next(
        (
            _place_of(path, line, name)
            for path, line, name in re.findall(r'File "(.+?)", line (\d+) in (\S+)', crash)
            if is_users(path)
        ),
        None,
    )
    words = plain("; ".join(line for line in output.splitlines() if line.strip())[-300:])
    said = f"; it had printed: {words}" if words else ""
    return Failure("died", f"its process {how}" + (f" ({frame})" if frame else "") + said)


def plain(text: str) -> str:
    """One line without what differs from run to run; what is not printable stands escaped."""
    text = "; ".join(part.strip() for part in text.splitlines() if part.strip())
    text = re.sub(rf"{re.escape(tempfile.gettempdir())}/(?:[^\s'\"/:]+/)*", "", text)
    text = re.sub(r"\btmp[a-z0-9_]{8}\b", "tmp", text)
    text = re.sub(r"\b0x[0-9a-fA-F]{9,}\b", "0x...", text)
    text = re.sub(rf"\b(pid|process)([ =:]*){os.getpid()}\b", r"\1\2PID", text, flags=re.I)
    text = text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _said(error: BaseException) -> str:
    """What an exception says of itself; "" where it cannot even do that."""
    try:
        return plain(str(error))
    except Exception:
        return ""


def _size(size: int) -> str:
    for shift, unit in ((30, "GB"), (20, "MB"), (10, "kB")):
        if size >= 1 << shift:
            return f"{size / (1 << shift):.4g} {unit}"
    return f"{size} bytes"


def _roots() -> tuple[str, ...]:
    """Directories of what is not the user's: Python's own, and packages that vmemu stands on."""
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if "." not in name and file and os.path.basename(file).startswith("__init__."):
            paths.add(os.path.dirname(file))
    return tuple(path + os.sep for path in paths)


_KNOWN = _roots()
"""Of the warm process, in which this is imported last: no module of a user is there."""
_PACKAGES = ("site-packages", "dist-packages")


def is_users(path: str) -> bool:
    """Whether a source file is neither vmemu's, nor Python's, nor of a package vmemu stands on."""
    if path.startswith(("<", _VMEMU)):
        return False
    if any(path.startswith(root) for root in _KNOWN):
        # site-packages is within Python's own directory, and anybody's
        root = max((root for root in _KNOWN if path.startswith(root)), key=len)
        return any(part in path[len(root) :].split(os.sep) for part in _PACKAGES)
    return True


def _user_frames(error: BaseException) -> list[str]:
    """Where the user's code was, the innermost last."""
    places = [
        _place(frame)
        for frame in traceback.extract_tb(error.__traceback__)
        if is_users(frame.filename)
    ]
    if isinstance(error, SyntaxError) and error.filename and is_users(error.filename):
        places.append(f"{os.path.basename(error.filename)}:{error.lineno}")
    return places


def _place(frame: traceback.FrameSummary) -> str:
    return _place_of(frame.filename, frame.lineno, frame.name)


def _place_of(path: str, line: int | str | None, name: str) -> str:
    return f"{os.path.basename(path)}:{line} in {name}"
