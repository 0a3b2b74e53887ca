"""Programs with the host's C library, which run natively and in a machine."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import io
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vmemu import _build
from vmemu.machine import Machine

MISSING = {
    32: "there is no C library for i386 (on Debian: gcc-multilib)",
    64: "there is no static C library (on Debian: libc6-dev)",
}


@functools.cache
def has_library(bits: int) -> bool:
    """Whether programs of that width can be linked with one."""
    command = [_build.compiler(), f"-m{bits}", "-static", "-x", "c", "-", "-o", os.devnull]
    empty = b"int main(void) { return 0; }"
    return not subprocess.run(command, input=empty, capture_output=True, check=False).returncode


def linked(source: Path, path: Path, bits: int, *flags: str) -> Path:
    """Compile a program, static unless the flags say how; skip where there is no C library."""
    if not has_library(bits):
        pytest.skip(MISSING[bits])
    how = flags or ("-static", "-w")
    command = [_build.compiler(), f"-m{bits}", *how, "-o", path, source]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return path


def lines_inside(path: Path, argv: list[str], **settings: Any) -> list[str]:
    """What it prints in a machine, where it must end well and leave nothing wrong."""
    out = io.BytesIO()
    with Machine(**settings) as machine:
        machine.spawn(path, argv, stdin=None, stdout=out)
        assert machine.run().exit_status == 0
        machine.check()
    return out.getvalue().decode().splitlines()


@contextlib.contextmanager
def alone_on_the_host() -> Iterator[None]:
    """While it lasts no other test is here, in whatever process.

    Names of sockets, queues and shared memory, and how many signals wait, are the host's: the same
    program of the other width is not to run meanwhile.
    """
    with Path(__file__).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def lines_natively(path: Path, *arguments: str | Path) -> list[str]:
    """The same on the host."""
    with alone_on_the_host():
        done = subprocess.run(
            [path, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env={},
        )
    return done.stdout.splitlines()


def check_alike(path: Path, bits: int, there: Path) -> None:
    """It prints the same, without arguments, in a machine and in that directory of the host.

    Skips where the host does not execute programs of that width.
    """
    output = io.BytesIO()
    with Machine(ram="8M", bits=bits) as machine:
        machine.spawn(path, [path.name], stdin=b"", stdout=output, stderr=output)
        status = machine.run().exit_status
        machine.check()
        assert machine.kernel.unknown_syscalls.keys() <= {334, 386}  # rseq
    try:
        with alone_on_the_host():
            done = subprocess.run(
                [path], capture_output=True, cwd=there, timeout=60, stdin=subprocess.DEVNULL,
                check=False,
            )  # fmt: skip
    except OSError as error:
        pytest.skip(f"the host does not execute programs of {bits} bits: {error}")
    assert output.getvalue().decode() == done.stdout.decode()
    assert status == done.returncode == 0
