"""Programs with a C library, glibc's or musl's: as on the host, in little memory.

The programs are in ``libc``.  glibc is the host's; for musl there must be the package ziglang,
which brings its own (``pip install vmemu[musl]``).
"""

from __future__ import annotations

import importlib.util
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.linked import alone_on_the_host
from vmemu import _build
from vmemu.kernel.process.task import Task
from vmemu.lab.compiling import INCLUDE
from vmemu.machine import Machine

SOURCES = Path(__file__).with_name("libc")
CACHE = Path(__file__).parents[2] / "build" / "zig"
FLAGS = ("-O2", "-Wall", "-Wno-infinite-recursion", f"-I{INCLUDE}")
ENVIRONMENT = {"COLOUR": "red"}


class Library(NamedTuple):
    """A way to make programs."""

    bits: int
    flags: tuple[str, ...]
    missing: str
    """Why there is none."""
    musl: bool = False

    def command(self) -> list[str]:
        if self.musl:
            return [sys.executable, "-m", "ziglang", "cc", *self.flags]
        return [_build.compiler(), *self.flags]


_GLIBC = {
    32: "there is no C library for i386 (on Debian: gcc-multilib)",
    64: "there is no static C library (on Debian: libc6-dev)",
}
_MUSL = "there is no musl (pip install ziglang)"
LIBRARIES = {
    "glibc-64": Library(64, ("-m64", "-static"), _GLIBC[64]),
    "glibc-32": Library(32, ("-m32", "-static"), _GLIBC[32]),
    "glibc-64-pie": Library(64, ("-m64", "-static-pie", "-fPIE"), _GLIBC[64]),
    "glibc-32-pie": Library(32, ("-m32", "-static-pie", "-fPIE"), _GLIBC[32]),
    "musl-64": Library(64, ("-target", "x86_64-linux-musl", "-static"), _MUSL, musl=True),
    "musl-32": Library(32, ("-target", "x86-linux-musl", "-static"), _MUSL, musl=True),
}
SCHEMES = {
    name: ("anonmm", "anon_vma39", "anon_vma")
    if name in ("glibc-64", "glibc-32")
    else ("anon_vma",)
    for name in LIBRARIES
}

UNKNOWN = {32: {386, 242}, 64: {334, 204}}
"""Calls that a library tries, and does without: rseq, sched_getaffinity."""
LITTLE = {
    "once": "700K",
    "library": "700K",
    "heap": "1M",
    "signals": "700K",
    "processes": "700K",
    "threads": "700K",
    "shared": "1M",
    "memfd": "1M",
    "segments": "1M",
    "pthreads": "1M",
    "throng": "4M",
}
"""Of memory; beside it there is swap."""
CASES = [
    pytest.param(library, name, rmap, ram, id=f"{name}-{library}-{rmap}-{ram}")
    for name, little in LITTLE.items()
    for library, schemes in SCHEMES.items()
    for rmap in schemes
    for ram in ("64M", little)
]

COUNTED = (1 << 40) + 7
"""What a script makes of a counter: more than 32 bits."""

Build = Callable[[str, str], Path]


class Ending(NamedTuple):
    """How a program ended, and what it wrote."""

    status: int
    output: bytes


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Return a function from a library and a program's name to the program; it may skip."""
    directory = tmp_path_factory.mktemp("libc")
    works: dict[str, bool] = {}

    def compiled(library: str, source: Path, target: Path) -> str:
        command = [*LIBRARIES[library].command(), *FLAGS, str(source), "-o", str(target)]
        done = subprocess.run(
            [*command, "-lm", "-lpthread"],
            env={**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(CACHE)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stderr if done.returncode else ""

    def program(library: str, name: str) -> Path:
        if library not in works:
            empty = directory / "empty.c"
            empty.write_text("int main(void) { return 0; }\n")
            there = not LIBRARIES[library].musl or importlib.util.find_spec("ziglang")
            works[library] = bool(there) and not compiled(library, empty, directory / library)
        if not works[library]:
            pytest.skip(LIBRARIES[library].missing)
        path = directory / f"{name}-{library}"
        if not path.exists():
            complaint = compiled(library, SOURCES / f"{name}.c", path)
            assert not complaint
        return path

    return program


@pytest.fixture(scope="module")
def native() -> Callable[[Path], Ending]:
    """Return a function that runs a program on the host, once."""
    seen: dict[Path, Ending] = {}

    def run(program: Path) -> Ending:
        if program not in seen:
            try:
                with alone_on_the_host():
                    done = subprocess.run(
                        [program], env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True,
                        timeout=60, check=False,
                    )  # fmt: skip
            except OSError as error:
                pytest.skip(f"the host does not execute {program.name}: {error}")
            status = done.returncode if done.returncode >= 0 else 128 - done.returncode
            seen[program] = Ending(status, done.stdout + done.stderr)
        return seen[program]

    return run


def in_vmemu(program: Path, bits: int, rmap: str, ram: str) -> Ending:
    output = io.BytesIO()
    with Machine(ram=ram, swap="128M", rmap=rmap, bits=bits) as machine:
        machine.spawn(program, env=ENVIRONMENT, stdin=b"", stdout=output, stderr=output)
        status = machine.run().exit_status
        machine.check()
        assert not machine.kernel.unknown_syscalls.keys() - UNKNOWN[bits]
    return Ending(status, output.getvalue())


@pytest.mark.native
@pytest.mark.parametrize(("library", "name", "rmap", "ram"), CASES)
def test_same_as_native(
    build: Build,
    native: Callable[[Path], Ending],
    library: str,
    name: str,
    rmap: str,
    ram: str,
) -> None:
    program = build(library, name)
    there = native(program)
    assert in_vmemu(program, LIBRARIES[library].bits, rmap, ram) == there


# ---- <vmemu.h>

ELSEWHERE = """\
inside 0
mark -38
reclaim -38
again -38
holds xx
counter -38 0
no such counter -38 0
hole -38
beyond -38
no name -38
check -38
errno 77
"""
INSIDE = f"""\
inside 1
mark 5
reclaim 8
again 0
holds xx
counter 0 {COUNTED}
no such counter -22 0
hole -12
beyond -22
no name -14
check 0
errno 77
"""


@pytest.mark.native
@pytest.mark.parametrize("library", LIBRARIES)
def test_the_header_does_nothing_on_the_host(
    build: Build, native: Callable[[Path], Ending], library: str
) -> None:
    assert native(build(library, "lab")) == (0, ELSEWHERE.encode())


@pytest.mark.parametrize(
    ("library", "rmap"), [(name, rmap) for name in LIBRARIES for rmap in SCHEMES[name]]
)
def test_the_header_asks_vmemu(build: Build, library: str, rmap: str) -> None:
    """The page between the touched ones and the hole is none yet; the answer is the script's."""
    program, bits = build(library, "lab"), LIBRARIES[library].bits
    output, marks, checks = io.BytesIO(), [], []
    with Machine(ram="64M", swap="16M", rmap=rmap, bits=bits) as machine:

        def on_mark(task: Task, name: str, a: int, b: int) -> int:
            marks.append((name, b, machine.core.counters()["pswpout"]))
            machine.core.m.counter[machine.core.lib.CNT_enosys] = COUNTED
            return 5

        machine.kernel.on_mark = on_mark
        machine.kernel.on_check = lambda: checks.append(machine.check())
        machine.spawn(program, stdin=b"", stdout=output)
        assert machine.run().exit_status == 0
        assert marks == [("touched", 8 * 4096, 0), ("reclaimed", 0, 8)]
        assert len(checks) == 1
    assert output.getvalue().decode() == INSIDE
