"""Messages between a process and its zygote: a JSON object and some bytes."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

__all__ = ["pack", "receive", "send", "unpack"]

_SIZES = struct.Struct("<IQ")  # of the JSON text, of the bytes behind it


def pack(head: dict[str, Any], body: bytes = b"") -> bytes:
    """One message."""
    text = json.dumps(head).encode()
    return b"".join((_SIZES.pack(len(text), len(body)), text, body))


def unpack(data: bytes) -> tuple[dict[str, Any], bytes] | None:
    """The message that ``data`` is; None unless it is exactly one."""
    if len(data) < _SIZES.size:
        return None
    text, body = _SIZES.unpack_from(data)
    if len(data) != _SIZES.size + text + body:
        return None
    head: dict[str, Any] = json.loads(data[_SIZES.size : _SIZES.size + text])
    return head, data[_SIZES.size + text :]


def send(sock: socket.socket, head: dict[str, Any], body: bytes = b"") -> None:
    """Send one message; OSError when nobody is there to read it."""
    sock.sendall(pack(head, body))


def receive(sock: socket.socket) -> tuple[dict[str, Any], bytes] | None:
    """Wait for a message; None when the other side is gone."""
    sizes = _exactly(sock, _SIZES.size)
    if sizes is None:
        return None
    text, body = _SIZES.unpack(sizes)
    head, rest = _exactly(sock, text), _exactly(sock, body)
    return None if head is None or rest is None else (json.loads(head), rest)


def _exactly(sock: socket.socket, size: int) -> bytes | None:
    parts, left = [], size
    while left:
        try:
            part = sock.recv(min(left, 1 << 20))
        except ConnectionError:
            return None
        if not part:
            return None
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
