"""A part of the third-party tests: as on the host, case by case, but for what KNOWN explains."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.third_party import kselftest, posix
from tests.third_party.sources import NotFetched, has_selftests, posix_suite, selftests

KEPT = Path(__file__).parents[2] / "build" / "third_party"
"""What was fetched stays there."""
VMEMU = [sys.executable, "-m", "vmemu", "run", "--overcommit", "1"]


def has_libc(bits: int) -> bool:
    """The host can link for this width statically."""
    command = ["gcc", f"-m{bits}", "-static", "-x", "c", "-", "-o", os.devnull]
    program = b"int main(void) { return 0; }"
    try:
        done = subprocess.run(command, input=program, capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


@pytest.fixture(scope="module", params=[32, 64])
def bits(request: pytest.FixtureRequest) -> int:
    if not has_libc(request.param):
        pytest.skip(f"there is no static C library of {request.param} bits (gcc-multilib)")
    return int(request.param)


@pytest.fixture(scope="module")
def suite() -> Path:
    KEPT.mkdir(parents=True, exist_ok=True)
    try:
        return posix_suite(KEPT)
    except NotFetched as error:
        pytest.skip(str(error))


@pytest.mark.native
@pytest.mark.parametrize(
    "interface",
    [
        "munmap",
        "mlock",
        "munlock",
        "mlockall",
        "munlockall",
        "mq_unlink",
        "pthread_once",
        "sem_wait",
    ],
)
def test_open_posix_test_suite(suite: Path, bits: int, interface: str) -> None:
    """The short ones; ``python -m tests.third_party.posix`` runs all."""
    cases = [
        posix.examine(source, suite, bits, VMEMU) for source in posix.sources(suite, [interface])
    ]
    assert cases
    assert [case for case in cases if case.worse and case.name not in posix.KNOWN] == []


@pytest.mark.native
@pytest.mark.parametrize("name", [
    "map_fixed_noreplace", "mremap_dontunmap", "madv_populate", "mincore/mincore_selftest",
    "exec/non-regular", "openat2/openat2_test", "clone3/clone3_clear_sighand",
    "core/close_range_test", "futex/functional/futex_waitv",
])  # fmt: skip
def test_kernel_selftests(bits: int, name: str) -> None:
    """Those that were fetched: 140 MB are not loaded for a test."""
    if not has_selftests(KEPT):
        pytest.skip(f"not fetched: python -m tests.third_party.kselftest {KEPT}")
    cases = kselftest.examine(selftests(KEPT), name, bits, VMEMU)
    assert cases
    bad = [case for case in cases if kselftest.worse(*case[1:]) and case[0] not in kselftest.KNOWN]
    assert bad == []
