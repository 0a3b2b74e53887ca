"""Structures, strings and vectors in user memory.

Everything raises Errno EFAULT for an address the task cannot read or write.
"""

from __future__ import annotations

import errno
import functools
import re
import struct
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.program.elf import PAGE_SIZE, TASK_SIZE

if TYPE_CHECKING:
    from vmemu.mm import Mm

PATH_MAX = 4096
UIO_MAXIOV = 1024
SSIZE_MAX = 0x7FFFFFFF
MAX_ARG_STRLEN = 32 * PAGE_SIZE


def access_ok(address: int, length: int) -> None:
    """Refuse a range that leaves the user's address space (access_ok)."""
    if address + length > TASK_SIZE:
        raise Errno(errno.EFAULT)


def read_struct(mm: Mm, address: int, layout: str) -> tuple[int, ...]:
    """Unpack a little-endian structure (struct module's format, without '<')."""
    size = struct.calcsize("<" + layout)
    access_ok(address, size)
    return struct.unpack("<" + layout, mm.read(address, size))


def write_struct(mm: Mm, address: int, layout: str, *values: int) -> None:
    """Pack a little-endian structure; values are cut to their fields' width."""
    try:
        data = struct.pack("<" + layout, *values)
    except struct.error:
        unsigned, masks = _fields(layout)
        data = struct.pack(
            unsigned, *(value & mask for value, mask in zip(values, masks, strict=True))
        )
    write(mm, address, data)


@functools.cache
def _fields(layout: str) -> tuple[str, tuple[int, ...]]:
    """The same layout without signs, and what each of its fields can hold."""
    codes = re.findall(r"(\d*)([a-z])", layout, re.IGNORECASE)
    masks = [
        (1 << 8 * struct.calcsize("<" + code)) - 1
        for count, code in codes
        if code != "x"
        for _ in range(int(count or 1))
    ]
    unsigned = "".join(count + (code if code == "x" else code.upper()) for count, code in codes)
    return "<" + unsigned, tuple(masks)


def write(mm: Mm, address: int, data: bytes) -> None:
    """Write bytes (copy_to_user)."""
    access_ok(address, len(data))
    mm.write(address, data)


def read(mm: Mm, address: int, count: int) -> bytes:
    """Read bytes (copy_from_user)."""
    access_ok(address, count)
    return mm.read(address, count)


def read_path(mm: Mm, address: int) -> bytes:
    """Read a path (getname); Errno ENOENT when empty, ENAMETOOLONG."""
    path = mm.read_cstr(address, PATH_MAX)
    if not path:
        raise Errno(errno.ENOENT)
    return path


def read_strings(mm: Mm, address: int, limit: int) -> list[bytes]:
    """Read a null-terminated vector of strings; 0 is an empty one.

    Errno E2BIG when the strings exceed limit bytes.
    """
    strings: list[bytes] = []
    if not address:
        return strings
    total = 0
    while pointer := read_struct(mm, address + 4 * len(strings), "I")[0]:
        try:
            strings.append(mm.read_cstr(pointer, MAX_ARG_STRLEN))
        except Errno as error:
            if error.errno == errno.ENAMETOOLONG:
                raise Errno(errno.E2BIG) from None
            raise
        total += len(strings[-1]) + 1
        if total > limit:
            raise Errno(errno.E2BIG)
    return strings


def read_prefix(mm: Mm, address: int, count: int) -> bytes:
    """Read count bytes, or as many pieces of 4096 as can be read whole, at least one.

    That is what a write to a pipe takes before it meets a bad address.
    """
    try:
        return read(mm, address, count)
    except Errno:
        if count <= PAGE_SIZE:
            raise
    data = read(mm, address, PAGE_SIZE)
    while len(data) < count:
        try:
            data += read(mm, address + len(data), min(PAGE_SIZE, count - len(data)))
        except Errno:
            break
    return data


def read_iovec(mm: Mm, address: int, count: int) -> list[tuple[int, int]]:
    """Read struct iovec[count] as (base, length) pairs.

    Errno EINVAL for more than UIO_MAXIOV, or more than SSIZE_MAX bytes in all; EFAULT.
    """
    if count > UIO_MAXIOV:
        raise Errno(errno.EINVAL)
    words = read_struct(mm, address, f"{2 * count}I") if count else ()
    pairs = list(zip(words[::2], words[1::2], strict=True))
    if sum(length for _, length in pairs) > SSIZE_MAX:
        raise Errno(errno.EINVAL)
    return pairs
