"""Python's own tests, run by Debian's Python as a guest: all that pass natively pass."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.rootfs.guest import run

pytestmark = pytest.mark.rootfs

ENVIRONMENT = {"PATH": "/usr/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}
MODULES = os.environ.get("VMEMU_PYTHON_TESTS", "test_mmap test_fork1").split()
"""Others: test_threading and test_subprocess take minutes, test_socket as well."""
TOLD = {
    "test_fcntl": "*64_bit*",  # F_NOTIFY
    "test_socket": "*UDPLITE*",
    "test_asyncio": "*ssl*",  # certificates that are not valid yet in 2004
}
"""Cases that docs/fidelity.md tells of."""


@pytest.mark.slow
@pytest.mark.parametrize(("bits", "ram"), [(32, "8M"), (64, "256M")])
@pytest.mark.parametrize("module", MODULES)
def test_its_own_tests(roots: dict[int, Path], module: str, bits: int, ram: str) -> None:
    """With much memory, and with so little that it swaps."""
    if not list(roots[bits].glob(f"usr/lib/python3.*/test/{module}*")):
        pytest.skip("the root has no libpython3.11-testsuite")
    argv = ["/usr/bin/python3", "-B", "-m", "test", "-v", module]
    argv += ["-i", TOLD[module]] if module in TOLD else []
    machine = {"bits": bits, "ram": ram, "swap": "256M"}
    ran = run(roots[bits], argv, ENVIRONMENT, **machine)
    text = (ran.output + ran.errors).decode()
    assert ran.status == 0, text[-3000:]
    assert "... ok" in text
    assert "Tests result: SUCCESS" in text
    assert ran.swapped > 1000 or ram != "8M"
