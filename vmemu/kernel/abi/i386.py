"""i386: int 0x80."""

from __future__ import annotations

from vmemu.kernel.abi.base import Abi

ABI = Abi(
    bits=32,
    machine="i686",
    platform=b"i686\0",
    hwcap=0x0781ABFB,  # a plain i686 with SSE2: fpu .. mmx fxsr sse sse2
    elf_machine=3,
    nr_restart_syscall=0,
    sigreturns=frozenset({119, 173}),
    entry_size=2,
    structs={
        "sysinfo": "i9I2H3I8x",
        "stack_t": "3I",
    },
)
