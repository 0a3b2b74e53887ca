"""Programs of Debian's roots: how each platform is told to start them.

A row's `program` is a path in the root and arguments.  In an argument ``{run}`` stands before a
path that is executed: nothing natively and in vmemu, which have the root as theirs, and the
emulator's own command where the guest's execve() is the host's.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from bench.process import NotMeasured

ROOTS = Path(os.environ.get("VMEMU_ROOTS") or Path(__file__).parents[1] / "build" / "roots")
"""Where tests/rootfs/lay-out puts them."""
ARCHITECTURE = {32: "i386", 64: "amd64"}


def find_root(program: Sequence[str], roots: Path, bits: int) -> Path:
    """The root of this width, if it has the program; NotMeasured."""
    root = (roots / ARCHITECTURE[bits]).absolute()
    if not root.is_dir():
        raise NotMeasured(f"there is no {root}, which tests/rootfs/lay-out makes (--roots)")
    if not (root / program[0].lstrip("/")).exists():
        raise NotMeasured(f"{root} has no {program[0]}")
    return root


def on_host(program: Sequence[str], roots: Path, bits: int, emulator: str = "") -> list[str]:
    """The host's command: in the root itself, or by an emulator that looks there for what the
    program opens; NotMeasured.
    """
    root = find_root(program, roots, bits)
    if not emulator:
        if os.getuid():
            raise NotMeasured("chroot needs root")
        return [shutil.which("chroot") or "/usr/sbin/chroot", str(root), *_with("", program)]
    run = [emulator, "-L", str(root)]
    arguments = _with(" ".join([*run, str(root)]), program)
    return [*run, str(root) + program[0], *arguments[1:]]


def in_vmemu(program: Sequence[str], roots: Path, bits: int) -> list[str]:
    """What follows ``vmemu run`` and its options; NotMeasured."""
    return ["--root", str(find_root(program, roots, bits)), *_with("", program)]


def _with(run: str, program: Sequence[str]) -> list[str]:
    return [argument.replace("{run}", run) for argument in program]
