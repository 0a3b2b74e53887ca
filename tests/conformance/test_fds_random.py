"""Random calls on pipes, sockets, counters, epoll and locks: as on the host, answer for answer.

Nothing waits: everything is O_NONBLOCK, and no lock is waited for.  Sockets are given less than
they take in either kernel; how much that is differs.
"""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
from filing import O_CREAT, O_RDONLY, O_RDWR, OUT, Filing

CALLS = 300
SEEDS = range(6)
O_NONBLOCK = 0o4000
F_SETPIPE_SZ, F_GETPIPE_SZ = 1031, 1032
MSG_PEEK, MSG_TRUNC, MSG_DONTWAIT, MSG_NOSIGNAL = 2, 0x20, 0x40, 0x4000
SHOWN = 2048
MOST_SENT = 90
"""Messages in a list; a socket takes more than 200 in either kernel."""
FIRST = 3
EPOLLET, EPOLLONESHOT = 1 << 31, 1 << 30


class Draw:
    """Draws calls on a few descriptors of each kind."""

    def __init__(self, seed: int, bits: int) -> None:
        self.rng = random.Random(seed)
        self.bits = bits
        self.filing = Filing(bits)
        self.sent = 0
        self.fds = FIRST
        self.filing.call("rt_sigaction", 13, self._ignored(), 0, 8)  # SIGPIPE
        for _ in range(3):
            self._pair("pipe2", OUT, O_NONBLOCK)
        for kind in (1, 2, 5):
            self._pair("socketpair", 1, kind | O_NONBLOCK, 0, OUT)
        self._one_fd("eventfd2", 0, O_NONBLOCK)
        self.epolls = [self._one_fd("epoll_create1", 0) for _ in range(2)]
        for mode in (O_CREAT | O_RDWR, O_RDWR, O_RDONLY):
            self._one_fd("open", "locked", mode, 0o644)
        self.locked = range(self.fds - 3, self.fds)
        for _ in range(CALLS):
            self._one()

    def _ignored(self) -> bytes:
        """struct sigaction with SIG_IGN."""
        return struct.pack("<4Q" if self.bits == 64 else "<3IQ", 1, 0, 0, 0)

    def _pair(self, name: str, *args: int) -> None:
        self.filing.call(name, *args, dump=8)
        self.fds += 2

    def _one_fd(self, name: str, *args: int | str) -> int:
        self.filing.call(name, *args)
        self.fds += 1
        return self.fds - 1

    def fd(self) -> int:
        return self.rng.randrange(FIRST, self.fds)

    def size(self) -> int:
        return self.rng.choice([0, 1, 2, 7, 8, 8, 9, 100, 1000, 4095, 4096, 4097, 5000, 12000])

    def _one(self) -> None:
        rng, call = self.rng, self.filing.call
        kind = rng.choices(
            ("write", "read", "send", "recv", "poll", "watch", "events", "lock", "flock", "splice",
             "tee", "close", "dup", "shutdown", "size", "writev", "readv"),
            (10, 10, 5, 5, 10, 4, 8, 6, 2, 3, 3, 0.7, 0.7, 0.5, 1, 2, 2),
        )[0]  # fmt: skip
        if kind == "write" or (kind == "send" and self.sent >= MOST_SENT):
            self._write()
        elif kind == "read":
            call("read", self.fd(), OUT, self.size(), dump=SHOWN)
        elif kind == "send":
            self.sent += 1
            size = rng.choice([0, 1, 5, 50])
            call("sendto", self.fd(), self._data(size), size, MSG_NOSIGNAL, 0, 0)
        elif kind == "recv":
            flags = rng.choice([0, 0, MSG_PEEK, MSG_TRUNC, MSG_DONTWAIT])
            call("recvfrom", self.fd(), OUT, rng.choice([0, 1, 5, 60]), flags, 0, 0, dump=64)
        elif kind == "poll":
            asked = [self.fd() for _ in range(4)]
            for fd in asked:
                call("poll", struct.pack("<iHH", fd, 0x3FDF, 0), 1, 0)
        elif kind == "watch":
            events = rng.choice([1, 4, 5]) | rng.choice([0, 0, EPOLLET, EPOLLONESHOT])
            data = struct.pack("<IQ", events, rng.getrandbits(40))
            call("epoll_ctl", rng.choice(self.epolls), rng.choice([1, 1, 2, 3, 3]), self.fd(), data)
        elif kind == "events":
            call("epoll_wait", rng.choice(self.epolls), OUT, rng.choice([1, 2, 20]), 0, dump=240)
        elif kind == "lock":
            self._lock()
        elif kind == "flock":
            call("flock", rng.choice(self.locked), rng.choice([1, 2, 8]) | 4)
        elif kind == "splice":
            call("splice", self._pipe(), 0, self._pipe(), 0, self.size(), 2)
        elif kind == "tee":
            call("tee", self._pipe(), self._pipe(), self.size(), 2)
        elif kind == "close":
            call("close", self.fd())
        elif kind == "dup":
            call("dup2", self.fd(), self.fd())
        elif kind == "shutdown":
            call("shutdown", self.fd(), rng.choice([0, 1, 2]))
        elif kind == "size":
            command = rng.choice([F_GETPIPE_SZ, F_SETPIPE_SZ])
            call("fcntl", self._pipe(), command, rng.choice([4096, 8192, 65536, 10000]))
        elif kind == "writev":
            self._vector("writev")
        else:
            self._vector("readv")

    def _pipe(self) -> int:
        return self.rng.randrange(FIRST, FIRST + 6)

    def _data(self, size: int) -> bytes:
        return bytes([self.rng.randrange(256)]) * size or b"\0"

    def _write(self) -> None:
        fd, size = self.fd(), self.size()
        if fd >= FIRST + 6:
            if self.sent >= MOST_SENT:
                fd = self._pipe()
            else:
                self.sent += 1
                size = min(size, 100)
        self.filing.call("write", fd, self._data(size), size)

    def _vector(self, name: str) -> None:
        rng, form = self.rng, "<4Q" if self.bits == 64 else "<4I"
        first, second = rng.choice([0, 1, 3, 8, 500]), rng.choice([0, 1, 5, 8, 4096])
        if name == "readv":
            iov = struct.pack(form, OUT, first, OUT + first, second)
            self.filing.call("readv", self._pipe(), iov, 2, dump=SHOWN)
            return
        data = self.filing.put(self._data(first + second))
        self.filing.call("writev", self._pipe(), struct.pack(form, data, first, data, second), 2)

    def _lock(self) -> None:
        rng = self.rng
        start, length = rng.randrange(20), rng.choice([0, 1, 2, 5, 10, -1])
        command = rng.choice([6, 6, 37, 37, 37, 36, 36]) if self.bits == 64 else rng.choice(
            [13, 13, 37, 37, 37, 36, 36]
        )  # fmt: skip
        kind = rng.choice([0, 1, 2]) if command != 36 else rng.choice([0, 1])
        form = "<2h4x2qi4x" if self.bits == 64 else "<2h2qi"
        data = struct.pack(form, kind, 0, start, length, 0)
        name = "fcntl" if self.bits == 64 else "fcntl64"
        at = self.filing.put(data + rng.randbytes(8))  # a struct of its own
        self.filing.call(name, rng.choice(self.locked), command, at)


@pytest.mark.native
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("seed", SEEDS)
def test_descriptors_answer_as_on_the_host(seed: int, bits: int, tmp_path: Path) -> None:
    filing = Draw(seed, bits).filing
    there = tmp_path / "there"
    there.mkdir()
    try:
        hosts = filing.native(tmp_path, there)
    except OSError as error:
        pytest.skip(f"the host does not execute programs of {bits} bits: {error}")
    ours = filing.run(tmp_path)
    for index, (our, host) in enumerate(zip(ours, hosts, strict=True)):
        assert our == host, f"call {index}: {filing.describe(index)}"
