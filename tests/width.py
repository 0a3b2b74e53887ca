"""The width of the tests' machines: VMEMU_TEST_BITS, 32 or 64; 32 unless it is set.

A test that does not say ``bits`` gets machines of this width, and takes ``ffi``, ``lib`` and
what differs from here.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

from vmemu.core import PAGE_SIZE, Core, core_of
from vmemu.lab.guests import find_program, guest_path
from vmemu.machine import Machine

BITS = int(os.environ.get("VMEMU_TEST_BITS", "32"))
WORD = BITS // 8
"""Bytes of a pointer and of a long."""
LIMIT = 1 << BITS
"""One more than the largest unsigned long."""
ffi, lib = core_of(BITS)
TABLE = PAGE_SIZE // WORD
"""Entries of a page table."""
PAGE_OFFSET = {32: 0xC0000000, 64: 1 << 40}[BITS]
with contextlib.closing(Core(4 << 20, "none", bits=BITS)) as _core:
    LEVELS, TASK_SIZE, UNMAPPED_BASE = _core.levels, _core.task_size, _core.unmapped_base


def be_default() -> None:
    """Let BITS be the width of what is made without a word about it."""
    function: Any
    for function in (Core.__init__, Machine.__init__):
        assert function.__kwdefaults__["bits"] == 32
        function.__kwdefaults__["bits"] = BITS
    for function in (guest_path, find_program):
        assert function.__defaults__ == (32,)
        function.__defaults__ = (BITS,)
