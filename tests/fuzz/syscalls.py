"""System calls: processes that make thousands of calls with values that are nearly right.

A case is a machine drawn by the seed and a list of calls, which `caller.c` makes in many
processes of either width.  Whatever they are given, the kernel's books agree, and nothing is
raised but the news that everybody sleeps.
"""

from __future__ import annotations

import contextlib
import os
import random
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vmemu import _build
from vmemu.core import lib
from vmemu.errors import ExecError, VmemuError
from vmemu.kernel.syscalls import TABLES, Syscall
from vmemu.machine import Machine
from vmemu.rmap import schemes

UNITS = "calls"
WIDTHS = (32, 64)
SEEDS: tuple[int, ...] = (68,)
"""Cases that once found something."""
SEEDS_64: tuple[int, ...] = (2,)

CALLS = 2048
SPAWNS = 50
STEPS = 15_000
"""After so many steps of the kernel a case is over, whatever still runs."""
BETWEEN_CHECKS = 1500

POOL = 0x60000000
_POOL_SIZE = 4 * 4096
_ARENA = 0x50000000
_ARENA_PAGES = 96

# How often a call is drawn; 1 for what is not here.
_WEIGHTS = {
    "exit": 0.1, "exit_group": 0.1, "execve": 0.3, "pause": 0.1, "sigsuspend": 0.1,
    "rt_sigsuspend": 0.1, "sigreturn": 0.2, "rt_sigreturn": 0.2, "alarm": 0.3, "setitimer": 0.3,
    "setsid": 0.3, "vmemu_lab": 2, "restart_syscall": 0.2, "nanosleep": 0.5, "kill": 0.6,
    "mmap": 8, "mmap2": 8, "munmap": 5, "mprotect": 6, "mremap": 6, "madvise": 4, "mlock": 2,
    "munlock": 2, "mincore": 2, "brk": 2, "fork": 2, "clone": 2, "vfork": 1, "wait4": 3,
    "read": 4, "write": 4,
    "readv": 2, "writev": 2, "pipe": 2, "close": 2, "swapon": 1, "swapoff": 1, "rt_sigaction": 2,
    "fcntl": 2, "fcntl64": 2, "flock": 2, "mknod": 2, "splice": 2, "tee": 2, "close_range": 0.3,
    "poll": 2, "epoll_ctl": 3, "epoll_wait": 2, "socket": 3, "socketpair": 2, "bind": 2,
    "connect": 2, "listen": 2, "sendmsg": 2, "recvmsg": 2,
    "clone3": 2, "semget": 2, "semop": 3, "semctl": 2, "msgget": 2, "msgsnd": 3, "msgrcv": 3,
    "mq_open": 4, "mq_unlink": 0.5, "mq_timedsend": 3, "mq_timedreceive": 3, "mq_notify": 2,
    "ipc": 3, "futex": 2, "futex_waitv": 2, "mlockall": 0.5, "arch_prctl": 0.3,
}  # fmt: skip
_ODD = [
    0, 1, 2, 3, 7, 8, 16, 255, 4095, 4096, 65536, 1 << 20, 1 << 30, 0x7FFFFFFF, 0x80000000,
    0xBFFFF000, 0xBFFFFFFF, 0xC0000000, 0xC0001070, 0xFFFFF000, 0xFFFFFFFE, 0xFFFFFFFF,
]  # fmt: skip
_ODD_64 = [
    *_ODD, 1 << 32, (1 << 32) + 4096, 1 << 38, 0x7FBFFFF000, 0x7FBFFFFFFF, 0x7FC0000000,
    0x7FC0001070, 1 << 40, 0x7FFFFFFFFFFF, 1 << 47, 0xFFFF800000000000, 1 << 63, (1 << 63) - 1,
    (1 << 64) - 4096, (1 << 64) - 2, (1 << 64) - 1,
]  # fmt: skip
_HEAP = {32: 0x08090000, 64: 0x00440000}
"""An address in the caller's heap."""


def caller(bits: int) -> bytes:
    """The program, built once."""
    return _build.guest_program(Path(__file__).with_name("caller.c"), bits)


