"""Sockets of the internet: what a listener keeps of those who are not let in."""

from __future__ import annotations

import errno
import struct
from types import SimpleNamespace
from typing import Any

import pytest

from vmemu.errors import Errno
from vmemu.machine import Machine
from vmemu.net import ancillary
from vmemu.net.const import AF_INET, IPPROTO_TCP, SOCK_STREAM, SOL_SOCKET
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


@pytest.mark.parametrize("bits", [32, 64])
def test_a_time_stamp_after_2038_is_cut(bits: int) -> None:
    """To the seconds that a long has room for, as all of 32 bits are."""
    socket = SimpleNamespace(family=AF_INET, options={(SOL_SOCKET, ancillary._SO_TIMESTAMP): 1})
    seconds = (1 << 33) + 5
    found = ancillary._asked(socket, ancillary.Packet(time=seconds * 10**9 + 7000), bits)  # type: ignore[arg-type]
    told = struct.unpack("<2q" if bits == 64 else "<2i", found[0][2])
    assert told == (seconds if bits == 64 else 5, 7)
