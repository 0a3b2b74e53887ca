"""struct cmsghdr: a header of a long and two ints, and what it is about."""

from __future__ import annotations

import struct

from vmemu.net.const import MSG_CTRUNC

__all__ = ["align", "header", "put"]


def header(bits: int) -> struct.Struct:
    """The header: length, level, type."""
    return struct.Struct("<Qii" if bits == 64 else "<Iii")


def align(length: int, bits: int) -> int:
    """CMSG_ALIGN."""
    word = bits // 8
    return -(-length // word) * word


def put(bits: int, room: int, level: int, kind: int, body: bytes) -> tuple[bytes, int]:
    """Lay out one for a receiver as far as there is room, and MSG_CTRUNC (put_cmsg)."""
    head = header(bits)
    whole = head.size + len(body)
    if room < head.size:
        return b"", MSG_CTRUNC
    size = min(whole, room)
    entry = head.pack(size, level, kind) + body[: size - head.size]
    padded = entry.ljust(min(align(whole, bits), room), b"\0")
    return padded, MSG_CTRUNC if size < whole else 0
