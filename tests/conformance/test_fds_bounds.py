"""What sockets, FIFOs, locks and epoll make the host hold, and what is left of it: nothing."""

from __future__ import annotations

import errno
import io
import struct
from pathlib import Path

import pytest
from filing import O_CREAT, O_RDONLY, O_RDWR, O_WRONLY, OUT, Answer, Filing

from vmemu.machine import Machine

MSG_DONTWAIT = 0x40
O_NONBLOCK = 0o4000
AF_UNIX, SOCK_STREAM, SOCK_DGRAM = 1, 1, 2
S_IFIFO, S_IFCHR = 0o010000, 0o020000


def ran(filing: Filing, directory: Path, **options: object) -> tuple[list[Answer], Machine]:
    """The answers, and the machine when all its processes have ended."""
    output = io.BytesIO()
    machine = Machine(bits=filing.bits, ram="4M", swap=None, **options)  # type: ignore[arg-type]
    try:
        machine.spawn(filing.program(directory), stdin=filing.listed(), stdout=output)
        assert machine.run().exit_status == 0
        machine.check()
        assert machine.kernel.hold.held == machine.kernel.file_bytes
    finally:
        machine.close()
    return filing.answers(output.getvalue()), machine


def rights(bits: int, fd: int, *others: int) -> bytes:
    """struct cmsghdr with descriptors."""
    fds = (fd, *others)
    head = struct.pack(
        "<Qii" if bits == 64 else "<Iii", (16 if bits == 64 else 12) + 4 * len(fds), 1, 1
    )
    return (head + struct.pack(f"<{len(fds)}i", *fds)).ljust(24 if bits == 64 else 16, b"\0")


def message(filing: Filing, control: bytes) -> bytes:
    """struct msghdr with a byte and a control message."""
    wide = filing.bits == 64
    iov = filing.put(struct.pack("<2Q" if wide else "<2I", filing.put(b"m"), 1))
    return struct.pack(
        "<QI4xQQQQI4x" if wide else "<7I", 0, 0, iov, 1, filing.put(control), len(control), 0
    )


@pytest.mark.parametrize("bits", [32, 64])
def test_sockets_in_their_own_messages_are_freed(bits: int, tmp_path: Path) -> None:
    filing = Filing(bits)
    for _ in range(20):
        filing.call("socketpair", AF_UNIX, SOCK_DGRAM, 0, OUT)
        sent = filing.call("sendmsg", 3, message(filing, rights(bits, 3, 4)), 0)
        filing.call("sendmsg", 4, message(filing, rights(bits, 3, 4)), 0)
        filing.call("close", 3)
        filing.call("close", 4)
    filing.call("socketpair", AF_UNIX, SOCK_DGRAM, 0, OUT, dump=8)
    answers, machine = ran(filing, tmp_path)
    assert answers[sent].result == 1
    assert struct.unpack("<2i", answers[-1].out) == (3, 4)
    assert machine.kernel.net.sockets == {}
    assert machine.kernel.net.flying == {}


def test_a_descriptor_under_way_keeps_its_file(tmp_path: Path) -> None:
    filing = Filing(64)
    filing.call("pipe2", OUT, O_NONBLOCK)
    filing.call("socketpair", AF_UNIX, SOCK_STREAM, 0, OUT)
    filing.call("sendmsg", 5, message(filing, rights(64, 4)), 0)
    filing.call("close", 4)
    kept = filing.call("read", 3, OUT, 1)
    filing.call("read", 6, OUT, 1)  # the descriptor is lost
    gone = filing.call("read", 3, OUT, 1)
    answers, _ = ran(filing, tmp_path)
    assert answers[kept].result == -errno.EAGAIN
    assert answers[gone].result == 0


@pytest.mark.parametrize("bits", [32, 64])
def test_what_waits_in_sockets_is_bounded(bits: int, tmp_path: Path) -> None:
    filing, sizes = Filing(bits), []
    for pair in range(8):
        filing.call("socketpair", AF_UNIX, SOCK_STREAM | O_NONBLOCK, 0, OUT)
        sizes += [
            filing.call("sendto", 3 + 2 * pair, b"x" * 30000, 30000, MSG_DONTWAIT, 0, 0)
            for _ in range(3)
        ]
    answers, _ = ran(filing, tmp_path, max_host_memory=409_600)
    results = [answers[index].result for index in sizes]
    assert results[0] == 30000
    assert -errno.ENOBUFS in results
    assert sum(result for result in results if result > 0) < 409_600


def test_locks_and_watched_files_are_bounded(tmp_path: Path) -> None:
    filing, locks, items = Filing(64), [], []
    filing.call("open", "/tmp/a", O_CREAT | O_RDWR, 0o644)
    filing.call("epoll_create1", 0)
    for index in range(300):
        lock = struct.pack("<2h4x2qi4x", 1, 0, 2 * index, 1, 0)
        locks.append(filing.call("fcntl", 3, 6, lock))
    for index in range(300):
        filing.call("eventfd2", 0, 0)
        event = struct.pack("<IQ", 1, index)
        items.append(filing.call("epoll_ctl", 4, 1, 5 + index, event))
    answers, _ = ran(filing, tmp_path, max_host_memory=307_200)
    assert answers[locks[0]].result == answers[items[0]].result == 0
    assert answers[items[-1]].result < 0
    answers, _ = ran(filing, tmp_path, max_host_memory=102_400)
    assert answers[locks[-1]].result == -errno.ENOLCK


