"""A memory control group: so much RAM for a process, and the rest of the host is left alone."""

from __future__ import annotations

import contextlib
import errno
import time
from dataclasses import dataclass
from pathlib import Path

from bench.disk import unescaped
from bench.errors import BenchError

ATTEMPTS = 50
"""To remove a group; a process that ended leaves it a moment later."""


@dataclass(frozen=True)
class Controller:
    """The memory controller: its version and the group that a new one can be made in."""

    version: int
    parent: Path

    @property
    def limit_file(self) -> str:
        """Takes the bytes that a group may have."""
        return "memory.max" if self.version == 2 else "memory.limit_in_bytes"

    @property
    def usage_file(self) -> str:
        """Tells the bytes that a group has."""
        return "memory.current" if self.version == 2 else "memory.usage_in_bytes"


def controller(proc: Path = Path("/proc")) -> Controller:
    """The memory controller of this process, version 1 or 2; BenchError when there is none.

    A group is made below this process's own, so that what holds for that holds for it too;
    under version 2 beside it, since there a group has processes or groups in it.
    """
    mounts = _mounts(proc)
    for line in (proc / "self" / "cgroup").read_text().splitlines():
        _, names, own = line.split(":", 2)
        for version, root, point in mounts:
            if version == 1 and "memory" in names.split(","):
                return Controller(1, _below(point, root, own))
            if version == 2 and not names:
                group = _below(point, root, own)
                parent = group if group == point else group.parent
                if "memory" in _words(parent / "cgroup.subtree_control"):
                    return Controller(2, parent)
    raise BenchError(
        "no memory controller is mounted and handed down (cgroup version 1 or 2), "
        "and nothing else would confine native swap"
    )


def _mounts(proc: Path) -> list[tuple[int, str, Path]]:
    """Version, root and mount point of each hierarchy that may have the controller; 1 first."""
    found = []
    for line in (proc / "self" / "mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        root, point = map(unescaped, before.split(" ")[3:5])
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup" and "memory" in options.split(","):
            found.append((1, root, Path(point)))
        elif kind == "cgroup2":
            found.append((2, root, Path(point)))
    return sorted(found)


def _below(point: Path, root: str, own: str) -> Path:
    """A group's directory, where a hierarchy is mounted from its group `root` on."""
    path = Path(own)
    return point / (path.relative_to(root) if path.is_relative_to(root) else path.relative_to("/"))


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


class MemoryGroup:
    """A group without a limit; it has to be removed."""

    def __init__(self, controller: Controller, name: str) -> None:
        self.controller = controller
        self.path = controller.parent / name
        try:
            self.path.mkdir()
        except OSError as error:
            raise BenchError(f"cannot make the group {self.path}: {error.strerror}") from None

    def limit(self, size: int) -> None:
        """Let its processes have so many bytes of RAM; OSError."""
        (self.path / self.controller.limit_file).write_text(str(size))

    def enter(self, command: list[str]) -> list[str]:
        """The same command, inside."""
        script = 'echo $$ >"$0" && exec "$@"'
        return ["sh", "-c", script, str(self.path / "cgroup.procs"), *command]

    def empty(self) -> None:
        """Have what its processes hold written to swap and taken away; OSError."""
        if self.controller.version == 1:
            (self.path / "memory.force_empty").write_text("0")
            return
        held = (self.path / self.controller.usage_file).read_text().strip()
        with contextlib.suppress(BlockingIOError):  # a page or two are needed
            (self.path / "memory.reclaim").write_text(held)

    def remove(self) -> None:
        """Remove it, once its processes have ended; BenchError."""
        for _ in range(ATTEMPTS):
            try:
                self.path.rmdir()
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise BenchError(
                        f"cannot remove the group {self.path}: {error.strerror}"
                    ) from None
                time.sleep(0.1)
            else:
                return
        raise BenchError(f"cannot remove the group {self.path}: something runs in it")
