"""Every guest, run by the host itself: the reference that vmemu's runs are compared with."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.native

GUESTS = Path(__file__).parents[2] / "guests"
SOURCES = sorted(GUESTS.glob("*.c"))

Guest = Callable[..., Path]
WIDTHS = (32, 64)
I386_ONLY = {path.stem for path in SOURCES if f"{path.stem}: (i386)" in path.read_text()}

# Command line, and the pattern its last line of standard output has to match.
GOOD = [
    ("hello", r"Hello from ring 3"),
    ("args one two=2", r"args: 2 arguments, stack ok, auxiliary vector ok"),
    ("touch PAGES=8", r"touch: 8 pages, read 00000000, written .*"),
    ("fork-server R=4 N=3", r"fork-server: 4 pages, 3 children, .*"),
    ("fork-readers R=4 N=3", r"fork-readers: 4 pages, 3 children, .*"),
    ("late-subfamily R=4 N=3", r"late-subfamily: 4 pages, 3 children, .*"),
    ("late-subfamily R=4 N=1 GRAND=0", r"late-subfamily: 4 pages, 1 children, .*"),
    ("orphans R=4 N=3", r"orphans: 4 pages, 3 children, .*"),
    ("crowd N=3 K=4", r"crowd: 4 pages, 3 children"),
    ("fork-chain G=10", r"fork-chain: 10 generations, .*"),
    ("fork-depth D=3 R=4", r"fork-depth: 3 levels, 4 pages, .*"),
    ("fork-depth D=3 R=4 WRITE=1", r"fork-depth: 3 levels, 4 pages, .*"),
    ("fork-bench LEVEL=3 R=4", r"fork-bench: 8 processes, 4 pages, .*"),
    ("exec-family R=4 N=3", r"exec-family: 4 pages, 3 children, .*"),
    ("zygote R=4 N=3 V=2", r"zygote: 4 pages, 3 children of 2 areas, .*"),
    ("process-tree R=4", r"process-tree: first .*, others .*"),
    ("process-tree SEED=7 DEPTH=3 CHILDREN=2 R=3 WHO=1", r"process-tree: first .*, others .*"),
    ("merge-order R=4 N=3", r"merge-order: 4 pages, 3 children, .*"),
    ("hole R=4 N=3", r"hole: 2 x 4 pages, 3 children, .*"),
    ("mremap-exclusive R=4", r"mremap-exclusive: 4 pages, .*"),
    ("mremap-shared R=4", r"mremap-shared: 4 pages, .*"),
    ("mremap-swapclash R=4", r"mremap-swapclash: 4 pages, .*"),
    ("mremap-then-fork R=4", r"mremap-then-fork: 4 pages, .*"),
    ("mremap-data", r"mremap-data: 16 pages, .*"),
    ("merge-arena R=2", r"merge-arena: 6 pages, .*"),
    ("merge-arena R=2 WRITTEN=0", r"merge-arena: 6 pages, .*"),
    ("mprotect-halves R=2", r"mprotect-halves: 2 x 2 pages, .*"),
    ("mprotect-stripes K=4", r"mprotect-stripes: 4 x 2 pages, .*"),
    ("mprotect-checkerboard K=4", r"mprotect-checkerboard: 4 pages, .*"),
    ("efault", r"efault: done"),
    ("efault mode=checkerboard", r"efault: done"),
    ("fork-brk R=4", r"fork-brk: 4 pages, .*"),
    ("cases", r"cases: parent (\S+), child \1"),
    ("windows W=4 S=2 T=3", r"windows: 4 of 2 pages, 3 tasks, .*"),
    ("windows W=4 S=1 FORKS=2 REVERSE=1", r"windows: 4 of 1 pages, 3 tasks, .*"),
    ("nonlinear R=8 FORK=1", r"nonlinear: 8 pages, 1 children, .*"),
    ("cut-vma K=8 N=2", r"cut-vma: 8 pages, 2 children, .*"),
    ("overhead K=16", r"overhead: 16 vmas, own, .*"),
    ("overhead K=16 mode=unwritten", r"overhead: 16 vmas, unwritten, sum 00000000"),
    ("overhead K=16 mode=shared", r"overhead: 16 vmas, shared, .*"),
    ("swap-storm PAGES=50", r"swap-storm: 50 pages, 2 passes, ok, .*"),
    ("swap-storm PAGES=33 FORK=1", r"swap-storm: 33 pages, 2 passes, ok, .*"),
    ("workload SEED=1", r"workload: 5 processes, 64 pages, 16 rounds of 32, sum .*"),
    (
        "workload SEED=2 N=3 MATES=2 LATE=1 R=16 V=4 OWN=6 A=3 MOVES=3 W=4",
        r"workload: 10 processes, 70 pages, 4 rounds of 32, sum .*",
    ),
    ("workload SEED=3 N=0 V=8 CUT=1 MOVES=8", r"workload: 1 processes, 64 pages, .*"),
    ("family", r"family: parent 1, first child 2, second child 1"),
    ("cousins", r"cousins: parent [0-9a-f]{8}, children [0-9a-f]{8}"),
    ("cow-verify R=4", r"cow-verify: 4 pages, .*"),
    ("brk R=8", r"brk: 4 pages kept, 4 pages again fresh 00000000"),
    ("kernel-write R=8", r"kernel-write: 8 pages read as zero, 0 stale, child found 0"),
    ("madvise R=8", r"madvise: 4 of 8 pages read zero, .*"),
    ("mlock R=4", r"mlock: sum .*"),
    ("vm-flags N=3 H=5", r"vm-flags: 3 areas, sum .*"),
    ("stack-growth", r"stack-growth: 1024 KB, .*"),
    ("signal-recovery", r"signal-recovery: child exit: signal 17 code 1, ok"),
    ("pipes N=5 KB=70", r"pipes: 5 rounds gave 11, 71680 bytes, .*, broken pipe 32 signal 13"),
    ("sleepers N=3", r"sleepers: 1 2 3"),
    ("selfmod", r"selfmod: new page 7"),
    ("wild", r"wild: \d+ in all, and still here"),
    ("short-read", r"end of a pipe: 0"),
    ("pipe-room", r"70000 at once: 70000 came, child 5"),
    ("stopped", r"an unknown option: -22 00000000"),
    ("frame", r"single step: 00000005"),
    ("segments", r"bad address: -14 -14 -14"),
    ("futex", r"in all 3"),
    ("threads N=9", r"exit_group: 00000500, after the first thread: 00000500"),
    ("fork-bomb LIMIT=3", r"fork-bomb: 3 children"),
    *[
        (f"bench {row} N=4 REP=2", rf"bench: {row} done")
        for row in re.findall(r'^\t\{ "(.*?)",', (GUESTS / "bench.c").read_text(), re.MULTILINE)
    ],
]

SEGV = [
    "jump-nowhere",
    *[f"hlt INSN={instruction}" for instruction in ("hlt", "cli", "in", "cr3", "int")],
    "write-code",
]


def in_widths(*commands: str) -> list[tuple[int, str]]:
    """Each command with each width that has its guest."""
    return [
        (bits, command)
        for bits in WIDTHS
        for command in commands
        if bits == 32 or command.split()[0] not in I386_ONLY
    ]


def run(program: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a guest on the host, its standard input empty."""
    return subprocess.run(
        [program, *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(autouse=True)
def _host_executes(request: pytest.FixtureRequest, guest: Guest) -> None:
    bits = request.node.callspec.params.get("bits", 32) if hasattr(request.node, "callspec") else 32
    try:
        done = run(guest("hello", bits))
    except OSError as error:
        pytest.skip(f"the host does not execute programs of {bits} bits: {error}")
    assert done.stdout == "Hello from ring 3\n"


@pytest.mark.parametrize(("bits", "command"), in_widths(*[command for command, _ in GOOD]))
def test_good_guest(guest: Guest, bits: int, command: str) -> None:
    name, *args = command.split()
    last_line = dict(GOOD)[command]
    program = guest(name, bits)
    first, second = run(program, *args), run(program, *args)
    assert (first.returncode, first.stderr) == (0, "")
    assert re.fullmatch(last_line, first.stdout.splitlines()[-1])
    assert second.stdout == first.stdout  # no address, pid or time in it


@pytest.mark.parametrize(("bits", "command"), in_widths(*SEGV))
def test_bad_guest_dies_of_sigsegv(guest: Guest, bits: int, command: str) -> None:
    name, *args = command.split()
    done = run(guest(name, bits), *args)
    assert done.returncode == -signal.SIGSEGV
    assert len(done.stdout.splitlines()) == 1


def test_exit_status(guest: Guest) -> None:
    assert run(guest("hello"), "STATUS=42").returncode == 42


@pytest.mark.parametrize("bits", WIDTHS)
def test_every_fault_recovers_at_the_right_address(guest: Guest, bits: int) -> None:
    lines = run(guest("signal-recovery", bits)).stdout.splitlines()
    assert len(lines) == 6
    assert all(line.endswith(", ok") for line in lines)


def test_locked_pages_are_resident(guest: Guest) -> None:
    before, after, _ = run(guest("mlock"), "R=4").stdout.splitlines()
    assert before == "mlock: 4 of 4 pages resident before the first touch"
    assert after == "mlock: 4 of 4 pages resident after reclaim"


def test_vfork_and_exec(guest: Guest) -> None:
    done = run(guest("vfork-exec"), str(guest("hello")), "STATUS=3")
    assert done.stdout.splitlines() == [
        "Hello from ring 3",
        "vfork-exec: status 00000300",
        "vfork-exec: no such program: errno 2",
    ]


def test_cat(guest: Guest) -> None:
    source = GUESTS / "guest.h"
    assert run(guest("cat"), str(source)).stdout == source.read_text()
    assert run(guest("cat"), "/nonexistent").stderr == "cat: /nonexistent: errno 2\n"


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("touch PAGES=many", "PAGES= takes a decimal number"),
        ("overhead mode=odd", "overhead: mode is own, unwritten or shared"),
        ("fork-bomb", "fork-bomb: outside vmemu a LIMIT is required"),
        ("workload V=3", "workload: V areas of equal length are wanted"),
        ("workload MOVES=2", "workload: R must be at least 1, MOVES at most V and at most W"),
    ],
)
def test_refusals(guest: Guest, command: str, complaint: str) -> None:
    name, *args = command.split()
    done = run(guest(name), *args)
    assert (done.returncode, done.stderr) == (1, complaint + "\n")


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_guest_is_described_and_run_here(source: Path) -> None:
    text = source.read_text()
    assert re.match(rf"/\*\s+(\* )?{source.stem}: ", text), "the comment on top says what it shows"
    assert f"| `{source.stem}` |" in (GUESTS / "README.md").read_text()
    commands = [command for command, _ in GOOD] + SEGV + ["vfork-exec", "cat"]
    assert source.stem in {command.split()[0] for command in commands}
