"""x86-64: syscall."""

from __future__ import annotations

from vmemu.kernel.abi.base import Abi

ABI = Abi(
    bits=64,
    machine="x86_64",
    platform=b"x86_64\0",
    hwcap=0x0781ABFB,  # SSE2 and what comes before it
    elf_machine=62,
    nr_restart_syscall=219,
    sigreturns=frozenset({15}),
    entry_size=2,
    structs={
        "stat": "3Q3I4x4Q6Q24x",
        "sysinfo": "q9Q2H4x2QI4x",
        "stack_t": "QI4xQ",
    },
)
