"""Structures, strings and vectors in user memory.

Layouts are the struct module's, little-endian, without padding of their own; N and n are an
unsigned and a signed long of the program's width.  Everything raises Errno EFAULT for an
address the task cannot read or write.
"""

from __future__ import annotations

import errno
import functools
import re
import struct
from typing import TYPE_CHECKING

from vmemu.errors import Errno
from vmemu.kernel.program.elf import PAGE_SIZE

if TYPE_CHECKING:
    from vmemu.mm import Mm

PATH_MAX = 4096
UIO_MAXIOV = 1024
MAX_ARG_STRLEN = 32 * PAGE_SIZE


def access_ok(mm: Mm, address: int, length: int) -> None:
    """Refuse a range that leaves the user's address space (access_ok)."""
    if address + length > mm.core.task_size:
        raise Errno(errno.EFAULT)


def ssize_max(mm: Mm) -> int:
    """The largest length that is not a negative one."""
    return mm.core.mask >> 1


@functools.cache
def layout_of(bits: int, layout: str) -> struct.Struct:
    """A layout with longs of so many bits."""
    unsigned, signed = ("Q", "q") if bits == 64 else ("I", "i")
    return struct.Struct("<" + layout.replace("N", unsigned).replace("n", signed))


def read_struct(mm: Mm, address: int, layout: str) -> tuple[int, ...]:
    """Unpack a structure."""
    form = layout_of(mm.core.bits, layout)
    access_ok(mm, address, form.size)
    return form.unpack(mm.read(address, form.size))


def write_struct(mm: Mm, address: int, layout: str, *values: int) -> None:
    """Pack a structure; values are cut to their fields' width."""
    form = layout_of(mm.core.bits, layout)
    try:
        data = form.pack(*values)
    except struct.error:
        unsigned, masks = _fields(form.format)
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
    access_ok(mm, address, len(data))
    mm.write(address, data)


def read(mm: Mm, address: int, count: int) -> bytes:
    """Read bytes (copy_from_user)."""
    access_ok(mm, address, count)
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
    total, word = 0, mm.core.word
    while pointer := read_struct(mm, address + word * len(strings), "N")[0]:
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
    return _read_pieces(mm, address, count, PAGE_SIZE)


def read_available(mm: Mm, address: int, count: int) -> bytes:
    """Read count bytes, or those before the first that cannot be read; Errno EFAULT for none.

    That is what a write to a file takes (generic_perform_write).
    """
    return _read_pieces(mm, address, count, PAGE_SIZE - address % PAGE_SIZE)


def _read_pieces(mm: Mm, address: int, count: int, first: int) -> bytes:
    """Read all, or whole pieces of a page, of which the first may be another size; Errno EFAULT."""
    try:
        return read(mm, address, count)
    except Errno:
        if count <= first:
            raise
    data = read(mm, address, first)
    while len(data) < count:
        try:
            data += read(mm, address + len(data), min(PAGE_SIZE, count - len(data)))
        except Errno:
            break
    return data


def read_iovec(mm: Mm, address: int, count: int) -> list[tuple[int, int]]:
    """Read struct iovec[count] as (base, length) pairs.

    Errno EINVAL for more than UIO_MAXIOV, or more than ssize_max() bytes in all; EFAULT.
    """
    if count > UIO_MAXIOV:
        raise Errno(errno.EINVAL)
    words = read_struct(mm, address, f"{2 * count}N") if count else ()
    pairs = list(zip(words[::2], words[1::2], strict=True))
    if sum(length for _, length in pairs) > ssize_max(mm):
        raise Errno(errno.EINVAL)
    return pairs
