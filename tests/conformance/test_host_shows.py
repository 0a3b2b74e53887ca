"""Nothing of the host shows: what asks the processor or the kernel about it says the same anywhere.

`host_shows.c` writes down everything by which user code might learn of its machine.
"""

from __future__ import annotations

import atexit
import functools
import os
import platform
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from vmemu import _build

ROOT = Path(_build.__file__).parents[1]
OPTIONS = ["--seed", "7"]

BEGINNINGS = {
    "as it is": [],
    "elsewhere, with another environment": ["env", "-C", "/", "FOO=bar", "TZ=Asia/Tokyo"],
    "without address randomisation": ["setarch", "-R"],
    "with other limits": ["sh", "-c", 'ulimit -n 64; ulimit -c 0; umask 077; exec "$@"', "sh"],
    "slower": ["nice", "-n", "5"],
}


@functools.cache
def program() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="vmemu-host-"))
    atexit.register(shutil.rmtree, directory)
    path = directory / "host_shows"
    path.write_bytes(_build.guest_program(Path(__file__).with_name("host_shows.c")))
    path.chmod(0o755)
    return path


@functools.cache
def shown(how: str, seed: str = "7") -> bytes:
    command = [sys.executable, "-m", "vmemu", "run", "--seed", seed, str(program())]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*BEGINNINGS[how], *command], capture_output=True, check=True, env=environment
    )
    assert done.stderr == b""
    return done.stdout


def line(name: str) -> bytes:
    (found,) = re.findall(rb"^" + re.escape(name).encode() + rb" (.*)$", shown("as it is"), re.M)
    return bytes(found)


def cpuid(leaf: int, subleaf: int = 0) -> tuple[int, ...]:
    """eax, ebx, ecx, edx."""
    text = line(f"cpuid {leaf:08x} {subleaf:08x}:").decode()
    return struct.unpack("<4I", bytes.fromhex(text))


@pytest.mark.parametrize("how", [how for how in BEGINNINGS if how != "as it is"])
def test_it_shows_the_same_however_it_is_started(how: str) -> None:
    assert shown(how) == shown("as it is")


def test_it_is_not_a_constant() -> None:
    """The seed shows: in AT_RANDOM, and in getrandom()."""
    one, other = shown("as it is").splitlines(), shown("as it is", "8").splitlines()
    different = [a.split()[0] for a, b in zip(one, other, strict=True) if a != b]
    *known, boot_id = different
    assert known == [b"stack", b"getrandom"]
    assert re.fullmatch(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", boot_id)


def test_no_name_of_the_host_is_in_it() -> None:
    text = shown("as it is")
    for name in (socket.gethostname(), platform.release(), platform.version(), sys.executable):
        assert len(name) < 5 or name.encode() not in text
    for variable in ("HOME", "PATH", "USER", "HOSTNAME"):
        value = os.environ.get(variable, "")
        assert len(value) < 4 or value.encode().hex().encode() not in text


def test_the_processor_is_a_sandy_bridge() -> None:
    """Family 6, model 42, without AVX, OSXSAVE and rdrand, under a hypervisor; with SSE4.2."""
    _, ebx, ecx, edx = cpuid(0)
    assert struct.pack("<3I", ebx, edx, ecx) == b"GenuineIntel"
    signature, _, ecx, edx = cpuid(1)
    assert (signature >> 8 & 15, signature >> 4 & 15 | signature >> 12 & 0xF0) == (6, 42)
    assert [bit for bit in (0, 9, 19, 20, 23) if not ecx >> bit & 1] == []  # SSE3 to popcnt
    assert [bit for bit in (12, 27, 28, 29, 30) if ecx >> bit & 1] == []
    assert ecx >> 31 == 1
    assert [bit for bit in (0, 4, 8, 15, 23, 24, 25, 26) if not edx >> bit & 1] == []
    assert cpuid(7)[1] & (1 << 18 | 1 << 5) == 0  # rdseed, AVX2
    name = b"".join(struct.pack("<4I", *cpuid(0x80000002 + n)) for n in range(3))
    assert name.rstrip(b"\0") == b"Intel Xeon E312xx (Sandy Bridge)"


def test_time_is_virtual() -> None:
    """rdtsc says what the monotonic clock says; both have little to tell."""
    counts = [int(each, 16) for each in re.findall(rb"rdtsc 00000000 (\w+)", shown("as it is"))]
    assert len(counts) == 3
    assert counts == sorted(counts)
    assert counts[2] < 10**9
    seconds, nanoseconds = struct.unpack("<2I", bytes.fromhex(line("clock 1: 0").decode()))
    assert seconds == 0
    assert counts[2] < nanoseconds < counts[2] + 10**7


def test_memory_is_zero_when_it_is_new() -> None:
    assert set(line("memory")) == set(line("bss")) == {ord("0")}


def test_what_is_not_there_is_not_there() -> None:
    """Files by which Linux tells of the host."""
    text = shown("as it is").decode(errors="replace")
    for path in ("/proc/kcore", "/etc/passwd", "/dev/kmsg"):
        assert f"\n{path}: -2\n" in text
