"""A process and those it has started: which there are, what they hold, how they end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterator

__all__ = [
    "adopt",
    "data_size",
    "die_with_parent",
    "end_all",
    "memory_of",
    "private_memory",
    "resident",
    "small_pages",
]

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER, _PR_SET_THP_DISABLE = 1, 36, 41
_prctl = ctypes.CDLL(None).prctl


def adopt() -> None:
    """From here on, a descendant whose parent ends becomes a child of this process."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent(parent: int) -> None:
    """Be killed when the parent ends; at once if it already has."""
    _prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


@contextlib.contextmanager
def small_pages() -> Iterator[None]:
    """What this process touches meanwhile is no huge page, even where that was advised."""
    _prctl(_PR_SET_THP_DISABLE, 1, 0, 0, 0)
    try:
        yield
    finally:
        _prctl(_PR_SET_THP_DISABLE, 0, 0, 0, 0)


def end_all() -> None:
    """Kill every child of this process and those that they leave, until there is none."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            for child in _children(os.getpid()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            os.waitpid(-1, 0)


def memory_of(allowed: int, without: int) -> bool:
    """Whether this process's descendants hold more than ``allowed`` bytes.

    ``without``: bytes that each has in common with this process.  They are added up first,
    which is quick, and shared pages divided among those who share them only if that is too
    much.
    """
    pids = list(_descendants(os.getpid()))
    if sum(max(0, private_memory(pid) - without) for pid in pids) <= allowed:
        return False
    return len(pids) == 1 or sum(map(_proportional, pids)) > allowed


def private_memory(pid: int | str) -> int:
    """Bytes of a process that come from no file, swapped ones too; 0 if it is gone."""
    return _sum(f"/proc/{pid}/status", b"RssAnon:", b"RssShmem:", b"VmSwap:")


def resident() -> int:
    """Bytes that this process has in memory, those of files too."""
    return _sum("/proc/self/status", b"VmRSS:")


def data_size() -> int:
    """Bytes that RLIMIT_DATA counts of this process."""
    return _sum("/proc/self/status", b"VmData:")


def _proportional(pid: int) -> int:
    """As `private_memory`, of each shared page its part."""
    return _sum(f"/proc/{pid}/smaps_rollup", b"Pss_Anon:", b"Pss_Shmem:", b"SwapPss:")


def _sum(path: str, *wanted: bytes) -> int:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return sum(int(line.split()[1]) << 10 for line in file if line.startswith(wanted))
    return 0


def _descendants(pid: int) -> Iterator[int]:
    for child in _children(pid):
        yield child
        yield from _descendants(child)


def _children(pid: int) -> list[int]:
    """Children of a process; of all its threads."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as children:
                found += map(int, children.read().split())
    except FileNotFoundError:  # the process has ended, or a kernel without CONFIG_PROC_CHILDREN
        if os.path.exists("/proc/self/task/self/children"):
            return found
        return [child for child, parent in _parents() if parent == pid]
    except OSError:
        pass
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/stat", "rb") as stat:
                yield int(entry), int(stat.read().rpartition(b") ")[2].split()[1])
