"""Every guest inside vmemu: what it writes and how it ends are what the host shows.

Principle 5: the reverse map, the RAM and the swap change nothing that a guest can see.
"""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from test_guests_native import GOOD, SEGV, SOURCES, in_widths

from vmemu import Machine
from vmemu.rmap import builtin

Guest = Callable[..., Path]

SCHEMES = tuple(name for name, scheme in builtin().items() if scheme.swaps())

# In 512 kB, 119 frames of which are free at boot.  What of it does not fit has to be swapped.
# An x86-64 process has a frame or two more of tables: it gets a quarter more.
TIGHT = [
    "touch PAGES=400",
    "fork-server R=40 N=6",
    "fork-readers R=200 N=5",
    "late-subfamily R=200 N=3",
    "orphans R=200 N=3",
    "crowd N=6 K=30",
    "fork-chain G=150",
    "fork-depth D=4 R=200",
    "fork-depth D=4 R=60 WRITE=1",
    "fork-bench LEVEL=3 R=200",
    "exec-family R=40 N=4",
    "zygote R=100 N=5 V=12",
    "process-tree DEPTH=3 R=64",
    "merge-order R=50 N=3",
    "hole R=60 N=4",
    "mremap-exclusive R=200",
    "mremap-shared R=150",
    "mremap-swapclash R=150",
    "mremap-then-fork R=200",
    "merge-arena R=100",
    "merge-arena R=100 WRITTEN=0",
    "mprotect-halves R=100",
    "mprotect-stripes K=50 R=4",
    "mprotect-checkerboard K=300",
    "efault K=300",
    "efault K=300 mode=checkerboard",
    "fork-brk R=100",
    "cut-vma K=150 N=3",
    "overhead K=300",
    "overhead K=300 mode=shared",
    "swap-storm PAGES=300",
    "swap-storm PAGES=300 FORK=1",
    "workload SEED=1 N=3 R=60 V=6 MOVES=2",
    "workload SEED=1 N=2 MATES=1 R=16 OWN=40 A=8",
    "cow-verify R=150",
    "brk R=300",
    "madvise R=300",
    "mlock R=64",
    "vm-flags R=2 H=200",
    "kernel-write R=150",
    "stack-growth KB=1500",
    "fork-bomb LIMIT=14 R=12",
]
# What is small by nature, or never written, fits; it runs in little RAM all the same.
SMALL = [
    "cases",
    "hello",
    "args one two=2",
    "family",
    "cousins",
    "cat /nonexistent",
    "mremap-data",
    "overhead K=300 mode=unwritten",
    "signal-recovery",
    "pipes N=20 KB=300",
    "sleepers N=3",
    "selfmod",
    "wild",
    "vfork-exec HELLO STATUS=3",
    "short-read",
    "pipe-room",
    "stopped",
    "frame",
    "segments",
    "futex",
    "threads N=20",
    "bench fork N=10 REP=2",
    *SEGV,
    "windows W=16 S=3 T=3",
    "nonlinear R=70 SEED=3 FORK=2",
    "windows W=60 S=1 FORKS=3 REVERSE=1",
]


class Ending(NamedTuple):
    """What can be seen of a run from outside; ``status`` as a shell reports it."""

    stdout: bytes
    stderr: bytes
    status: int


@cache
def host_executes(program: Path) -> bool:
    """Whether the host executes programs of a width, tried with one that ends at once."""
    try:
        subprocess.run([program], stdout=subprocess.DEVNULL, check=False)
    except OSError:
        return False
    return True


@cache
def on_host(program: Path, args: tuple[str, ...]) -> Ending:
    """How a program ends on the host, its standard input empty."""
    done = subprocess.run(
        [program, *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
    )
    status = done.returncode if done.returncode >= 0 else 128 - done.returncode
    return Ending(done.stdout, done.stderr, status)


def in_vmemu(program: Path, args: tuple[str, ...], scheme: str, ram: str) -> tuple[Ending, int]:
    """How it ends in a machine, which is checked at every mark; and pages swapped out."""
    stdout, stderr = io.BytesIO(), io.BytesIO()
    bits = 64 if program.parent.name == "x86_64" else 32
    with Machine(ram=ram, swap="16M", rmap=scheme, bits=bits) as machine:
        machine.kernel.on_mark = lambda *_: machine.check()
        machine.spawn(program, [str(program), *args], stdin=b"", stdout=stdout, stderr=stderr)
        status = machine.run()
        machine.check()
        swapped = machine.core.counters()["pswpout"]
    return Ending(stdout.getvalue(), stderr.getvalue(), status.exit_status), swapped


def split(guest: Guest, bits: int, command: str) -> tuple[Path, tuple[str, ...]]:
    """Program and arguments of a command line; HELLO is the guest hello."""
    name, *args = command.split()
    hello = str(guest("hello", bits))
    return guest(name, bits), tuple(hello if arg == "HELLO" else arg for arg in args)


def expected(guest: Guest, program: Path, args: tuple[str, ...]) -> Ending:
    """The host's view, or where it cannot run the program that of a machine with ample RAM."""
    if host_executes(program.parent / "hello"):
        return on_host(program, args)
    return in_vmemu(program, args, "anonmm", "32M")[0]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("bits", "command"),
    in_widths(*[c for c, _ in GOOD], *SEGV, "vfork-exec HELLO", "cat /nonexistent"),
)
def test_same_as_native_with_ample_ram(guest: Guest, bits: int, command: str, scheme: str) -> None:
    program, args = split(guest, bits, command)
    ending, _ = in_vmemu(program, args, scheme, "8M")
    assert ending == expected(guest, program, args)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("bits", "command"), in_widths(*TIGHT))
def test_same_as_native_when_it_has_to_swap(
    guest: Guest, bits: int, command: str, scheme: str
) -> None:
    program, args = split(guest, bits, command)
    ending, swapped = in_vmemu(program, args, scheme, {32: "512K", 64: "640K"}[bits])
    assert ending == expected(guest, program, args)
    assert swapped > 0


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("bits", "command"), in_widths(*SMALL))
def test_same_as_native_in_little_ram(guest: Guest, bits: int, command: str, scheme: str) -> None:
    program, args = split(guest, bits, command)
    ending, _ = in_vmemu(program, args, scheme, {32: "300K", 64: "360K"}[bits])
    assert ending == expected(guest, program, args)


@pytest.mark.parametrize("ram", ["400K", "452K", "600K", "1M"])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("bits", [32, 64])
def test_storm_of_a_family_in_many_sizes_of_ram(
    guest: Guest, bits: int, scheme: str, ram: str
) -> None:
    program, args = split(guest, bits, "swap-storm PAGES=300 FORK=1")
    ending, swapped = in_vmemu(program, args, scheme, ram)
    assert ending == expected(guest, program, args)
    assert swapped > 300


def test_every_guest_is_run_here() -> None:
    run = {command.split()[0] for command in TIGHT + SMALL}
    # jumps, privileged instructions and the like are in SEGV
    assert {source.stem for source in SOURCES} == run
