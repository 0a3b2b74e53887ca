"""Numbers of the system call interface are the host's: Linux never changes them."""

from __future__ import annotations

import mmap
import resource

import pytest

from vmemu.mm import consts

HOST = {
    name: getattr(mmap, name)
    for name in (
        "PROT_READ", "PROT_WRITE", "PROT_EXEC", "MAP_SHARED", "MAP_PRIVATE", "MAP_ANONYMOUS",
        "MAP_DENYWRITE", "MAP_EXECUTABLE", "MAP_POPULATE", "MAP_NORESERVE",
        "MADV_NORMAL", "MADV_RANDOM", "MADV_SEQUENTIAL", "MADV_WILLNEED", "MADV_DONTNEED",
    )
    if hasattr(mmap, name)
}  # fmt: skip
# asm-i386/mman.h and linux/resource.h; not in Python's modules.
BOOK = {
    "PROT_NONE": 0, "PROT_GROWSDOWN": 0x01000000, "MAP_TYPE": 0x0F, "MAP_FIXED": 0x10,
    "MAP_GROWSDOWN": 0x100, "MAP_LOCKED": 0x2000, "MAP_NORESERVE": 0x4000, "MAP_POPULATE": 0x8000,
    "MREMAP_MAYMOVE": 1, "MREMAP_FIXED": 2, "MREMAP_DONTUNMAP": 4,
    "MCL_CURRENT": 1, "MCL_FUTURE": 2, "MCL_ONFAULT": 4, "MLOCK_ONFAULT": 1,
    "MAP_NONBLOCK": 0x10000, "MAP_FIXED_NOREPLACE": 0x100000,
    "MADV_FREE": 8, "MADV_REMOVE": 9, "MADV_DONTFORK": 10, "MADV_DOFORK": 11,
    "MADV_DONTDUMP": 16, "MADV_DODUMP": 17, "MADV_WIPEONFORK": 18, "MADV_KEEPONFORK": 19,
    "MADV_COLD": 20, "MADV_PAGEOUT": 21, "MADV_POPULATE_READ": 22, "MADV_POPULATE_WRITE": 23,
    "MADV_DONTNEED_LOCKED": 24,
    "RLIM_INFINITY": (1 << 64) - 1, "STACK_LIMIT": 8 * 1024 * 1024,
    "MAX_MAP_COUNT": 65536,
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [*HOST.items(), *BOOK.items()])
def test_value(name: str, value: int) -> None:
    assert getattr(consts, name) == value


def test_every_constant_is_held() -> None:
    ours = {name for name in vars(consts) if name.isupper()}
    assert ours <= HOST.keys() | BOOK.keys()
    assert resource.RLIM_INFINITY in (-1, 2**64 - 1)  # the host's is wider
