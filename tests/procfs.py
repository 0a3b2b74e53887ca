"""Reading a machine's /proc from outside, as a guest would; and copying it to a directory."""

from __future__ import annotations

import os
import re
import stat
import struct
from pathlib import Path

from vmemu.kernel.kernel import Kernel
from vmemu.kernel.process.wait import MayBlock, waited
from vmemu.machine import Machine
from vmemu.vfs.file import O_RDONLY, O_WRONLY, File
from vmemu.vfs.node import Directory, Node
from vmemu.vfs.walk import Walk

NOT_COPIED = {"fd", "root", "cwd", "exe", "mem", "pagemap", "kpagecount", "kpageflags"}
"""Names of what leads out of /proc, or is as large as memory."""


def finish(what: MayBlock[bytes]) -> bytes:
    """What a read that need not wait gives."""
    try:
        next(waited(what))
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


def node_at(machine: Machine, path: str) -> Node:
    """What a guest's path stands for."""
    root = machine.kernel.root_directory()
    return Walk(root).find(root, os.fsencode(path))


def open_file(machine: Machine, path: str, flags: int = O_RDONLY) -> File:
    """Open a guest's file."""
    return node_at(machine, path).open(flags, path)


def read(machine: Machine, path: str) -> str:
    """The text of a file of /proc, by its path there."""
    file = open_file(machine, f"/proc/{path}")
    return finish(file.read(1 << 24)).decode(errors="surrogateescape")


def write(machine: Machine, path: str, text: str) -> None:
    """Write to one."""
    finish(open_file(machine, f"/proc/{path}", O_WRONLY).write(text.encode()))  # type: ignore[arg-type]


def entries(machine: Machine, path: str, first: int, count: int) -> list[int]:
    """Entries of 64 bits of a file of /proc."""
    data = finish(open_file(machine, f"/proc/{path}").at(first * 8).read(count * 8))
    return list(struct.unpack(f"<{len(data) // 8}Q", data))


def fields(text: str) -> dict[str, int]:
    """Lines of a name, a colon and a number of kB."""
    return {name: int(n) for name, n in re.findall(r"^([\w()]+): +(\d+)(?: kB)?$", text, re.M)}


def areas(text: str) -> list[tuple[str, dict[str, int]]]:
    """What smaps says: each area's first line, and its numbers."""
    pieces = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", text, flags=re.M)[1:]
    return [(piece.split("\n", 1)[0], fields(piece)) for piece in pieces]


def pids(kernel: Kernel) -> list[int]:
    """Tasks that have memory."""
    return [task.pid for task in kernel.tasks if task.memory is not None]


def copy(machine: Machine, to: Path) -> None:
    """Copy /proc as it is now, without what leads elsewhere."""
    top = node_at(machine, "/proc")
    assert isinstance(top, Directory)
    _copy(machine, top, to, "/proc")


def _copy(machine: Machine, directory: Directory, to: Path, path: str) -> None:
    to.mkdir(parents=True, exist_ok=True)
    for name, _, kind in directory.entries():
        text = os.fsdecode(name)
        if text in NOT_COPIED:
            continue
        node = directory.lookup(name)
        if kind == stat.S_IFLNK:
            (to / text).symlink_to(os.fsdecode(node.readlink()))
        elif isinstance(node, Directory):
            _copy(machine, node, to / text, f"{path}/{text}")
        elif node.stat().mode & 0o444:
            (to / text).write_bytes(finish(node.open(O_RDONLY, f"{path}/{text}").read(1 << 24)))
