"""Sockets of the internet: what a listener keeps of those who are not let in."""

from __future__ import annotations

import errno
import struct
from typing import Any

import pytest

from vmemu.errors import Errno
from vmemu.machine import Machine
from vmemu.net.const import AF_INET, IPPROTO_TCP, SOCK_STREAM
from vmemu.net.inet import InetSocket
from vmemu.net.socket import State
from vmemu.vfs.file import O_NONBLOCK

NOBODY: Any = None
ADDRESS = struct.pack("<H", AF_INET) + struct.pack(">H4B8x", 80, 127, 0, 0, 1)
UNSPECIFIED = bytes(16)


def connected(client: InetSocket, address: bytes = ADDRESS) -> int:
    """Connect without waiting: 0, or the error."""
    try:
        list(client.connect(address, NOBODY))
    except Errno as error:
        return error.errno
    return 0


@pytest.mark.parametrize("leaves", ["closes", "disconnects"])
def test_who_no_longer_waits_to_be_let_in_is_forgotten(leaves: str) -> None:
    with Machine(ram="1M", swap=None) as machine:
        net = machine.kernel.net
        listener = InetSocket(net, AF_INET, SOCK_STREAM, IPPROTO_TCP, 0)
        listener.bind(ADDRESS, NOBODY)
        listener.listen(0, NOBODY)
        clients = [InetSocket(net, AF_INET, SOCK_STREAM, IPPROTO_TCP, O_NONBLOCK) for _ in range(4)]
        assert [connected(each) for each in clients] == [errno.EINPROGRESS] * 4
        assert [each.state for each in clients] == [State.ESTABLISHED] + [State.CONNECTING] * 3
        assert list(listener.knocking) == clients[1:]
        if leaves == "closes":
            clients[1].release()
        else:
            assert connected(clients[1], UNSPECIFIED) == 0
        assert list(listener.knocking) == clients[2:]
        listener.accepted()
        assert clients[2].state is State.ESTABLISHED
        assert list(listener.knocking) == clients[3:]
        listener.release()
        assert clients[3].error == errno.ECONNREFUSED
