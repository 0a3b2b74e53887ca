"""Python's own tests, run by Debian's Python as a guest: all that pass natively pass."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.rootfs.guest import run

pytestmark = pytest.mark.rootfs

ENVIRONMENT = {"PATH": "/usr/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}
UNAME = "6.1.0-vmemu"
"""It skips what came with later kernels than it is told of."""
PART = {
    "test_mmap": (),
    "test_fork1": (),
    "test_threading": (
        "*AtexitTests*", "*Subinterp*", "*test_4_daemon_threads", "*test_[23]_join_in_*",
        "*test_main_thread*", "*test_fork_at_exit", "*test_locals_at_exit", "*test_print_exc*",
    ),
    "test_subprocess": (
        "*.ProcessTestCase*", "*.Win32*", "*.CommandsWithSpaces*", "*test_swap_*",
        "*test_pass_fds*", "*test_close_fds*", "*test_wait_when_*", "*issue21618*",
        "*test_exception_errpipe_*", "*test_pipe_cloexec*", "*test_user", "*test_group",
        "*test_undecodable_env",
    ),
}  # fmt: skip
"""What runs unless others are named: these modules, without the cases that take long."""
WHOLE = os.environ.get("VMEMU_PYTHON_TESTS", "").split()
"""Modules to be run whole (CONTRIBUTING.md)."""
TOLD = {
    "test_fcntl": ("*64_bit*",),  # F_NOTIFY
    "test_socket": ("*UDPLITE*",),
    "test_asyncio": ("*ssl*",),  # certificates that are not valid yet in 2004
    "test_ssl": (
        "*ThreadedTests*", "*SimpleBackgroundTests*", "*TestPostHandshakeAuth*", "*TestSSLDebug*",
        "*SSLObjectTests*", "*test_read_write_zero",
    ),
    "test_os": ("*ExtendedAttributeTests*",),
    "test_multiprocessing_fork": ("*test_thread_safety",),  # seconds of virtual time
}  # fmt: skip
"""Cases that docs/fidelity.md tells of."""
LITTLE = {"test_threading": "12M", "test_subprocess": "12M"}
"""Memory in which a module has to swap; 8 MB of the others."""


@pytest.mark.slow
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("module", WHOLE or PART)
def test_its_own_tests(roots: dict[int, Path], module: str, bits: int) -> None:
    """With much memory, and with so little that it swaps."""
    if not list(roots[bits].glob(f"usr/lib/python3.*/test/{module}*")):
        pytest.skip("the root has no libpython3.11-testsuite")
    little = bits == 32
    argv = ["/usr/bin/python3", "-B", "-m", "test", "-v", module]
    for pattern in (TOLD if WHOLE else PART).get(module, ()):
        argv += ["-i", pattern]
    ram = LITTLE.get(module, "8M") if little else "256M"
    machine: dict[str, Any] = {"bits": bits, "ram": ram, "swap": "256M", "uname": UNAME}
    ran = run(roots[bits], argv, ENVIRONMENT, **machine)
    text = (ran.output + ran.errors).decode()
    assert ran.status == 0, text[-3000:]
    assert "... ok" in text
    assert "Tests result: SUCCESS" in text
    assert ran.swapped > 1000 or not little