class Draw:
    """Draws arguments by what the table of calls says they are."""

    def __init__(self, rng: random.Random, paths: list[bytes], bits: int = 32) -> None:
        self.rng = rng
        self.width = bits
        self.odd = _ODD_64 if bits == 64 else _ODD
        self.pool = bytearray()
        self.strings = [self._put(path[:600] + b"\0") for path in (*_PATHS, *paths)]
        self.structs = [self._put(self._struct()) for _ in range(120)]
        self.locks = [self._put(self._flock()) for _ in range(12)]
        self.addresses = [self._put(address) for address in _SOCKADDRS]
        self.messages = [self._put(self._message()) for _ in range(12)]
        self.children = [self._put(self._child()) for _ in range(8)]
        self.changes = [self._put(self._semaphores()) for _ in range(12)]
        self.strings += [self._put(b"q%d\0" % number) for number in range(_QUEUES)]
        self.words = [self._put(self._waiters()) for _ in range(6)]
        self.queues = [self._put(self._room()) for _ in range(4)]
        self.pool = self.pool[:_POOL_SIZE].ljust(_POOL_SIZE, b"\xff")

    def _put(self, data: bytes) -> int:
        """Place bytes in the pool; their address."""
        address = POOL + len(self.pool)
        self.pool += data + bytes(-len(data) % (self.width // 8))
        return address

    def _struct(self) -> bytes:
        rng = self.rng
        kind = rng.randrange(8)
        words: list[int] = {
            0: lambda: [rng.choice([0, 0, 1, -1, 1 << 31]), rng.choice([0, 5, 999999999, 10**9])],
            1: lambda: [rng.choice([0, 1, 5, -1]), 0, rng.choice([0, 3, 10**9]), 0],
            2: lambda: [w for _ in range(3) for w in (self.address(), rng.choice([0, 8, 5000]))],
            3: lambda: [rng.choice([0, 1, 2, self.address()]), rng.choice([0, 4, 0x40000000]),
                        self.address(), rng.getrandbits(32), 0],
            4: lambda: [rng.randrange(-1, 12), rng.choice([1, 4, 5]), 3, 4, 99, 0x10001],
            5: lambda: [rng.choice([6, 7, 8, -1, 5]), self.address(), 0xFFFFF, 0x51],
            6: lambda: [rng.choice([0, 4096, 1 << 20, -1]), rng.choice([0, 1 << 24, -1])],
            7: lambda: [self.address(), 4096, 3, 0x22, -1, 0],
        }[kind]()  # fmt: skip
        wide = self.width == 64 and kind not in (4, 5)  # struct pollfd, user_desc
        mask = (1 << 64) - 1 if wide else 0xFFFFFFFF
        return struct.pack(f"<{len(words)}{'Q' if wide else 'I'}", *(word & mask for word in words))

    def _flock(self) -> bytes:
        """struct flock of either width, or flock64."""
        rng = self.rng
        form = "<2h4x2qi4x" if self.width == 64 else rng.choice(["<2h3i", "<2h2qi"])
        place = rng.choice([0, 0, 1, 5, 10, -1]), rng.choice([0, 1, 5, 10, -2])
        return struct.pack(form, rng.choice([0, 1, 1, 2]), rng.choice([0, 0, 1, 2]), *place, 0)

    def _message(self) -> bytes:
        """struct msghdr, with descriptors or credentials."""
        rng, wide = self.rng, self.width == 64
        kind = rng.choice([1, 1, 2, 3])
        body = struct.pack("<3i", *rng.choices(range(-1, 12), k=rng.choice([3])))
        head = struct.pack("<Qii" if wide else "<Iii", (16 if wide else 12) + len(body), 1, kind)
        control = self._put(head + body)
        mask = (1 << self.width) - 1
        words = [rng.choice([0, self.addresses[0]]), 9, self.struct(), rng.choice([0, 1, 1, 2]),
                 rng.choice([0, control]), rng.choice([0, 24, len(head + body)]), 0]  # fmt: skip
        return struct.pack(f"<7{'Q' if wide else 'I'}", *(word & mask for word in words))

    def _child(self) -> bytes:
        """struct clone_args."""
        rng = self.rng
        flags = rng.choice([0, 0, 0x10900, 0x100000000]) | self.bits(0x100, 0x400, 0x1000, 0x100000)
        stack = rng.choice([(0, 0), (0, 0), (self.page(), 4096), (self.address(), 4096)])
        wanted = rng.choice([(0, 0), (0, 0), (0, 0), (self.address(), 1)])
        told = [self.address() for _ in range(3)]
        words = [flags, *told, 0 if flags & 0x10000 else rng.choice([17, 17, 0, 40]), *stack,
                 self.address(), *wanted, 3]  # fmt: skip
        return struct.pack("<11Q", *(word & (1 << 64) - 1 for word in words))

    def _waiters(self) -> bytes:
        """struct futex_waitv[3] of the words that futex() is called with."""
        words = [self.rng.choice(self.structs[:3]) for _ in range(3)]
        values = [struct.unpack_from("<I", self.pool, word - POOL)[0] for word in words]
        flags = self.rng.choice([2, 2, 130, 3])
        return b"".join(
            struct.pack("<2Q2I", value, word, flags, 0)
            for value, word in zip(values, words, strict=True)
        )

    def _room(self) -> bytes:
        """struct mq_attr."""
        words = [0, self.rng.choice([1, 2, 10, 11]), self.rng.choice([1, 8, 100, 9000]), *5 * [0]]
        return struct.pack("<8q" if self.width == 64 else "<8i", *words)

    def _semaphores(self) -> bytes:
        """struct sembuf[3]."""
        rng = self.rng
        each = [(rng.randrange(4), rng.choice([1, 1, 2, -1, -1, 0, 32767]), rng.choice(_SEM_FLAGS))
                for _ in range(3)]  # fmt: skip
        return b"".join(struct.pack("<Hhh", *words) for words in each)

    def page(self) -> int:
        return _ARENA + 4096 * self.rng.randrange(_ARENA_PAGES)

    def address(self) -> int:
        rng = self.rng
        kind = rng.random()
        if kind < 0.4:
            return self.page()
        if kind < 0.6:
            return self.page() + rng.choice([-4, -1, 1, 8, 4092, 4095])
        if kind < 0.85:
            return POOL + 4 * rng.randrange(_POOL_SIZE // 4)
        return rng.choice(self.odd) if kind < 0.97 else rng.getrandbits(self.width)

    def struct(self) -> int:
        return self.rng.choice(self.structs) if self.rng.random() < 0.8 else self.address()

    def string(self) -> int:
        return self.rng.choice(self.strings) if self.rng.random() < 0.9 else self.address()

    def length(self) -> int:
        rng = self.rng
        if rng.random() < 0.3:
            return rng.randrange(17)
        if rng.random() < 0.8:
            return 4096 * rng.choice([1, 1, 2, 3, 8, 20]) + rng.choice([0, 0, 0, 1, -1])
        value = rng.choice([0, 1, 4, 8, 12, 100, 1024, *self.odd])
        if self.width == 64 and value >> 28 and rng.random() < 0.8:
            value >>= 12  # there is room for large areas, and filling each takes its time
        return value

    def bits(self, *flags: int) -> int:
        value = 0
        for flag in flags:
            value |= flag if self.rng.random() < 0.4 else 0
        return value if self.rng.random() < 0.95 else self.rng.getrandbits(32)

    def argument(self, kind: str) -> int:
        draw = _KINDS.get(kind)
        return self.rng.choice(self.odd) if draw is None else draw(self)

    def call(self, entry: Syscall) -> list[int]:
        """Number and six arguments."""
        kinds = (*entry.kinds, *(6 - len(entry.kinds)) * ("none",))
        values = [self.argument(kind) for kind in kinds]
        special = _SPECIAL.get(entry.name)
        if special is not None and self.rng.random() < 0.85:
            special(self, values)
        mask = (1 << self.width) - 1
        return [entry.number, *(self._soiled(value) & mask for value in values)]

    def _soiled(self, value: int) -> int:
        """Now and then with something in the upper half, which an int's register may have."""
        if self.width == 32 or value >> 32 not in (0, -1) or self.rng.random() < 0.9:
            return value
        return value ^ self.rng.choice([1 << 32, -1 << 32, 1 << 63])


def _small(*values: int) -> Callable[[Draw], int]:
    return lambda d: d.rng.choice(values) if d.rng.random() < 0.95 else d.rng.choice(d.odd)


_FDS = (-1, *range(12), *range(8), 99, 1024)
_PATHS = [
    b"/proc/self/maps", b"/proc/self/status", b"/proc/meminfo", b"/proc/self/exe", b"/dev/zero",
    b"/dev/null", b"/proc/self/fd/3", b"/proc/101/stat", b"/proc/102/cmdline", b"/proc/swaps",
    b"/", b"", b"relative", b"//proc//self/../self/maps", b"\xff\xfe\x80", b"x" * 300,
    b"/proc/self", b"/proc/self/mem", b"pgfault", b"/tmp/a", b"/tmp/b", b"/tmp/a/c", b"../tmp/a",
    b"tmp", b"a", b"/tmp/a/../b/", b"/dev/urandom", b"/dev/fd/3", b"/proc/self/cwd", b".", b"..",
    b"/dev/ptmx", b"/dev/pts/0", b"/dev/pts/1", b"/dev/tty", b"/dev/pts",
    b"/dev/full", b"/proc/self/exe/..", b"/tmp/b/" + b"y" * 255,
]  # fmt: skip
_KINDS: dict[str, Callable[[Draw], int]] = {
    "fd": _small(*_FDS),
    "dirfd": _small(-100, *_FDS),
    "pid": _small(-1, 0, 0, *range(101, 150), -101, 1, 99999),
    "ptr": Draw.struct,
    "buf": Draw.address,
    "rbuf": Draw.address,
    "wstatus": Draw.struct,
    "pipefd": Draw.struct,
    "timespec": Draw.struct,
    "cloneargs": lambda d: d.rng.choice(d.children) if d.rng.random() < 0.9 else d.address(),
    "iov": Draw.struct,
    "str": Draw.string,
    "strv": lambda d: d.rng.choice([0, 0, d.struct()]),
    "uint": Draw.length,
    "size": Draw.length,
    "long": Draw.length,
    "xlong": Draw.length,
    "int": _small(0, 1, 2, -1, 5, 100),
    "hex": lambda d: d.bits(1, 2, 4, 8, 0x100, 0x1000),
    "ioctl": _small(
        *range(0x5401, 0x5416),
        0x541B,
        *range(0x5420, 0x542A),
        0x5441,
        0x5450,
        0x5451,
        0x802C542A,
        0x402C542B,
        0x402C542D,
        0x80045430,
        0x40045431,
        0x80045439,
        0x80045440,
    ),
    "oct": _small(0, 1, 2, 4, 7, 0o644),
    "prot": lambda d: d.bits(1, 1, 1, 2, 2, 4, 0x01000000),
    "mapfl": lambda d: d.bits(2, 2, 2, 2, 0x20, 0x20, 0x20, 0x20, 0x10, 0x100, 0x2000, 0x4000),
    "mremapfl": lambda d: d.bits(1, 1, 1, 2),
    "advice": _small(0, 1, 2, 3, 4, 4, 9),
    "openfl": lambda d: d.bits(1, 2, 0o4000, 0o2000000, 0o200000, 0o100, 0o100, 0o1000),
    "sig": _small(*range(1, 20), 33, 64, 65, 0),
    "sighow": _small(0, 1, 2, 3),
    "clonefl": lambda d: (
        d.rng.choice([17, 0x10900])
        | d.bits(17, 0x100, 0x400, 0x800, 0x4000, 0x80000, 0x100000, 0x200000, 0x1000000)
    ),
    "waitfl": lambda d: 1 | d.bits(1, 2, 8, 0x40000000, 0x80000000),
    "clock": _small(0, 1, 2, 3, 4, 7, 99),
    "none": lambda d: 0,
}
"""How an argument is drawn, by its kind."""


def _mapping(d: Draw, values: list[int]) -> None:
    flags = d.rng.choice([0x22, 0x22, 0x21]) | d.bits(
        0x10, 0x10, 0x10, 0x100, 0x2000, 0x4000, 0x8000
    )
    values[:6] = [d.page(), d.length(), d.bits(1, 1, 1, 2, 2, 2, 4), flags, -1, 0]


def _range(d: Draw, values: list[int]) -> None:
    values[0], values[1] = d.page(), d.length()


def _move(d: Draw, values: list[int]) -> None:
    old = d.length()
    new = old if d.rng.random() < 0.5 else d.length()
    values[:5] = [d.page(), old, new, d.rng.choice([0, 1, 3, 3, 3]), d.page()]


def _lab(d: Draw, values: list[int]) -> None:
    values[0] = d.rng.choice([0, 1, 1, 1, 1, 2, 4, 9])
    if values[0] == 1:
        values[1:4] = [d.page(), 4096 * d.rng.randrange(1, 40), d.rng.choice([0, 0, 101, 105])]
    if values[0] == 4:
        values[1] = d.rng.randrange(64)
    if values[0] in (0, 2):
        values[1] = d.string()


def _heap(d: Draw, values: list[int]) -> None:
    values[0] = _HEAP[d.width] + 4096 * d.rng.randrange(64) + d.rng.choice([0, 0, 1])


def _sizes(d: Draw, values: list[int]) -> None:
    values[3] = 8


def _vector(d: Draw, values: list[int]) -> None:
    values[2] = d.rng.choice([0, 1, 2, 3, 3, 8, 1025])


def _futex(d: Draw, values: list[int]) -> None:
    operation = d.rng.choice([0, 1, 3, 4, 5, 9, 10]) | d.rng.choice([0, 128, 256])
    words = [d.structs[i % len(d.structs)] for i in range(3)]
    last = d.rng.choice([-1, d.rng.getrandbits(32)])
    values[:] = [
        d.rng.choice(words),
        operation,
        d.rng.choice([0, 1, 5]),
        d.struct(),
        words[0],
        last,
    ]


def _grown(d: Draw, values: list[int]) -> None:
    values[1] = d.rng.choice([64, 80, 88, 88, 88, 96])


_QUEUES = 3
_SEM_FLAGS = (0, 0o4000, 0o4000, 0o10000, 0o14000)
_IPC_IDS = (0, 0, 0, 0, 32768, 32769, 65536, 65537, 98304, -1)


def _set_of(d: Draw, values: list[int]) -> None:
    values[:3] = [d.rng.choice([0, 1, 1, 2]), d.rng.choice([1, 2, 4]), d.rng.choice([0, 0o1600])]


def _changed(d: Draw, values: list[int]) -> None:
    values[:3] = [d.rng.choice(_IPC_IDS), d.rng.choice(d.changes), d.rng.choice([1, 1, 2, 3])]


def _asked(d: Draw, values: list[int]) -> None:
    values[:3] = [d.rng.choice(_IPC_IDS), d.rng.randrange(4), d.rng.randrange(21)]
    values[3] = d.rng.choice([0, 1, 5, d.struct(), d.struct()])


def _queue_of(d: Draw, values: list[int]) -> None:
    values[:2] = [d.rng.choice([0, 1, 1, 2]), d.rng.choice([0o600, 0o1600, 0o1600])]


def _sent(d: Draw, values: list[int]) -> None:
    values[0], values[2] = d.rng.choice(_IPC_IDS), d.rng.choice([0, 1, 8, 100, 8192])
    values[3] = d.rng.choice([0, 0o4000, 0o4000])


def _received(d: Draw, values: list[int]) -> None:
    values[0], values[2] = d.rng.choice(_IPC_IDS), d.rng.choice([0, 8, 100, 8192])
    values[3], values[4] = d.rng.choice([0, 0, 1, -5]), d.bits(0o4000, 0o4000, 0o10000, 0o20000)


def _queue_file(d: Draw, values: list[int]) -> None:
    values[0] = d.rng.choice(d.strings[-_QUEUES:])
    values[1] = d.rng.choice([0, 1, 2, 0o102, 0o102, 0o302, 0o4102, 0o4002])
    values[2:4] = 0o600, d.rng.choice([0, 0, d.rng.choice(d.queues)])


def _queue_name(d: Draw, values: list[int]) -> None:
    values[0] = d.rng.choice(d.strings[-_QUEUES:])


def _queued(d: Draw, values: list[int]) -> None:
    values[0], values[2] = d.rng.choice(_FDS), d.rng.choice([0, 1, 8, 100, 8192, 8192])
    values[3] = d.rng.choice([0, 0, 1, 5, 32768])
    values[4] = d.rng.choice([0, d.struct(), d.struct(), d.struct()])


def _unqueued(d: Draw, values: list[int]) -> None:
    values[0], values[2] = d.rng.choice(_FDS), d.rng.choice([8, 100, 8192, 8192])
    values[3] = d.rng.choice([0, 0, d.struct()])
    values[4] = d.rng.choice([0, d.struct(), d.struct(), d.struct()])


def _words(d: Draw, values: list[int]) -> None:
    values[:3] = [d.rng.choice(d.words), d.rng.choice([1, 2, 3, 3, 0, 200]), 0]
    values[3], values[4] = d.rng.choice([0, d.struct(), d.struct()]), d.rng.choice([0, 1, 1, 2])


def _queue_asked(d: Draw, values: list[int]) -> None:
    values[0], values[1] = d.rng.choice(_IPC_IDS), d.rng.choice([0, 1, 2, 2, 3, 11, 12, 13])


def _ipc(d: Draw, values: list[int]) -> None:
    values[0] = d.rng.choice([*range(1, 5), *range(11, 15), 0x1000C, *range(21, 25)])
    values[1], values[2] = d.rng.choice(_IPC_IDS), d.rng.choice([0, 1, 2, 3, 0x102])
    values[3], values[4] = d.rng.choice([0, 0o4000, 0o1600, 12, 16]), d.struct()


def _polled(d: Draw, values: list[int]) -> None:
    values[1], values[2] = d.rng.choice([0, 1, 2, 3, 2000]), d.rng.choice([0, 1, 5, -1])


def _waited(d: Draw, values: list[int]) -> None:
    values[2], values[3] = d.rng.choice([0, 1, 2, 8, -1]), d.rng.choice([0, 1, 5, 5, -1])


def _selected(d: Draw, values: list[int]) -> None:
    values[0] = d.rng.choice([0, 1, 5, 8, 12, 64, 1 << 20, -1])
    if d.rng.random() < 0.8:
        values[4] = d.struct()


def _watch(d: Draw, values: list[int]) -> None:
    values[1] = d.rng.choice([1, 1, 1, 2, 3, 4])


def _nearly_empty(d: Draw, values: list[int]) -> None:
    values[-4:] = [d.rng.choice([8, 8, 8, 4]), d.rng.choice([0, 0o4000, 0o2000000, 1]), 0, 0]


_SOCKADDRS = (
    b"\1\0/tmp/s\0", b"\1\0\0abstract", b"\2\0\x30\x39\x7f\0\0\1".ljust(16, b"\0"), b"\1\0s\0",
    b"\2\0\0\0\0\0\0\0".ljust(16, b"\0"), b"\x0a\0\x30\x39".ljust(23, b"\0") + b"\1\0\0\0\0",
    b"\2\0\x30\x39\x08\x08\x08\x08".ljust(16, b"\0"), b"\0\0".ljust(16, b"\0"), b"\x10\0",
)  # fmt: skip


def _family(d: Draw, values: list[int]) -> None:
    values[0] = d.rng.choice([1, 1, 1, 2, 2, 10, 16, 99])
    values[1] = d.rng.choice([1, 1, 2, 2, 5, 3]) | d.rng.choice([0, 0, 0o4000, 0o2000000])
    values[2] = d.rng.choice([0, 0, 0, 0, 6, 17])


def _addressed(d: Draw, values: list[int]) -> None:
    index = d.rng.randrange(len(_SOCKADDRS))
    values[1], values[2] = d.addresses[index], len(_SOCKADDRS[index])


def _sent_to(d: Draw, values: list[int]) -> None:
    values[3] = d.bits(2, 0x20, 0x40, 0x40, 0x100, 0x4000)
    if d.rng.random() < 0.5:
        values[4] = 0
    else:
        index = d.rng.randrange(len(_SOCKADDRS))
        values[4], values[5] = d.addresses[index], len(_SOCKADDRS[index])


def _with_message(d: Draw, values: list[int]) -> None:
    values[1] = d.rng.choice(d.messages)
    values[2] = d.bits(2, 0x20, 0x40, 0x40, 0x100, 0x4000, 0x40000000)


def _with_messages(d: Draw, values: list[int]) -> None:
    values[1], values[2] = d.rng.choice(d.messages), d.rng.choice([0, 1, 1, 2])
    values[3] = d.bits(2, 0x20, 0x40, 0x40, 0x10000)


def _option(d: Draw, values: list[int]) -> None:
    values[1] = d.rng.choice([1, 1, 1, 6, 0, 41, 7])
    values[2] = d.rng.choice([*range(1, 22), 26, 38, 66])
    values[4] = d.rng.choice([0, 4, 8, 16, d.struct()])


def _socketcall(d: Draw, values: list[int]) -> None:
    values[0] = d.rng.randrange(22)


def _lock(d: Draw, values: list[int]) -> None:
    values[1] = d.rng.choice([*range(17), 36, 37, 38, 1030, 1031, 1032])
    if values[1] in (5, 6, 7, 12, 13, 14, 36, 37, 38):
        values[2] = d.rng.choice(d.locks)
    elif d.rng.random() < 0.8:
        values[2] = d.rng.choice([0, 1, 3, 8, 4096, 0o4000, 65536, 1 << 20])


def _node(d: Draw, values: list[int]) -> None:
    at = 1 if values[0] == d.strings[0] or values[0] > 4096 else 2
    values[at] = d.rng.choice([0o10644, 0o10644, 0o140600, 0o100600, 0o20666, 0o60666, 0o40700])
    values[at + 1] = d.rng.choice([0x103, 0x105, 0x500, 0])


def _spliced(d: Draw, values: list[int]) -> None:
    values[1], values[3] = d.rng.choice([0, 0, 0, d.struct()]), d.rng.choice([0, 0, 0, d.struct()])
    values[4], values[5] = d.rng.choice([0, 1, 100, 5000, 70000]), d.rng.choice([0, 2, 2, 1, 64])


def _flocked(d: Draw, values: list[int]) -> None:
    values[1] = d.rng.choice([1, 2, 5, 6, 6, 8, 99])


def _closed(d: Draw, values: list[int]) -> None:
    values[:3] = [d.rng.choice([8, 9, 20, 50]), d.rng.choice([9, 12, 100]), d.rng.choice([0, 2, 4])]


def _base(d: Draw, values: list[int]) -> None:
    values[0] = d.rng.choice([0x1001, 0x1002, 0x1003, 0x1004])


_SPECIAL: dict[str, Callable[[Draw, list[int]], None]] = {
    "mmap": _mapping, "mmap2": _mapping, "munmap": _range, "mprotect": _range,
    "madvise": _range, "mlock": _range, "munlock": _range, "mincore": _range, "msync": _range,
    "mremap": _move, "vmemu_lab": _lab,
    "brk": _heap, "rt_sigaction": _sizes, "rt_sigprocmask": _sizes, "readv": _vector,
    "writev": _vector, "poll": _polled, "epoll_wait": _waited, "epoll_pwait": _waited,
    "select": _selected, "_newselect": _selected, "epoll_ctl": _watch,
    "socket": _family, "socketpair": _family, "bind": _addressed, "connect": _addressed,
    "sendto": _sent_to, "recvfrom": _sent_to, "sendmsg": _with_message, "recvmsg": _with_message,
    "sendmmsg": _with_messages, "recvmmsg": _with_messages, "setsockopt": _option,
    "fcntl": _lock, "fcntl64": _lock, "mknod": _node, "mknodat": _node, "splice": _spliced,
    "flock": _flocked, "close_range": _closed, "getsockopt": _option, "socketcall": _socketcall,
    "signalfd4": _nearly_empty, "futex": _futex, "arch_prctl": _base,
    "clone3": _grown, "semget": _set_of, "semop": _changed, "semtimedop": _changed,
    "semtimedop_time64": _changed, "semctl": _asked, "msgget": _queue_of, "msgsnd": _sent,
    "msgrcv": _received, "msgctl": _queue_asked, "ipc": _ipc, "mq_open": _queue_file,
    "futex_waitv": _words,
    "mq_unlink": _queue_name, "mq_timedsend": _queued, "mq_timedsend_time64": _queued,
    "mq_timedreceive": _unqueued, "mq_timedreceive_time64": _unqueued,
}  # fmt: skip


def _machine(rng: random.Random, swap: Path, bits: int) -> Machine:
    options: dict[str, Any] = {
        "bits": bits,
        "rmap": rng.choice(sorted(schemes())),
        "ram": rng.choice(["512K", "768K", "1M", "2M", "8M"]),
        "swap": rng.choice([None, f"{swap}:2M", f"{swap}:512K", "4M"]),
        "overcommit": rng.choice([0, 0, 1, 2]),
        "swappiness": rng.choice([0, 60, 100]),
        "topdown": rng.random() < 0.3,
        "slice_blocks": rng.choice([200, 5000, 100_000]),
        "events": rng.choice([0, 0, 4096]),
        "fault_path": rng.choice(["c", "c", "python"]),
        "page_cluster": rng.choice([0, 3]),
        "seed": rng.getrandbits(16),
    }
    return Machine(**options)


def case(seed: int, bits: int = 32) -> int:
    """Run one machine full of calls; how many it made."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name, Path(os.devnull).open("wb") as null:
        directory = Path(name)
        program, other = directory / "caller", directory / "other"
        program.write_bytes(caller(bits))
        program.chmod(0o755)
        with _machine(rng, directory / "swap", bits) as machine:
            machine.kernel.vm.swap.swapon(str(other), 256 << 10)
            if rng.random() < 0.5:
                machine.kernel.vm.swap.swapoff(str(other))
            paths = [os.fsencode(path) for path in (program, other, directory / "swap", directory)]
            machine.kernel.log = lambda _line: None
            if rng.random() < 0.2:
                machine.kernel.strace = lambda _line: None
            each = rng.choice([50, 150, 400])
            calls = _list(rng, Draw(rng, paths, bits))

            def start(first: int) -> None:
                head = struct.pack(f"<3{_long(bits)}", first, CALLS // each, each)
                fd = null.fileno()
                with contextlib.suppress(ExecError):  # what is left may hold all memory
                    machine.spawn(program, stdin=head + calls, stdout=fd, stderr=fd)

            return _run(machine, start)


def _long(bits: int) -> str:
    return "Q" if bits == 64 else "I"


def _list(rng: random.Random, draw: Draw) -> bytes:
    """What caller.c reads after the three numbers: the calls, the pool, and more."""
    entries = list(TABLES[draw.width].values())
    weights = [_WEIGHTS.get(entry.name, 1) for entry in entries]
    chosen = rng.choices(entries, weights, k=CALLS)
    words = [word for entry in chosen for word in draw.call(entry)]
    return (
        struct.pack(f"<{len(words)}{_long(draw.width)}", *words)
        + bytes(draw.pool)
        + rng.randbytes(5000)
    )


def _run(machine: Machine, start: Callable[[int], object]) -> int:
    """Run what start(worker) begins, and again when it has ended; how many calls it made."""
    kernel = machine.kernel
    start(0)
    assert kernel.first is not None
    spawns = iter(range(SPAWNS))
    for step in range(STEPS):
        if not kernel.first.alive:
            if next(spawns, None) is None:
                break
            start(step)
        if step % BETWEEN_CHECKS == 0:
            machine.check()
        try:
            kernel.step()
        except VmemuError as error:
            if not str(error).startswith("deadlock"):
                raise
            kernel.kill_all()
    machine.check()
    kernel.kill_all()
    machine.check()
    return int(machine.core.m.counter[lib.CNT_syscalls])