@pytest.mark.parametrize("where", ["tmpfs", "host"])
def test_names_of_sockets_and_fifos(where: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    options = {"root": root, "root_rw": True} if where == "host" else {}
    filing = Filing(64)
    at = "/s" if where == "host" else "/tmp/s"
    address = struct.pack("<H", AF_UNIX) + at.encode() + b"\0"
    filing.call("socket", AF_UNIX, SOCK_STREAM, 0)
    bound = filing.call("bind", 3, address, len(address))
    filing.call("listen", 3, 1)
    filing.call("socket", AF_UNIX, SOCK_STREAM, 0)
    connected = filing.call("connect", 4, address, len(address))
    accepted = filing.call("accept4", 3, 0, 0, 0)
    name = "/f" if where == "host" else "/tmp/f"
    made = filing.call("mknod", name, S_IFIFO | 0o600, 0)
    both = filing.call("open", name, O_RDWR, 0)
    filing.call("write", 6, b"through", 7)
    filing.call("open", name, O_RDONLY | O_NONBLOCK, 0)
    read = filing.call("read", 7, OUT, 10, dump=7)
    device = filing.call("mknod", name + "n", S_IFCHR | 0o600, 0x103)
    opened = filing.call("open", name + "n", O_WRONLY, 0)
    answers, _ = ran(filing, tmp_path, **options)
    assert [answers[index].result for index in (bound, connected, accepted, made, both)] == [
        0, 0, 5, 0, 6,
    ]  # fmt: skip
    assert answers[read].out == b"through"
    expected = (-errno.EPERM, -errno.ENOENT) if where == "host" else (0, 8)
    assert (answers[device].result, answers[opened].result) == expected
    if where == "host":
        assert (root / "s").is_socket()
        assert (root / "f").is_fifo()


def test_nobody_is_reached_outside(tmp_path: Path) -> None:
    filing = Filing(64)
    far = struct.pack("<HH4B8x", 2, 0x5000, 93, 184, 216, 34)
    filing.call("socket", 2, 1, 0)
    filing.call("socket", 2, 2, 0)
    refused = [
        filing.call("connect", 3, far, 16),
        filing.call("connect", 4, far, 16),
        filing.call("sendto", 4, b"x", 1, 0, filing.put(far), 16),
    ]
    families = [filing.call("socket", family, 3, 0) for family in (17, 40)]
    filing.call("socket", 16, 3, 0)
    other = filing.put(struct.pack("<HHII", 16, 0, 1, 0))
    changes = struct.pack("<IHHIIBBBBI", 24, 20, 1, 0, 0, 2, 8, 0, 0, 1)  # RTM_NEWADDR
    asked = [
        filing.call("socket", 16, 3, 9),
        filing.call("connect", 5, other, 12),
        filing.call("sendto", 5, changes, 24, 0, other, 12),
        filing.call("write", 5, changes, 24),
        filing.call("read", 5, OUT, 100, dump=44),
    ]
    answers, _ = ran(filing, tmp_path)
    assert {answers[index].result for index in refused} == {-errno.ENETUNREACH}
    assert {answers[index].result for index in families} == {-errno.EAFNOSUPPORT}
    refusals = [-errno.EPROTONOSUPPORT, -errno.ECONNREFUSED, -errno.ECONNREFUSED]
    assert [answers[index].result for index in asked] == [*refusals, 24, 44]
    assert struct.unpack_from("<H10xi", answers[asked[-1]].out, 4) == (2, -errno.EPERM)


def test_a_file_without_a_name_gives_its_locks_back(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    filing = Filing(64)
    record = struct.pack("<2h4x2qi4x", 1, 0, 0, 1, 0)
    filing.call("open", "/a", O_CREAT | O_RDWR, 0o644)
    filing.call("open", "/a", O_RDWR, 0)
    filing.call("open", "/a", O_RDWR, 0)
    calls = [
        filing.call("fcntl", 3, 6, record),
        filing.call("flock", 4, 2),
        filing.call("unlink", "/a"),
        filing.call("close", 5),
        filing.call("close", 4),
        filing.call("fcntl", 3, 37, struct.pack("<2h4x2qi4x", 1, 0, 5, 1, 0)),
    ]
    answers, machine = ran(filing, tmp_path, root=root, root_rw=True)
    assert [answers[index].result for index in calls] == [0, 0, 0, 0, 0, 0]
    assert machine.kernel.locks.files == {}


def test_a_terminal_that_gets_no_descriptor_is_not_open(tmp_path: Path) -> None:
    """TIOCGPTPEER without a descriptor left: the other end is told when the last one closes."""
    filing = Filing(64)
    filing.call("open", "/dev/ptmx", O_RDWR, 0)
    got = [filing.call("ioctl", 3, 0x5441, O_RDWR)]
    filing.call("setrlimit", 7, struct.pack("<2Q", 5, 4096))
    got.append(filing.call("ioctl", 3, 0x5441, O_RDWR))
    filing.call("close", 4)
    got.append(filing.call("read", 3, OUT, 1))
    answers, _ = ran(filing, tmp_path)
    assert [answers[index].result for index in got] == [4, -errno.EMFILE, -errno.EIO]
